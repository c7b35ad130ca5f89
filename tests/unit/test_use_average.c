/* SPDX-License-Identifier: BSD-2-Clause */
/* The moving average of CPU use: steady use, change, the first minute, odd clocks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernel/lib/use_average.h"

#define SECOND 1000000000ull

static void look(struct use_average *a, unsigned times, uint64_t *now, uint64_t *used,
		 uint64_t each)
{
	while (times--)
		use_average_add(a, *now += SECOND, *used += each);
}

static void test_use(void **state)
{
	struct use_average a = {0};
	uint64_t now = 5, used = 123;

	use_average_add(&a, now, used);
	assert_int_equal(use_average_permille(&a), 0);
	look(&a, 1, &now, &used, SECOND / 4); /* at once, not after a minute */
	assert_int_equal(use_average_permille(&a), 250);
	look(&a, 9, &now, &used, SECOND / 4);
	assert_in_range(use_average_permille(&a), 249, 250);
	look(&a, 10, &now, &used, 3 * SECOND / 4); /* within the first minute: the plain average */
	assert_in_range(use_average_permille(&a), 498, 500);
	look(&a, 40, &now, &used, 0);
	assert_in_range(use_average_permille(&a), 164, 167);
	look(&a, 600, &now, &used, 2 * SECOND); /* two CPUs */
	assert_in_range(use_average_permille(&a), 1990, 2000);
	look(&a, 30, &now, &used, 0);
	assert_in_range(use_average_permille(&a), 1000, 1500);
}

static void test_odd_clocks(void **state)
{
	struct use_average a = {0};
	uint64_t now = 5, used = 0;

	look(&a, 10, &now, &used, SECOND / 2);
	use_average_add(&a, now, used);
	use_average_add(&a, now + 10, used + 5);
	assert_in_range(use_average_permille(&a), 499, 500);
	use_average_add(&a, now + SECOND, 1); /* another counter */
	assert_int_equal(use_average_permille(&a), 0);
	use_average_add(&a, now, 2); /* time went back */
	use_average_add(&a, UINT64_MAX, 2);
	assert_int_equal(use_average_permille(&a), 0);
	use_average_add(&a, 1, 0);
	use_average_add(&a, 1 + SECOND, UINT64_MAX);
	assert_in_range(use_average_permille(&a), 1000, UINT32_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_use),
	    cmocka_unit_test(test_odd_clocks),
	};

	return cmocka_run_group_tests_name("use_average", tests, NULL, NULL);
}
