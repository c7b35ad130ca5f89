/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whether a NIC's interrupts come: frames that lie there unannounced, several looks
 * in a row, mean a line that leads nowhere, and the NIC is polled from then on. For
 * the timer of each NIC driver.
 */
#ifndef KERNEL_DRIVERS_NIC_WATCH_H
#define KERNEL_DRIVERS_NIC_WATCH_H

#include "kernel/drivers/netdev.h"
#include "kernel/log.h"
#include "kernel/time.h"

#define NIC_POLL_NS	(1 * NS_PER_MS)
#define NIC_WATCH_NS	(100 * NS_PER_MS)
#define NIC_WATCH_TICKS 3 /* that found frames without an interrupt */

struct nic_watch {
	bool polling; /* set by the driver when it gets no interrupt at all */
	unsigned misses;
	uint64_t irqs_seen;
};

/* At a tick that found frames or not; returns the time until the next, ns. */
static inline uint64_t nic_watch_tick(struct nic_watch *w, const struct netdev *nd, bool found)
{
	bool silent = nd->stats.interrupts == w->irqs_seen;

	if (found && silent && !w->polling && ++w->misses >= NIC_WATCH_TICKS) {
		w->polling = true;
		log_warn("net: %s gets no interrupts on its line, polling every ms", nd->name);
	}
	if (!silent) { /* they come, or come again */
		w->misses = 0;
		w->polling = false;
	}
	w->irqs_seen = nd->stats.interrupts;
	return w->polling ? NIC_POLL_NS : NIC_WATCH_NS;
}

#endif
