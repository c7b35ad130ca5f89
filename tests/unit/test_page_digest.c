/* SPDX-License-Identifier: BSD-2-Clause */
/* Pages that differ in little have different digests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "migrate/page_digest.h"

#define WORDS (PAGE_SIZE / 8)

static uint64_t page[WORDS];

static void fill(unsigned seed)
{
	srand(seed);
	for (unsigned i = 0; i < WORDS; i++)
		page[i] =
		    seed ? (uint64_t)rand() << 40 ^ (uint64_t)rand() << 20 ^ (uint64_t)rand() : 0;
}

static void test_every_bit_counts(void **state)
{
	for (unsigned seed = 0; seed < 2; seed++) {
		uint32_t whole;

		fill(seed);
		whole = page_digest(page);
		for (unsigned bit = 0; bit < WORDS * 64; bit++) {
			page[bit / 64] ^= 1ull << bit % 64;
			assert_int_not_equal(page_digest(page), whole);
			page[bit / 64] ^= 1ull << bit % 64;
		}
		assert_int_equal(page_digest(page), whole);
	}
}

/* The highest bits of two words, which a plain multiplication would let cancel out. */
static void test_two_bits_do_not_cancel(void **state)
{
	uint32_t whole;

	fill(3);
	whole = page_digest(page);
	for (unsigned i = 0; i < WORDS; i++) {
		for (unsigned k = i + 1; k < WORDS; k += 3) {
			page[i] ^= 1ull << 63;
			page[k] ^= 1ull << 63;
			assert_int_not_equal(page_digest(page), whole);
			page[i] ^= 1ull << 63;
			page[k] ^= 1ull << 63;
		}
	}
}

static void test_order_counts(void **state)
{
	uint32_t whole;

	fill(4);
	whole = page_digest(page);
	for (unsigned i = 1; i < WORDS; i++) {
		uint64_t other = page[i];

		page[i] = page[0];
		page[0] = other;
		assert_int_not_equal(page_digest(page), whole);
		page[0] = page[i];
		page[i] = other;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_every_bit_counts),
	    cmocka_unit_test(test_two_bits_do_not_cancel),
	    cmocka_unit_test(test_order_counts),
	};

	return cmocka_run_group_tests_name("page_digest", tests, NULL, NULL);
}
