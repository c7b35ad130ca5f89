/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * When to stop the guest: a pure function of what was measured, so that it can be
 * tested with numbers alone. It decides; send.c obeys.
 */
#ifndef MIGRATE_STOP_POLICY_H
#define MIGRATE_STOP_POLICY_H

#include "kernel/lib/base.h"

#define STOP_MAX_ROUNDS	  30
#define STOP_STALL_ROUNDS 4 /* rounds in a row that left no less than the one before */

struct stop_input {
	uint64_t rate;		  /* measured, bytes per second on the wire; 0: not known yet */
	uint64_t dirty_rate;	  /* pages per second that the guest dirties */
	uint64_t pages_left;	  /* dirty now */
	uint64_t page_cost;	  /* bytes on the wire for one page */
	uint64_t disk_left;	  /* bytes of copied disks that are to be sent still */
	uint64_t disk_rate;	  /* bytes per second of blocks that the guest makes dirty */
	uint64_t fixed_ns;	  /* vCPU and device state, commitment: pages or not */
	uint64_t max_downtime_ns; /* what the operator allows */
	uint32_t round;		  /* pre-copy rounds finished, from 1 */
	uint32_t stalled;	  /* rounds in a row without progress */
};

enum stop_verdict { STOP_CONTINUE, STOP_AND_COPY, STOP_GIVE_UP };

struct stop_decision {
	enum stop_verdict verdict;
	uint64_t predicted_ns; /* blackout if the guest were stopped now */
	const char *why;
};

struct stop_decision stop_policy_decide(const struct stop_input *in);

#endif
