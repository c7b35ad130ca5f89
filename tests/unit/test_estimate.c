/* SPDX-License-Identifier: BSD-2-Clause */
/* What a move would take, from numbers alone: by hand where that is easy. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "kernel/time.h"
#include "migrate/estimate.h"

static struct estimate_input idle(void)
{
	return (struct estimate_input){.pages = 1000,
				       .pages_total = 4000,
				       .page_cost = 4000,
				       .link_rate = 1000000,
				       .fixed_ns = 10 * NS_PER_MS,
				       .max_downtime_ns = 300 * NS_PER_MS};
}

/* One round of 4 MB at 1 MB/s; then nothing but what is fixed. */
static void test_idle(void **state)
{
	struct estimate_input in = idle();
	struct estimate e = estimate_move(&in);

	assert_false(e.gives_up);
	assert_int_equal(e.rounds, 1);
	assert_int_equal(e.blackout_ns, 10 * NS_PER_MS);
	assert_int_equal(e.total_ns, 4 * NS_PER_S + 10 * NS_PER_MS);
}

/* 100 pages/s: 400 are left after 4 s, 160 after 1.6 s more, then 64: 256 ms and what is fixed. */
static void test_rounds(void **state)
{
	struct estimate_input in = idle();
	struct estimate e;

	in.dirty_rate = 100;
	e = estimate_move(&in);
	assert_false(e.gives_up);
	assert_int_equal(e.rounds, 3);
	assert_int_equal(e.blackout_ns, 266 * NS_PER_MS);
	assert_int_equal(e.total_ns, (4000 + 1600 + 640 + 266) * NS_PER_MS);
}

static void test_faster_than_the_link(void **state)
{
	struct estimate_input in = idle();
	struct estimate e;

	in.dirty_rate = 1000; /* 4 MB/s */
	e = estimate_move(&in);
	assert_true(e.gives_up);
	assert_non_null(strstr(e.why, "faster than the link"));
	/* never more than all of its memory */
	assert_int_equal(e.blackout_ns, 16 * NS_PER_S + 10 * NS_PER_MS);
	in.max_downtime_ns = 17 * NS_PER_S;
	assert_false(estimate_move(&in).gives_up);
}

static void test_disks(void **state)
{
	struct estimate_input in = idle();
	struct estimate e;

	in.disk_bytes = 2000000;
	e = estimate_move(&in);
	assert_int_equal(e.total_ns, 6 * NS_PER_S + 10 * NS_PER_MS);
	in.disk_rate = 10000; /* 60000 bytes in 6 s */
	e = estimate_move(&in);
	assert_int_equal(e.blackout_ns, 70 * NS_PER_MS);
}

static void test_suspend(void **state)
{
	struct estimate_input in = idle();
	struct estimate e;

	in.suspend = true;
	in.dirty_rate = 100000;
	e = estimate_move(&in);
	assert_false(e.gives_up);
	assert_int_equal(e.rounds, 0);
	assert_int_equal(e.blackout_ns, e.total_ns);
	assert_int_equal(e.total_ns, 4 * NS_PER_S + 10 * NS_PER_MS);
}

/* Without a rate, and with numbers that no host has: it ends, and says that it would not. */
static void test_extremes(void **state)
{
	struct estimate_input in = idle();
	struct estimate e;

	in.link_rate = 0;
	e = estimate_move(&in);
	assert_true(e.gives_up);
	assert_int_equal(e.total_ns, UINT64_MAX);
	memset(&in, 0xff, sizeof(in));
	in.suspend = false;
	in.link_rate = 1;
	in.max_downtime_ns = 1;
	e = estimate_move(&in);
	assert_true(e.gives_up);
	assert_int_equal(e.total_ns, UINT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_idle),    cmocka_unit_test(test_rounds),
	    cmocka_unit_test(test_disks),   cmocka_unit_test(test_faster_than_the_link),
	    cmocka_unit_test(test_suspend), cmocka_unit_test(test_extremes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
