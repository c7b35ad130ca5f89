/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An object's map: which cluster of the device holds each cluster of the object.
 * Two levels, leaves only where something is stored. Keeps count of its runs, so that the
 * size of a checkpoint is known without a walk.
 */
#include "kernel/lib/string.h"
#include "kernel/mem.h"
#include "kernel/store/ds_inner.h"

uint32_t ds_map_get(const struct ds_object *o, uint32_t index)
{
	if (index / DS_LEAF >= o->leaf_count || !o->leaves[index / DS_LEAF])
		return 0;
	return o->leaves[index / DS_LEAF][index % DS_LEAF];
}

static uint32_t map_holes(const struct ds_object *o, uint32_t index, uint32_t max)
{
	uint32_t i = index, end = index + max;

	while (i < end) {
		if (i / DS_LEAF >= o->leaf_count)
			return max;
		if (!o->leaves[i / DS_LEAF])
			i = ALIGN_DOWN(i, DS_LEAF) + DS_LEAF;
		else if (!o->leaves[i / DS_LEAF][i % DS_LEAF])
			i++;
		else
			break;
	}
	return MIN(i, end) - index;
}

uint32_t ds_map_run(const struct ds_object *o, uint32_t index, uint32_t max, uint32_t *cluster)
{
	uint32_t n = 1;

	*cluster = ds_map_get(o, index);
	if (!*cluster)
		return map_holes(o, index, max);
	while (n < max && ds_map_get(o, index + n) == *cluster + n)
		n++;
	return n;
}

static int map_grow(struct ds_object *o, uint32_t want)
{
	uint32_t count = MAX(want, 2 * o->leaf_count);
	uint32_t **leaves;

	count = MIN(count, ds_clusters_of(DS_SIZE_MAX) / DS_LEAF);
	leaves = kzalloc(count * sizeof(*leaves));
	if (!leaves)
		return -E_NOMEM;
	if (o->leaf_count)
		memcpy(leaves, o->leaves, o->leaf_count * sizeof(*leaves));
	kfree(o->leaves);
	o->leaves = leaves;
	o->leaf_count = count;
	return 0;
}

int ds_map_room(struct ds_object *o, uint32_t index)
{
	uint32_t leaf = index / DS_LEAF;
	int err;

	if (leaf >= o->leaf_count) {
		err = map_grow(o, leaf + 1);
		if (err)
			return err;
	}
	if (!o->leaves[leaf])
		o->leaves[leaf] = kzalloc(DS_LEAF * sizeof(uint32_t));
	return o->leaves[leaf] ? 0 : -E_NOMEM;
}

/* Does a run begin at index? */
static unsigned map_starts(const struct ds_object *o, uint32_t index)
{
	uint32_t cluster = ds_map_get(o, index);
	uint32_t before = index ? ds_map_get(o, index - 1) : 0;

	return cluster && !(before && before + 1 == cluster);
}

void ds_map_set(struct ds_object *o, uint32_t index, uint32_t cluster)
{
	unsigned before = map_starts(o, index) + map_starts(o, index + 1), after;
	uint32_t old = ds_map_get(o, index);

	if (old == cluster)
		return;
	o->leaves[index / DS_LEAF][index % DS_LEAF] = cluster;
	o->stored += (cluster != 0) - (old != 0);
	after = map_starts(o, index) + map_starts(o, index + 1);
	o->runs += after - before;
	if (o->state == DS_LIVE)
		o->ds->live_runs += (uint64_t)after - before;
}

void ds_map_free(struct ds_object *o)
{
	for (uint32_t i = 0; i < o->leaf_count; i++) {
		for (unsigned j = 0; o->leaves[i] && j < DS_LEAF; j++)
			if (o->leaves[i][j])
				ds_ref_drop(o->ds, o->leaves[i][j]);
		kfree(o->leaves[i]);
	}
	kfree(o->leaves);
	o->leaves = NULL;
	o->leaf_count = 0;
}

uint64_t ds_own_bytes(struct datastore *ds, const char *name)
{
	const struct ds_object *o = ds_live_find(ds, name);
	uint32_t end = o ? ds_clusters_of(o->size) : 0, cluster, n;
	uint64_t own = 0;

	for (uint32_t i = 0; i < end; i += n) {
		n = ds_map_run(o, i, end - i, &cluster);
		for (uint32_t j = 0; cluster && j < n; j++)
			own += ds_refs(ds, cluster + j) == 1;
	}
	return own * DS_CLUSTER;
}
