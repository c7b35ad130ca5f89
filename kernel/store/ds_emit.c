/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Records of a checkpoint or of a log batch, gathered in a buffer and written as
 * it fills. How many bytes they will be is known beforehand.
 */
#include "kernel/lib/crc32c.h"
#include "kernel/lib/string.h"
#include "kernel/store/ds_inner.h"

void ds_writer_begin(struct ds_writer *w, struct datastore *ds, uint64_t sector, uint64_t end)
{
	*w = (struct ds_writer){.ds = ds, .sector = sector, .end = end};
}

static void writer_flush(struct ds_writer *w)
{
	uint32_t sectors = (w->fill + SECTOR_SIZE - 1) / SECTOR_SIZE;

	if (w->err || !sectors)
		return;
	memset(w->ds->meta + w->fill, 0, sectors * SECTOR_SIZE - w->fill);
	if (w->end - w->sector < sectors)
		w->err = -E_NOSPC;
	else
		w->err = blkdev_write(w->ds->bd, w->sector, sectors, w->ds->meta);
	w->sector += sectors;
	w->fill = 0;
}

static void writer_put(struct ds_writer *w, const void *record, uint32_t len)
{
	const uint8_t *from = record;

	w->crc = crc32c(w->crc, record, len);
	w->bytes += len;
	while (len && !w->err) {
		uint32_t n = MIN(len, (uint32_t)DS_CLUSTER - w->fill);

		memcpy(w->ds->meta + w->fill, from, n);
		w->fill += n;
		from += n;
		len -= n;
		if (w->fill == DS_CLUSTER)
			writer_flush(w);
	}
}

int ds_writer_end(struct ds_writer *w)
{
	writer_flush(w);
	return w->err;
}

static void emit_set(struct ds_writer *w, const struct ds_object *o)
{
	struct ds_rec_set r = {
	    .h = {DS_REC_SET, sizeof(r), o->id},
	    .kind = o->kind,
	    .family = o->family,
	    .size = o->size,
	};

	str_copy(r.name, o->name, sizeof(r.name));
	writer_put(w, &r, sizeof(r));
}

static void emit_map(struct ds_writer *w, const struct ds_object *o)
{
	uint32_t end = ds_clusters_of(o->size), cluster, n;

	for (uint32_t i = 0; i < end && !w->err; i += n) {
		n = ds_map_run(o, i, end - i, &cluster);
		if (cluster) {
			struct ds_rec_map r = {{DS_REC_MAP, sizeof(r), o->id}, i, cluster, n, 0};

			writer_put(w, &r, sizeof(r));
		}
	}
}

void ds_emit_all(struct ds_writer *w)
{
	struct list *n;

	list_for_each (n, &w->ds->objects) {
		const struct ds_object *o = list_entry(n, struct ds_object, node);

		if (o->state != DS_LIVE)
			continue;
		emit_set(w, o);
		emit_map(w, o);
	}
}

/* Sizes first: a replay refuses a MAP record beyond its object's end. */
void ds_emit_batch(struct ds_writer *w, const struct ds_change *ch)
{
	struct datastore *ds = w->ds;
	struct list *n;

	list_for_each (n, &ds->objects) {
		const struct ds_object *o = list_entry(n, struct ds_object, node);

		if (o->state == DS_LIVE && o->dirty)
			emit_set(w, o);
	}
	for (uint32_t i = 0; i < ds->batch_count; i++)
		writer_put(w, &ds->batch[i], sizeof(ds->batch[i]));
	if (!ch)
		return;
	if (ch->del) {
		struct ds_record r = {DS_REC_DEL, sizeof(r), ch->del};

		writer_put(w, &r, sizeof(r));
	}
	if (ch->set)
		emit_set(w, ch->set);
	if (ch->set && ch->with_map)
		emit_map(w, ch->set);
}

uint64_t ds_bytes_of(uint64_t objects, uint64_t runs)
{
	return objects * sizeof(struct ds_rec_set) + runs * sizeof(struct ds_rec_map);
}

uint64_t ds_batch_bytes(struct datastore *ds, const struct ds_change *ch)
{
	uint64_t sets = 0, maps = ds->batch_count, bytes = 0;
	struct list *n;

	list_for_each (n, &ds->objects) {
		const struct ds_object *o = list_entry(n, struct ds_object, node);

		sets += o->state == DS_LIVE && o->dirty;
	}
	if (ch && ch->del)
		bytes = sizeof(struct ds_record);
	if (ch && ch->set)
		sets++;
	if (ch && ch->set && ch->with_map)
		maps += ch->set->runs;
	return bytes + ds_bytes_of(sets, maps);
}
