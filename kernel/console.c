/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The command machinery: words of a line, lookup, argument counts, the final
 * line, Ctrl-C, log lines beside the prompt. Output helpers are in
 * console_out.c, `help` in console_help.c.
 */
#include "kernel/console.h"

#include "kernel/console_inner.h"
#include "kernel/lib/format.h"
#include "kernel/lib/string.h"
#include "kernel/time.h"

/* Cut line into words at blanks. Returns their number, CONSOLE_ARGS_MAX + 1 for too many. */
static int split(char *line, char **argv)
{
	int argc = 0;

	for (;;) {
		while (*line == ' ' || *line == '\t')
			*line++ = '\0';
		if (!*line)
			return argc;
		if (argc == CONSOLE_ARGS_MAX)
			return CONSOLE_ARGS_MAX + 1;
		argv[argc++] = line;
		while (*line && *line != ' ' && *line != '\t')
			line++;
	}
}

const struct command *console_find(const struct console *con, const char *name)
{
	for (unsigned g = 0; g < con->group_count; g++) {
		const struct command_group *group = con->groups[g];

		for (unsigned i = 0; i < group->count; i++) {
			if (strcmp(group->commands[i].name, name) == 0)
				return &group->commands[i];
		}
	}
	return NULL;
}

static int run(struct console *con, int argc, char **argv)
{
	const struct command *cmd;

	if (argc > CONSOLE_ARGS_MAX)
		return console_fail(con, -E_INVAL, "more than %d words", CONSOLE_ARGS_MAX);
	cmd = console_find(con, argv[0]);
	if (!cmd)
		return console_fail_unknown(con, argv[0]);
	if (argc - 1 < cmd->min_args)
		return console_fail(con, -E_INVAL, "too few words; usage: %s %s", cmd->name,
				    cmd->args);
	if (argc - 1 > cmd->max_args)
		return console_fail(con, -E_INVAL, "too many words; usage: %s%s%s", cmd->name,
				    *cmd->args ? " " : "", cmd->args);
	return cmd->run(con, argc, argv);
}

int console_execute(struct console *con, char *line)
{
	char *argv[CONSOLE_ARGS_MAX + 1] = {NULL};
	int argc = split(line, argv), err;

	if (!argc)
		return 0;
	con->detail[0] = '\0';
	con->interrupted = false;
	err = run(con, argc, argv);
	if (con->mid_line)
		console_printf(con, "\n");
	if (!err)
		console_printf(con, "ok\n");
	else
		console_printf(con, "error: %s\n", con->detail[0] ? con->detail : err_text(err));
	return err;
}

int console_fail(struct console *con, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	kvsnprintf(con->detail, sizeof(con->detail), fmt, ap);
	va_end(ap);
	return err;
}

/* ---- input -------------------------------------------------------------------- */

int console_read(struct console *con, uint64_t deadline_ns)
{
	int byte;

	if (!con->ahead_count)
		return con->io->read(con->io->ctx, deadline_ns);
	byte = con->ahead[0];
	con->ahead_count--;
	memmove(con->ahead, con->ahead + 1, con->ahead_count);
	return byte;
}

/* A byte that came while a command runs. Ctrl-C also forgets what was typed before it. */
static void take_ahead(struct console *con, uint8_t byte)
{
	if (byte == CONSOLE_CTRL_C) {
		con->interrupted = true;
		con->ahead_count = 0;
	} else if (con->ahead_count < CONSOLE_AHEAD) {
		con->ahead[con->ahead_count++] = byte;
	}
}

bool console_interrupted(struct console *con)
{
	int byte;

	while ((byte = con->io->read(con->io->ctx, 0)) >= 0)
		take_ahead(con, (uint8_t)byte);
	return con->interrupted;
}

int console_wait(struct console *con, uint64_t deadline_ns)
{
	while (!con->interrupted) {
		int byte = con->io->read(con->io->ctx, deadline_ns);

		if (byte < 0)
			return 0;
		take_ahead(con, (uint8_t)byte);
	}
	return -E_CANCELLED;
}

/* ---- the line editor's callbacks ------------------------------------------------ */

static void line_write(void *ctx, const char *text, size_t n)
{
	struct console *con = ctx;

	con->io->write(con->io->ctx, text, n);
}

static void complete_names(const struct console *con, struct completion *c)
{
	for (unsigned g = 0; g < con->group_count; g++) {
		for (unsigned i = 0; i < con->groups[g]->count; i++)
			completion_add(c, con->groups[g]->commands[i].name);
	}
}

static void line_complete_word(void *ctx, const char *line, struct completion *c)
{
	struct console *con = ctx;
	char copy[CONSOLE_LINE_MAX], *argv[CONSOLE_ARGS_MAX + 1] = {NULL};
	const struct command *cmd;
	int argc;

	str_copy(copy, line, sizeof(copy));
	argc = split(copy, argv);
	if (argc == 0 || (argc == 1 && strcmp(argv[0], "help") == 0)) {
		complete_names(con, c);
		return;
	}
	cmd = console_find(con, argv[0]);
	if (cmd && cmd->complete && argc <= cmd->max_args)
		cmd->complete(c, argc, argv);
}

static const struct console_line_ops line_ops = {line_write, line_complete_word};

/* ---- life -------------------------------------------------------------------------- */

void console_init(struct console *con, const struct console_io *io, const char *prompt,
		  uint8_t escape)
{
	memset(con, 0, sizeof(*con));
	con->io = io;
	con->escape = escape;
	console_line_init(&con->line, &line_ops, con, prompt);
	console_add_group(con, &console_help_group);
}

void console_add_group(struct console *con, const struct command_group *group)
{
	ASSERT(con->group_count < CONSOLE_GROUPS_MAX);
	con->groups[con->group_count++] = group;
}

_Noreturn void console_loop(struct console *con)
{
	console_printf(con, "\n'help' lists the commands.\n");
	for (;;) {
		enum console_line_event event = LINE_NONE;

		console_line_reset(&con->line);
		console_line_show(&con->line);
		con->editing = true;
		while (event == LINE_NONE) {
			int byte = console_read(con, TIME_NEVER);

			if (byte >= 0)
				event = console_line_feed(&con->line, (uint8_t)byte);
		}
		con->editing = false;
		if (event == LINE_READY)
			console_execute(con, con->line.text);
	}
}
