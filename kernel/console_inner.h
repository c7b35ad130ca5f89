/* SPDX-License-Identifier: BSD-2-Clause */
/* Between the files of the console. */
#ifndef KERNEL_CONSOLE_INNER_H
#define KERNEL_CONSOLE_INNER_H

#include "kernel/console.h"

/* NULL when there is no such command. */
const struct command *console_find(const struct console *con, const char *name);
/* "no command 'lst'; did you mean 'list'?" Returns -E_NOENT. */
int console_fail_unknown(struct console *con, const char *name);
/* The command `help`. */
extern const struct command_group console_help_group;

#endif
