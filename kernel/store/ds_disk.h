/* SPDX-License-Identifier: BSD-2-Clause */
/* A disk in a datastore (DS_DISK) as a block device for a guest. */
#ifndef KERNEL_STORE_DS_DISK_H
#define KERNEL_STORE_DS_DISK_H

#include "kernel/store/datastore.h"

/*
 * Requests are carried out side by side, as on any disk; a flush makes what completed before it
 * durable. Does not block. -E_NOENT, -E_INVAL (no disk, or not whole sectors), -E_BUSY (open
 * already, and one of both may write), -E_NOMEM.
 */
int must_check ds_disk_open(struct datastore *ds, const char *object, bool readonly,
			    struct blkdev **out);
/*
 * For a disk that comes with a move: o is not committed; the device has it from now on, and unless
 * it is committed it is gone when closed. Does not block. -E_NOMEM: o is still the caller's.
 */
int must_check ds_disk_receive(struct ds_object *o, struct blkdev **out);
struct ds_object *ds_disk_object(struct blkdev *bd); /* until ds_disk_close */
/* What was written is durable, though not under its name yet. Blocks; errors as ds_keep_partial. */
int must_check ds_disk_keep(struct blkdev *bd);
/* Closing does not remove it, although it is not complete: an interrupted move goes on with it. */
void ds_disk_leave(struct blkdev *bd);
/* The disk is what its name says from now on, also after a restart. Blocks; as ds_commit. On an
 * error it stays as NAME.part, durable. */
int must_check ds_disk_commit(struct blkdev *bd);
/* It went to another host: its object is removed once it is closed. */
void ds_disk_give_up(struct blkdev *bd);
/* Does not block: the object is let go of soon after, once no request is in flight any more. */
void ds_disk_close(struct blkdev *bd);

#endif
