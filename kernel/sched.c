/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Cooperative tasks on several CPUs under one lock. A CPU holds the lock
 * whenever it runs hypervisor code; it drops it to let a guest run, to sleep, and
 * for a moment in task_yield. Interrupts are off while the lock is held.
 */
#include "kernel/sched.h"
#include "arch/x86/apic.h"
#include "arch/x86/cpu.h"
#include "arch/x86/io.h"
#include "kernel/lib/string.h"
#include "kernel/log.h"
#include "kernel/mem.h"
#include "kernel/time.h"
#include "kernel/timer.h"

#define TASK_STACK_ORDER 3 /* 32 KiB */
#define STACK_CANARY	 0x5cab5cab5cab5cabull

struct task {
	struct list node; /* in a run queue or a wait queue */
	uint64_t rsp;
	const char *name;
	unsigned cpu;
	bool queued; /* in the run queue */
	bool dead;
	bool timed_out;
	struct timer sleep;
	uint64_t *stack; /* lowest word is the canary */
};

struct run_queue {
	struct list ready;
	struct task *current; /* NULL in the idle loop */
	uint64_t idle_rsp;
	uint64_t idle_ns;
	uint64_t guest_ticks;
	unsigned vcpus;
	bool sleeping;
};

static struct run_queue queues[MAX_CPUS];

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
	for (unsigned i = 0; i < MAX_CPUS; i++)
		list_init(&queues[i].ready);
}

static struct run_queue *my_queue(void)
{
	return &queues[this_cpu()->index];
}

void sched_kick_cpu(unsigned cpu)
{
	if (cpu != this_cpu()->index)
		apic_send_kick(cpus[cpu].apic_id);
}

static void task_wake(struct task *t)
{
	if (t->queued || t->dead)
		return;
	list_remove(&t->node);
	t->queued = true;
	list_append(&queues[t->cpu].ready, &t->node);
	sched_kick_cpu(t->cpu);
}

static void sleep_over(struct timer *timer)
{
	struct task *t = container_of(timer, struct task, sleep);

	t->timed_out = true;
	task_wake(t);
}

struct task *task_create_on(unsigned cpu, const char *name, void (*fn)(void *arg), void *arg)
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
	list_init(&t->node);
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
	return task_create_on(0, name, fn, arg);
}

struct task *task_current(void)
{
	return my_queue()->current;
}

static void task_free(struct task *t)
{
	timer_cancel(&t->sleep);
	list_remove(&t->node);
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
	struct task *t = task_current();

	t->queued = true;
	list_append(&my_queue()->ready, &t->node);
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

bool sched_others_waiting(void)
{
	return !list_empty(&my_queue()->ready);
}

unsigned sched_place_vcpu(void)
{
	unsigned best = MAX_CPUS;

	/* From the last CPU down: the boot CPU also serves NIC, console and moves. A CPU
	 * where VMX could not be switched on runs no guests. */
	for (unsigned i = cpu_count; i-- > 0;)
		if (cpus[i].vmxon_page &&
		    (best == MAX_CPUS || queues[i].vcpus < queues[best].vcpus))
			best = i;
	ASSERT(best != MAX_CPUS); /* VMs are built only where virt_detect says usable */
	queues[best].vcpus++;
	return best;
}

void sched_unplace_vcpu(unsigned cpu)
{
	queues[cpu].vcpus--;
}

uint64_t sched_idle_ns(unsigned cpu)
{
	return queues[cpu].idle_ns;
}

void sched_count_guest(uint64_t ticks)
{
	my_queue()->guest_ticks += ticks;
}

/* idle() counts from falling asleep to waking up: what lies between comes off here. */
void sched_count_irq(uint64_t ns)
{
	struct run_queue *q = my_queue();

	if (q->sleeping)
		q->idle_ns -= ns;
}

uint64_t sched_work_ticks(void)
{
	uint64_t work = time_ticks() * cpu_count;

	for (unsigned i = 0; i < cpu_count; i++)
		work -= time_ns_to_ticks(queues[i].idle_ns) + queues[i].guest_ticks;
	return work;
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
	list_append(&wq->waiters, &t->node);
	if (deadline_ns != TIME_NEVER)
		timer_arm(&t->sleep, deadline_ns);
	task_switch_out();
	timer_cancel(&t->sleep);
	return t->timed_out ? -E_TIMEDOUT : 0;
}

void waitq_wake_all(struct waitq *wq)
{
	while (!list_empty(&wq->waiters))
		task_wake(list_entry(wq->waiters.next, struct task, node));
}

/* ---- the CPU's loop ------------------------------------------------------------- */

static void idle(struct run_queue *q)
{
	uint64_t next = timer_next_deadline(), start = time_ns();

	if (next <= start)
		return;
	apic_timer_set(next == TIME_NEVER ? 0 : MAX(time_ns_to_ticks(next), 1ull));
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

_Noreturn void sched_run(void)
{
	struct run_queue *q = my_queue();

	for (;;) {
		struct task *t;

		sched_take_interrupts();
		timers_run();
		if (list_empty(&q->ready)) {
			idle(q);
			continue;
		}
		t = list_entry(q->ready.next, struct task, node);
		list_remove(&t->node);
		t->queued = false;
		q->current = t;
		context_switch(&q->idle_rsp, t->rsp);
		if (t->dead)
			task_free(t);
	}
}
