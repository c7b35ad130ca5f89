/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * EPT tables: mapping, splitting, joining and the three ways to notice writes.
 * The processor's side (A and D flags) is played by cpu_write().
 */
#include <stdlib.h>
#include <string.h>

#include "tests/unit/fake_kernel.h"

#include "arch/x86/vmx/caps.h"
#include "arch/x86/vmx/ept.h"

struct vmx_caps vmx_caps;

#define HPA 0x40000000ull

static uint64_t *step(uint64_t *table, gpa_t gpa, int level)
{
	return &table[gpa >> (PAGE_SHIFT + 9 * level) & 511];
}

/* A write by the processor: A on the way, D in the leaf. False: EPT violation. */
static bool cpu_write(struct slat *s, gpa_t gpa, bool *was_clean)
{
	uint64_t *entry, *table = s->root;

	for (int level = 3;; level--) {
		entry = step(table, gpa, level);
		if ((*entry & EPT_RWX) != EPT_RWX)
			return false;
		*entry |= EPT_A;
		if (level == 0 || (*entry & EPT_LARGE))
			break;
		table = (uint64_t *)(*entry & EPT_ADDR);
	}
	*was_clean = !(*entry & EPT_D);
	*entry |= EPT_D;
	return true;
}

static struct slat *make(gpa_t gpa, hpa_t hpa, uint64_t size)
{
	struct slat *s;

	fake_kernel_reset();
	fake_cpu_reset();
	vmx_caps.virt.page_1g = false;
	vmx_caps.virt.ad_bits = true;
	s = slat_create();
	assert_non_null(s);
	assert_int_equal(slat_map(s, gpa, hpa, size), 0);
	return s;
}

static void end(struct slat *s)
{
	slat_destroy(s);
	assert_int_equal(fake_alloc_live, 0);
}

static void assert_maps(struct slat *s, gpa_t gpa, hpa_t hpa, int level)
{
	int found = -1;
	bool writable = false;

	assert_int_equal(slat_lookup(s, gpa, &found, &writable), hpa);
	assert_int_equal(found, level);
	assert_true(writable);
}

static void test_map_largest(void **state)
{
	struct slat *s = make(0x1000, HPA + 0x1000, 4 * SIZE_2M);

	assert_maps(s, 0x1000, HPA + 0x1000, 0);
	assert_maps(s, SIZE_2M - 1, HPA + SIZE_2M - 1, 0);
	assert_maps(s, SIZE_2M, HPA + SIZE_2M, 1);
	assert_maps(s, 4 * SIZE_2M - 1, HPA + 4 * SIZE_2M - 1, 1);
	assert_maps(s, 4 * SIZE_2M, HPA + 4 * SIZE_2M, 0);
	assert_int_equal(slat_lookup(s, 0, NULL, NULL), UINT64_MAX);
	assert_int_equal(slat_lookup(s, 4 * SIZE_2M + 0x1000, NULL, NULL), UINT64_MAX);
	assert_int_equal(slat_lookup(s, 1ull << 48, NULL, NULL), UINT64_MAX);
	/* root, PDPT, PD, and a table for each end */
	assert_int_equal(slat_table_pages(s), 5);
	assert_int_equal(slat_map(s, SIZE_2M, HPA, SIZE_2M), -E_EXIST);
	assert_int_equal(slat_map(s, 0x2000, HPA, PAGE_SIZE), -E_EXIST);
	end(s);
}

static void test_memory_type_and_rights(void **state)
{
	struct slat *s = make(0, HPA, PAGE_SIZE);
	uint64_t *table = s->root;

	for (int level = 3; level > 0; level--) {
		assert_int_equal(table[0] & 0xff, EPT_RWX);
		table = (uint64_t *)(table[0] & EPT_ADDR);
	}
	assert_int_equal(table[0], HPA | 7 | 6 << 3); /* RWX, write-back */
	end(s);
}

static void test_1g(void **state)
{
	struct slat *s = make(0, 0, PAGE_SIZE);

	vmx_caps.virt.page_1g = true;
	assert_int_equal(slat_map(s, SIZE_1G, 4 * SIZE_1G, 2 * SIZE_1G), 0);
	assert_maps(s, SIZE_1G + 12345, 4 * SIZE_1G + 12345, 2);
	assert_int_equal(slat_log_start(s, SLAT_LOG_AD), 0);
	assert_maps(s, SIZE_1G + 0x12345, 4 * SIZE_1G + 0x12345, 0);
	assert_maps(s, 3 * SIZE_1G - 1, 6 * SIZE_1G - 1, 0);
	slat_log_stop(s);
	assert_maps(s, SIZE_1G + 12345, 4 * SIZE_1G + 12345, 2);
	end(s);
}

static void test_split_and_join(void **state)
{
	struct slat *s = make(0, HPA, 3 * SIZE_2M);
	uint64_t tables = slat_table_pages(s);
	uint32_t generation = s->generation;

	assert_int_equal(slat_map(s, 3 * SIZE_2M, HPA + 64 * SIZE_2M, SIZE_2M / 2), 0);
	assert_int_equal(slat_log_start(s, SLAT_LOG_AD), 0);
	assert_int_not_equal(s->generation, generation);
	for (gpa_t gpa = 0; gpa < 3 * SIZE_2M; gpa += PAGE_SIZE)
		assert_maps(s, gpa, HPA + gpa, 0);
	generation = s->generation;
	slat_log_stop(s);
	assert_int_not_equal(s->generation, generation);
	assert_maps(s, SIZE_2M, HPA + SIZE_2M, 1);
	assert_maps(s, 3 * SIZE_2M, HPA + 64 * SIZE_2M, 0); /* half a large page stays split */
	assert_int_equal(slat_table_pages(s), tables + 1);
	end(s);
}

/* Small pages that happen to be scattered must not be joined into one that is wrong. */
static void test_join_needs_contiguity(void **state)
{
	struct slat *s = make(0, HPA, PAGE_SIZE);

	for (unsigned i = 1; i < 512; i++)
		assert_int_equal(slat_map(s, i * PAGE_SIZE,
					  HPA + (i ^ 1) * PAGE_SIZE + (i == 1) * PAGE_SIZE,
					  PAGE_SIZE),
				 0);
	assert_int_equal(slat_log_start(s, SLAT_LOG_WP), 0);
	slat_log_stop(s);
	assert_maps(s, 2 * PAGE_SIZE, HPA + 3 * PAGE_SIZE, 0);
	end(s);
}

static void test_write_protection(void **state)
{
	struct slat *s = make(0, HPA, 2 * SIZE_2M);
	bool clean, writable = true;

	assert_false(slat_log_fault(s, 0)); /* not logging: nobody's fault */
	assert_int_equal(slat_log_start(s, SLAT_LOG_WP), 0);
	slat_lookup(s, 0x5000, NULL, &writable);
	assert_false(writable);
	assert_false(cpu_write(s, 0x5000, &clean));
	assert_true(slat_log_fault(s, 0x5123));
	assert_true(cpu_write(s, 0x5000, &clean));
	assert_false(cpu_write(s, 0x6000, &clean));
	slat_log_rearm(s, 0x5000);
	assert_false(cpu_write(s, 0x5000, &clean));
	assert_false(slat_log_fault(s, 8 * SIZE_2M));
	slat_log_stop(s);
	assert_true(cpu_write(s, 0x5000, &clean));
	assert_maps(s, 0x5000, HPA + 0x5000, 1);
	end(s);
}

static gpa_t seen[16];
static unsigned seen_count;

static void note(void *ctx, gpa_t gpa)
{
	assert_ptr_equal(ctx, seen);
	assert_true(seen_count < 16);
	seen[seen_count++] = gpa;
}

static void test_scan(void **state)
{
	struct slat *s = make(0, HPA, 2 * SIZE_2M);
	uint32_t generation;
	bool clean;

	assert_int_equal(slat_map(s, 5 * SIZE_1G, HPA * 4, SIZE_2M), 0);
	assert_true(cpu_write(s, 0x7000, &clean)); /* before: must not count */
	assert_int_equal(slat_log_start(s, SLAT_LOG_AD), 0);
	seen_count = 0;
	slat_log_scan(s, note, seen);
	assert_int_equal(seen_count, 0);
	assert_true(cpu_write(s, 0x3000, &clean));
	assert_true(cpu_write(s, 0x3000, &clean));
	assert_true(cpu_write(s, SIZE_2M + 0x1fffff, &clean));
	assert_true(cpu_write(s, 5 * SIZE_1G, &clean));
	generation = s->generation;
	slat_log_scan(s, note, seen);
	assert_int_equal(seen_count, 3);
	assert_int_equal(seen[0], 0x3000);
	assert_int_equal(seen[1], SIZE_2M + 0x1ff000);
	assert_int_equal(seen[2], 5 * SIZE_1G);
	assert_int_not_equal(s->generation, generation); /* or cached translations go on */
	slat_log_scan(s, note, seen);
	assert_int_equal(seen_count, 3);
	assert_true(cpu_write(s, 0x3000, &clean));
	slat_log_scan(s, note, seen);
	assert_int_equal(seen_count, 4);
	end(s);
}

static void test_pml_rearm(void **state)
{
	struct slat *s = make(0, HPA, SIZE_2M);
	uint32_t generation;
	bool clean;

	assert_true(cpu_write(s, 0x1000, &clean));
	assert_int_equal(slat_log_start(s, SLAT_LOG_PML), 0);
	assert_true(cpu_write(s, 0x1000, &clean));
	assert_true(clean); /* so the processor logs it */
	assert_true(cpu_write(s, 0x1000, &clean));
	assert_false(clean);
	generation = s->generation;
	slat_log_rearm(s, 0x1000);
	assert_int_not_equal(s->generation, generation);
	assert_true(cpu_write(s, 0x1000, &clean));
	assert_true(clean);
	end(s);
}

/* Out of memory at each step of a split: what was mapped is mapped, and nothing leaks. */
static void test_split_out_of_memory(void **state)
{
	for (int fail = 0; fail < 3; fail++) {
		struct slat *s = make(0, HPA, 4 * SIZE_2M);
		bool clean;

		fake_alloc_countdown = fail;
		assert_int_equal(slat_log_start(s, SLAT_LOG_WP), -E_NOMEM);
		fake_alloc_countdown = -1;
		assert_int_equal(s->log, SLAT_LOG_OFF);
		for (gpa_t gpa = 0; gpa < 4 * SIZE_2M; gpa += SIZE_2M) {
			assert_maps(s, gpa, HPA + gpa, 1);
			assert_true(cpu_write(s, gpa, &clean));
		}
		end(s);
	}
}

static void test_map_out_of_memory(void **state)
{
	for (int fail = 0; fail < 4; fail++) {
		struct slat *s = make(0, HPA, SIZE_2M);

		fake_alloc_countdown = fail;
		if (slat_map(s, 1ull << 40, HPA, PAGE_SIZE) != 0)
			assert_true(fail < 3);
		fake_alloc_countdown = -1;
		end(s);
	}
	fake_alloc_countdown = 1;
	assert_null(slat_create());
	fake_alloc_countdown = -1;
	assert_int_equal(fake_alloc_live, 0);
}

static void test_pointer(void **state)
{
	struct slat *s = make(0, HPA, PAGE_SIZE);

	assert_int_equal(ept_pointer(s), (uint64_t)s->root | 6 | 3 << 3 | 1 << 6);
	vmx_caps.virt.ad_bits = false;
	assert_int_equal(ept_pointer(s), (uint64_t)s->root | 6 | 3 << 3);
	end(s);
}

/* A ROM page is never written, whatever is logged before, meanwhile and afterwards. */
static void test_rom_stays_read_only(void **state)
{
	static const enum slat_log ways[] = {SLAT_LOG_WP, SLAT_LOG_AD, SLAT_LOG_PML};
	struct slat *s = make(0, HPA, SIZE_2M);
	const gpa_t rom = 4 * SIZE_1G - SIZE_2M; /* as large as what logging joins again */
	bool writable = true, clean;

	assert_int_equal(slat_map_rom(s, rom, HPA + SIZE_2M, SIZE_2M), 0);
	assert_int_equal(slat_map_rom(s, rom, HPA, SIZE_2M), -E_EXIST);
	assert_true(slat_is_rom(s, rom) && slat_is_rom(s, rom + SIZE_2M - 1));
	assert_false(slat_is_rom(s, 0) || slat_is_rom(s, rom - 1));
	for (unsigned i = 0; i < ARRAY_SIZE(ways); i++) {
		assert_int_equal(slat_log_start(s, ways[i]), 0);
		assert_true(slat_is_rom(s, rom + 0x3000));
		assert_false(slat_log_fault(s, rom + 0x3000));
		assert_false(cpu_write(s, rom + 0x3000, &clean));
		slat_log_rearm(s, rom + 0x3000);
		slat_log_stop(s);
		assert_true(slat_is_rom(s, rom + 0x3000));
		assert_false(cpu_write(s, rom + 0x3000, &clean));
		assert_int_equal(slat_lookup(s, rom + 0x3000, NULL, &writable),
				 HPA + SIZE_2M + 0x3000);
		assert_false(writable);
	}
	assert_maps(s, 0, HPA, 1);
	end(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_map_largest),
	    cmocka_unit_test(test_memory_type_and_rights),
	    cmocka_unit_test(test_1g),
	    cmocka_unit_test(test_split_and_join),
	    cmocka_unit_test(test_join_needs_contiguity),
	    cmocka_unit_test(test_write_protection),
	    cmocka_unit_test(test_scan),
	    cmocka_unit_test(test_pml_rearm),
	    cmocka_unit_test(test_split_out_of_memory),
	    cmocka_unit_test(test_map_out_of_memory),
	    cmocka_unit_test(test_pointer),
	    cmocka_unit_test(test_rom_stays_read_only),
	};

	return cmocka_run_group_tests_name("ept", tests, NULL, NULL);
}
