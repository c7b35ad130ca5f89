/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Stage 4, both hosts' sequence, as tests/model/handover.pml has it. A host that
 * does not know whether it owns the VM does not run it: it is in doubt, and asks
 * the storage, or when that forgot, the other host, until one of them answers.
 */
#include "kernel/lib/string.h"
#include "kernel/log.h"
#include "kernel/time.h"
#include "migrate/disks.h"

#define AGAIN_NS     (NS_PER_S / 2)    /* between attempts in doubt */
#define STOOD_MAX_NS (3600 * NS_PER_S) /* no stop-and-copy takes longer: a peer's number */

void commit_enter_doubt(struct move *m, const char *why)
{
	str_copy(m->p.reason, why, sizeof(m->p.reason));
	if (m->vm->state != VM_IN_DOUBT)
		log_warn("migrate: %s is in doubt: %s; it stays paused until that is settled",
			 m->p.vm, why);
	move_set_vm_state(m->vm, VM_IN_DOUBT);
}

bool commit_is_for(const struct move *m, const struct stream_record *r)
{
	return !memcmp(r->payload, m->uuid, sizeof(m->uuid));
}

/* ---- source ---- */

/* Ours for good: the new period's MAC, and words for the console. */
static int source_keeps(struct move *m, bool forced, const char *why)
{
	handover_settle_source(&m->ho, forced);
	move_set_handover(m, HANDOVER_RESUMED);
	definition_note_leaving(m, false);
	str_copy(m->p.reason, why, sizeof(m->p.reason));
	return 0;
}

static int source_gone(struct move *m)
{
	m->p.reason[0] = 0;
	m->p.measured_ns = time_ns() - m->paused_ns;
	move_set_handover(m, HANDOVER_GONE);
	return 1;
}

static int source_reclaim(struct move *m);

/* H_FORGOTTEN: from here on only the target's word (or the operator's) counts. */
const char *commit_ask(struct move *m, const char *why)
{
	move_set_handover(m, HANDOVER_FORGOTTEN);
	commit_enter_doubt(m, why);
	for (;;) {
		enum handover_answer a;

		if (m->decided == DECIDED_KEEP)
			return "kept by the operator";
		if (m->decided == DECIDED_DROP)
			return NULL;
		a = query_peer(m);
		if (a == ANSWER_COMMITTED) {
			m->confirmed = true;
			return NULL;
		}
		if (a == ANSWER_NEVER)
			return "the target gave it up";
		move_wait(m, AGAIN_NS);
	}
}

static int source_forgotten(struct move *m, const char *why)
{
	const char *kept = commit_ask(m, why);

	return kept ? source_keeps(m, true, kept) : source_gone(m);
}

/* H_RECLAIM: the storage decides; until it answers nothing is known. */
static int source_reclaim(struct move *m)
{
	move_set_handover(m, HANDOVER_RECLAIM);
	commit_enter_doubt(m, "COMMIT was not answered; the storage must say who owns the VM");
	for (;;) {
		enum handover_look seen;

		if (m->decided == DECIDED_KEEP)
			return source_keeps(m, true, "kept by the operator");
		if (m->decided == DECIDED_DROP)
			return source_gone(m);
		if (!handover_reclaim(&m->ho, &seen)) {
			if (seen == LOOK_BACK)
				return source_keeps(m, false, "taken back: the target is fenced");
			if (seen == LOOK_NEW)
				return source_gone(m);
			if (seen == LOOK_FORGOTTEN)
				return source_forgotten(m, "the storage restarted and forgot");
			if (seen == LOOK_OTHER)
				return source_forgotten(m, "the reservation names neither host");
		}
		move_wait(m, AGAIN_NS);
	}
}

/* The answer to COMMIT; anything but a clear word leaves us in doubt. */
static int source_await(struct move *m)
{
	struct stream_record r;
	struct stream_commit c;
	int err;

	m->st.stop = &m->peer_in_doubt;
	err = stream_read(&m->st, &r, time_ns() + MOVE_ANSWER_NS);
	if (!err && r.type == STREAM_COMMITTED && commit_is_for(m, &r)) {
		memcpy(&c, r.payload, sizeof(c));
		m->p.target_ns = c.ns;
		m->confirmed = true;
		return source_gone(m);
	}
	/* a target says ERROR only when it has discarded the VM: it will never run there */
	if (!err && r.type == STREAM_ERROR) {
		(void)stream_error_take(&m->st, &r);
		return source_keeps(m, true, m->st.reason);
	}
	if (!handover_disk(m->vm))
		return source_forgotten(m, "COMMIT was not answered and there is no shared disk");
	return source_reclaim(m);
}

/* 1: the target has it; 0: we kept it. */
int commit_source(struct move *m)
{
	struct stream_commit c = {.ns = 0};
	int err;

	move_set_stage(m, STAGE_COMMITMENT);
	move_set_handover(m, HANDOVER_PREPARE);
	err = handover_offer(&m->ho);
	if (!err && m->stop)
		err = -E_CANCELLED;
	if (err) {
		move_fail(m, err, "offering the disks to the target");
		handover_withdraw(&m->ho);
		return 0;
	}
	m->too_late = true;
	definition_note_leaving(m, true);
	move_set_handover(m, HANDOVER_WAIT_COMMITTED);
	memcpy(c.move_id, m->uuid, sizeof(c.move_id));
	c.ns = m->was_running ? time_ns() - m->vm->clock.frozen_ns : 0;
	err = stream_send(&m->st, STREAM_COMMIT, &c, sizeof(c));
	if (err) /* some of it may have left: that counts as sent */
		log_warn("migrate: %s: %s", m->p.vm, m->st.reason);
	return source_await(m);
}

/* ---- target ---- */

static int target_discards(struct move *m, const char *why)
{
	move_set_handover(m, HANDOVER_DISCARDED);
	if (!m->st.reason[0])
		stream_fail(&m->st, -E_FENCED, "%s", why);
	return 0;
}

/*
 * The state is set before anything that blocks: whoever asks from now on hears
 * COMMITTED.
 */
static int target_runs(struct move *m, bool forced)
{
	move_set_handover(m, HANDOVER_RUNNING);
	handover_settle_target(&m->ho, forced);
	receive_disks_commit(m);
	return 1;
}

static int target_forgotten(struct move *m, const char *why)
{
	move_set_handover(m, HANDOVER_TARGET_FORGOTTEN);
	commit_enter_doubt(m, why);
	for (;;) {
		enum handover_answer a = ANSWER_UNKNOWN;

		if (!m->decided && !m->abdicated)
			a = query_peer(m);
		if (m->abdicated)
			return target_discards(m, "promised to the source");
		if (m->decided == DECIDED_KEEP || a == ANSWER_YOURS)
			return target_runs(m, true);
		if (m->decided == DECIDED_DROP || a == ANSWER_MINE)
			return target_discards(m, "the source has it");
		move_wait(m, AGAIN_NS);
	}
}

/* H_TAKING. abdicated is looked at after every call that blocks, right before deciding. */
static int target_takes(struct move *m)
{
	move_set_handover(m, HANDOVER_TAKING);
	for (;;) {
		enum handover_look seen;
		int err = handover_take(&m->ho, &seen);

		if (m->abdicated)
			return target_discards(m, "promised to the source");
		if (err) {
			commit_enter_doubt(m, "the storage does not answer");
			if (m->decided)
				return target_forgotten(m, "the operator decides");
		} else if (seen == LOOK_NEW) {
			return target_runs(m, false);
		} else if (seen == LOOK_FORGOTTEN) {
			return target_forgotten(m, "the storage restarted and forgot");
		} else if (seen != LOOK_OLD_AND_NEW) {
			/* The list is true and does not name us; only the source could do that.
			 * Its new MAC (a3) is not known here, nor needed. */
			return target_discards(m, "fenced by the storage: the source took it back");
		}
		move_wait(m, err ? AGAIN_NS : NS_PER_MS);
	}
}

int commit_await(struct move *m)
{
	struct stream_record r;
	int err;

	move_set_stage(m, STAGE_COMMITMENT);
	move_set_handover(m, HANDOVER_READY);
	err = stream_send(&m->st, STREAM_READY, NULL, 0);
	if (!err)
		err = stream_expect(&m->st, STREAM_COMMIT, &r, TIME_NEVER);
	if (!err && !commit_is_for(m, &r))
		err = stream_fail(&m->st, -E_PROTO, "COMMIT is for another move");
	if (!err && m->stop)
		err = -E_CANCELLED;
	if (err)
		return err;
	m->too_late = true;
	m->paused_ns = time_ns();
	m->stood_ns = MIN(((const struct stream_commit *)r.payload)->ns, STOOD_MAX_NS);
	return 0;
}

/* 1: it runs here; 0: it never will. */
int commit_target(struct move *m)
{
	if (commit_await(m))
		return target_discards(m, "ended before COMMIT");
	if (!handover_disk(m->vm))
		return target_runs(m, false);
	return target_takes(m);
}
