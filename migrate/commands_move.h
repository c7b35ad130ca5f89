/* SPDX-License-Identifier: BSD-2-Clause */
/* Commands about moves: migrate migrate-status migrate-cancel. */
#ifndef MIGRATE_COMMANDS_MOVE_H
#define MIGRATE_COMMANDS_MOVE_H

#include "kernel/console.h"

extern const struct command_group commands_move_group;
extern const struct command_group commands_save_group;
extern const struct command_group commands_audit_group;

/* Blocks until that move ends: checks, progress, summary; Ctrl-C cancels. Its error, in words. */
int commands_watch_move(struct console *con, uint32_t id);

#endif
