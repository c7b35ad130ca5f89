/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The console: reads a line, finds its row in the tables of commands, runs it,
 * and words the result: every command ends with a line "ok" or "error: ...".
 * Commands live with what they command: kernel/commands_host.c,
 * vmm/commands_vm.c, migrate/commands_move.c.
 */
#ifndef KERNEL_CONSOLE_H
#define KERNEL_CONSOLE_H

#include "kernel/console_line.h"
#include "kernel/console_table.h"
#include "kernel/log.h"

#define CONSOLE_ARGS_MAX   16 /* words of a line */
#define CONSOLE_GROUPS_MAX 10
#define CONSOLE_AHEAD	   256 /* typed while a command ran */
#define CONSOLE_CTRL_C	   3

struct console;

struct command {
	const char *name;
	const char *args;    /* what follows the name, for usage lines: "VM HOST"; "" for none */
	const char *summary; /* one line for `help` */
	const char *help;    /* lines for `help NAME`, each ending in \n, with an example */
	uint8_t min_args, max_args;
	/*
	 * argv[0] is the name. 0 or an error code; console_fail adds words to it.
	 * Runs in the console's task and may block.
	 */
	int (*run)(struct console *con, int argc, char **argv);
	/* Offer words for the argument that follows argv; NULL for none. */
	void (*complete)(struct completion *c, int argc, char **argv);
};

struct command_group {
	const char *title; /* "Virtual machines" */
	const struct command *commands;
	unsigned count;
};

/* The terminal. */
struct console_io {
	void (*write)(void *ctx, const char *text, size_t n); /* blocks when it must */
	size_t (*room)(void *ctx);			      /* written without blocking */
	/* The next byte, or -E_TIMEDOUT at the deadline (host ns; 0: do not block). */
	int (*read)(void *ctx, uint64_t deadline_ns);
	void *ctx;
};

struct console {
	const struct console_io *io;
	struct console_line line;
	const struct command_group *groups[CONSOLE_GROUPS_MAX];
	unsigned group_count;
	uint8_t escape;	  /* detaches from a guest's console */
	bool editing;	  /* a line is being typed, no command runs */
	bool raw;	  /* attached to a guest: only errors of the log are shown */
	bool mid_line;	  /* the last byte written was not a line feed */
	bool interrupted; /* Ctrl-C since the command began */
	char detail[200]; /* of console_fail */
	uint8_t ahead[CONSOLE_AHEAD];
	unsigned ahead_count;
	uint64_t log_dropped; /* lines that found no room; `log` still has them */
	struct console_table table;
};

/* prompt: "alpha> ". */
void console_init(struct console *con, const struct console_io *io, const char *prompt,
		  uint8_t escape);
/* The table must stay. `help` is built in. Groups are listed in this order. */
void console_add_group(struct console *con, const struct command_group *group);
/* Banner, then read and execute for ever. A task's body. */
_Noreturn void console_loop(struct console *con);
/* One command line (changed in place), with its final line. Returns the command's error. */
int console_execute(struct console *con, char *line);

/* ---- for commands ---- */

/* Text with \n for line ends; other control characters become '?'. */
void console_printf(struct console *con, const char *fmt, ...) printf_like(2, 3);
/* Bytes as they are, for a guest's output. */
void console_write_raw(struct console *con, const char *text, size_t n);
/*
 * Words for the final line instead of the error's own: what failed, and what to
 * do. Returns err: `return console_fail(con, -E_NOENT, "vm '%s': ...", name);`
 */
int console_fail(struct console *con, int err, const char *fmt, ...) printf_like(3, 4);
/* The next byte typed, or -E_TIMEDOUT. Ctrl-C is a byte like others here. */
int console_read(struct console *con, uint64_t deadline_ns);
/* Was Ctrl-C typed since the command began? Does not block; other keys are kept. */
bool console_interrupted(struct console *con);
/* Blocks until the deadline (0) or Ctrl-C (-E_CANCELLED). */
int must_check console_wait(struct console *con, uint64_t deadline_ns);

/* ---- for the log ---- */

/* Show a log line above the line being edited. Never blocks: no room, not shown. */
void console_show_log(struct console *con, const struct log_line *line);
/* "[   12.345678] warn: text": as the console and `log` show it. Returns out. */
char *log_line_format(char out[LOG_TEXT_MAX + 32], const struct log_line *line);

/* ---- the host's console on the serial line (kernel/console_serial.c) ---- */

/* For log_set_sink, from the first moment on: to the serial line, later through the console. */
void console_log_sink(const struct log_line *line);
/* After serial_start: make the console and its task. groups ends with NULL. -E_NOMEM. */
int must_check console_start(const char *host_name, uint8_t escape,
			     const struct command_group *const *groups);

#endif
