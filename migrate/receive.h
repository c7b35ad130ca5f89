/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the target's files share about a VM that is being received: accept.c makes it,
 * receive.c runs the table of records, receive_offer.c the stages before memory comes.
 */
#ifndef MIGRATE_RECEIVE_H
#define MIGRATE_RECEIVE_H

#include "migrate/move.h"

enum phase { PHASE_OFFER, PHASE_RESERVE, PHASE_PRE_COPY, PHASE_STOPPED, PHASE_COLD, PHASES };

struct receiver {
	struct move *m;
	enum phase phase;
	bool busy; /* another move was under way when this one came */
	struct received_file file;
	char files[STREAM_FILES_MAX][VM_PATH_LEN]; /* committed here by this move */
	unsigned file_count;
	struct received_state *state;
	struct ds_object *disks[VM_MAX_DISKS]; /* made here, until the VM takes them over */
	struct stream_verified sum;
	uint64_t digest_next;
	unsigned probes;
	/* a VM that is off: */
	struct datastore *ds;	/* for its definition; held */
	struct vm_config *kept; /* as the datastore has it */
	uint32_t resumed;	/* bit per disk of which an earlier attempt left something */
	uint64_t unsynced;	/* bytes of disks */
	char *log;		/* STREAM_LOG_MAX bytes */
	size_t log_len;
	/* A saved state has no source that judges: called when offer and facts are there. */
	int (*judge)(struct receiver *rx);
	void *ctx; /* judge's */
};

/* The whole move, to its end. */
void receive_move(struct receiver *rx);
/* All records, from the OFFER to STATE_END: the VM is whole then, and inert. */
int must_check receive_records(struct receiver *rx);
/* It will never be ours: say so, free it. */
void receive_failed(struct receiver *rx, int err);
/* Free what was received. */
void receive_undo(struct receiver *rx);
int must_check receive_offer(struct receiver *rx, const struct stream_record *r);
int must_check receive_file_data(struct receiver *rx, const struct stream_record *r);
int must_check receive_reserve(struct receiver *rx);
/* Has all come that RESERVE needs, and may a VM come in? */
int must_check receive_may_reserve(struct receiver *rx);

#endif
