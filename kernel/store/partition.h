/* SPDX-License-Identifier: BSD-2-Clause */
/* A datastore's partition on a disk with a GUID partition table (UEFI 2.9, section 5.3). */
#ifndef KERNEL_STORE_PARTITION_H
#define KERNEL_STORE_PARTITION_H

#include "kernel/drivers/blkdev.h"

/* Partition type of a datastore: 50414755-5255-5344-a75c-6d6f76657321. Made once, at random but for
 * its first letters. */
#define PARTITION_TYPE_TEXT "50414755-5255-5344-a75c-6d6f76657321"

/*
 * The first partition of that type on disk, as a device of its own named after it ("ata0p2").
 * Blocks. 0, -E_NOENT (no table, or none in it), -E_CHECKSUM (the table is damaged), -E_RANGE
 * (the partition leaves the disk), -E_NOMEM, -E_IO. partition_free when nobody uses it.
 */
int must_check partition_find(struct blkdev *disk, struct blkdev **out);
void partition_free(struct blkdev *part);

#endif
