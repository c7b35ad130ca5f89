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
#include "migrate/stream_store.h"

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
/*
 * In the task of m: the same with a snapshot's state, after its disks were put back. The VM of that
 * name is off, and nobody else may touch it (serving). Its generation id changes.
 */
int must_check restore_reverted(struct move *m, const char *name, struct datastore *ds,
				const char *object);

/* save_write.c: the state's object, while it is written. It is committed by the caller. */
struct save_object {
	struct datastore *ds;
	struct ds_object *object;
	struct object_io io;
};
/* m->st writes into it from now on. Close it also after an error. */
int must_check save_object_open(struct move *m, struct save_object *o, struct datastore *ds,
				const char *name);
/* All of m->vm, which stands still. digests: of its disks in datastores, too. Blocks. */
int must_check save_object_write(struct move *m, struct save_object *o, bool digests);
void save_object_close(struct save_object *o);
/* err, with words into m where its own would not help: ds is full. */
int save_worded(struct move *m, struct datastore *ds, int err);

/* save_disks.c. Size and, unless digest is NULL, contents of a disk in a datastore. Blocks. */
int must_check save_disk_digest(const struct vm_disk_config *cfg, uint64_t *sectors,
				uint64_t *digest);
/* The guest's writes are durable, each disk described in o (with digests or without); shared ones
 * have the MAC that parks them. Blocks. */
int must_check save_describe_disks(struct vm *vm, struct stream_offer *o, bool digests);
/* Shared disks: only the parking MACs of o may write from now on. Undone by save_unpark_disks. */
int must_check save_park_disks(struct vm *vm, const struct stream_offer *o);
void save_unpark_disks(struct vm *vm);
/* Restoring: what is found goes into f. */
void restore_look_at_disks(const struct stream_offer *o, struct stream_facts *f, bool digests);
/* Shared disks are the new VM's; on error none is, and they are parked as before. */
int must_check restore_own_disks(struct vm *vm, const struct stream_offer *o);
void restore_disown_disks(struct vm *vm, const struct stream_offer *o);

#endif
