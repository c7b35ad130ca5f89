/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Evening out: the one most useful move again and again, until none is worth its
 * while. Each takes PLAN_WORTH off a sum that cannot be negative, so this ends, and
 * where it ended it begins with nothing. Pure functions.
 */
#include "migrate/plan.h"

#include "kernel/lib/string.h"
#include "migrate/plan_inner.h"

#define MIB_SHIFT 20 /* sums of memory in MiB cannot overflow */

struct mean {
	uint32_t cpu, memory; /* permille */
};

static bool takes_part(const struct plan_host *h)
{
	return !h->unknown && !h->drained && h->runs_guests;
}

/* Of the whole pool; moves do not change it. */
static struct mean pool_mean(const struct plan_input *in, const struct plan *p)
{
	uint64_t cpus = 0, cpu_used = 0, total = 0, used = 0;

	for (unsigned i = 0; i < in->host_count; i++) {
		const struct plan_host *h = &p->after[i];

		if (!takes_part(h))
			continue;
		cpus += h->cpus;
		cpu_used += h->cpu_permille;
		total += h->total_bytes >> MIB_SHIFT;
		used += (h->total_bytes - h->free_bytes) >> MIB_SHIFT;
	}
	return (struct mean){cpus ? (uint32_t)MIN(cpu_used / cpus, 4000ull) : 0,
			     total ? (uint32_t)(used * 1000 / total) : 0};
}

static int64_t square(uint32_t a, uint32_t b)
{
	int64_t d = (int64_t)a - b;

	return d * d;
}

/* How far one host is from the mean. */
static int64_t distance(const struct plan_host *h, const struct mean *m)
{
	return square(plan_cpu_load(h), m->cpu) + square(plan_memory_load(h), m->memory);
}

/* What a move takes off the sum; only its two hosts change. */
static int64_t gain(const struct plan *p, const struct mean *m, const struct plan_vm *v,
		    unsigned from, unsigned to)
{
	struct plan_host a = p->after[from], b = p->after[to];
	int64_t before = distance(&a, m) + distance(&b, m);

	plan_shift(&a, v, -1);
	plan_shift(&b, v, 1);
	return before - distance(&a, m) - distance(&b, m);
}

struct choice {
	bool found;
	int64_t gain;
	unsigned vm, from, to;
};

/* More gain, then by names. */
static bool better(const struct plan_input *in, const struct choice *a, const struct choice *b)
{
	int order;

	if (!b->found || a->gain != b->gain)
		return !b->found || a->gain > b->gain;
	order = plan_name_order(in->vms[a->vm].name, in->vms[b->vm].name);
	if (!order)
		order = plan_name_order(in->hosts[a->from].name, in->hosts[b->from].name);
	if (!order)
		order = plan_name_order(in->hosts[a->to].name, in->hosts[b->to].name);
	return order < 0;
}

static struct choice choose(const struct plan_input *in, const struct plan *p, const struct mean *m,
			    const uint8_t at[PLAN_VMS_MAX])
{
	struct choice best = {.found = false};
	char why[PLAN_WHY_LEN];

	for (unsigned i = 0; i < in->vm_count; i++) {
		const struct plan_vm *v = &in->vms[i];

		if (v->state == PLAN_OFF || plan_how(v) != PLAN_HOT ||
		    !takes_part(&p->after[at[i]]))
			continue;
		for (unsigned to = 0; to < in->host_count; to++) {
			struct choice c = {true, 0, i, at[i], to};

			if (to == at[i] || !takes_part(&p->after[to]))
				continue;
			c.gain = gain(p, m, v, at[i], to);
			if (c.gain >= PLAN_WORTH && better(in, &c, &best) &&
			    !plan_fits(&p->after[to], v, v->unusable & (1u << to), why))
				best = c;
		}
	}
	return best;
}

bool plan_order_holds(const struct plan_input *in, const struct plan *p)
{
	struct plan_host now[PLAN_HOSTS_MAX];
	char why[PLAN_WHY_LEN];

	for (unsigned i = 0; i < in->host_count; i++) {
		now[i] = in->hosts[i];
		now[i].free_bytes = MIN(now[i].free_bytes, now[i].total_bytes);
	}
	for (unsigned i = 0; i < p->move_count; i++) {
		const struct plan_move *m = &p->moves[i];
		const struct plan_vm *v = &in->vms[m->vm];

		int err = plan_fits(&now[m->to], v, v->unusable & (1u << m->to), why);

		if (err && err != -E_RANGE)
			return false;
		plan_shift(&now[m->from], v, -1);
		plan_shift(&now[m->to], v, 1);
	}
	return true;
}

/* Take out an earlier move of the VM: it then goes straight to where it ends, or not at all. */
static void shorten(const struct plan_input *in, struct plan *p, unsigned vm)
{
	static struct plan_move kept[PLAN_MOVES_MAX];
	unsigned first = 0, last = p->move_count - 1, count = p->move_count;

	while (p->moves[first].vm != vm)
		first++;
	if (first == last)
		return;
	memcpy(kept, p->moves, sizeof(kept));
	p->moves[last].from = p->moves[first].from;
	p->move_count--;
	memmove(&p->moves[first], &p->moves[first + 1], (last - first) * sizeof(p->moves[0]));
	if (p->moves[last - 1].from == p->moves[last - 1].to)
		p->move_count--;
	if (plan_order_holds(in, p))
		return;
	memcpy(p->moves, kept, sizeof(kept)); /* the detour makes room for others */
	p->move_count = count;
}

int plan_balance(const struct plan_input *in, struct plan *out)
{
	uint8_t at[PLAN_VMS_MAX];
	struct choice c;
	struct mean mean;
	int err = plan_begin(in, out);

	if (err)
		return err;
	mean = pool_mean(in, out);
	for (unsigned i = 0; i < in->vm_count; i++)
		at[i] = (uint8_t)in->vms[i].host;
	while (out->move_count < PLAN_MOVES_MAX) {
		c = choose(in, out, &mean, at);
		if (!c.found)
			break;
		plan_add(out, in, c.vm, c.from, c.to);
		at[c.vm] = (uint8_t)c.to;
		shorten(in, out, c.vm);
	}
	return 0;
}
