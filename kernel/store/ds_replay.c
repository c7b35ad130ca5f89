/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Checkpoint and log into memory when a store is opened. All of it may be hostile:
 * a record is believed only as far as it fits what came before.
 */
#include "kernel/lib/crc32c.h"
#include "kernel/lib/format.h"
#include "kernel/lib/string.h"
#include "kernel/store/ds_inner.h"

/* Records of bytes length from a sector on, through ds->meta. */
struct reader {
	struct datastore *ds;
	uint64_t sector, left; /* next to read; bytes that were not taken yet */
	uint32_t at, fill;     /* in ds->meta */
	uint64_t work;	       /* map entries that may still be set */
};

static void reader_begin(struct reader *r, struct datastore *ds, uint64_t sector, uint64_t bytes)
{
	*r = (struct reader){.ds = ds, .sector = sector, .left = bytes};
}

/* Makes ds->meta hold at least a byte more. */
static int reader_fill(struct reader *r)
{
	uint64_t want = MIN(r->left, (uint64_t)DS_CLUSTER);
	uint32_t sectors = (uint32_t)((want + SECTOR_SIZE - 1) / SECTOR_SIZE);
	int err = blkdev_read(r->ds->bd, r->sector, sectors, r->ds->meta);

	r->sector += sectors;
	r->at = 0;
	r->fill = (uint32_t)want;
	return err;
}

static int reader_take(struct reader *r, void *dst, uint32_t len)
{
	uint8_t *to = dst;
	int err;

	if (len > r->left)
		return -E_CHECKSUM;
	while (len) {
		uint32_t n;

		if (r->at == r->fill) {
			err = reader_fill(r);
			if (err)
				return err;
		}
		n = MIN(len, r->fill - r->at);
		memcpy(to, r->ds->meta + r->at, n);
		r->at += n;
		r->left -= n;
		to += n;
		len -= n;
	}
	return 0;
}

int ds_records_crc(struct datastore *ds, uint64_t sector, uint64_t bytes, uint32_t *crc)
{
	struct reader r;
	int err;

	*crc = 0;
	reader_begin(&r, ds, sector, bytes);
	while (r.left) {
		err = reader_fill(&r);
		if (err)
			return err;
		*crc = crc32c(*crc, ds->meta, r.fill);
		r.left -= r.fill;
	}
	return 0;
}

static int apply_set(struct datastore *ds, const struct ds_rec_set *r)
{
	struct ds_object *o = ds_by_id(ds, r->h.id), *named;
	int err;

	if (!r->h.id || r->h.id == UINT32_MAX || r->kind < DS_FILE || r->kind > DS_LOG ||
	    r->size > DS_SIZE_MAX || !ds_name_ok(r->name, sizeof(r->name)))
		return -E_CHECKSUM;
	named = ds_live_find(ds, r->name);
	if (named && named != o)
		return -E_CHECKSUM;
	if (o && (o->kind != r->kind || o->family != r->family || o->size > r->size))
		return -E_CHECKSUM;
	if (!o) {
		err = ds_object_new(ds, r->h.id, &o);
		if (err)
			return err == -E_NOSPC ? -E_CHECKSUM : err;
		ds_object_state(o, DS_LIVE);
	}
	o->kind = (enum ds_kind)r->kind;
	o->family = r->family;
	o->size = r->size;
	str_copy(o->name, r->name, sizeof(o->name));
	ds->next_id = MAX(ds->next_id, r->h.id + 1);
	return 0;
}

static int apply_del(struct datastore *ds, const struct ds_record *r)
{
	struct ds_object *o = ds_by_id(ds, r->id);

	if (!o)
		return -E_CHECKSUM;
	ds_object_free(o);
	return 0;
}

static void map_clear(struct ds_object *o, uint32_t index, uint32_t count)
{
	uint32_t cluster, n;

	for (uint32_t end = index + count; index < end; index += n) {
		n = ds_map_run(o, index, end - index, &cluster);
		for (uint32_t i = 0; cluster && i < n; i++) {
			ds_map_set(o, index + i, 0);
			ds_ref_drop(o->ds, cluster + i);
		}
	}
}

static int map_fill(struct ds_object *o, uint32_t index, uint32_t cluster)
{
	uint32_t old = ds_map_get(o, index);
	int err = ds_map_room(o, index);

	if (!err)
		err = ds_ref_add(o->ds, cluster);
	if (err)
		return err == -E_NOSPC ? -E_CHECKSUM : err;
	ds_map_set(o, index, cluster);
	if (old)
		ds_ref_drop(o->ds, old);
	return 0;
}

static int apply_map(struct reader *r, const struct ds_rec_map *m)
{
	struct datastore *ds = r->ds;
	struct ds_object *o = ds_by_id(ds, m->h.id);
	uint32_t clusters;
	int err;

	if (!o || !m->count)
		return -E_CHECKSUM;
	clusters = ds_clusters_of(o->size);
	if (m->index >= clusters || m->count > clusters - m->index)
		return -E_CHECKSUM;
	if (!m->cluster) {
		map_clear(o, m->index, m->count);
		return 0;
	}
	if (m->cluster < ds->at.data || m->cluster >= ds->at.clusters ||
	    m->count > ds->at.clusters - m->cluster || m->count > r->work)
		return -E_CHECKSUM;
	r->work -= m->count;
	for (uint32_t i = 0; i < m->count; i++) {
		err = map_fill(o, m->index + i, m->cluster + i);
		if (err)
			return err;
	}
	return 0;
}

static int apply_next(struct reader *r)
{
	union {
		struct ds_record h;
		struct ds_rec_set set;
		struct ds_rec_map map;
	} rec;
	static const uint16_t sizes[] = {[DS_REC_SET] = sizeof(rec.set),
					 [DS_REC_DEL] = sizeof(rec.h),
					 [DS_REC_MAP] = sizeof(rec.map)};
	int err = reader_take(r, &rec.h, sizeof(rec.h));

	if (err)
		return err;
	if (rec.h.type < DS_REC_SET || rec.h.type > DS_REC_MAP || rec.h.len != sizes[rec.h.type])
		return -E_CHECKSUM;
	err = reader_take(r, &rec.h + 1, (uint32_t)(rec.h.len - sizeof(rec.h)));
	if (err)
		return err;
	if (rec.h.type == DS_REC_SET)
		return apply_set(r->ds, &rec.set);
	if (rec.h.type == DS_REC_DEL)
		return apply_del(r->ds, &rec.h);
	return apply_map(r, &rec.map);
}

/* *work: map entries that these records may set; less what they did set. */
static int records_apply(struct datastore *ds, uint64_t sector, uint64_t bytes, uint64_t *work)
{
	struct reader r;
	int err = 0;

	reader_begin(&r, ds, sector, bytes);
	r.work = *work;
	while (r.left && !err)
		err = apply_next(&r);
	*work = r.work;
	return err;
}

static int replay_fault(int err, char *why, size_t size, const struct datastore *ds,
			const char *what)
{
	if (err == -E_CHECKSUM)
		ksnprintf(why, size, "datastore '%s' is damaged: %s", ds->super.name, what);
	else
		ksnprintf(why, size, "datastore '%s': %s while it was read", ds->super.name,
			  err_text(err));
	return err;
}

/* More map entries than any store of ours has (ds_clone's limit, and what is written after). */
static uint64_t replay_budget(const struct datastore *ds)
{
	return (uint64_t)(DS_SHARE_MAX + 2) * ds->at.clusters;
}

static int replay_checkpoint(struct datastore *ds, char *why, size_t why_size)
{
	uint64_t sector = ds_sector_of(ds->at.area[ds->super.area]);
	uint64_t work = replay_budget(ds);
	uint32_t crc;
	int err = ds_records_crc(ds, sector, ds->super.bytes, &crc);

	if (!err && crc != ds->super.checkpoint_crc)
		err = -E_CHECKSUM;
	if (err)
		return replay_fault(err, why, why_size, ds, "checksum of the checkpoint");
	err = records_apply(ds, sector, ds->super.bytes, &work);
	if (err)
		return replay_fault(err, why, why_size, ds, "a record of the checkpoint");
	return 0;
}

/*
 * The batch at sector head of the log into b, and whether it is a whole one of this generation
 * with number seq or, if later, a higher one. 0, -E_NOENT, -E_IO.
 */
static int batch_read(struct datastore *ds, uint32_t head, uint64_t seq, bool later,
		      struct ds_batch *b)
{
	uint64_t room, sector = ds_sector_of(ds->at.log) + head;
	uint32_t sectors = ds->at.log_count * DS_CLUSTER_SECTORS, crc;
	int err;

	if (head >= sectors)
		return -E_NOENT;
	err = blkdev_read(ds->bd, sector, 1, ds->sector);
	if (err)
		return err;
	memcpy(b, ds->sector, sizeof(*b));
	room = (uint64_t)(sectors - head - 1) * SECTOR_SIZE;
	if (b->magic != DS_BATCH_MAGIC || b->generation != ds->super.generation ||
	    b->crc != ds_batch_crc(&ds->super, b) || b->bytes > room)
		return -E_NOENT;
	if (later ? b->seq <= seq : b->seq != seq)
		return -E_NOENT;
	if (later)
		return 0;
	err = ds_records_crc(ds, sector + 1, b->bytes, &crc);
	if (err)
		return err;
	return crc == b->records_crc ? 0 : -E_NOENT;
}

static uint32_t batch_sectors(const struct ds_batch *b)
{
	return 1 + (uint32_t)((b->bytes + SECTOR_SIZE - 1) / SECTOR_SIZE);
}

/*
 * A batch is written only when the one before is durable: where the log ends because power
 * failed, no later one exists. Where one does, the medium has lost something.
 */
static int log_end_verify(struct datastore *ds, char *why, size_t why_size)
{
	struct ds_batch b;

	for (uint32_t at = ds->log_head; at < ds->at.log_count * DS_CLUSTER_SECTORS; at++) {
		int err = batch_read(ds, at, ds->log_seq, true, &b);

		if (err == -E_NOENT)
			continue;
		return replay_fault(err ? err : -E_CHECKSUM, why, why_size, ds,
				    "a batch of the log is missing");
	}
	return 0;
}

static int replay_log(struct datastore *ds, char *why, size_t why_size)
{
	uint64_t work = replay_budget(ds);
	struct ds_batch b;
	int err;

	while (!(err = batch_read(ds, ds->log_head, ds->log_seq, false, &b))) {
		uint64_t sector = ds_sector_of(ds->at.log) + ds->log_head + 1;

		err = records_apply(ds, sector, b.bytes, &work);
		if (err)
			return replay_fault(err, why, why_size, ds, "a record of the log");
		ds->log_head += batch_sectors(&b);
		ds->log_seq++;
	}
	if (err != -E_NOENT)
		return replay_fault(err, why, why_size, ds, "");
	ds->log_work = replay_budget(ds) - work;
	return log_end_verify(ds, why, why_size);
}

int ds_replay(struct datastore *ds, char *why, size_t why_size)
{
	int err = replay_checkpoint(ds, why, why_size);

	return err ? err : replay_log(ds, why, why_size);
}

int ds_log_verify(struct datastore *ds, char *why, size_t why_size)
{
	uint32_t head = 0;
	struct ds_batch b;

	for (uint64_t seq = 0; seq < ds->log_seq; seq++) {
		int err = batch_read(ds, head, seq, false, &b);

		if (err)
			return replay_fault(err == -E_NOENT ? -E_CHECKSUM : err, why, why_size, ds,
					    "a batch of the log");
		head += batch_sectors(&b);
	}
	if (head != ds->log_head)
		return replay_fault(-E_CHECKSUM, why, why_size, ds, "the length of the log");
	return log_end_verify(ds, why, why_size);
}
