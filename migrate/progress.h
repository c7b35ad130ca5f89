/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How a move is going: numbers kept up to date by the move's task, words for the
 * console. Reading it at any time, from any task, is fine.
 */
#ifndef MIGRATE_PROGRESS_H
#define MIGRATE_PROGRESS_H

#include "migrate/handover.h"
#include "migrate/stream.h"

enum move_stage {
	STAGE_PRE_MIGRATION,
	STAGE_RESERVATION,
	STAGE_PRE_COPY,
	STAGE_STOP_AND_COPY,
	STAGE_COMMITMENT,
	STAGE_ACTIVATION,
	STAGE_COUNT
};
const char *move_stage_name(enum move_stage s); /* "iterative pre-copy" */

enum move_kind { MOVE_HOT, MOVE_SAVE, MOVE_RESTORE, MOVE_COLD, MOVE_SNAPSHOT, MOVE_REVERT };

struct move_progress {
	char vm[VM_NAME_LEN];
	char peer[32];
	enum move_role role;
	enum move_kind kind; /* the peer of a save is a datastore */
	enum move_stage stage;
	enum handover_state handover;
	uint32_t round;			  /* pre-copy round under way, from 1 */
	uint64_t pages_total;		  /* RAM */
	uint64_t pages_left;		  /* of this round, or still dirty */
	uint64_t pages_sent;		  /* with data, all rounds (receiver: received) */
	uint64_t zero_pages;		  /* sent as runs */
	uint64_t disk_total;		  /* bytes of the disks that are copied */
	uint64_t disk_left;		  /* of this round, or still dirty */
	uint64_t disk_sent, disk_holes;	  /* bytes, all rounds: with data; as runs of zeros */
	uint64_t disk_there;		  /* bytes that an earlier attempt had brought */
	uint64_t disk_rate;		  /* dirtied, bytes/s */
	uint64_t bytes;			  /* on the wire, both ways, headers included */
	uint64_t bytes_total;		  /* of these in all; restores only, else 0 */
	uint64_t rate, dirty_rate;	  /* bytes/s, pages/s, last measured */
	uint64_t predicted_ns;		  /* blackout, when the guest was stopped */
	uint64_t measured_ns;		  /* from the pause to the target's word that it runs */
	uint64_t target_ns;		  /* of this, the target from COMMIT to running */
	uint64_t copying_since_ns;	  /* stage 2 began, with so many */
	uint64_t bytes_before;		  /* bytes on the wire */
	uint64_t work_ticks;		  /* of this host itself in stage 2, all told */
	uint64_t stop_bytes;		  /* on the wire in stage 3, counted as bytes is */
	uint64_t frames;		  /* for the guest, sent on by the old host */
	uint64_t started_ns, finished_ns; /* host time */
	bool verified;			  /* every page compared */
	bool dry_run;
	bool done;
	int err; /* when done: 0 or why not */
	char reason[STREAM_TEXT_MAX];
};

/* One line, for "at least once a second". Returns its length. */
int move_status_text(const struct move_progress *p, char *buf, size_t size);
/* After the end: two or three lines with totals, rounds, blackouts. */
int move_summary_text(const struct move_progress *p, char *buf, size_t size);

#endif
