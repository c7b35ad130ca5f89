/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The block layer between drivers and users: request checks and accounting for
 * drivers, the registry of the host's own disks, blocking calls for tasks.
 * Splitting, retrying and ordering are the drivers' business.
 */
#include "kernel/drivers/blkdev.h"
#include "kernel/lib/string.h"
#include "kernel/task.h"
#include "kernel/time.h"

#define BLKDEV_MAX 16

static struct blkdev *registered[BLKDEV_MAX];
static unsigned registered_count;

static int request_check_frags(const struct blk_request *rq)
{
	uint64_t bytes = 0;

	if (!rq->frag_count || rq->frag_count > BLK_MAX_FRAGS)
		return -E_INVAL;
	for (unsigned i = 0; i < rq->frag_count; i++)
		bytes += rq->frags[i].len;
	return bytes == (uint64_t)rq->sectors * SECTOR_SIZE ? 0 : -E_INVAL;
}

int blkdev_begin(struct blkdev *bd, struct blk_request *rq)
{
	int err;

	if (rq->op == BLK_FLUSH) {
		if (rq->sectors)
			return -E_INVAL;
	} else if (rq->op == BLK_READ || rq->op == BLK_WRITE) {
		if (!rq->sectors || rq->sectors > BLK_MAX_SECTORS)
			return -E_RANGE;
		if (rq->sector >= bd->sectors || bd->sectors - rq->sector < rq->sectors)
			return -E_RANGE;
		err = request_check_frags(rq);
		if (err)
			return err;
	} else {
		return -E_INVAL;
	}
	rq->driver_left = 0;
	rq->driver_next = 0;
	rq->driver_clear = false;
	rq->driver_err = 0;
	bd->inflight++;
	return 0;
}

void blkdev_end(struct blkdev *bd, struct blk_request *rq, int err)
{
	uint64_t bytes = (uint64_t)rq->sectors * SECTOR_SIZE;

	bd->inflight--;
	if (err) {
		bd->errors++;
	} else if (rq->op == BLK_READ) {
		bd->reads++;
		bd->read_bytes += bytes;
	} else if (rq->op == BLK_WRITE) {
		bd->writes++;
		bd->write_bytes += bytes;
	}
	rq->done(rq, err);
}

/* Copies between other and the frags that the byte range touches. */
static void frags_walk(const struct blk_request *rq, uint32_t offset, uint8_t *other, uint32_t len,
		       bool into_frags)
{
	for (unsigned i = 0; i < rq->frag_count && len; i++) {
		const struct blk_frag *f = &rq->frags[i];
		uint32_t n;

		if (offset >= f->len) {
			offset -= f->len;
			continue;
		}
		n = MIN(len, f->len - offset);
		if (into_frags)
			memcpy((uint8_t *)f->data + offset, other, n);
		else
			memcpy(other, (const uint8_t *)f->data + offset, n);
		other += n;
		len -= n;
		offset = 0;
	}
}

void blk_frags_read(const struct blk_request *rq, uint32_t offset, void *dst, uint32_t len)
{
	frags_walk(rq, offset, dst, len, false);
}

void blk_frags_write(struct blk_request *rq, uint32_t offset, const void *src, uint32_t len)
{
	frags_walk(rq, offset, (uint8_t *)(uintptr_t)src, len, true);
}

struct blkdev_wait {
	struct waitq wq;
	bool done;
	int err;
};

static void blkdev_wait_done(struct blk_request *rq, int err)
{
	struct blkdev_wait *w = rq->ctx;

	w->done = true;
	w->err = err;
	waitq_wake_all(&w->wq);
}

/* Blocks until the driver has completed one request; it alone decides when to give up. */
static int blkdev_run(struct blkdev *bd, enum blk_op op, uint64_t sector, uint32_t sectors,
		      void *buf)
{
	struct blkdev_wait w = {.done = false};
	struct blk_request rq;
	int err;

	memset(&rq, 0, sizeof(rq));
	waitq_init(&w.wq);
	rq.op = op;
	rq.sector = sector;
	rq.sectors = sectors;
	rq.frag_count = buf ? 1 : 0;
	rq.frags[0].data = buf;
	rq.frags[0].len = sectors * SECTOR_SIZE;
	rq.done = blkdev_wait_done;
	rq.ctx = &w;
	err = bd->ops->submit(bd, &rq);
	if (err)
		return err;
	while (!w.done)
		(void)waitq_wait(&w.wq, TIME_NEVER);
	return w.err;
}

static int blkdev_transfer(struct blkdev *bd, enum blk_op op, uint64_t sector, uint32_t count,
			   uint8_t *buf)
{
	while (count) {
		uint32_t n = MIN(count, BLK_MAX_SECTORS);
		int err = blkdev_run(bd, op, sector, n, buf);

		if (err)
			return err;
		sector += n;
		count -= n;
		buf += (size_t)n * SECTOR_SIZE;
	}
	return 0;
}

int blkdev_read(struct blkdev *bd, uint64_t sector, uint32_t count, void *buf)
{
	return blkdev_transfer(bd, BLK_READ, sector, count, buf);
}

int blkdev_write(struct blkdev *bd, uint64_t sector, uint32_t count, const void *buf)
{
	/* A write request only reads its frags; struct blk_frag serves both directions. */
	return blkdev_transfer(bd, BLK_WRITE, sector, count, (uint8_t *)(uintptr_t)buf);
}

int blkdev_flush(struct blkdev *bd)
{
	return blkdev_run(bd, BLK_FLUSH, 0, 0, NULL);
}

int blkdev_register(struct blkdev *bd)
{
	if (blkdev_find(bd->name))
		return -E_EXIST;
	if (registered_count == BLKDEV_MAX)
		return -E_NOSPC;
	registered[registered_count++] = bd;
	return 0;
}

struct blkdev *blkdev_find(const char *name)
{
	for (unsigned i = 0; i < registered_count; i++)
		if (!strncmp(registered[i]->name, name, sizeof(registered[i]->name)))
			return registered[i];
	return NULL;
}

struct blkdev *blkdev_at(unsigned index)
{
	return index < registered_count ? registered[index] : NULL;
}
