/* SPDX-License-Identifier: BSD-2-Clause */
/* Retransmission timeout from measured round trips, after RFC 6298; all in ns. */
#ifndef KERNEL_STORE_AOE_RTT_H
#define KERNEL_STORE_AOE_RTT_H

#include "kernel/lib/base.h"

#define AOE_RTO_FIRST_NS (250 * NS_PER_MS)
#define AOE_RTO_MIN_NS	 (30 * NS_PER_MS)
#define AOE_RTO_MAX_NS	 (1000 * NS_PER_MS)

struct aoe_rtt {
	uint64_t srtt_ns; /* 0: nothing measured yet */
	uint64_t rttvar_ns;
	unsigned backoff; /* doublings */
};

void aoe_rtt_sample(struct aoe_rtt *r, uint64_t rtt_ns);
void aoe_rtt_back_off(struct aoe_rtt *r);
uint64_t aoe_rtt_timeout(const struct aoe_rtt *r);

#endif
