/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What drivers of disks with DMA share (AHCI, NVMe): a queue and a task per disk,
 * requests cut into pieces, deadlines, reset and one retry. A piece goes through a
 * buffer of its slot: one copy, but no rules for a request's memory, and a device
 * that ends late writes where nobody else reads.
 */
#ifndef KERNEL_DRIVERS_DISK_QUEUE_H
#define KERNEL_DRIVERS_DISK_QUEUE_H

#include "kernel/drivers/blkdev.h"
#include "kernel/mem.h"
#include "kernel/task.h"

#define DISK_SLOTS	   8 /* at most, commands at once */
#define DISK_BUFFER_ORDER  5
#define DISK_BUFFER_SIZE   (PAGE_SIZE << DISK_BUFFER_ORDER)
#define DISK_PIECE_SECTORS (DISK_BUFFER_SIZE / SECTOR_SIZE) /* at most */

struct disk_queue;

/* A command that the device has, or gets next. Drivers read it. */
struct disk_slot {
	struct blk_request *rq; /* NULL: free */
	uint64_t sector;
	uint32_t count; /* sectors of this piece; 0 for a flush */
	uint8_t *buffer;
	/* private to disk_queue.c */
	uint32_t first; /* of the piece within the request */
	uint64_t deadline_ns;
	bool active, ended, retried;
	int err;
};

struct disk_queue_ops {
	/* Give slot's command to the device. Never waits. */
	void (*start)(struct disk_queue *q, unsigned slot);
	/*
	 * Take what the device has ended, by disk_queue_ended. Also from interrupts.
	 * 0, or negative: it must be reset (it failed, or answers what was not asked).
	 */
	int (*poll)(struct disk_queue *q);
	/*
	 * Task context, blocks. Stop the device, so that it does not touch memory any
	 * more, and make it ready for commands. 0, or negative: it does not come back.
	 */
	int (*reset)(struct disk_queue *q);
};

struct disk_queue {
	struct blkdev bd; /* name, model and sectors are the driver's to set */
	const struct disk_queue_ops *ops;
	struct disk_slot slots[DISK_SLOTS];
	unsigned slot_count;
	uint32_t piece_sectors;
	uint32_t status; /* the device's own words for the last error, for the log */
	/* private to disk_queue.c */
	struct list pending;
	struct waitq wq;
	bool trouble;	   /* a reset is due */
	bool gone;	   /* the last reset failed */
	bool in_interrupt; /* poll is called by one */
	unsigned silent;   /* commands in a row whose end no interrupt told */
	uint64_t logged_ns;
};

/* Memory of the slots, before anything else. slot_count and piece_sectors are set. -E_NOMEM. */
int must_check disk_queue_init(struct disk_queue *q, const struct disk_queue_ops *ops);
/*
 * Start the disk's task and register it. 0, -E_NOMEM, -E_NOSPC, -E_EXIST; whatever comes, q
 * must stay: the task may be there.
 */
int must_check disk_queue_run(struct disk_queue *q);
/* Gives back what disk_queue_init took; only while no task runs and the device is stopped. */
void disk_queue_free(struct disk_queue *q);

/* For poll: the device ended slot. false: it does not have such a command; reset it. */
bool must_check disk_queue_ended(struct disk_queue *q, unsigned slot, int err);
/* For interrupt handlers, once the device is quiet: poll, and wake the task. */
void disk_queue_interrupt(struct disk_queue *q);

#endif
