/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Requests that need nothing of the store but a place on the device: reads of stored
 * clusters, writes to clusters that only this object uses. They go straight there, any number at
 * once. Whoever is about to change the map freezes the object first and waits for them.
 */
#include "kernel/store/ds_inner.h"
#include "kernel/time.h"

bool ds_direct_begin(struct ds_object *o, uint64_t offset, uint64_t len, bool write,
		     uint64_t *sector)
{
	uint32_t index = (uint32_t)(offset >> DS_CLUSTER_SHIFT), cluster, count;
	struct datastore *ds = o->ds;

	if (o->frozen || (write && (ds->readonly || ds->unsure_super || ds->unsure_log)))
		return false;
	count = ds_clusters_of(offset % DS_CLUSTER + len);
	if (ds_map_run(o, index, count, &cluster) < count || !cluster)
		return false;
	for (uint32_t i = 0; write && i < count; i++)
		if (ds_refs(ds, cluster + i) != 1)
			return false;
	*sector = ds_sector_of(cluster) + offset % DS_CLUSTER / SECTOR_SIZE;
	o->direct++;
	return true;
}

void ds_direct_end(struct ds_object *o, bool wrote)
{
	if (wrote)
		o->ds->data_dirty = true;
	if (!--o->direct && o->frozen)
		waitq_wake_all(&o->ds->thawed);
}

bool ds_flush_is_direct(struct ds_object *o)
{
	const struct datastore *ds = o->ds;

	return !ds->batch_count && !ds->dirty && !ds->unsure_super && !ds->unsure_log;
}

void ds_freeze(struct ds_object *o)
{
	o->frozen++;
	while (o->direct)
		(void)waitq_wait(&o->ds->thawed, TIME_NEVER);
}

void ds_thaw(struct ds_object *o)
{
	o->frozen--;
}
