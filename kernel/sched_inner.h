/* SPDX-License-Identifier: BSD-2-Clause */
/* Between the files of the scheduler: tasks, and each CPU's queues. */
#ifndef KERNEL_SCHED_INNER_H
#define KERNEL_SCHED_INNER_H

#include "arch/x86/cpu.h"
#include "kernel/sched.h"
#include "kernel/timer.h"

struct task {
	struct fair_task run; /* its node: among the ready ones or in a wait queue */
	struct list all;      /* in sched_tasks */
	uint64_t rsp;
	const char *name;
	unsigned cpu;
	bool ready;   /* waits for its CPU */
	bool hurried; /* a vCPU that goes with the host's tasks */
	bool dead;
	bool timed_out;
	struct timer sleep;
	uint64_t used_ns;
	uint64_t *stack; /* lowest word is the canary */
};

struct run_queue {
	struct list host; /* ready tasks of the host, and hurried vCPUs */
	struct fair_queue fair;
	struct task *current; /* NULL in the idle loop */
	uint64_t charged_ns;  /* until then current's time is accounted for */
	uint64_t turn_ns;     /* when its turn began */
	uint64_t idle_rsp;
	uint64_t idle_ns, sleep_start_ns;
	uint64_t guest_ticks;
	uint64_t load; /* weights of the vCPUs placed here */
	bool sleeping;
};

extern struct run_queue sched_queues[MAX_CPUS];
extern struct list sched_tasks;

/* Bring the time of the task that runs there up to date. */
void sched_charge(struct run_queue *q);

#endif
