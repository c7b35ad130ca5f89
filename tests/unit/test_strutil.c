/* SPDX-License-Identifier: BSD-2-Clause */
/* Bounded copy, zero page, and the strict parsers: values, limits, refusals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "kernel/lib/string.h"

static void test_copy(void **state)
{
	char buf[5] = "zzzz";

	assert_true(str_copy(buf, "abcd", sizeof(buf)));
	assert_string_equal(buf, "abcd");
	assert_false(str_copy(buf, "vwxyz", sizeof(buf)));
	assert_string_equal(buf, "vwxy");
	assert_true(str_copy(buf, "", 1));
	assert_string_equal(buf, "");
	assert_false(str_copy(buf, "a", 0));
}

static void test_zero_page(void **state)
{
	static uint8_t page[4096] __attribute__((aligned(8)));

	assert_true(page_is_zero(page));
	for (unsigned i = 0; i < sizeof(page); i++) {
		page[i] = 1;
		assert_false(page_is_zero(page));
		page[i] = 0;
	}
}

static void expect_u64(const char *s, int err, uint64_t want)
{
	uint64_t v = 0;

	assert_int_equal(str_to_u64(s, &v), err);
	assert_true(v == want);
}

static void test_u64(void **state)
{
	expect_u64("0", 0, 0);
	expect_u64("18446744073709551615", 0, UINT64_MAX);
	expect_u64("0xffffffffffffffff", 0, UINT64_MAX);
	expect_u64("0Xa5", 0, 0xa5);
	expect_u64("007", 0, 7);
	expect_u64("18446744073709551616", -E_RANGE, 0);
	expect_u64("0x10000000000000000", -E_RANGE, 0);
	expect_u64("", -E_INVAL, 0);
	expect_u64("0x", -E_INVAL, 0);
	expect_u64("-1", -E_INVAL, 0);
	expect_u64("+1", -E_INVAL, 0);
	expect_u64(" 1", -E_INVAL, 0);
	expect_u64("12a", -E_INVAL, 0);
	expect_u64("1 ", -E_INVAL, 0);
}

static void expect_size(const char *s, int err, uint64_t want)
{
	uint64_t v = 0;

	assert_int_equal(str_to_size(s, &v), err);
	assert_true(v == want);
}

static void test_size(void **state)
{
	expect_size("64M", 0, 64 * MiB);
	expect_size("4k", 0, 4096);
	expect_size("0x10G", 0, 16 * GiB);
	expect_size("2T", 0, 2048 * GiB);
	expect_size("12", 0, 12);
	expect_size("16777215T", 0, 16777215ull << 40);
	expect_size("16777216T", -E_RANGE, 0);
	expect_size("64MB", -E_INVAL, 0);
	expect_size("M", -E_INVAL, 0);
	expect_size("1X", -E_INVAL, 0);
}

static void test_mac(void **state)
{
	static const char *const bad[] = {
	    "",
	    "52",
	    "52:54:00:12:34",
	    "52:54:00:12:34:5",
	    "52:54:00:12:34:56:",
	    "52:54:00:12:34:567",
	    "52-54-00-12-34-56",
	    "g2:54:00:12:34:56",
	    "5:254:00:12:34:56",
	};
	uint8_t mac[6] = {0};

	assert_int_equal(str_to_mac("52:54:00:aB:34:56", mac), 0);
	assert_memory_equal(mac, "\x52\x54\x00\xab\x34\x56", 6);
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(str_to_mac(bad[i], mac), -E_INVAL);
	assert_memory_equal(mac, "\x52\x54\x00\xab\x34\x56", 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_copy), cmocka_unit_test(test_zero_page),
	    cmocka_unit_test(test_u64),	 cmocka_unit_test(test_size),
	    cmocka_unit_test(test_mac),
	};

	return cmocka_run_group_tests_name("strutil", tests, NULL, NULL);
}
