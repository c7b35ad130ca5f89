/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The end: say what was impossible, from where, and what was logged last, past
 * every queue straight to the serial line; then stop all CPUs for good.
 */
#include "kernel/panic.h"

#include "kernel/drivers/serial.h"
#include "kernel/lib/format.h"
#include "kernel/lib/string.h"
#include "kernel/log.h"

#define PANIC_FRAMES	24
#define PANIC_LOG_LINES 16

static void (*stop_all_cpus)(void);

void panic_set_stop(void (*stop)(void))
{
	stop_all_cpus = stop;
}

static void say(const char *fmt, ...) printf_like(1, 2);
static void say(const char *fmt, ...)
{
	char text[LOG_TEXT_MAX + 32];
	va_list ap;

	va_start(ap, fmt);
	kvsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	serial_write_now(text, strlen(text));
	serial_write_now("\r\n", 2);
}

/* Return addresses along the frame pointers, while these look like a stack. */
static void say_callers(const uint64_t *frame)
{
	for (unsigned i = 0; i < PANIC_FRAMES; i++) {
		const uint64_t *up = (const uint64_t *)frame[0];

		say("  called from %016lx", (unsigned long)frame[1]);
		if (up <= frame || up > frame + 8192 || (uintptr_t)up % 8)
			break;
		frame = up;
	}
}

static void say_last_log_lines(void)
{
	static struct log_line line;
	uint64_t cursor = 0, total = 0, at = 0;

	while (log_next(&cursor, &line))
		total++;
	for (cursor = 0; log_next(&cursor, &line); at++) {
		if (at + PANIC_LOG_LINES >= total)
			say("  [%5lu.%06lu] %s", (unsigned long)(line.ns / NS_PER_S),
			    (unsigned long)(line.ns % NS_PER_S / NS_PER_US), line.text);
	}
}

void panic(const char *fmt, ...)
{
	static bool panicking;
	static char text[LOG_TEXT_MAX];
	va_list ap;

	if (!panicking) { /* a second one, from in here, stops at once */
		panicking = true;
		va_start(ap, fmt);
		kvsnprintf(text, sizeof(text), fmt, ap);
		va_end(ap);
		say("\r\nPANIC: %s", text);
		say_callers(__builtin_frame_address(0));
		say("last log lines:");
		say_last_log_lines();
		say("PANIC: this host has stopped; its virtual machines are lost here");
		if (stop_all_cpus)
			stop_all_cpus();
	}
	for (;;)
		asm volatile("cli; hlt");
}
