/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A wire with an AoE target at its end, for tests of the initiator: a netdev whose
 * frames arrive a while later by timers, may be lost, doubled and delayed by rule,
 * and a target that keeps its sectors and its reservation list in memory.
 */
#ifndef TESTS_UNIT_FAKE_AOE_TARGET_H
#define TESTS_UNIT_FAKE_AOE_TARGET_H

#include "kernel/net/switch.h"
#include "kernel/store/aoe_codec.h"

#define TARGET_SHELF	7
#define TARGET_SLOT	3
#define TARGET_SECTORS	4096
#define WIRE_DELAY_NS	(1 * NS_PER_MS)
#define WIRE_COPIES_MAX 4

/* What becomes of one frame: copies arrive after their delays; 0 copies: lost. */
struct wire_fate {
	unsigned copies;
	uint64_t delay_ns[WIRE_COPIES_MAX];
};

struct fake_target {
	uint8_t mac[ETH_ALEN];
	uint8_t sectors[TARGET_SECTORS][512];
	uint8_t list[AOE_RESERVE_LIST + 255][ETH_ALEN];
	unsigned list_count;
	uint16_t buffers;
	uint8_t max_sectors;
	bool silent;	   /* hears and says nothing */
	bool flush_ext;	   /* IDENTIFY says FLUSH CACHE EXT */
	uint8_t error;	   /* AOE_ERR_* for every data command; 0: none */
	uint8_t status;	   /* OR-ed into the status of data commands */
	unsigned cut_data; /* bytes missing from read answers */
	/* seen */
	unsigned reads, writes, flushes, refused, configs, outstanding_max;
	uint8_t last_flush;
};

extern struct fake_target target;
extern struct net_switch wire_switch;
/* NULL: every frame arrives once, after WIRE_DELAY_NS. */
extern void (*wire_rule)(const uint8_t *frame, size_t len, bool to_target, struct wire_fate *fate);

void fake_target_reset(void);
/* Loses the reservation list; with announce it says so on the wire, as vblade does. */
void fake_target_restart(bool announce);
/* Put a frame on the wire towards the initiator. */
void fake_wire_inject(const uint8_t *frame, size_t len, uint64_t delay_ns);
unsigned fake_wire_frames(void); /* under way */

#endif
