/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest's disk in a datastore. What needs no change of the map goes straight to the
 * datastore's device, several requests at once; for the rest there is a queue, and a task that
 * makes the datastore's blocking calls, one after the other.
 */
#include "kernel/store/ds_disk.h"

#include "kernel/lib/format.h"
#include "kernel/lib/string.h"
#include "kernel/log.h"
#include "kernel/mem.h"
#include "kernel/store/ds_inner.h"
#include "kernel/task.h"
#include "kernel/time.h"

#define DIRECT_MAX 32 /* as many as a guest's disk has; more go through the queue */

/* A request of ours to the device, on behalf of one to the disk. */
struct direct {
	struct blk_request rq;
	struct blk_request *of; /* NULL: free */
};

struct ds_disk {
	struct list node; /* among the open ones */
	struct blkdev bd;
	struct ds_object *object;
	struct direct direct[DIRECT_MAX];
	struct list queue;
	struct waitq wake;
	bool readonly, closing;
	char name[DS_NAME_LEN];
	char remove[DS_NAME_LEN]; /* from the store, when closed; "" for nothing */
};

static struct list open_disks = LIST_INIT(open_disks);

static struct ds_disk *from_bd(struct blkdev *bd)
{
	return container_of(bd, struct ds_disk, bd);
}

static void direct_done(struct blk_request *rq, int err)
{
	struct direct *slot = container_of(rq, struct direct, rq);
	struct blk_request *of = slot->of;
	struct ds_disk *d = rq->ctx;

	slot->of = NULL;
	ds_direct_end(d->object, of->op);
	blkdev_end(&d->bd, of, err);
	if (d->closing)
		waitq_wake_all(&d->wake);
}

static struct direct *direct_free(struct ds_disk *d)
{
	for (unsigned i = 0; i < DIRECT_MAX; i++)
		if (!d->direct[i].of)
			return &d->direct[i];
	return NULL;
}

/* Does not block. The fragments are the guest's: nothing is copied but where they are. */
static bool go_direct(struct ds_disk *d, struct blk_request *of)
{
	struct blkdev *device = ds_device(ds_object_store(d->object));
	struct direct *slot = direct_free(d);

	if (!slot || !ds_direct_begin(d->object, of, &slot->rq.sector))
		return false;
	slot->of = of;
	slot->rq.op = of->op;
	slot->rq.sectors = of->sectors;
	slot->rq.frag_count = of->op == BLK_FLUSH ? 0 : of->frag_count;
	memcpy(slot->rq.frags, of->frags, slot->rq.frag_count * sizeof(of->frags[0]));
	slot->rq.done = direct_done;
	slot->rq.ctx = d;
	if (!device->ops->submit(device, &slot->rq))
		return true;
	/* The slow way asks again and says why not. */
	slot->of = NULL;
	ds_direct_end(d->object, of->op);
	return false;
}

static int submit(struct blkdev *bd, struct blk_request *rq)
{
	struct ds_disk *d = from_bd(bd);
	int err;

	if (rq->op == BLK_WRITE && d->readonly)
		return -E_INVAL;
	err = blkdev_begin(bd, rq);
	if (err)
		return err;
	if (go_direct(d, rq))
		return 0;
	list_append(&d->queue, &rq->node);
	waitq_wake_all(&d->wake);
	return 0;
}

static const struct blkdev_ops ops = {.submit = submit};

static int carry_out(struct ds_disk *d, struct blk_request *rq)
{
	uint64_t at = rq->sector * SECTOR_SIZE;
	int err = 0;

	if (rq->op == BLK_FLUSH)
		return ds_sync(ds_object_store(d->object));
	for (unsigned i = 0; !err && i < rq->frag_count; i++) {
		const struct blk_frag *f = &rq->frags[i];

		err = rq->op == BLK_READ ? ds_read(d->object, at, f->data, f->len)
					 : ds_write(d->object, at, f->data, f->len);
		at += f->len;
	}
	return err;
}

static void let_go(struct ds_disk *d)
{
	struct datastore *ds = ds_object_store(d->object);
	int err;

	ds_put(d->object);
	if (!d->remove[0])
		return;
	err = ds_remove(ds, d->remove);
	if (err)
		log_error("store: %s could not be removed and takes up space: %s", d->remove,
			  err_text(err));
}

static void disk_task(void *arg)
{
	struct ds_disk *d = arg;

	while (!d->closing || d->bd.inflight) {
		struct blk_request *rq;

		if (list_empty(&d->queue)) {
			(void)waitq_wait(&d->wake, TIME_NEVER);
			continue;
		}
		rq = list_entry(d->queue.next, struct blk_request, node);
		list_remove(&rq->node);
		/* What kept it may be over: a change of the map, most slots taken. */
		if (!go_direct(d, rq))
			blkdev_end(&d->bd, rq, carry_out(d, rq));
	}
	list_remove(&d->node);
	let_go(d);
	kfree(d);
}

/* Two writers, or one beside readers, would destroy what a guest believes. */
static bool in_use(struct datastore *ds, const char *object, bool readonly)
{
	struct list *node;

	list_for_each (node, &open_disks) {
		const struct ds_disk *d = list_entry(node, struct ds_disk, node);

		if (!d->closing && ds_object_store(d->object) == ds && !strcmp(d->name, object) &&
		    !(readonly && d->readonly))
			return true;
	}
	return false;
}

static int open_object(struct ds_disk *d, struct datastore *ds, const char *object)
{
	struct ds_info info;
	int err;

	err = ds_get(ds, object, &d->object);
	if (err)
		return err;
	ds_object_info(d->object, &info);
	if (info.kind == DS_DISK && info.size && !(info.size % SECTOR_SIZE)) {
		d->bd.sectors = info.size / SECTOR_SIZE;
		return 0;
	}
	ds_put(d->object);
	return -E_INVAL;
}

/* d has its object. On an error neither has anybody else. */
static int start(struct ds_disk *d, const char *object, bool readonly, struct blkdev **out)
{
	d->readonly = readonly;
	d->bd.ops = &ops;
	d->bd.model = "datastore";
	str_copy(d->name, object, sizeof(d->name));
	ksnprintf(d->bd.name, sizeof(d->bd.name), "%.23s", object);
	list_init(&d->queue);
	waitq_init(&d->wake);
	list_append(&open_disks, &d->node);
	if (task_create("ds-disk", disk_task, d)) {
		*out = &d->bd;
		return 0;
	}
	list_remove(&d->node);
	return -E_NOMEM;
}

int ds_disk_open(struct datastore *ds, const char *object, bool readonly, struct blkdev **out)
{
	struct ds_disk *d;
	int err;

	if (in_use(ds, object, readonly))
		return -E_BUSY;
	d = kzalloc(sizeof(*d));
	if (!d)
		return -E_NOMEM;
	err = open_object(d, ds, object);
	if (err)
		goto undo_alloc;
	err = start(d, object, readonly, out);
	if (!err)
		return 0;
	ds_put(d->object);
undo_alloc:
	kfree(d);
	return err;
}

int ds_disk_receive(struct ds_object *o, struct blkdev **out)
{
	struct ds_disk *d = kzalloc(sizeof(*d));
	struct ds_info info;
	int err;

	if (!d)
		return -E_NOMEM;
	ds_object_info(o, &info);
	d->object = o;
	d->bd.sectors = info.size / SECTOR_SIZE;
	err = start(d, info.name, false, out);
	if (err)
		kfree(d);
	return err;
}

struct ds_object *ds_disk_object(struct blkdev *bd)
{
	return from_bd(bd)->object;
}

int ds_disk_keep(struct blkdev *bd)
{
	struct ds_disk *d = from_bd(bd);
	struct ds_info info;
	int err;

	err = ds_keep_partial(d->object);
	if (err)
		return err;
	ds_object_info(d->object, &info);
	str_copy(d->remove, info.name, sizeof(d->remove));
	return 0;
}

void ds_disk_leave(struct blkdev *bd)
{
	from_bd(bd)->remove[0] = 0;
}

int ds_disk_commit(struct blkdev *bd)
{
	struct ds_disk *d = from_bd(bd);

	d->remove[0] = 0;
	return ds_commit(d->object);
}

void ds_disk_give_up(struct blkdev *bd)
{
	struct ds_disk *d = from_bd(bd);

	str_copy(d->remove, d->name, sizeof(d->remove));
}

void ds_disk_close(struct blkdev *bd)
{
	struct ds_disk *d = from_bd(bd);

	d->closing = true;
	waitq_wake_all(&d->wake);
}
