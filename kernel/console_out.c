/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Console output: text of the host is made harmless for the terminal (names may
 * come from frames), a guest's output is not. Log lines step around the line
 * being edited and are rather dropped than waited for.
 */
#include "kernel/console.h"

#include "kernel/lib/format.h"
#include "kernel/lib/string.h"

#define PRINTF_MAX 512
#define LOG_EXTRA  64 /* prompt clearing, time stamp, line end, remark */

void console_write_raw(struct console *con, const char *text, size_t n)
{
	if (!n)
		return;
	con->mid_line = text[n - 1] != '\n';
	con->io->write(con->io->ctx, text, n);
}

/* One write a piece, so that a line rarely meets another task's text in its middle. */
static void write_text(struct console *con, const char *text)
{
	char out[128];
	size_t n = 0;

	for (; *text; text++) {
		if (n + 2 > sizeof(out)) {
			console_write_raw(con, out, n);
			n = 0;
		}
		if (*text == '\n') {
			out[n++] = '\r';
			out[n++] = '\n';
		} else {
			bool harmless = *text == '\r' || (*text >= ' ' && *text <= '~');

			out[n++] = harmless ? *text : '?';
		}
	}
	console_write_raw(con, out, n);
}

void console_printf(struct console *con, const char *fmt, ...)
{
	char text[PRINTF_MAX];
	va_list ap;

	va_start(ap, fmt);
	kvsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	write_text(con, text);
}

char *log_line_format(char out[LOG_TEXT_MAX + 32], const struct log_line *line)
{
	bool loud = line->level <= LOG_WARN;

	ksnprintf(out, LOG_TEXT_MAX + 32, "[%5lu.%06lu] %s%s%s",
		  (unsigned long)(line->ns / NS_PER_S),
		  (unsigned long)(line->ns % NS_PER_S / NS_PER_US),
		  loud ? log_level_name(line->level) : "", loud ? ": " : "", line->text);
	return out;
}

void console_show_log(struct console *con, const struct log_line *line)
{
	char text[LOG_TEXT_MAX + 32];
	size_t need = strlen(line->text) + LOG_EXTRA + 2 * CONSOLE_COLUMNS;
	bool redraw = con->editing && con->line.shown;

	if (con->raw && line->level > LOG_ERROR)
		return;
	if (con->io->room(con->io->ctx) < need) {
		con->log_dropped++;
		return;
	}
	if (redraw)
		console_line_hide(&con->line);
	else if (con->mid_line)
		console_printf(con, "\n");
	if (con->log_dropped)
		console_printf(con, "(%lu log lines not shown; 'log' has them)\n",
			       (unsigned long)con->log_dropped);
	con->log_dropped = 0;
	console_printf(con, "%s\n", log_line_format(text, line));
	if (redraw)
		console_line_show(&con->line);
}
