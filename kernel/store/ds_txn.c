/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Making changes durable, in one step each: data, flush, a log batch, flush; or,
 * when the log is full, a checkpoint of everything to the other area and superblocks that
 * name it. After a write that failed nothing is changed until the device is known again.
 */
#include "kernel/lib/crc32c.h"
#include "kernel/lib/string.h"
#include "kernel/store/ds_inner.h"

uint32_t ds_batch_crc(const struct ds_super *s, const struct ds_batch *b)
{
	struct ds_batch copy = *b;

	copy.crc = 0;
	return crc32c(crc32c(0, s->uuid, sizeof(s->uuid)), &copy, sizeof(copy));
}

static uint32_t log_sectors(const struct datastore *ds)
{
	return ds->at.log_count * DS_CLUSTER_SECTORS;
}

int ds_flush_data(struct datastore *ds)
{
	int err;

	if (!ds->data_dirty)
		return 0;
	ds->data_dirty = false; /* first: a direct write may complete while we wait */
	err = blkdev_flush(ds->bd);
	if (err)
		ds->data_dirty = true;
	return err;
}

static int super_put(struct datastore *ds, struct ds_super *s, uint64_t sector)
{
	memcpy(ds->sector, s, sizeof(*s));
	return blkdev_write(ds->bd, sector, 1, ds->sector);
}

/* The first copy decides; the second is there for a damaged first one. */
int ds_super_write(struct datastore *ds, struct ds_super *next)
{
	int err;

	next->serial = ++ds->serial;
	ds_super_seal(next);
	err = super_put(ds, next, DS_SUPER_SECTOR_A);
	if (!err)
		err = blkdev_flush(ds->bd);
	if (err) {
		ds->unsure_super = true;
		return err;
	}
	ds->super = *next;
	ds->unsure_super = super_put(ds, next, DS_SUPER_SECTOR_B) != 0;
	return 0;
}

static int settle_super(struct datastore *ds)
{
	struct ds_super again = ds->super;
	int err = ds_super_write(ds, &again);

	if (err)
		return err;
	if (!ds->unsure_super)
		return blkdev_flush(ds->bd);
	return -E_IO;
}

static int settle_log(struct datastore *ds)
{
	int err;

	memset(ds->sector, 0, SECTOR_SIZE);
	if (ds->log_head < log_sectors(ds)) {
		err = blkdev_write(ds->bd, ds_sector_of(ds->at.log) + ds->log_head, 1, ds->sector);
		if (!err)
			err = blkdev_flush(ds->bd);
		if (err)
			return err;
	}
	ds->unsure_log = false;
	return 0;
}

/*
 * A batch or superblock whose write failed may have reached the medium. It was undone in
 * memory, so it must not come to life at the next start: put the present state there.
 */
int ds_settle(struct datastore *ds)
{
	int err;

	if (ds->unsure_super) {
		err = settle_super(ds);
		if (err) {
			ds->unsure_super = true;
			return err;
		}
	}
	return ds->unsure_log ? settle_log(ds) : 0;
}

int ds_checkpoint(struct datastore *ds)
{
	struct ds_super next = ds->super;
	struct ds_writer w;
	uint64_t start;
	int err;

	next.area = !next.area;
	next.generation++;
	start = ds_sector_of(ds->at.area[next.area]);
	ds_writer_begin(&w, ds, start, start + ds_sector_of(ds->at.area_count));
	ds_emit_all(&w);
	err = ds_writer_end(&w);
	if (!err)
		err = blkdev_flush(ds->bd);
	if (err)
		return err;
	next.bytes = w.bytes;
	next.checkpoint_crc = w.crc;
	next.next_id = ds->next_id;
	err = ds_super_write(ds, &next);
	if (err)
		return err;
	ds->log_head = 0;
	ds->log_seq = 0;
	ds->log_work = 0;
	return 0;
}

static int log_append(struct datastore *ds, const struct ds_change *ch, uint32_t sectors)
{
	uint64_t at = ds_sector_of(ds->at.log) + ds->log_head;
	struct ds_batch b = {.magic = DS_BATCH_MAGIC};
	struct ds_writer w;
	int err;

	ds->unsure_log = true;
	ds_writer_begin(&w, ds, at + 1, at + sectors);
	ds_emit_batch(&w, ch);
	err = ds_writer_end(&w);
	if (err)
		return err;
	b.generation = ds->super.generation;
	b.seq = ds->log_seq;
	b.bytes = w.bytes;
	b.records_crc = w.crc;
	b.crc = ds_batch_crc(&ds->super, &b);
	memset(ds->sector, 0, SECTOR_SIZE);
	memcpy(ds->sector, &b, sizeof(b));
	err = blkdev_write(ds->bd, at, 1, ds->sector);
	if (!err)
		err = blkdev_flush(ds->bd);
	if (err)
		return err;
	ds->unsure_log = false;
	ds->log_head += sectors;
	ds->log_seq++;
	return 0;
}

/* Map entries that a replay of this change sets: a log of clones must not replay for hours. */
static uint64_t change_work(const struct datastore *ds, const struct ds_change *ch)
{
	uint64_t work = ch && ch->set && ch->with_map ? ch->set->stored : 0;

	for (uint32_t i = 0; i < ds->batch_count; i++)
		work += ds->batch[i].cluster ? ds->batch[i].count : 0;
	return work;
}

static int txn_write(struct datastore *ds, const struct ds_change *ch)
{
	uint64_t sectors = 1 + (ds_batch_bytes(ds, ch) + SECTOR_SIZE - 1) / SECTOR_SIZE;
	uint64_t work = ds->log_work + change_work(ds, ch);
	int err;

	if (sectors > log_sectors(ds) - ds->log_head ||
	    work > (uint64_t)DS_SHARE_MAX * ds->at.clusters)
		return ds_checkpoint(ds);
	err = log_append(ds, ch, (uint32_t)sectors);
	if (!err)
		ds->log_work = work;
	return err;
}

static void txn_done(struct datastore *ds)
{
	struct list *n;

	for (uint32_t i = 0; i < ds->limbo_count; i++)
		for (uint32_t j = 0; j < ds->limbo[i].count; j++)
			ds_ref_drop(ds, ds->limbo[i].cluster + j);
	ds->limbo_count = 0;
	ds->batch_count = 0;
	ds->dirty = false;
	list_for_each (n, &ds->objects)
		list_entry(n, struct ds_object, node)->dirty = false;
}

int ds_txn(struct datastore *ds, const struct ds_change *ch)
{
	int err;

	if (ds->readonly)
		return -E_STATE;
	err = ds_settle(ds);
	if (!err)
		err = ds_flush_data(ds);
	if (err || (!ch && !ds->batch_count && !ds->dirty))
		return err;
	err = txn_write(ds, ch);
	if (err)
		return err;
	txn_done(ds);
	return 0;
}

int ds_sync(struct datastore *ds)
{
	int err;

	ds_lock(ds);
	err = ds->readonly ? 0 : ds_txn(ds, NULL);
	ds_unlock(ds);
	return err;
}

int ds_room_for(const struct datastore *ds, uint64_t objects, uint64_t runs)
{
	uint64_t room = (uint64_t)ds->at.area_count << DS_CLUSTER_SHIFT;

	return ds_bytes_of(ds->live + objects, ds->live_runs + runs) <= room ? 0 : -E_NOSPC;
}

int ds_pending_reserve(struct datastore *ds)
{
	if (ds->batch_count < DS_PENDING && ds->limbo_count < DS_PENDING)
		return 0;
	return ds_txn(ds, NULL);
}

static void limbo_add(struct datastore *ds, uint32_t cluster, uint32_t count)
{
	struct ds_run *last = ds->limbo_count ? &ds->limbo[ds->limbo_count - 1] : NULL;

	if (last && last->cluster + last->count == cluster)
		last->count += count;
	else
		ds->limbo[ds->limbo_count++] = (struct ds_run){cluster, count};
}

static void batch_add(struct ds_object *o, uint32_t index, uint32_t cluster, uint32_t count)
{
	struct datastore *ds = o->ds;
	struct ds_rec_map *last = ds->batch_count ? &ds->batch[ds->batch_count - 1] : NULL;

	if (last && last->h.id == o->id && last->index + last->count == index &&
	    (cluster ? last->cluster && last->cluster + last->count == cluster : !last->cluster)) {
		last->count += count;
		return;
	}
	ds->batch[ds->batch_count++] =
	    (struct ds_rec_map){{DS_REC_MAP, sizeof(*last), o->id}, index, cluster, count, 0};
}

/* Nothing durable knows the clusters of an object that is not live: those are free at once. */
void ds_pending_add(struct ds_object *o, uint32_t index, uint32_t cluster, uint32_t old,
		    uint32_t count)
{
	if (o->state != DS_LIVE) {
		for (uint32_t i = 0; old && i < count; i++)
			ds_ref_drop(o->ds, old + i);
		return;
	}
	batch_add(o, index, cluster, count);
	if (old)
		limbo_add(o->ds, old, count);
}
