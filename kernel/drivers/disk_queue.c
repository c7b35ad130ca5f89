/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Slots, pieces, deadlines and recovery for disks with DMA. Where no interrupt
 * comes, the task looks every millisecond while a command is out. What a device's
 * registers mean is its driver's business.
 */
#include "kernel/drivers/disk_queue.h"
#include "kernel/lib/string.h"
#include "kernel/log.h"
#include "kernel/time.h"

#define POLL_NS	   (1 * NS_PER_MS)
#define COMMAND_NS (30 * NS_PER_S)
#define FLUSH_NS   (60 * NS_PER_S)
#define SILENT_MAX 16 /* ends without an interrupt, until the log says so */

static int disk_queue_submit(struct blkdev *bd, struct blk_request *rq)
{
	struct disk_queue *q = container_of(bd, struct disk_queue, bd);
	int err = blkdev_begin(bd, rq);

	if (err)
		return err;
	list_append(&q->pending, &rq->node);
	waitq_wake_all(&q->wq);
	return 0;
}

static const struct blkdev_ops disk_queue_blkdev_ops = {.submit = disk_queue_submit};

/* A line that leads nowhere costs up to a millisecond a command: the operator should know. */
static void count_silent(struct disk_queue *q)
{
	if (q->in_interrupt)
		q->silent = 0;
	else if (q->silent < SILENT_MAX && ++q->silent == SILENT_MAX)
		log_warn("disk: %s gets no interrupts on its line, it is polled every ms",
			 q->bd.name);
}

bool disk_queue_ended(struct disk_queue *q, unsigned slot, int err)
{
	struct disk_slot *s;

	if (slot >= q->slot_count || !q->slots[slot].active)
		return false;
	s = &q->slots[slot];
	s->active = false;
	s->ended = true;
	s->err = err;
	count_silent(q);
	return true;
}

void disk_queue_interrupt(struct disk_queue *q)
{
	q->in_interrupt = true;
	if (q->ops->poll(q))
		q->trouble = true;
	q->in_interrupt = false;
	waitq_wake_all(&q->wq);
}

/* A guest with a bad disk must not fill the log: a line a second. */
static bool may_log(struct disk_queue *q)
{
	uint64_t now = time_ns();

	if (q->logged_ns && now < q->logged_ns + NS_PER_S)
		return false;
	q->logged_ns = MAX(now, 1);
	return true;
}

static void log_failure(struct disk_queue *q, const struct disk_slot *s, int err)
{
	if (!may_log(q))
		return;
	log_warn("disk: %s: %s of %u sectors at %llu: %s, status 0x%x", q->bd.name,
		 s->rq->op == BLK_READ ? "read" : (s->rq->op == BLK_WRITE ? "write" : "flush"),
		 s->count, (unsigned long long)s->sector, err_text(err), q->status);
}

static void slot_finish(struct disk_queue *q, struct disk_slot *s, int err)
{
	struct blk_request *rq = s->rq;

	s->rq = NULL;
	s->ended = false;
	blkdev_end(&q->bd, rq, err);
}

/* The piece of the slot's request that begins at first. */
static void slot_prepare(struct disk_queue *q, struct disk_slot *s, uint32_t first)
{
	s->first = first;
	s->sector = s->rq->sector + first;
	s->count = MIN(s->rq->sectors - first, q->piece_sectors);
	s->retried = false;
	s->ended = false;
	if (s->rq->op == BLK_WRITE)
		blk_frags_read(s->rq, first * SECTOR_SIZE, s->buffer, s->count * SECTOR_SIZE);
}

static void slot_start(struct disk_queue *q, struct disk_slot *s)
{
	s->active = true;
	s->deadline_ns = time_ns() + (s->rq->op == BLK_FLUSH ? FLUSH_NS : COMMAND_NS);
	q->ops->start(q, s - q->slots);
}

/* The device has ended a piece: the next one, or the request is done. */
static void slot_advance(struct disk_queue *q, struct disk_slot *s)
{
	if (s->err) {
		log_failure(q, s, s->err);
		slot_finish(q, s, -E_IO);
		return;
	}
	if (s->rq->op == BLK_READ)
		blk_frags_write(s->rq, s->first * SECTOR_SIZE, s->buffer, s->count * SECTOR_SIZE);
	if (s->first + s->count < s->rq->sectors)
		slot_prepare(q, s, s->first + s->count);
	else
		slot_finish(q, s, 0);
}

/* What waits now; what comes because of that (a guest asks again) waits for the next try. */
static void pending_fail(struct disk_queue *q)
{
	struct list *last = q->pending.prev, *node;

	if (list_empty(&q->pending))
		return;
	do {
		node = q->pending.next;
		list_remove(node);
		blkdev_end(&q->bd, list_entry(node, struct blk_request, node), -E_IO);
	} while (node != last);
}

/* What was under way is asked once more, unless the device does not come back. */
static void queue_reset(struct disk_queue *q)
{
	bool was_active[DISK_SLOTS];
	int err;

	if (!q->gone && may_log(q))
		log_warn("disk: %s is reset", q->bd.name);
	/* An interrupt meanwhile must not take a cleared register for the end of a command. */
	for (unsigned i = 0; i < q->slot_count; i++) {
		was_active[i] = q->slots[i].active;
		q->slots[i].active = false;
	}
	err = q->ops->reset(q);
	if (err && !q->gone)
		log_error("disk: %s does not come back: %s", q->bd.name, err_text(err));
	if (!err && q->gone)
		log_info("disk: %s works again", q->bd.name);
	q->gone = err != 0;
	q->trouble = err != 0;
	for (unsigned i = 0; i < q->slot_count; i++) {
		struct disk_slot *s = &q->slots[i];

		if (s->rq && !s->ended && (err || (was_active[i] && s->retried)))
			slot_finish(q, s, -E_IO);
		else if (was_active[i])
			s->retried = true;
	}
	if (err)
		pending_fail(q);
}

static bool queue_take_ended(struct disk_queue *q)
{
	bool any = false;

	if (q->ops->poll(q))
		q->trouble = true;
	for (unsigned i = 0; i < q->slot_count; i++) {
		struct disk_slot *s = &q->slots[i];

		if (s->ended) {
			slot_advance(q, s);
			any = true;
		} else if (s->active && time_ns() >= s->deadline_ns) {
			log_failure(q, s, -E_TIMEDOUT);
			q->trouble = true;
		}
	}
	return any;
}

/* Fill free slots and start what has not started. Returns how many the device has. */
static unsigned queue_start(struct disk_queue *q)
{
	unsigned active = 0;

	for (unsigned i = 0; i < q->slot_count; i++) {
		struct disk_slot *s = &q->slots[i];

		if (!s->rq && !list_empty(&q->pending)) {
			s->rq = list_entry(q->pending.next, struct blk_request, node);
			list_remove(&s->rq->node);
			slot_prepare(q, s, 0);
		}
		if (s->rq && !s->active && !s->ended)
			slot_start(q, s);
		active += s->active || s->ended;
	}
	return active;
}

static bool queue_is_idle(const struct disk_queue *q)
{
	for (unsigned i = 0; i < q->slot_count; i++)
		if (q->slots[i].rq)
			return false;
	return list_empty(&q->pending);
}

static void disk_queue_task(void *arg)
{
	struct disk_queue *q = arg;

	for (;;) {
		bool any = queue_take_ended(q);
		unsigned active;

		/* A device that did not come back is tried again when somebody wants it. */
		if (q->trouble && !queue_is_idle(q))
			queue_reset(q);
		if (q->trouble) {
			if (list_empty(&q->pending))
				(void)waitq_wait(&q->wq, TIME_NEVER);
			else
				task_sleep_until(time_ns() + POLL_NS); /* who asks again at once */
			continue;
		}
		active = queue_start(q);
		if (any)
			task_yield();
		else
			(void)waitq_wait(&q->wq, active ? time_ns() + POLL_NS : TIME_NEVER);
	}
}

int disk_queue_init(struct disk_queue *q, const struct disk_queue_ops *ops)
{
	ASSERT(q->slot_count && q->slot_count <= DISK_SLOTS);
	ASSERT(q->piece_sectors && q->piece_sectors <= DISK_PIECE_SECTORS);
	q->ops = ops;
	q->bd.ops = &disk_queue_blkdev_ops;
	list_init(&q->pending);
	waitq_init(&q->wq);
	for (unsigned i = 0; i < q->slot_count; i++) {
		q->slots[i].buffer = pages_alloc(DISK_BUFFER_ORDER);
		if (!q->slots[i].buffer) {
			disk_queue_free(q);
			return -E_NOMEM;
		}
	}
	return 0;
}

void disk_queue_free(struct disk_queue *q)
{
	for (unsigned i = 0; i < q->slot_count; i++) {
		if (q->slots[i].buffer)
			pages_free(q->slots[i].buffer, DISK_BUFFER_ORDER);
		q->slots[i].buffer = NULL;
	}
}

int disk_queue_run(struct disk_queue *q)
{
	/* The task first: who finds the disk must not wait for one that never comes. */
	if (!task_create(q->bd.name, disk_queue_task, q))
		return -E_NOMEM;
	return blkdev_register(&q->bd);
}
