/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The line editor: bytes in, terminal output and events out. A pure state
 * machine for a VT100-like terminal; what lines mean and which words complete
 * them is decided by the console through the ops.
 */
#ifndef KERNEL_CONSOLE_LINE_H
#define KERNEL_CONSOLE_LINE_H

#include "kernel/lib/base.h"

#define CONSOLE_LINE_MAX   256 /* characters, terminator included */
#define CONSOLE_HISTORY	   32
#define CONSOLE_COLUMNS	   80 /* longer lines scroll sideways */
#define COMPLETION_WORDS   48
#define COMPLETION_LETTERS 64

/* Candidates for the word at the cursor, gathered by ops->complete. */
struct completion {
	const char *prefix; /* what was typed of the word */
	size_t prefix_len;
	unsigned count;			 /* words offered that begin with prefix */
	char common[COMPLETION_LETTERS]; /* what all of them begin with */
	char words[COMPLETION_WORDS][COMPLETION_LETTERS];
};

/* Offer a word; ignored when it does not begin with the prefix. */
void completion_add(struct completion *c, const char *word);

struct console_line_ops {
	void (*write)(void *ctx, const char *text, size_t n);
	/* line: what stands before the word at the cursor, terminated. */
	void (*complete)(void *ctx, const char *line, struct completion *c);
};

enum console_line_event { LINE_NONE, LINE_READY, LINE_INTERRUPTED };

struct console_line {
	const struct console_line_ops *ops;
	void *ctx;
	char prompt[40];
	bool shown; /* prompt and text stand on the terminal */
	char text[CONSOLE_LINE_MAX];
	size_t len, cursor, scroll;
	uint8_t escape; /* how far into an escape sequence */
	uint8_t escape_param;
	bool after_cr;
	char history[CONSOLE_HISTORY][CONSOLE_LINE_MAX]; /* oldest first */
	unsigned history_count, history_at;
	char unfinished[CONSOLE_LINE_MAX]; /* the new line, while looking at old ones */
	struct completion completion;
};

void console_line_init(struct console_line *l, const struct console_line_ops *ops, void *ctx,
		       const char *prompt);
/* Show prompt and text (a fresh line, or after others wrote to the terminal). */
void console_line_show(struct console_line *l);
/* Clear the terminal's line so that other text can be written; show again afterwards. */
void console_line_hide(struct console_line *l);
/*
 * One byte from the terminal. At LINE_READY l->text is the line (also in the
 * history) until console_line_reset; at LINE_INTERRUPTED (Ctrl-C) it was dropped.
 */
enum console_line_event console_line_feed(struct console_line *l, uint8_t byte);
/* Begin an empty line; does not show it. */
void console_line_reset(struct console_line *l);

#endif
