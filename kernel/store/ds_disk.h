/* SPDX-License-Identifier: BSD-2-Clause */
/* A disk in a datastore (DS_DISK) as a block device for a guest. */
#ifndef KERNEL_STORE_DS_DISK_H
#define KERNEL_STORE_DS_DISK_H

#include "kernel/store/datastore.h"

/*
 * Requests are carried out in order by a task of the disk's own; a flush makes the store
 * durable. Does not block. -E_NOENT, -E_INVAL (no disk, or not whole sectors), -E_BUSY (open
 * already, and one of both may write), -E_NOMEM.
 */
int must_check ds_disk_open(struct datastore *ds, const char *object, bool readonly,
			    struct blkdev **out);
/* No request may be in flight. Does not block: the object is let go of soon after. */
void ds_disk_close(struct blkdev *bd);

#endif
