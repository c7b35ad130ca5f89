/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A cold move within one host, from one datastore to another: each disk named is copied
 * and compared; the definition that names the copies, written in one commit, decides, as at
 * the target of any cold move; the old disks go last.
 */
#include "kernel/lib/string.h"
#include "kernel/log.h"
#include "kernel/mem.h"
#include "kernel/store/ds_disk.h"
#include "kernel/store/stores.h"
#include "kernel/time.h"
#include "migrate/cold.h"
#include "migrate/disks.h"
#include "vmm/vm_build.h"
#include "vmm/vm_store.h"

struct here {
	struct move *m;
	struct vm_config *was, *to_be; /* with the disks where they were, and will be */
	uint64_t *a, *b;	       /* a block of each */
	struct vm_disk from;	       /* the disk being copied */
	struct datastore *to;
	struct ds_object *o;
};

static int fail(struct here *h, int err, const char *what)
{
	return stream_fail(&h->m->st, err, "disk %.7s: %s: %s", h->from.cfg.name, what,
			   err_text(err));
}

/* Blocks that an earlier attempt brought are left alone; a hole stays one. */
static int copy_block(struct here *h, struct disk_extent *e, uint64_t at, uint64_t len)
{
	struct move *m = h->m;
	bool hole = disk_hole_at(&h->from, e, at, len);
	int err;

	err = ds_read(h->o, at, h->b, len);
	if (err)
		return fail(h, err, "reading the copy");
	if (hole)
		memset(h->a, 0, len);
	else
		err =
		    blkdev_read(h->from.blk, at / SECTOR_SIZE, (uint32_t)(len / SECTOR_SIZE), h->a);
	if (err)
		return fail(h, err, "reading it");
	if (!memcmp(h->a, h->b, len)) {
		m->p.disk_holes += hole || disk_zeros(h->a, len) ? len : 0;
		return 0;
	}
	if (disk_zeros(h->a, len)) {
		m->p.disk_holes += len;
		err = ds_discard(h->o, at, len);
	} else {
		m->p.disk_sent += len;
		err = ds_write(h->o, at, h->a, len);
	}
	return err ? fail(h, err, "writing the copy") : 0;
}

static int copy_all(struct here *h)
{
	uint64_t size = h->from.blk->sectors * SECTOR_SIZE, unsynced = 0;
	struct disk_extent e = {.from = 0};
	struct move *m = h->m;
	int err = 0;

	for (uint64_t at = 0; !err && at < size; at += STREAM_BLOCK) {
		uint64_t len = MIN(size - at, STREAM_BLOCK);

		if (m->stop)
			return stream_fail(&m->st, -E_CANCELLED, "cancelled by the operator");
		err = copy_block(h, &e, at, len);
		m->p.disk_left -= MIN(m->p.disk_left, len);
		unsynced += len;
		if (!err && unsynced >= COLD_SYNC_BYTES) {
			unsynced = 0;
			err = ds_keep_partial(h->o);
		}
		task_yield();
	}
	return err;
}

/* What is durable there against what is here. */
static int compare(struct here *h)
{
	struct vm_disk copy = {.cfg = h->from.cfg};
	uint64_t mine, theirs;
	struct blkdev *bd;
	int err;

	err = ds_keep_partial(h->o);
	if (err)
		return fail(h, err, "making the copy durable");
	err = ds_disk_receive(h->o, &bd);
	if (err)
		return fail(h, err, "comparing it");
	h->o = NULL; /* bd has it */
	copy.cfg.in_store = 1;
	copy.blk = bd;
	err = disk_digest(h->m, &h->from, h->a, &mine);
	if (!err)
		err = disk_digest(h->m, &copy, h->a, &theirs);
	if (!err && mine != theirs)
		err = fail(h, -E_MISMATCH, "the copy differs");
	ds_disk_close(bd);
	return err;
}

static int make_copy(struct here *h, const char *object)
{
	uint64_t size = h->from.blk->sectors * SECTOR_SIZE;
	struct ds_info info;
	int err;

	if (!ds_find(h->to, object, &info))
		return stream_fail(&h->m->st, -E_EXIST,
				   "disk %.7s: datastore %s has an object %s already",
				   h->from.cfg.name, stores_name(h->to), object);
	h->o = cold_find_part(h->to, object, size);
	err = h->o ? 0 : ds_create(h->to, object, DS_DISK, size, &h->o);
	if (err)
		return fail(h, err, "making the copy");
	err = ds_keep_partial(h->o);
	if (err)
		return fail(h, err, "making the copy");
	err = copy_all(h);
	return err ? err : compare(h);
}

static int move_disk(struct here *h, const struct migrate_disk_option *o)
{
	struct vm *vm = h->m->vm;
	struct vm_disk_config *c = NULL;
	char object[DS_NAME_LEN];
	int err;

	for (unsigned i = 0; i < vm->disk_count && !c; i++)
		if (!strncmp(vm->cfg.disks[i].name, o->disk, sizeof(o->disk))) {
			h->from = vm->disks[i];
			c = &h->to_be->disks[i];
			disk_object_name(&vm->cfg, i, object);
		}
	h->to = stores_find(o->store);
	if (!c)
		return stream_fail(&h->m->st, -E_NOENT, "--disk: the VM has no disk '%.7s'",
				   o->disk);
	if (!h->to)
		return stream_fail(&h->m->st, -E_NOENT, "--disk: no datastore '%.31s' is open here",
				   o->store);
	if (c->in_store && !strcmp(c->local, o->store))
		return stream_fail(&h->m->st, -E_EXIST, "disk %.7s is in datastore %s already",
				   c->name, o->store);
	stores_hold(h->to);
	err = make_copy(h, object);
	ds_put(h->o);
	h->o = NULL;
	stores_release(h->to);
	if (err)
		return err;
	c->shared = 0;
	c->in_store = 1;
	str_copy(c->local, o->store, sizeof(c->local));
	str_copy(c->object, object, sizeof(c->object));
	return 0;
}

/* As at the target of a move between hosts: the same is done again after a restart. */
static int commit(struct here *h)
{
	struct datastore *ds = stores_default();
	struct vm_config *kept = kzalloc(sizeof(*kept));
	struct move *m = h->m;
	char id[COLD_ID_LEN];
	int err = ds ? -E_NOMEM : -E_NOENT;

	move_set_stage(m, STAGE_COMMITMENT);
	if (ds && kept) {
		*kept = *h->to_be;
		stores_hold(ds);
		err = vm_store_take_files(ds, kept);
		if (!err && m->stop)
			err = -E_CANCELLED;
		m->too_late = !err;
		cold_put_id(id, m->uuid);
		if (!err)
			err = cold_arrive_surely(m, ds, kept, id);
		if (!err) {
			memcpy(m->vm->cfg.disks, kept->disks, sizeof(kept->disks));
			cold_finish_surely(m, ds, kept, id);
			cold_settled(ds, kept, id);
		}
		stores_release(ds);
	}
	kfree(kept);
	return err ? move_fail(m, err, "keeping its definition in the default datastore") : 0;
}

static int move_all(struct here *h)
{
	struct move *m = h->m;
	int err;

	if (!m->opt.disk_count)
		return stream_fail(&m->st, -E_INVAL,
				   "a move within this host needs --disk DISK=STORE");
	move_set_stage(m, STAGE_PRE_MIGRATION);
	err = cold_open_disks(m);
	if (err || m->opt.dry_run)
		return err;
	for (unsigned i = 0; i < m->vm->disk_count; i++)
		m->p.disk_total += m->vm->disks[i].blk->sectors * SECTOR_SIZE;
	m->p.disk_left = m->p.disk_total;
	move_set_stage(m, STAGE_PRE_COPY);
	m->p.copying_since_ns = time_ns();
	for (unsigned i = 0; !err && i < m->opt.disk_count; i++)
		err = move_disk(h, &m->opt.disks[i]);
	return err ? err : commit(h);
}

static void remove_old(struct here *h)
{
	const struct vm_config *old = h->was, *now = &h->m->vm->cfg;

	for (uint32_t i = 0; i < old->disk_count; i++) {
		const struct vm_disk_config *d = &old->disks[i];
		int err;

		if (!memcmp(d, &now->disks[i], sizeof(*d)) || disk_has_other_users(now, d))
			continue;
		if (!d->in_store) {
			log_info("migrate: %s: disk %.7s: %s still holds what it held", now->name,
				 d->name, d->shared ? "the shared one" : d->local);
			continue;
		}
		err = cold_remove_object(d->local, d->object);
		if (err)
			log_warn("migrate: %s: disk %.7s: %s in datastore %s takes up space: %s",
				 now->name, d->name, d->object, d->local, err_text(err));
	}
}

void cold_here_task(void *arg)
{
	struct here h = {.m = arg};
	struct move *m = arg;
	struct vm *vm = m->vm;
	bool start;
	int err = -E_NOMEM;

	h.was = kzalloc(sizeof(*h.was));
	h.to_be = kzalloc(sizeof(*h.to_be));
	h.a = kzalloc(STREAM_BLOCK);
	h.b = kzalloc(STREAM_BLOCK);
	if (h.was && h.to_be && h.a && h.b) {
		*h.was = *h.to_be = vm->cfg;
		err = move_all(&h);
	}
	vm_release_disks(vm);
	vm_close_disks(vm);
	move_set_vm_state(vm, VM_OFF);
	if (!err && !m->opt.dry_run && !m->opt.keep)
		remove_old(&h);
	kfree(h.was);
	kfree(h.to_be);
	kfree(h.a);
	kfree(h.b);
	start = !err && m->opt.start && !m->opt.dry_run;
	move_end(m, err);
	if (!err)
		send_log_summary(m);
	if (start && vm_start(vm))
		log_error("migrate: a VM that was moved here could not be started");
}
