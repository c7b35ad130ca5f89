/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The target's side of a hot move. Every byte may be an attacker's: which record may
 * come when is one table, what it may contain is checked where it is taken in, and
 * any error frees everything and tells the source why.
 */
#include "kernel/files.h"
#include "kernel/lib/string.h"
#include "kernel/log.h"
#include "kernel/mem.h"
#include "kernel/time.h"
#include "migrate/move.h"

#define HELLO_NS      (5 * NS_PER_S)
#define YIELD_RECORDS 8 /* a fast link must not starve the other tasks */

enum phase { PHASE_OFFER, PHASE_RESERVE, PHASE_PRE_COPY, PHASE_STOPPED, PHASES };

#define MAY(name) (1u << STREAM_##name)
static const uint32_t may_come[PHASES] = {
    [PHASE_OFFER] = MAY(OFFER),
    [PHASE_RESERVE] = MAY(FILE) | MAY(FILE_DATA) | MAY(RESERVE),
    [PHASE_PRE_COPY] = MAY(PAGES) | MAY(ZERO_RUNS) | MAY(ROUND_END) | MAY(STOP),
    [PHASE_STOPPED] = MAY(PAGES) | MAY(ZERO_RUNS) | MAY(DIGESTS) | MAY(VCPU) | MAY(DEVICE) |
		      MAY(CLOCK) | MAY(STATE_END),
};
_Static_assert(STREAM_TYPES <= 32, "may_come holds a bit for each type");

struct receiver {
	struct move *m;
	enum phase phase;
	bool busy; /* another move was under way when this one came */
	struct received_file file;
	char files[STREAM_FILES_MAX][VM_PATH_LEN]; /* committed here by this move */
	unsigned file_count;
	struct received_state *state;
	struct stream_verified sum;
	uint64_t digest_next;
	bool digests;
};

/* A hostile config must not even reach the checks. */
static int take_offer(struct receiver *rx, const struct stream_record *r)
{
	struct move *m = rx->m;
	struct config_error why;
	int err;

	m->offer = kzalloc(sizeof(*m->offer));
	m->facts = kzalloc(sizeof(*m->facts));
	if (!m->offer || !m->facts)
		return stream_fail(&m->st, -E_NOMEM, "no host memory for the move's own tables");
	memcpy(m->offer, r->payload, sizeof(*m->offer));
	err = vm_config_check(&m->offer->cfg, &why);
	if (err)
		return stream_fail(&m->st, err, "the VM's configuration: %s", why.text);
	if (m->offer->file_count > STREAM_FILES_MAX || m->offer->cfg.disk_count > VM_MAX_DISKS)
		return stream_fail(&m->st, -E_RANGE, "the offer has more files or disks than fit");
	for (unsigned i = 0; i < m->offer->file_count; i++)
		if (strnlen(m->offer->files[i].path, VM_PATH_LEN) == VM_PATH_LEN)
			return stream_fail(&m->st, -E_INVAL, "a boot file's path has no end");
	str_copy(m->p.vm, m->offer->cfg.name, sizeof(m->p.vm));
	move_set_stage(m, STAGE_PRE_MIGRATION);
	facts_gather(m->offer, m->facts);
	if (rx->busy)
		m->facts->flags |= FACT_MOVE_BUSY;
	for (unsigned i = 0; i < m->offer->file_count; i++)
		if (m->offer->files[i].size == 0)
			return stream_fail(&m->st, -E_INVAL, "an empty boot file is offered");
	rx->phase = PHASE_RESERVE;
	return stream_send(&m->st, STREAM_FACTS, m->facts, sizeof(*m->facts));
}

static int take_file_data(struct receiver *rx, const struct stream_record *r)
{
	struct received_file *f = &rx->file;
	int err;

	err = received_file_data(rx->m, f, r);
	if (err)
		return err;
	if (f->data || rx->file_count == STREAM_FILES_MAX)
		return 0;
	memcpy(rx->files[rx->file_count++], f->path, sizeof(f->path));
	return 0;
}

static void note_difference(void *ctx, const char *what, uint64_t guest, uint64_t host)
{
	*(const char **)ctx = what;
}

/* The source judged by our facts; an attacker would not have. */
static int check_cpuid(struct move *m)
{
	const struct cpuid_policy *guest = &m->offer->cpuid;
	const char *bad = NULL;

	if (guest->count > CPUID_MAX_ENTRIES)
		return stream_fail(&m->st, -E_RANGE, "the CPUID policy has %u entries, at most %u",
				   guest->count, CPUID_MAX_ENTRIES);
	if (cpuid_policy_compare(guest, &m->facts->host, note_difference, &bad))
		return stream_fail(&m->st, -E_MISMATCH, "this host's CPU cannot run the VM: %s",
				   bad ? bad : "CPUID");
	return 0;
}

static int build_vm(struct receiver *rx)
{
	struct move *m = rx->m;
	int err;

	if (rx->file.data || m->facts->files_missing)
		return stream_fail(&m->st, -E_PROTO, "RESERVE came before every boot file had");
	if (rx->busy)
		return stream_fail(&m->st, -E_BUSY, "another move is under way here");
	err = check_cpuid(m);
	if (err)
		return err;
	move_set_stage(m, STAGE_RESERVATION);
	received_files_rename(m);
	err = vm_create_incoming(&m->offer->cfg, &m->offer->cpuid, &m->vm);
	if (err) {
		m->vm = NULL;
		return move_fail(m, err, "building the VM here");
	}
	m->vm->move = m;
	m->vm->move_under_way = true;
	m->ho.vm = m->vm;
	m->p.pages_total = guest_mem_pages(&m->vm->mem);
	err = received_state_create(m->vm, &rx->state);
	if (err)
		return move_fail(m, err, "making room for the VM's state");
	return 0;
}

static int take_reserve(struct receiver *rx)
{
	struct stream_reserved mine;
	struct move *m = rx->m;
	int err;

	err = build_vm(rx);
	if (err)
		return err;
	memset(&mine, 0, sizeof(mine));
	for (unsigned i = 0; i < m->vm->disk_count; i++) {
		if (!m->vm->disks[i].aoe)
			continue;
		memcpy(mine.macs[i], aoe_mac(m->vm->disks[i].aoe), ETH_ALEN);
		memcpy(m->ho.new_macs[i], mine.macs[i], ETH_ALEN);
		memcpy(m->ho.old_macs[i], m->offer->disks[i].mac, ETH_ALEN);
	}
	rx->phase = PHASE_PRE_COPY;
	return stream_send(&m->st, STREAM_RESERVED, &mine, sizeof(mine));
}

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
	int err;

	if (!(end->flags & STATE_VERIFIED))
		return 0;
	if (rx->digest_next != m->p.pages_total)
		return stream_fail(&m->st, -E_PROTO, "digests of %llu pages came, expected %llu",
				   (unsigned long long)rx->digest_next,
				   (unsigned long long)m->p.pages_total);
	err = stream_send(&m->st, STREAM_VERIFIED, &rx->sum, sizeof(rx->sum));
	if (err)
		return err;
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
	err = send_verdict(rx, &end);
	if (err)
		return err;
	err = received_state_load(m, rx->state, &end);
	if (err)
		return err;
	memcpy(m->ho.token, end.token, sizeof(m->ho.token));
	m->was_running = end.flags & STATE_RUNNING;
	rx->phase = PHASES;
	return 0;
}

static int take(struct receiver *rx, const struct stream_record *r)
{
	struct move *m = rx->m;

	switch (r->type) {
	case STREAM_OFFER:
		return take_offer(rx, r);
	case STREAM_FILE:
		return received_file_begin(m, &rx->file, r);
	case STREAM_FILE_DATA:
		return take_file_data(rx, r);
	case STREAM_RESERVE:
		return take_reserve(rx);
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

/* Everything up to READY. */
static int receive_all(struct receiver *rx)
{
	struct move *m = rx->m;
	unsigned records = 0;

	while (rx->phase != PHASES) {
		struct stream_record r;
		int err;

		err = stream_read(&m->st, &r, TIME_NEVER);
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
	const struct migrate_hooks *hooks = migrate_state()->hooks;
	struct stream_commit c = {.ns = 0};
	int err;

	move_set_stage(m, STAGE_ACTIVATION);
	move_set_vm_state(m->vm, VM_PAUSED);
	if (m->was_running) {
		err = vm_resume(m->vm);
		if (err)
			log_error("migrate: %s is ours but cannot run: %s", m->p.vm, err_text(err));
		else if (hooks && hooks->announce)
			hooks->announce(m->vm);
	}
	m->p.target_ns = c.ns = time_ns() - m->paused_ns;
	memcpy(c.move_id, m->uuid, sizeof(c.move_id));
	err = stream_send(&m->st, STREAM_COMMITTED, &c, sizeof(c));
	if (err)
		log_warn("migrate: %s runs here; the source will ask: %s", m->p.vm, m->st.reason);
}

static void receive_failed(struct receiver *rx, int err)
{
	struct move *m = rx->m;

	if (m->p.handover != HANDOVER_DISCARDED)
		move_set_handover(m, HANDOVER_DISCARDED); /* whoever asks later hears NEVER */
	if (!m->p.reason[0])
		str_copy(m->p.reason, m->st.reason[0] ? m->st.reason : err_text(err),
			 sizeof(m->p.reason));
	log_warn("migrate: %s is not taken in: %s", m->p.vm[0] ? m->p.vm : "a VM", m->p.reason);
	move_free_vm(m);
	received_file_discard(&rx->file);
	for (unsigned i = 0; i < rx->file_count; i++)
		files_discard(rx->files[i]);
	move_send_error(m, err);
}

static void receive_move(struct receiver *rx)
{
	struct move *m = rx->m;
	int err;

	err = receive_all(rx);
	received_state_destroy(rx->state);
	rx->state = NULL;
	if (!err && !commit_target(m))
		err = m->stop && !m->abdicated ? -E_CANCELLED : -E_FENCED;
	if (err)
		receive_failed(rx, err);
	else
		activate(m);
	if (!err)
		m->p.reason[0] = 0;
	move_end(m, err);
}

/* From here on the move owns link and stream. */
static void start_move(struct link *l, struct stream *s, const struct stream_hello *h)
{
	bool busy = move_any_active();
	struct move *m = move_create(MOVE_TARGET);
	struct receiver *rx = kzalloc(sizeof(*rx));
	const struct peer *p = peers_find(h->host);

	if (!m || !rx) {
		log_warn("migrate: no host memory to take in a VM");
		stream_close(s);
		link_abort(l);
		if (m)
			move_end(m, -E_NOMEM);
		kfree(rx);
		return;
	}
	m->link = l;
	m->st = *s;
	m->st.stop = &m->stop;
	memcpy(m->uuid, h->move_id, sizeof(m->uuid));
	if (p)
		m->peer = *p;
	str_copy(m->p.peer, h->host, sizeof(m->p.peer));
	rx->m = m;
	rx->busy = busy;
	receive_move(rx);
	kfree(rx);
}

static int greet(struct stream *s, struct stream_hello *theirs)
{
	struct stream_hello mine;
	struct stream_record r;
	int err;

	err = stream_expect(s, STREAM_HELLO, &r, time_ns() + HELLO_NS);
	if (err)
		return err;
	memcpy(theirs, r.payload, sizeof(*theirs));
	err = facts_check_hello(s, theirs);
	if (err)
		return err;
	facts_hello(NULL, theirs->purpose, &mine);
	memcpy(mine.move_id, theirs->move_id, sizeof(mine.move_id));
	err = stream_send(s, STREAM_HELLO, &mine, sizeof(mine));
	if (err)
		return err;
	if (theirs->version != STREAM_VERSION) /* the source compares and words it */
		return stream_fail(s, -E_VERSION, "%.31s speaks stream version %u, we speak %u",
				   theirs->host, theirs->version, STREAM_VERSION);
	return 0;
}

static void serve(struct link *l)
{
	struct stream_io io = stream_over_link(l);
	struct stream_hello theirs;
	struct stream s;
	int err;

	err = stream_open(&s, &io);
	if (err) {
		link_abort(l);
		return;
	}
	err = greet(&s, &theirs);
	if (!err && theirs.purpose == STREAM_FOR_MOVE) {
		start_move(l, &s, &theirs);
		return;
	}
	if (err)
		log_warn("migrate: an incoming link: %s", s.reason);
	else
		query_serve(&s);
	stream_close(&s);
	link_close(l);
}

static void receive_task(void *arg)
{
	serve(arg);
	migrate_state()->incoming--;
}

bool receive_accept(struct link *l, void *ctx)
{
	struct migrate_state *st = migrate_state();

	if (st->incoming >= INCOMING_MAX)
		return false;
	st->incoming++;
	if (task_create("receive", receive_task, l))
		return true;
	st->incoming--;
	return false;
}
