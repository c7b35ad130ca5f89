/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Copying the disks that are not shared along with a hot move (docs/local-disks.md).
 * disks.c is what both ends share, send_disk.c the source's part, receive_disk.c the target's.
 */
#ifndef MIGRATE_DISKS_H
#define MIGRATE_DISKS_H

#include "kernel/store/datastore.h"
#include "migrate/move.h"

/* ---- both ends ---- */

static inline bool disk_is_copied(const struct vm_disk *d)
{
	return d->blk && (!d->aoe || d->taken_along);
}
/* "vda vdb", of a bit mask. Returns out. */
const char *disk_names(const struct vm *vm, uint32_t disks, char out[72]);
bool disk_zeros(const void *data, uint64_t len); /* 8-byte aligned */
/* For going through a disk from its start: what its datastore last said. Zeros at first. */
struct disk_extent {
	uint64_t from, start, end; /* nothing is stored in from..start, start..end is */
};
/*
 * Is nothing stored there? May say what was true before this pass began: a block that the guest
 * wrote since is marked again. Does not block.
 */
bool disk_hole_at(const struct vm_disk *d, struct disk_extent *e, uint64_t offset, uint64_t length);
/*
 * Over the index and bytes of each block that is not zero: the same however they are stored.
 * buf: one block. The guest stands still. Blocks; errors are worded.
 */
int must_check disk_digest(struct move *m, struct vm_disk *d, void *buf, uint64_t *out);
/* Another VM of this host has it too: it must stay when this one goes. */
bool disk_has_other_users(const struct vm_config *cfg, const struct vm_disk_config *d);
/* The name of its object at the target: "disk/web/vda". */
void disk_object_name(const struct vm_config *cfg, unsigned disk, char out[DS_NAME_LEN]);

/* ---- source: all but the last two return 0 or an error with words ---- */

int must_check send_disks_offer(struct move *m);
int must_check send_disks_places(struct move *m);
int must_check send_disks_watch(struct move *m); /* log: every block is to be copied */
int must_check send_disks_bulk(struct move *m);	 /* watch, and copy everything once */
int must_check send_disks_round(struct move *m); /* what was written since */
uint64_t send_disks_dirty(const struct move *m); /* bytes */
int must_check send_disks_digests(struct move *m, uint64_t digests[VM_MAX_DISKS]);
void send_disks_stop(struct move *m);
/* The VM is the target's: objects are removed once closed, if the target confirmed it. */
void send_disks_gone(struct move *m);

/* ---- target ---- */

/* What the source must know of the datastore that the disk would go to. */
void receive_disk_fact(const struct stream_offer *o, unsigned disk, struct stream_disk_fact *f);
struct receiver;
int must_check receive_disk_place(struct receiver *rx, const struct stream_record *r);
/* Before RESERVE: has every disk a place? */
int must_check receive_disks_placed(struct receiver *rx);
int must_check receive_disk_data(struct move *m, const struct stream_record *r);
int must_check receive_disk_holes(struct move *m, const struct stream_record *r);
/* Bit per copied disk whose digest differs. */
int must_check receive_disks_compare(struct move *m, const uint64_t digests[VM_MAX_DISKS],
				     uint32_t *differ);
int must_check receive_disks_keep(struct move *m); /* durable, before READY */
void receive_disks_commit(struct move *m);	   /* ours: under their names */
void receive_disks_undo(struct receiver *rx);	   /* those that no VM has taken over */

#endif
