/* SPDX-License-Identifier: BSD-2-Clause */
/* Waiting for a device register, bounded. For tasks: others run meanwhile. */
#include "kernel/drivers/mmio.h"
#include "kernel/task.h"
#include "kernel/time.h"

#define STEP_NS (50 * NS_PER_US)

int mmio_wait32(volatile void *base, unsigned reg, uint32_t mask, uint32_t want, uint64_t limit_ns)
{
	uint64_t end = time_ns() + limit_ns;

	for (;;) {
		uint64_t now = time_ns(); /* before the look: a late look still counts */
		uint32_t value = mmio_read32(base, reg);

		if (value == UINT32_MAX)
			return -E_NOENT;
		if ((value & mask) == want)
			return 0;
		if (now >= end)
			return -E_TIMEDOUT;
		task_sleep_until(now + STEP_NS);
	}
}
