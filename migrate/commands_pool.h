/* SPDX-License-Identifier: BSD-2-Clause */
/* Commands about many VMs: drain undrain balance, and `migrate --all`. */
#ifndef MIGRATE_COMMANDS_POOL_H
#define MIGRATE_COMMANDS_POOL_H

#include "kernel/console.h"
#include "migrate/migrate.h"

extern const struct command_group commands_pool_group;

/* migrate --all HOST [OPTIONS]: every VM of this host, in the planned order. */
int must_check commands_migrate_all(struct console *con, const char *host,
				    const struct migrate_options *opt);

#endif
