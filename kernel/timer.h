/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One-shot timers in host time. The callback runs once, soon after the deadline,
 * with the host lock held, on the CPU that armed the timer; it must not block
 * and may re-arm or free its timer.
 */
#ifndef KERNEL_TIMER_H
#define KERNEL_TIMER_H

#include "kernel/lib/list.h"

struct timer {
	struct list node;
	uint64_t deadline_ns;
	void (*fn)(struct timer *t);
	uint32_t cpu;
};

void timer_init(struct timer *t, void (*fn)(struct timer *t));
/* Arm or re-arm. A deadline in the past fires at the next opportunity. */
void timer_arm(struct timer *t, uint64_t deadline_ns);
/* Harmless when not armed. After it returns the callback will not run. */
void timer_cancel(struct timer *t);
bool timer_is_armed(const struct timer *t);

#endif
