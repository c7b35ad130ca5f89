/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The log ring: records {time, level, length, text} in 64 KiB, the oldest dropped
 * for the newest. Bytes that are not printable become '?': a line may quote what
 * a frame or a disk said. Where lines are shown is the sink's business.
 */
#include "kernel/log.h"

#include "kernel/lib/format.h"
#include "kernel/lib/string.h"
#include "kernel/time.h"

#define LOG_RING 65536u /* a power of two */

struct record {
	uint64_t ns;
	uint16_t len; /* of the text that follows */
	uint8_t level, pad;
} __attribute__((packed));

static struct {
	char ring[LOG_RING];
	uint64_t head, tail; /* bytes ever written; start of the oldest record */
	enum log_level console_level;
	void (*sink)(const struct log_line *line);
} logbook = {.console_level = LOG_INFO};

const char *log_level_name(enum log_level level)
{
	static const char *const names[] = {"error", "warn", "info", "debug"};

	return (unsigned)level < ARRAY_SIZE(names) ? names[level] : "?";
}

void log_set_sink(void (*sink)(const struct log_line *line))
{
	logbook.sink = sink;
}

void log_set_console_level(enum log_level max)
{
	logbook.console_level = max;
}

static void ring_write(uint64_t at, const void *data, size_t n)
{
	const char *p = data;

	for (size_t i = 0; i < n; i++)
		logbook.ring[(at + i) % LOG_RING] = p[i];
}

static void ring_read(uint64_t at, void *data, size_t n)
{
	char *p = data;

	for (size_t i = 0; i < n; i++)
		p[i] = logbook.ring[(at + i) % LOG_RING];
}

static void ring_append(const struct log_line *line, size_t len)
{
	struct record r = {.ns = line->ns, .len = (uint16_t)len, .level = (uint8_t)line->level};

	while (logbook.head + sizeof(r) + len - logbook.tail > LOG_RING) {
		struct record oldest;

		ring_read(logbook.tail, &oldest, sizeof(oldest));
		logbook.tail += sizeof(oldest) + oldest.len;
	}
	ring_write(logbook.head, &r, sizeof(r));
	ring_write(logbook.head + sizeof(r), line->text, len);
	logbook.head += sizeof(r) + len;
}

void log_write(enum log_level level, const char *fmt, ...)
{
	struct log_line line = {.ns = time_ns(), .level = level};
	size_t len;
	va_list ap;

	va_start(ap, fmt);
	kvsnprintf(line.text, sizeof(line.text), fmt, ap);
	va_end(ap);
	for (len = 0; line.text[len]; len++) {
		if (line.text[len] < ' ' || line.text[len] > '~')
			line.text[len] = '?';
	}
	ring_append(&line, len);
	if (logbook.sink && level <= logbook.console_level)
		logbook.sink(&line);
}

bool log_next(uint64_t *cursor, struct log_line *out)
{
	struct record r;

	if (*cursor < logbook.tail)
		*cursor = logbook.tail;
	if (*cursor >= logbook.head)
		return false;
	ring_read(*cursor, &r, sizeof(r));
	out->ns = r.ns;
	out->level = r.level;
	ring_read(*cursor + sizeof(r), out->text, r.len);
	out->text[r.len] = '\0';
	*cursor += sizeof(r) + r.len;
	return true;
}
