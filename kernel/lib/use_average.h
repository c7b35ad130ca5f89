/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How much of one CPU something used over about the last minute, from a counter of
 * nanoseconds that is looked at now and then. A moving average: no samples are kept.
 */
#ifndef KERNEL_LIB_USE_AVERAGE_H
#define KERNEL_LIB_USE_AVERAGE_H

#include "kernel/lib/base.h"
#include "kernel/lib/muldiv.h"

#define USE_SPAN_NS 60000000000ull /* what is older counts less and less */
#define USE_MIN_NS  100000000ull   /* looks that follow closer than this are ignored */

struct use_average {
	uint64_t at_ns, used_ns; /* when last looked at, 0: never; what the counter was */
	uint64_t age_ns;	 /* of the average, up to USE_SPAN_NS */
	uint64_t ppm;		 /* millionths of one CPU */
};

/*
 * The counter is used_ns at the host time now_ns (not 0). A counter that went back is another
 * one (the VM was started anew): the average begins again.
 */
static inline void use_average_add(struct use_average *a, uint64_t now_ns, uint64_t used_ns)
{
	uint64_t span = now_ns - a->at_ns, use;

	if (!a->at_ns || now_ns < a->at_ns || used_ns < a->used_ns) {
		*a = (struct use_average){.at_ns = now_ns, .used_ns = used_ns};
		return;
	}
	if (span < USE_MIN_NS)
		return;
	use = MIN(mul_div(used_ns - a->used_ns, 1000000, span), 1ull << 32);
	span = MIN(span, USE_SPAN_NS);
	a->age_ns = MIN(a->age_ns + span, USE_SPAN_NS);
	a->ppm = mul_div(a->ppm, a->age_ns - span, a->age_ns) + mul_div(use, span, a->age_ns);
	a->at_ns = now_ns;
	a->used_ns = used_ns;
}

static inline uint32_t use_average_permille(const struct use_average *a)
{
	return (uint32_t)MIN(a->ppm / 1000, (uint64_t)UINT32_MAX);
}

#endif
