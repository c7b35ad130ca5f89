/* SPDX-License-Identifier: BSD-2-Clause */
/* What a disk driver (AoE, ATA, ...) offers. Asynchronous; 512-byte sectors. */
#ifndef KERNEL_DRIVERS_BLKDEV_H
#define KERNEL_DRIVERS_BLKDEV_H

#include "kernel/lib/list.h"

#define SECTOR_SIZE	512
#define BLK_MAX_FRAGS	64
#define BLK_MAX_SECTORS 2048 /* per request: 1 MiB */

enum blk_op { BLK_READ, BLK_WRITE, BLK_FLUSH };

/* A piece of memory, any alignment, through the direct map. len need not be whole sectors. */
struct blk_frag {
	void *data;
	uint32_t len;
};

struct blk_request {
	struct list node; /* for the driver's queue */
	enum blk_op op;
	uint64_t sector;
	uint32_t sectors; /* sum of frag lengths / SECTOR_SIZE; 0 for flush */
	uint16_t frag_count;
	struct blk_frag frags[BLK_MAX_FRAGS];
	/* Called exactly once, never from inside submit. err 0 or negative. */
	void (*done)(struct blk_request *rq, int err);
	void *ctx;
	uint32_t driver_left; /* private to the driver */
	uint32_t driver_next;
	bool driver_clear;
	int driver_err;
};

struct blkdev;

struct blkdev_ops {
	/*
	 * Accept a request, or refuse it (-E_RANGE, -E_FENCED, ...) without
	 * calling done. A flush completes after every write that completed before
	 * it was submitted is on stable storage.
	 */
	int (*submit)(struct blkdev *bd, struct blk_request *rq);
};

struct blkdev {
	const struct blkdev_ops *ops;
	char name[24]; /* "ata0", "e1.0" */
	const char *model;
	uint64_t sectors;
	uint32_t inflight;
	uint32_t users; /* VMs that have it as a disk */
	uint64_t reads, writes, read_bytes, write_bytes, errors;
};

/* Task context, blocks: one request on one buffer of count * 512 bytes. */
int must_check blkdev_read(struct blkdev *bd, uint64_t sector, uint32_t count, void *buf);
int must_check blkdev_write(struct blkdev *bd, uint64_t sector, uint32_t count, const void *buf);
int must_check blkdev_flush(struct blkdev *bd);

/*
 * For drivers. blkdev_begin checks a request (frags, length, range: -E_INVAL,
 * -E_RANGE) and counts it as in flight; blkdev_end counts it out and calls done.
 */
int must_check blkdev_begin(struct blkdev *bd, struct blk_request *rq);
void blkdev_end(struct blkdev *bd, struct blk_request *rq, int err);
/* Copy len bytes at byte offset of the request's frags, which blkdev_begin has checked. */
void blk_frags_read(const struct blk_request *rq, uint32_t offset, void *dst, uint32_t len);
void blk_frags_write(struct blk_request *rq, uint32_t offset, const void *src, uint32_t len);

/* Registry of the host's own disks, for `store`. */
int must_check blkdev_register(struct blkdev *bd);
struct blkdev *blkdev_find(const char *name);
struct blkdev *blkdev_at(unsigned index); /* NULL past the end */

#endif
