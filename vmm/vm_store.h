/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Definitions of VMs in this host's default datastore: they survive a restart of the
 * host, and they count before those on the boot volume. vm/NAME/vm.conf and its boot files
 * beside it; vm/NAME/undefined says that the VM is not to be defined at boot.
 */
#ifndef VMM_VM_STORE_H
#define VMM_VM_STORE_H

#include "kernel/store/datastore.h"
#include "vmm/vm.h"

/*
 * A definition that came by a cold move begins with this and the move's id, until the other host
 * knows; once all else is done too, there is an object of the second name and the id. Without it
 * the VM must not be defined: it may not be whole (migrate/cold.h).
 */
#define VM_STORE_ARRIVED "# arrived "
#define VM_STORE_MOVED	 "moved/"
#define VM_STORE_ID_LEN	 33 /* of the id as text, with its end */

/*
 * Write configuration and boot files of vm. Blocks. -E_NOENT: no default store, or a boot file is
 * not in the pool; why is filled on every error.
 */
int must_check vm_store_keep(const struct vm *vm, char *why, size_t why_size);
/*
 * The same in two steps, into ds, for a VM that comes in. Its boot files, as far as they are in the
 * pool: c->kernel and so on become the paths under which they are found after a restart. Then its
 * configuration, in one commit, after the comment head ("# ...\n", or ""). Block.
 */
int must_check vm_store_take_files(struct datastore *ds, struct vm_config *c);
int must_check vm_store_take_conf(struct datastore *ds, const struct vm_config *c,
				  const char *head);
/* The first bytes of that configuration (0 past its end). Blocks. -E_NOENT: none is kept. */
int must_check vm_store_head(struct datastore *ds, const char *name, char *buf, size_t size);
/* It went away: remove all that is kept of it but its log. Blocks. 0 also when nothing is. */
int must_check vm_store_remove(struct datastore *ds, const char *name);
/* It is another host's now: marked as undefined, then removed from the default store. Blocks. 0
 * also when there is no store. */
int must_check vm_store_gone(const char *name);
/* What ds keeps of it. Blocks. -E_NOENT: nothing; why is filled on every error. */
int must_check vm_store_read(struct datastore *ds, const char *name, struct vm_config *out,
			     char *why, size_t why_size);
/* Define the VM that is kept under this name. Blocks. -E_NOENT: none is; -E_BUSY: it came, but what
 * follows is not done; why is filled. */
int must_check vm_store_define(const char *name, struct vm **out, char *why, size_t why_size);
/* 0, or -E_BUSY with why: it came by a cold move that is not finished: nobody may use it, nor write
 * another one over it. -E_NOENT: none is kept. Blocks. */
int must_check vm_store_check_arrival(struct datastore *ds, const char *name, char *why,
				      size_t why_size);
/* The name of the next VM that ds keeps; -E_NOENT past the end. *cursor is 0 at first. */
int must_check vm_store_next(struct datastore *ds, unsigned *cursor, char name[VM_NAME_LEN]);
/* Was it undefined for good? Does not block. */
bool vm_store_undefined(const char *name);
/* Remember that, or forget it. Blocks. 0 also when there is no store. */
int must_check vm_store_mark(const char *name, bool undefined);

#endif
