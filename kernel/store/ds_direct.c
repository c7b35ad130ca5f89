/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Requests that need nothing of the store but a place on the device: reads of stored
 * clusters, writes to clusters that only this object uses, flushes while nothing of the store is
 * pending. They go straight there, any number at once. Whoever is about to change the map
 * freezes the object first and waits for them.
 */
#include "kernel/store/ds_inner.h"
#include "kernel/time.h"

/* Everything that completed is on the device; what a flush has to add is the device's. */
static bool flush_is_direct(const struct datastore *ds)
{
	return !ds->readonly && !ds->batch_count && !ds->dirty && !ds->unsure_super &&
	       !ds->unsure_log;
}

/*
 * A record that was taken back, but may be on the device, may say that a cluster has more users
 * than we think: until it is settled nothing is written in place.
 */
static bool may_write(const struct datastore *ds, uint32_t cluster, uint32_t count)
{
	if (ds->readonly || ds->unsure_super || ds->unsure_log)
		return false;
	for (uint32_t i = 0; i < count; i++)
		if (ds_refs(ds, cluster + i) != 1)
			return false;
	return true;
}

/* The one run of clusters that holds all of the request. */
static bool find_place(const struct ds_object *o, const struct blk_request *rq, uint64_t *sector)
{
	uint64_t offset = rq->sector * SECTOR_SIZE, len = (uint64_t)rq->sectors * SECTOR_SIZE;
	uint32_t cluster, count = ds_clusters_of(offset % DS_CLUSTER + len);

	if (offset > o->size || len > o->size - offset)
		return false;
	if (ds_map_run(o, (uint32_t)(offset >> DS_CLUSTER_SHIFT), count, &cluster) < count ||
	    !cluster)
		return false;
	if (rq->op == BLK_WRITE && !may_write(o->ds, cluster, count))
		return false;
	*sector = ds_sector_of(cluster) + rq->sector % DS_CLUSTER_SECTORS;
	return true;
}

bool ds_direct_begin(struct ds_object *o, const struct blk_request *rq, uint64_t *sector)
{
	*sector = 0;
	if (o->frozen)
		return false;
	if (rq->op == BLK_FLUSH ? !flush_is_direct(o->ds) : !find_place(o, rq, sector))
		return false;
	o->direct++;
	return true;
}

void ds_direct_end(struct ds_object *o, enum blk_op op)
{
	if (op == BLK_WRITE)
		o->ds->data_dirty = true;
	if (!--o->direct && o->frozen)
		waitq_wake_all(&o->ds->drained);
}

void ds_freeze(struct ds_object *o)
{
	o->frozen++;
	while (o->direct)
		(void)waitq_wait(&o->ds->drained, TIME_NEVER);
}

void ds_thaw(struct ds_object *o)
{
	o->frozen--;
}
