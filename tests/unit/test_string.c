/* SPDX-License-Identifier: BSD-2-Clause */
/* The kernel's own memcpy and friends, renamed, against the host's libc. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* Declared by hand: the header's names are libc's here. */
void *k_memcpy(void *dst, const void *src, size_t n);
void *k_memmove(void *dst, const void *src, size_t n);
void *k_memset(void *dst, int c, size_t n);
int k_memcmp(const void *a, const void *b, size_t n);
size_t k_strlen(const char *s);
size_t k_strnlen(const char *s, size_t max);
int k_strcmp(const char *a, const char *b);
int k_strncmp(const char *a, const char *b, size_t n);
char *k_strchr(const char *s, int c);

#define memcpy	k_memcpy
#define memmove k_memmove
#define memset	k_memset
#define memcmp	k_memcmp
#define strlen	k_strlen
#define strnlen k_strnlen
#define strcmp	k_strcmp
#define strncmp k_strncmp
#define strchr	k_strchr
#include "kernel/lib/string.c"
#undef memcpy
#undef memmove
#undef memset
#undef memcmp
#undef strlen
#undef strnlen
#undef strcmp
#undef strncmp
#undef strchr

#define ROOM 96

static void fill(uint8_t *buf, unsigned seed)
{
	for (unsigned i = 0; i < ROOM; i++)
		buf[i] = (uint8_t)(i * 7 + seed);
}

static void test_move_every_overlap(void **state)
{
	uint8_t a[ROOM], b[ROOM];

	for (unsigned from = 0; from < 24; from++) {
		for (unsigned to = 0; to < 24; to++) {
			for (unsigned n = 0; n < 40; n++) {
				fill(a, n);
				fill(b, n);
				assert_ptr_equal(k_memmove(a + to, a + from, n), a + to);
				memmove(b + to, b + from, n);
				assert_memory_equal(a, b, ROOM);
			}
		}
	}
}

static void test_copy_and_set(void **state)
{
	uint8_t a[ROOM], b[ROOM], src[ROOM];

	fill(src, 99);
	for (unsigned n = 0; n < 60; n++) {
		fill(a, 1);
		fill(b, 1);
		assert_ptr_equal(k_memcpy(a + n % 9, src, n), a + n % 9);
		memcpy(b + n % 9, src, n);
		assert_memory_equal(a, b, ROOM);
		assert_ptr_equal(k_memset(a + n % 5, (int)n | 0x180, n), a + n % 5);
		memset(b + n % 5, (int)n | 0x180, n);
		assert_memory_equal(a, b, ROOM);
	}
}

static int sign(int v)
{
	return (v > 0) - (v < 0);
}

static void test_compare(void **state)
{
	uint8_t a[ROOM], b[ROOM];

	fill(a, 0);
	fill(b, 0);
	assert_int_equal(k_memcmp(a, b, ROOM), 0);
	for (unsigned i = 0; i < 40; i++) {
		fill(b, 0);
		b[i] ^= 0x80;
		for (unsigned n = 0; n < 40; n++)
			assert_int_equal(sign(k_memcmp(a, b, n)), sign(memcmp(a, b, n)));
	}
	assert_true(k_strcmp("abc", "abd") < 0);
	assert_true(k_strcmp("abc\xff", "abc") > 0);
	assert_int_equal(k_strcmp("", ""), 0);
	assert_int_equal(k_strncmp("abX", "abY", 2), 0);
	assert_true(k_strncmp("ab", "abY", 3) < 0);
}

static void test_strings(void **state)
{
	const char *s = "hello";

	assert_int_equal(k_strlen(""), 0);
	assert_int_equal(k_strlen(s), 5);
	assert_int_equal(k_strnlen(s, 3), 3);
	assert_int_equal(k_strnlen(s, 9), 5);
	assert_ptr_equal(k_strchr(s, 'l'), s + 2);
	assert_ptr_equal(k_strchr(s, '\0'), s + 5);
	assert_null(k_strchr(s, 'z'));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_move_every_overlap),
	    cmocka_unit_test(test_copy_and_set),
	    cmocka_unit_test(test_compare),
	    cmocka_unit_test(test_strings),
	};

	return cmocka_run_group_tests_name("string", tests, NULL, NULL);
}
