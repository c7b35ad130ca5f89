/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Definitions of VMs in this host's default datastore: they survive a restart of the
 * host, and they count before those on the boot volume. vm/NAME/vm.conf and its boot files
 * beside it; vm/NAME/undefined says that the VM is not to be defined at boot.
 */
#ifndef VMM_VM_STORE_H
#define VMM_VM_STORE_H

#include "vmm/vm.h"

/*
 * Write configuration and boot files of vm. Blocks. -E_NOENT: no default store, or a boot file is
 * not in the pool; why is filled on every error.
 */
int must_check vm_store_keep(const struct vm *vm, char *why, size_t why_size);
/* Define the VM that is kept under this name. Blocks. -E_NOENT: none is; else why is filled. */
int must_check vm_store_define(const char *name, struct vm **out, char *why, size_t why_size);
/* The name of the next VM that is kept; -E_NOENT past the end. *cursor is 0 at first. */
int must_check vm_store_next(unsigned *cursor, char name[VM_NAME_LEN]);
/* Was it undefined for good? Does not block. */
bool vm_store_undefined(const char *name);
/* Remember that, or forget it. Blocks. 0 also when there is no store. */
int must_check vm_store_mark(const char *name, bool undefined);

#endif
