/* SPDX-License-Identifier: BSD-2-Clause */
/* Commands about this host's datastores: which are open, opening and closing. */
#ifndef KERNEL_COMMANDS_STORES_H
#define KERNEL_COMMANDS_STORES_H

#include "kernel/console.h"

extern const struct command_group commands_stores_group;

struct datastore;
/* The open store of that name, the default one for NULL; or NULL after console_fail. */
struct datastore *commands_find_store(struct console *con, const char *name);
/* Offer the names of all stores. */
void commands_complete_store(struct completion *c, int argc, char **argv);

#endif
