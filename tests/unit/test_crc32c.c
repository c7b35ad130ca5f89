/* SPDX-License-Identifier: BSD-2-Clause */
/* CRC-32C: the vectors of RFC 3720 B.4, and table and instruction agreeing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "kernel/lib/crc32c.h"

static void test_vectors(void **state)
{
	uint8_t buf[32];

	assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283);
	assert_int_equal(crc32c(0, "", 0), 0);
	memset(buf, 0, sizeof(buf));
	assert_int_equal(crc32c_by_table(0, buf, 32), 0x8a9136aa);
	memset(buf, 0xff, sizeof(buf));
	assert_int_equal(crc32c_by_table(0, buf, 32), 0x62a8ab43);
	for (unsigned i = 0; i < 32; i++)
		buf[i] = (uint8_t)i;
	assert_int_equal(crc32c_by_table(0, buf, 32), 0x46dd794e);
}

static void test_parts_are_the_whole(void **state)
{
	const char *s = "a page went over the wire";
	size_t n = strlen(s);

	for (size_t cut = 0; cut <= n; cut++)
		assert_int_equal(crc32c(crc32c(0, s, cut), s + cut, n - cut), crc32c(0, s, n));
}

static void test_both_ways_agree(void **state)
{
	uint8_t buf[300];

	if (!crc32c_cpu_can())
		skip();
	srand(1);
	for (unsigned i = 0; i < sizeof(buf); i++)
		buf[i] = (uint8_t)rand();
	for (unsigned from = 0; from < 9; from++) {
		for (unsigned n = 0; n + from <= sizeof(buf); n++)
			assert_int_equal(crc32c_by_cpu(n * 77, buf + from, n),
					 crc32c_by_table(n * 77, buf + from, n));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_vectors),
	    cmocka_unit_test(test_parts_are_the_whole),
	    cmocka_unit_test(test_both_ways_agree),
	};

	return cmocka_run_group_tests_name("crc32c", tests, NULL, NULL);
}
