/* SPDX-License-Identifier: BSD-2-Clause */
/* Commands about moves: migrate migrate-status migrate-cancel. */
#ifndef MIGRATE_COMMANDS_MOVE_H
#define MIGRATE_COMMANDS_MOVE_H

#include "kernel/console.h"

extern const struct command_group commands_move_group;

#endif
