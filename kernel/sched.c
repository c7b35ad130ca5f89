/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Cooperative tasks on several CPUs under one lock. A CPU holds the lock
 * whenever it runs hypervisor code; it drops it to let a guest run, to sleep, and
 * for a moment in task_yield. Interrupts are off while the lock is held.
 */
#include "kernel/sched_inner.h"
#include "arch/x86/apic.h"
#include "arch/x86/io.h"
#include "kernel/lib/string.h"
#include "kernel/log.h"
#include "kernel/mem.h"
#include "kernel/time.h"

#define TASK_STACK_ORDER 3 /* 32 KiB */
#define STACK_CANARY	 0x5cab5cab5cab5cabull
/* With nobody waiting a guest is left that often; the CPU looks for work. */
#define ALONE_NS (10 * NS_PER_MS)

struct run_queue sched_queues[MAX_CPUS];
struct list sched_tasks = LIST_INIT(sched_tasks);

/* ---- the host lock: a ticket lock, so that no CPU starves ------------------- */

static volatile uint32_t ticket_next, ticket_serving;

void host_lock(void)
{
	uint32_t mine = __atomic_fetch_add(&ticket_next, 1, __ATOMIC_RELAXED);

	while (__atomic_load_n(&ticket_serving, __ATOMIC_ACQUIRE) != mine)
		cpu_pause();
}

void host_unlock(void)
{
	__atomic_store_n(&ticket_serving, ticket_serving + 1, __ATOMIC_RELEASE);
}

/* ---- tasks ------------------------------------------------------------------- */

static void task_exit(void);

void sched_init(void)
{
	task_exit_hook = task_exit;
	for (unsigned i = 0; i < MAX_CPUS; i++) {
		list_init(&sched_queues[i].host);
		fair_init(&sched_queues[i].fair);
	}
}

static struct run_queue *my_queue(void)
{
	return &sched_queues[this_cpu()->index];
}

void sched_kick_cpu(unsigned cpu)
{
	if (cpu != this_cpu()->index)
		apic_send_kick(cpus[cpu].apic_id);
}

void sched_charge(struct run_queue *q)
{
	struct task *t = q->current;
	uint64_t now = time_ns(), ns = now - q->charged_ns;

	/* another CPU's clock may be a little ahead: time already charged is not charged back */
	if (!t || now <= q->charged_ns)
		return;
	q->charged_ns = now;
	t->used_ns += ns;
	if (t->run.share)
		fair_charge(&q->fair, t->run.share, ns);
	else
		fair_charge_host(&q->fair, ns);
}

static void task_wake(struct task *t)
{
	struct run_queue *q = &sched_queues[t->cpu];

	if (t->ready || t->dead)
		return;
	list_remove(&t->run.node);
	t->ready = true;
	sched_charge(q); /* the newcomer is compared with what is true now */
	if (t->run.share)
		fair_wake(&q->fair, &t->run);
	else
		list_append(&q->host, &t->run.node);
	task_hurry(t, t->hurried);
	sched_kick_cpu(t->cpu);
}

void task_hurry(struct task *t, bool on)
{
	t->hurried = on && t->run.share;
	if (!t->ready || !t->hurried)
		return;
	list_remove(&t->run.node);
	list_append(&sched_queues[t->cpu].host, &t->run.node);
}

static void sleep_over(struct timer *timer)
{
	struct task *t = container_of(timer, struct task, sleep);

	t->timed_out = true;
	task_wake(t);
}

struct task *task_create_on(unsigned cpu, const char *name, struct sched_share *share,
			    void (*fn)(void *arg), void *arg)
{
	struct task *t = kzalloc(sizeof(*t));
	uint64_t *top;

	if (!t)
		return NULL;
	t->stack = pages_alloc_raw(TASK_STACK_ORDER);
	if (!t->stack) {
		kfree(t);
		return NULL;
	}
	t->stack[0] = STACK_CANARY;
	t->name = name;
	t->cpu = cpu;
	t->run.share = share;
	list_init(&t->run.node);
	list_append(&sched_tasks, &t->all);
	timer_init(&t->sleep, sleep_over);
	/* What context_switch pops: r15 r14 r13 r12 rbx rbp, then its return address. */
	top = t->stack + (PAGE_SIZE << TASK_STACK_ORDER) / 8;
	top -= 8;
	top[0] = top[1] = top[2] = 0;	    /* r15 r14 r13 */
	top[3] = (uint64_t)arg;		    /* r12 */
	top[4] = (uint64_t)fn;		    /* rbx */
	top[5] = 0;			    /* rbp: ends stack traces */
	top[6] = (uint64_t)task_trampoline; /* return address */
	top[7] = 0;			    /* keeps the stack aligned as after a call */
	t->rsp = (uint64_t)top;
	task_wake(t);
	return t;
}

struct task *task_create(const char *name, void (*fn)(void *arg), void *arg)
{
	return task_create_on(0, name, NULL, fn, arg);
}

struct task *task_current(void)
{
	return my_queue()->current;
}

static void task_free(struct task *t)
{
	timer_cancel(&t->sleep);
	list_remove(&t->run.node);
	list_remove(&t->all);
	pages_free(t->stack, TASK_STACK_ORDER);
	kfree(t);
}

/* Back to the CPU's loop, which picks the next. */
static void task_switch_out(void)
{
	struct run_queue *q = my_queue();
	struct task *t = q->current;

	if (t->stack[0] != STACK_CANARY)
		panic("task %s: stack overflow", t->name);
	sched_charge(q);
	if (!t->ready && t->run.share)
		fair_sleep(&t->run);
	q->current = NULL;
	context_switch(&t->rsp, q->idle_rsp);
}

static void task_exit(void)
{
	my_queue()->current->dead = true;
	task_switch_out();
	panic("a dead task ran");
}

void task_yield(void)
{
	struct run_queue *q = my_queue();
	struct task *t = q->current;

	t->ready = true;
	if (t->run.share && !t->hurried)
		fair_requeue(&q->fair, &t->run);
	else
		list_append(&q->host, &t->run.node);
	task_switch_out();
}

void task_sleep_until(uint64_t deadline_ns)
{
	struct task *t = task_current();

	t->timed_out = false;
	timer_arm(&t->sleep, deadline_ns);
	while (!t->timed_out)
		task_switch_out();
}

bool sched_turn_is_over(void)
{
	struct run_queue *q = my_queue();
	uint64_t ran;

	sched_charge(q);
	ran = q->charged_ns - q->turn_ns;
	if ((!list_empty(&q->host) && fair_host_first(&q->fair)) ||
	    fair_turn_is_over(&q->fair, q->current->run.share, ran))
		return true;
	if (ran >= FAIR_SLICE_NS) /* its weight is worth another turn */
		q->turn_ns = q->charged_ns;
	return false;
}

uint64_t sched_turn_end_ns(void)
{
	const struct run_queue *q = my_queue();
	bool alone = list_empty(&q->host) && list_empty(&q->fair.guests);

	return alone ? q->charged_ns + ALONE_NS : q->turn_ns + FAIR_SLICE_NS;
}

/* ---- wait queues ---------------------------------------------------------------- */

void waitq_init(struct waitq *wq)
{
	list_init(&wq->waiters);
}

int waitq_wait(struct waitq *wq, uint64_t deadline_ns)
{
	struct task *t = task_current();

	t->timed_out = false;
	list_append(&wq->waiters, &t->run.node);
	if (deadline_ns != TIME_NEVER)
		timer_arm(&t->sleep, deadline_ns);
	task_switch_out();
	timer_cancel(&t->sleep);
	return t->timed_out ? -E_TIMEDOUT : 0;
}

void waitq_wake_all(struct waitq *wq)
{
	while (!list_empty(&wq->waiters))
		task_wake(list_entry(wq->waiters.next, struct task, run.node));
}

/* ---- the CPU's loop ------------------------------------------------------------- */

static void idle(struct run_queue *q)
{
	uint64_t next = timer_next_deadline(), start = time_ns();

	if (next <= start)
		return;
	apic_timer_set(next == TIME_NEVER ? 0 : MAX(time_ns_to_ticks(next), 1ull));
	q->sleep_start_ns = start;
	q->sleeping = true;
	host_unlock();
	cpu_wait_interrupt();
	host_lock();
	q->sleeping = false;
	q->idle_ns += time_ns() - start;
}

/* Other CPUs that wait for the lock get their turn here, too. */
void sched_take_interrupts(void)
{
	host_unlock();
	cpu_take_interrupts();
	host_lock();
}

static struct task *pick(struct run_queue *q)
{
	struct fair_task *guest = fair_pick(&q->fair);

	if (!list_empty(&q->host) && (!guest || fair_host_first(&q->fair)))
		return list_entry(q->host.next, struct task, run.node);
	return guest ? container_of(guest, struct task, run) : NULL;
}

_Noreturn void sched_run(void)
{
	struct run_queue *q = my_queue();

	for (;;) {
		struct task *t;

		sched_take_interrupts();
		timers_run();
		t = pick(q);
		if (!t) {
			idle(q);
			continue;
		}
		list_remove(&t->run.node);
		t->ready = false;
		q->current = t;
		q->turn_ns = q->charged_ns = time_ns();
		context_switch(&q->idle_rsp, t->rsp);
		if (t->dead)
			task_free(t);
	}
}
