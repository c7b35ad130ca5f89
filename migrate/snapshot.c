/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Takes a snapshot, top to bottom: note what is begun, stop the guest, clone its disks,
 * write its state, let it go on, note that all is there. Any error, and power lost at
 * any moment, leaves something that is not complete: it is not listed, and removed.
 */
#include "migrate/snapshot.h"

#include "kernel/lib/format.h"
#include "kernel/lib/string.h"
#include "kernel/log.h"
#include "kernel/mem.h"
#include "kernel/rtc.h"
#include "kernel/time.h"
#include "kernel/entropy.h"
#include "migrate/save.h"

/* ---- its parts ---------------------------------------------------------------------- */

static int clone_disks(struct taking *t)
{
	const struct snapshot *s = t->s;
	char object[DS_NAME_LEN];
	int err = 0;

	for (unsigned i = 0; !err && i < s->cfg.disk_count; i++) {
		const struct vm_disk_config *d = &s->cfg.disks[i];
		struct datastore *ds = stores_find(d->local);

		if (!snapshot_has_disk(d))
			continue;
		snapshot_object(object, s->vm, s->name, d->name);
		err = ds_remove(ds, object); /* of one that was lost with its configuration */
		if (!err || err == -E_NOENT)
			err = ds_clone(ds, d->object, object);
		if (err)
			stream_fail(&t->m->st, err, "disk %s: cloning %s in store %s: %s", d->name,
				    d->object, d->local, err_text(err));
	}
	return err;
}

/* A guest's disks, flushed, and its memory are of one moment: it stands still from the pause on. */
static int take_state(struct taking *t, struct save_object *to)
{
	struct move *m = t->m;
	int err;

	m->ho.vm = m->vm;
	err = send_pause_guest(m);
	if (err)
		return err;
	m->stopped_wall_s = rtc_now();
	err = clone_disks(t);
	if (err || t->skipped)
		return err;
	err = save_object_write(m, to, false);
	return err ? err : ds_commit(to->object);
}

static int take_from_guest(struct taking *t)
{
	struct save_object to = {.ds = t->s->home};
	char object[DS_NAME_LEN];
	int err;

	err = send_alloc(t->m);
	if (err)
		return err;
	snapshot_object(object, t->s->vm, t->s->name, SNAPSHOT_STATE);
	err = save_object_open(t->m, &to, t->s->home, object);
	if (!err)
		err = take_state(t, &to);
	save_object_close(&to);
	return save_worded(t->m, t->s->home, err);
}

static int take_parts(struct taking *t)
{
	struct move *m = t->m;
	int err;

	move_set_stage(m, STAGE_PRE_MIGRATION);
	err = snapshot_begin(t->s);
	if (err)
		return move_fail(m, err, "noting that it is begun");
	if (m->vm->state == VM_OFF)
		err = clone_disks(t);
	else
		err = take_from_guest(t);
	if (m->paused_ns) {
		m->p.measured_ns = time_ns() - m->paused_ns;
		send_resume_here(m);
	}
	if (err)
		return err;
	err = snapshot_complete(t->s);
	return err ? move_fail(m, err, "noting that it is complete") : 0;
}

static int take(struct taking *t)
{
	struct move *m = t->m;
	char why[160];
	int err;

	snapshot_lock();
	snapshots_clean();
	if (snapshot_home(t->s->vm, t->s->name)) {
		err = stream_fail(&m->st, -E_EXIST, "there is a snapshot '%s' already", t->s->name);
	} else if (!snapshot_hold(t->s, why, sizeof(why))) {
		err = stream_fail(&m->st, -E_NOENT, "%s", why);
	} else {
		err = take_parts(t);
		snapshot_release(t->s);
		if (err && snapshot_discard(t->s))
			log_warn("snapshot: %s: what there is of %s is removed later", t->s->vm,
				 t->s->name);
	}
	snapshot_unlock();
	return err;
}

/* ---- what can be known before ------------------------------------------------------- */

static const char *disk_where(const struct vm_disk_config *d, char out[48])
{
	if (d->shared)
		ksnprintf(out, 48, "AoE target e%u.%u", d->shelf, d->slot);
	else
		ksnprintf(out, 48, "local disk %s", d->local);
	return out;
}

/* The first disk that would not be in it, or NULL. */
static const struct vm_disk_config *disk_outside(const struct vm_config *cfg)
{
	for (unsigned i = 0; i < cfg->disk_count; i++)
		if (!cfg->disks[i].in_store)
			return &cfg->disks[i];
	return NULL;
}

static bool name_ok(const char *name)
{
	return ds_name_ok(name, SNAPSHOT_NAME_LEN) && !strchr(name, '/');
}

int snapshot_describe(struct taking *t, const struct vm *vm, const char *name, bool skip_disks,
		      char *why, size_t why_size)
{
	const struct vm_disk_config *outside = disk_outside(&vm->cfg);
	struct snapshot *s = t->s;
	char where[48];

	s->home = stores_default();
	s->taken_s = rtc_now();
	s->cfg = vm->cfg;
	t->skipped = outside;
	str_copy(s->vm, vm->cfg.name, sizeof(s->vm));
	str_copy(s->name, name, sizeof(s->name));
	str_copy(s->host, peers_self()->name, sizeof(s->host));
	if (!s->home) {
		ksnprintf(why, why_size, "no datastore is open here; 'stores' shows why");
		return -E_NOENT;
	}
	if (outside && !skip_disks) {
		ksnprintf(why, why_size,
			  "disk %s is in no datastore (%s): back it up where it is, and add "
			  "--skip-disks to leave such disks, and memory, out",
			  outside->name, disk_where(outside, where));
		return -E_NOTSUP;
	}
	return 0;
}

static void log_outside(const struct taking *t)
{
	char where[48];

	for (unsigned i = 0; i < t->s->cfg.disk_count; i++)
		if (!t->s->cfg.disks[i].in_store)
			log_warn("snapshot: %s: disk %s is not in %s: %s; memory is not either",
				 t->s->vm, t->s->cfg.disks[i].name, t->s->name,
				 disk_where(&t->s->cfg.disks[i], where));
}

/* ---- by command --------------------------------------------------------------------- */

void taking_free(struct taking *t)
{
	if (t)
		kfree(t->s);
	kfree(t);
}

struct taking *taking_create(void)
{
	struct taking *t = kzalloc(sizeof(*t));

	if (t)
		t->s = kzalloc(sizeof(*t->s));
	if (t && t->s)
		return t;
	taking_free(t);
	return NULL;
}

static void say_how(const struct taking *t, int err)
{
	const struct move *m = t->m;

	if (err) {
		log_warn("snapshot: %s: %s was not taken: %s", t->s->vm, t->s->name,
			 m->st.reason[0] ? m->st.reason : err_text(err));
		return;
	}
	log_outside(t);
	log_info("snapshot: %s: %s taken, in store %s", t->s->vm, t->s->name,
		 stores_name(t->s->home));
}

int snapshot_take(struct taking *t)
{
	int err = take(t);

	say_how(t, err);
	return err;
}

static void snapshot_task(void *arg)
{
	struct taking *t = arg;
	struct move *m = t->m;
	int err = snapshot_take(t);

	taking_free(t);
	move_end(m, err);
}

static int begin(struct taking *t, struct vm *vm, uint32_t *id)
{
	struct move *m = move_create(MOVE_SOURCE);

	if (!m)
		return -E_NOMEM;
	t->m = m;
	m->vm = vm;
	m->p.kind = MOVE_SNAPSHOT;
	m->unhurried = true;
	entropy_fill(m->uuid, sizeof(m->uuid));
	str_copy(m->p.vm, vm->cfg.name, sizeof(m->p.vm));
	str_copy(m->p.peer, stores_name(t->s->home), sizeof(m->p.peer));
	vm->move = m;
	vm->move_under_way = true;
	if (!task_create("snapshot", snapshot_task, t)) {
		move_end(m, -E_NOMEM);
		return -E_NOMEM;
	}
	*id = m->id;
	return 0;
}

int snapshot_start(struct vm *vm, const char *name, bool skip_disks, uint32_t *id, char *why,
		   size_t why_size)
{
	struct taking *t;
	int err;

	ksnprintf(why, why_size, "its name: expected 1 to %u of [a-zA-Z0-9._-]",
		  SNAPSHOT_NAME_LEN - 1);
	if (!name_ok(name))
		return -E_INVAL;
	ksnprintf(why, why_size, "another move, save or snapshot is under way here");
	if (vm->move_under_way || vm->serving || move_any_active())
		return -E_BUSY;
	ksnprintf(why, why_size, "it is %s: expected off, running or paused",
		  vm_state_name(vm->state));
	if (vm->state != VM_OFF && vm->state != VM_RUNNING && vm->state != VM_PAUSED)
		return -E_STATE;
	ksnprintf(why, why_size,
		  "a revert was cut off, its disks are of several moments: 'revert' again");
	if (stores_reverting(vm->cfg.name))
		return -E_STATE;
	ksnprintf(why, why_size, "out of memory");
	t = taking_create();
	if (!t)
		return -E_NOMEM;
	err = snapshot_describe(t, vm, name, skip_disks, why, why_size);
	if (!err)
		err = begin(t, vm, id);
	if (err)
		taking_free(t);
	return err;
}
