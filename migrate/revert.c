/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Puts a VM back to a snapshot, top to bottom: copies of the snapshot's disks beside the
 * VM's, a note that they are being exchanged, the exchange, the configuration, the note goes,
 * the state. Between note and note a start is refused, and the same revert mends it.
 */
#include "kernel/lib/format.h"
#include "kernel/lib/string.h"
#include "kernel/log.h"
#include "kernel/mem.h"
#include "kernel/time.h"
#include "migrate/save.h"
#include "migrate/snapshot.h"
#include "migrate/validate.h"
#include "vmm/vm_store.h"

#define CLOSE_NS (5 * NS_PER_S) /* a disk that was in use a moment ago is closed by then */
#define WAIT_NS	 (10 * NS_PER_MS)

struct revert {
	struct move *m;
	struct snapshot *s;
	bool held;	/* the stores */
	bool exchanged; /* at least one disk */
};

/* ---- disks -------------------------------------------------------------------------- */

static void part_of(const struct vm_disk_config *d, char out[DS_NAME_LEN])
{
	ksnprintf(out, DS_NAME_LEN, "%s" DS_PART_SUFFIX, d->object);
}

static int disk_failed(struct revert *r, const struct vm_disk_config *d, int err)
{
	return stream_fail(&r->m->st, err, "disk %s: %s in store %s: %s", d->name, d->object,
			   d->local, err_text(err));
}

/* The copy's name is that of an object which is to become d's at its commit. */
static int copy_disk(const struct snapshot *s, const struct vm_disk_config *d)
{
	struct datastore *ds = stores_find(d->local);
	char from[DS_NAME_LEN], part[DS_NAME_LEN];
	int err;

	if (strlen(d->object) + sizeof(DS_PART_SUFFIX) > DS_NAME_LEN)
		return -E_RANGE;
	snapshot_object(from, s->vm, s->name, d->name);
	part_of(d, part);
	err = ds_remove(ds, part); /* of a revert that was cut off */
	if (err && err != -E_NOENT)
		return err;
	return ds_clone(ds, from, part);
}

static void drop_copies(const struct snapshot *s)
{
	char part[DS_NAME_LEN];

	for (unsigned i = 0; i < s->cfg.disk_count; i++) {
		const struct vm_disk_config *d = &s->cfg.disks[i];
		int err;

		if (!snapshot_has_disk(d))
			continue;
		part_of(d, part);
		err = ds_remove(stores_find(d->local), part);
		if (err && err != -E_NOENT)
			log_warn("snapshot: %s: %s stays: %s", s->vm, part, err_text(err));
	}
}

static int copy_disks(struct revert *r)
{
	int err = 0;

	for (unsigned i = 0; !err && i < r->s->cfg.disk_count; i++) {
		const struct vm_disk_config *d = &r->s->cfg.disks[i];

		if (!snapshot_has_disk(d))
			continue;
		err = copy_disk(r->s, d);
		if (err)
			disk_failed(r, d, err);
	}
	return err;
}

/* One step: the copy is d's, and the old one is gone. */
static int exchange_disk(const struct vm_disk_config *d)
{
	uint64_t deadline = time_ns() + CLOSE_NS;
	char part[DS_NAME_LEN];
	struct ds_object *o;
	int err;

	part_of(d, part);
	err = ds_get(stores_find(d->local), part, &o);
	if (err)
		return err;
	for (;;) {
		err = ds_commit(o);
		if (err != -E_BUSY || time_ns() >= deadline)
			break;
		task_sleep_until(time_ns() + WAIT_NS);
	}
	ds_put(o);
	return err;
}

static int exchange_disks(struct revert *r)
{
	int err = 0;

	for (unsigned i = 0; !err && i < r->s->cfg.disk_count; i++) {
		const struct vm_disk_config *d = &r->s->cfg.disks[i];

		if (!snapshot_has_disk(d))
			continue;
		err = exchange_disk(d);
		if (err)
			disk_failed(r, d, err);
		else
			r->exchanged = true;
	}
	return err;
}

/* ---- the note ----------------------------------------------------------------------- */

static int note(const struct snapshot *s)
{
	char object[DS_NAME_LEN];

	ksnprintf(object, sizeof(object), REVERT_PREFIX "%s", s->vm);
	return ds_write_whole(s->home, object, s->name, strlen(s->name));
}

/* Also what another snapshot's revert left, in whichever store. */
static int remove_note(const struct snapshot *s)
{
	char object[DS_NAME_LEN];
	struct datastore *ds;
	int err = 0;

	ksnprintf(object, sizeof(object), REVERT_PREFIX "%s", s->vm);
	while (!err && (ds = stores_holding(object)))
		err = ds_remove(ds, object);
	return err;
}

/* ---- the VM ------------------------------------------------------------------------- */

/* One that is kept is kept as it is now. */
static void keep_again(struct vm *vm)
{
	char object[DS_NAME_LEN], why[160];
	struct ds_info info;

	ksnprintf(object, sizeof(object), "vm/%s/vm.conf", vm->cfg.name);
	if (!stores_default() || ds_find(stores_default(), object, &info))
		return;
	if (vm_store_keep(vm, why, sizeof(why)))
		log_warn("snapshot: %s: its definition in the datastore stays as it was: %s",
			 vm->cfg.name, why);
}

/* Defined as the snapshot says, off, and nobody else's: serving. */
static int define_anew(struct revert *r)
{
	struct vm *vm = vm_find(r->s->vm);
	int err;

	if (vm) {
		vm->serving = false; /* ours; nothing blocks before it is defined again */
		err = vm_undefine(vm);
		if (err)
			return move_fail(r->m, err, "replacing the VM that is off");
	}
	err = vm_define(&r->s->cfg, &vm);
	if (err)
		return move_fail(r->m, err, "defining the VM as it was");
	vm->serving = true;
	keep_again(vm);
	return 0;
}

static int put_back(struct revert *r)
{
	bool half = stores_reverting(r->s->vm); /* since an earlier one */
	int err;

	err = copy_disks(r);
	if (!err) {
		err = note(r->s);
		if (err)
			move_fail(r->m, err, "noting that it is begun");
	}
	if (!err)
		err = exchange_disks(r);
	if (err) {
		drop_copies(r->s);
		if (!half && !r->exchanged && remove_note(r->s))
			log_warn("snapshot: %s: the note stays that its revert was cut off: "
				 "'revert' again",
				 r->s->vm);
		return err;
	}
	err = define_anew(r);
	if (err)
		return err;
	err = remove_note(r->s);
	return err ? move_fail(r->m, err, "noting that the disks are put back") : 0;
}

/* It is there still, and its stores stay open. */
static int hold(struct revert *r)
{
	char why[160];

	if (snapshot_home(r->s->vm, r->s->name) != r->s->home)
		return stream_fail(&r->m->st, -E_NOENT, "the snapshot was removed");
	r->held = snapshot_hold(r->s, why, sizeof(why));
	return r->held ? 0 : stream_fail(&r->m->st, -E_NOENT, "%s", why);
}

static int revert_vm(struct revert *r)
{
	struct vm *vm;
	int err;

	snapshot_lock();
	err = hold(r);
	if (err)
		return err;
	vm = vm_find(r->s->vm);
	if (vm)
		vm_destroy(vm);
	err = put_back(r);
	if (!err)
		log_info("snapshot: %s: disks and configuration are those of %s", r->s->vm,
			 r->s->name);
	return err;
}

/* A snapshot of one that was off has none. */
static int restore_state(struct revert *r)
{
	char object[DS_NAME_LEN];
	struct ds_info info;
	struct move *m = r->m;
	int err;

	snapshot_object(object, r->s->vm, r->s->name, SNAPSHOT_STATE);
	if (ds_find(r->s->home, object, &info))
		return 0;
	err = restore_reverted(m, r->s->vm, r->s->home, object);
	if (err)
		log_warn("snapshot: %s: its disks are put back, its memory is not: 'revert' again, "
			 "or 'start' boots it",
			 r->s->vm);
	return err;
}

static void revert_task(void *arg)
{
	struct revert *r = arg;
	struct move *m = r->m;
	struct vm *vm;
	int err;

	err = revert_vm(r);
	if (!err)
		err = restore_state(r);
	else
		log_warn("snapshot: %s: not reverted to %s: %s", r->s->vm, r->s->name,
			 m->st.reason[0] ? m->st.reason : err_text(err));
	vm = vm_find(r->s->vm);
	if (vm)
		vm->serving = false;
	if (r->held)
		snapshot_release(r->s);
	snapshot_unlock();
	kfree(r->s);
	kfree(r);
	vm = err ? NULL : m->vm; /* it runs again */
	move_end(m, err);
	if (vm)
		validate_later(vm);
}

/* ---- beginning ---------------------------------------------------------------------- */

/* It may be another host's: that must be known before it is another one here (migrate/cold.h). */
static bool is_leaving(const char *name)
{
	char object[DS_NAME_LEN];

	ksnprintf(object, sizeof(object), LEAVING_PREFIX "%.31s", name);
	return stores_holding(object);
}

/* What may be known before anything is touched. Does not block. */
static int may_revert(const char *name, bool force, char *why, size_t why_size)
{
	const struct vm *vm = vm_find(name);

	if (is_leaving(name)) {
		ksnprintf(why, why_size,
			  "a cold move of it is not over; 'migrate-status' shows it");
		return -E_BUSY;
	}
	if (move_any_active() || (vm && (vm->move_under_way || vm->serving))) {
		ksnprintf(why, why_size, "another move, save or snapshot is under way here");
		return -E_BUSY;
	}
	if (!vm && !force) {
		ksnprintf(why, why_size,
			  "it is not defined here: if it runs at another host, there are two of it "
			  "afterwards; --force insists");
		return -E_NOENT;
	}
	if (vm && vm->state != VM_OFF && !force) {
		ksnprintf(why, why_size,
			  "it is %s: 'shutdown' or 'destroy' it first, or add --force",
			  vm_state_name(vm->state));
		return -E_STATE;
	}
	if (vm && vm->state != VM_OFF && vm->state != VM_RUNNING && vm->state != VM_PAUSED &&
	    vm->state != VM_CRASHED) {
		ksnprintf(why, why_size, "it is %s", vm_state_name(vm->state));
		return -E_STATE;
	}
	return 0;
}

static int begin(struct revert *r, uint32_t *id)
{
	struct vm *vm = vm_find(r->s->vm);
	struct move *m = move_create(MOVE_TARGET);

	if (!m)
		return -E_NOMEM;
	r->m = m;
	m->p.kind = MOVE_REVERT;
	str_copy(m->p.vm, r->s->vm, sizeof(m->p.vm));
	str_copy(m->p.peer, stores_name(r->s->home), sizeof(m->p.peer));
	if (!task_create("revert", revert_task, r)) {
		move_end(m, -E_NOMEM);
		return -E_NOMEM;
	}
	if (vm)
		vm->serving = true; /* until it is as it was: no command may come between */
	*id = m->id;
	return 0;
}

static int read_and_begin(struct revert *r, const char *vm, const char *name, bool force,
			  uint32_t *id, char *why, size_t why_size)
{
	struct datastore *home = snapshot_home(vm, name);
	int err;

	ksnprintf(why, why_size, "no open datastore has that snapshot; 'snapshots' lists them");
	if (!home)
		return -E_NOENT;
	stores_hold(home);
	err = snapshot_read(home, vm, name, SNAPSHOT_CONF, r->s, why, why_size);
	stores_release(home);
	if (err)
		return err;
	err = may_revert(vm, force, why, why_size); /* again: reading blocked */
	if (err)
		return err;
	ksnprintf(why, why_size, "out of memory");
	return begin(r, id);
}

int revert_start(const char *vm, const char *name, bool force, uint32_t *id, char *why,
		 size_t why_size)
{
	struct revert *r;
	int err;

	err = may_revert(vm, force, why, why_size);
	if (err)
		return err;
	r = kzalloc(sizeof(*r));
	if (r)
		r->s = kzalloc(sizeof(*r->s));
	if (!r || !r->s) {
		ksnprintf(why, why_size, "out of memory");
		err = -E_NOMEM;
	} else {
		err = read_and_begin(r, vm, name, force, id, why, why_size);
	}
	if (!err)
		return 0;
	if (r)
		kfree(r->s);
	kfree(r);
	return err;
}
