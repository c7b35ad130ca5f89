/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The scheduler's decisions on a simulated CPU: shares by weight, sleepers, siblings,
 * the host's part, wrap-around, and where new vCPUs go.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>

#include "kernel/lib/base.h"
#include "kernel/sched_fair.h"

#define TASKS 8
#define STEP  (100 * NS_PER_US) /* between two exits */

static struct fair_queue q;
static struct sched_share shares[TASKS];
static struct fair_task tasks[TASKS];
static bool ready[TASKS];
static uint64_t ran[TASKS], longest_wait[TASKS], waits_since[TASKS], now;

static int set_up(void **state)
{
	fair_init(&q);
	now = 0;
	for (unsigned i = 0; i < TASKS; i++) {
		shares[i] = (struct sched_share){.weight = 100};
		tasks[i].share = &shares[i];
		ready[i] = false;
		ran[i] = longest_wait[i] = 0;
	}
	return 0;
}

static void wake(unsigned i)
{
	fair_wake(&q, &tasks[i]);
	ready[i] = true;
	waits_since[i] = now;
}

/* One turn of whoever goes next: until it is over or the end, or it wants to sleep. */
static unsigned turn(uint64_t most, bool then_sleep)
{
	struct fair_task *t = fair_pick(&q);
	unsigned i = (unsigned)(t - tasks);
	uint64_t used = 0;

	assert_non_null(t);
	list_remove(&t->node);
	longest_wait[i] = MAX(longest_wait[i], now - waits_since[i]);
	do {
		fair_charge(&q, t->share, STEP);
		used += STEP;
		now += STEP;
	} while (used < most && !fair_turn_is_over(&q, t->share, used));
	ran[i] += used;
	if (then_sleep && used >= most) {
		fair_sleep(t);
		ready[i] = false;
	} else {
		fair_requeue(&q, t);
		waits_since[i] = now;
	}
	return i;
}

static void spin_until(uint64_t end)
{
	while (now < end)
		turn(end - now, false);
}

static void assert_near(uint64_t got, uint64_t expected, uint64_t off)
{
	assert_in_range(got, expected - MIN(off, expected), expected + off);
}

static void test_equal_weights(void **state)
{
	for (unsigned i = 0; i < 5; i++)
		wake(i);
	spin_until(NS_PER_S);
	for (unsigned i = 0; i < 5; i++)
		assert_near(ran[i], NS_PER_S / 5, 2 * FAIR_SLICE_NS);
}

static void test_one_to_three(void **state)
{
	shares[1].weight = 300;
	wake(0);
	wake(1);
	spin_until(4 * NS_PER_S);
	assert_near(ran[0], NS_PER_S, 4 * FAIR_SLICE_NS);
	assert_near(ran[1], 3 * NS_PER_S, 4 * FAIR_SLICE_NS);
}

/* The least weight among the greatest gets its ten-thousandth, late but surely. */
static void test_no_starvation(void **state)
{
	shares[0].weight = 1;
	shares[1].weight = shares[2].weight = 10000;
	for (unsigned i = 0; i < 3; i++)
		wake(i);
	spin_until(300 * NS_PER_S);
	assert_true(ran[0] >= FAIR_SLICE_NS);
	assert_near(ran[1], ran[2], 4 * FAIR_SLICE_NS);
	assert_true(ran[0] < NS_PER_S);
}

/* The clock follows who is furthest behind: a newcomer is not put behind a light one's time. */
static void test_newcomer_starts_at_the_least(void **state)
{
	shares[0].weight = 1;
	shares[1].weight = shares[2].weight = 10000;
	wake(0);
	wake(1);
	spin_until(NS_PER_S);
	wake(2);
	spin_until(2 * NS_PER_S);
	assert_near(ran[2], NS_PER_S / 2, 4 * FAIR_SLICE_NS);
}

static void test_wait_is_bounded(void **state)
{
	for (unsigned i = 0; i < TASKS; i++)
		wake(i);
	spin_until(10 * NS_PER_S);
	for (unsigned i = 0; i < TASKS; i++)
		assert_true(longest_wait[i] <= 2 * TASKS * FAIR_SLICE_NS);
}

/* An hour asleep is worth a credit, no more; and the one that spun loses no turn for long. */
static void test_sleeper_does_not_hoard(void **state)
{
	wake(0);
	wake(1);
	spin_until(100 * NS_PER_MS);
	assert_true(longest_wait[0] <= FAIR_SLICE_NS + STEP);
	list_remove(&tasks[1].node);
	fair_sleep(&tasks[1]);
	spin_until(3600 * NS_PER_S);
	ran[0] = ran[1] = 0;
	wake(1);
	spin_until(3600 * NS_PER_S + 200 * NS_PER_MS);
	assert_near(ran[1], 100 * NS_PER_MS + FAIR_CREDIT_NS / 2, 2 * FAIR_SLICE_NS);
	assert_true(longest_wait[0] <= FAIR_CREDIT_NS + 2 * FAIR_SLICE_NS);
}

/* One that wakes for a moment again and again need not wait for a hog's slice. */
static void test_short_sleeper_goes_first(void **state)
{
	wake(0);
	spin_until(NS_PER_S);
	for (unsigned n = 0; n < 50; n++) {
		wake(1);
		/* the hog runs: at its next exit it must make room */
		assert_true(fair_turn_is_over(&q, &shares[0], STEP));
		assert_int_equal(turn(STEP, true), 1);
		turn(20 * NS_PER_MS, false);
		turn(20 * NS_PER_MS, false);
	}
	assert_int_equal(ran[1], 50 * STEP);
}

/* Sleeping for a moment at the end of each turn gains nothing. */
static void test_yielding_gains_nothing(void **state)
{
	wake(0);
	wake(1);
	while (now < 4 * NS_PER_S) {
		if (!ready[1])
			wake(1);
		turn(FAIR_SLICE_NS - STEP, fair_pick(&q) == &tasks[1]);
	}
	assert_near(ran[1], 2 * NS_PER_S, 100 * NS_PER_MS);
}

static void test_siblings_share(void **state)
{
	for (unsigned i = 1; i < 4; i++)
		tasks[i].share = &shares[1];
	for (unsigned i = 0; i < 4; i++)
		wake(i);
	spin_until(6 * NS_PER_S);
	assert_near(ran[0], 3 * NS_PER_S, 4 * FAIR_SLICE_NS);
	for (unsigned i = 1; i < 4; i++)
		assert_near(ran[i], NS_PER_S, 4 * FAIR_SLICE_NS);
	/* one of them sleeps while the others run: it brings no credit of its own back */
	list_remove(&tasks[3].node);
	fair_sleep(&tasks[3]);
	shares[1].vtime -= BIT(50);
	wake(3);
	assert_true((int64_t)(shares[1].vtime - (q.clock - BIT(49))) < 0);
	assert_int_equal(shares[1].active, 3);
}

/* Virtual time wraps in the middle of it; and one slept while it went half round. */
static void test_wrap_around(void **state)
{
	q.clock = UINT64_MAX - 1000;
	for (unsigned i = 0; i < 3; i++)
		shares[i].vtime = q.clock;
	shares[1].weight = 300;
	wake(0);
	wake(1);
	spin_until(4 * NS_PER_S);
	assert_near(ran[1], 3 * NS_PER_S, 4 * FAIR_SLICE_NS);
	for (unsigned half = 0; half < 2; half++) {
		uint64_t due = now + NS_PER_S;

		shares[2].vtime = q.clock + BIT(63) - half * BIT(60);
		wake(2);
		ran[2] = 0;
		spin_until(due);
		assert_near(ran[2], NS_PER_S / 5, 4 * FAIR_SLICE_NS);
		list_remove(&tasks[2].node);
		fair_sleep(&tasks[2]);
	}
}

static void test_host_goes_first(void **state)
{
	uint64_t host = 0, guest = 0;

	wake(0);
	fair_charge(&q, &shares[0], NS_PER_S); /* the guests had it all */
	while (fair_host_first(&q) && host < NS_PER_S) {
		fair_charge_host(&q, STEP);
		host += STEP;
	}
	assert_near(host, FAIR_HOST_NS, STEP);
	/* from here on, busy without end, each has half */
	for (host = 0; host + guest < NS_PER_S;) {
		bool first = fair_host_first(&q);

		if (first)
			fair_charge_host(&q, STEP);
		else
			fair_charge(&q, &shares[0], STEP);
		host += first ? STEP : 0;
		guest += first ? 0 : STEP;
	}
	assert_near(host, guest, 2 * STEP);
}

/* What the host did while no guest was there is not held against it for more than a turn. */
static void test_host_owes_a_turn(void **state)
{
	uint64_t guest = 0;

	for (unsigned i = 0; i < 1000; i++)
		fair_charge_host(&q, NS_PER_MS);
	wake(0);
	for (; !fair_host_first(&q); guest += STEP)
		fair_charge(&q, &shares[0], STEP);
	assert_near(guest, FAIR_SLICE_NS, STEP);
}

static void test_placing(void **state)
{
	struct fair_cpu c[4] = {{true, 0, 0}, {true, 0, 0}, {true, 0, 0}, {false, 0, 0}};

	assert_int_equal(fair_choose_cpu(c, 4), 2); /* not the boot CPU, not the unusable */
	c[2].load = 100;
	assert_int_equal(fair_choose_cpu(c, 4), 1);
	c[1].siblings = 1;
	assert_int_equal(fair_choose_cpu(c, 4), 0);
	c[0].siblings = 1;
	c[0].load = c[1].load = 50;
	assert_int_equal(fair_choose_cpu(c, 4), 2); /* loaded, but without a sibling */
	c[2].siblings = 1;
	c[2].load = 0;
	assert_int_equal(fair_choose_cpu(c, 4), 2);
	c[2].siblings = 2;
	assert_int_equal(fair_choose_cpu(c, 4), 1);
	assert_int_equal(fair_choose_cpu(c + 3, 1), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_equal_weights, set_up),
	    cmocka_unit_test_setup(test_one_to_three, set_up),
	    cmocka_unit_test_setup(test_no_starvation, set_up),
	    cmocka_unit_test_setup(test_newcomer_starts_at_the_least, set_up),
	    cmocka_unit_test_setup(test_wait_is_bounded, set_up),
	    cmocka_unit_test_setup(test_sleeper_does_not_hoard, set_up),
	    cmocka_unit_test_setup(test_short_sleeper_goes_first, set_up),
	    cmocka_unit_test_setup(test_yielding_gains_nothing, set_up),
	    cmocka_unit_test_setup(test_siblings_share, set_up),
	    cmocka_unit_test_setup(test_wrap_around, set_up),
	    cmocka_unit_test_setup(test_host_goes_first, set_up),
	    cmocka_unit_test_setup(test_host_owes_a_turn, set_up),
	    cmocka_unit_test_setup(test_placing, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
