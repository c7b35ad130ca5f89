/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pages, runs of zero pages and digests as the target takes them in: exactly what the
 * record says, nothing outside the guest's memory, every difference found.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/unit/fake_kernel.h"

#include "migrate/page_digest.h"
#include "kernel/lib/string.h"
#include "migrate/move.h"

#define MEMORY (2 * SIZE_2M)
#define PAGES  (MEMORY / PAGE_SIZE)

static struct vm vm;
static struct move m;
static uint8_t payload[STREAM_PAYLOAD_MAX];

void task_yield(void)
{
}

void dirty_log_mark(struct vm *v, gfn_t gfn)
{
	fail_msg("nothing is logged in a VM that is being taken in");
}

static uint8_t *page(gfn_t gfn)
{
	return guest_mem_page(&vm.mem, gfn);
}

/* Every page holds its number's low byte plus one. */
static int begin(void **state)
{
	fake_kernel_reset();
	memset(&vm, 0, sizeof(vm));
	memset(&m, 0, sizeof(m));
	assert_int_equal(guest_mem_create(&vm.mem, MEMORY), 0);
	for (gfn_t gfn = 0; gfn < PAGES; gfn++)
		memset(page(gfn), (int)gfn % 255 + 1, PAGE_SIZE);
	m.vm = &vm;
	return 0;
}

static int end(void **state)
{
	guest_mem_destroy(&vm.mem);
	assert_int_equal(fake_alloc_live, 0);
	return 0;
}

/* Page gfn is as it was before anything came. */
static bool untouched(gfn_t gfn)
{
	for (unsigned i = 0; i < PAGE_SIZE; i++)
		if (page(gfn)[i] != gfn % 255 + 1)
			return false;
	return true;
}

/* All pages but those from first on are. */
static void assert_others_untouched(gfn_t first, uint64_t count)
{
	for (gfn_t gfn = 0; gfn < PAGES; gfn++)
		if (gfn < first || gfn >= first + count)
			assert_true(untouched(gfn));
}

static int put_pages(const gfn_t *gfns, unsigned count)
{
	struct stream_record r = {STREAM_PAGES, count * STREAM_PAGE_SIZE, payload};

	for (unsigned i = 0; i < count; i++) {
		memcpy(payload + i * STREAM_PAGE_SIZE, &gfns[i], 8);
		memset(payload + i * STREAM_PAGE_SIZE + 8, 0xee, PAGE_SIZE);
	}
	return receive_pages(&m, &r);
}

static int put_runs(const struct stream_run *runs, unsigned count)
{
	struct stream_record r = {STREAM_ZERO_RUNS, count * sizeof(*runs), payload};

	memcpy(payload, runs, count * sizeof(*runs));
	return receive_zero_runs(&m, &r);
}

static void test_pages_go_where_they_belong(void **state)
{
	static const gfn_t gfns[] = {5, 6, 511, 512, PAGES - 1};

	assert_int_equal(put_pages(gfns, ARRAY_SIZE(gfns)), 0);
	for (gfn_t gfn = 0; gfn < PAGES; gfn++) {
		bool came = false;

		for (unsigned i = 0; i < ARRAY_SIZE(gfns); i++)
			came |= gfns[i] == gfn;
		assert_int_equal(untouched(gfn), !came);
		assert_true(!came || (page(gfn)[0] == 0xee && page(gfn)[PAGE_SIZE - 1] == 0xee));
	}
	assert_int_equal(m.p.pages_sent, ARRAY_SIZE(gfns));
}

static void test_pages_outside_are_refused(void **state)
{
	static const gfn_t outside[] = {PAGES,
					PAGES + 1,
					GUEST_LOW_MAX >> PAGE_SHIFT,
					(GUEST_HIGH_MIN >> PAGE_SHIFT) - 1,
					GUEST_HIGH_MIN >> PAGE_SHIFT,
					1ull << 52,
					1ull << 63,
					UINT64_MAX};

	for (unsigned i = 0; i < ARRAY_SIZE(outside); i++) {
		assert_int_equal(put_pages(&outside[i], 1), -E_RANGE);
		assert_non_null(strstr(m.st.reason, "not in the guest's memory"));
	}
	assert_others_untouched(0, 0);
}

static void test_half_a_page_is_refused(void **state)
{
	struct stream_record r = {STREAM_PAGES, STREAM_PAGE_SIZE + 8, payload};

	assert_int_equal(receive_pages(&m, &r), -E_PROTO);
	r = (struct stream_record){STREAM_ZERO_RUNS, sizeof(struct stream_run) + 4, payload};
	assert_int_equal(receive_zero_runs(&m, &r), -E_PROTO);
	assert_others_untouched(0, 0);
}

static void test_runs_clear_what_they_name(void **state)
{
	static const struct stream_run run = {.gfn = 500, .count = 30};

	assert_int_equal(put_runs(&run, 1), 0);
	for (gfn_t gfn = run.gfn; gfn < run.gfn + run.count; gfn++)
		assert_true(page_is_zero(page(gfn)));
	assert_others_untouched(run.gfn, run.count);
	assert_int_equal(m.p.zero_pages, run.count);
}

static void test_whole_memory_in_runs(void **state)
{
	static const struct stream_run runs[] = {{.gfn = 0, .count = 1},
						 {.gfn = 1, .count = PAGES - 1}};

	assert_int_equal(put_runs(runs, 2), 0);
	for (gfn_t gfn = 0; gfn < PAGES; gfn++)
		assert_true(page_is_zero(page(gfn)));
}

static void test_runs_outside_are_refused(void **state)
{
	static const struct stream_run bad[][2] = {
	    {{.gfn = PAGES, .count = 1}},
	    {{.gfn = PAGES - 1, .count = 2}},
	    {{.gfn = 1, .count = UINT64_MAX}},
	    {{.gfn = UINT64_MAX, .count = 2}},
	    {{.gfn = GUEST_LOW_MAX >> PAGE_SHIFT, .count = 1}},
	};

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(put_runs(bad[i], 1), -E_RANGE);
	assert_others_untouched(PAGES - 1, 1);
}

/* However the pages are named, a record makes no more work than the guest has pages. */
static void test_work_is_bounded(void **state)
{
	static const struct stream_run twice[] = {{.gfn = 0, .count = PAGES},
						  {.gfn = 0, .count = 1}};

	assert_int_equal(put_runs(twice, 2), -E_RANGE);
	assert_true(m.p.zero_pages <= PAGES);
}

static int put_digests(uint64_t first, uint64_t count, gfn_t wrong, struct stream_verified *sum,
		       uint64_t *next)
{
	struct stream_digests head = {.first = first, .count = count};
	struct stream_record r = {STREAM_DIGESTS, sizeof(head) + count * sizeof(uint32_t), payload};

	assert_true(r.length <= sizeof(payload));
	memcpy(payload, &head, sizeof(head));
	for (uint64_t i = 0; i < count; i++) {
		uint32_t digest = 0;

		if (page(first + i))
			digest = page_digest(page(first + i)) + (first + i == wrong);
		memcpy(payload + sizeof(head) + i * sizeof(digest), &digest, sizeof(digest));
	}
	return receive_digests(&m, &r, sum, next);
}

static void test_every_difference_is_found(void **state)
{
	static const gfn_t wrong[] = {0, 1, 99, 100, PAGES - 1};

	for (unsigned i = 0; i < ARRAY_SIZE(wrong); i++) {
		struct stream_verified sum = {0};
		uint64_t next = 0;

		assert_int_equal(put_digests(0, 100, wrong[i], &sum, &next), 0);
		assert_int_equal(put_digests(100, PAGES - 100, wrong[i], &sum, &next), 0);
		assert_int_equal(next, PAGES);
		assert_int_equal(sum.differing, 1);
		assert_int_equal(sum.first_gfn, wrong[i]);
	}
}

static void test_digests_without_a_gap(void **state)
{
	struct stream_verified sum = {0};
	uint64_t next = 0;

	assert_int_equal(put_digests(1, 10, PAGES, &sum, &next), -E_PROTO);
	assert_int_equal(put_digests(0, 10, PAGES, &sum, &next), 0);
	assert_int_equal(put_digests(0, 10, PAGES, &sum, &next), -E_PROTO);
	assert_int_equal(put_digests(11, 10, PAGES, &sum, &next), -E_PROTO);
	assert_int_equal(put_digests(10, PAGES - 9, PAGES, &sum, &next), -E_PROTO);
	assert_int_equal(next, 10);
	assert_int_equal(sum.differing, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_pages_go_where_they_belong, begin, end),
	    cmocka_unit_test_setup_teardown(test_pages_outside_are_refused, begin, end),
	    cmocka_unit_test_setup_teardown(test_half_a_page_is_refused, begin, end),
	    cmocka_unit_test_setup_teardown(test_runs_clear_what_they_name, begin, end),
	    cmocka_unit_test_setup_teardown(test_whole_memory_in_runs, begin, end),
	    cmocka_unit_test_setup_teardown(test_runs_outside_are_refused, begin, end),
	    cmocka_unit_test_setup_teardown(test_work_is_bounded, begin, end),
	    cmocka_unit_test_setup_teardown(test_every_difference_is_found, begin, end),
	    cmocka_unit_test_setup_teardown(test_digests_without_a_gap, begin, end),
	};

	return cmocka_run_group_tests_name("receive_ram", tests, NULL, NULL);
}
