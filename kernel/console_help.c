/* SPDX-License-Identifier: BSD-2-Clause */
/* `help`, made from the tables of commands, and the nearest name to a mistyped one. */
#include "kernel/console_inner.h"
#include "kernel/lib/string.h"

#define NAME_MAX_LEN 24

/* Levenshtein: how many letters to insert, delete or replace. Long names are far from all. */
static unsigned edit_distance(const char *a, const char *b)
{
	unsigned row[NAME_MAX_LEN + 1];
	size_t la = strlen(a), lb = strlen(b);

	if (la > NAME_MAX_LEN || lb > NAME_MAX_LEN)
		return UINT32_MAX;
	for (unsigned j = 0; j <= lb; j++)
		row[j] = j;
	for (size_t i = 1; i <= la; i++) {
		unsigned diagonal = row[0];

		row[0] = (unsigned)i;
		for (size_t j = 1; j <= lb; j++) {
			unsigned replace = diagonal + (a[i - 1] != b[j - 1]);

			diagonal = row[j];
			row[j] = MIN(replace, 1 + MIN(row[j], row[j - 1]));
		}
	}
	return row[lb];
}

int console_fail_unknown(struct console *con, const char *name)
{
	unsigned nearest = 3; /* farther is no likeness */
	const char *best = NULL;

	for (unsigned g = 0; g < con->group_count; g++) {
		for (unsigned i = 0; i < con->groups[g]->count; i++) {
			const char *candidate = con->groups[g]->commands[i].name;
			unsigned distance = edit_distance(name, candidate);

			if (distance < nearest && distance < strlen(candidate)) {
				nearest = distance;
				best = candidate;
			}
		}
	}
	if (best)
		return console_fail(con, -E_NOENT, "no command '%.40s'; did you mean '%s'?", name,
				    best);
	return console_fail(con, -E_NOENT, "no command '%.40s'; 'help' lists them", name);
}

static unsigned usage_width(const struct console *con)
{
	unsigned width = 0;

	for (unsigned g = 0; g < con->group_count; g++) {
		for (unsigned i = 0; i < con->groups[g]->count; i++)
			width = MAX(width, (unsigned)strlen(con->groups[g]->commands[i].name));
	}
	return width;
}

static int help_all(struct console *con)
{
	int width = (int)usage_width(con);

	/* Its own group, which holds `help` alone, comes last. */
	for (unsigned n = 1; n <= con->group_count; n++) {
		const struct command_group *group = con->groups[n % con->group_count];

		if (!group->count)
			continue;
		console_printf(con, "%s\n", group->title);
		for (unsigned i = 0; i < group->count; i++)
			console_printf(con, "  %-*s  %s\n", width, group->commands[i].name,
				       group->commands[i].summary);
	}
	return 0;
}

static int run_help(struct console *con, int argc, char **argv)
{
	const struct command *cmd;

	if (argc == 1)
		return help_all(con);
	cmd = console_find(con, argv[1]);
	if (!cmd)
		return console_fail_unknown(con, argv[1]);
	console_printf(con, "usage: %s%s%s\n", cmd->name, *cmd->args ? " " : "", cmd->args);
	console_printf(con, "%s\n", cmd->summary);
	/* Line by line: console_printf has a limit. */
	for (const char *p = cmd->help; *p;) {
		const char *end = strchr(p, '\n');
		size_t n = end ? (size_t)(end - p) : strlen(p);

		console_printf(con, "  %.*s\n", (int)n, p);
		p += n + (end != NULL);
	}
	return 0;
}

static const struct command help_commands[] = {
    {
	.name = "help",
	.args = "[COMMAND]",
	.summary = "list the commands, or explain one",
	.help = "Example: help migrate\n"
		"Keys: arrows, Home, End, Tab completes, Up and Down recall lines,\n"
		"Ctrl-A/E begin/end, Ctrl-U/K/W cut, Ctrl-L clears, Ctrl-C gives up.\n",
	.max_args = 1,
	.run = run_help,
    },
};

const struct command_group console_help_group = {
    "Help",
    help_commands,
    ARRAY_SIZE(help_commands),
};
