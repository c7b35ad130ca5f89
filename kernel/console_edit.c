/* SPDX-License-Identifier: BSD-2-Clause */
/* What changes the edited line: inserting, cutting, moving the cursor, recalling old lines. */
#include "kernel/console_line.h"

#include "kernel/console_line_inner.h"
#include "kernel/lib/string.h"

/* ---- changing the text ------------------------------------------------------ */

void line_insert(struct console_line *l, const char *text, size_t n)
{
	bool at_end = l->cursor == l->len;

	if (l->len + n >= CONSOLE_LINE_MAX) {
		line_put(l, "\a");
		return;
	}
	memmove(l->text + l->cursor + n, l->text + l->cursor, l->len - l->cursor + 1);
	memcpy(l->text + l->cursor, text, n);
	l->len += n;
	l->cursor += n;
	if (at_end && l->len <= line_view_width(l))
		l->ops->write(l->ctx, text, n);
	else
		line_draw(l);
}

/* Remove text[from..to); the cursor ends at from. */
void line_cut(struct console_line *l, size_t from, size_t to)
{
	bool last_only = to == l->len && from + 1 == to && l->cursor == to && !l->scroll;

	if (from == to)
		return;
	memmove(l->text + from, l->text + to, l->len - to + 1);
	l->len -= to - from;
	l->cursor = from;
	if (last_only)
		line_put(l, "\b \b");
	else
		line_draw(l);
}

void line_move_to(struct console_line *l, size_t cursor)
{
	if (cursor == l->cursor)
		return;
	l->cursor = cursor;
	line_draw(l);
}

size_t line_word_start(const struct console_line *l)
{
	size_t at = l->cursor;

	while (at && l->text[at - 1] == ' ')
		at--;
	while (at && l->text[at - 1] != ' ')
		at--;
	return at;
}

/* ---- history ----------------------------------------------------------------- */

/* Remember the line as the newest; an equal older one goes. */
void line_history_add(struct console_line *l)
{
	unsigned i = 0;

	if (!l->len)
		return;
	while (i < l->history_count && strcmp(l->history[i], l->text) != 0)
		i++;
	if (i == CONSOLE_HISTORY)
		i = 0; /* full: the oldest goes */
	if (i < l->history_count) {
		memmove(l->history[i], l->history[i + 1],
			(l->history_count - i - 1) * sizeof(l->history[0]));
		l->history_count--;
	}
	str_copy(l->history[l->history_count++], l->text, CONSOLE_LINE_MAX);
}

static void history_go(struct console_line *l, unsigned at)
{
	const char *text = at == l->history_count ? l->unfinished : l->history[at];

	if (l->history_at == l->history_count)
		str_copy(l->unfinished, l->text, sizeof(l->unfinished));
	str_copy(l->text, text, sizeof(l->text));
	l->history_at = at;
	l->len = l->cursor = strlen(l->text);
	line_draw(l);
}

void line_history_up(struct console_line *l)
{
	if (l->history_at)
		history_go(l, l->history_at - 1);
}

void line_history_down(struct console_line *l)
{
	if (l->history_at < l->history_count)
		history_go(l, l->history_at + 1);
}
