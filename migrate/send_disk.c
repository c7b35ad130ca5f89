/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The source's part in copying the disks that are not shared: blocks go in rounds while
 * the guest writes, which vmm/disk_log finds, holes and zeros as runs. Rounds and the stop
 * decision are those of memory (send_round.c).
 */
#include "kernel/lib/format.h"
#include "kernel/lib/string.h"
#include "kernel/log.h"
#include "kernel/mem.h"
#include "kernel/store/ds_disk.h"
#include "kernel/time.h"
#include "migrate/disks.h"

/* What the rounds need, for the largest disk. */
struct disk_copy {
	uint64_t *bits; /* harvested, being sent */
	struct disk_extent extent;
	uint32_t hole_count;
	struct stream_hole holes[STREAM_HOLES_MAX];
};

static int disk_fail(struct move *m, const struct vm_disk *d, int err, const char *what)
{
	return stream_fail(&m->st, err, "disk %.7s: %s: %s", d->cfg.name, what, err_text(err));
}

/* ---- pre-migration and reservation -------------------------------------------------- */

static int find_disk(struct move *m, const char *name)
{
	for (unsigned i = 0; i < m->vm->disk_count; i++)
		if (!strncmp(m->vm->disks[i].cfg.name, name, sizeof(m->vm->disks[i].cfg.name)))
			return (int)i;
	return stream_fail(&m->st, -E_NOENT, "--disk: the VM has no disk '%.7s'", name);
}

/* A plain disk does not say what of it is in use: all of it may be. */
static uint64_t stored_bytes(const struct vm_disk *d)
{
	struct ds_info info;

	if (!d->cfg.in_store)
		return d->blk->sectors * SECTOR_SIZE;
	ds_object_info(ds_disk_object(d->blk), &info);
	return info.stored;
}

/* A shared disk stays where it is, unless a cold move is told where to copy it. */
static int take_along(struct move *m, unsigned disk)
{
	struct vm_disk_config *c = &m->offer->cfg.disks[disk];

	if (!m->cold)
		return stream_fail(&m->st, -E_INVAL, "--disk: %.7s is shared: it stays where it is",
				   c->name);
	m->vm->disks[disk].taken_along = true;
	m->offer->disks[disk].shared = m->offer->disks[disk].deciding = 0;
	c->shared = 0;
	str_copy(c->local, "shared", sizeof(c->local)); /* until the target puts it in a store */
	return 0;
}

int send_disks_offer(struct move *m)
{
	for (unsigned i = 0; i < m->opt.disk_count; i++) {
		const struct migrate_disk_option *o = &m->opt.disks[i];
		int disk = find_disk(m, o->disk), err = 0;

		if (disk < 0)
			return disk;
		if (!disk_is_copied(&m->vm->disks[disk]))
			err = take_along(m, (unsigned)disk);
		if (err)
			return err;
		str_copy(m->offer->disks[disk].store, o->store,
			 sizeof(m->offer->disks[disk].store));
	}
	for (unsigned i = 0; i < m->vm->disk_count; i++)
		if (disk_is_copied(&m->vm->disks[i]))
			m->offer->disks[i].stored = stored_bytes(&m->vm->disks[i]);
	return 0;
}

int send_disks_places(struct move *m)
{
	int err;

	for (unsigned i = 0; i < m->vm->disk_count; i++) {
		struct stream_disk_place place = {.disk = i, .sectors = m->offer->disks[i].sectors};

		if (!disk_is_copied(&m->vm->disks[i]))
			continue;
		memcpy(place.store, m->facts->disks[i].store, sizeof(place.store));
		err = stream_send(&m->st, STREAM_DISK, &place, sizeof(place));
		if (err)
			return err;
	}
	return 0;
}

/* ---- rounds ------------------------------------------------------------------------- */

static int flush_holes(struct move *m, uint32_t disk)
{
	struct stream_disk_holes head = {.disk = disk};
	struct disk_copy *c = m->copy;

	if (!c->hole_count)
		return 0;
	stream_begin(&m->st, STREAM_DISK_HOLES);
	stream_add(&m->st, &head, sizeof(head));
	stream_add(&m->st, c->holes, c->hole_count * sizeof(*c->holes));
	c->hole_count = 0;
	return stream_end(&m->st);
}

static int add_hole(struct move *m, uint32_t disk, uint64_t offset, uint64_t length)
{
	struct disk_copy *c = m->copy;
	struct stream_hole *last = c->hole_count ? &c->holes[c->hole_count - 1] : NULL;
	int err;

	m->p.disk_holes += length;
	if (last && last->offset + last->length == offset) {
		last->length += length;
		return 0;
	}
	if (c->hole_count == STREAM_HOLES_MAX) {
		err = flush_holes(m, disk);
		if (err)
			return err;
	}
	c->holes[c->hole_count++] = (struct stream_hole){.offset = offset, .length = length};
	return 0;
}

/* Read into the record: the bytes that go out are those that its CRC covers. */
static int send_block(struct move *m, uint32_t disk, uint64_t offset, uint64_t length)
{
	struct stream_disk_data head = {.disk = disk, .offset = offset};
	struct vm_disk *d = &m->vm->disks[disk];
	void *data;
	int err;

	if (disk_hole_at(d, &m->copy->extent, offset, length))
		return add_hole(m, disk, offset, length);
	stream_begin(&m->st, STREAM_DISK_DATA);
	stream_add(&m->st, &head, sizeof(head));
	data = stream_grow(&m->st, length);
	err = blkdev_read(d->blk, offset / SECTOR_SIZE, (uint32_t)(length / SECTOR_SIZE), data);
	if (err)
		return disk_fail(m, d, err, "reading it here");
	if (disk_zeros(data, length))
		return add_hole(m, disk, offset, length); /* the record is built anew */
	m->p.disk_sent += length;
	return stream_end(&m->st);
}

static int send_marked(struct move *m, uint32_t disk)
{
	struct vm_disk *d = &m->vm->disks[disk];
	uint64_t *bits = m->copy->bits, size = d->blk->sectors * SECTOR_SIZE;
	int err;

	memset(&m->copy->extent, 0, sizeof(m->copy->extent));
	(void)disk_log_harvest(&d->log, bits);
	for (uint64_t b = 0; b < d->log.blocks; b++) {
		uint64_t at = b * DISK_LOG_BLOCK;

		if (!(bits[b / 64] & BIT(b % 64)))
			continue;
		err = send_block(m, disk, at, MIN(size - at, DISK_LOG_BLOCK));
		if (!err)
			err = send_look_up(m);
		if (err)
			return err;
		bits[b / 64] &= ~BIT(b % 64);
		m->p.disk_left -= MIN(m->p.disk_left, DISK_LOG_BLOCK);
		if (m->p.stage == STAGE_PRE_COPY)
			task_yield();
	}
	return flush_holes(m, disk);
}

int send_disks_round(struct move *m)
{
	int err;

	if (!m->copy)
		return 0;
	m->p.disk_left = send_disks_dirty(m);
	for (unsigned i = 0; i < m->vm->disk_count; i++) {
		struct vm_disk *d = &m->vm->disks[i];

		if (!d->log.on)
			continue;
		err = send_marked(m, i);
		if (err) {
			disk_log_give_back(&d->log, m->copy->bits);
			return err;
		}
	}
	return 0;
}

uint64_t send_disks_dirty(const struct move *m)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < m->vm->disk_count; i++)
		sum += m->vm->disks[i].log.marked * DISK_LOG_BLOCK;
	return sum;
}

static int start_logs(struct move *m, uint64_t *blocks)
{
	int err;

	for (unsigned i = 0; i < m->vm->disk_count; i++) {
		struct vm_disk *d = &m->vm->disks[i];

		if (!disk_is_copied(d))
			continue;
		err = disk_log_start(&d->log, d->blk->sectors);
		if (err)
			return disk_fail(m, d, err, "watching the guest's writes");
		m->p.disk_total += d->blk->sectors * SECTOR_SIZE;
		*blocks = MAX(*blocks, d->log.blocks);
	}
	return 0;
}

int send_disks_watch(struct move *m)
{
	uint64_t blocks = 0;
	int err;

	err = start_logs(m, &blocks);
	if (err || !blocks)
		return err;
	m->copy = kzalloc(sizeof(*m->copy));
	if (m->copy)
		m->copy->bits = kzalloc((blocks + 63) / 64 * sizeof(uint64_t));
	if (!m->copy || !m->copy->bits)
		return stream_fail(&m->st, -E_NOMEM, "no host memory for the move's own tables");
	return 0;
}

/* Everything once, while the guest's memory is not watched yet: that would only slow it down. */
int send_disks_bulk(struct move *m)
{
	char size[16];
	int err;

	err = send_disks_watch(m);
	if (err || !m->copy)
		return err;
	log_info("migrate: %s: copying %s of disks", m->p.vm, format_size(size, m->p.disk_total));
	err = send_disks_round(m);
	if (err)
		return err;
	m->p.disk_left = send_disks_dirty(m);
	log_info("migrate: %s: disks copied once, %llu KiB are dirty again", m->p.vm,
		 (unsigned long long)(m->p.disk_left / KiB));
	return 0;
}

void send_disks_stop(struct move *m)
{
	for (unsigned i = 0; m->vm && i < m->vm->disk_count; i++)
		disk_log_stop(&m->vm->disks[i].log);
	if (m->copy)
		kfree(m->copy->bits);
	kfree(m->copy);
	m->copy = NULL;
}

/* ---- the end ------------------------------------------------------------------------ */

int send_disks_digests(struct move *m, uint64_t digests[VM_MAX_DISKS])
{
	void *buf = kzalloc(DISK_LOG_BLOCK);
	int err = buf ? 0 : -E_NOMEM;

	for (unsigned i = 0; !err && i < m->vm->disk_count; i++) {
		struct vm_disk *d = &m->vm->disks[i];

		if (d->log.on)
			err = disk_digest(m, d, buf, &digests[i]);
	}
	kfree(buf);
	return err;
}

/* A shared disk may have said that the VM went, or the operator; the target has not. */
static bool target_has_it(struct move *m)
{
	if (!m->confirmed)
		m->confirmed = query_peer(m) == ANSWER_COMMITTED;
	return m->confirmed;
}

void send_disks_gone(struct move *m)
{
	for (unsigned i = 0; i < m->vm->disk_count; i++) {
		struct vm_disk *d = &m->vm->disks[i];

		if (!disk_is_copied(d))
			continue;
		if (!d->cfg.in_store)
			log_info("migrate: %s: disk %s: %s still holds what it held at the move",
				 m->p.vm, d->cfg.name, d->cfg.local);
		else if (!target_has_it(m))
			log_warn("migrate: %s: disk %s: %s did not say that it has the VM: when "
				 "you have seen it there, 'disk-delete %s %s' here",
				 m->p.vm, d->cfg.name, m->p.peer, d->cfg.local, d->cfg.object);
		else if (!disk_has_other_users(&m->vm->cfg, &d->cfg))
			ds_disk_give_up(d->blk);
	}
}
