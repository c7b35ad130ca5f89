/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The life of a struct move: a slot, numbers, flags, the end. What a move does is
 * in send*.c, receive*.c and commit.c.
 */
#include "migrate/move.h"
#include "vmm/vm_build.h"

#include "kernel/lib/string.h"
#include "kernel/log.h"
#include "kernel/mem.h"
#include "kernel/sched.h"
#include "kernel/time.h"

/* The queue has yet to take note how it ended. */
static bool queue_needs(const struct migrate_state *st, uint32_t id)
{
	for (unsigned i = 0; i < QUEUE_MAX; i++) {
		const struct queue_entry *e = &st->queue.entries[i];

		if (e->id && e->state == QUEUE_RUNNING && e->move == id)
			return true;
	}
	return false;
}

/* A free slot, or that of the move that finished longest ago; NULL when all are needed. */
static struct move **find_slot(struct migrate_state *st)
{
	struct move **oldest = NULL;

	for (unsigned i = 0; i < MOVES_KEPT; i++) {
		struct move **slot = &st->moves[i];

		if (!*slot)
			return slot;
		if ((*slot)->ended && !queue_needs(st, (*slot)->id) &&
		    (!oldest || (*slot)->p.finished_ns < (*oldest)->p.finished_ns))
			oldest = slot;
	}
	return oldest;
}

struct move *move_create(enum move_role role)
{
	struct migrate_state *st = migrate_state();
	struct move **slot = find_slot(st);
	struct move *m = slot ? kzalloc(sizeof(*m)) : NULL;

	if (!m)
		return NULL;
	if (*slot) {
		kfree((*slot)->checks);
		kfree(*slot);
	}
	*slot = m;
	m->id = ++st->last_id;
	m->p.role = role;
	m->p.started_ns = time_ns();
	waitq_init(&m->wake);
	return m;
}

void move_free_tables(struct move *m)
{
	stream_close(&m->st);
	kfree(m->audit);
	kfree(m->offer);
	kfree(m->facts);
	kfree(m->bits);
	kfree(m->runs);
	m->audit = NULL;
	m->offer = NULL;
	m->facts = NULL;
	m->bits = NULL;
	m->runs = NULL;
}

void move_end(struct move *m, int err)
{
	move_update_bytes(m);
	if (m->vm) {
		m->vm->move = NULL;
		m->vm->move_under_way = false;
		vm_service_wake(); /* what the guest asked for meanwhile */
	}
	if (err && !m->p.reason[0])
		str_copy(m->p.reason, m->st.reason[0] ? m->st.reason : err_text(err),
			 sizeof(m->p.reason));
	if (m->link)
		link_close(m->link);
	m->link = NULL;
	move_free_tables(m);
	m->vm = NULL;
	m->p.err = err;
	if (!m->p.finished_ns)
		m->p.finished_ns = time_ns();
	m->ended = true;
	m->p.done = true;
	waitq_wake_all(&m->wake);
}

struct move *move_of_vm(const struct vm *vm)
{
	struct migrate_state *st = migrate_state();

	for (unsigned i = 0; i < MOVES_KEPT; i++)
		if (st->moves[i] && !st->moves[i]->ended && st->moves[i]->vm == vm)
			return st->moves[i];
	return NULL;
}

bool move_any_active(void)
{
	struct migrate_state *st = migrate_state();

	for (unsigned i = 0; i < MOVES_KEPT; i++) {
		const struct move *m = st->moves[i];

		if (m && !m->ended && !(m->vm && m->vm->state == VM_IN_DOUBT))
			return true;
	}
	return false;
}

/* What stages 2 and 3 cost, apart from the rest. */
static void measure_stage(struct move *m, enum move_stage s)
{
	move_update_bytes(m);
	if (s == STAGE_PRE_COPY) {
		m->work_before = sched_work_ticks();
	} else if (s == STAGE_STOP_AND_COPY) {
		m->p.work_ticks = sched_work_ticks() - m->work_before;
		m->stop_before = m->p.bytes;
	} else if (s == STAGE_COMMITMENT) {
		m->p.stop_bytes = m->p.bytes - m->stop_before;
	}
}

void move_set_stage(struct move *m, enum move_stage s)
{
	m->p.stage = s;
	measure_stage(m, s);
	log_info("migrate: %s: stage %d, %s", m->p.vm, s, move_stage_name(s));
}

void move_set_handover(struct move *m, enum handover_state s)
{
	m->p.handover = s;
	outcome_note(m);
	log_info("migrate: %s: hand-over %s", m->p.vm, handover_state_name(s));
}

void move_set_vm_state(struct vm *vm, enum vm_state s)
{
	vm->state = s;
	waitq_wake_all(&vm->state_changed);
}

void move_update_bytes(struct move *m)
{
	struct link_stats ls;

	if (!m->link)
		return;
	link_get_stats(m->link, &ls);
	m->p.bytes = ls.tx_bytes + ls.rx_bytes;
}

void move_wait(struct move *m, uint64_t ns)
{
	uint64_t deadline = time_ns() + ns;

	while (!m->decided && !m->abdicated && !waitq_wait(&m->wake, deadline))
		;
}

void move_send_error(struct move *m, int err)
{
	struct stream_error e = {.err = err};
	int sent;

	if (!m->link || !m->st.tx)
		return;
	str_copy(e.text, m->p.reason[0] ? m->p.reason : m->st.reason, sizeof(e.text));
	e.length = (uint32_t)strlen(e.text);
	sent = stream_send(&m->st, STREAM_ERROR, &e, sizeof(e));
	if (sent)
		log_debug("migrate: %s: the peer cannot be told: %s", m->p.vm, err_text(sent));
}

int move_fail(struct move *m, int err, const char *what)
{
	return stream_fail(&m->st, err, "%s: %s", what, err_text(err));
}

/* What is freed here must not touch the new owner's reservation: gave_away sees to that. */
void move_free_vm(struct move *m)
{
	struct vm *vm = m->vm;
	int err;

	if (!vm)
		return;
	m->vm = NULL;
	for (unsigned i = 0; i < vm->disk_count; i++)
		vm->disks[i].owned = false;
	vm->gave_away = true;
	vm->serving = true; /* destroying blocks: no command may come between */
	vm->move = NULL;
	vm->move_under_way = false;
	vm_destroy(vm);
	vm->serving = false;
	err = vm_undefine(vm);
	if (err)
		log_error("migrate: %s stays listed: %s", m->p.vm, err_text(err));
}
