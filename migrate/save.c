/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Saves a VM, top to bottom: pause, write what a move would send, park the disks,
 * commit the object. Before the commit any error lets the guest go on; after it the
 * VM is in the datastore and off here.
 */
#include "migrate/save.h"

#include "kernel/entropy.h"
#include "kernel/files.h"
#include "kernel/lib/format.h"
#include "kernel/lib/string.h"
#include "kernel/log.h"
#include "kernel/mem.h"
#include "kernel/rtc.h"
#include "kernel/time.h"
#include "migrate/stream_store.h"

struct save {
	struct move *m;
	struct datastore *ds;
	struct ds_object *object;
	struct object_io io;
	bool parked;
};

static int open_object(struct save *s)
{
	struct move *m = s->m;
	struct stream_io io;
	char name[DS_NAME_LEN];
	int err;

	ksnprintf(name, sizeof(name), SAVED_PREFIX "%s", m->p.vm);
	err = ds_create(s->ds, name, DS_SAVED, 0, &s->object);
	if (err)
		return move_fail(m, err, "making the saved state's object");
	err = object_io_open(&s->io, s->object, &m->p.bytes);
	if (err)
		return err;
	io = stream_to_object(&s->io);
	err = stream_open(&m->st, &io);
	if (err)
		return err;
	m->st.stop = &m->stop;
	return 0;
}

/* Who saves what: the records that a move sends before memory. */
static int write_head(struct save *s)
{
	struct stream_hello hello;
	struct move *m = s->m;
	int err;

	facts_hello(m, STREAM_FOR_SAVE, &hello);
	err = stream_send(&m->st, STREAM_HELLO, &hello, sizeof(hello));
	if (err)
		return err;
	err = facts_offer(m->vm, m->offer);
	if (err)
		return move_fail(m, err, "describing the VM");
	err = save_describe_disks(m->vm, m->offer);
	if (err)
		return move_fail(m, err, "describing the VM's disks");
	err = stream_send(&m->st, STREAM_OFFER, m->offer, sizeof(*m->offer));
	for (unsigned i = 0; !err && i < m->offer->file_count; i++)
		err = send_file(m, &m->offer->files[i]);
	if (err)
		return err;
	err = stream_send(&m->st, STREAM_RESERVE, NULL, 0);
	if (err)
		return err;
	return stream_send(&m->st, STREAM_STOP, NULL, 0);
}

/* Words where the plain error would not help. */
static int worded(struct save *s, int err)
{
	struct move *m = s->m;
	struct ds_stat st;
	char free[16];

	if (err != -E_NOSPC)
		return err;
	ds_status(s->ds, &st);
	return stream_fail(&m->st, err, "store %s has no room for it (%s free)", stores_name(s->ds),
			   format_size(free, st.free));
}

static int write_all(struct save *s)
{
	struct move *m = s->m;
	int err;

	move_set_stage(m, STAGE_STOP_AND_COPY);
	err = write_head(s);
	if (err)
		return err;
	err = send_round(m, send_mark_all(m));
	if (err)
		return err;
	err = send_state(m);
	if (err)
		return err;
	return object_io_flush(&s->io);
}

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
	err = ds_commit(s->object);
	if (err)
		return move_fail(m, err, "committing the saved state");
	return 0;
}

static int save_all(struct save *s)
{
	struct move *m = s->m;
	int err;

	move_set_stage(m, STAGE_PRE_MIGRATION);
	err = send_alloc(m);
	if (err)
		return err;
	err = open_object(s);
	if (err)
		return err;
	m->ho.vm = m->vm;
	err = send_pause_guest(m);
	if (err)
		return err;
	m->stopped_wall_s = rtc_now();
	err = write_all(s);
	if (err)
		return worded(s, err);
	return worded(s, commit(s));
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
	ds_put(s->object);
	object_io_close(&s->io);
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
