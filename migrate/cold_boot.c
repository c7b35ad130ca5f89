/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Cold moves in the midst of which this host went down. What came is finished before VMs are
 * defined; the target of what was leaving is asked who has it, and nobody starts it meanwhile.
 */
#include "kernel/lib/format.h"
#include "kernel/lib/string.h"
#include "kernel/log.h"
#include "kernel/mem.h"
#include "kernel/store/stores.h"
#include "migrate/cold.h"

/* ---- what was leaving ------------------------------------------------------------------ */

static void ask_task(void *arg)
{
	struct datastore *home = stores_default(); /* leaving/VM is there */
	struct move *m = arg;
	int gone;

	stores_hold(home);
	gone = cold_source_asks(m, "this host restarted while it was leaving");
	if (gone)
		(void)!cold_gone(m);
	else
		move_set_vm_state(m->vm, VM_OFF);
	stores_release(home);
	log_info("migrate: %s: %s", m->p.vm, gone ? "it is the other host's" : "it stayed here");
	move_end(m, gone ? 0 : -E_CANCELLED);
}

static void ask_about(struct vm *vm, const struct cold_leaving *l)
{
	struct move *m = move_create(MOVE_SOURCE);

	move_set_vm_state(vm, VM_IN_DOUBT); /* without a task to ask it stays so */
	if (!m) {
		log_error("migrate: %s: no memory to ask %s who has it", vm->cfg.name, l->peer);
		return;
	}
	m->vm = vm;
	m->cold = true;
	m->p.kind = MOVE_COLD;
	m->p.stage = STAGE_COMMITMENT;
	m->too_late = m->noted = true;
	m->copied = l->copied;
	m->opt.keep = l->flags & COLD_KEEP;
	memcpy(m->uuid, l->id, sizeof(m->uuid));
	memcpy(m->store, l->store, sizeof(m->store));
	str_copy(m->p.vm, vm->cfg.name, sizeof(m->p.vm));
	str_copy(m->p.peer, l->peer, sizeof(m->p.peer));
	str_copy(m->peer.name, l->peer, sizeof(m->peer.name));
	vm->move = m;
	vm->move_under_way = true;
	if (!task_create("cold-ask", ask_task, m))
		log_error("migrate: %s: no memory to ask %s who has it", vm->cfg.name, l->peer);
}

/* Marked as undefined, which cold_gone does when all but the last steps are done. */
static void finish_leaving(const char *name)
{
	int err = vm_store_remove(stores_default(), name);

	if (!err)
		err = cold_forget_leaving(name);
	if (err)
		log_warn("migrate: %s: it went to another host; removing what is left: %s", name,
			 err_text(err));
}

void cold_ask_about_leaving(void)
{
	char name[VM_NAME_LEN];
	unsigned cursor = 0;

	while (!cold_next_leaving(&cursor, name)) {
		struct vm *vm = vm_find(name);
		struct cold_leaving l;
		int err = cold_read_leaving(name, &l);

		if (err)
			log_error("migrate: " LEAVING_PREFIX "%s: %s; if no other host has the VM, "
				  "remove that object",
				  name, err_text(err));
		if (err && vm)
			move_set_vm_state(vm, VM_IN_DOUBT);
		else if (!err && vm)
			ask_about(vm, &l);
		else if (!err && vm_store_undefined(name))
			finish_leaving(name);
		else if (!err)
			log_error("migrate: %s: it was leaving for %s, and could not be defined: "
				  "mend that, then restart this host",
				  name, l.peer);
	}
}

/* ---- what came ------------------------------------------------------------------------- */

/* A definition that came, but what follows was not done before the host went down. */
static void finish_arrival(struct datastore *ds, const char *vm, const char *id)
{
	struct vm_config *cfg = kzalloc(sizeof(*cfg));
	char why[160] = "";
	int err = cfg ? vm_store_read(ds, vm, cfg, why, sizeof(why)) : -E_NOMEM;

	if (!err)
		err = cold_finish(ds, cfg, id);
	kfree(cfg);
	if (err)
		log_error("migrate: %s: it came by a cold move that could not be finished: %s; "
			  "restart this host when the datastore is well",
			  vm, why[0] ? why : err_text(err));
	else
		log_info("migrate: %s: the cold move by which it came is finished", vm);
}

void cold_finish_arrivals(void)
{
	struct datastore *ds = stores_default();
	char vm[VM_NAME_LEN], id[COLD_ID_LEN];
	unsigned cursor = 0;

	while (ds && !vm_store_next(ds, &cursor, vm))
		if (!cold_arrived_by(ds, vm, id) && !cold_is_finished(ds, id))
			finish_arrival(ds, vm, id);
}
