/* SPDX-License-Identifier: BSD-2-Clause */
/* The stop decision with numbers alone. */
#include "migrate/stop_policy.h"
#include "tests/unit/fake_kernel.h"

static const struct stop_input usual = {.rate = 100 * MiB,
					.dirty_rate = 1000,
					.pages_left = 100,
					.page_cost = 4352,
					.fixed_ns = 20 * NS_PER_MS,
					.max_downtime_ns = 300 * NS_PER_MS,
					.round = 1};

static void test_stops_when_it_fits(void **state)
{
	struct stop_decision d = stop_policy_decide(&usual);

	assert_int_equal(d.verdict, STOP_AND_COPY);
	/* 435,200 bytes at 104,857,600 a second: 4.15 ms, and what is fixed */
	assert_int_equal(d.predicted_ns / NS_PER_US, 20000 + 4150);
}

static void test_limit_is_inclusive(void **state)
{
	struct stop_input in = usual;

	in.max_downtime_ns = stop_policy_decide(&in).predicted_ns;
	assert_int_equal(stop_policy_decide(&in).verdict, STOP_AND_COPY);
	in.max_downtime_ns--;
	assert_int_equal(stop_policy_decide(&in).verdict, STOP_CONTINUE);
}

static void test_goes_on_while_much_is_left(void **state)
{
	struct stop_input in = usual;

	in.pages_left = 100000;
	assert_int_equal(stop_policy_decide(&in).verdict, STOP_CONTINUE);
	in.rate = 0; /* not measured: never a reason to stop the guest */
	assert_int_equal(stop_policy_decide(&in).verdict, STOP_CONTINUE);
}

static void test_gives_up(void **state)
{
	struct stop_input in = usual;

	in.pages_left = 100000;
	in.round = STOP_MAX_ROUNDS;
	assert_int_equal(stop_policy_decide(&in).verdict, STOP_GIVE_UP);
	in.round = 5;
	in.stalled = STOP_STALL_ROUNDS - 1;
	assert_int_equal(stop_policy_decide(&in).verdict, STOP_CONTINUE);
	in.stalled = STOP_STALL_ROUNDS;
	assert_int_equal(stop_policy_decide(&in).verdict, STOP_GIVE_UP);
	assert_string_equal(stop_policy_decide(&in).why,
			    "rounds no longer make what is left smaller");
	in.dirty_rate = 50000;
	assert_string_equal(stop_policy_decide(&in).why,
			    "the guest writes faster than the link carries it");
	in = usual;
	in.fixed_ns = in.max_downtime_ns + 1;
	assert_int_equal(stop_policy_decide(&in).verdict, STOP_GIVE_UP);
}

static void test_a_stalled_guest_that_fits_is_stopped(void **state)
{
	struct stop_input in = usual;

	in.stalled = STOP_STALL_ROUNDS;
	in.round = STOP_MAX_ROUNDS;
	assert_int_equal(stop_policy_decide(&in).verdict, STOP_AND_COPY);
}

static void test_extreme_numbers(void **state)
{
	struct stop_input in = usual;

	in.pages_left = UINT64_MAX;
	in.fixed_ns = UINT64_MAX - 5;
	in.max_downtime_ns = UINT64_MAX - 6;
	assert_int_equal(stop_policy_decide(&in).predicted_ns, UINT64_MAX);
	assert_int_equal(stop_policy_decide(&in).verdict, STOP_GIVE_UP);
	in = usual;
	in.pages_left = 1ull << 40; /* 4 PiB */
	in.rate = 1;
	assert_int_equal(stop_policy_decide(&in).verdict, STOP_CONTINUE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_stops_when_it_fits),
	    cmocka_unit_test(test_limit_is_inclusive),
	    cmocka_unit_test(test_goes_on_while_much_is_left),
	    cmocka_unit_test(test_gives_up),
	    cmocka_unit_test(test_a_stalled_guest_that_fits_is_stopped),
	    cmocka_unit_test(test_extreme_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
