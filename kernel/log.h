/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The host's log: a ring that `log` shows, copied to the serial line. Texts
 * start with the module's name and a colon ("net: ..."). Never called on the
 * exit fast path.
 */
#ifndef KERNEL_LOG_H
#define KERNEL_LOG_H

#include "kernel/lib/base.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

void log_write(enum log_level level, const char *fmt, ...) printf_like(2, 3);

#define log_error(...) log_write(LOG_ERROR, __VA_ARGS__)
#define log_warn(...)  log_write(LOG_WARN, __VA_ARGS__)
#define log_info(...)  log_write(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_write(LOG_DEBUG, __VA_ARGS__)

#define LOG_TEXT_MAX 240

struct log_line {
	uint64_t ns; /* time_ns() */
	enum log_level level;
	char text[LOG_TEXT_MAX]; /* printable characters only, terminated */
};

const char *log_level_name(enum log_level level); /* "error", "warn", "info", "debug" */

/* Each line of at most this level also goes to sink, which must not block. NULL: nowhere. */
void log_set_sink(void (*sink)(const struct log_line *line));
void log_set_console_level(enum log_level max);

/*
 * Walk the ring: start with *cursor = 0; true and the next line, or false at the
 * end (keep the cursor to follow). Lines overwritten meanwhile are skipped.
 */
bool log_next(uint64_t *cursor, struct log_line *out);

/* Impossible host state: full report on the serial line, then stop every CPU. */
/* The attribute, not _Noreturn: clang keeps only that in a pointer to it (arch_ops). */
void panic(const char *fmt, ...) printf_like(1, 2) __attribute__((noreturn));

#define ASSERT(cond)                                                                               \
	do {                                                                                       \
		if (!(cond))                                                                       \
			panic("%s:%d: assertion failed: %s", __FILE__, __LINE__, #cond);           \
	} while (0)

#endif
