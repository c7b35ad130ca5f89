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
/* The next cell, row by row. */
void table_cell(struct console *con, const char *fmt, ...) printf_like(2, 3);
/* Print what is gathered. A last row may be incomplete. */
void table_end(struct console *con);

#endif
