/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Stage 4 of a cold move, as tests/model/cold.pml has it. The source notes durably that the VM
 * is leaving before it says COMMIT; the target's commit of the definition decides; a source
 * without an answer asks, also after a restart, and nobody starts the VM there meanwhile.
 */
#include "kernel/lib/format.h"
#include "kernel/lib/string.h"
#include "kernel/log.h"
#include "kernel/store/stores.h"
#include "kernel/time.h"
#include "migrate/cold.h"
#include "vmm/vm_build.h"
#include "vmm/vm_store.h"

#define AGAIN_NS (NS_PER_S / 2) /* between attempts in doubt */

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
int cold_source_asks(struct move *m, const char *why)
{
	const char *kept = commit_ask(m, why);

	return kept ? source_keeps(m, kept) : source_gone(m);
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
	return cold_source_asks(m, "COMMIT was not answered; the target must say who has it");
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
