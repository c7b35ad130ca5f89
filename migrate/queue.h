/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Moves that wait for their turn. A host makes one move at a time; what `drain`,
 * `balance --do` and `migrate --all` want goes through here, in order. The moves
 * themselves are migrate.h's.
 */
#ifndef MIGRATE_QUEUE_H
#define MIGRATE_QUEUE_H

#include "migrate/migrate.h"

#define QUEUE_MAX	 128 /* waiting, under way, and ended ones that are still shown */
#define QUEUE_LIMIT	 1   /* moves at once on a host, as source or target */
#define QUEUE_RETRY_NS	 (5 * NS_PER_S) /* a target that is busy with another move is asked again */
#define QUEUE_GIVE_UP_NS (600 * NS_PER_S) /* but not for longer than this */

enum queue_state { QUEUE_WAITING, QUEUE_RUNNING, QUEUE_ENDED };
const char *queue_state_name(enum queue_state s);

struct queue_entry {
	uint32_t id; /* 0: unused; later ones are larger */
	char vm[VM_NAME_LEN], host[HOST_NAME_LEN];
	struct migrate_options opt;
	enum queue_state state;
	bool dropped;		      /* under way, and not to be tried again */
	uint32_t move;		      /* id of the move, once begun */
	uint64_t not_before_ns;	      /* asked again then */
	uint64_t busy_since_ns;	      /* first told that the target is busy; 0: never */
	int err;		      /* when ended: 0 or why not */
	char reason[STREAM_TEXT_MAX]; /* words: why it ended so, or what it waits for */
};

struct move_queue {
	struct queue_entry entries[QUEUE_MAX];
	uint32_t last_id;
	bool working; /* the queue's task is there */
	struct waitq wake;
};

/* One more move from here. 0, -E_NOSPC (too many wait), -E_EXIST (this VM waits already:
 * *id is that entry's), -E_NOMEM.
 */
int must_check queue_add(const char *vm, const char *host, const struct migrate_options *opt,
			 uint32_t *id);
/* The entry of a VM that waits or is under way; 0: it has none. */
uint32_t queue_id_of(const char *vm);
/* NULL when it is not remembered any more. */
const struct queue_entry *queue_find(uint32_t id);
/* The entry that follows this id in order, 0 to begin; NULL past the end. */
const struct queue_entry *queue_after(uint32_t id);
/* Those that wait end as cancelled; all: the one under way is cancelled too, if it still can be. */
void queue_drop(bool all);

/* This host takes no VMs while it is drained: the facts of a move say so, and HELLOs. */
void migrate_set_drained(bool drained);
bool migrate_drained(void);

#endif
