/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Stage 4 of a cold move, as tests/model/cold.pml has it. The source notes durably that the VM
 * is leaving before it says COMMIT; the target's commit of the definition decides; a source
 * without an answer asks, also after a restart, and nobody starts the VM there meanwhile.
 */
#include "kernel/lib/format.h"
#include "kernel/lib/string.h"
#include "kernel/log.h"
#include "kernel/mem.h"
#include "kernel/store/stores.h"
#include "kernel/time.h"
#include "migrate/cold.h"
#include "migrate/disks.h"
#include "vmm/vm_build.h"
#include "vmm/vm_store.h"

#define AGAIN_NS (NS_PER_S / 2) /* between attempts in doubt */
#define BUSY_NS	 (5 * NS_PER_S) /* a disk that was closed is let go of within this */

/* ---- source: who has it -------------------------------------------------------------- */

static int source_keeps(struct move *m, const char *why)
{
	int err = cold_forget_leaving(m->p.vm);

	if (err && err != -E_NOENT)
		log_warn("migrate: %s: could not note that it stays: %s; after a restart this host "
			 "asks %s again",
			 m->p.vm, err_text(err), m->p.peer);
	move_set_handover(m, HANDOVER_RESUMED);
	str_copy(m->p.reason, why, sizeof(m->p.reason));
	return 0;
}

static int source_gone(struct move *m)
{
	m->p.reason[0] = 0;
	move_set_handover(m, HANDOVER_GONE);
	return 1;
}

/* Only the target knows, or the operator. */
static int source_asks(struct move *m, const char *why)
{
	move_set_handover(m, HANDOVER_FORGOTTEN);
	commit_enter_doubt(m, why);
	for (;;) {
		enum handover_answer a;

		if (m->decided == DECIDED_KEEP)
			return source_keeps(m, "kept by the operator");
		if (m->decided == DECIDED_DROP)
			return source_gone(m);
		a = query_peer(m);
		if (a == ANSWER_COMMITTED) {
			m->confirmed = true;
			return source_gone(m);
		}
		if (a == ANSWER_NEVER)
			return source_keeps(m, "the target gave it up");
		move_wait(m, AGAIN_NS);
	}
}

static int source_await(struct move *m)
{
	struct stream_record r;
	int err;

	err = stream_read(&m->st, &r, time_ns() + MOVE_ANSWER_NS);
	if (!err && r.type == STREAM_COMMITTED && commit_is_for(m, &r)) {
		m->confirmed = true;
		return source_gone(m);
	}
	/* a target says ERROR only when it never will have it */
	if (!err && r.type == STREAM_ERROR) {
		(void)stream_error_take(&m->st, &r);
		return source_keeps(m, m->st.reason);
	}
	return source_asks(m, "COMMIT was not answered; the target must say who has it");
}

static int note_leaving(struct move *m)
{
	struct cold_leaving l = {.flags = m->opt.keep ? COLD_KEEP : 0, .copied = m->copied};
	int err;

	memcpy(l.id, m->uuid, sizeof(l.id));
	memcpy(l.store, m->store, sizeof(l.store));
	str_copy(l.peer, m->p.peer, sizeof(l.peer));
	err = cold_note_leaving(m->p.vm, &l);
	m->noted = !err;
	return err == -E_NOENT ? 0 : err; /* no datastore: the checks had a note about that */
}

int cold_commit_source(struct move *m)
{
	struct stream_commit c = {.ns = 0};
	int err;

	move_set_stage(m, STAGE_COMMITMENT);
	move_set_handover(m, HANDOVER_PREPARE);
	vm_release_disks(m->vm); /* a start at the target must not find them reserved */
	err = m->stop ? -E_CANCELLED : vm_store_mark(m->p.vm, false);
	if (!err)
		err = note_leaving(m);
	if (!err && m->stop)
		err = -E_CANCELLED;
	if (err) {
		move_fail(m, err, "noting here that it leaves");
		(void)!cold_forget_leaving(m->p.vm);
		return 0;
	}
	m->too_late = true;
	m->st.stop = NULL;
	move_set_handover(m, HANDOVER_WAIT_COMMITTED);
	memcpy(c.move_id, m->uuid, sizeof(c.move_id));
	err = stream_send(&m->st, STREAM_COMMIT, &c, sizeof(c));
	if (err) /* some of it may have left: that counts as sent */
		log_warn("migrate: %s: %s", m->p.vm, m->st.reason);
	return source_await(m);
}

/* ---- source: it is gone --------------------------------------------------------------- */

int cold_remove_object(const char *store, const char *object)
{
	uint64_t deadline = time_ns() + BUSY_NS;
	struct datastore *ds = stores_find(store);
	int err = ds ? ds_remove(ds, object) : -E_NOENT;

	while (err == -E_BUSY && time_ns() < deadline) {
		task_sleep_until(time_ns() + BUSY_NS / 100);
		ds = stores_find(store);
		err = ds ? ds_remove(ds, object) : -E_NOENT;
	}
	return err == -E_NOENT ? 0 : err;
}

static int remove_disks(const struct move *m, const struct vm_config *cfg)
{
	int err = 0;

	for (uint32_t i = 0; !err && i < cfg->disk_count; i++) {
		const struct vm_disk_config *d = &cfg->disks[i];

		if (!(m->copied & (1u << i)))
			continue;
		if (disk_has_other_users(cfg, d))
			log_info("migrate: %s: disk %.7s: %s stays for another VM", cfg->name,
				 d->name, d->object);
		else if (d->in_store)
			err = cold_remove_object(d->local, d->object);
		else
			log_info("migrate: %s: disk %.7s: %s still holds what it held at the move",
				 cfg->name, d->name, d->shared ? "the shared one" : d->local);
	}
	return err;
}

/* Another VM that begins where the one that went stood: of its own name, UUID and MACs. */
static int keep_copy(const struct move *m, struct vm_config *cfg)
{
	char name[VM_NAME_LEN], why[120] = "";
	uint32_t count = 0;
	struct vm *copy;
	int err;

	ksnprintf(name, sizeof(name), COLD_COPY_NAME, cfg->name);
	str_copy(cfg->name, name, sizeof(cfg->name));
	memset(cfg->uuid, 0, sizeof(cfg->uuid)); /* vm_define makes one */
	for (unsigned i = 0; i < cfg->nic_count; i++)
		memset(cfg->nics[i].mac, 0, sizeof(cfg->nics[i].mac));
	for (uint32_t i = 0; i < cfg->disk_count; i++)
		if (!cfg->disks[i].shared || m->copied & (1u << i)) /* others went along */
			cfg->disks[count++] = cfg->disks[i];
	cfg->disk_count = count;
	cfg->autostart = 0;
	err = vm_define(cfg, &copy);
	if (!err) {
		vm_config_make_macs(&copy->cfg);
		err = vm_store_keep(copy, why, sizeof(why));
	}
	if (err)
		log_error("migrate: %s: %s is not kept after a restart: %s; its disks stay",
			  m->p.vm, name, why[0] ? why : err_text(err));
	else
		log_info("migrate: %s: a copy stays here as %s", m->p.vm, name);
	return err;
}

/* Disks, then the definition; leaving/VM goes last, so that all of it is done again if need be. */
static int forget_here(struct move *m, const struct vm_config *cfg)
{
	struct datastore *ds = stores_default();
	int err = 0;

	if (!m->opt.keep && m->confirmed)
		err = remove_disks(m, cfg);
	else if (!m->opt.keep)
		log_warn("migrate: %s: its disks stay here too: %s did not say that it has it",
			 cfg->name, m->p.peer);
	if (!err)
		err = vm_store_mark(cfg->name, true);
	if (!err && ds)
		err = vm_store_remove(ds, cfg->name);
	return err;
}

/* While leaving/VM is there the name stays taken (receive_may_reserve): it goes before the VM. */
int cold_gone(struct move *m)
{
	struct vm_config *cfg = kzalloc(sizeof(*cfg));
	int err = -E_NOMEM;

	vm_close_disks(m->vm);
	if (cfg) {
		*cfg = m->vm->cfg;
		err = forget_here(m, cfg);
	}
	if (!err && m->opt.keep)
		(void)!keep_copy(m, cfg);
	if (!err) {
		err = cold_forget_leaving(m->p.vm);
		if (err == -E_NOENT && !m->noted) /* no datastore here */
			err = 0;
	}
	move_free_vm(m);
	kfree(cfg);
	if (err)
		log_warn("migrate: %s: it went, but could not be removed here: %s; tried again "
			 "when this host starts",
			 m->p.vm, err_text(err));
	return err;
}

/* ---- source: after a restart ---------------------------------------------------------- */

static void ask_task(void *arg)
{
	struct move *m = arg;
	int gone = source_asks(m, "this host restarted while it was leaving");

	if (gone)
		(void)!cold_gone(m);
	else
		move_set_vm_state(m->vm, VM_OFF);
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

/* What cold_finish_arrivals could not finish must not go on. */
static void hold_unfinished(void)
{
	struct datastore *ds = stores_default();
	char id[COLD_ID_LEN];
	struct vm *vm;

	for (unsigned i = 0; ds && (vm = vm_at(i)); i++)
		if (!cold_arrived_by(ds, vm->cfg.name, id) && !cold_is_finished(ds, id))
			move_set_vm_state(vm, VM_IN_DOUBT);
}

void cold_ask_about_leaving(void)
{
	char name[VM_NAME_LEN];
	unsigned cursor = 0;

	hold_unfinished();
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

/* ---- target ---------------------------------------------------------------------------- */

int cold_arrive_surely(struct move *m, struct datastore *ds, const struct vm_config *cfg,
		       const char *id)
{
	char why[STREAM_TEXT_MAX];
	bool sure;
	int err;

	for (;;) {
		err = cold_arrive(ds, cfg, id, &sure);
		if (!err || sure)
			return err;
		ksnprintf(why, sizeof(why), "datastore %s fails: %s; it is tried again",
			  stores_name(ds), err_text(err));
		commit_enter_doubt(m, why);
		m->decided = 0; /* no operator knows what a restart would find there */
		move_wait(m, AGAIN_NS);
	}
}

int cold_commit_target(struct receiver *rx)
{
	struct move *m = rx->m;
	char id[COLD_ID_LEN];
	int err;

	err = commit_await(m);
	if (!err) {
		/* nothing blocks in between: who asks later hears that it is not decided yet */
		move_set_handover(m, HANDOVER_TAKING);
		cold_put_id(id, m->uuid);
		err = cold_arrive_surely(m, rx->ds, rx->kept, id);
		if (err)
			move_fail(m, err, "writing its definition into the datastore here");
	}
	move_set_handover(m, err ? HANDOVER_DISCARDED : HANDOVER_RUNNING);
	if (err && !m->st.reason[0])
		(void)stream_fail(&m->st, -E_FENCED, "ended before COMMIT");
	return !err;
}

/* Until the id is remembered apart from the definition, the VM must not go on anywhere. */
void cold_finish_surely(struct move *m, struct datastore *ds, const struct vm_config *cfg,
			const char *id)
{
	char why[STREAM_TEXT_MAX];
	int err;

	while ((err = cold_finish(ds, cfg, id))) {
		ksnprintf(why, sizeof(why), "it is ours, but datastore %s fails: %s",
			  stores_name(ds), err_text(err));
		commit_enter_doubt(m, why);
		m->decided = 0;
		move_wait(m, AGAIN_NS);
	}
}

/* A definition that came, but what follows was not done before the host went down. */
static int finish_arrival(struct datastore *ds, const char *vm, const char *id)
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
	return err;
}

bool cold_finish_arrivals(void)
{
	struct datastore *ds = stores_default();
	char vm[VM_NAME_LEN], id[COLD_ID_LEN];
	unsigned cursor = 0;
	bool all = true;

	while (ds && !vm_store_next(ds, &cursor, vm))
		if (!cold_arrived_by(ds, vm, id) && !cold_is_finished(ds, id) &&
		    finish_arrival(ds, vm, id))
			all = false;
	return all;
}
