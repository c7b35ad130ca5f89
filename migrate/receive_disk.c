/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The target's part in copying disks. Each becomes a new object in a datastore here,
 * which nobody sees or writes to before commitment, and which is gone if the move is not
 * completed. Offsets and lengths are the peer's: bounds first.
 */
#include "kernel/lib/string.h"
#include "kernel/log.h"
#include "kernel/mem.h"
#include "kernel/store/ds_disk.h"
#include "kernel/store/stores.h"
#include "migrate/disks.h"
#include "migrate/measure.h"
#include "migrate/cold.h"

void receive_disk_fact(const struct stream_offer *o, unsigned disk, struct stream_disk_fact *f)
{
	const char *wanted = o->disks[disk].store;
	char name[DS_NAME_LEN];
	struct datastore *ds;
	struct ds_stat stat;
	struct ds_info info;

	if (strnlen(wanted, sizeof(o->disks[disk].store)) == sizeof(o->disks[disk].store)) {
		f->err = -E_INVAL;
		return;
	}
	ds = wanted[0] ? stores_find(wanted) : stores_default();
	if (!ds) {
		f->err = -E_NOENT;
		return;
	}
	str_copy(f->store, stores_name(ds), sizeof(f->store));
	ds_status(ds, &stat);
	f->free = stat.free;
	disk_object_name(&o->cfg, disk, name);
	f->taken = !ds_find(ds, name, &info);
	str_copy(name + strlen(name), DS_PART_SUFFIX, sizeof(name) - strlen(name));
	f->part = o->flags & OFFER_COLD && !ds_find(ds, name, &info) &&
		  info.size == o->disks[disk].sectors * SECTOR_SIZE;
	if (o->flags & OFFER_MEASURE)
		measure_store(ds, &f->speed);
}

/* ---- reservation -------------------------------------------------------------------- */

static int check_place(struct receiver *rx, const struct stream_disk_place *p)
{
	struct move *m = rx->m;

	if (m->from_store || p->disk >= m->offer->cfg.disk_count || m->copied & (1u << p->disk) ||
	    m->offer->cfg.disks[p->disk].shared)
		return stream_fail(&m->st, -E_PROTO,
				   "DISK names disk %u, which is not to be copied", p->disk);
	if (!p->sectors || p->sectors != m->offer->disks[p->disk].sectors ||
	    p->sectors > DS_SIZE_MAX / SECTOR_SIZE)
		return stream_fail(&m->st, -E_RANGE, "DISK %u of %llu sectors, offered were %llu",
				   p->disk, (unsigned long long)p->sectors,
				   (unsigned long long)m->offer->disks[p->disk].sectors);
	if (strnlen(p->store, sizeof(p->store)) == sizeof(p->store))
		return stream_fail(&m->st, -E_PROTO, "DISK %u: its store's name has no end",
				   p->disk);
	return 0;
}

int receive_disk_place(struct receiver *rx, const struct stream_record *r)
{
	struct stream_disk_place p;
	struct vm_disk_config *c;
	struct move *m = rx->m;
	struct datastore *ds;
	struct ds_info info;
	int err;

	memcpy(&p, r->payload, sizeof(p));
	err = check_place(rx, &p);
	if (err)
		return err;
	c = &m->offer->cfg.disks[p.disk];
	ds = stores_find(p.store);
	if (!ds)
		return stream_fail(&m->st, -E_NOENT, "disk %.7s: no datastore '%s' is open here",
				   c->name, p.store);
	disk_object_name(&m->offer->cfg, p.disk, c->object);
	err = ds_find(ds, c->object, &info) ? 0 : -E_EXIST;
	if (!err && m->cold)
		rx->disks[p.disk] = cold_find_part(ds, c->object, p.sectors * SECTOR_SIZE);
	if (rx->disks[p.disk])
		rx->resumed |= 1u << p.disk;
	else if (!err)
		err =
		    ds_create(ds, c->object, DS_DISK, p.sectors * SECTOR_SIZE, &rx->disks[p.disk]);
	if (err)
		return stream_fail(&m->st, err, "disk %.7s: making %s in datastore %s: %s", c->name,
				   c->object, p.store, err_text(err));
	str_copy(c->local, p.store, sizeof(c->local));
	c->in_store = 1;
	m->copied |= 1u << p.disk;
	m->p.disk_total += p.sectors * SECTOR_SIZE;
	return 0;
}

int receive_disks_placed(struct receiver *rx)
{
	const struct vm_config *cfg = &rx->m->offer->cfg;

	for (unsigned i = 0; i < cfg->disk_count; i++)
		if (!cfg->disks[i].shared && !(rx->m->copied & (1u << i)))
			return stream_fail(&rx->m->st, -E_PROTO,
					   "RESERVE came before the place of disk %.7s",
					   cfg->disks[i].name);
	return 0;
}

void receive_disks_undo(struct receiver *rx)
{
	for (unsigned i = 0; i < ARRAY_SIZE(rx->disks); i++) {
		ds_put(rx->disks[i]);
		rx->disks[i] = NULL;
	}
}

/* ---- contents ----------------------------------------------------------------------- */

/* The disk, if the range lies within it and is whole sectors; else NULL, with words. */
static struct vm_disk *find_range(struct move *m, uint32_t disk, uint64_t offset, uint64_t length)
{
	struct vm_disk *d = disk < m->vm->disk_count ? &m->vm->disks[disk] : NULL;
	uint64_t size;

	if (!d || !(m->copied & (1u << disk))) {
		(void)stream_fail(&m->st, -E_PROTO, "data came for disk %u, which is not copied",
				  disk);
		return NULL;
	}
	size = d->blk->sectors * SECTOR_SIZE;
	if (length && !(offset % SECTOR_SIZE) && !(length % SECTOR_SIZE) && offset < size &&
	    length <= size - offset)
		return d;
	(void)stream_fail(&m->st, -E_RANGE,
			  "disk %.7s: %llu bytes at %llu came, it has %llu and whole sectors",
			  d->cfg.name, (unsigned long long)length, (unsigned long long)offset,
			  (unsigned long long)size);
	return NULL;
}

static int write_failed(struct move *m, const struct vm_disk *d, int err)
{
	if (err == -E_NOSPC)
		return stream_fail(&m->st, err,
				   "disk %.7s: datastore %.31s is full; make room or "
				   "name another one with --disk",
				   d->cfg.name, d->cfg.local);
	return stream_fail(&m->st, err, "disk %.7s: writing to datastore %.31s: %s", d->cfg.name,
			   d->cfg.local, err_text(err));
}

int receive_disk_data(struct move *m, const struct stream_record *r)
{
	struct stream_disk_data head;
	uint64_t length = r->length - sizeof(head);
	struct vm_disk *d;
	int err;

	memcpy(&head, r->payload, sizeof(head));
	d = find_range(m, head.disk, head.offset, length);
	if (!d)
		return -E_PROTO;
	err = ds_write(ds_disk_object(d->blk), head.offset, r->payload + sizeof(head), length);
	if (err)
		return write_failed(m, d, err);
	m->p.disk_sent += length;
	return 0;
}

/* Holes are whole clusters, or end with the disk: what ds_discard can make of them. */
static int make_hole(struct move *m, struct vm_disk *d, const struct stream_hole *h)
{
	uint64_t end = h->offset + h->length;
	int err;

	if (h->offset % DS_CLUSTER || (end % DS_CLUSTER && end != d->blk->sectors * SECTOR_SIZE))
		return stream_fail(&m->st, -E_PROTO,
				   "disk %.7s: a hole of %llu bytes at %llu is not whole clusters",
				   d->cfg.name, (unsigned long long)h->length,
				   (unsigned long long)h->offset);
	err = ds_discard(ds_disk_object(d->blk), h->offset, h->length);
	if (err)
		return write_failed(m, d, err);
	m->p.disk_holes += h->length;
	return 0;
}

/* As ZERO_RUNS: a record may name each byte of the disk once at most. */
int receive_disk_holes(struct move *m, const struct stream_record *r)
{
	struct stream_disk_holes head;
	uint64_t left = UINT64_MAX;

	memcpy(&head, r->payload, sizeof(head));
	if ((r->length - sizeof(head)) % sizeof(struct stream_hole))
		return stream_fail(&m->st, -E_PROTO,
				   "record DISK_HOLES is %u bytes long, not whole runs", r->length);
	for (uint32_t at = sizeof(head); at < r->length; at += sizeof(struct stream_hole)) {
		struct stream_hole h;
		struct vm_disk *d;
		int err;

		memcpy(&h, r->payload + at, sizeof(h));
		d = find_range(m, head.disk, h.offset, h.length);
		if (!d)
			return -E_RANGE;
		left = MIN(left, d->blk->sectors * SECTOR_SIZE);
		if (h.length > left)
			return stream_fail(&m->st, -E_RANGE,
					   "DISK_HOLES names more than disk %.7s has", d->cfg.name);
		left -= h.length;
		err = make_hole(m, d, &h);
		if (err)
			return err;
	}
	return 0;
}

/* ---- the end ------------------------------------------------------------------------ */

int receive_disks_compare(struct move *m, const uint64_t digests[VM_MAX_DISKS], uint32_t *differ)
{
	void *buf = kzalloc(DISK_LOG_BLOCK);
	int err = 0;

	if (!buf)
		return stream_fail(&m->st, -E_NOMEM, "no host memory for the move's own tables");
	*differ = 0;
	for (unsigned i = 0; !err && i < m->vm->disk_count; i++) {
		struct vm_disk *d = &m->vm->disks[i];
		uint64_t mine = 0;

		if (!(m->copied & (1u << i)))
			continue;
		err = disk_digest(m, d, buf, &mine);
		if (!err && mine != digests[i])
			*differ |= 1u << i;
	}
	kfree(buf);
	return err;
}

int receive_disks_keep(struct move *m)
{
	int err;

	for (unsigned i = 0; i < m->vm->disk_count; i++) {
		struct vm_disk *d = &m->vm->disks[i];

		if (!(m->copied & (1u << i)))
			continue;
		err = ds_disk_keep(d->blk);
		if (err)
			return write_failed(m, d, err);
	}
	return 0;
}

void receive_disks_commit(struct move *m)
{
	for (unsigned i = 0; i < m->vm->disk_count; i++) {
		struct vm_disk *d = &m->vm->disks[i];
		int err;

		if (!(m->copied & (1u << i)))
			continue;
		err = ds_disk_commit(d->blk);
		if (err)
			log_error(
			    "migrate: %s: disk %s: %s in datastore %s keeps the name %s%s: %s; "
			    "it is whole: rename it before the VM starts again",
			    m->p.vm, d->cfg.name, d->cfg.object, d->cfg.local, d->cfg.object,
			    DS_PART_SUFFIX, err_text(err));
	}
}
