/* SPDX-License-Identifier: BSD-2-Clause */
/* The log ring: order, wrap-around, cut and cleaned lines, the sink's level. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "kernel/log.h"
#include "kernel/time.h"

static uint64_t now;
static unsigned sunk;
static struct log_line line;

uint64_t time_ns(void)
{
	return ++now;
}

static void sink(const struct log_line *l)
{
	sunk++;
	line = *l;
}

static void test_lines_in_order(void **state)
{
	uint64_t cursor = 0;

	log_info("one %d", 1);
	log_error("two");
	assert_true(log_next(&cursor, &line));
	assert_string_equal(line.text, "one 1");
	assert_int_equal(line.level, LOG_INFO);
	assert_int_equal(line.ns, 1);
	assert_true(log_next(&cursor, &line));
	assert_string_equal(line.text, "two");
	assert_int_equal(line.level, LOG_ERROR);
	assert_false(log_next(&cursor, &line));
	log_debug("three");
	assert_true(log_next(&cursor, &line));
	assert_string_equal(line.text, "three");
}

static void test_sink_by_level(void **state)
{
	log_set_sink(sink);
	log_set_console_level(LOG_WARN);
	log_info("quiet");
	assert_int_equal(sunk, 0);
	log_warn("peer says \033[2J\r\n\x80");
	assert_int_equal(sunk, 1);
	assert_string_equal(line.text, "peer says ?[2J???");
	log_set_sink(NULL);
}

static void test_wrap(void **state)
{
	char want[LOG_TEXT_MAX + 100], seen = 0;
	uint64_t cursor = 0, first, count = 0;
	unsigned n = 0;

	for (unsigned i = 0; i < 5000; i++)
		log_info("line %u %.*s", i, (int)(i * 7 % 300), /* some too long */
			 "....................................................................."
			 "....................................................................."
			 "....................................................................."
			 "....................................................................."
			 "....................................................................");
	first = now - 4999;
	while (log_next(&cursor, &line)) {
		if (!seen)
			n = (unsigned)(line.ns - first);
		seen = 1;
		snprintf(want, sizeof(want), "line %u ", n);
		assert_memory_equal(line.text, want, strlen(want));
		assert_true(strlen(line.text) < LOG_TEXT_MAX);
		n++;
		count++;
	}
	assert_int_equal(n, 5000);
	assert_true(count > 300);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_lines_in_order),
	    cmocka_unit_test(test_sink_by_level),
	    cmocka_unit_test(test_wrap),
	};

	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
