/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The scheduler's inside: one run queue a CPU, cooperative tasks, the host lock.
 * Tasks use kernel/task.h; this is for kernel/main.c and the vCPU loop.
 */
#ifndef KERNEL_SCHED_H
#define KERNEL_SCHED_H

#include "kernel/task.h"

void sched_init(void);
/* This CPU's endless loop: run tasks, else sleep. Call with the host lock held. */
_Noreturn void sched_run(void);

void host_lock(void);
void host_unlock(void);

/* Let interrupts that wait be handled, without giving the CPU to another task. */
void sched_take_interrupts(void);

/* As task_create, on a given CPU: a vCPU stays on the CPU that holds its VMCS. */
struct task *must_check task_create_on(unsigned cpu, const char *name, void (*fn)(void *arg),
				       void *arg);
/* Is another task waiting for this CPU? */
bool sched_others_waiting(void);
/* The CPU with the fewest tasks of this kind pinned to it; counts them. */
unsigned sched_place_vcpu(void);
void sched_unplace_vcpu(unsigned cpu);
/* Make another CPU look at its run queue, or leave its guest. */
void sched_kick_cpu(unsigned cpu);

/* The next timer on this CPU, TIME_NEVER for none; and run those that are due. */
uint64_t timer_next_deadline(void);
void timers_run(void);

/* For `cpu`: time that a CPU spent idle, host ns. */
uint64_t sched_idle_ns(unsigned cpu);
/* This CPU ran guest code for so many TSC ticks. */
void sched_count_guest(uint64_t ticks);
/* An interrupt handler of this CPU took so long: if the CPU slept, that was no sleep. */
void sched_count_irq(uint64_t ns);
/*
 * TSC ticks since boot, of all CPUs together, neither asleep nor in a guest. The sleep
 * of another CPU is known when it wakes.
 */
uint64_t sched_work_ticks(void);

#endif
