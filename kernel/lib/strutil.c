/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What string.h adds to C: bounded copy, the zero-page test, and strict parsers
 * for numbers, sizes and MAC addresses in input that is not to be trusted.
 */
#include "kernel/lib/string.h"

bool str_copy(char *dst, const char *src, size_t size)
{
	size_t len;

	if (!size)
		return false;
	len = strnlen(src, size);
	if (len < size) {
		memcpy(dst, src, len + 1);
		return true;
	}
	memcpy(dst, src, size - 1);
	dst[size - 1] = '\0';
	return false;
}

bool page_is_zero(const void *page)
{
	const uint64_t *p = page, *end = p + PAGE_SIZE / sizeof(*p);

	/* Eight words a step: most of a zero page's cost is the loop itself. */
	for (; p < end; p += 8) {
		if (p[0] | p[1] | p[2] | p[3] | p[4] | p[5] | p[6] | p[7])
			return false;
	}
	return true;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* The number at s; *end is where it stops. */
static int parse_number(const char *s, uint64_t *out, const char **end)
{
	unsigned base = 10;
	uint64_t value = 0;
	const char *first;

	if (s[0] == '0' && (s[1] == 'x' || s[1] == 'X')) {
		base = 16;
		s += 2;
	}
	for (first = s;; s++) {
		int digit = hex_digit(*s);

		if (digit < 0 || digit >= (int)base)
			break;
		if (__builtin_mul_overflow(value, (uint64_t)base, &value) ||
		    __builtin_add_overflow(value, (uint64_t)digit, &value))
			return -E_RANGE;
	}
	if (s == first)
		return -E_INVAL;
	*out = value;
	*end = s;
	return 0;
}

int str_to_u64(const char *s, uint64_t *out)
{
	uint64_t value;
	const char *end;
	int err = parse_number(s, &value, &end);

	if (err)
		return err;
	if (*end)
		return -E_INVAL;
	*out = value;
	return 0;
}

/* The shift that a suffix stands for; negative when it is none. */
static int suffix_shift(char c)
{
	switch (c) {
	case '\0':
		return 0;
	case 'K':
	case 'k':
		return 10;
	case 'M':
	case 'm':
		return 20;
	case 'G':
	case 'g':
		return 30;
	case 'T':
	case 't':
		return 40;
	}
	return -1;
}

int str_to_size(const char *s, uint64_t *out)
{
	uint64_t value;
	const char *end;
	int shift, err = parse_number(s, &value, &end);

	if (err)
		return err;
	shift = suffix_shift(*end);
	if (shift < 0 || (shift && end[1]))
		return -E_INVAL;
	if (value > UINT64_MAX >> shift)
		return -E_RANGE;
	*out = value << shift;
	return 0;
}

int str_to_mac(const char *s, uint8_t mac[6])
{
	uint8_t bytes[6];

	for (unsigned i = 0; i < 6; i++, s += 3) {
		int hi = hex_digit(s[0]), lo = hi < 0 ? -1 : hex_digit(s[1]);

		if (lo < 0 || s[2] != (i < 5 ? ':' : '\0'))
			return -E_INVAL;
		bytes[i] = (uint8_t)(hi << 4 | lo);
	}
	memcpy(mac, bytes, sizeof(bytes));
	return 0;
}
