/* SPDX-License-Identifier: BSD-2-Clause */
/* The parts of a VM: made before it runs, freed after. Between vm.c and vm_build.c, vm_disks.c. */
#ifndef VMM_VM_BUILD_H
#define VMM_VM_BUILD_H

#include "vmm/vm.h"

/*
 * Memory, address translation, vCPUs, devices; disks are opened, not owned. cpuid:
 * the policy that came along with a move, or NULL to make this host's. On
 * error everything made is gone again; log_error said what.
 */
int must_check vm_build(struct vm *vm, const struct cpuid_policy *cpuid);
/* Safe on a VM that has nothing. */
void vm_teardown(struct vm *vm);
/* Put the boot files into memory and the boot CPU at their entry. Devices are in reset. */
int must_check vm_boot(struct vm *vm);

/* vm_disks.c: open all disks of cfg; close them. */
int must_check vm_open_disks(struct vm *vm);
void vm_close_disks(struct vm *vm);
/*
 * For a VM that comes in while it is off: the disks that are received (as vm_create_incoming's),
 * and no others. Does not block. -E_NOMEM: none is open, some handles are still the caller's.
 */
int must_check vm_open_received(struct vm *vm, struct ds_object *disks[VM_MAX_DISKS]);
/* Reserve each shared disk for a fresh MAC of ours; refused when another holds it. */
int must_check vm_own_disks(struct vm *vm);
void vm_release_disks(struct vm *vm);

#endif
