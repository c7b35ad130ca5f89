/* SPDX-License-Identifier: BSD-2-Clause */
/* Commands about this host: peers store net cpu log host. */
#ifndef KERNEL_COMMANDS_HOST_H
#define KERNEL_COMMANDS_HOST_H

#include "kernel/console.h"
#include "kernel/host_config.h"
#include "kernel/net/switch.h"

struct virt_caps;

/* What the commands show; filled by kernel/main.c, must stay. */
struct host_facts {
	const char *version; /* "0.1" */
	const struct host_config *config;
	const struct virt_caps *virt;
	const struct net_switch *sw;
	unsigned cpu_count; /* online */
};

/* `log VM` (handed down by kernel/main.c): print that VM's own log. -E_NOENT: it has none. */
void commands_host_set_vm_log(int (*print)(struct console *con, const char *vm));
/* Before the console starts. */
void commands_host_init(const struct host_facts *facts);
extern const struct command_group commands_host_group;

#endif
