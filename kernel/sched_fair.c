/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fair queueing by virtual time: the guest that has had the least for its weight
 * goes next. Queues are short (vCPUs of one CPU), so picking is a walk, and a share's
 * time may change while its tasks wait. Virtual times are compared by difference.
 */
#include "kernel/sched_fair.h"

#define VTIME_SHIFT 16 /* keeps a precision of 0.1 % at the largest weight */

static bool before(uint64_t a, uint64_t b)
{
	return (int64_t)(a - b) < 0;
}

static uint64_t virtual_ns(const struct sched_share *s, uint64_t ns)
{
	return (ns << VTIME_SHIFT) / s->weight;
}

void fair_init(struct fair_queue *q)
{
	list_init(&q->guests);
	q->clock = 0;
	q->host_lead = 0;
}

/*
 * Sleeping is not saved up: at most a credit's worth. And who slept long enough for the
 * clock to wrap past it, or was in debt, waits no more than one turn for it.
 */
void fair_wake(struct fair_queue *q, struct fair_task *t)
{
	struct sched_share *s = t->share;
	uint64_t least = q->clock - virtual_ns(s, FAIR_CREDIT_NS);
	uint64_t most = q->clock + virtual_ns(s, FAIR_SLICE_NS);

	if (s->active++ == 0) {
		if (before(s->vtime, least))
			s->vtime = least;
		else if (before(most, s->vtime))
			s->vtime = most;
	}
	list_append(&q->guests, &t->node);
}

void fair_requeue(struct fair_queue *q, struct fair_task *t)
{
	list_append(&q->guests, &t->node);
}

void fair_sleep(struct fair_task *t)
{
	t->share->active--;
}

struct fair_task *fair_pick(const struct fair_queue *q)
{
	struct fair_task *best = NULL;
	struct list *pos;

	list_for_each (pos, &q->guests) {
		struct fair_task *t = list_entry(pos, struct fair_task, node);

		if (!best || before(t->share->vtime, best->share->vtime))
			best = t;
	}
	return best;
}

void fair_charge(struct fair_queue *q, struct sched_share *s, uint64_t ns)
{
	const struct fair_task *next = fair_pick(q);
	uint64_t least;

	s->vtime += virtual_ns(s, ns);
	least = next && before(next->share->vtime, s->vtime) ? next->share->vtime : s->vtime;
	if (before(q->clock, least))
		q->clock = least;
	q->host_lead = MAX(q->host_lead - (int64_t)ns, -(int64_t)FAIR_HOST_NS);
}

/* Nothing is owed for what the host did while no guest waited, but for one turn. */
void fair_charge_host(struct fair_queue *q, uint64_t ns)
{
	q->host_lead = MIN(q->host_lead + (int64_t)ns, (int64_t)FAIR_SLICE_NS);
}

bool fair_host_first(const struct fair_queue *q)
{
	return q->host_lead <= 0;
}

bool fair_turn_is_over(const struct fair_queue *q, const struct sched_share *s, uint64_t ran_ns)
{
	const struct fair_task *next = fair_pick(q);

	if (!next)
		return false;
	if (ran_ns >= FAIR_SLICE_NS && !before(s->vtime, next->share->vtime))
		return true;
	/* One that just woke is further behind than a turn explains: at once. */
	return before(next->share->vtime + virtual_ns(s, FAIR_SLICE_NS), s->vtime);
}

unsigned fair_choose_cpu(const struct fair_cpu *cpus, unsigned count)
{
	unsigned best = count;

	for (unsigned i = count; i-- > 0;) {
		const struct fair_cpu *c = &cpus[i], *b = &cpus[best];

		if (!c->usable)
			continue;
		if (best == count || c->siblings < b->siblings ||
		    (c->siblings == b->siblings && c->load < b->load))
			best = i;
	}
	return best;
}
