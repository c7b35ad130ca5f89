/* SPDX-License-Identifier: BSD-2-Clause */
/* Aligned columns on the console: cells are gathered, then printed with their widths known. */
#ifndef KERNEL_CONSOLE_TABLE_H
#define KERNEL_CONSOLE_TABLE_H

#include "kernel/lib/base.h"

struct console;

#define TABLE_COLUMNS 12
#define TABLE_CELL    128

struct console_table {
	unsigned columns, cells;
	bool right[TABLE_COLUMNS];
	unsigned width[TABLE_COLUMNS];
	size_t used;
	char text[8192]; /* cells, each terminated */
};

/* Names separated by '|'; '>' before a name aligns its column to the right: "NAME|>MEMORY". */
void table_begin(struct console *con, const char *header);
/*
 * Begin a row. May print what is gathered so far and thus block: look at things
 * that may go away (VMs, ports) after it, and all cells of a row are of one moment.
 */
void table_row(struct console *con);
/* The next cell. Does not block. */
void table_cell(struct console *con, const char *fmt, ...) printf_like(2, 3);
/* Print what is gathered. */
void table_end(struct console *con);

#endif
