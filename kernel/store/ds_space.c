/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How many maps use each cluster, counted when the store is opened, and the search
 * for free ones. A chunk of counts exists only where some cluster is used.
 */
#include "kernel/mem.h"
#include "kernel/store/ds_inner.h"

int ds_space_init(struct datastore *ds)
{
	ds->chunk_count = (ds->at.clusters + DS_CHUNK - 1) / DS_CHUNK;
	ds->chunks = kzalloc(ds->chunk_count * sizeof(ds->chunks[0]));
	ds->free = ds->at.clusters - ds->at.data;
	ds->rover = ds->at.data;
	return ds->chunks ? 0 : -E_NOMEM;
}

void ds_space_free(struct datastore *ds)
{
	for (uint32_t i = 0; ds->chunks && i < ds->chunk_count; i++)
		kfree(ds->chunks[i]);
	kfree(ds->chunks);
	ds->chunks = NULL;
}

unsigned ds_refs(const struct datastore *ds, uint32_t cluster)
{
	const struct ds_chunk *chunk = ds->chunks[cluster / DS_CHUNK];

	return chunk ? chunk->refs[cluster % DS_CHUNK] : 0;
}

int ds_ref_add(struct datastore *ds, uint32_t cluster)
{
	struct ds_chunk **chunk = &ds->chunks[cluster / DS_CHUNK];
	uint16_t *refs;

	if (!*chunk)
		*chunk = kzalloc(sizeof(**chunk));
	if (!*chunk)
		return -E_NOMEM;
	refs = &(*chunk)->refs[cluster % DS_CHUNK];
	if (*refs == DS_REFS_MAX)
		return -E_NOSPC;
	if (!*refs) {
		(*chunk)->used++;
		ds->free--;
	}
	(*refs)++;
	return 0;
}

void ds_ref_drop(struct datastore *ds, uint32_t cluster)
{
	struct ds_chunk *chunk = ds->chunks[cluster / DS_CHUNK];

	if (--chunk->refs[cluster % DS_CHUNK])
		return;
	chunk->used--;
	ds->free++;
}

/* The first free cluster from..to, or 0. */
static uint32_t space_search(const struct datastore *ds, uint32_t from, uint32_t to)
{
	while (from < to) {
		const struct ds_chunk *chunk = ds->chunks[from / DS_CHUNK];

		if (!chunk || !chunk->refs[from % DS_CHUNK])
			return from;
		if (chunk->used == DS_CHUNK)
			from = ALIGN_DOWN(from, DS_CHUNK) + DS_CHUNK;
		else
			from++;
	}
	return 0;
}

int ds_space_alloc(struct datastore *ds, uint32_t hint, uint32_t *out)
{
	uint32_t cluster = 0;
	int err;

	if (!ds->free)
		return -E_NOSPC;
	if (hint > ds->at.data && hint < ds->at.clusters && !ds_refs(ds, hint))
		cluster = hint;
	if (!cluster)
		cluster = space_search(ds, ds->rover, ds->at.clusters);
	if (!cluster)
		cluster = space_search(ds, ds->at.data, ds->rover);
	err = ds_ref_add(ds, cluster);
	if (err)
		return err;
	ds->rover = cluster + 1 < ds->at.clusters ? cluster + 1 : ds->at.data;
	*out = cluster;
	return 0;
}
