/* SPDX-License-Identifier: BSD-2-Clause */
/* The table helper. A table too large for its buffer is printed in parts. */
#include "kernel/console_table.h"

#include "kernel/console.h"
#include "kernel/lib/format.h"
#include "kernel/lib/string.h"

static void add_cell(struct console_table *t, const char *text)
{
	unsigned column = t->cells % t->columns;
	size_t len = strlen(text);

	if (t->used + len + 1 > sizeof(t->text))
		return; /* a caller without table_row */
	memcpy(t->text + t->used, text, len + 1);
	t->used += len + 1;
	t->cells++;
	t->width[column] = MAX(t->width[column], (unsigned)len);
}

static void print_rows(struct console *con)
{
	struct console_table *t = &con->table;
	const char *cell = t->text;

	for (unsigned i = 0; i < t->cells; i++, cell += strlen(cell) + 1) {
		unsigned column = i % t->columns;
		bool last = column == t->columns - 1 || i == t->cells - 1;
		int width = (int)t->width[column];

		if (t->right[column])
			console_printf(con, "%*s", width, cell);
		else if (last)
			console_printf(con, "%s", cell);
		else
			console_printf(con, "%-*s", width, cell);
		console_printf(con, "%s", last ? "\n" : "  ");
	}
	t->used = 0;
	t->cells = 0;
}

void table_begin(struct console *con, const char *header)
{
	struct console_table *t = &con->table;
	char name[TABLE_CELL];

	memset(t, 0, offsetof(struct console_table, text));
	for (const char *p = header; *p && t->columns < TABLE_COLUMNS; t->columns++) {
		if (*p == '>')
			t->right[t->columns] = true;
		p = strchr(p, '|') ? strchr(p, '|') + 1 : "";
	}
	for (unsigned i = 0; i < t->columns; i++) {
		const char *end = strchr(header, '|');

		header += *header == '>';
		ksnprintf(name, sizeof(name), "%.*s",
			  (int)(end ? (size_t)(end - header) : strlen(header)), header);
		add_cell(t, name);
		header = end ? end + 1 : "";
	}
}

void table_cell(struct console *con, const char *fmt, ...)
{
	struct console_table *t = &con->table;
	char text[TABLE_CELL];
	va_list ap;

	va_start(ap, fmt);
	kvsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	for (char *p = text; *p; p++) { /* a line feed would tear the table */
		if (*p == '\n')
			*p = '?';
	}
	add_cell(t, text);
}

void table_row(struct console *con)
{
	struct console_table *t = &con->table;

	if (t->used + t->columns * TABLE_CELL > sizeof(t->text))
		print_rows(con);
}

void table_end(struct console *con)
{
	print_rows(con);
}
