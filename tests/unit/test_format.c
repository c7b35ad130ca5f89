/* SPDX-License-Identifier: BSD-2-Clause */
/* ksnprintf against the host's snprintf, at every buffer size that matters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "kernel/lib/format.h"

#pragma GCC diagnostic ignored "-Wformat"
#pragma GCC diagnostic ignored "-Wformat-zero-length"
#ifndef __clang__
#pragma GCC diagnostic ignored "-Wformat-overflow"
#pragma GCC diagnostic ignored "-Wformat-truncation"
#endif

/* Equal text and length, whole and cut at every length (in malloc memory: ASan watches). */
#define SAME(...)                                                                                  \
	do {                                                                                       \
		char want[256], got[256];                                                          \
		int w = snprintf(want, sizeof(want), __VA_ARGS__);                                 \
		assert_int_equal(ksnprintf(got, sizeof(got), __VA_ARGS__), w);                     \
		assert_string_equal(got, want);                                                    \
		for (size_t cut = 0; cut <= (size_t)w + 1; cut++) {                                \
			char *small = malloc(cut + !cut);                                          \
			assert_int_equal(ksnprintf(small, cut, __VA_ARGS__), w);                   \
			snprintf(want, cut, __VA_ARGS__);                                          \
			if (cut)                                                                   \
				assert_string_equal(small, want);                                  \
			free(small);                                                               \
		}                                                                                  \
	} while (0)

static const long long numbers[] = {
    0,	    1,	       -1,	  7,	     42,	-42,	   255,	       256,	  65535,
    -32768, INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN, 123456789, 0xdeadbeef, 1000000000};

static void test_numbers(void **state)
{
	for (unsigned i = 0; i < ARRAY_SIZE(numbers); i++) {
		long long v = numbers[i];

		SAME("%d %i %u %x %X", (int)v, (int)v, (unsigned)v, (unsigned)v, (unsigned)v);
		SAME("%lld|%llu|%llx|%llX", v, v, v, v);
		SAME("%ld|%lu|%lx|%zu|%zx", (long)v, (long)v, (long)v, (size_t)v, (size_t)v);
		SAME("%hd %hu %hx %hhd %hhu %hhx", (int)v, (int)v, (int)v, (int)v, (int)v, (int)v);
		SAME("[%8lld] [%-8lld] [%08lld] [%-08lld]", v, v, v, v);
		SAME("[%.3lld] [%10.5lld] [%-10.5lld] [%010.5lld] [%.0lld]", v, v, v, v, v);
		SAME("[%16llx] [%016llX] [%-16llx] [%.12llx]", v, v, v, v);
		SAME("[%#llx] [%#llX] [%#12llx] [%#012llx] [%-#12llx] [%#.6llx]", v, v, v, v, v, v);
		SAME("[%*d] [%-*d] [%0*d]", 12, (int)v, 12, (int)v, 12, (int)v);
		SAME("[%*d] [%.*d] [%.*d]", -12, (int)v, 4, (int)v, -4, (int)v);
	}
}

static void test_text(void **state)
{
	SAME("%s", "");
	SAME("%s and %s", "one", "two");
	SAME("[%10s] [%-10s] [%.2s] [%10.2s] [%-10.2s]", "abc", "abc", "abc", "abc", "abc");
	SAME("[%.*s]", 4, "abcdefgh");
	SAME("[%.*s]", -1, "abcdefgh");
	SAME("[%*s]", -6, "ab");
	SAME("[%c] [%4c] [%-4c]", 'x', 'y', 'z');
	SAME("100%%");
	SAME("%s", (char *)NULL);
	SAME("%p", (void *)0x1234abcd);
	SAME("[%20p] [%-20p]", (void *)numbers, (void *)numbers);
	SAME("");
}

/* A %.Ns argument need not be terminated. */
static void test_precision_bounds_reading(void **state)
{
	char *raw = malloc(4), out[16];

	memcpy(raw, "wxyz", 4);
	ksnprintf(out, sizeof(out), "%.4s", raw);
	assert_string_equal(out, "wxyz");
	free(raw);
}

static void test_odd_formats(void **state)
{
	char out[32];

	assert_int_equal(ksnprintf(out, sizeof(out), "%y%"), 3);
	assert_string_equal(out, "%y%");
	/* A silly width is bounded work, and counted. */
	assert_int_equal(ksnprintf(out, sizeof(out), "%*d", INT32_MIN, 5), 100000);
	assert_string_equal(out, "5                              ");
	assert_int_equal(ksnprintf(NULL, 0, "%d", 12345), 5);
}

static void expect_size(uint64_t bytes, const char *want)
{
	char out[16];

	assert_string_equal(format_size(out, bytes), want);
}

static void test_helpers(void **state)
{
	static const uint8_t mac[6] = {0x52, 0x54, 0, 0xab, 0x0c, 0xff};
	char out[18], date[32];

	assert_string_equal(format_date(date, 0), "1970-01-01 00:00:00");
	assert_string_equal(format_date(date, 951782399), "2000-02-28 23:59:59");
	assert_string_equal(format_date(date, 951782400), "2000-02-29 00:00:00");
	assert_string_equal(format_date(date, 4107542399), "2100-02-28 23:59:59");
	assert_string_equal(format_date(date, 4107542400), "2100-03-01 00:00:00");
	assert_string_equal(format_mac(out, mac), "52:54:00:ab:0c:ff");
	expect_size(0, "0 B");
	expect_size(12, "12 B");
	expect_size(1023, "1023 B");
	expect_size(1024, "1 KiB");
	expect_size(3 * KiB + 512, "3.5 KiB");
	expect_size(256 * MiB, "256 MiB");
	expect_size(256 * MiB + 700 * KiB, "256 MiB");
	expect_size(99 * GiB + 999 * MiB, "99.9 GiB");
	expect_size(UINT64_MAX, "16383 PiB");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_numbers),
	    cmocka_unit_test(test_text),
	    cmocka_unit_test(test_precision_bounds_reading),
	    cmocka_unit_test(test_odd_formats),
	    cmocka_unit_test(test_helpers),
	};

	return cmocka_run_group_tests_name("format", tests, NULL, NULL);
}
