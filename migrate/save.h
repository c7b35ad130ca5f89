/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Suspending a VM into an object of a datastore and taking it out again, here or at
 * another host (docs/save.md). The object is a move's stream that nobody answers. Both
 * are moves to the console: migrate_progress, migrate_checks and migrate_cancel work.
 */
#ifndef MIGRATE_SAVE_H
#define MIGRATE_SAVE_H

#include "kernel/store/stores.h"
#include "migrate/move.h"

struct restore_options {
	bool again; /* take the used state if there is no other: the generation id changes */
	bool force; /* although a disk may have changed since */
};

/*
 * Begin to save vm (running or paused) into ds. The guest stands still from now on; at the end
 * the VM is off, or on any error as it was. *id is the move's. -E_BUSY, -E_STATE, -E_NOMEM.
 */
int must_check save_start(struct vm *vm, struct datastore *ds, uint32_t *id);
/*
 * Begin to restore the VM of that name from ds. One of that name that is off is replaced.
 * -E_NOENT (no such state), -E_EXIST (only a used one and not again), -E_STATE (a VM of that name
 * is not off), -E_BUSY, -E_NOMEM.
 */
int must_check restore_start(const char *name, struct datastore *ds,
			     const struct restore_options *opt, uint32_t *id);

/* save_disks.c. What a disk in a datastore contains; 0 for other kinds. Blocks. */
int must_check save_disk_digest(const struct vm_disk_config *cfg, uint64_t *sectors,
				uint64_t *digest);
/* The guest's writes are durable, each disk described in o; shared ones have the MAC that parks
 * them. Blocks. */
int must_check save_describe_disks(struct vm *vm, struct stream_offer *o);
/* Shared disks: only the parking MACs of o may write from now on. Undone by save_unpark_disks. */
int must_check save_park_disks(struct vm *vm, const struct stream_offer *o);
void save_unpark_disks(struct vm *vm);
/* Restoring: what restore_disks finds goes into f. */
void restore_look_at_disks(const struct stream_offer *o, struct stream_facts *f);
/* Shared disks are the new VM's; on error none is, and they are parked as before. */
int must_check restore_own_disks(struct vm *vm, const struct stream_offer *o);
void restore_disown_disks(struct vm *vm, const struct stream_offer *o);

#endif
