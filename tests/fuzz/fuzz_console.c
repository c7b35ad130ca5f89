/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The console, fed with keys: line editor, history, completion, the parser of
 * commands and of move options. Log lines come in between. Nothing but printable
 * text and the editor's own sequences may reach the terminal.
 */
#include <setjmp.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "tests/unit/fake_kernel.h"
#include "kernel/console.h"
#include "migrate/move_options.h"

#define LONG_NAME "a-name-longer-than-most-names-of-machines-are-but-a-hostile-peer-may-have-it"

static struct fuzz in;
static struct console con;
static jmp_buf input_over;

const char *log_level_name(enum log_level level)
{
	return "info";
}

const char *dirty_method_name(enum dirty_method m)
{
	static const char *const names[] = {"auto", "pml", "ad", "wp"};

	return (unsigned)m < ARRAY_SIZE(names) ? names[m] : "?";
}

static void term_write(void *ctx, const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint8_t c = (uint8_t)text[i];

		assert_true((c >= ' ' && c <= '~') || c == '\r' || c == '\n' || c == '\b' ||
			    c == 7 || c == 27);
	}
}

static size_t term_room(void *ctx)
{
	return in.left % 7 ? SIZE_MAX : 3;
}

static int term_read(void *ctx, uint64_t deadline_ns)
{
	struct log_line line = {.level = LOG_WARN, .text = "a line"};
	uint8_t c;

	if (!deadline_ns)
		return in.left % 5 ? -E_AGAIN : fuzz_u8(&in);
	if (!in.left)
		longjmp(input_over, 1);
	c = fuzz_u8(&in);
	if (c != 0xfe)
		return c;
	console_show_log(&con, &line);
	fake_time_ns = deadline_ns;
	return -E_TIMEDOUT;
}

static int run_start(struct console *c, int argc, char **argv)
{
	assert_in_range(argc, 2, 3);
	console_printf(c, "starting %s", argv[1]);
	return argc == 3 ? console_fail(c, -E_NOENT, "vm '%s': not found", argv[1]) : 0;
}

static int run_wait(struct console *c, int argc, char **argv)
{
	return console_wait(c, fake_time_ns + NS_PER_S);
}

static int run_list(struct console *c, int argc, char **argv)
{
	table_begin(c, "NAME|>MEMORY");
	for (int i = 0; i < argc; i++) {
		table_row(c);
		table_cell(c, "%s", argv[i]);
		table_cell(c, "%d", i);
	}
	table_end(c);
	return -(argc % E_MAX);
}

static int run_move(struct console *c, int argc, char **argv)
{
	struct move_words words;
	char why[80];

	memset(why, 0xee, sizeof(why));
	if (!move_options_parse(argc - 3, argv + 3, &words, why, sizeof(why)))
		return 0;
	assert_true(strnlen(why, sizeof(why)) < sizeof(why));
	return console_fail(c, -E_INVAL, "%s", why);
}

static void complete(struct completion *c, int argc, char **argv)
{
	static const char *const words[] = {"web", "web-2", "database", "d\x1b[2J", LONG_NAME};

	for (unsigned i = 0; i < ARRAY_SIZE(words); i++)
		completion_add(c, words[i]);
	if (argc > 2)
		move_options_complete(c);
}

static const struct command commands[] = {
    {"start", "VM [NOW]", "start a VM", "Example: start web\n", 1, 2, run_start, complete},
    {"wait", "", "take a while", "Example: wait\n", 0, 0, run_wait, NULL},
    {"list", "", "show all VMs", "", 0, 12, run_list, complete},
    {"move", "VM HOST", "move", "", 2, 12, run_move, complete},
};
static const struct command_group group = {"Virtual machines", commands, ARRAY_SIZE(commands)};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct console_io io = {term_write, term_room, term_read, NULL};

	in = (struct fuzz){data, size};
	fake_kernel_reset();
	console_init(&con, &io, "alpha> ", 0x1d);
	console_add_group(&con, &group);
	if (!setjmp(input_over))
		console_loop(&con);
	assert_true(con.line.len < CONSOLE_LINE_MAX && con.line.cursor <= con.line.len);
	return 0;
}
