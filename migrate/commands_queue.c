/* SPDX-License-Identifier: BSD-2-Clause */
/* The queue of moves on the console: filling it from a plan, watching, showing. */
#include "migrate/commands_queue.h"

#include "kernel/console_json.h"
#include "kernel/lib/format.h"
#include "kernel/lib/string.h"
#include "kernel/time.h"
#include "migrate/pool.h"

#define WATCH_NS      (250 * NS_PER_MS)
#define LINE_NS	      NS_PER_S
#define LINES_WAITING 10  /* as many times rarer when nothing is under way */
#define TEXT_MAX      400 /* below console_printf's limit */

/* One console, one command at a time. */
static struct watched {
	uint32_t id; /* 0: ended and counted */
	bool begun;
} watched[PLAN_MOVES_MAX];
static unsigned watched_count;

static void fill(struct queue_watch *w, const struct plan_input *in, const struct plan *plan,
		 const struct migrate_options *opt)
{
	watched_count = 0;
	for (unsigned i = 0; i < plan->move_count; i++) {
		const struct plan_move *m = &plan->moves[i];
		const char *vm = in->vms[m->vm].name;
		struct watched *e = &watched[watched_count];
		struct migrate_options how = *opt;
		int err;

		if (m->from) /* begins at another host, after an earlier move of the plan */
			continue;
		e->begun = false;
		how.cold = m->how == PLAN_COLD;
		err = queue_add(vm, in->hosts[m->to].name, &how, &e->id);
		if (err == -E_EXIST) {
			console_printf(w->con, "%s waits in the queue already\n", vm);
		} else if (err) {
			console_printf(w->con,
				       "%s cannot be queued: %s; 'migrate-status' shows the "
				       "queue\n",
				       vm, err_text(err));
			w->failed++;
			continue;
		}
		watched_count++;
	}
}

static void note_end(struct queue_watch *w, const struct queue_entry *e)
{
	char text[TEXT_MAX];
	struct queue_entry copy = *e; /* printing may block */

	if (!copy.err) {
		w->moved++;
		ksnprintf(text, sizeof(text), "moved to %s", copy.host);
	} else {
		ksnprintf(text, sizeof(text), "not moved to %s: %s", copy.host, copy.reason);
	}
	/* the target's checks, or nobody hears it any more: another host may do */
	if (copy.err == -E_MISMATCH || copy.err == -E_TIMEDOUT) {
		w->refused++;
		pool_note_refusal(copy.vm, copy.host);
	} else if (copy.err) {
		w->failed++;
	}
	console_printf(w->con, "%s: %s\n", copy.vm, text);
}

static void print_progress(struct queue_watch *w, uint32_t move)
{
	const struct move_progress *p = migrate_progress(move);
	char text[TEXT_MAX];

	if (!p || p->done)
		return;
	move_status_text(p, text, sizeof(text));
	console_printf(w->con, "%s\n", text);
}

/* A queue that only waits says so now and then: who reads along must not think it dead. */
static void print_waiting(struct queue_watch *w)
{
	for (unsigned i = 0; i < watched_count; i++) {
		const struct queue_entry *e = queue_find(watched[i].id);

		if (!e || e->state != QUEUE_WAITING)
			continue;
		console_printf(w->con, "%s waits to go to %s: %s\n", e->vm, e->host,
			       e->reason[0] ? e->reason : "others are before it");
		return;
	}
}

/* It is not waited for: the operator's next command may be what settles it. */
static void note_doubt(struct queue_watch *w, struct watched *at, const char *vm)
{
	char name[VM_NAME_LEN];

	str_copy(name, vm, sizeof(name));
	at->id = 0;
	w->failed++;
	console_printf(w->con,
		       "%s is in doubt and paused: 'migrate-status %s' says why; 'unpause' keeps "
		       "it here, 'destroy' gives it up\n",
		       name, name);
}

static bool in_doubt(const char *name)
{
	const struct vm *vm = vm_find(name);

	return vm && vm->state == VM_IN_DOUBT;
}

/*
 * What has ended since; how many are left. line: also say how those under way are, or every
 * so many times that nothing is.
 */
static unsigned look(struct queue_watch *w, unsigned line)
{
	unsigned left = 0, under_way = 0;

	for (unsigned i = 0; i < watched_count; i++) {
		struct watched *at = &watched[i];
		const struct queue_entry *e = queue_find(at->id);

		if (!at->id)
			continue;
		if (!e || e->state == QUEUE_ENDED) {
			at->id = 0;
			if (e)
				note_end(w, e);
			continue;
		}
		if (e->state == QUEUE_RUNNING && in_doubt(e->vm)) {
			note_doubt(w, at, e->vm);
			continue;
		}
		left++;
		under_way += e->state == QUEUE_RUNNING;
		if (e->state == QUEUE_RUNNING && line)
			print_progress(w, e->move);
	}
	if (left && !under_way && line && line % LINES_WAITING == 0)
		print_waiting(w);
	return left;
}

int queue_watch_plan(struct queue_watch *w, const struct plan_input *in, const struct plan *plan,
		     const struct migrate_options *opt, bool wait)
{
	uint64_t next_line_ns = 0;
	unsigned lines = 0;
	bool cancelled = false;

	w->moved = w->failed = w->refused = 0;
	fill(w, in, plan, opt);
	if (!wait)
		return 0;
	for (;;) {
		bool line = time_ns() >= next_line_ns;

		if (line) {
			next_line_ns = time_ns() + LINE_NS;
			lines++;
		}
		if (!look(w, line ? lines : 0))
			break;
		if (console_interrupted(w->con)) {
			if (cancelled)
				return -E_CANCELLED;
			cancelled = true;
			console_printf(w->con, "Ctrl-C: the queue is dropped; once more leaves "
					       "what is still under way to itself\n");
			queue_drop(true);
		}
		w->con->interrupted = false;
		if (console_wait(w->con, time_ns() + WATCH_NS))
			w->con->interrupted = true;
	}
	return cancelled ? -E_CANCELLED : 0;
}

static bool shown(const struct queue_entry *e, const char *vm)
{
	return !vm || !strcmp(e->vm, vm);
}

bool queue_show(struct console *con, const char *vm)
{
	const struct queue_entry *e = queue_after(0);
	bool any = false;

	for (uint32_t id = 0; (e = queue_after(id)); id = e->id)
		any |= shown(e, vm);
	if (!any)
		return false;
	table_begin(con, "QUEUE|TO|STATE|REMARK");
	for (uint32_t id = 0;;) {
		table_row(con);
		e = queue_after(id);
		if (!e)
			break;
		id = e->id;
		if (!shown(e, vm))
			continue;
		table_cell(con, "%s", e->vm);
		table_cell(con, "%s", e->host);
		table_cell(con, "%s",
			   e->state != QUEUE_ENDED ? queue_state_name(e->state)
			   : e->err		   ? "failed"
						   : "moved");
		table_cell(con, "%s", e->reason);
	}
	table_end(con);
	return true;
}

void queue_show_json(struct console *con, const char *vm)
{
	const struct queue_entry *e;

	for (uint32_t id = 0; (e = queue_after(id)); id = e->id) {
		struct json *j;
		uint32_t this = e->id;

		if (!shown(e, vm))
			continue;
		j = console_json_row();
		json_str(j, "kind", "queued");
		json_u64(j, "id", e->id);
		json_str(j, "vm", e->vm);
		json_str(j, "to", e->host);
		json_str(j, "state", queue_state_name(e->state));
		json_str(j, "error", e->state == QUEUE_ENDED && e->err ? err_text(e->err) : "");
		json_str(j, "reason", e->reason);
		console_json_row_end(con);
		e = queue_find(this); /* printing may have blocked */
		if (!e)
			break;
	}
}
