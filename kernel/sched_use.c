/* SPDX-License-Identifier: BSD-2-Clause */
/* Who uses which CPU, and where a new vCPU goes. */
#include "kernel/sched_inner.h"
#include "kernel/log.h"
#include "kernel/time.h"

unsigned sched_place_vcpu(uint32_t weight, const uint8_t siblings[MAX_CPUS])
{
	struct fair_cpu all[MAX_CPUS];
	unsigned cpu;

	/* A CPU where VMX could not be switched on runs no guests. */
	for (unsigned i = 0; i < cpu_count; i++)
		all[i] = (struct fair_cpu){cpus[i].vmxon_page, siblings[i], sched_queues[i].load};
	cpu = fair_choose_cpu(all, cpu_count);
	ASSERT(cpu < cpu_count); /* VMs are built only where virt_detect says usable */
	sched_queues[cpu].load += weight;
	return cpu;
}

void sched_unplace_vcpu(unsigned cpu, uint32_t weight)
{
	sched_queues[cpu].load -= weight;
}

uint64_t sched_idle_ns(unsigned cpu)
{
	const struct run_queue *q = &sched_queues[cpu];

	return q->idle_ns + (q->sleeping ? time_ns() - q->sleep_start_ns : 0);
}

void sched_count_guest(uint64_t ticks)
{
	sched_queues[this_cpu()->index].guest_ticks += ticks;
}

uint64_t sched_guest_ns(unsigned cpu)
{
	return time_ticks_to_ns(sched_queues[cpu].guest_ticks);
}

/* idle() counts from falling asleep to waking up: what lies between comes off here. */
void sched_count_irq(uint64_t ns)
{
	struct run_queue *q = &sched_queues[this_cpu()->index];

	if (q->sleeping)
		q->idle_ns -= ns;
}

uint64_t sched_work_ticks(void)
{
	uint64_t work = time_ticks() * cpu_count;

	for (unsigned i = 0; i < cpu_count; i++)
		work -= time_ns_to_ticks(sched_idle_ns(i)) + sched_queues[i].guest_ticks;
	return work;
}

uint64_t sched_task_ns(const struct task *t)
{
	sched_charge(&sched_queues[t->cpu]);
	return t->used_ns;
}

bool sched_task_at(unsigned index, struct task_use *out)
{
	struct list *pos;

	list_for_each (pos, &sched_tasks) {
		const struct task *t = list_entry(pos, struct task, all);

		if (index--)
			continue;
		*out = (struct task_use){t, t->name, t->cpu, !t->run.share, sched_task_ns(t)};
		return true;
	}
	return false;
}
