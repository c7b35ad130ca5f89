/* SPDX-License-Identifier: BSD-2-Clause */
/* The host's one console: the machinery of console.c on the serial line, in its task. */
#include "kernel/console.h"
#include "kernel/drivers/serial.h"
#include "kernel/lib/format.h"
#include "kernel/lib/string.h"
#include "kernel/task.h"

static struct console the_console;
static bool running;

static void io_write(void *ctx, const char *text, size_t n)
{
	serial_write_all(text, n);
}

static size_t io_room(void *ctx)
{
	return serial_room();
}

static int io_read(void *ctx, uint64_t deadline_ns)
{
	int byte = serial_read();

	return byte >= 0 || !deadline_ns ? byte : serial_read_wait(deadline_ns);
}

static const struct console_io serial_io = {io_write, io_room, io_read, NULL};

void console_log_sink(const struct log_line *line)
{
	char text[LOG_TEXT_MAX + 32];
	size_t n;

	if (running) {
		console_show_log(&the_console, line);
		return;
	}
	log_line_format(text, line);
	n = strlen(text);
	serial_write(text, n);
	serial_write("\r\n", 2);
}

static void console_task(void *arg)
{
	running = true;
	console_loop(&the_console);
}

int console_start(const char *host_name, uint8_t escape, const struct command_group *const *groups)
{
	char prompt[40];

	ksnprintf(prompt, sizeof(prompt), "%s> ", host_name);
	console_init(&the_console, &serial_io, prompt, escape);
	for (; *groups; groups++)
		console_add_group(&the_console, *groups);
	return task_create("console", console_task, NULL) ? 0 : -E_NOMEM;
}
