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
#include "kernel/entropy_source.h"
#include "tests/unit/fake_kernel.h"

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

/* ---- sources ---- */

static uint64_t sequence, stuck_from;
static bool dry;

/* Good samples until stuck_from. */
static bool sample_good(uint64_t *v)
{
	uint64_t x = sequence < stuck_from ? sequence++ : stuck_from;

	x = (x + 1) * 0x9e3779b97f4a7c15;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	*v = x ^ x >> 27;
	return true;
}

static bool sample_dry(uint64_t *v)
{
	return !dry && sample_good(v);
}

static bool sample_constant(uint64_t *v)
{
	*v = 5;
	return true;
}

static const struct entropy_source good = {"good", sample_good, 1, 2, 13};
static const struct entropy_source drying = {"drying", sample_dry, 1, 2, 13};
static const struct entropy_source constant = {"constant", sample_constant, 128, 41, 410};

static int reset_sources(void **state)
{
	fake_kernel_reset();
	fake_log_last[0] = 0;
	sequence = 0;
	stuck_from = UINT64_MAX;
	dry = false;
	return 0;
}

static void test_repetition(void **state)
{
	struct entropy_health h = {.repeats_max = 3, .proportion_max = 1000};

	assert_true(entropy_health_pass(&h, 0));
	assert_true(entropy_health_pass(&h, 0));
	assert_true(entropy_health_pass(&h, 1));
	assert_true(entropy_health_pass(&h, 0));
	assert_true(entropy_health_pass(&h, 0));
	assert_false(entropy_health_pass(&h, 0));
}

static void test_proportion(void **state)
{
	struct entropy_health h = {.repeats_max = 1000, .proportion_max = 10};
	unsigned i;

	/* nine of the first's kind in each window are borne, here at both windows' edges */
	for (i = 0; i < 3 * ENTROPY_WINDOW; i++)
		assert_true(entropy_health_pass(&h, i % ENTROPY_WINDOW < 9 ? 7 : 0x100 + i % 7));
	h = (struct entropy_health){.repeats_max = 1000, .proportion_max = 10};
	for (i = 0; i < 9; i++)
		assert_true(
		    entropy_health_pass(&h, 7 + (uint64_t)i * 256)); /* the low byte counts */
	assert_false(entropy_health_pass(&h, 7));
}

static void test_a_good_source_lasts(void **state)
{
	uint64_t a, b = 0;

	entropy_source_use(&good, 1);
	entropy_source_report();
	assert_non_null(strstr(fake_log_last, "from good"));
	for (unsigned i = 0; i < 20000; i++) {
		a = b;
		assert_true(entropy_source_word(&b));
		assert_true(a != b);
	}
}

static void test_a_stuck_source_is_given_up(void **state)
{
	const struct entropy_source both[] = {drying, constant, good};
	uint64_t v;

	entropy_source_use(both, 3);
	entropy_source_report();
	assert_non_null(strstr(fake_log_last, "from drying"));
	assert_true(entropy_source_word(&v));
	dry = true; /* the constant one does not even start */
	assert_true(entropy_source_word(&v));
	assert_non_null(strstr(fake_log_last, "random numbers come from good"));
	dry = false; /* not taken back */
	stuck_from = sequence;
	(void)entropy_source_word(&v);
	assert_false(entropy_source_word(&v));
	assert_int_equal(v, 0);
	assert_non_null(strstr(fake_log_last, "seed"));
	assert_false(entropy_source_word(&v));
}

static void test_no_source_at_all(void **state)
{
	uint8_t a[64], b[64];
	uint64_t v;

	entropy_source_use(&constant, 1);
	entropy_source_report();
	assert_non_null(strstr(fake_log_last, "no source"));
	assert_false(entropy_source_word(&v));
	for (unsigned i = 0; i < 100; i++) { /* the generator goes on from its seed */
		entropy_fill(a, sizeof(a));
		entropy_fill(b, sizeof(b));
		assert_memory_not_equal(a, b, sizeof(a));
	}
}

static void test_fill_takes_fresh_entropy(void **state)
{
	uint8_t buf[1024];
	uint64_t before;

	entropy_source_use(&good, 1);
	before = sequence;
	for (unsigned i = 0; i < 10; i++)
		entropy_fill(buf, sizeof(buf));
	assert_in_range(sequence - before, 9 * 4, 11 * 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_chacha20_vector),
	    cmocka_unit_test(test_fill_moves_on),
	    cmocka_unit_test(test_fill_is_bounded),
	    cmocka_unit_test_setup(test_repetition, reset_sources),
	    cmocka_unit_test_setup(test_proportion, reset_sources),
	    cmocka_unit_test_setup(test_a_good_source_lasts, reset_sources),
	    cmocka_unit_test_setup(test_a_stuck_source_is_given_up, reset_sources),
	    cmocka_unit_test_setup(test_no_source_at_all, reset_sources),
	    cmocka_unit_test_setup(test_fill_takes_fresh_entropy, reset_sources),
	};

	return cmocka_run_group_tests_name("entropy", tests, NULL, NULL);
}
