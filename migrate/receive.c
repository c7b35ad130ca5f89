/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The target's side of a hot move. Every byte may be an attacker's: which record may
 * come when is one table, what it may contain is checked where it is taken in, and
 * any error frees everything and tells the source why.
 */
#include "kernel/files.h"
#include "kernel/lib/string.h"
#include "kernel/log.h"
#include "kernel/time.h"
#include "migrate/disks.h"
#include "migrate/cold.h"
#include "migrate/validate.h"

#define YIELD_RECORDS 8 /* a fast link must not starve the other tasks */

#define OFFER_NS (60 * NS_PER_S) /* for each record before memory comes */

#define MAY(name) (1u << STREAM_##name)
static const uint32_t may_come[PHASES] = {
    [PHASE_OFFER] = MAY(OFFER) | MAY(PROBE),
    [PHASE_RESERVE] = MAY(FILE) | MAY(FILE_DATA) | MAY(DISK) | MAY(RESERVE),
    [PHASE_PRE_COPY] =
	MAY(PAGES) | MAY(ZERO_RUNS) | MAY(DISK_DATA) | MAY(DISK_HOLES) | MAY(ROUND_END) | MAY(STOP),
    [PHASE_STOPPED] = MAY(PAGES) | MAY(ZERO_RUNS) | MAY(DIGESTS) | MAY(VCPU) | MAY(DEVICE) |
		      MAY(CLOCK) | MAY(STATE_END) | MAY(DISK_DATA) | MAY(DISK_HOLES),
    [PHASE_COLD] = MAY(DISK_DATA) | MAY(DISK_HOLES) | MAY(LOG) | MAY(STATE_END),
};
_Static_assert(STREAM_TYPES <= 32, "may_come holds a bit for each type");

static int take_round_end(struct receiver *rx, const struct stream_record *r)
{
	struct stream_round_end e;

	memcpy(&e, r->payload, sizeof(e));
	rx->m->p.round = e.round;
	move_update_bytes(rx->m);
	return 0;
}

static int send_verdict(struct receiver *rx, const struct stream_state_end *end)
{
	struct move *m = rx->m;
	char names[72];
	int err;

	if (!(end->flags & STATE_VERIFIED) || m->from_store)
		return 0;
	if (rx->digest_next != m->p.pages_total)
		return stream_fail(&m->st, -E_PROTO, "digests of %llu pages came, expected %llu",
				   (unsigned long long)rx->digest_next,
				   (unsigned long long)m->p.pages_total);
	err = receive_disks_compare(m, end->disk_digests, &rx->sum.disks);
	if (err)
		return err;
	err = stream_send(&m->st, STREAM_VERIFIED, &rx->sum, sizeof(rx->sum));
	if (err)
		return err;
	if (rx->sum.disks)
		return stream_fail(&m->st, -E_MISMATCH, "disks differ: %s",
				   disk_names(m->vm, rx->sum.disks, names));
	if (rx->sum.differing)
		return stream_fail(
		    &m->st, -E_MISMATCH, "%llu pages differ, the first is gfn 0x%llx",
		    (unsigned long long)rx->sum.differing, (unsigned long long)rx->sum.first_gfn);
	m->p.verified = true;
	return 0;
}

static int take_state_end(struct receiver *rx, const struct stream_record *r)
{
	struct stream_state_end end;
	struct move *m = rx->m;
	int err;

	memcpy(&end, r->payload, sizeof(end));
	if (!!(end.flags & STATE_ARBITER) != !!handover_disk(m->vm))
		return stream_fail(&m->st, -E_MISMATCH,
				   "source and target differ in whether a shared disk decides");
	if (m->cold && !(end.flags & STATE_VERIFIED))
		return stream_fail(&m->st, -E_PROTO, "STATE_END of a cold move has no digests");
	err = send_verdict(rx, &end);
	if (err)
		return err;
	if (m->cold) {
		rx->phase = PHASES;
		return 0;
	}
	err = received_state_load(m, rx->state, &end);
	if (err)
		return err;
	memcpy(m->ho.token, end.token, sizeof(m->ho.token));
	m->was_running = end.flags & STATE_RUNNING;
	rx->phase = PHASES;
	return 0;
}

/* Its acknowledgement by the link is the answer; but nobody keeps us busy with it. */
static int receive_probe(struct receiver *rx)
{
	if (++rx->probes <= STREAM_PROBES_MAX)
		return 0;
	return stream_fail(&rx->m->st, -E_PROTO, "more than %u PROBE records came",
			   STREAM_PROBES_MAX);
}

static int take(struct receiver *rx, const struct stream_record *r)
{
	struct move *m = rx->m;

	switch (r->type) {
	case STREAM_OFFER:
		return receive_offer(rx, r);
	case STREAM_PROBE:
		return receive_probe(rx);
	case STREAM_FILE:
		return received_file_begin(m, &rx->file, r);
	case STREAM_FILE_DATA:
		return receive_file_data(rx, r);
	case STREAM_DISK:
		return receive_disk_place(rx, r);
	case STREAM_DISK_DATA:
		return m->cold ? cold_disk_data(rx, r) : receive_disk_data(m, r);
	case STREAM_DISK_HOLES:
		return receive_disk_holes(m, r);
	case STREAM_LOG:
		return cold_log(rx, r);
	case STREAM_RESERVE:
		return m->cold ? cold_reserve(rx) : receive_reserve(rx);
	case STREAM_PAGES:
		return receive_pages(m, r);
	case STREAM_ZERO_RUNS:
		return receive_zero_runs(m, r);
	case STREAM_ROUND_END:
		return take_round_end(rx, r);
	case STREAM_STOP:
		move_set_stage(m, STAGE_STOP_AND_COPY);
		rx->phase = PHASE_STOPPED;
		return 0;
	case STREAM_DIGESTS:
		return receive_digests(m, r, &rx->sum, &rx->digest_next);
	case STREAM_VCPU:
		return received_state_vcpu(m, rx->state, r);
	case STREAM_DEVICE:
		return received_state_device(m, rx->state, r);
	case STREAM_CLOCK:
		return received_state_clock(m, rx->state, r);
	default: /* STREAM_STATE_END: may_come lets nothing else pass */
		return take_state_end(rx, r);
	}
}

int receive_records(struct receiver *rx)
{
	struct move *m = rx->m;
	unsigned records = 0;

	while (rx->phase != PHASES) {
		struct stream_record r;
		int err;

		/* A source that only checks, or says nothing, must not keep others waiting. */
		err = stream_read(&m->st, &r,
				  rx->phase < PHASE_PRE_COPY ? time_ns() + OFFER_NS : TIME_NEVER);
		if (err)
			return err;
		if (r.type == STREAM_ERROR)
			return stream_error_take(&m->st, &r);
		if (!(may_come[rx->phase] & (1u << r.type)))
			return stream_fail(&m->st, -E_PROTO, "record %s came out of order",
					   stream_type_name(r.type));
		if (rx->phase == PHASE_PRE_COPY && m->p.stage != STAGE_PRE_COPY)
			move_set_stage(m, STAGE_PRE_COPY);
		err = take(rx, &r);
		if (err)
			return err;
		if (++records % YIELD_RECORDS == 0)
			task_yield();
	}
	return 0;
}

/* Stage 5. It is ours; what fails now is reported, not undone. */
static void activate(struct move *m)
{
	struct stream_commit c = {.ns = 0};
	int err;

	move_set_stage(m, STAGE_ACTIVATION);
	move_set_vm_state(m->vm, VM_PAUSED);
	if (m->was_running) {
		vm_clock_skip(m->vm, m->stood_ns + time_ns() - m->paused_ns);
		err = vm_resume(m->vm);
		if (err)
			log_error("migrate: %s is ours but cannot run: %s", m->p.vm, err_text(err));
	}
	m->p.target_ns = c.ns = time_ns() - m->paused_ns;
	memcpy(c.move_id, m->uuid, sizeof(c.move_id));
	err = stream_send(&m->st, STREAM_COMMITTED, &c, sizeof(c));
	if (err)
		log_warn("migrate: %s runs here; the source will ask: %s", m->p.vm, m->st.reason);
}

void receive_undo(struct receiver *rx)
{
	move_free_vm(rx->m);
	receive_disks_undo(rx);
	received_file_discard(&rx->file);
	for (unsigned i = 0; i < rx->file_count; i++)
		files_discard(rx->files[i]);
}

void receive_failed(struct receiver *rx, int err)
{
	struct move *m = rx->m;

	if (m->p.handover != HANDOVER_DISCARDED)
		move_set_handover(m, HANDOVER_DISCARDED); /* whoever asks later hears NEVER */
	if (!m->p.reason[0])
		str_copy(m->p.reason, m->st.reason[0] ? m->st.reason : err_text(err),
			 sizeof(m->p.reason));
	if (err == -E_CLOSED && rx->phase == PHASE_RESERVE && !m->copied && !rx->file_count)
		log_info("migrate: %s: %s made its checks, and sent nothing", m->p.vm, m->p.peer);
	else
		log_warn("migrate: %s is not taken in: %s", m->p.vm[0] ? m->p.vm : "a VM",
			 m->p.reason);
	receive_undo(rx);
	move_send_error(m, err);
}

void receive_move(struct receiver *rx)
{
	struct move *m = rx->m;
	struct vm *came;
	int err;

	err = receive_records(rx);
	if (m->cold) {
		cold_receive_end(rx, err);
		return;
	}
	received_state_destroy(rx->state);
	rx->state = NULL;
	if (!err)
		err = receive_disks_keep(m);
	if (!err && !commit_target(m))
		err = m->stop && !m->abdicated ? -E_CANCELLED : -E_FENCED;
	if (err)
		receive_failed(rx, err);
	else
		activate(m);
	if (!err) {
		m->p.reason[0] = 0;
		m->p.finished_ns = time_ns();
		frames_receive(m);
		definition_arrived(m);
	}
	came = err ? NULL : m->vm;
	move_end(m, err);
	if (came)
		validate_later(came);
}
