/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which blocks of a disk changed since they were harvested: for disks that a move
 * copies while the guest writes to them. One bit a block. Harvest hands a block over
 * exactly once, as vmm/dirty_log does with pages.
 */
#ifndef VMM_DISK_LOG_H
#define VMM_DISK_LOG_H

#include "kernel/lib/base.h"

#define DISK_LOG_BLOCK	 (64 * KiB) /* bytes; the last one of a disk may be shorter */
#define DISK_LOG_SECTORS (DISK_LOG_BLOCK / 512)

struct disk_log {
	bool on;
	uint64_t blocks; /* bits */
	uint64_t *bits;	 /* written since the last harvest */
	uint64_t marked; /* bits set now */
};

/* Start with every block marked. sectors: the disk's size. 0, -E_NOMEM, -E_BUSY (on already). */
int must_check disk_log_start(struct disk_log *log, uint64_t sectors);
void disk_log_stop(struct disk_log *log);
/*
 * A write of those sectors ENDED, well or badly. Not when it is submitted: a copier that harvests
 * and reads between the two would have taken the mark and read old data. By the end everything
 * has landed, so whoever read too early finds a mark set after its harvest. Cheap when off.
 */
void disk_log_mark(struct disk_log *log, uint64_t sector, uint64_t sectors);
/* All bits move to out ((blocks + 63) / 64 words), before the caller reads any of the blocks. */
uint64_t disk_log_harvest(struct disk_log *log, uint64_t *out); /* number of set bits */
/* The other end has that block already. */
void disk_log_unmark(struct disk_log *log, uint64_t block);
/* Harvested blocks that were not sent after all. */
void disk_log_give_back(struct disk_log *log, const uint64_t *bits);

#endif
