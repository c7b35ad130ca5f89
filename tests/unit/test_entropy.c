/* SPDX-License-Identifier: BSD-2-Clause */
/* The ChaCha20 block of RFC 8439 2.3.2, and that the generator moves on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "kernel/entropy.h"

static void test_chacha20_vector(void **state)
{
	static const uint8_t want[64] = {
	    0x10, 0xf1, 0xe7, 0xe4, 0xd1, 0x3b, 0x59, 0x15, 0x50, 0x0f, 0xdd, 0x1f, 0xa3,
	    0x20, 0x71, 0xc4, 0xc7, 0xd1, 0xf4, 0xc7, 0x33, 0xc0, 0x68, 0x03, 0x04, 0x22,
	    0xaa, 0x9a, 0xc3, 0xd4, 0x6c, 0x4e, 0xd2, 0x82, 0x64, 0x46, 0x07, 0x9f, 0xaa,
	    0x09, 0x14, 0xc2, 0xd7, 0x05, 0xd9, 0x8b, 0x02, 0xa2, 0xb5, 0x12, 0x9c, 0xd1,
	    0xde, 0x16, 0x4e, 0xb9, 0xcb, 0xd0, 0x83, 0xe8, 0xa2, 0x50, 0x3c, 0x4e};
	static const uint32_t nonce[3] = {0x09000000, 0x4a000000, 0};
	uint32_t key[8], out[16];

	for (unsigned i = 0; i < 32; i++)
		((uint8_t *)key)[i] = (uint8_t)i;
	chacha20_block(out, key, 1, nonce);
	assert_memory_equal(out, want, 64);
}

static void test_fill_moves_on(void **state)
{
	uint8_t seed[32] = {1}, a[100], b[100];
	unsigned same = 0;

	entropy_init(seed);
	memset(a, 0, sizeof(a));
	entropy_fill(a, sizeof(a));
	entropy_fill(b, sizeof(b));
	for (unsigned i = 0; i < sizeof(a); i++)
		same += a[i] == b[i];
	assert_true(same < 10);
	/* No block of output is repeated within one fill either. */
	assert_memory_not_equal(a, a + 32, 32);
	assert_memory_not_equal(a + 32, a + 64, 32);
}

static void test_fill_is_bounded(void **state)
{
	for (size_t n = 0; n < 70; n++) {
		uint8_t *p = malloc(n + !n);

		entropy_fill(p, n);
		free(p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_chacha20_vector),
	    cmocka_unit_test(test_fill_moves_on),
	    cmocka_unit_test(test_fill_is_bounded),
	};

	return cmocka_run_group_tests_name("entropy", tests, NULL, NULL);
}
