/* SPDX-License-Identifier: BSD-2-Clause */
/* One-shot timers: a sorted list a CPU, run from the scheduler loop and before guest entry. */
#include "kernel/timer.h"
#include "arch/x86/cpu.h"
#include "kernel/sched.h"
#include "kernel/time.h"

static struct list timers[MAX_CPUS];

static struct list *timer_list(unsigned cpu)
{
	if (!timers[cpu].next)
		list_init(&timers[cpu]);
	return &timers[cpu];
}

void timer_init(struct timer *t, void (*fn)(struct timer *t))
{
	list_init(&t->node);
	t->fn = fn;
	t->deadline_ns = TIME_NEVER;
}

void timer_arm(struct timer *t, uint64_t deadline_ns)
{
	struct list *head = timer_list(this_cpu()->index), *pos;

	list_remove(&t->node);
	t->deadline_ns = deadline_ns;
	t->cpu = this_cpu()->index;
	list_for_each (pos, head) {
		if (list_entry(pos, struct timer, node)->deadline_ns > deadline_ns)
			break;
	}
	list_insert_before(pos, &t->node);
}

void timer_cancel(struct timer *t)
{
	list_remove(&t->node);
}

bool timer_is_armed(const struct timer *t)
{
	return !list_empty(&t->node);
}

uint64_t timer_next_deadline(void)
{
	struct list *head = timer_list(this_cpu()->index);

	return list_empty(head) ? TIME_NEVER
				: list_entry(head->next, struct timer, node)->deadline_ns;
}

void timers_run(void)
{
	struct list *head = timer_list(this_cpu()->index);
	uint64_t now = time_ns();

	while (!list_empty(head)) {
		struct timer *t = list_entry(head->next, struct timer, node);

		if (t->deadline_ns > now)
			return;
		list_remove(&t->node);
		t->fn(t);
	}
}
