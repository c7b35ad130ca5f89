/* SPDX-License-Identifier: BSD-2-Clause */
/* Cooperative fibers on ucontext; see fake_fiber.h. */
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include "tests/unit/fake_fiber.h"

#define STACK_SIZE (256 * 1024)
#define FIBERS	   64

struct task {
	ucontext_t ctx;
	char *stack;
	void (*fn)(void *arg);
	void *arg;
	int host;
	bool used, ended, waiting, woken;
	uint64_t deadline_ns;
	struct list node; /* in a waitq */
};

int fake_host;
unsigned fake_hosts_down;
static struct task fibers[FIBERS];
static struct task *current;
static ucontext_t scheduler;

static void entry(unsigned low, unsigned high)
{
	struct task *t = (struct task *)(((uintptr_t)high << 32) | low);

	t->fn(t->arg);
	t->ended = true;
	swapcontext(&t->ctx, &scheduler);
}

static struct task *find_free(void)
{
	for (unsigned i = 0; i < FIBERS; i++)
		if (!fibers[i].used)
			return &fibers[i];
	return NULL;
}

/* Apart: getcontext returns like setjmp, and locals beside it worry the compiler. */
static void prepare(struct task *t)
{
	uintptr_t p = (uintptr_t)t;

	getcontext(&t->ctx);
	t->ctx.uc_stack.ss_sp = t->stack;
	t->ctx.uc_stack.ss_size = STACK_SIZE;
	makecontext(&t->ctx, (void (*)(void))entry, 2, (unsigned)p, (unsigned)(p >> 32));
}

struct task *task_create(const char *name, void (*fn)(void *arg), void *arg)
{
	struct task *t = find_free();

	if (!t)
		return NULL;
	memset(t, 0, sizeof(*t));
	t->stack = malloc(STACK_SIZE);
	t->fn = fn;
	t->arg = arg;
	t->host = fake_host;
	t->used = true;
	list_init(&t->node);
	prepare(t);
	return t;
}

struct task *task_current(void)
{
	return current;
}

static void sleep_now(uint64_t deadline_ns)
{
	assert_non_null(current); /* blocking outside a task */
	current->waiting = true;
	current->woken = false;
	current->deadline_ns = deadline_ns;
	swapcontext(&current->ctx, &scheduler);
}

void task_yield(void)
{
	sleep_now(0);
}

void task_sleep_until(uint64_t deadline_ns)
{
	sleep_now(deadline_ns);
}

void waitq_init(struct waitq *wq)
{
	list_init(&wq->waiters);
}

int waitq_wait(struct waitq *wq, uint64_t deadline_ns)
{
	struct task *t = current;

	assert_non_null(t);
	if (!wq->waiters.next)
		waitq_init(wq);
	list_append(&wq->waiters, &t->node);
	sleep_now(deadline_ns);
	list_remove(&t->node);
	return t->woken ? 0 : -E_TIMEDOUT;
}

void waitq_wake_all(struct waitq *wq)
{
	if (!wq->waiters.next)
		waitq_init(wq);
	while (!list_empty(&wq->waiters)) {
		struct task *t = list_entry(wq->waiters.next, struct task, node);

		list_remove(&t->node);
		t->woken = true;
		t->deadline_ns = 0;
	}
}

static void bury(struct task *t)
{
	free(t->stack);
	t->used = false;
}

static bool run_one_round(void)
{
	bool any = false;

	for (unsigned i = 0; i < FIBERS; i++) {
		struct task *t = &fibers[i];

		if (!t->used || (t->waiting && t->deadline_ns > fake_time_ns) ||
		    fake_hosts_down & (1u << t->host))
			continue;
		any = true;
		t->waiting = false;
		current = t;
		fake_host = t->host;
		swapcontext(&scheduler, &t->ctx);
		current = NULL;
		if (t->ended)
			bury(t);
	}
	return any;
}

void fake_fibers_run(uint64_t until_ns)
{
	int host = fake_host;

	while (fake_time_ns < until_ns) {
		uint64_t next = MIN(fake_timers_next(), until_ns);

		if (run_one_round()) {
			/* work takes time: a yielding task must not stop the clock */
			fake_timers_run_until(fake_time_ns + 1000);
			continue;
		}
		for (unsigned i = 0; i < FIBERS; i++)
			if (fibers[i].used && !(fake_hosts_down & (1u << fibers[i].host)))
				next = MIN(next, fibers[i].deadline_ns);
		fake_timers_run_until(MAX(MIN(next, until_ns), fake_time_ns));
	}
	fake_host = host;
}

unsigned fake_fibers_alive(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < FIBERS; i++)
		n += fibers[i].used;
	return n;
}

void fake_fibers_kill(int host)
{
	for (unsigned i = 0; i < FIBERS; i++) {
		struct task *t = &fibers[i];

		if (!t->used || t->host != host)
			continue;
		list_remove(&t->node);
		bury(t);
	}
}

void fake_fibers_reset(void)
{
	for (int host = 0; host < 4; host++)
		fake_fibers_kill(host);
	fake_host = 0;
	fake_hosts_down = 0;
	current = NULL;
}
