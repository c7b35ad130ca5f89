/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading and writing an object. A cluster that only this object uses is written in
 * place; a hole or a shared cluster gets a new one, written whole before the map names it.
 */
#include "kernel/lib/string.h"
#include "kernel/store/ds_inner.h"

#define IO_MAX ((uint64_t)BLK_MAX_SECTORS * SECTOR_SIZE)

static int dev_read_part(struct datastore *ds, uint64_t at, void *buf, uint64_t len)
{
	int err = blkdev_read(ds->bd, at / SECTOR_SIZE, 1, ds->sector);

	if (!err)
		memcpy(buf, ds->sector + at % SECTOR_SIZE, len);
	return err;
}

static int dev_write_part(struct datastore *ds, uint64_t at, const void *buf, uint64_t len)
{
	int err = blkdev_read(ds->bd, at / SECTOR_SIZE, 1, ds->sector);

	if (err)
		return err;
	memcpy(ds->sector + at % SECTOR_SIZE, buf, len);
	return blkdev_write(ds->bd, at / SECTOR_SIZE, 1, ds->sector);
}

/* How much of len bytes at a place can go at once: up to a sector's end, or whole sectors. */
static uint64_t dev_step(uint64_t at, uint64_t len)
{
	uint64_t offset = at % SECTOR_SIZE;

	if (offset || len < SECTOR_SIZE)
		return MIN(len, SECTOR_SIZE - offset);
	return MIN(ALIGN_DOWN(len, (uint64_t)SECTOR_SIZE), IO_MAX);
}

int ds_dev_read(struct datastore *ds, uint64_t at, void *buf, uint64_t len)
{
	uint8_t *to = buf;

	while (len) {
		uint64_t n = dev_step(at, len);
		int err;

		if (n % SECTOR_SIZE)
			err = dev_read_part(ds, at, to, n);
		else
			err =
			    blkdev_read(ds->bd, at / SECTOR_SIZE, (uint32_t)(n / SECTOR_SIZE), to);
		if (err)
			return err;
		at += n;
		to += n;
		len -= n;
	}
	return 0;
}

static int dev_write(struct datastore *ds, uint64_t at, const void *buf, uint64_t len)
{
	const uint8_t *from = buf;

	ds->data_dirty = true;
	while (len) {
		uint64_t n = dev_step(at, len);
		int err;

		if (n % SECTOR_SIZE)
			err = dev_write_part(ds, at, from, n);
		else
			err = blkdev_write(ds->bd, at / SECTOR_SIZE, (uint32_t)(n / SECTOR_SIZE),
					   from);
		if (err)
			return err;
		at += n;
		from += n;
		len -= n;
	}
	return 0;
}

/* Where byte at lies on the device, given its cluster there. */
static uint64_t dev_place(uint32_t cluster, uint64_t at)
{
	return ((uint64_t)cluster << DS_CLUSTER_SHIFT) + at % DS_CLUSTER;
}

static int read_locked(struct ds_object *o, uint64_t at, uint8_t *buf, uint64_t len)
{
	while (len) {
		uint32_t index = (uint32_t)(at >> DS_CLUSTER_SHIFT), cluster, run;
		uint64_t n;
		int err = 0;

		run = ds_map_run(o, index, ds_clusters_of(at % DS_CLUSTER + len), &cluster);
		n = MIN(len, ((uint64_t)run << DS_CLUSTER_SHIFT) - at % DS_CLUSTER);
		if (cluster)
			err = ds_dev_read(o->ds, dev_place(cluster, at), buf, n);
		else
			memset(buf, 0, n);
		if (err)
			return err;
		at += n;
		buf += n;
		len -= n;
	}
	return 0;
}

int ds_read(struct ds_object *o, uint64_t offset, void *buf, uint64_t len)
{
	int err;

	ds_lock(o->ds);
	if (offset > o->size || len > o->size - offset)
		err = -E_RANGE;
	else
		err = read_locked(o, offset, buf, len);
	ds_unlock(o->ds);
	return err;
}

static bool is_zero(const uint8_t *p, uint64_t len)
{
	return !len || (!p[0] && !memcmp(p, p + 1, len - 1));
}

/* In place: the run of clusters from at on that nobody shares. *n: bytes, at most as many. */
static int write_in_place(struct ds_object *o, uint64_t at, const uint8_t *buf, uint64_t *n)
{
	uint32_t index = (uint32_t)(at >> DS_CLUSTER_SHIFT), cluster, run, own = 1;

	run = ds_map_run(o, index, ds_clusters_of(at % DS_CLUSTER + *n), &cluster);
	while (own < run && ds_refs(o->ds, cluster + own) == 1)
		own++;
	*n = MIN(*n, ((uint64_t)own << DS_CLUSTER_SHIFT) - at % DS_CLUSTER);
	return dev_write(o->ds, dev_place(cluster, at), buf, *n);
}

/* The whole of a new cluster: what old (0: nothing) has, with len bytes of buf in it. */
static int write_whole(struct datastore *ds, uint32_t cluster, uint32_t old, uint64_t offset,
		       const uint8_t *buf, uint64_t len)
{
	int err;

	if (len == DS_CLUSTER)
		return dev_write(ds, dev_place(cluster, 0), buf, len);
	memset(ds->bounce, 0, DS_CLUSTER);
	if (old) {
		err = ds_dev_read(ds, dev_place(old, 0), ds->bounce, DS_CLUSTER);
		if (err)
			return err;
	}
	memcpy(ds->bounce + offset, buf, len);
	return dev_write(ds, dev_place(cluster, 0), ds->bounce, DS_CLUSTER);
}

/* Inside one cluster that is a hole or shared; its map has room, and so has the batch. */
static int write_new(struct ds_object *o, uint64_t at, const uint8_t *buf, uint64_t len)
{
	uint32_t index = (uint32_t)(at >> DS_CLUSTER_SHIFT), old = ds_map_get(o, index), cluster;
	struct datastore *ds = o->ds;
	uint32_t before = index ? ds_map_get(o, index - 1) : 0;
	int err;

	if (!old && is_zero(buf, len))
		return 0; /* a hole reads as zeros */
	err = ds_space_alloc(ds, before ? before + 1 : 0, &cluster);
	if (err)
		return err;
	err = write_whole(ds, cluster, old, at % DS_CLUSTER, buf, len);
	if (err) {
		ds_ref_drop(ds, cluster);
		return err;
	}
	ds_map_set(o, index, cluster);
	ds_pending_add(o, index, cluster, old, 1);
	return 0;
}

static void grow(struct ds_object *o, uint64_t end)
{
	if (end <= o->size)
		return;
	o->size = end;
	if (o->state == DS_LIVE) {
		o->dirty = true;
		o->ds->dirty = true;
	}
}

/*
 * The size grows before the map does, so that no record names a cluster beyond the end; a failed
 * write leaves it where it was. A transaction in between (ds_pending_reserve) would keep it.
 */
static int write_some(struct ds_object *o, uint64_t at, const uint8_t *buf, uint64_t *n)
{
	uint32_t index = (uint32_t)(at >> DS_CLUSTER_SHIFT), cluster = ds_map_get(o, index);
	uint64_t before = o->size;
	int err;

	if (cluster && ds_refs(o->ds, cluster) == 1) {
		err = write_in_place(o, at, buf, n);
		if (!err)
			grow(o, at + *n);
		return err;
	}
	*n = MIN(*n, DS_CLUSTER - at % DS_CLUSTER);
	err = ds_map_room(o, index);
	if (!err)
		err = ds_pending_reserve(o->ds);
	if (err)
		return err;
	grow(o, at + *n);
	err = write_new(o, at, buf, *n);
	if (err)
		o->size = before;
	return err;
}

static bool takes_new(const struct ds_object *o, uint32_t index)
{
	uint32_t cluster = ds_map_get(o, index);

	return !cluster || ds_refs(o->ds, cluster) > 1;
}

/* Is there room for the clusters that a write takes, and for their records? */
static int write_room(struct ds_object *o, uint64_t at, uint64_t len)
{
	uint32_t end = ds_clusters_of(at + len), need = at > o->size; /* clear_tail */
	struct datastore *ds = o->ds;
	int err;

	for (uint32_t i = (uint32_t)(at >> DS_CLUSTER_SHIFT); i < end; i++)
		need += takes_new(o, i);
	if (need > ds->free && ds->limbo_count) {
		err = ds_txn(ds, NULL);
		if (err)
			return err;
	}
	if (need > ds->free)
		return -E_NOSPC;
	return need ? ds_room_for(ds, 1, 2ull * need) : 0;
}

/* What a torn write may have left in the last cluster beyond the size must not come to light. */
static int clear_tail(struct ds_object *o, uint64_t offset)
{
	uint64_t end = MIN(offset, ALIGN_UP(o->size, DS_CLUSTER)), at = o->size;

	while (at < end && ds_map_get(o, (uint32_t)(at >> DS_CLUSTER_SHIFT))) {
		uint64_t n = MIN(end - at, sizeof(o->ds->zero));
		int err = write_some(o, at, o->ds->zero, &n);

		if (err)
			return err;
		at += n;
	}
	return 0;
}

static int write_frozen(struct ds_object *o, uint64_t offset, const uint8_t *buf, uint64_t len)
{
	int err = ds_settle(o->ds);

	if (!err)
		err = write_room(o, offset, len);
	if (!err && offset > o->size)
		err = clear_tail(o, offset);
	while (!err && len) {
		uint64_t n = len;

		err = write_some(o, offset, buf, &n);
		if (err)
			break;
		offset += n;
		buf += n;
		len -= n;
	}
	return err;
}

int ds_write(struct ds_object *o, uint64_t offset, const void *buf, uint64_t len)
{
	uint64_t limit = o->kind == DS_DISK ? o->size : DS_SIZE_MAX;
	int err;

	if (offset > limit || len > limit - offset)
		return -E_RANGE;
	if (o->ds->readonly)
		return -E_STATE;
	if (!len)
		return 0;
	ds_lock(o->ds);
	ds_freeze(o);
	err = write_frozen(o, offset, buf, len);
	ds_thaw(o);
	ds_unlock(o->ds);
	return err;
}
