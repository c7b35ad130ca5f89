/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A disk open on the fake target, and requests whose outcome is remembered: what
 * the tests of the AoE initiator share.
 */
#ifndef TESTS_UNIT_AOE_FIXTURE_H
#define TESTS_UNIT_AOE_FIXTURE_H

#include "kernel/store/aoe_disk.h"
#include "tests/unit/fake_aoe_target.h"
#include "tests/unit/fake_task.h"

extern const uint8_t MAC_A[ETH_ALEN], MAC_B[ETH_ALEN], MAC_C[ETH_ALEN];
extern struct aoe_disk *disk; /* opened with MAC_A */

struct probe {
	struct blk_request rq;
	bool done;
	int err;
	uint64_t done_ns;
	uint8_t data[64 * SECTOR_SIZE];
};

/* Submits at once; data is filled with fill. */
struct probe *probe_submit(enum blk_op op, uint64_t sector, uint32_t sectors, uint8_t fill);
/* The probe's result; it must be done within 60 s. Frees it. */
int probe_finish(struct probe *p);
void run_for(uint64_t ns);
uint64_t soon(void); /* a deadline two seconds from now */

/* Loses, doubles and delays frames, by this seed. */
extern uint32_t rule_seed;
void rule_hostile(const uint8_t *f, size_t len, bool to_target, struct wire_fate *fate);

int aoe_setup(void **state);
int aoe_teardown(void **state); /* also: nothing is left behind */
#define AOE_TEST(f) cmocka_unit_test_setup_teardown(f, aoe_setup, aoe_teardown)

#endif
