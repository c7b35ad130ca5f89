/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Moving a VM that is off: its configuration, boot files, log and disks (docs/cold-move.md).
 * The records are a hot move's without memory and state. Who owns the VM is decided by one
 * commit in the target's datastore; a source that does not know asks, also after a restart.
 */
#ifndef MIGRATE_COLD_H
#define MIGRATE_COLD_H

#include "kernel/store/datastore.h"
#include "migrate/receive.h"
#include "vmm/vm_store.h"

#define COLD_COPY_NAME	"%.26s-copy" /* of a VM, by --keep */
#define COLD_SYNC_BYTES (4 * MiB)    /* of a disk: lost at most when the target loses power */

/* ---- cold_send.c: the source; cold_here.c: from one datastore to another here ---- */

/* Move m->vm, which is off. The whole move, to its end. arg: struct move */
void cold_task(void *arg);
void cold_here_task(void *arg);
/* Open the VM's disks as a start does: nobody else has them meanwhile. 0 or with words. Blocks. */
int must_check cold_open_disks(struct move *m);
/* DISK_DIGESTS: blocks that the target has need not go. */
int must_check cold_take_digests(struct move *m, const struct stream_record *r);

/* ---- cold_receive.c: the target ---- */

int must_check cold_reserve(struct receiver *rx); /* RESERVE: answers RESERVED */
/* An unfinished copy of that disk, to go on with; NULL: there is none. Blocks. */
struct ds_object *cold_find_part(struct datastore *ds, const char *object, uint64_t size);
int must_check cold_disk_data(struct receiver *rx, const struct stream_record *r);
int must_check cold_log(struct receiver *rx, const struct stream_record *r);
/* After the last record, or an error: commitment, and what follows. Ends the move. */
void cold_receive_end(struct receiver *rx, int err);

/* ---- cold_commit.c ---- */

/* 1: the target has it; 0: we kept it. */
int must_check cold_source_asks(struct move *m, const char *why); /* in doubt, until it is known */
int must_check cold_commit_source(struct move *m);
/* 1: it is ours; 0: it never will be. */
int must_check cold_commit_target(struct receiver *rx);
/* cold_finish, until it is done: meanwhile the VM is in doubt. */
void cold_finish_surely(struct move *m, struct datastore *ds, const struct vm_config *cfg,
			const char *id);
/*
 * cold_arrive, until it is sure what became of it: meanwhile m->vm is in doubt. Else an error: it
 * is not in ds and never will be.
 */
int must_check cold_arrive_surely(struct move *m, struct datastore *ds, const struct vm_config *cfg,
				  const char *id);

/* ---- cold_gone.c ---- */

/*
 * Source, the target has it: remove here what went, durably, so that it can be done again. On an
 * error the next start of this host does so: the target must remember the move till then.
 */
int must_check cold_gone(struct move *m);
/* One that is not there is fine. Waits a moment for a disk that was just closed. */
int must_check cold_remove_object(const char *store, const char *object);

/* ---- cold_boot.c ---- */

/* At boot, before VMs are defined: finish what came (what cannot be is not defined); after it: ask
 * about what was leaving. Block. */
void cold_finish_arrivals(void);
void cold_ask_about_leaving(void);

/* ---- cold_store.c: what a restart does not forget ---- */

struct cold_leaving {
	char magic[8];	   /* cold_note_leaving fills it in */
	uint8_t id[16];	   /* of the move */
	uint8_t store[16]; /* UUID of the target's datastore for definitions */
	char peer[32];
	uint32_t flags, copied; /* COLD_*; bit per disk that the target has a copy of */
};
#define COLD_KEEP 1u /* --keep: a copy stays here */

/* From now on only the target may say who has it. -E_NOENT: no datastore is open. Blocks. */
int must_check cold_note_leaving(const char *vm, const struct cold_leaving *l);
int must_check cold_forget_leaving(const char *vm);
int must_check cold_read_leaving(const char *vm, struct cold_leaving *out);
/* Names of VMs that were leaving; -E_NOENT past the end. *cursor is 0 at first. */
int must_check cold_next_leaving(unsigned *cursor, char name[VM_NAME_LEN]);

#define COLD_ID_LEN VM_STORE_ID_LEN /* a move's id as text */
void cold_put_id(char out[COLD_ID_LEN], const uint8_t id[16]);
/*
 * THE commit point: the definition is in ds, under the move's id. Blocks. On an error with *sure
 * it is not and never will be; without, nobody knows before the store was written to again.
 */
int must_check cold_arrive(struct datastore *ds, const struct vm_config *cfg, const char *id,
			   bool *sure);
/* What follows from it, and can be done again: disks get their names, the id is remembered. */
int must_check cold_finish(struct datastore *ds, const struct vm_config *cfg, const char *id);
/* The source will not ask any more. Blocks. */
void cold_settled(struct datastore *ds, const struct vm_config *cfg, const char *id);
/* Did the VM of that move arrive in the datastore of that UUID? UNKNOWN: it is not open. Blocks. */
enum handover_answer cold_answer(const uint8_t id[16], const uint8_t store[16]);
/* The move by which the VM in ds came, while its definition says so. -E_NOENT. Blocks. */
int must_check cold_arrived_by(struct datastore *ds, const char *vm, char id[COLD_ID_LEN]);
/* cold_finish was done for it. Does not block. */
bool cold_is_finished(struct datastore *ds, const char *id);

#endif
