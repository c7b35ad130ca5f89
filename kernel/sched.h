/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The scheduler's inside: one run queue a CPU, cooperative tasks, the host lock.
 * Tasks use kernel/task.h; this is for kernel/main.c and the vCPU loop.
 */
#ifndef KERNEL_SCHED_H
#define KERNEL_SCHED_H

#include "arch/x86/cpu.h"
#include "kernel/sched_fair.h"
#include "kernel/task.h"

void sched_init(void);
/* This CPU's endless loop: run tasks, else sleep. Call with the host lock held. */
_Noreturn void sched_run(void);

void host_lock(void);
void host_unlock(void);

/* Let interrupts that wait be handled, without giving the CPU to another task. */
void sched_take_interrupts(void);

/*
 * As task_create, on a given CPU: a vCPU stays on the CPU that holds its VMCS. share is what
 * its VM has of that CPU and must outlive the task; NULL for a task of the host.
 */
struct task *must_check task_create_on(unsigned cpu, const char *name, struct sched_share *share,
				       void (*fn)(void *arg), void *arg);
/*
 * For a vCPU's task: is it another's turn? Then it yields. Else it may run until this host
 * time; later when nobody waits, so that the CPU is not kept for ever.
 */
bool sched_turn_is_over(void);
uint64_t sched_turn_end_ns(void);
/* A vCPU that somebody waits for (a pause, a move) goes ahead of those that only run. */
void task_hurry(struct task *t, bool on);
/*
 * A CPU for a vCPU: not with its siblings if there is a choice (how many are on which), then
 * where least weight is. It stays there.
 */
unsigned sched_place_vcpu(uint32_t weight, const uint8_t siblings[MAX_CPUS]);
void sched_unplace_vcpu(unsigned cpu, uint32_t weight);
/* Make another CPU look at its run queue, or leave its guest. */
void sched_kick_cpu(unsigned cpu);

/* The next timer on this CPU, TIME_NEVER for none; and run those that are due. */
uint64_t timer_next_deadline(void);
void timers_run(void);

/* For `cpu` and `top`: since boot, host ns that a CPU was idle, or ran guest code. */
uint64_t sched_idle_ns(unsigned cpu);
uint64_t sched_guest_ns(unsigned cpu);
/* This CPU ran guest code for so many TSC ticks. */
void sched_count_guest(uint64_t ticks);
/* An interrupt handler of this CPU took so long: if the CPU slept, that was no sleep. */
void sched_count_irq(uint64_t ns);
/* TSC ticks since boot, of all CPUs together, neither asleep nor in a guest. */
uint64_t sched_work_ticks(void);

/* Host ns that a task had its CPU; for a vCPU its guest and the handling of its exits. */
uint64_t sched_task_ns(const struct task *t);
struct task_use {
	const struct task *task; /* only to be compared: it may be gone */
	const char *name;
	unsigned cpu;
	bool host; /* not a vCPU */
	uint64_t ns;
};
/* All tasks, oldest first. False past the end. */
bool sched_task_at(unsigned index, struct task_use *out);

#endif
