/* SPDX-License-Identifier: BSD-2-Clause */
/* Fake of kernel/task.h; see fake_task.h. */
#include "tests/unit/fake_task.h"

#define FAKE_TASKS_MAX 16

struct task {
	void (*fn)(void *arg);
	void *arg;
};

struct fake_waiter {
	struct list node;
	bool woken;
};

bool (*fake_wait_hook)(uint64_t until_ns);

static struct task tasks[FAKE_TASKS_MAX];
static unsigned task_count;
static struct task *running;
static jmp_buf task_blocked;

struct task *task_create(const char *name, void (*fn)(void *arg), void *arg)
{
	if (task_count == FAKE_TASKS_MAX)
		return NULL;
	tasks[task_count] = (struct task){.fn = fn, .arg = arg};
	return &tasks[task_count++];
}

struct task *task_current(void)
{
	return running;
}

void task_yield(void)
{
	fake_timers_run_until(fake_time_ns + 1000);
}

/* One step of the world, at most until until_ns. */
static void fake_step(uint64_t until_ns)
{
	uint64_t next = fake_timers_next();

	if (fake_wait_hook && fake_wait_hook(next < until_ns ? next : until_ns))
		return;
	next = fake_timers_next();
	if (next == TIME_NEVER && until_ns == TIME_NEVER)
		panic("fake task: everything waits for ever");
	fake_timers_run_until(next < until_ns ? next : until_ns);
}

void task_sleep_until(uint64_t deadline_ns)
{
	while (fake_time_ns < deadline_ns)
		fake_step(deadline_ns);
}

void waitq_init(struct waitq *wq)
{
	list_init(&wq->waiters);
}

int waitq_wait(struct waitq *wq, uint64_t deadline_ns)
{
	struct fake_waiter w = {.woken = false};

	if (running)
		longjmp(task_blocked, 1);
	list_append(&wq->waiters, &w.node);
	while (!w.woken && fake_time_ns < deadline_ns)
		fake_step(deadline_ns);
	list_remove(&w.node);
	return w.woken ? 0 : -E_TIMEDOUT;
}

void waitq_wake_all(struct waitq *wq)
{
	while (!list_empty(&wq->waiters)) {
		struct fake_waiter *w = list_entry(wq->waiters.next, struct fake_waiter, node);

		list_remove(&w->node);
		w->woken = true;
	}
}

void fake_tasks_reset(void)
{
	task_count = 0;
	running = NULL;
	fake_wait_hook = NULL;
}

unsigned fake_tasks_created(void)
{
	return task_count;
}

void fake_tasks_run(void)
{
	for (volatile unsigned i = 0; i < task_count; i++) {
		running = &tasks[i];
		if (!setjmp(task_blocked))
			running->fn(running->arg);
		running = NULL;
	}
}
