/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * snprintf for a freestanding world: %d %i %u %x %X %c %s %p %%, flags '-', '0'
 * and '#', width and precision as numbers or '*', length h, l, ll, z. No floating
 * point. Also %pM-style helpers are functions, not format letters.
 */
#ifndef KERNEL_LIB_FORMAT_H
#define KERNEL_LIB_FORMAT_H

#include "kernel/lib/base.h"
#include <stdarg.h>

/*
 * Always terminates when size > 0. Returns the length that the whole text
 * would have had, like C's snprintf.
 */
int ksnprintf(char *buf, size_t size, const char *fmt, ...) printf_like(3, 4);
int kvsnprintf(char *buf, size_t size, const char *fmt, va_list ap);

/* "52:54:00:12:34:56" into out, 18 bytes. Returns out. */
char *format_mac(char out[18], const uint8_t mac[6]);
/* A byte count for people: "12 B", "3.4 KiB", "256 MiB" into out. Returns out. */
char *format_size(char out[16], uint64_t bytes);
/* Seconds since 1970 as "2026-11-28 08:43:13", UTC. */
char *format_date(char out[32], uint64_t s);

#endif
