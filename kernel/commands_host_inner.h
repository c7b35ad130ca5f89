/* SPDX-License-Identifier: BSD-2-Clause */
/* Between the files of the host's commands. */
#ifndef KERNEL_COMMANDS_HOST_INNER_H
#define KERNEL_COMMANDS_HOST_INNER_H

#include "kernel/commands_host.h"

extern const struct host_facts *host_facts;

int commands_run_peers(struct console *con, int argc, char **argv);
int commands_run_store(struct console *con, int argc, char **argv);
/* `store` with words behind it (kernel/commands_disk.c). */
int commands_run_store_test(struct console *con, int argc, char **argv);
int commands_run_net(struct console *con, int argc, char **argv);

#endif
