/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who owns the VM, decided by its shared storage (docs/handover.md; the states are
 * those of tests/model/handover.pml). Here are the steps that talk to the storage;
 * the stream's part is in commit.c, questions between hosts in query.c.
 */
#ifndef MIGRATE_HANDOVER_H
#define MIGRATE_HANDOVER_H

#include "kernel/lib/base.h"
#include "kernel/store/aoe.h"
#include "vmm/vm.h"

enum move_role { MOVE_SOURCE = 1, MOVE_TARGET };

enum handover_state {
	HANDOVER_NONE, /* not that far */
	/* source */
	HANDOVER_PREPARE,	 /* offering; COMMIT not sent: the VM is ours */
	HANDOVER_WAIT_COMMITTED, /* COMMIT may have left */
	HANDOVER_RECLAIM,	 /* in doubt: trying to take the VM back at the storage */
	HANDOVER_FORGOTTEN,	 /* in doubt: the storage restarted; the target must tell */
	HANDOVER_RESUMED,	 /* ours again */
	HANDOVER_GONE,		 /* the target's */
	/* target */
	HANDOVER_READY,		   /* everything received; waiting for COMMIT */
	HANDOVER_TAKING,	   /* in doubt: trying to take the VM at the storage */
	HANDOVER_TARGET_FORGOTTEN, /* in doubt: the storage restarted; the source must tell */
	HANDOVER_RUNNING,	   /* ours */
	HANDOVER_DISCARDED,	   /* never ours */
};
const char *handover_state_name(enum handover_state s); /* the model's names: "H_RECLAIM" */

/* What one host tells the other about a move. All but the last two never change again. */
enum handover_answer {
	ANSWER_COMMITTED = 1, /* target: it runs here */
	ANSWER_NEVER,	      /* target: it will never run here */
	ANSWER_YOURS,	      /* source: given up here */
	ANSWER_MINE,	      /* source: it runs here */
	ANSWER_UNDECIDED,     /* ask again */
	ANSWER_UNKNOWN,	      /* no memory of that move (a restart) */
};

#define HANDOVER_TOKEN_LEN 16
/*
 * No frame lives longer in the network: after this the token's own frames cannot
 * come back to life. IEEE 802.1D recommends 1 s as a bridge's longest transit delay.
 */
#define HANDOVER_FRAME_LIFE_NS (2 * NS_PER_S)
#define HANDOVER_TRY_NS	       NS_PER_S /* one command to the storage */

struct handover {
	struct vm *vm;
	uint8_t token[HANDOVER_TOKEN_LEN];
	uint64_t token_ns;			   /* when it was set */
	uint32_t offered;			   /* bit per disk whose list may be {a1,b2} */
	uint8_t old_macs[VM_MAX_DISKS][ETH_ALEN];  /* source's period: a1 */
	uint8_t new_macs[VM_MAX_DISKS][ETH_ALEN];  /* target's: b2 */
	uint8_t back_macs[VM_MAX_DISKS][ETH_ALEN]; /* source's if it takes the VM back: a3 */
};

enum handover_look {
	LOOK_OLD_AND_NEW, /* {a1,b2}: offered, undecided */
	LOOK_OLD,	  /* a1 is listed some other way */
	LOOK_NEW,	  /* {b2} */
	LOOK_BACK,	  /* {a3} */
	LOOK_OTHER,
	LOOK_FORGOTTEN, /* the token is gone: the storage restarted, the list means nothing */
};

/* The shared, deciding disk; NULL: no arbiter. */
struct vm_disk *handover_disk(const struct vm *vm);
/* Put a fresh token on the deciding disk's target. 0, or the storage's error. Blocks. */
int must_check handover_set_token(struct handover *h);
/* Does the configuration string belong to somebody else? Also true for any string of ours. */
bool handover_token_is_ours(const void *text, size_t len);
/*
 * Source, guest paused: drain and flush every disk, offer {a1,b2}, see that the
 * deciding disk really says so. 0 or an error; then the VM is still ours. Blocks.
 */
int must_check handover_offer(struct handover *h);
/* COMMIT was not sent after all: the list is {a1} again, as far as the storage answers. Blocks. */
void handover_withdraw(struct handover *h);
/* A look; where the list names us still, one attempt, then a look, which decides, not the
 * command's answer. Blocks. */
int must_check handover_reclaim(struct handover *h, enum handover_look *out); /* source */
int must_check handover_take(struct handover *h, enum handover_look *out);    /* target */
/*
 * The VM is ours, by the storage or by the other host's word: the other disks follow,
 * by force; forced: the deciding one too. Frames carry the new period's MAC after it. Blocks.
 */
void handover_settle_source(struct handover *h, bool forced);
void handover_settle_target(struct handover *h, bool forced);

#endif
