/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The part of C's string.h that a freestanding compiler needs, plus bounded
 * copies. Unit tests link the host's libc for the standard names.
 */
#ifndef KERNEL_LIB_STRING_H
#define KERNEL_LIB_STRING_H

#include "kernel/lib/base.h"

void *memcpy(void *dst, const void *src, size_t n);
void *memmove(void *dst, const void *src, size_t n);
void *memset(void *dst, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);
size_t strnlen(const char *s, size_t max);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
char *strchr(const char *s, int c);

/* Copy at most size-1 bytes and always terminate. Returns false if src was cut. */
bool str_copy(char *dst, const char *src, size_t size);

/* Is the whole page (PAGE_SIZE bytes, 8-byte aligned) zero? */
bool page_is_zero(const void *page);

/*
 * Parse an unsigned number, decimal or 0x hex, the whole string.
 * Returns 0, -E_INVAL (not a number), -E_RANGE (does not fit 64 bits).
 */
int must_check str_to_u64(const char *s, uint64_t *out);

/* As str_to_u64, with an optional binary suffix K, M, G or T: "64M". */
int must_check str_to_size(const char *s, uint64_t *out);

/* "52:54:00:12:34:56" -> six bytes. 0 or -E_INVAL. */
int must_check str_to_mac(const char *s, uint8_t mac[6]);

#endif
