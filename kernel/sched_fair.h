/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The scheduler's decisions, without tasks or processors: who of those that wait
 * for one CPU goes next, and when the one that runs must make room. Guests share by
 * weight; the host's own tasks go first, but take at most half while guests wait.
 */
#ifndef KERNEL_SCHED_FAIR_H
#define KERNEL_SCHED_FAIR_H

#include "kernel/lib/list.h"

#define FAIR_SLICE_NS  (5 * NS_PER_MS)	   /* a turn, while others wait */
#define FAIR_CREDIT_NS (2 * FAIR_SLICE_NS) /* what one who slept may be behind, at most */
#define FAIR_HOST_NS   (50 * NS_PER_MS) /* a burst of the host's tasks that goes ahead of guests */

/*
 * What one VM has of one CPU; its vCPUs there take turns within it. Virtual time is
 * nanoseconds over weight: equal for all when each got what it is due. It wraps.
 */
struct sched_share {
	uint64_t vtime;
	uint32_t weight; /* not 0 */
	uint32_t active; /* its tasks that are ready or run */
};

/* Embedded in a task. */
struct fair_task {
	struct list node;
	struct sched_share *share;
};

struct fair_queue {
	struct list guests; /* ready, those that waited longest first */
	uint64_t clock;	    /* virtual time of who is furthest behind; never goes back */
	int64_t host_lead;  /* ns that the host's tasks had more than guests, within bounds */
};

void fair_init(struct fair_queue *q);
/* It was blocked and is ready: joins at the queue's clock, with a bounded credit or debt. */
void fair_wake(struct fair_queue *q, struct fair_task *t);
/* It ran and is ready again: behind its equals. */
void fair_requeue(struct fair_queue *q, struct fair_task *t);
/* It blocked or ended. */
void fair_sleep(struct fair_task *t);
/* Who goes next; it stays in the queue. NULL: nobody waits. */
struct fair_task *fair_pick(const struct fair_queue *q);
/* A guest of this share, or a host's task, ran for so long (ns). */
void fair_charge(struct fair_queue *q, struct sched_share *s, uint64_t ns);
void fair_charge_host(struct fair_queue *q, uint64_t ns);
/* Both wait: do the host's tasks go first? */
bool fair_host_first(const struct fair_queue *q);
/* A task of this share has the CPU for ran_ns already: must it make room for another guest? */
bool fair_turn_is_over(const struct fair_queue *q, const struct sched_share *s, uint64_t ran_ns);

/* One CPU, as the placing of a new vCPU sees it. */
struct fair_cpu {
	bool usable;
	unsigned siblings; /* vCPUs of the same VM there */
	uint64_t load;	   /* weights of all vCPUs there */
};
/* Apart from its siblings, then where the least weight is, then the highest number (the boot
 * CPU also serves NIC, console and moves). Returns count when no CPU is usable. */
unsigned fair_choose_cpu(const struct fair_cpu *cpus, unsigned count);

#endif
