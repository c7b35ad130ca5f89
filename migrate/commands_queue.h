/* SPDX-License-Identifier: BSD-2-Clause */
/* A plan goes into the queue and is watched on the console; the queue is shown. */
#ifndef MIGRATE_COMMANDS_QUEUE_H
#define MIGRATE_COMMANDS_QUEUE_H

#include "kernel/console.h"
#include "migrate/plan.h"
#include "migrate/queue.h"

struct queue_watch {
	struct console *con;
	unsigned moved, failed; /* out; failed: by something else than a check */
	unsigned refused;	/* out: by the target's checks, noted by pool_note_refusal */
};

/*
 * Queues the plan's moves; with wait blocks until all have ended. Ctrl-C drops what waits and
 * cancels what is under way. A second one
 * leaves. A VM in doubt counts as failed and is not waited for. 0, also when moves failed or could
 * not be queued; -E_CANCELLED.
 */
int must_check queue_watch_plan(struct queue_watch *w, const struct plan_input *in,
				const struct plan *plan, const struct migrate_options *opt,
				bool wait);
/* Part of `migrate-status`: what waits or has ended. vm: NULL for all. False: nothing to show. */
bool queue_show(struct console *con, const char *vm);
/* The same as JSON rows, within console_json_begin. */
void queue_show_json(struct console *con, const char *vm);

#endif
