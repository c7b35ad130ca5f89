/* SPDX-License-Identifier: BSD-2-Clause */
/* Between the files of the VM commands. */
#ifndef VMM_COMMANDS_VM_INNER_H
#define VMM_COMMANDS_VM_INNER_H

#include "vmm/commands_vm.h"

/* As vm_state_name, but one that is off may rest in a datastore: "saved". */
const char *commands_state_name(const struct vm *vm);
int commands_run_list(struct console *con, int argc, char **argv);
int commands_run_info(struct console *con, int argc, char **argv);
int commands_run_top(struct console *con, int argc, char **argv);
int commands_run_console(struct console *con, int argc, char **argv);
int commands_run_disk_delete(struct console *con, int argc, char **argv);
/* Offer stores, then the disks in that store. */
void commands_complete_disk(struct completion *c, int argc, char **argv);
int commands_run_keep(struct console *con, int argc, char **argv);
int commands_run_define(struct console *con, int argc, char **argv);
/* Offer VMs of the file pool that are not defined yet. */
void commands_complete_undefined(struct completion *c, int argc, char **argv);

#endif
