/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The line editor in front of a little terminal: what stands on the screen is
 * compared with what the editor believes, after every key.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "kernel/console_line.h"

/* ---- a terminal of one row that counts what it is sent ---------------------- */

static char row[CONSOLE_COLUMNS + 1];
static unsigned column, rows, bells;
static size_t sent;
static char above[4096]; /* rows that were finished */
static unsigned csi;	 /* inside ESC [ */

static void term_clear(void)
{
	memset(row, ' ', CONSOLE_COLUMNS);
	row[CONSOLE_COLUMNS] = '\0';
}

static void term_byte(char c)
{
	if (csi == 1) {
		assert_int_equal(c, '[');
		csi = 2;
	} else if (csi == 2) {
		if (c >= '0' && c <= '9')
			return;
		csi = 0;
		if (c == 'K')
			memset(row + column, ' ', CONSOLE_COLUMNS - column);
		else if (c == 'J')
			term_clear();
		else if (c == 'H')
			column = 0;
		else
			fail_msg("terminal: ESC [ %c", c);
	} else if (c == 0x1b) {
		csi = 1;
	} else if (c == '\r') {
		column = 0;
	} else if (c == '\n') {
		snprintf(above + strlen(above), sizeof(above) - strlen(above), "%s\n", row);
		term_clear();
		rows++;
	} else if (c == '\b') {
		assert_true(column > 0);
		column--;
	} else if (c == '\a') {
		bells++;
	} else {
		assert_true(c >= ' ' && c <= '~');
		assert_true(column < CONSOLE_COLUMNS - 1); /* never wraps */
		row[column++] = c;
	}
}

static void term_write(void *ctx, const char *text, size_t n)
{
	sent += n;
	for (size_t i = 0; i < n; i++)
		term_byte(text[i]);
}

static const char *const *words;
static char complete_line[CONSOLE_LINE_MAX];

static void complete(void *ctx, const char *line, struct completion *c)
{
	strcpy(complete_line, line);
	for (const char *const *w = words; w && *w; w++)
		completion_add(c, *w);
}

static const struct console_line_ops ops = {term_write, complete};
static struct console_line l;

static int setup(void **state)
{
	term_clear();
	column = rows = bells = csi = 0;
	above[0] = '\0';
	words = NULL;
	console_line_init(&l, &ops, NULL, "alpha> ");
	console_line_show(&l);
	sent = 0;
	return 0;
}

/* Does the screen show the editor's text, with the cursor in place? */
static void check_screen(void)
{
	char want[CONSOLE_COLUMNS + 1];

	assert_int_equal(strlen(l.text), l.len);
	assert_true(l.cursor <= l.len && l.len < CONSOLE_LINE_MAX);
	assert_true(l.scroll <= l.cursor);
	snprintf(want, sizeof(want), "alpha> %-72.72s ", l.text + l.scroll);
	assert_string_equal(row, want);
	assert_int_equal(column, 7 + l.cursor - l.scroll);
}

static enum console_line_event type(const char *keys)
{
	enum console_line_event event = LINE_NONE;

	for (; *keys; keys++) {
		event = console_line_feed(&l, (uint8_t)*keys);
		if (event == LINE_NONE)
			check_screen();
	}
	return event;
}

static void enter(const char *keys)
{
	type(keys);
	assert_int_equal(type("\r"), LINE_READY);
	console_line_reset(&l);
	console_line_show(&l);
}

#define UP    "\x1b[A"
#define DOWN  "\x1b[B"
#define RIGHT "\x1b[C"
#define LEFT  "\x1bOD"
#define HOME  "\x1b[1~"
#define END   "\x1bOF"
#define DEL   "\x1b[3~"

static void expect(const char *keys, const char *text, size_t cursor)
{
	console_line_reset(&l);
	console_line_show(&l);
	type(keys);
	assert_string_equal(l.text, text);
	assert_int_equal(l.cursor, cursor);
}

static void test_editing(void **state)
{
	expect("list", "list", 4);
	expect("lst" LEFT LEFT "i", "list", 2);
	expect("list\b\x7f", "li", 2);
	expect("list" LEFT "\b", "lit", 2);
	expect("list" HOME DEL DEL, "st", 0);
	expect("list" HOME END "!", "list!", 5);
	expect("list\x01x\x05y", "xlisty", 6);
	expect("one two  three\x17", "one two  ", 9);
	expect("one two  \x17", "one ", 4);
	expect("one two" LEFT LEFT "\x15", "wo", 0);
	expect("one two" LEFT LEFT "\x0b", "one t", 5);
	expect(LEFT RIGHT "\b\x7f" DEL "\x17\x15\x0b" UP DOWN, "", 0);
	expect("clear\x0cme", "clearme", 7);
}

static void test_cheap_at_the_end(void **state)
{
	type("a");
	assert_int_equal(sent, 1);
	type("\b");
	assert_int_equal(sent, 4);
}

static void test_enter_and_interrupt(void **state)
{
	assert_int_equal(type("list\r"), LINE_READY);
	assert_string_equal(l.text, "list");
	console_line_reset(&l);
	assert_int_equal(console_line_feed(&l, '\n'), LINE_NONE); /* of CR LF */
	assert_int_equal(console_line_feed(&l, '\n'), LINE_READY);
	console_line_reset(&l);
	console_line_show(&l);
	assert_int_equal(type("half a line\x03"), LINE_INTERRUPTED);
	assert_string_equal(l.text, "");
}

static void test_history(void **state)
{
	enter("one");
	enter("two");
	enter("one"); /* no doubles: only its newest place */
	enter("");
	expect("new" UP, "one", 3);
	expect("new" UP UP, "two", 3);
	expect("new" UP UP UP, "two", 3);
	expect("new" UP UP DOWN, "one", 3);
	expect("new" UP UP DOWN DOWN, "new", 3);
	expect("new" UP DOWN DOWN, "new", 3);
	for (unsigned i = 0; i < 40; i++) {
		char line[16];

		snprintf(line, sizeof(line), "line %u", i);
		enter(line);
	}
	assert_int_equal(l.history_count, CONSOLE_HISTORY);
	assert_string_equal(l.history[0], "line 8");
	assert_string_equal(l.history[31], "line 39");
	enter("line 20");
	assert_int_equal(l.history_count, CONSOLE_HISTORY);
	assert_string_equal(l.history[31], "line 20");
	assert_string_equal(l.history[12], "line 21");
}

static void test_long_lines_scroll(void **state)
{
	for (unsigned i = 0; i < 300; i++)
		type("x");
	assert_int_equal(l.len, CONSOLE_LINE_MAX - 1);
	assert_int_equal(bells, 300 - (CONSOLE_LINE_MAX - 1));
	type(HOME "y\x7f" END "\b\b" HOME);
	for (unsigned i = 0; i < 150; i++)
		type(RIGHT);
	type("\x0b");
	assert_int_equal(l.len, 150);
}

static void test_completion(void **state)
{
	static const char *const verbs[] = {"migrate", "migrate-status", "migrate-cancel", "mute",
					    NULL};
	static const char *const vms[] = {"web", "db", "web", NULL};

	words = verbs;
	expect("mi\t", "migrate", 7);
	rows = 0;
	type("\t"); /* nothing to add: they are listed */
	assert_non_null(strstr(above, "migrate-cancel"));
	assert_null(strstr(above, "mute"));
	assert_true(rows >= 2);
	type("-s\t");
	assert_string_equal(l.text, "migrate-status ");
	assert_string_equal(complete_line, "");
	words = vms;
	expect("start d\t", "start db ", 9);
	assert_string_equal(complete_line, "start ");
	expect("start  web beta" HOME END LEFT LEFT LEFT LEFT LEFT "\t", "start  web beta", 10);
	bells = 0;
	expect("start z\t", "start z", 7);
	assert_int_equal(bells, 1);
}

static void test_completion_limits(void **state)
{
	static char many[200][80];
	static const char *list[201];
	char keys[90];

	for (unsigned i = 0; i < 200; i++) {
		snprintf(many[i], sizeof(many[i]), "vm-%03u", i);
		list[i] = many[i];
	}
	words = list;
	expect("v\t\t", "vm-", 3);
	assert_non_null(strstr(above, "(more)"));
	memset(many[0], 'w', 79); /* too long to be completed: ignored */
	memset(keys, 'w', 70);
	strcpy(keys + 70, "\t");
	console_line_reset(&l);
	console_line_show(&l);
	type(keys);
	assert_int_equal(l.len, 70);
}

static void test_hide_and_show(void **state)
{
	type("half" LEFT);
	console_line_hide(&l);
	assert_string_equal(row, "                                                               "
				 "                 ");
	assert_int_equal(column, 0);
	console_line_show(&l);
	check_screen();
}

static void test_hostile_bytes(void **state)
{
	static const char *const list[] = {"alpha", "alpine", "beta", NULL};
	static const char likely[] = "a b\x1b[~OABCDHF13\t\b\x7f\r\x01\x05\x15\x17\x0b\x03\x0c";

	words = list;
	srand(3);
	for (unsigned i = 0; i < 200000; i++) {
		uint8_t byte =
		    rand() % 4 ? (uint8_t)likely[rand() % (sizeof(likely) - 1)] : (uint8_t)rand();

		above[0] = '\0';
		if (console_line_feed(&l, byte) != LINE_NONE) {
			console_line_reset(&l);
			console_line_show(&l);
		}
		check_screen();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_editing, setup),
	    cmocka_unit_test_setup(test_cheap_at_the_end, setup),
	    cmocka_unit_test_setup(test_enter_and_interrupt, setup),
	    cmocka_unit_test_setup(test_history, setup),
	    cmocka_unit_test_setup(test_long_lines_scroll, setup),
	    cmocka_unit_test_setup(test_completion, setup),
	    cmocka_unit_test_setup(test_completion_limits, setup),
	    cmocka_unit_test_setup(test_hide_and_show, setup),
	    cmocka_unit_test_setup(test_hostile_bytes, setup),
	};

	return cmocka_run_group_tests_name("console_line", tests, NULL, NULL);
}
