/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Verification: maps against each other when a store is opened, and everything, device
 * included, when the operator asks.
 */
#include "kernel/lib/crc32c.h"
#include "kernel/lib/format.h"
#include "kernel/lib/string.h"
#include "kernel/mem.h"
#include "kernel/store/ds_inner.h"

/* What the maps say of the clusters of a chunk. */
struct check_chunk {
	uint16_t users[DS_CHUNK];
	uint32_t place[DS_CHUNK]; /* digest of family and index: the same in every map */
};

struct check {
	struct datastore *ds;
	struct check_chunk **chunks;
	char *why;
	size_t why_size;
};

/* One way in which an object is at fault. */
static int fault(struct check *c, const struct ds_object *o, const char *what)
{
	ksnprintf(c->why, c->why_size, "datastore '%s' is damaged: object '%s' %s",
		  c->ds->super.name, o->name, what);
	return -E_CHECKSUM;
}

static struct check_chunk *chunk_of(struct check *c, uint32_t cluster)
{
	struct check_chunk **chunk = &c->chunks[cluster / DS_CHUNK];

	if (!*chunk)
		*chunk = kzalloc(sizeof(**chunk));
	return *chunk;
}

/* Clusters are shared only by clones, and there at the same index. */
static int check_entry(struct check *c, const struct ds_object *o, uint32_t index, uint32_t cluster)
{
	struct check_chunk *chunk = chunk_of(c, cluster);
	uint32_t at = cluster % DS_CHUNK, place;
	uint32_t id[2] = {o->family, index};

	if (!chunk)
		return -E_NOMEM;
	place = crc32c(0, id, sizeof(id));
	if (chunk->users[at] && chunk->place[at] != place)
		return fault(c, o, "has a cluster that another place uses");
	chunk->place[at] = place;
	chunk->users[at]++;
	return 0;
}

static int check_map(struct check *c, const struct ds_object *o)
{
	uint32_t stored = 0, runs = 0, last = 0;
	int err;

	for (uint32_t i = 0; i < o->leaf_count * DS_LEAF; i++) {
		uint32_t cluster = ds_map_get(o, i);

		if (!o->leaves[i / DS_LEAF]) {
			i = ALIGN_DOWN(i, DS_LEAF) + DS_LEAF - 1;
			last = 0;
			continue;
		}
		stored += cluster != 0;
		runs += cluster && !(last && last + 1 == cluster);
		last = cluster;
		if (cluster && i >= ds_clusters_of(o->size))
			return fault(c, o, "has clusters beyond its end");
		err = cluster ? check_entry(c, o, i, cluster) : 0;
		if (err)
			return err;
	}
	if (stored != o->stored || runs != o->runs)
		return fault(c, o, "is counted wrong");
	return 0;
}

/* Clusters that wait for the next transaction still have a user in the counts. */
static int check_limbo(struct check *c)
{
	for (uint32_t i = 0; i < c->ds->limbo_count; i++)
		for (uint32_t j = 0; j < c->ds->limbo[i].count; j++) {
			uint32_t cluster = c->ds->limbo[i].cluster + j;
			struct check_chunk *chunk = chunk_of(c, cluster);

			if (!chunk)
				return -E_NOMEM;
			chunk->users[cluster % DS_CHUNK]++;
		}
	return 0;
}

static int check_counts(struct check *c)
{
	struct datastore *ds = c->ds;
	uint32_t used = 0;

	for (uint32_t i = 0; i < ds->at.clusters; i++) {
		const struct check_chunk *chunk = c->chunks[i / DS_CHUNK];
		unsigned users = chunk ? chunk->users[i % DS_CHUNK] : 0, refs = ds_refs(ds, i);

		used += refs != 0;
		if (users == refs)
			continue;
		ksnprintf(c->why, c->why_size,
			  "datastore '%s': cluster %u has %u users, %u were counted",
			  ds->super.name, i, users, refs);
		return -E_CHECKSUM;
	}
	if (used + ds->free == ds->at.clusters - ds->at.data)
		return 0;
	ksnprintf(c->why, c->why_size, "datastore '%s': free space is counted wrong",
		  ds->super.name);
	return -E_CHECKSUM;
}

static int check_objects(struct check *c)
{
	uint64_t runs = 0;
	unsigned live = 0;
	struct list *n;

	list_for_each (n, &c->ds->objects) {
		const struct ds_object *o = list_entry(n, struct ds_object, node);
		int err = check_map(c, o);

		if (err)
			return err;
		live += o->state == DS_LIVE;
		runs += o->state == DS_LIVE ? o->runs : 0;
	}
	if (live == c->ds->live && runs == c->ds->live_runs) {
		int err = check_limbo(c);

		return err ? err : check_counts(c);
	}
	ksnprintf(c->why, c->why_size, "datastore '%s': objects are counted wrong",
		  c->ds->super.name);
	return -E_CHECKSUM;
}

int ds_maps_verify(struct datastore *ds, char *why, size_t why_size)
{
	struct check c = {.ds = ds, .why = why, .why_size = why_size};
	int err = -E_NOMEM;

	c.chunks = kzalloc(ds->chunk_count * sizeof(c.chunks[0]));
	if (c.chunks)
		err = check_objects(&c);
	for (uint32_t i = 0; c.chunks && i < ds->chunk_count; i++)
		kfree(c.chunks[i]);
	kfree(c.chunks);
	if (err == -E_NOMEM)
		ksnprintf(why, why_size, "out of memory");
	return err;
}

static int check_device(struct datastore *ds, char *why, size_t why_size)
{
	uint64_t sector = ds_sector_of(ds->at.area[ds->super.area]);
	struct ds_super super;
	uint32_t crc;
	bool both;
	int err = ds_super_read(ds->bd, &super, &both, why, why_size);

	if (err)
		return err;
	if (memcmp(&super, &ds->super, sizeof(super)) && !ds->readonly) {
		ksnprintf(why, why_size, "datastore '%s': somebody else has written its superblock",
			  ds->super.name);
		return -E_CHECKSUM;
	}
	if (!both && !ds->readonly) {
		ksnprintf(why, why_size, "datastore '%s': one of two superblocks is bad",
			  ds->super.name);
		return -E_CHECKSUM;
	}
	err = ds_records_crc(ds, sector, ds->super.bytes, &crc);
	if (!err && crc == ds->super.checkpoint_crc)
		return ds_log_verify(ds, why, why_size);
	ksnprintf(why, why_size, "datastore '%s': %s", ds->super.name,
		  err ? "the checkpoint cannot be read" : "the checkpoint is damaged");
	return err ? err : -E_CHECKSUM;
}

int ds_check(struct datastore *ds, char *why, size_t why_size)
{
	int err = 0;

	if (why_size)
		why[0] = '\0';
	ds_lock(ds);
	if (!ds->readonly)
		err = ds_settle(ds);
	if (err)
		ksnprintf(why, why_size, "datastore '%s': %s", ds->super.name, err_text(err));
	if (!err)
		err = ds_maps_verify(ds, why, why_size);
	if (!err)
		err = check_device(ds, why, why_size);
	ds_unlock(ds);
	return err;
}
