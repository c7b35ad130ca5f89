/* SPDX-License-Identifier: BSD-2-Clause */
/* The host's timers: order, re-arming and cancelling from callbacks, a list a CPU. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>

#include "kernel/lib/base.h"
#include "kernel/sched.h"
#include "kernel/time.h"
#include "kernel/timer.h"

struct cpu cpus[MAX_CPUS];
uint64_t fake_direct_map;
static unsigned on_cpu;
static uint64_t now;

struct cpu *this_cpu(void)
{
	cpus[on_cpu].index = on_cpu;
	return &cpus[on_cpu];
}

uint64_t time_ns(void)
{
	return now;
}

static struct timer a, b, c;
static char order[64];

static void fired(struct timer *t)
{
	strcat(order, t == &a ? "a" : t == &b ? "b" : "c");
}

static void run_until(uint64_t ns)
{
	order[0] = 0;
	now = ns;
	timers_run();
}

static int set_up(void **state)
{
	timer_cancel(&a);
	timer_init(&a, fired);
	timer_init(&b, fired);
	timer_init(&c, fired);
	on_cpu = 0;
	now = 0;
	return 0;
}

static void test_order(void **state)
{
	timer_arm(&a, 30);
	timer_arm(&b, 10);
	timer_arm(&c, 20);
	assert_int_equal(timer_next_deadline(), 10);
	run_until(9);
	assert_string_equal(order, "");
	run_until(20);
	assert_string_equal(order, "bc");
	assert_int_equal(timer_next_deadline(), 30);
	run_until(1000);
	assert_string_equal(order, "a");
	assert_int_equal(timer_next_deadline(), TIME_NEVER);
	run_until(2000);
	assert_string_equal(order, "");
}

/* Equal deadlines fire in the order in which they were armed. */
static void test_equal(void **state)
{
	timer_arm(&b, 10);
	timer_arm(&a, 10);
	timer_arm(&c, 10);
	run_until(10);
	assert_string_equal(order, "bac");
}

static void test_rearm_and_cancel(void **state)
{
	timer_arm(&a, 10);
	timer_arm(&b, 20);
	timer_arm(&a, 30);
	assert_true(timer_is_armed(&a));
	timer_cancel(&b);
	timer_cancel(&b);
	assert_false(timer_is_armed(&b));
	run_until(25);
	assert_string_equal(order, "");
	run_until(30);
	assert_string_equal(order, "a");
	assert_false(timer_is_armed(&a));
}

static void cancels_b(struct timer *t)
{
	fired(t);
	timer_cancel(&b);
	timer_arm(&c, 15);
}

static void test_from_callback(void **state)
{
	timer_init(&a, cancels_b);
	timer_arm(&a, 10);
	timer_arm(&b, 11);
	run_until(20);
	assert_string_equal(order, "ac");
}

static unsigned periods;

static void periodic(struct timer *t)
{
	periods++;
	timer_arm(t, t->deadline_ns + 10);
}

static void test_periodic_catches_up(void **state)
{
	timer_init(&a, periodic);
	timer_arm(&a, 10);
	periods = 0;
	run_until(105);
	assert_int_equal(periods, 10);
	assert_int_equal(timer_next_deadline(), 110);
	timer_cancel(&a);
}

static void test_cpus(void **state)
{
	timer_arm(&a, 10);
	on_cpu = 5;
	timer_arm(&b, 20);
	assert_int_equal(timer_next_deadline(), 20);
	run_until(100);
	assert_string_equal(order, "b");
	timer_arm(&a, 200); /* moves here */
	on_cpu = 0;
	assert_int_equal(timer_next_deadline(), TIME_NEVER);
	timer_cancel(&a); /* from another CPU */
	on_cpu = 5;
	run_until(1000);
	assert_string_equal(order, "");
}

static void test_many(void **state)
{
	static struct timer t[200];
	uint64_t last = 0;

	srand(3);
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		timer_init(&t[i], fired);
		timer_arm(&t[i], rand() % 1000);
	}
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		uint64_t next = timer_next_deadline();

		assert_true(next >= last && next < 1000);
		last = next;
		for (size_t j = 0; j < ARRAY_SIZE(t); j++)
			if (timer_is_armed(&t[j]) && t[j].deadline_ns == next) {
				timer_cancel(&t[j]);
				break;
			}
	}
	assert_int_equal(timer_next_deadline(), TIME_NEVER);
}

#define TEST(fn) cmocka_unit_test_setup(fn, set_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_order),
	    TEST(test_equal),
	    TEST(test_rearm_and_cancel),
	    TEST(test_from_callback),
	    TEST(test_periodic_catches_up),
	    TEST(test_cpus),
	    TEST(test_many),
	};

	timer_init(&a, fired);
	return cmocka_run_group_tests_name("timer", tests, NULL, NULL);
}
