/* SPDX-License-Identifier: BSD-2-Clause */
/* `--json`: what a command's table shows, as an array of objects, a line each, for programs. */
#ifndef KERNEL_CONSOLE_JSON_H
#define KERNEL_CONSOLE_JSON_H

#include "kernel/console.h"
#include "kernel/lib/json.h"

/*
 * Is the last word --json? Then *argc is one less. Else false; a word that looks like an
 * option is the command's to refuse.
 */
bool console_json_wanted(int *argc, char **argv);

/* One console, one command at a time: the rows share one buffer. */
void console_json_begin(struct console *con);
/* Begins a row: fill it by json_str and so on, without blocking in between. */
struct json *console_json_row(void);
/* Prints the row. May block: as with table_row, look anew at what may go away. */
void console_json_row_end(struct console *con);
void console_json_end(struct console *con);

#endif
