/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Cooperative host tasks, a stack each. All hypervisor code runs with
 * interrupts off and the one host lock held; a task gives both up only in the
 * calls below that say "blocks", while its guest runs, and when idle. So between
 * two blocking calls everything is atomic, and no other lock exists.
 */
#ifndef KERNEL_TASK_H
#define KERNEL_TASK_H

#include "kernel/lib/list.h"

struct task;

/* Runnable at once. fn returning ends the task. NULL when out of memory. */
struct task *must_check task_create(const char *name, void (*fn)(void *arg), void *arg);
struct task *task_current(void);
/* Blocks: let others run, interrupts be taken; returns soon. */
void task_yield(void);
/* Blocks until the host time. */
void task_sleep_until(uint64_t deadline_ns);

struct waitq {
	struct list waiters;
};
void waitq_init(struct waitq *wq);
/*
 * Blocks until woken or the deadline (TIME_NEVER for none) passed.
 * Returns 0 when woken, -E_TIMEDOUT. Callers re-test their condition.
 */
int waitq_wait(struct waitq *wq, uint64_t deadline_ns);
void waitq_wake_all(struct waitq *wq);

#endif
