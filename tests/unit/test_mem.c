/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The buddy allocator and kzalloc over 24 MiB of real memory, against a model of who
 * owns which page: nothing is handed out twice, everything freed merges back.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>

#include "kernel/log.h"
#include "kernel/mem.h"
#include "kernel/mem_init.h"

#define SPAN	   (24 * MiB)
#define LIVE_MAX   400
#define OWNED_NONE 0

uint64_t fake_direct_map;
static uint8_t *ram; /* stands for physical address 0 */
static uint32_t owner[SPAN / PAGE_SIZE];
static struct mem_stats fresh;

void log_write(enum log_level level, const char *fmt, ...)
{
}

void panic(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	abort();
}

/* RAM with holes and odd borders, as firmware reports it. */
static int set_up(void **state)
{
	static struct handoff ho;

	ram = aligned_alloc(SIZE_2M, SPAN);
	memset(ram, 0xee, SPAN);
	fake_direct_map = (uint64_t)ram;
	ho.mem[ho.mem_count++] = (struct handoff_mem){0, 0xa0000, HANDOFF_MEM_RAM, 0};
	ho.mem[ho.mem_count++] = (struct handoff_mem){MiB, 3 * MiB, HANDOFF_MEM_RAM, 0};
	ho.mem[ho.mem_count++] =
	    (struct handoff_mem){4 * MiB, 5 * PAGE_SIZE, HANDOFF_MEM_LOADER, 0};
	ho.mem[ho.mem_count++] =
	    (struct handoff_mem){4 * MiB + 5 * PAGE_SIZE, 9 * MiB, HANDOFF_MEM_RAM, 0};
	ho.mem[ho.mem_count++] = (struct handoff_mem){14 * MiB, MiB, HANDOFF_MEM_RESERVED, 0};
	ho.mem[ho.mem_count++] = (struct handoff_mem){16 * MiB, 7 * MiB, HANDOFF_MEM_RAM, 0};
	mem_init(&ho);
	mem_get_stats(&fresh);
	return 0;
}

static int tear_down(void **state)
{
	free(ram);
	return 0;
}

static bool usable(hpa_t pa)
{
	return (pa >= MiB && pa < 4 * MiB) ||
	       (pa >= 4 * MiB + 5 * PAGE_SIZE && pa < 13 * MiB + 5 * PAGE_SIZE) ||
	       (pa >= 16 * MiB && pa < 23 * MiB);
}

static void test_init(void **state)
{
	/* all RAM above 1 MiB but the page of the allocator's own table (24 MiB: 6144 bytes) */
	assert_int_equal(fresh.total_pages, (3 + 9 + 7) * MiB / PAGE_SIZE - 2);
	assert_int_equal(fresh.free_pages, fresh.total_pages);
	assert_int_equal(fresh.image_pages, 5);
	assert_int_equal(fresh.free_2m, 1 + 3 + 3);
}

struct block {
	uint8_t *p;
	unsigned order; /* or: */
	size_t size;	/* not 0: by kzalloc */
};
static struct block live[LIVE_MAX];

static void block_claim(struct block *b, uint32_t id)
{
	hpa_t pa = virt_to_hpa(b->p);

	assert_int_equal(pa & ((PAGE_SIZE << b->order) - 1), 0);
	for (hpa_t at = pa; at < pa + (PAGE_SIZE << b->order); at += PAGE_SIZE) {
		assert_true(usable(at));
		assert_int_equal(owner[at / PAGE_SIZE], OWNED_NONE);
		owner[at / PAGE_SIZE] = id;
	}
	for (size_t i = 0; i < PAGE_SIZE << b->order; i += 64)
		assert_int_equal(b->p[i], 0);
	memset(b->p, id, PAGE_SIZE << b->order);
}

static void block_drop(struct block *b, uint32_t id)
{
	hpa_t pa = virt_to_hpa(b->p);

	for (size_t i = 0; i < PAGE_SIZE << b->order; i += 512)
		assert_int_equal(b->p[i], (uint8_t)id);
	for (hpa_t at = pa; at < pa + (PAGE_SIZE << b->order); at += PAGE_SIZE)
		owner[at / PAGE_SIZE] = OWNED_NONE;
	pages_free(b->p, b->order);
	b->p = NULL;
}

static uint64_t pages_owned(void)
{
	uint64_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(owner); i++)
		n += owner[i] != OWNED_NONE;
	return n;
}

static void assert_all_back(void)
{
	struct mem_stats now;

	mem_get_stats(&now);
	assert_int_equal(now.free_pages, fresh.free_pages);
	assert_int_equal(now.free_2m, fresh.free_2m);
}

static void test_blocks(void **state)
{
	struct mem_stats now;

	srand(7);
	for (int step = 0; step < 40000; step++) {
		uint32_t id = rand() % LIVE_MAX;
		struct block *b = &live[id];

		if (b->p) {
			block_drop(b, id + 1);
			continue;
		}
		b->order = rand() % 8 ? rand() % 4 : rand() % (PAGES_MAX_ORDER + 1);
		b->p = pages_alloc(b->order);
		if (b->p)
			block_claim(b, id + 1);
		if (step % 1000 == 0) {
			mem_get_stats(&now);
			assert_int_equal(now.free_pages + pages_owned(), fresh.free_pages);
		}
	}
	for (uint32_t id = 0; id < LIVE_MAX; id++)
		if (live[id].p)
			block_drop(&live[id], id + 1);
	assert_all_back();
}

static void test_until_empty(void **state)
{
	static void *page[SPAN / PAGE_SIZE];
	size_t n = 0;

	while ((page[n] = pages_alloc_raw(0)))
		n++;
	assert_int_equal(n, fresh.free_pages);
	assert_null(pages_alloc(3));
	assert_null(kzalloc(3000));
	for (size_t i = 0; i < n; i++) /* every second first: merging must not depend on order */
		if (i & 1)
			pages_free(page[i], 0);
	for (size_t i = 0; i < n; i++)
		if (!(i & 1))
			pages_free(page[i], 0);
	assert_all_back();
}

static void object_check(const struct block *b, uint8_t value)
{
	for (size_t i = 0; i < b->size; i++)
		assert_int_equal(b->p[i], value);
}

static void test_objects(void **state)
{
	struct mem_stats before, after;

	srand(8);
	memset(live, 0, sizeof(live));
	for (int round = 0; round < 2; round++) {
		mem_get_stats(&before);
		for (int step = 0; step < 20000; step++) {
			uint32_t id = rand() % LIVE_MAX;
			struct block *b = &live[id];

			if (b->p) {
				object_check(b, id);
				kfree(b->p);
				b->p = NULL;
				continue;
			}
			b->size = 1 + (rand() % 50 ? rand() % 3000 : rand() % 60000);
			b->p = kzalloc(b->size);
			if (!b->p)
				continue;
			assert_int_equal((uint64_t)b->p & 15, 0);
			object_check(b, 0);
			memset(b->p, id, b->size);
		}
		for (uint32_t id = 0; id < LIVE_MAX; id++) {
			if (live[id].p)
				object_check(&live[id], id);
			kfree(live[id].p);
			live[id].p = NULL;
		}
	}
	/* small classes keep pages for later, but the second round needed no more than the first */
	mem_get_stats(&after);
	assert_true(before.free_pages - after.free_pages <= 8);
}

static void test_limits(void **state)
{
	void *p;

	kfree(NULL);
	assert_null(kzalloc(SIZE_2M));
	assert_null(kzalloc(SIZE_MAX));
	assert_null(kzalloc(SIZE_MAX - 8));
	p = kzalloc(SIZE_2M - 16);
	assert_non_null(p);
	kfree(p);
	p = kzalloc(0);
	assert_non_null(p);
	kfree(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_init),	cmocka_unit_test(test_blocks),
	    cmocka_unit_test(test_until_empty), cmocka_unit_test(test_objects),
	    cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests_name("mem", tests, set_up, tear_down);
}
