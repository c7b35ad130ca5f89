/* SPDX-License-Identifier: BSD-2-Clause */
/* Commands about virtual machines: list info define undefine start ... console top. */
#ifndef VMM_COMMANDS_VM_H
#define VMM_COMMANDS_VM_H

#include "kernel/console.h"
#include "vmm/vm.h"

extern const struct command_group commands_vm_group;

/*
 * At boot, in a task: define each VM whose vms/NAME/vm.conf is in the file pool
 * and start those with "autostart yes". Failures go to the log.
 */
void vm_define_all(void);

/*
 * Who settles a VM in doubt by an operator's word (migrate_decide, handed down by
 * kernel/main.c): keep it here and run it, or give it up.
 */
void commands_vm_set_decide(int (*decide)(struct vm *vm, bool keep));

/* ---- for other rooms' commands about VMs ---- */

/* The VM, or NULL after console_fail named it ("'list' shows the VMs"). */
struct vm *commands_find_vm(struct console *con, const char *name);
/* Offer the names of all VMs as the first argument. */
void commands_complete_vm(struct completion *c, int argc, char **argv);

#endif
