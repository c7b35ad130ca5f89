/* SPDX-License-Identifier: BSD-2-Clause */
/* Between the files of the line editor. */
#ifndef KERNEL_CONSOLE_LINE_INNER_H
#define KERNEL_CONSOLE_LINE_INNER_H

#include "kernel/console_line.h"

void line_put(struct console_line *l, const char *text);
/* At the cursor; rings the bell when the line is full. */
void line_insert(struct console_line *l, const char *text, size_t n);
/* The Tab key. */
void line_complete(struct console_line *l);

#endif
