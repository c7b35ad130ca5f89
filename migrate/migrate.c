/* SPDX-License-Identifier: BSD-2-Clause */
/* The face of migrate/ to the console and to start-up. */
#include "migrate/migrate.h"

#include "kernel/entropy.h"
#include "kernel/lib/string.h"
#include "kernel/log.h"
#include "migrate/cold.h"
#include "migrate/snapshot.h"

void migrate_init(void)
{
	link_listen(receive_accept, NULL);
}

/* What comes before and after every kind of move. */
static void move_task(void *arg)
{
	struct move *m = arg;
	char vm[VM_NAME_LEN];
	int err;

	str_copy(vm, m->p.vm, sizeof(vm)); /* m may be forgotten at the end */
	err = snapshot_before_move(m);
	if (err) {
		log_warn("migrate: %s: %s", vm, m->p.reason);
		move_end(m, err);
		return;
	}
	if (!m->cold)
		send_task(m);
	else if (strcmp(m->peer.name, peers_self()->name))
		cold_task(m);
	else
		cold_here_task(m);
	snapshots_stay(vm);
}

int migrate_start(struct vm *vm, const struct peer *to, const struct migrate_options *opt,
		  uint32_t *id)
{
	bool here = !strcmp(to->name, peers_self()->name);
	struct move *m;

	if (vm->move_under_way || vm->serving || move_any_active())
		return -E_BUSY;
	if (opt->cold ? vm->state != VM_OFF : vm->state != VM_RUNNING && vm->state != VM_PAUSED)
		return -E_STATE;
	if (here && !opt->cold)
		return -E_INVAL;
	m = move_create(MOVE_SOURCE);
	if (!m)
		return -E_NOMEM;
	m->vm = vm;
	m->peer = *to;
	m->opt = *opt;
	if (!m->opt.max_downtime_ns)
		m->opt.max_downtime_ns = MIGRATE_DEFAULT_DOWNTIME_NS;
	m->opt.dry_run |= opt->audit;
	m->cold = opt->cold;
	m->p.kind = opt->cold ? MOVE_COLD : MOVE_HOT;
	m->p.dry_run = m->opt.dry_run;
	entropy_fill(m->uuid, sizeof(m->uuid));
	str_copy(m->p.vm, vm->cfg.name, sizeof(m->p.vm));
	str_copy(m->p.peer, to->name, sizeof(m->p.peer));
	vm->move = m;
	vm->move_under_way = true;
	if (!task_create("move", move_task, m)) {
		move_end(m, -E_NOMEM);
		return -E_NOMEM;
	}
	*id = m->id;
	return 0;
}

static struct move *find(uint32_t id)
{
	struct migrate_state *st = migrate_state();

	for (unsigned i = 0; i < MOVES_KEPT; i++)
		if (st->moves[i] && st->moves[i]->id == id)
			return st->moves[i];
	return NULL;
}

static int cancel(struct move *m)
{
	if (!m || m->ended)
		return -E_NOENT;
	if (m->too_late)
		return -E_STATE;
	m->stop = true;
	waitq_wake_all(&m->wake);
	return 0;
}

int migrate_cancel(struct vm *vm)
{
	return cancel(move_of_vm(vm));
}

int migrate_cancel_id(uint32_t id)
{
	return cancel(find(id));
}

int migrate_decide(struct vm *vm, bool keep)
{
	struct move *m = move_of_vm(vm);

	if (!m || vm->state != VM_IN_DOUBT)
		return -E_STATE;
	log_warn("migrate: %s: the operator decides: %s", vm->cfg.name, keep ? "keep" : "give up");
	m->decided = keep ? DECIDED_KEEP : DECIDED_DROP;
	waitq_wake_all(&m->wake);
	return 0;
}

const struct move_progress *migrate_progress(uint32_t id)
{
	struct move *m = find(id);

	if (m && !m->ended)
		move_update_bytes(m);
	return m ? &m->p : NULL;
}

const struct check_list *migrate_checks(uint32_t id)
{
	struct move *m = find(id);

	return m && (m->checked || m->ended) ? m->checks : NULL;
}

uint32_t migrate_id_at(unsigned index)
{
	struct migrate_state *st = migrate_state();

	for (unsigned i = 0; i < MOVES_KEPT; i++)
		if (st->moves[i] && !index--)
			return st->moves[i]->id;
	return 0;
}
