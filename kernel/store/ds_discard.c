/* SPDX-License-Identifier: BSD-2-Clause */
/* Holes: making them, finding what is between them, and a digest that does not see them. */
#include "kernel/lib/string.h"
#include "kernel/mem.h"
#include "kernel/store/ds_inner.h"

static int discard_run(struct ds_object *o, uint32_t index, uint32_t cluster, uint32_t count)
{
	/* A hole inside a run makes two of it. */
	int err = ds_room_for(o->ds, 0, 1);

	if (!err)
		err = ds_pending_reserve(o->ds);
	if (err)
		return err;
	for (uint32_t i = 0; i < count; i++)
		ds_map_set(o, index + i, 0);
	ds_pending_add(o, index, 0, cluster, count);
	return 0;
}

static int discard_frozen(struct ds_object *o, uint64_t offset, uint64_t end)
{
	uint32_t i = ds_clusters_of(offset), cluster, n;
	uint32_t last = end == o->size ? ds_clusters_of(end) : (uint32_t)(end >> DS_CLUSTER_SHIFT);
	int err = ds_settle(o->ds);

	for (; !err && i < last; i += n) {
		n = ds_map_run(o, i, last - i, &cluster);
		if (cluster)
			err = discard_run(o, i, cluster, n);
	}
	return err;
}

int ds_discard(struct ds_object *o, uint64_t offset, uint64_t len)
{
	int err;

	if (offset > o->size || len > o->size - offset)
		return -E_RANGE;
	if (o->ds->readonly)
		return -E_STATE;
	ds_lock(o->ds);
	ds_freeze(o);
	err = discard_frozen(o, offset, offset + len);
	ds_thaw(o);
	ds_unlock(o->ds);
	return err;
}

int ds_next_data(struct ds_object *o, uint64_t from, uint64_t *start, uint64_t *len)
{
	uint32_t end = ds_clusters_of(o->size), i, cluster, n;
	uint64_t stop;

	if (from >= o->size)
		return -E_NOENT;
	i = (uint32_t)(from >> DS_CLUSTER_SHIFT);
	if (!ds_map_get(o, i))
		i += ds_map_run(o, i, end - i, &cluster);
	if (i >= end)
		return -E_NOENT;
	*start = MAX(from, (uint64_t)i << DS_CLUSTER_SHIFT);
	for (; i < end; i += n) {
		n = ds_map_run(o, i, end - i, &cluster);
		if (!cluster)
			break;
	}
	stop = MIN((uint64_t)i << DS_CLUSTER_SHIFT, o->size);
	*len = stop - *start;
	return 0;
}

/* Odd constants of a 64-bit mix: every bit of the input reaches every bit of the result. */
static uint64_t digest_mix(uint64_t h, uint64_t word)
{
	h ^= word * 0x9e3779b97f4a7c15ull;
	h = (h << 29 | h >> 35) * 0xbf58476d1ce4e5b9ull;
	return h ^ h >> 32;
}

/* Blocks of a stored piece; at is aligned to blocks, the end filled up with zeros. */
static uint64_t digest_piece(uint64_t h, uint64_t at, uint8_t *buf, uint64_t len)
{
	uint64_t whole = ALIGN_UP(len, PAGE_SIZE), word;

	memset(buf + len, 0, whole - len);
	for (uint64_t block = 0; block < whole; block += PAGE_SIZE) {
		if (page_is_zero(buf + block))
			continue;
		h = digest_mix(h, (at + block) / PAGE_SIZE);
		for (uint64_t i = 0; i < PAGE_SIZE; i += sizeof(word)) {
			memcpy(&word, buf + block + i, sizeof(word));
			h = digest_mix(h, word);
		}
	}
	return h;
}

static int digest_read(struct ds_object *o, uint8_t *buf, uint64_t *out)
{
	uint64_t at = 0, len, h = digest_mix(0x5067, o->size);
	int err;

	/* A run begins at a cluster's start, since we ask from there. */
	while (!(err = ds_next_data(o, at, &at, &len))) {
		len = MIN(len, DS_CLUSTER);
		err = ds_read(o, at, buf, len);
		if (err)
			return err;
		h = digest_piece(h, at, buf, len);
		at += len;
	}
	*out = h;
	return err == -E_NOENT ? 0 : err;
}

int ds_digest(struct ds_object *o, uint64_t *out)
{
	uint8_t *buf = pages_alloc(DS_IO_ORDER);
	int err;

	if (!buf)
		return -E_NOMEM;
	err = digest_read(o, buf, out);
	pages_free(buf, DS_IO_ORDER);
	return err;
}
