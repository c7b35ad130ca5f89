/* SPDX-License-Identifier: BSD-2-Clause */
/* Between the files of the line editor. */
#ifndef KERNEL_CONSOLE_LINE_INNER_H
#define KERNEL_CONSOLE_LINE_INNER_H

#include "kernel/console_line.h"

void line_put(struct console_line *l, const char *text);
/* Columns that the text may take. */
size_t line_view_width(const struct console_line *l);
/* The whole line anew, cursor in place. */
void line_draw(struct console_line *l);

/* At the cursor; rings the bell when the line is full. */
void line_insert(struct console_line *l, const char *text, size_t n);
/* Remove text[from..to); the cursor ends at from. */
void line_cut(struct console_line *l, size_t from, size_t to);
void line_move_to(struct console_line *l, size_t cursor);
/* Where the word before the cursor begins. */
size_t line_word_start(const struct console_line *l);
/* Remember the line as the newest; an equal older one goes. */
void line_history_add(struct console_line *l);
void line_history_up(struct console_line *l);
void line_history_down(struct console_line *l);
/* The Tab key. */
void line_complete(struct console_line *l);

#endif
