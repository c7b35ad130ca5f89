/* SPDX-License-Identifier: BSD-2-Clause */
/* The console with a fake terminal: final lines, errors, help, tables, log lines, Ctrl-C. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/fake_kernel.h"
#include "kernel/console.h"

const char *log_level_name(enum log_level level)
{
	static const char *const names[] = {"error", "warn", "info", "debug"};

	return names[level];
}

/* ---- terminal ------------------------------------------------------------------ */

static char out[262144];
static size_t out_len, room = SIZE_MAX;
static const char *input; /* what will have been typed */
static jmp_buf input_over;
static bool stop_at_end;

static void term_write(void *ctx, const char *text, size_t n)
{
	assert_true(out_len + n < sizeof(out));
	memcpy(out + out_len, text, n);
	out_len += n;
	out[out_len] = '\0';
}

static size_t term_room(void *ctx)
{
	return room;
}

static int term_read(void *ctx, uint64_t deadline_ns)
{
	if (*input)
		return (uint8_t)*input++;
	if (!deadline_ns)
		return -E_AGAIN;
	if (stop_at_end)
		longjmp(input_over, 1);
	fake_time_ns = deadline_ns;
	return -E_TIMEDOUT;
}

static const struct console_io io = {term_write, term_room, term_read, NULL};
static struct console con;

/* ---- commands -------------------------------------------------------------------- */

static int run_start(struct console *c, int argc, char **argv)
{
	if (strcmp(argv[1], "web") != 0)
		return console_fail(c, -E_NOENT, "vm '%s': not found; 'list' shows the VMs",
				    argv[1]);
	console_printf(c, "starting %s", argv[1]);
	return argc == 3 ? -E_NOMEM : 0;
}

static int run_slow(struct console *c, int argc, char **argv)
{
	for (unsigned i = 0; i < 3; i++) {
		int err = console_wait(c, fake_time_ns + NS_PER_S);

		if (err)
			return err;
		console_printf(c, "%u s\n", i + 1);
	}
	return 0;
}

static int run_list(struct console *c, int argc, char **argv)
{
	table_begin(c, "NAME|>MEMORY|STATE");
	table_cell(c, "web");
	table_cell(c, "%u MiB", 64);
	table_cell(c, "running\n\x1b[2J");
	table_cell(c, "database");
	table_cell(c, "1 GiB");
	table_cell(c, "off");
	table_end(c);
	return 0;
}

static int run_many(struct console *c, int argc, char **argv)
{
	table_begin(c, ">N|WORD");
	for (unsigned i = 0; i < 1000; i++) {
		table_row(c);
		table_cell(c, "%u", i);
		table_cell(c, "%*s", (int)(i % 200), "x");
	}
	table_end(c);
	return 0;
}

static void complete_vm(struct completion *c, int argc, char **argv)
{
	if (argc == 1)
		completion_add(c, "web");
}

static const struct command commands[] = {
    {"start", "VM [NOW]", "start a VM", "Example: start web\nIt starts.\n", 1, 2, run_start,
     complete_vm},
    {"slow", "", "take a while", "Example: slow\n", 0, 0, run_slow, NULL},
    {"list", "", "show all VMs", "Example: list\n", 0, 0, run_list, NULL},
    {"many", "", "many rows", "", 0, 0, run_many, NULL},
};
static const struct command_group group = {"Virtual machines", commands, ARRAY_SIZE(commands)};

static int setup(void **state)
{
	fake_kernel_reset();
	out_len = 0;
	out[0] = '\0';
	input = "";
	room = SIZE_MAX;
	stop_at_end = false;
	console_init(&con, &io, "alpha> ", 0x1d);
	console_add_group(&con, &group);
	return 0;
}

static void expect(const char *line, int err, const char *want)
{
	char copy[CONSOLE_LINE_MAX];

	out_len = 0;
	out[0] = '\0';
	strcpy(copy, line);
	assert_int_equal(console_execute(&con, copy), err);
	assert_string_equal(out, want);
}

static void test_final_line(void **state)
{
	expect("start web", 0, "starting web\r\nok\r\n");
	expect("  start\t web  ", 0, "starting web\r\nok\r\n");
	expect("start web now", -E_NOMEM, "starting web\r\nerror: out of memory\r\n");
	expect("start db", -E_NOENT, "error: vm 'db': not found; 'list' shows the VMs\r\n");
	expect("start web", 0, "starting web\r\nok\r\n"); /* old words are gone */
	expect("", 0, "");
	expect("   ", 0, "");
}

static void test_wrong_lines(void **state)
{
	expect("lst", -E_NOENT, "error: no command 'lst'; did you mean 'list'?\r\n");
	expect("strat web", -E_NOENT, "error: no command 'strat'; did you mean 'start'?\r\n");
	expect("frobnicate", -E_NOENT, "error: no command 'frobnicate'; 'help' lists them\r\n");
	expect("start", -E_INVAL, "error: too few words; usage: start VM [NOW]\r\n");
	expect("start a b c", -E_INVAL, "error: too many words; usage: start VM [NOW]\r\n");
	expect("list a", -E_INVAL, "error: too many words; usage: list\r\n");
	expect("1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17", -E_INVAL,
	       "error: more than 16 words\r\n");
	expect("start \x1b[2J", -E_NOENT, "error: vm '?[2J': not found; 'list' shows the VMs\r\n");
}

static void test_help(void **state)
{
	expect("help", 0,
	       "Virtual machines\r\n"
	       "  start  start a VM\r\n"
	       "  slow   take a while\r\n"
	       "  list   show all VMs\r\n"
	       "  many   many rows\r\n"
	       "Help\r\n"
	       "  help   list the commands, or explain one\r\n"
	       "ok\r\n");
	expect("help start", 0,
	       "usage: start VM [NOW]\r\nstart a VM\r\n"
	       "  Example: start web\r\n  It starts.\r\nok\r\n");
	expect("help lisst", -E_NOENT, "error: no command 'lisst'; did you mean 'list'?\r\n");
}

static void test_table(void **state)
{
	expect("list", 0,
	       "NAME      MEMORY  STATE\r\n"
	       "web       64 MiB  running??[2J\r\n"
	       "database   1 GiB  off\r\n"
	       "ok\r\n");
	out_len = 0;
	assert_int_equal(console_execute(&con, (char[]){"many"}), 0);
	for (unsigned i = 0; i < 1000; i++) {
		char want[16];

		snprintf(want, sizeof(want), "%u  ", i);
		assert_non_null(strstr(out, want));
	}
}

static void test_ctrl_c(void **state)
{
	input = "lis\x03ty";
	expect("slow", -E_CANCELLED, "error: cancelled\r\n");
	/* What was typed after Ctrl-C is still there. */
	assert_int_equal(console_read(&con, 0), 't');
	assert_int_equal(console_read(&con, 0), 'y');
	input = "ab";
	expect("slow", 0, "1 s\r\n2 s\r\n3 s\r\nok\r\n");
	assert_false(console_interrupted(&con));
	input = "\x03";
	assert_true(console_interrupted(&con));
	assert_int_equal(console_read(&con, 0), -E_AGAIN);
}

static void test_typing_far_ahead(void **state)
{
	static char lots[1000];

	memset(lots, 'x', sizeof(lots) - 1);
	input = lots;
	assert_false(console_interrupted(&con));
	assert_int_equal(con.ahead_count, CONSOLE_AHEAD);
}

static void run_loop(const char *keys)
{
	input = keys;
	stop_at_end = true;
	if (!setjmp(input_over))
		console_loop(&con);
}

static void test_loop(void **state)
{
	run_loop("start web\rsta\tw\t\rsta");
	assert_non_null(strstr(out, "alpha> "));
	assert_non_null(strstr(out, "start web \r\nstarting web\r\nok\r\n"));
}

static void test_log_around_the_line(void **state)
{
	struct log_line line = {1500000000, LOG_WARN, "net: link down"};

	run_loop("star");
	out_len = 0;
	console_show_log(&con, &line);
	assert_string_equal(out, "\r\x1b[K[    1.500000] warn: net: link down\r\n"
				 "\ralpha> star\x1b[K");
	room = 100;
	out_len = 0;
	out[0] = '\0';
	console_show_log(&con, &line);
	console_show_log(&con, &line);
	assert_string_equal(out, "");
	room = SIZE_MAX;
	line.level = LOG_INFO;
	console_show_log(&con, &line);
	assert_string_equal(out, "\r\x1b[K(2 log lines not shown; 'log' has them)\r\n"
				 "[    1.500000] net: link down\r\n\ralpha> star\x1b[K");
	con.editing = false;
	console_printf(&con, "half");
	out_len = 0;
	console_show_log(&con, &line);
	assert_string_equal(out, "\r\n[    1.500000] net: link down\r\n");
	con.raw = true;
	out_len = 0;
	out[0] = '\0';
	console_show_log(&con, &line);
	assert_string_equal(out, "");
}

static void test_noise(void **state)
{
	static char noise[20000];

	srand(4);
	for (unsigned i = 0; i < sizeof(noise) - 1; i++) {
		noise[i] = rand() % 9 ? "lstarwe bhp\t"[rand() % 12] : (char)(rand() % 255 + 1);
		if (rand() % 20 == 0)
			noise[i] = '\r';
	}
	for (unsigned i = 0; i + 40 < sizeof(noise); i += 40) {
		char keys[41];

		memcpy(keys, noise + i, 40);
		keys[40] = '\0';
		out_len = 0;
		run_loop(keys);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_final_line, setup),
	    cmocka_unit_test_setup(test_wrong_lines, setup),
	    cmocka_unit_test_setup(test_help, setup),
	    cmocka_unit_test_setup(test_table, setup),
	    cmocka_unit_test_setup(test_ctrl_c, setup),
	    cmocka_unit_test_setup(test_typing_far_ahead, setup),
	    cmocka_unit_test_setup(test_loop, setup),
	    cmocka_unit_test_setup(test_log_around_the_line, setup),
	    cmocka_unit_test_setup(test_noise, setup),
	};

	return cmocka_run_group_tests_name("console", tests, NULL, NULL);
}
