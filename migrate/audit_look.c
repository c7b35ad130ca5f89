/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Measures for an audit. The move's task does it, so nobody takes the VM away meanwhile;
 * the guest runs on, and notices no more than a few reads of its disks and, as in a move,
 * first writes to its pages.
 */
#include "kernel/lib/muldiv.h"
#include "kernel/lib/string.h"
#include "kernel/log.h"
#include "kernel/mem.h"
#include "kernel/time.h"
#include "migrate/audit.h"
#include "migrate/disks.h"
#include "migrate/measure.h"
#include "vmm/vm_nics.h"

#define WATCH_NS     NS_PER_S
#define PROBE_NS     (50 * NS_PER_MS) /* enough to see a rate */
#define PROBE_END_NS (30 * NS_PER_S)  /* no link that a move could use takes longer */
#define YIELD_PAGES  256

/* ---- the link ------------------------------------------------------------------------------ */

static int send_probe(struct move *m, const void *data)
{
	int err;

	stream_begin(&m->st, STREAM_PROBE);
	stream_add(&m->st, data, STREAM_CHUNK);
	err = stream_end(&m->st);
	return err ? move_fail(m, err, "measuring the link") : 0;
}

int audit_probe(struct move *m)
{
	uint64_t begin = time_ns(), bytes;
	struct link_stats ls;
	void *data;
	int err = 0;

	m->audit = kzalloc(sizeof(*m->audit));
	data = kzalloc(STREAM_CHUNK);
	if (!m->audit || !data) {
		kfree(data);
		return stream_fail(&m->st, -E_NOMEM, "no host memory for the audit's numbers");
	}
	move_update_bytes(m);
	bytes = m->p.bytes;
	for (unsigned i = 0; !err && i < STREAM_PROBES_MAX && time_ns() - begin < PROBE_NS; i++)
		err = send_probe(m, data);
	kfree(data);
	if (err)
		return err;
	/* once, at the end: a wait for each would measure round trips */
	err = link_drain(m->link, time_ns() + PROBE_END_NS);
	if (err)
		return move_fail(m, err, "measuring the link");
	move_update_bytes(m);
	link_get_stats(m->link, &ls);
	m->audit->rtt_ns = ls.rtt_min_ns;
	m->audit->rate = mul_div(m->p.bytes - bytes, NS_PER_S, MAX(time_ns() - begin, 1ull));
	if (m->opt.bandwidth)
		m->audit->rate = MIN(m->audit->rate, m->opt.bandwidth);
	return 0;
}

/* ---- the guest's pace ---------------------------------------------------------------------- */

/* Counters so far, or what came since, per second. */
static uint64_t since(uint64_t now, uint64_t before, uint64_t ns)
{
	return now > before ? mul_div(now - before, NS_PER_S, ns) : 0;
}

/* What the disks and cards did: ns 0 takes the counters, else they become rates. */
static void count_io(const struct move *m, struct audit *a, uint64_t ns)
{
	for (unsigned i = 0; i < MIN(m->vm->disk_count, VM_MAX_DISKS); i++) {
		const struct blkdev *bd = m->vm->disks[i].blk;
		struct audit_disk *d = &a->disks[i];
		uint64_t requests = bd ? bd->reads + bd->writes : 0;
		uint64_t bytes = bd ? bd->read_bytes + bd->write_bytes : 0;

		d->requests = ns ? since(requests, d->requests, ns) : requests;
		d->bytes = ns ? since(bytes, d->bytes, ns) : bytes;
	}
	for (unsigned i = 0; i < MIN(m->vm->nic_count, VM_MAX_NICS); i++) {
		struct audit_nic *n = &a->nics[i];
		uint64_t frames, bytes;

		vm_nic_traffic(m->vm, i, &frames, &bytes);
		n->frames = ns ? since(frames, n->frames, ns) : frames;
		n->bytes = ns ? since(bytes, n->bytes, ns) : bytes;
	}
}

/* Ended by a cancellation, or by what ends a move, at once. */
static int watch(struct move *m)
{
	uint64_t end = time_ns() + WATCH_NS;
	int err = 0;

	while (!err && time_ns() < end) {
		(void)waitq_wait(&m->wake, MIN(end, time_ns() + WATCH_NS / 10));
		err = send_look_up(m);
	}
	return err;
}

/* As a move finds changed pages, for a second. */
static int watch_guest(struct move *m, struct audit *a)
{
	uint64_t begin;
	int err;

	err = dirty_log_start(m->vm, m->opt.dirty);
	a->dirty_known = !err;
	if (!err)
		(void)dirty_log_harvest(m->vm, m->bits);
	begin = time_ns();
	count_io(m, a, 0);
	err = watch(m);
	a->window_ns = MAX(time_ns() - begin, 1ull);
	count_io(m, a, a->window_ns);
	if (a->dirty_known)
		a->dirty_rate = mul_div(dirty_log_count(m->vm), NS_PER_S, a->window_ns);
	dirty_log_stop(m->vm);
	return err;
}

static int count_pages(struct move *m, struct audit *a)
{
	int err = 0;

	a->pages = guest_mem_pages(&m->vm->mem);
	for (uint64_t i = 0; !err && i < a->pages; i++) {
		gfn_t gfn = guest_mem_index_to_gfn(&m->vm->mem, i);

		a->used += !page_is_zero(guest_mem_page(&m->vm->mem, gfn));
		if (i % YIELD_PAGES)
			continue;
		task_yield();
		err = send_look_up(m);
	}
	return err;
}

/* ---- all of it ------------------------------------------------------------------------------ */

/* A VM that is off: the disks, as they are, and nobody waits. */
static void estimate_cold(struct move *m, struct audit *a)
{
	struct estimate_input in = {
	    .page_cost = SEND_PAGE_COST, .link_rate = a->rate, .suspend = true};

	for (unsigned i = 0; i < m->vm->disk_count; i++)
		if (disk_is_copied(&m->vm->disks[i]))
			in.disk_bytes += m->offer->disks[i].stored;
	a->disk_bytes = in.disk_bytes;
	a->estimate = estimate_move(&in);
}

static void estimate(struct move *m, struct audit *a)
{
	struct estimate_input in = {.pages = a->used,
				    .pages_total = a->pages,
				    .page_cost = SEND_PAGE_COST,
				    .dirty_rate = a->dirty_rate,
				    .link_rate = a->rate,
				    .fixed_ns = send_fixed_ns(m, a->rate, a->rtt_ns),
				    .max_downtime_ns = m->opt.max_downtime_ns,
				    .suspend = m->opt.suspend};
	uint64_t disks = 0, verify_ns;

	for (unsigned i = 0; i < m->vm->disk_count; i++) {
		if (!disk_is_copied(&m->vm->disks[i]))
			continue;
		disks += m->offer->disks[i].sectors * SECTOR_SIZE;
		in.disk_bytes += m->offer->disks[i].stored;
		in.disk_rate += a->disks[i].bytes; /* reads among them: on the safe side */
	}
	verify_ns = m->opt.verify ? send_verify_ns(a->pages, disks) : 0;
	in.fixed_ns += verify_ns; /* as in the move: shown, and not held against it */
	in.max_downtime_ns += verify_ns;
	a->max_downtime_ns = in.max_downtime_ns;
	a->estimate = estimate_move(&in);
}

int audit_look(struct move *m)
{
	struct audit *a = m->audit;
	int err = 0;

	if (!m->cold)
		err = watch_guest(m, a);
	if (!err && !m->cold)
		err = count_pages(m, a);
	if (err)
		return err;
	for (unsigned i = 0; i < m->vm->disk_count; i++)
		if (m->vm->disks[i].blk)
			measure_disk(m->vm->disks[i].blk, &a->disks[i].speed);
	if (m->cold)
		estimate_cold(m, a);
	else
		estimate(m, a);
	return send_look_up(m);
}
