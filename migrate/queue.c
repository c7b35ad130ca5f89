/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The queue of moves: a task that begins what may begin (plan_next says what), takes
 * note of what has ended, and goes away when nothing is left. A target that is busy
 * with a move of somebody else is asked again later.
 */
#include "migrate/queue.h"

#include "kernel/lib/string.h"
#include "kernel/log.h"
#include "kernel/time.h"
#include "migrate/move.h"
#include "migrate/plan.h"

#define LOOK_NS (250 * NS_PER_MS)

static const char *const state_names[] = {"waits", "under way", "ended"};

const char *queue_state_name(enum queue_state s)
{
	return state_names[s];
}

static struct move_queue *queue(void)
{
	return &migrate_state()->queue;
}

const struct queue_entry *queue_find(uint32_t id)
{
	for (unsigned i = 0; i < QUEUE_MAX; i++)
		if (id && queue()->entries[i].id == id)
			return &queue()->entries[i];
	return NULL;
}

const struct queue_entry *queue_after(uint32_t id)
{
	struct queue_entry *next = NULL;

	for (unsigned i = 0; i < QUEUE_MAX; i++) {
		struct queue_entry *e = &queue()->entries[i];

		if (e->id > id && (!next || e->id < next->id))
			next = e;
	}
	return next;
}

static void end(struct queue_entry *e, int err, const char *reason)
{
	e->state = QUEUE_ENDED;
	e->err = err;
	str_copy(e->reason, reason ? reason : err ? err_text(err) : "", sizeof(e->reason));
	if (err)
		log_warn("queue: %s not moved to %s: %s", e->vm, e->host, e->reason);
}

/* Not its fault, and it passes: the target is making another move. */
static bool target_is_busy(const struct queue_entry *e, const struct move_progress *p)
{
	const struct check_list *l = migrate_checks(e->move);

	if (p->err == -E_BUSY)
		return true;
	if (p->err != -E_MISMATCH || !l || l->failed != 1)
		return false;
	for (unsigned i = 0; i < l->count; i++)
		if (l->list[i].result == CHECK_FAILED)
			return !strcmp(l->list[i].name, CHECK_NO_OTHER_MOVE);
	return false;
}

static void ask_later(struct queue_entry *e)
{
	uint64_t now = time_ns();

	if (!e->busy_since_ns)
		e->busy_since_ns = MAX(now, 1ull);
	if (now - e->busy_since_ns > QUEUE_GIVE_UP_NS) {
		end(e, -E_BUSY, "the other host was busy with other moves for ten minutes");
		return;
	}
	e->state = QUEUE_WAITING;
	e->not_before_ns = now + QUEUE_RETRY_NS;
	str_copy(e->reason, "the other host is busy with another move", sizeof(e->reason));
}

static void look(struct queue_entry *e)
{
	const struct move_progress *p = migrate_progress(e->move);

	if (!p) {
		end(e, -E_NOENT, "its move is not remembered any more; 'list' shows where it is");
		return;
	}
	if (!p->done)
		return;
	if (target_is_busy(e, p) && e->dropped)
		end(e, -E_CANCELLED, "taken out of the queue by the operator");
	else if (target_is_busy(e, p))
		ask_later(e);
	else
		end(e, p->err, p->reason[0] ? p->reason : NULL);
}

static void begin(struct queue_entry *e)
{
	const struct peer *to = peers_find(e->host);
	struct vm *vm = vm_find(e->vm);
	int err;

	if (!vm) {
		end(e, -E_NOENT, "there is no VM of that name any more");
		return;
	}
	if (!to) {
		end(e, -E_TIMEDOUT, "the other host is not heard any more");
		return;
	}
	if (vm->move_under_way) {
		end(e, -E_BUSY, "it is on a move that somebody else began");
		return;
	}
	err = migrate_start(vm, to, &e->opt, &e->move);
	if (!err) {
		e->state = QUEUE_RUNNING;
		e->reason[0] = 0;
	} else if (err == -E_BUSY) { /* which ends */
		str_copy(e->reason, "another move is under way here", sizeof(e->reason));
	} else {
		end(e, err, NULL);
	}
}

/* The same number for the same host; this host is 0. */
static unsigned host_number(const struct queue_entry *e)
{
	unsigned i = 0;

	while (strcmp(queue()->entries[i].host, e->host) != 0)
		i++;
	return i + 1;
}

/* It waits for the storage, the other host or the operator: nobody need wait for it. */
static bool in_doubt(const struct queue_entry *e)
{
	const struct vm *vm = vm_find(e->vm);

	return e->state == QUEUE_RUNNING && vm && vm->state == VM_IN_DOUBT;
}

/* What waits or is under way, in order; left also counts what is in doubt. */
static unsigned gather(struct plan_job jobs[QUEUE_MAX], struct queue_entry *entries[QUEUE_MAX],
		       unsigned *left)
{
	const struct queue_entry *next = NULL;
	unsigned count = 0;

	while ((next = queue_after(next ? next->id : 0))) {
		struct queue_entry *e = &queue()->entries[next - queue()->entries];

		if (e->state == QUEUE_RUNNING)
			look(e);
		if (e->state == QUEUE_ENDED)
			continue;
		++*left;
		if (in_doubt(e))
			continue;
		entries[count] = e;
		jobs[count++] = (struct plan_job){
		    .from = 0, .to = host_number(e), .running = e->state == QUEUE_RUNNING};
	}
	return count;
}

/* False when nothing is left to do. */
static bool step(void)
{
	static struct plan_job jobs[QUEUE_MAX];
	static struct queue_entry *entries[QUEUE_MAX];
	unsigned left = 0, count = gather(jobs, entries, &left), ready = 0;

	for (unsigned i = 0; i < count; i++) { /* one that is asked again later lets others go */
		if (!jobs[i].running && entries[i]->not_before_ns > time_ns())
			continue;
		jobs[ready] = jobs[i];
		entries[ready++] = entries[i];
	}
	plan_next(jobs, ready, QUEUE_LIMIT);
	for (unsigned i = 0; i < ready; i++)
		if (jobs[i].begin)
			begin(entries[i]);
	return left;
}

static void queue_task(void *arg)
{
	struct move_queue *q = arg;

	while (step())
		(void)waitq_wait(&q->wake, time_ns() + LOOK_NS);
	q->working = false;
}

/* An unused entry, or the one that ended first; NULL when all are needed. */
static struct queue_entry *free_entry(struct move_queue *q)
{
	struct queue_entry *oldest = NULL;

	for (unsigned i = 0; i < QUEUE_MAX; i++) {
		struct queue_entry *e = &q->entries[i];

		if (!e->id)
			return e;
		if (e->state == QUEUE_ENDED && (!oldest || e->id < oldest->id))
			oldest = e;
	}
	return oldest;
}

uint32_t queue_id_of(const char *vm)
{
	for (unsigned i = 0; i < QUEUE_MAX; i++) {
		const struct queue_entry *e = &queue()->entries[i];

		if (e->id && e->state != QUEUE_ENDED && !strcmp(e->vm, vm))
			return e->id;
	}
	return 0;
}

int queue_add(const char *vm, const char *host, const struct migrate_options *opt, uint32_t *id)
{
	struct move_queue *q = queue();
	struct queue_entry *e = free_entry(q);

	*id = queue_id_of(vm);
	if (*id)
		return -E_EXIST;
	if (!e)
		return -E_NOSPC;
	if (!q->working) {
		waitq_init(&q->wake);
		if (!task_create("queue", queue_task, q))
			return -E_NOMEM;
		q->working = true;
	}
	*e = (struct queue_entry){.id = ++q->last_id, .opt = *opt};
	str_copy(e->vm, vm, sizeof(e->vm));
	str_copy(e->host, host, sizeof(e->host));
	*id = e->id;
	waitq_wake_all(&q->wake);
	return 0;
}

void queue_drop(bool all)
{
	for (unsigned i = 0; i < QUEUE_MAX; i++) {
		struct queue_entry *e = &queue()->entries[i];
		struct vm *vm = vm_find(e->vm);

		if (!e->id)
			continue;
		if (e->state == QUEUE_WAITING)
			end(e, -E_CANCELLED, "taken out of the queue by the operator");
		if (e->state != QUEUE_RUNNING)
			continue;
		e->dropped = true;
		if (all && vm && migrate_cancel(vm) == -E_STATE)
			log_info("queue: %s: too late to cancel", e->vm);
	}
}

void migrate_set_drained(bool drained)
{
	migrate_state()->drained = drained;
	log_info("migrate: this host %s", drained ? "is drained: it takes no VMs" : "takes VMs");
}

bool migrate_drained(void)
{
	return migrate_state()->drained;
}
