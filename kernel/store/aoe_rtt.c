/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * RFC 6298 sections 2 and 5, with a smaller floor and ceiling: the wire is one
 * Ethernet, and a guest feels every lost frame of its disk.
 */
#include "kernel/store/aoe_rtt.h"

void aoe_rtt_sample(struct aoe_rtt *r, uint64_t rtt_ns)
{
	uint64_t delta;

	rtt_ns = MAX(MIN(rtt_ns, 10 * NS_PER_S), 1);
	r->backoff = 0;
	if (!r->srtt_ns) {
		r->srtt_ns = rtt_ns;
		r->rttvar_ns = rtt_ns / 2;
		return;
	}
	delta = r->srtt_ns > rtt_ns ? r->srtt_ns - rtt_ns : rtt_ns - r->srtt_ns;
	r->rttvar_ns = (3 * r->rttvar_ns + delta) / 4;
	r->srtt_ns = (7 * r->srtt_ns + rtt_ns) / 8;
}

void aoe_rtt_back_off(struct aoe_rtt *r)
{
	if (aoe_rtt_timeout(r) < AOE_RTO_MAX_NS)
		r->backoff++;
}

uint64_t aoe_rtt_timeout(const struct aoe_rtt *r)
{
	uint64_t rto = r->srtt_ns ? r->srtt_ns + 4 * r->rttvar_ns : AOE_RTO_FIRST_NS;

	rto = MAX(rto, AOE_RTO_MIN_NS) << r->backoff;
	return MIN(rto, AOE_RTO_MAX_NS);
}
