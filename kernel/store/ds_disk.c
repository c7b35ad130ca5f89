/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest's disk in a datastore: a queue, and a task that makes the datastore's
 * blocking calls for it. In order, so that a flush covers what completed before it.
 */
#include "kernel/store/ds_disk.h"

#include "kernel/lib/format.h"
#include "kernel/lib/string.h"
#include "kernel/mem.h"
#include "kernel/task.h"
#include "kernel/time.h"

struct ds_disk {
	struct list node; /* among the open ones */
	struct blkdev bd;
	struct ds_object *object;
	struct list queue;
	struct waitq wake;
	bool readonly, closing;
	char name[DS_NAME_LEN];
};

static struct list open_disks = LIST_INIT(open_disks);

static struct ds_disk *from_bd(struct blkdev *bd)
{
	return container_of(bd, struct ds_disk, bd);
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

static void disk_task(void *arg)
{
	struct ds_disk *d = arg;

	while (!d->closing || !list_empty(&d->queue)) {
		struct blk_request *rq;

		if (list_empty(&d->queue)) {
			(void)waitq_wait(&d->wake, TIME_NEVER);
			continue;
		}
		rq = list_entry(d->queue.next, struct blk_request, node);
		list_remove(&rq->node);
		blkdev_end(&d->bd, rq, carry_out(d, rq));
	}
	list_remove(&d->node);
	ds_put(d->object);
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
	if (err) {
		kfree(d);
		return err;
	}
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
	ds_put(d->object);
	kfree(d);
	return -E_NOMEM;
}

void ds_disk_close(struct blkdev *bd)
{
	struct ds_disk *d = from_bd(bd);

	d->closing = true;
	waitq_wake_all(&d->wake);
}
