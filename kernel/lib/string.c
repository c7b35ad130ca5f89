/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The standard memory and string functions for the freestanding kernel. The bulk
 * goes by `rep movsq/stosq`: quick on processors with fast strings, and few
 * instructions in an emulator. Written in asm so that no compiler turns a loop
 * here into a call to itself. Host unit tests use the host's libc instead.
 */
#include "kernel/lib/string.h"

void *memcpy(void *dst, const void *src, size_t n)
{
	void *d = dst;
	size_t words = n / 8, rest = n % 8;

	asm volatile("rep movsq" : "+D"(d), "+S"(src), "+c"(words)::"memory");
	asm volatile("rep movsb" : "+D"(d), "+S"(src), "+c"(rest)::"memory");
	return dst;
}

/* Downwards, for a destination that overlaps the end of the source. */
static void copy_backward(char *dst, const char *src, size_t n)
{
	char *d = dst + n - 1;
	const char *s = src + n - 1;
	size_t words = n / 8, rest = n % 8;

	asm volatile("std\n\t"
		     "rep movsb\n\t"
		     "subq $7, %%rdi\n\t"
		     "subq $7, %%rsi\n\t"
		     "movq %3, %%rcx\n\t"
		     "rep movsq\n\t"
		     "cld"
		     : "+&D"(d), "+&S"(s), "+&c"(rest)
		     : "r"(words)
		     : "memory", "cc");
}

void *memmove(void *dst, const void *src, size_t n)
{
	/* Unsigned difference: a destination below the source is "far above". */
	if (n && (uintptr_t)dst - (uintptr_t)src < n)
		copy_backward(dst, src, n);
	else
		memcpy(dst, src, n);
	return dst;
}

void *memset(void *dst, int c, size_t n)
{
	void *d = dst;
	uint64_t fill = (uint8_t)c * 0x0101010101010101ull;
	size_t words = n / 8, rest = n % 8;

	asm volatile("rep stosq" : "+D"(d), "+c"(words) : "a"(fill) : "memory");
	asm volatile("rep stosb" : "+D"(d), "+c"(rest) : "a"(fill) : "memory");
	return dst;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const uint8_t *x = a, *y = b;

	for (; n >= 8; n -= 8, x += 8, y += 8) {
		uint64_t u, v;

		__builtin_memcpy(&u, x, 8);
		__builtin_memcpy(&v, y, 8);
		if (u != v)
			break; /* the bytes below say which is greater */
	}
	for (; n; n--, x++, y++) {
		if (*x != *y)
			return *x < *y ? -1 : 1;
	}
	return 0;
}

size_t strlen(const char *s)
{
	return strnlen(s, SIZE_MAX);
}

size_t strnlen(const char *s, size_t max)
{
	size_t n = 0;

	while (n < max && s[n])
		n++;
	return n;
}

int strcmp(const char *a, const char *b)
{
	return strncmp(a, b, SIZE_MAX);
}

int strncmp(const char *a, const char *b, size_t n)
{
	for (; n; n--, a++, b++) {
		if (*a != *b)
			return (uint8_t)*a < (uint8_t)*b ? -1 : 1;
		if (!*a)
			break;
	}
	return 0;
}

char *strchr(const char *s, int c)
{
	for (;; s++) {
		if (*s == (char)c)
			return (char *)s;
		if (!*s)
			return NULL;
	}
}
