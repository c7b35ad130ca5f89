/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Keys and editing. Typing and deleting at the end of the line, the usual case,
 * costs one to three characters of output; every other change redraws the line,
 * because a serial line is slow but not that slow. Bytes that mean nothing here
 * are ignored. What changes the text is in console_edit.c, completion in
 * console_complete.c.
 */
#include "kernel/console_line.h"

#include "kernel/console_line_inner.h"
#include "kernel/lib/string.h"

#define CTRL(c) ((c)&0x1f)
#define KEY_ESC 0x1b
#define KEY_DEL 0x7f /* what most terminals send for Backspace */

enum escape_state { ESC_NONE, ESC_START, ESC_CSI, ESC_SS3 };

void line_put(struct console_line *l, const char *text)
{
	l->ops->write(l->ctx, text, strlen(text));
}

/* Columns that the text may take. */
size_t line_view_width(const struct console_line *l)
{
	return CONSOLE_COLUMNS - 1 - strlen(l->prompt);
}

void line_draw(struct console_line *l)
{
	size_t width = line_view_width(l), end, back;

	if (l->cursor < l->scroll)
		l->scroll = l->cursor;
	if (l->cursor > l->scroll + width)
		l->scroll = l->cursor - width;
	if (l->len <= width)
		l->scroll = 0;
	end = MIN(l->len, l->scroll + width);
	line_put(l, "\r");
	line_put(l, l->prompt);
	l->ops->write(l->ctx, l->text + l->scroll, end - l->scroll);
	line_put(l, "\x1b[K");
	for (back = end - l->cursor; back; back--)
		line_put(l, "\b");
}

void console_line_show(struct console_line *l)
{
	line_draw(l);
	l->shown = true;
}

void console_line_hide(struct console_line *l)
{
	if (l->shown)
		line_put(l, "\r\x1b[K");
	l->shown = false;
}

void console_line_reset(struct console_line *l)
{
	l->text[0] = '\0';
	l->len = l->cursor = l->scroll = 0;
	l->escape = ESC_NONE;
	l->history_at = l->history_count;
}

void console_line_init(struct console_line *l, const struct console_line_ops *ops, void *ctx,
		       const char *prompt)
{
	memset(l, 0, sizeof(*l));
	l->ops = ops;
	l->ctx = ctx;
	str_copy(l->prompt, prompt, sizeof(l->prompt));
	console_line_reset(l);
}

/* ---- keys --------------------------------------------------------------------- */

static void key_left(struct console_line *l)
{
	if (l->cursor)
		line_move_to(l, l->cursor - 1);
}

static void key_right(struct console_line *l)
{
	if (l->cursor < l->len)
		line_move_to(l, l->cursor + 1);
}

static void key_delete(struct console_line *l)
{
	if (l->cursor < l->len)
		line_cut(l, l->cursor, l->cursor + 1);
}

enum key { KEY_NONE, KEY_UP, KEY_DOWN, KEY_RIGHT, KEY_LEFT, KEY_HOME, KEY_END, KEY_DELETE };

/* "ESC [ x" and "ESC O x" (ECMA-48 cursor movement, as xterm sends it). */
static enum key letter_key(uint8_t letter)
{
	switch (letter) {
	case 'A':
		return KEY_UP;
	case 'B':
		return KEY_DOWN;
	case 'C':
		return KEY_RIGHT;
	case 'D':
		return KEY_LEFT;
	case 'H':
		return KEY_HOME;
	case 'F':
		return KEY_END;
	}
	return KEY_NONE;
}

/* "ESC [ n ~", as a VT220 sends its editing keys. */
static enum key tilde_key(uint8_t n)
{
	switch (n) {
	case 1:
	case 7:
		return KEY_HOME;
	case 3:
		return KEY_DELETE;
	case 4:
	case 8:
		return KEY_END;
	}
	return KEY_NONE;
}

static void press(struct console_line *l, enum key key)
{
	switch (key) {
	case KEY_UP:
		line_history_up(l);
		break;
	case KEY_DOWN:
		line_history_down(l);
		break;
	case KEY_RIGHT:
		key_right(l);
		break;
	case KEY_LEFT:
		key_left(l);
		break;
	case KEY_HOME:
		line_move_to(l, 0);
		break;
	case KEY_END:
		line_move_to(l, l->len);
		break;
	case KEY_DELETE:
		key_delete(l);
		break;
	case KEY_NONE:
		break;
	}
}

/* A byte inside an escape sequence. Returns false if it must be taken as a key of its own. */
static bool escape_feed(struct console_line *l, uint8_t byte)
{
	if (byte < ' ') { /* a control character breaks the sequence off */
		l->escape = ESC_NONE;
		return false;
	}
	if (l->escape == ESC_START) {
		l->escape = byte == '[' ? ESC_CSI : byte == 'O' ? ESC_SS3 : ESC_NONE;
		l->escape_param = 0;
		return true;
	}
	if (l->escape == ESC_CSI && byte < '@') { /* parameters */
		if (byte >= '0' && byte <= '9' && l->escape_param < 20)
			l->escape_param = (uint8_t)(l->escape_param * 10 + byte - '0');
		return true;
	}
	l->escape = ESC_NONE;
	press(l, byte == '~' ? tilde_key(l->escape_param) : letter_key(byte));
	return true;
}

static enum key control_letter(uint8_t byte)
{
	switch (byte) {
	case CTRL('A'):
		return KEY_HOME;
	case CTRL('B'):
		return KEY_LEFT;
	case CTRL('D'):
		return KEY_DELETE;
	case CTRL('E'):
		return KEY_END;
	case CTRL('F'):
		return KEY_RIGHT;
	case CTRL('N'):
		return KEY_DOWN;
	case CTRL('P'):
		return KEY_UP;
	}
	return KEY_NONE;
}

static void control_key(struct console_line *l, uint8_t byte)
{
	switch (byte) {
	case CTRL('H'):
	case KEY_DEL:
		if (l->cursor)
			line_cut(l, l->cursor - 1, l->cursor);
		break;
	case CTRL('I'):
		line_complete(l);
		break;
	case CTRL('K'):
		line_cut(l, l->cursor, l->len);
		break;
	case CTRL('L'):
		line_put(l, "\x1b[H\x1b[2J");
		line_draw(l);
		break;
	case CTRL('U'):
		line_cut(l, 0, l->cursor);
		break;
	case CTRL('W'):
		line_cut(l, line_word_start(l), l->cursor);
		break;
	case KEY_ESC:
		l->escape = ESC_START;
		break;
	default:
		press(l, control_letter(byte));
	}
}

static enum console_line_event line_end(struct console_line *l)
{
	line_move_to(l, l->len);
	line_put(l, "\r\n");
	l->shown = false;
	line_history_add(l);
	return LINE_READY;
}

enum console_line_event console_line_feed(struct console_line *l, uint8_t byte)
{
	bool after_cr = l->after_cr;

	l->after_cr = byte == '\r';
	if (l->escape != ESC_NONE && escape_feed(l, byte))
		return LINE_NONE;
	if (byte == '\r' || byte == '\n') {
		if (byte == '\n' && after_cr) /* the second half of a CR LF */
			return LINE_NONE;
		return line_end(l);
	}
	if (byte == CTRL('C')) {
		line_put(l, "^C\r\n");
		l->shown = false;
		console_line_reset(l);
		return LINE_INTERRUPTED;
	}
	if (byte >= ' ' && byte < KEY_DEL)
		line_insert(l, (const char *)&byte, 1);
	else
		control_key(l, byte);
	return LINE_NONE;
}
