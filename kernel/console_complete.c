/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The Tab key: insert what all candidates have in common; with nothing to
 * insert, list them under the line.
 */
#include "kernel/console_line.h"

#include "kernel/console_line_inner.h"
#include "kernel/lib/format.h"
#include "kernel/lib/string.h"

void completion_add(struct completion *c, const char *word)
{
	size_t same = 0;

	/* An overlong word could not be kept whole, and half a word completes nothing. */
	if (strlen(word) >= COMPLETION_LETTERS || strncmp(word, c->prefix, c->prefix_len) != 0)
		return;
	for (unsigned i = 0; i < c->count && i < COMPLETION_WORDS; i++) {
		if (strcmp(c->words[i], word) == 0)
			return;
	}
	if (c->count < COMPLETION_WORDS)
		str_copy(c->words[c->count], word, COMPLETION_LETTERS);
	if (c->count++ == 0) {
		str_copy(c->common, word, sizeof(c->common));
		return;
	}
	while (c->common[same] && c->common[same] == word[same])
		same++;
	c->common[same] = '\0';
}

static void list_candidates(struct console_line *l, const struct completion *c)
{
	unsigned shown = MIN(c->count, COMPLETION_WORDS), width = 0, columns;
	char cell[COMPLETION_LETTERS + 8];

	for (unsigned i = 0; i < shown; i++)
		width = MAX(width, (unsigned)strlen(c->words[i]));
	columns = MAX(1u, (CONSOLE_COLUMNS - 1) / (width + 2));
	for (unsigned i = 0; i < shown; i++) {
		if (i % columns == 0)
			line_put(l, "\r\n");
		ksnprintf(cell, sizeof(cell), "%-*s", (int)width + 2, c->words[i]);
		line_put(l, cell);
	}
	if (shown < c->count)
		line_put(l, "\r\n(more)");
	line_put(l, "\r\n");
	console_line_show(l);
}

void line_complete(struct console_line *l)
{
	struct completion *c = &l->completion;
	char before[CONSOLE_LINE_MAX], prefix[CONSOLE_LINE_MAX];
	size_t start = l->cursor, typed, common;

	while (start && l->text[start - 1] != ' ')
		start--;
	typed = l->cursor - start;
	memcpy(before, l->text, start);
	before[start] = '\0';
	memcpy(prefix, l->text + start, typed);
	prefix[typed] = '\0';

	memset(c, 0, sizeof(*c));
	c->prefix = prefix;
	c->prefix_len = typed;
	l->ops->complete(l->ctx, before, c);
	c->prefix = NULL;
	common = strlen(c->common);
	if (!c->count) {
		line_put(l, "\a");
	} else if (common > typed || c->count == 1) {
		line_insert(l, c->common + typed, common - typed);
		if (c->count == 1 && l->text[l->cursor] != ' ')
			line_insert(l, " ", 1);
	} else {
		list_candidates(l, c);
	}
}
