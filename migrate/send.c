/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The source's side of a hot move, top to bottom: checks, reservation, and the
 * calls to the later stages. Until commitment any error leaves the guest running
 * here; commit.c decides after that.
 */
#include "kernel/files.h"
#include "kernel/lib/string.h"
#include "kernel/log.h"
#include "kernel/mem.h"
#include "kernel/time.h"
#include "kernel/store/stores.h"
#include "migrate/audit.h"
#include "migrate/cold.h"
#include "migrate/disks.h"

static uint64_t answer_deadline(void)
{
	return time_ns() + MOVE_ANSWER_NS;
}

static int open_stream(struct move *m)
{
	struct stream_io io;
	int err;

	err = link_connect(&m->peer, &m->link);
	if (err)
		return move_fail(m, err, "connecting to the target");
	link_set_rate(m->link, m->opt.bandwidth);
	io = stream_over_link(m->link);
	err = stream_open(&m->st, &io);
	if (err)
		return err;
	m->st.stop = &m->stop;
	return 0;
}

/* The reason of a failed check names the check; what an operator should read goes to the log. */
static int judge(struct move *m)
{
	char line[160];

	for (unsigned i = 0; check_text(m->checks, i, line, sizeof(line)); i++)
		if (m->checks->list[i].result == CHECK_FAILED)
			log_warn("migrate: %s: check: %s", m->p.vm, line);
		else if (m->checks->list[i].result == CHECK_NOTE)
			log_info("migrate: %s: check: %s", m->p.vm, line);
	if (!m->checks->failed)
		return 0;
	check_reason(m->checks, m->st.reason, sizeof(m->st.reason));
	return -E_MISMATCH;
}

static int exchange_hellos(struct move *m, struct stream_hello *mine, struct stream_hello *theirs)
{
	struct checks_input in = {.source = mine, .target = theirs};
	struct stream_record r;
	int err;

	facts_hello(m, STREAM_FOR_MOVE, mine);
	err = stream_send(&m->st, STREAM_HELLO, mine, sizeof(*mine));
	if (err)
		return err;
	err = stream_expect(&m->st, STREAM_HELLO, &r, answer_deadline());
	if (err)
		return err;
	memcpy(theirs, r.payload, sizeof(*theirs));
	err = facts_check_hello(&m->st, theirs);
	if (err)
		return err;
	checks_hello(m->checks, &in);
	return judge(m);
}

int send_alloc(struct move *m)
{
	uint64_t words = (guest_mem_pages(&m->vm->mem) + 63) / 64;

	m->checks = kzalloc(sizeof(*m->checks));
	m->offer = kzalloc(sizeof(*m->offer));
	m->facts = kzalloc(sizeof(*m->facts));
	m->bits = kzalloc(words * sizeof(*m->bits));
	m->runs = kzalloc(STREAM_RUNS_MAX * sizeof(*m->runs));
	if (!m->checks || !m->offer || !m->facts || !m->bits || !m->runs)
		return stream_fail(&m->st, -E_NOMEM, "no host memory for the move's own tables");
	return 0;
}

/* Stage 0. */
int send_pre_migration(struct move *m)
{
	struct stream_hello mine, theirs;
	struct checks_input in = {.source = &mine,
				  .target = &theirs,
				  .state = m->vm->state,
				  .cold = m->cold,
				  .start = m->opt.start,
				  .keeps_definitions = stores_default()};
	struct stream_record r;
	int err;

	move_set_stage(m, STAGE_PRE_MIGRATION);
	err = send_alloc(m);
	if (err)
		return err;
	err = open_stream(m);
	if (err)
		return err;
	err = exchange_hellos(m, &mine, &theirs);
	if (err)
		return err;
	err = facts_offer(m->vm, m->offer);
	if (err)
		return move_fail(m, err, "describing the VM");
	err = send_disks_offer(m);
	if (!err && m->opt.audit)
		err = audit_probe(m);
	if (err)
		return err;
	m->offer->flags = (m->opt.audit ? OFFER_MEASURE : 0) | (m->cold ? OFFER_COLD : 0) |
			  (m->opt.start ? OFFER_START : 0);
	err = stream_send(&m->st, STREAM_OFFER, m->offer, sizeof(*m->offer));
	if (err)
		return err;
	err = stream_expect(&m->st, STREAM_FACTS, &r, answer_deadline() + 30 * NS_PER_S);
	if (err)
		return err;
	memcpy(m->facts, r.payload, sizeof(*m->facts));
	memcpy(m->store, m->facts->store, sizeof(m->store));
	if (m->opt.audit) {
		err = audit_look(m);
		if (err)
			return err;
	}
	in.offer = m->offer;
	in.facts = m->facts;
	in.audit = m->audit;
	checks_run(m->checks, &in);
	m->checked = true;
	return judge(m);
}

int send_file(struct move *m, const struct stream_file *sf)
{
	const struct file *f = files_find(sf->path);
	int err;

	if (!f || f->size != sf->size || f->crc != sf->crc)
		return stream_fail(&m->st, -E_NOENT, "boot file %s changed meanwhile", sf->path);
	log_info("migrate: %s: sending boot file %s", m->p.vm, sf->path);
	err = stream_send(&m->st, STREAM_FILE, sf, sizeof(*sf));
	for (uint64_t at = 0; !err && at < f->size; at += STREAM_CHUNK) {
		if (m->stop)
			return stream_fail(&m->st, -E_CANCELLED, "cancelled by the operator");
		stream_begin(&m->st, STREAM_FILE_DATA);
		stream_add(&m->st, f->data + at, MIN(f->size - at, STREAM_CHUNK));
		err = stream_end(&m->st);
	}
	return err;
}

/* Before it the target of a cold move says what it has of the disks already. */
static int expect_reserved(struct move *m, struct stream_record *r)
{
	int err;

	for (;;) {
		err = stream_read(&m->st, r, answer_deadline() + 30 * NS_PER_S);
		if (err || r->type == STREAM_RESERVED)
			return err;
		if (r->type == STREAM_ERROR)
			return stream_error_take(&m->st, r);
		if (r->type != STREAM_DISK_DIGESTS || !m->cold)
			return stream_fail(&m->st, -E_PROTO, "record %s came instead of RESERVED",
					   stream_type_name(r->type));
		err = cold_take_digests(m, r);
		if (err)
			return err;
	}
}

/* Stage 1. The token is set early: its frames must be dead before the guest is paused. */
int send_reservation(struct move *m)
{
	const struct stream_reserved *theirs;
	struct stream_record r;
	int err;

	move_set_stage(m, STAGE_RESERVATION);
	m->ho.vm = m->vm;
	if (handover_disk(m->vm) && !m->cold) {
		err = handover_set_token(&m->ho);
		if (err)
			return move_fail(m, err, "marking the deciding disk");
	}
	for (unsigned i = 0; i < m->offer->file_count; i++) {
		if (!(m->facts->files_missing & (1u << i)))
			continue;
		err = send_file(m, &m->offer->files[i]);
		if (err)
			return err;
	}
	err = send_disks_places(m);
	if (err)
		return err;
	err = stream_send(&m->st, STREAM_RESERVE, NULL, 0);
	if (err)
		return err;
	err = expect_reserved(m, &r);
	if (err)
		return err;
	theirs = (const struct stream_reserved *)r.payload;
	for (unsigned i = 0; i < m->vm->disk_count; i++)
		memcpy(m->ho.new_macs[i], theirs->macs[i], ETH_ALEN);
	return 0;
}

/* 0: the target has it; 1: we have; negative: error, and we have. */
static int send_all(struct move *m)
{
	int err;

	err = send_pre_migration(m);
	if (err)
		return err;
	if (m->opt.dry_run)
		return 1;
	err = send_reservation(m);
	if (err)
		return err;
	err = send_pre_copy(m);
	if (err)
		return err;
	err = send_stop_and_copy(m);
	if (err)
		return err;
	return commit_source(m) ? 0 : -E_FENCED;
}

void send_resume_here(struct move *m)
{
	int err;

	dirty_log_stop(m->vm);
	send_disks_stop(m);
	if (m->vm->state == VM_IN_DOUBT)
		move_set_vm_state(m->vm, VM_PAUSED);
	if (!m->paused_ns || !m->was_running || m->vm->state != VM_PAUSED)
		return;
	vm_clock_skip(m->vm, time_ns() - m->vm->clock.frozen_ns);
	err = vm_resume(m->vm);
	if (err)
		log_error("migrate: %s cannot go on: %s", m->p.vm, err_text(err));
}

int send_last_words(struct move *m, int err)
{
	struct stream_record r;

	while (err == -E_CLOSED && m->st.io.ready && m->st.io.ready(m->st.io.ctx)) {
		if (stream_read(&m->st, &r, time_ns()))
			break;
		if (r.type == STREAM_ERROR)
			err = stream_error_take(&m->st, &r);
	}
	return err;
}

/* Returns the error to be shown. */
static int send_failed(struct move *m, int err)
{
	err = send_last_words(m, err);
	if (!m->p.reason[0])
		str_copy(m->p.reason, m->st.reason[0] ? m->st.reason : err_text(err),
			 sizeof(m->p.reason));
	log_warn("migrate: %s: not moved, runs on here: %s", m->p.vm, m->p.reason);
	send_resume_here(m);
	move_send_error(m, err);
	return err;
}

void send_log_summary(const struct move *m)
{
	char text[512];

	move_summary_text(&m->p, text, sizeof(text));
	for (const char *line = text; *line;) {
		const char *end = strchr(line, '\n');
		int n = (int)(end ? (size_t)(end - line) : strlen(line));

		log_info("migrate: %.*s", n, line);
		line += n + (end != NULL);
	}
}

void send_task(void *arg)
{
	struct move *m = arg;
	int err = send_all(m);

	if (err < 0) {
		err = send_failed(m, err);
	} else if (!err) {
		move_set_stage(m, STAGE_ACTIVATION);
		dirty_log_stop(m->vm);
		send_disks_stop(m);
		m->p.finished_ns = time_ns();
		frames_send(m);
		send_disks_gone(m);
		definition_gone(m);
		move_free_vm(m);
	}
	move_end(m, err < 0 ? err : 0);
	if (err >= 0)
		send_log_summary(m);
}
