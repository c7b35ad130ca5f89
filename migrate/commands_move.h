/* SPDX-License-Identifier: BSD-2-Clause */
/* Commands about moves: migrate migrate-status migrate-cancel. */
#ifndef MIGRATE_COMMANDS_MOVE_H
#define MIGRATE_COMMANDS_MOVE_H

#include "kernel/console.h"

extern const struct command_group commands_move_group;
extern const struct command_group commands_save_group;
extern const struct command_group commands_audit_group;
extern const struct command_group commands_snapshot_group;

struct migrate_options;
/* migrate_start by names, its refusal in words. */
int commands_start_move(struct console *con, const char *name, const char *host,
			const struct migrate_options *opt, uint32_t *id);
/* Blocks until that move ends: checks, progress, summary; Ctrl-C cancels. Its error, in words. */
int commands_watch_move(struct console *con, uint32_t id);
/* The same, but nothing is printed. */
int commands_wait_move(struct console *con, uint32_t id);

/* VM, then a host, then options. */
void commands_complete_move(struct completion *c, int argc, char **argv);

#endif
