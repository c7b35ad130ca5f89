/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Takes a saved VM out of a datastore, top to bottom: the object is read and judged
 * (restore_read.c), the disks become ours, and in one step the state counts as used.
 * Only then does the guest run.
 */
#include "kernel/lib/format.h"
#include "kernel/lib/string.h"
#include "kernel/log.h"
#include "kernel/mem.h"
#include "kernel/rtc.h"
#include "kernel/time.h"
#include "migrate/restore_inner.h"
#include "migrate/validate.h"
#include "vmm/dev/vgenid.h"

#define GONE_MAX_S (10ull * 366 * 86400) /* more is a clock that is wrong, not a long rest */

/* From here on this state is not restored again unless somebody insists. */
static int mark_used(struct restore *r)
{
	char name[DS_NAME_LEN];
	int err;

	if (r->used)
		return 0;
	ksnprintf(name, sizeof(name), USED_PREFIX "%s", r->m->p.vm);
	err = ds_remove(r->ds, name);
	if (err && err != -E_NOENT)
		return err;
	return ds_rename(r->ds, r->name, name);
}

static int decide(struct restore *r)
{
	struct move *m = r->m;
	int err;

	move_set_stage(m, STAGE_COMMITMENT);
	if (m->stop)
		return -E_CANCELLED;
	m->too_late = true;
	err = restore_own_disks(m->vm, m->offer);
	if (err)
		return move_fail(m, err, "taking the disks");
	err = mark_used(r);
	if (!err)
		return 0;
	restore_disown_disks(m->vm, m->offer);
	return move_fail(m, err, "marking the saved state as used");
}

/* The guest's clocks go on as if it had run all the time that its hosts' clocks say passed. */
static void set_clock_forward(struct move *m)
{
	uint64_t now = rtc_now(), then = m->stopped_wall_s;

	if (then && now > then && now - then <= GONE_MAX_S)
		vm_clock_skip(m->vm, (now - then) * NS_PER_S);
	else if (now != then)
		log_warn("restore: %s: its host's clock said %llu s, this one's says %llu s: the "
			 "guest's clock goes on where it stopped",
			 m->p.vm, (unsigned long long)then, (unsigned long long)now);
}

/* It is ours; what fails now is reported, not undone. */
static void activate(struct restore *r)
{
	struct move *m = r->m;
	int err;

	move_set_stage(m, STAGE_ACTIVATION);
	move_set_vm_state(m->vm, VM_PAUSED);
	set_clock_forward(m);
	if (r->used && m->vm->vgenid)
		vgenid_renew(m->vm->vgenid);
	log_info("restore: %s: from store %s%s", m->p.vm, m->p.peer,
		 r->used ? ", once more: its generation id is another" : "");
	if (!m->was_running)
		return;
	err = vm_resume(m->vm);
	if (err)
		log_error("restore: %s is here but cannot run: %s", m->p.vm, err_text(err));
}

static void restore_failed(struct restore *r, int err)
{
	struct move *m = r->m;

	if (!m->p.reason[0])
		str_copy(m->p.reason, m->st.reason[0] ? m->st.reason : err_text(err),
			 sizeof(m->p.reason));
	log_warn("restore: %s: not restored: %s", m->p.vm, m->p.reason);
	receive_undo(&r->rx);
	if (r->old && !vm_find(r->old->name) && vm_define(r->old, NULL))
		log_error("restore: %s: no memory to define it again", r->old->name);
}

static int run(struct restore *r)
{
	int err;

	err = restore_read(r);
	received_state_destroy(r->rx.state);
	r->rx.state = NULL;
	ds_put(r->object);
	object_io_close(&r->io);
	if (!err)
		err = decide(r);
	if (err)
		restore_failed(r, err);
	else
		activate(r);
	return err;
}

static void free_restore(struct restore *r)
{
	kfree(r->old);
	kfree(r);
}

static void restore_task(void *arg)
{
	struct restore *r = arg;
	struct move *m = r->m;
	struct vm *came;
	bool known;
	int err;

	err = run(r);
	known = r->old; /* was it defined here? */
	stores_release(r->ds);
	free_restore(r);
	came = err ? NULL : m->vm;
	if (came && stores_default() && !known)
		(void)!definition_keep(m);
	move_end(m, err);
	if (came)
		validate_later(came);
}

/* Which object: one that was not used goes first. */
static int choose(struct restore *r, const char *name)
{
	struct ds_info info;

	ksnprintf(r->name, sizeof(r->name), SAVED_PREFIX "%.31s", name);
	if (!ds_find(r->ds, r->name, &info))
		return 0;
	ksnprintf(r->name, sizeof(r->name), USED_PREFIX "%.31s", name);
	if (ds_find(r->ds, r->name, &info))
		return -E_NOENT;
	r->used = true;
	return r->opt.again ? 0 : -E_EXIST;
}

static struct restore *create(const char *name, struct datastore *ds,
			      const struct restore_options *opt, int *err)
{
	struct restore *r = kzalloc(sizeof(*r));

	*err = -E_NOMEM;
	if (!r)
		return NULL;
	r->ds = ds;
	r->opt = *opt;
	*err = choose(r, name);
	if (!*err) {
		*err = -E_NOMEM;
		r->m = move_create(MOVE_TARGET);
	}
	if (r->m)
		return r;
	kfree(r);
	return NULL;
}

static void begin(struct restore *r, struct move *m, const char *name)
{
	m->from_store = true;
	str_copy(m->p.vm, name, sizeof(m->p.vm));
	str_copy(m->p.peer, stores_name(r->ds), sizeof(m->p.peer));
	str_copy(r->vm, name, sizeof(r->vm));
	r->m = r->rx.m = m;
	r->rx.judge = restore_judge;
	r->rx.ctx = r;
}

int restore_reverted(struct move *m, const char *name, struct datastore *ds, const char *object)
{
	struct restore *r = kzalloc(sizeof(*r));
	int err;

	if (!r)
		return -E_NOMEM;
	r->ds = ds;
	r->used = r->reverted = true;
	str_copy(r->name, object, sizeof(r->name));
	begin(r, m, name);
	err = run(r);
	free_restore(r);
	return err;
}

int restore_start(const char *name, struct datastore *ds, const struct restore_options *opt,
		  uint32_t *id)
{
	const struct vm *vm = vm_find(name);
	struct restore *r;
	struct move *m;
	int err;

	if (move_any_active() || (vm && (vm->move_under_way || vm->serving)))
		return -E_BUSY;
	if (vm && vm->state != VM_OFF)
		return -E_STATE;
	r = create(name, ds, opt, &err);
	if (!r)
		return err;
	m = r->m;
	m->p.kind = MOVE_RESTORE;
	begin(r, m, name);
	*id = m->id;
	stores_hold(ds);
	if (task_create("restore", restore_task, r))
		return 0;
	stores_release(ds);
	kfree(r);
	move_end(m, -E_NOMEM);
	return -E_NOMEM;
}
