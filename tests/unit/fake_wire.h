/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two hosts on one wire for tests of the link: two switches, two NICs, and
 * between them loss, doubling, reordering, damage and delay from a seeded
 * generator, in fake time. Every run with the same seed is the same.
 */
#ifndef TESTS_UNIT_FAKE_WIRE_H
#define TESTS_UNIT_FAKE_WIRE_H

#include "tests/unit/fake_kernel.h"
#include "kernel/net/link_machine.h"

struct fake_wire {
	/* per cent */
	unsigned loss, doubled, damaged, reordered;
	uint64_t delay_ns;
	uint64_t frame_ns;   /* the receiver takes one frame in so long, 0: all */
	uint64_t stalled_ns; /* nothing lands before: a receiver that stands still */
	bool cut[2];	     /* nothing that host 0, 1 sends arrives */
	unsigned frames[2];
	uint64_t bytes[2];
	uint64_t last_sent_ns[2];
	/* Sees each frame that host `from` sends; false swallows it. */
	bool (*tap)(unsigned from, struct netbuf *nb);
	unsigned under_way;
};

extern struct fake_wire wire;
extern struct net_switch fake_switch[2];
extern const uint8_t fake_mac[2][ETH_ALEN];

/* A clean wire, two switches, the random generator seeded. */
void fake_wire_reset(uint64_t seed);
/* Throw away what is on the wire. */
void fake_wire_flush(void);
uint32_t fake_random(void);
/* Hand a frame to host `to` now; takes over the reference. */
void fake_wire_inject(unsigned to, struct netbuf *nb);

#endif
