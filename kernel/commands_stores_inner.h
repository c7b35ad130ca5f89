/* SPDX-License-Identifier: BSD-2-Clause */
/* Commands of commands_stores.c's table that live in commands_store_inside.c. */
#ifndef KERNEL_COMMANDS_STORES_INNER_H
#define KERNEL_COMMANDS_STORES_INNER_H

#include "kernel/console.h"

int commands_store_list(struct console *con, int argc, char **argv);
int commands_store_check(struct console *con, int argc, char **argv);

#endif
