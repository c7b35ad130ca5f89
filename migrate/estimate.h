/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How long would a hot move take, and its blackout? The rounds of pre-copy are gone through
 * with numbers alone; the stop decision is the real one (stop_policy.c). A pure function.
 */
#ifndef MIGRATE_ESTIMATE_H
#define MIGRATE_ESTIMATE_H

#include "kernel/lib/base.h"

struct estimate_input {
	uint64_t pages;		  /* to be sent at least once: RAM that is not zero */
	uint64_t pages_total;	  /* RAM */
	uint64_t page_cost;	  /* bytes on the wire for one page */
	uint64_t dirty_rate;	  /* pages/s that the guest changes */
	uint64_t disk_bytes;	  /* of disks that are copied */
	uint64_t disk_rate;	  /* bytes/s that the guest changes in these */
	uint64_t link_rate;	  /* bytes/s; 0: not known */
	uint64_t fixed_ns;	  /* of a blackout, pages or not */
	uint64_t max_downtime_ns; /* what the operator allows */
	bool suspend;		  /* no rounds: the guest stands still all the time */
};

struct estimate {
	uint64_t total_ns, blackout_ns; /* UINT64_MAX: it would never end */
	unsigned rounds;
	bool gives_up; /* blackout_ns is what it would have been then */
	const char *why;
};

struct estimate estimate_move(const struct estimate_input *in);

#endif
