/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Block requests as AoE commands: pieces that fit a frame, one copy of the data
 * each way, completion. Requests that overlap a write are sent one after the
 * other, because the target may execute a retransmitted write a second time.
 */
#include "kernel/store/aoe_disk.h"
#include "kernel/lib/string.h"
#include "kernel/log.h"

static bool ranges_overlap(uint64_t a, uint64_t a_count, uint64_t b, uint64_t b_count)
{
	return a < b + b_count && b < a + a_count;
}

static bool requests_conflict(const struct blk_request *a, const struct blk_request *b)
{
	if (a->op != BLK_WRITE && b->op != BLK_WRITE)
		return false;
	/* A flush has no sectors and overlaps nothing: it covers completed writes only. */
	return ranges_overlap(a->sector, a->sectors, b->sector, b->sectors);
}

/*
 * May rq be sent? Not while an earlier request overlaps it. A write also waits for
 * copies of completed writes that may still be on the wire; a read need not: these
 * copies carry the same data as the write that was answered.
 */
static bool request_is_clear(struct aoe_disk *d, struct blk_request *rq)
{
	struct list *n;

	if (rq->driver_clear)
		return true;
	for (n = rq->node.prev; n != &d->requests; n = n->prev)
		if (requests_conflict(list_entry(n, struct blk_request, node), rq))
			return false;
	if (rq->op == BLK_WRITE) {
		list_for_each (n, &d->linger) {
			const struct aoe_cmd *cmd = list_entry(n, struct aoe_cmd, node);

			if (ranges_overlap(cmd->lba, cmd->count, rq->sector, rq->sectors))
				return false;
		}
	}
	rq->driver_clear = true;
	return true;
}

static bool request_all_issued(const struct blk_request *rq)
{
	return rq->driver_err || rq->driver_next >= (rq->op == BLK_FLUSH ? 1 : rq->sectors);
}

/* The next piece of rq into a command. */
static void request_issue_piece(struct aoe_disk *d, struct blk_request *rq, struct aoe_cmd *cmd)
{
	cmd->rq = rq;
	cmd->lba = rq->sector + rq->driver_next;
	cmd->offset = rq->driver_next * SECTOR_SIZE;
	cmd->count = (uint8_t)MIN(rq->sectors - rq->driver_next, d->frame_sectors);
	rq->driver_next += rq->op == BLK_FLUSH ? 1 : cmd->count;
	rq->driver_left++;
	aoe_cmd_start(d, cmd);
}

static enum aoe_kind request_kind(const struct blk_request *rq)
{
	switch (rq->op) {
	case BLK_READ:
		return AOE_KIND_READ;
	case BLK_WRITE:
		return AOE_KIND_WRITE;
	default:
		return AOE_KIND_FLUSH;
	}
}

void aoe_io_issue(struct aoe_disk *d)
{
	struct list *n;

	list_for_each (n, &d->requests) {
		struct blk_request *rq = list_entry(n, struct blk_request, node);

		if (request_all_issued(rq) || !request_is_clear(d, rq))
			continue;
		while (!request_all_issued(rq)) {
			struct aoe_cmd *cmd;

			/* A command that found no frame buffer waits in lost, first in line. */
			if (!aoe_window_open(d) || !list_empty(&d->lost))
				return;
			cmd = aoe_cmd_alloc(d, request_kind(rq));
			if (!cmd)
				return;
			request_issue_piece(d, rq, cmd);
		}
	}
}

int aoe_io_submit(struct blkdev *bd, struct blk_request *rq)
{
	struct aoe_disk *d = container_of(bd, struct aoe_disk, bd);
	int err;

	if (d->closed)
		return -E_CANCELLED;
	err = blkdev_begin(bd, rq);
	if (err)
		return err;
	list_append(&d->requests, &rq->node);
	aoe_pump(d);
	return 0;
}

size_t aoe_io_encode(const struct aoe_disk *d, const struct aoe_cmd *cmd, uint8_t *frame,
		     const struct aoe_header *h)
{
	struct aoe_ata a = {.aflags = AOE_AFLAG_EXT, .count = cmd->count, .lba = cmd->lba};
	uint32_t bytes = (uint32_t)cmd->count * SECTOR_SIZE;
	size_t len;

	switch (cmd->kind) {
	case AOE_KIND_WRITE:
		a.aflags |= AOE_AFLAG_WRITE;
		a.cmd_status = ATA_WRITE_SECTORS_EXT;
		break;
	case AOE_KIND_FLUSH:
		a.lba = 0;
		a.cmd_status = d->id.flush_ext ? ATA_FLUSH_CACHE_EXT : ATA_FLUSH_CACHE;
		if (!d->id.flush_ext)
			a.aflags = 0;
		break;
	default:
		a.cmd_status = ATA_READ_SECTORS_EXT;
		break;
	}
	len = aoe_encode_ata(frame, h, &a);
	if (cmd->kind == AOE_KIND_WRITE) {
		blk_frags_read(cmd->rq, cmd->offset, frame + len, bytes);
		len += bytes;
	}
	return len;
}

/* Complete rq when no command of it is left. May call into the request's owner. */
static void request_settle(struct aoe_disk *d, struct blk_request *rq)
{
	if (rq->driver_left || !request_all_issued(rq))
		return;
	list_remove(&rq->node);
	if (list_empty(&d->requests))
		waitq_wake_all(&d->wq);
	blkdev_end(&d->bd, rq, rq->driver_err);
}

static int answer_error(struct aoe_disk *d, const struct aoe_cmd *cmd, const struct aoe_message *m)
{
	int err;

	if (m->h.flags & AOE_FLAG_ERROR) {
		err = aoe_error_code(m->h.error);
		if (aoe_may_log(d))
			log_warn("aoe: %s refuses %u sectors at %llu: %s", d->bd.name, cmd->count,
				 (unsigned long long)cmd->lba, aoe_error_text(m->h.error));
		return err;
	}
	if (!(m->ata.cmd_status & (ATA_STATUS_ERR | ATA_STATUS_DF)))
		return 0;
	if (aoe_may_log(d))
		log_warn("aoe: %s fails %u sectors at %llu: status 0x%02x error 0x%02x", d->bd.name,
			 cmd->count, (unsigned long long)cmd->lba, m->ata.cmd_status,
			 m->ata.err_feature);
	return -E_IO;
}

int aoe_io_answer(struct aoe_disk *d, struct aoe_cmd *cmd, const struct aoe_message *m)
{
	uint32_t bytes = (uint32_t)cmd->count * SECTOR_SIZE;
	struct blk_request *rq = cmd->rq;
	int err = answer_error(d, cmd, m);

	if (!err && cmd->kind == AOE_KIND_READ) {
		if (m->data_len < bytes) {
			if (aoe_may_log(d))
				log_warn("aoe: %s sent %u bytes where %u were asked for",
					 d->bd.name, m->data_len, bytes);
			return -E_AGAIN;
		}
		blk_frags_write(rq, cmd->offset, m->data, bytes);
	}
	/* Being fenced outranks every other error: the owner treats it differently. */
	if (err && (!rq->driver_err || err == -E_FENCED))
		rq->driver_err = err;
	rq->driver_left--;
	aoe_cmd_finish(d, cmd);
	request_settle(d, rq);
	return 0;
}

void aoe_io_cancel_all(struct aoe_disk *d)
{
	for (unsigned i = 0; i < AOE_SLOTS; i++) {
		struct aoe_cmd *cmd = &d->cmds[i];

		if (cmd->rq)
			aoe_cmd_finish(d, cmd);
	}
	while (!list_empty(&d->requests)) {
		struct blk_request *rq = list_entry(d->requests.next, struct blk_request, node);

		list_remove(&rq->node);
		blkdev_end(&d->bd, rq, -E_CANCELLED);
	}
}
