/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Stage 2: pages go while the guest runs, round after round, each round those that
 * were dirtied in the one before. Which pages: vmm/dirty_log. When it is enough:
 * stop_policy.c.
 */
#include "kernel/lib/format.h"
#include "kernel/lib/muldiv.h"
#include "kernel/lib/string.h"
#include "kernel/log.h"
#include "kernel/time.h"
#include "migrate/disks.h"
#include "migrate/stop_policy.h"

#define ROUND_TRIPS    6 /* in stop-and-copy and commitment; the wire is drained then */
#define FIXED_NS       (5 * NS_PER_MS)	/* pausing, resuming, announcing */
#define DISK_KEEP_NS   (20 * NS_PER_MS) /* the target makes a copied disk durable, and commits it */
#define VERIFY_PAGE_NS 2000		/* digest of one page at both ends */
#define VERIFY_DISK_NS (20 * NS_PER_MS) /* digest of a MiB of disk at both ends */
#define DRAIN_NS       (30 * NS_PER_S)

static int flush_pages(struct move *m)
{
	int err;

	if (!m->batch)
		return 0;
	m->p.pages_sent += m->batch;
	m->round_pages += m->batch;
	m->batch = 0;
	err = stream_end(&m->st);
	return err;
}

/* Zero runs wait in a table of their own, so that they do not cut PAGES records short. */
static int flush_runs(struct move *m)
{
	int err;

	if (!m->run_count)
		return 0;
	stream_begin(&m->st, STREAM_ZERO_RUNS);
	stream_add(&m->st, m->runs, m->run_count * sizeof(*m->runs));
	m->run_count = 0;
	err = stream_end(&m->st);
	return err;
}

static int add_zero(struct move *m, gfn_t gfn)
{
	struct stream_run *last = m->run_count ? &m->runs[m->run_count - 1] : NULL;
	int err;

	m->p.zero_pages++;
	if (last && last->gfn + last->count == gfn) {
		last->count++;
		return 0;
	}
	if (m->run_count == STREAM_RUNS_MAX) {
		err = flush_pages(m); /* one record is built at a time */
		if (err)
			return err;
		err = flush_runs(m);
		if (err)
			return err;
	}
	m->runs[m->run_count++] = (struct stream_run){.gfn = gfn, .count = 1};
	return 0;
}

/*
 * Copied into the record first: the guest may write to the page while the link
 * blocks, and the CRC must be that of the bytes that go out.
 */
PAGE_JOURNEY(2)
static int send_page(struct move *m, gfn_t gfn)
{
	const void *page = guest_mem_page(&m->vm->mem, gfn);
	uint64_t number = gfn;
	int err;

	if (page_is_zero(page)) {
		err = add_zero(m, gfn);
		return err;
	}
	if (!m->batch)
		stream_begin(&m->st, STREAM_PAGES);
	stream_add(&m->st, &number, sizeof(number));
	stream_add(&m->st, page, PAGE_SIZE);
	if (++m->batch < STREAM_PAGES_MAX)
		return 0;
	err = flush_pages(m);
	return err;
}

/* Between records: did anybody end the move? */
int send_look_up(struct move *m)
{
	struct stream_record r;
	int err;

	move_update_bytes(m);
	if (m->stop)
		return stream_fail(&m->st, -E_CANCELLED, "cancelled by the operator");
	if (m->cold ? m->vm->state != VM_OFF
		    : m->vm->state != VM_RUNNING && m->vm->state != VM_PAUSED)
		return stream_fail(&m->st, -E_STATE, "the guest is %s now",
				   vm_state_name(m->vm->state));
	if (m->vm->poweroff_requested || m->vm->reset_requested || m->vm->crash_requested)
		return stream_fail(&m->st, -E_STATE, "the guest asked for power-off or reset");
	if (!m->st.io.ready(m->st.io.ctx))
		return 0;
	/* the target has nothing to say now but why it gives up */
	err = stream_expect(&m->st, STREAM_ERROR, &r, time_ns() + MOVE_ANSWER_NS);
	return err ? err : stream_error_take(&m->st, &r);
}

static int send_word(struct move *m, uint64_t index, uint64_t word)
{
	int err;

	while (word) {
		unsigned bit = (unsigned)__builtin_ctzll(word);

		word &= word - 1;
		err = send_page(m, guest_mem_index_to_gfn(&m->vm->mem, index * 64 + bit));
		if (err)
			return err;
		m->p.pages_left--;
	}
	return 0;
}

/* All pages in m->bits, which has `pages` bits set. */
int send_round(struct move *m, uint64_t pages)
{
	uint64_t words = (guest_mem_pages(&m->vm->mem) + 63) / 64;
	int err;

	m->p.pages_left = pages;
	m->round_pages = 0;
	for (uint64_t i = 0; i < words; i++) {
		if (!m->bits[i])
			continue;
		err = send_word(m, i, m->bits[i]);
		if (err)
			return err;
		err = send_look_up(m);
		if (err)
			return err;
		if (m->p.stage == STAGE_PRE_COPY || m->unhurried)
			task_yield();
	}
	err = flush_pages(m);
	if (err)
		return err;
	err = flush_runs(m);
	return err;
}

static int end_round(struct move *m)
{
	struct stream_round_end e = {.round = m->p.round, .pages = m->round_pages};
	int err;

	err = stream_send(&m->st, STREAM_ROUND_END, &e, sizeof(e));
	if (err)
		return err;
	/* what is still under way would be part of the blackout, and falsify the rate */
	err = link_drain(m->link, time_ns() + DRAIN_NS);
	if (err)
		return move_fail(m, err, "waiting for the target to take in a round");
	return send_look_up(m);
}

/* Measure a round: began at t0 with so many bytes on the wire so far. */
static void measure(struct move *m, uint64_t t0, uint64_t bytes0)
{
	uint64_t ns = MAX(time_ns() - t0, 1);

	move_update_bytes(m);
	/* a round of a few frames says nothing about the rate */
	if (m->p.bytes - bytes0 > 64 * KiB || !m->p.rate)
		m->p.rate = mul_div(m->p.bytes - bytes0, NS_PER_S, ns);
	m->p.dirty_rate = mul_div(m->p.pages_left, NS_PER_S, ns);
	m->p.disk_rate = mul_div(m->p.disk_left, NS_PER_S, ns);
}

static uint64_t state_ns(const struct move *m, uint64_t rate)
{
	return rate ? send_state_bytes(m->vm) * NS_PER_MS / (rate / 1000 + 1) : 0;
}

uint64_t send_fixed_ns(const struct move *m, uint64_t rate, uint64_t rtt_ns)
{
	uint64_t ns = FIXED_NS + ROUND_TRIPS * rtt_ns;

	for (unsigned i = 0; i < m->vm->disk_count; i++)
		if (disk_is_copied(&m->vm->disks[i]))
			return ns + DISK_KEEP_NS + state_ns(m, rate);
	return ns + state_ns(m, rate);
}

uint64_t send_verify_ns(uint64_t pages, uint64_t disk_bytes)
{
	return pages * VERIFY_PAGE_NS + mul_div(disk_bytes, VERIFY_DISK_NS, MiB);
}

static struct stop_decision decide(struct move *m, unsigned stalled)
{
	uint64_t verify_ns = 0;
	struct link_stats ls;
	struct stop_input in = {
	    .rate = m->p.rate,
	    .dirty_rate = m->p.dirty_rate,
	    .pages_left = m->p.pages_left,
	    .disk_left = m->p.disk_left,
	    .disk_rate = m->p.disk_rate,
	    .page_cost = SEND_PAGE_COST,
	    .max_downtime_ns = m->opt.max_downtime_ns,
	    .round = m->p.round,
	    .stalled = stalled,
	};

	link_get_stats(m->link, &ls);
	in.fixed_ns = send_fixed_ns(m, m->p.rate, ls.rtt_min_ns);
	if (m->opt.verify)
		verify_ns = send_verify_ns(m->p.pages_total, m->p.disk_total);
	if (m->opt.verify) /* its time is asked for, so it is not held against the move */
		in.max_downtime_ns += verify_ns;
	if (m->opt.verify)
		in.fixed_ns += verify_ns;
	return stop_policy_decide(&in);
}

/* The token's own frames must be dead before the storage decides anything. */
static bool token_is_old(struct move *m)
{
	uint64_t ripe = m->ho.token_ns + HANDOVER_FRAME_LIFE_NS;

	if (!m->ho.token_ns || time_ns() >= ripe)
		return true;
	task_sleep_until(ripe);
	return false;
}

static int run_round(struct move *m)
{
	uint64_t t0 = time_ns(), bytes0 = m->p.bytes, pages;
	int err;

	/* The disks first: memory changes faster, and so less of it is left after the round. */
	m->p.round++;
	err = send_disks_round(m);
	if (err)
		return err;
	pages = dirty_log_harvest(m->vm, m->bits);
	err = send_round(m, pages);
	if (err)
		return err;
	err = end_round(m);
	if (err)
		return err;
	m->p.pages_left = dirty_log_count(m->vm);
	m->p.disk_left = send_disks_dirty(m);
	measure(m, t0, bytes0);
	return 0;
}

/* Words that help: what the guest does, what the wire does, and what would have been enough. */
static int give_up(struct move *m, const struct stop_decision *d)
{
	char writes[16], carries[16];

	return stream_fail(&m->st, -E_TIMEDOUT,
			   "%s (allowed: %llu ms): the guest writes %s/s, the link carries %s/s; "
			   "--max-downtime %llu would do",
			   d->why, (unsigned long long)(m->opt.max_downtime_ns / NS_PER_MS),
			   format_size(writes, m->p.dirty_rate * PAGE_SIZE + m->p.disk_rate),
			   format_size(carries, m->p.rate),
			   (unsigned long long)(d->predicted_ns / NS_PER_MS / 100 * 120 + 100));
}

uint64_t send_mark_all(struct move *m)
{
	uint64_t pages = guest_mem_pages(&m->vm->mem);

	m->p.pages_total = pages;
	m->p.copying_since_ns = time_ns();
	for (uint64_t i = 0; i < pages; i++)
		m->bits[i / 64] |= BIT(i % 64);
	return pages;
}

/* Stage 2 of a suspend move has no rounds: stage 3 sends every page. */
static int skip_rounds(struct move *m)
{
	m->unhurried = true;
	while (!token_is_old(m))
		;
	return send_look_up(m);
}

/* Stage 2. */
int send_pre_copy(struct move *m)
{
	uint64_t before = UINT64_MAX, left;
	unsigned stalled = 0;
	int err;

	move_set_stage(m, STAGE_PRE_COPY);
	err = send_look_up(m); /* it may have been switched off during the reservation */
	if (err)
		return err;
	m->p.copying_since_ns = time_ns();
	m->p.bytes_before = m->p.bytes;
	err = send_disks_bulk(m);
	if (err)
		return err;
	if (m->opt.suspend)
		return skip_rounds(m);
	err = dirty_log_start(m->vm, m->opt.dirty);
	if (err)
		return move_fail(m, err, "dirty page tracking");
	m->p.pages_total = guest_mem_pages(&m->vm->mem);
	for (;;) {
		struct stop_decision d;

		err = run_round(m);
		if (err)
			return err;
		left = m->p.pages_left * SEND_PAGE_COST + m->p.disk_left;
		stalled = left >= before ? stalled + 1 : 0;
		before = left;
		d = decide(m, stalled);
		m->p.predicted_ns = d.predicted_ns;
		log_info("migrate: %s: round %u: %llu pages dirty, blackout would be %llu ms: %s",
			 m->p.vm, m->p.round, (unsigned long long)m->p.pages_left,
			 (unsigned long long)(d.predicted_ns / NS_PER_MS), d.why);
		if (d.verdict == STOP_GIVE_UP)
			return give_up(m, &d);
		if (d.verdict == STOP_AND_COPY && token_is_old(m))
			return 0;
	}
}
