/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Saves a VM, top to bottom: pause, write its state (save_write.c), park the disks,
 * commit the object. Before the commit any error lets the guest go on; after it the
 * VM is in the datastore and off here.
 */
#include "migrate/save.h"

#include "kernel/entropy.h"
#include "kernel/lib/format.h"
#include "kernel/lib/string.h"
#include "kernel/log.h"
#include "kernel/mem.h"
#include "kernel/rtc.h"
#include "kernel/time.h"

struct save {
	struct move *m;
	struct datastore *ds;
	struct save_object to;
	bool parked;
};

/* From the commit on the VM is in the store. */
static int commit(struct save *s)
{
	struct move *m = s->m;
	int err;

	move_set_stage(m, STAGE_COMMITMENT);
	err = send_look_up(m);
	if (err)
		return err;
	m->too_late = true;
	s->parked = true;
	err = save_park_disks(m->vm, m->offer);
	if (err)
		return move_fail(m, err, "parking the disks' reservations");
	err = ds_commit(s->to.object);
	if (err)
		return move_fail(m, err, "committing the saved state");
	return 0;
}

static int save_all(struct save *s)
{
	struct move *m = s->m;
	char name[DS_NAME_LEN];
	int err;

	move_set_stage(m, STAGE_PRE_MIGRATION);
	err = send_alloc(m);
	if (err)
		return err;
	ksnprintf(name, sizeof(name), SAVED_PREFIX "%s", m->p.vm);
	err = save_object_open(m, &s->to, s->ds, name);
	if (err)
		return err;
	m->ho.vm = m->vm;
	err = send_pause_guest(m);
	if (err)
		return err;
	m->stopped_wall_s = rtc_now();
	err = save_object_write(m, &s->to, true);
	if (!err)
		err = commit(s);
	return save_worded(m, s->ds, err);
}

/* Off, but still defined; its disks stay parked. */
static void switch_off(struct vm *vm)
{
	for (unsigned i = 0; i < vm->disk_count; i++)
		vm->disks[i].owned = false;
	vm->gave_away = true;
	vm->serving = true; /* destroying blocks: no command may come between */
	vm_destroy(vm);
	vm->serving = false;
}

static void save_failed(struct save *s, int err)
{
	struct move *m = s->m;

	if (!m->p.reason[0])
		str_copy(m->p.reason, m->st.reason[0] ? m->st.reason : err_text(err),
			 sizeof(m->p.reason));
	log_warn("save: %s: not saved, goes on here: %s", m->p.vm, m->p.reason);
	if (s->parked)
		save_unpark_disks(m->vm);
	send_resume_here(m);
}

static void save_task(void *arg)
{
	struct save *s = arg;
	struct move *m = s->m;
	int err;

	err = save_all(s);
	save_object_close(&s->to);
	if (err) {
		save_failed(s, err);
	} else {
		m->p.measured_ns = time_ns() - m->paused_ns;
		log_info("save: %s: saved in store %s, %llu bytes", m->p.vm, m->p.peer,
			 (unsigned long long)m->p.bytes);
		switch_off(m->vm);
	}
	stores_release(s->ds);
	kfree(s);
	move_end(m, err);
}

int save_start(struct vm *vm, struct datastore *ds, uint32_t *id)
{
	struct save *s;
	struct move *m;

	if (vm->move_under_way || vm->serving || move_any_active())
		return -E_BUSY;
	if (vm->state != VM_RUNNING && vm->state != VM_PAUSED)
		return -E_STATE;
	s = kzalloc(sizeof(*s));
	m = s ? move_create(MOVE_SOURCE) : NULL;
	if (!m) {
		kfree(s);
		return -E_NOMEM;
	}
	s->m = m;
	s->ds = ds;
	m->vm = vm;
	m->p.kind = MOVE_SAVE;
	m->unhurried = true;
	entropy_fill(m->uuid, sizeof(m->uuid));
	str_copy(m->p.vm, vm->cfg.name, sizeof(m->p.vm));
	str_copy(m->p.peer, stores_name(ds), sizeof(m->p.peer));
	vm->move = m;
	vm->move_under_way = true;
	stores_hold(ds);
	if (!task_create("save", save_task, s)) {
		stores_release(ds);
		kfree(s);
		move_end(m, -E_NOMEM);
		return -E_NOMEM;
	}
	*id = m->id;
	return 0;
}
