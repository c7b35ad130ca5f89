/* SPDX-License-Identifier: BSD-2-Clause */
/* Formatting a device as a datastore, opening it and closing it. */
#include "kernel/lib/format.h"
#include "kernel/lib/string.h"
#include "kernel/mem.h"
#include "kernel/store/ds_inner.h"

static int format_zero(struct blkdev *bd, const struct ds_layout *at)
{
	uint8_t *zero = pages_alloc(DS_IO_ORDER);
	int err;

	if (!zero)
		return -E_NOMEM;
	/* The first cluster with what was there before, then the log's first batch. */
	err = blkdev_write(bd, 0, DS_CLUSTER_SECTORS, zero);
	if (!err)
		err = blkdev_write(bd, ds_sector_of(at->log), 1, zero);
	if (!err)
		err = blkdev_flush(bd);
	pages_free(zero, DS_IO_ORDER);
	return err;
}

int ds_format(struct blkdev *bd, const char *name, const uint8_t uuid[16])
{
	struct ds_super *s;
	struct ds_layout at;
	int err = ds_layout_of(bd->sectors, &at);

	if (err)
		return err;
	if (!ds_name_ok(name, sizeof(s->name)) || strchr(name, '/'))
		return -E_INVAL;
	s = kzalloc(sizeof(*s));
	if (!s)
		return -E_NOMEM;
	s->serial = 1;
	s->generation = 1;
	s->clusters = at.clusters;
	s->next_id = 1;
	str_copy(s->name, name, sizeof(s->name));
	memcpy(s->uuid, uuid, sizeof(s->uuid));
	ds_super_seal(s);
	err = format_zero(bd, &at);
	if (!err)
		err = blkdev_write(bd, DS_SUPER_SECTOR_A, 1, s);
	if (!err)
		err = blkdev_write(bd, DS_SUPER_SECTOR_B, 1, s);
	if (!err)
		err = blkdev_flush(bd);
	kfree(s);
	return err;
}

void ds_free(struct datastore *ds)
{
	while (!list_empty(&ds->objects))
		ds_object_free(list_entry(ds->objects.next, struct ds_object, node));
	ds_space_free(ds);
	if (ds->bounce)
		pages_free(ds->bounce, DS_IO_ORDER);
	if (ds->meta)
		pages_free(ds->meta, DS_IO_ORDER);
	kfree(ds->batch);
	kfree(ds->limbo);
	kfree(ds);
}

static int ds_alloc(struct blkdev *bd, const struct ds_super *super, struct datastore **out)
{
	struct datastore *ds = kzalloc(sizeof(*ds));
	int err;

	if (!ds)
		return -E_NOMEM;
	ds->bd = bd;
	ds->super = *super;
	ds->serial = super->serial;
	ds->next_id = MAX(super->next_id, 1u);
	list_init(&ds->objects);
	waitq_init(&ds->unlocked);
	waitq_init(&ds->drained);
	ds->bounce = pages_alloc(DS_IO_ORDER);
	ds->meta = pages_alloc(DS_IO_ORDER);
	ds->batch = kzalloc(DS_PENDING * sizeof(ds->batch[0]));
	ds->limbo = kzalloc(DS_PENDING * sizeof(ds->limbo[0]));
	err = ds_layout_of(ds_sector_of(super->clusters), &ds->at);
	if (!err)
		err = ds_space_init(ds);
	if (!err && (!ds->bounce || !ds->meta || !ds->batch || !ds->limbo))
		err = -E_NOMEM;
	if (err)
		ds_free(ds);
	else
		*out = ds;
	return err;
}

/* Writes who has it open. A log that holds something becomes a checkpoint, so that each
 * opening begins with an empty one. */
static int open_claim(struct datastore *ds, const char *host)
{
	struct ds_super next;

	str_copy(ds->super.opened_by, host, sizeof(ds->super.opened_by));
	if (ds->log_seq)
		return ds_checkpoint(ds);
	next = ds->super;
	return ds_super_write(ds, &next);
}

int ds_open(struct blkdev *bd, const char *host, bool readonly, struct datastore **out, char *why,
	    size_t why_size)
{
	struct datastore *ds;
	struct ds_super super;
	bool both;
	int err;

	if (why_size)
		why[0] = '\0';
	err = ds_super_read(bd, &super, &both, why, why_size);
	if (err)
		return err;
	err = ds_alloc(bd, &super, &ds);
	if (err) {
		ksnprintf(why, why_size, "%s", err_text(err));
		return err;
	}
	ds->readonly = readonly;
	err = ds_replay(ds, why, why_size);
	if (!err)
		err = ds_maps_verify(ds, why, why_size);
	if (err)
		goto undo_alloc;
	if (!readonly) {
		err = open_claim(ds, host);
		if (err) {
			ksnprintf(why, why_size, "cannot write %s: %s", bd->name, err_text(err));
			goto undo_alloc;
		}
	}
	*out = ds;
	return 0;

undo_alloc:
	ds_free(ds);
	return err;
}

static int close_write(struct datastore *ds)
{
	struct ds_super next;
	int err = ds_txn(ds, NULL);

	if (err)
		return err;
	next = ds->super;
	memset(next.opened_by, 0, sizeof(next.opened_by));
	err = ds_super_write(ds, &next);
	return err ? err : blkdev_flush(ds->bd);
}

int ds_close(struct datastore *ds)
{
	struct list *n;
	int err = 0;

	ds_lock(ds);
	list_for_each (n, &ds->objects)
		if (list_entry(n, struct ds_object, node)->handles)
			err = -E_BUSY;
	if (err) {
		ds_unlock(ds);
		return err;
	}
	if (!ds->readonly)
		err = close_write(ds);
	ds_free(ds);
	return err;
}

void ds_abandon(struct datastore *ds)
{
	ds_free(ds);
}
