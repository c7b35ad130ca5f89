/* SPDX-License-Identifier: BSD-2-Clause */
/* Fakes of kernel/mem.h, log.h, time.h and timer.h; see fake_kernel.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/fake_kernel.h"

#include "kernel/task.h"

uint64_t fake_time_ns;
uint64_t fake_tsc_khz = 1000000;
int fake_alloc_countdown = -1;
int fake_alloc_live;
char fake_log_last[512];
unsigned fake_log_count;
void (*fake_log_hook)(const char *line);

static struct list timers = LIST_INIT(timers);

static bool alloc_fails(void)
{
	if (fake_alloc_countdown < 0)
		return false;
	return fake_alloc_countdown-- == 0;
}

void *kzalloc(size_t size)
{
	void *p = alloc_fails() ? NULL : calloc(1, size ? size : 1);

	fake_alloc_live += p != NULL;
	return p;
}

void kfree(void *p)
{
	fake_alloc_live -= p != NULL;
	free(p);
}

void *pages_alloc_raw(unsigned order)
{
	size_t size = (size_t)PAGE_SIZE << order;
	void *p = alloc_fails() ? NULL : aligned_alloc(size, size);

	if (p)
		memset(p, 0xa5, size);
	fake_alloc_live += p != NULL;
	return p;
}

void *pages_alloc(unsigned order)
{
	void *p = pages_alloc_raw(order);

	if (p)
		memset(p, 0, (size_t)PAGE_SIZE << order);
	return p;
}

void pages_free(void *block, unsigned order)
{
	fake_alloc_live -= block != NULL;
	free(block);
}

hpa_t virt_to_hpa(const void *p)
{
	return (hpa_t)(uintptr_t)p;
}

void *hpa_to_virt(hpa_t pa)
{
	return (void *)(uintptr_t)pa;
}

void log_write(enum log_level level, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(fake_log_last, sizeof(fake_log_last), fmt, ap);
	va_end(ap);
	fake_log_count++;
	if (getenv("UNIT_VERBOSE"))
		fprintf(stderr, "log %d: %s\n", (int)level, fake_log_last);
	if (fake_log_hook)
		fake_log_hook(fake_log_last);
}

void panic(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	abort();
}

uint64_t time_ns(void)
{
	return fake_time_ns;
}

uint64_t time_ns_to_ticks(uint64_t ns)
{
	return (uint64_t)((unsigned __int128)ns * fake_tsc_khz / 1000000);
}

uint64_t time_ticks_to_ns(uint64_t ticks)
{
	return (uint64_t)((unsigned __int128)ticks * 1000000 / fake_tsc_khz);
}

uint64_t time_ticks(void)
{
	return time_ns_to_ticks(fake_time_ns);
}

uint64_t time_tsc_khz(void)
{
	return fake_tsc_khz;
}

void timer_init(struct timer *t, void (*fn)(struct timer *t))
{
	memset(t, 0, sizeof(*t));
	list_init(&t->node);
	t->fn = fn;
}

void timer_arm(struct timer *t, uint64_t deadline_ns)
{
	list_remove(&t->node);
	t->deadline_ns = deadline_ns;
	list_append(&timers, &t->node);
}

void timer_cancel(struct timer *t)
{
	list_remove(&t->node);
}

bool timer_is_armed(const struct timer *t)
{
	return !list_empty(&t->node);
}

static struct timer *timers_earliest(void)
{
	struct timer *best = NULL;
	struct list *n;

	list_for_each (n, &timers) {
		struct timer *t = list_entry(n, struct timer, node);

		if (!best || t->deadline_ns < best->deadline_ns)
			best = t;
	}
	return best;
}

unsigned fake_timers_armed(void)
{
	unsigned count = 0;
	struct list *n;

	list_for_each (n, &timers)
		count++;
	return count;
}

uint64_t fake_timers_next(void)
{
	struct timer *t = timers_earliest();

	return t ? t->deadline_ns : TIME_NEVER;
}

void fake_timers_run_until(uint64_t ns)
{
	unsigned rounds = 0;
	struct timer *t;

	while ((t = timers_earliest()) && t->deadline_ns <= ns) {
		if (++rounds > 10000000)
			panic("fake timers: a timer re-arms itself without end");
		if (t->deadline_ns > fake_time_ns)
			fake_time_ns = t->deadline_ns;
		list_remove(&t->node);
		t->fn(t);
	}
	if (ns > fake_time_ns)
		fake_time_ns = ns;
}

void fake_kernel_reset(void)
{
	list_init(&timers);
	fake_time_ns = 0;
	fake_tsc_khz = 1000000;
	fake_alloc_countdown = -1;
	fake_alloc_live = 0;
	fake_log_last[0] = 0;
	fake_log_count = 0;
	fake_log_hook = NULL;
}

/* Nobody else to let run; tests with tasks bring their own. */
__attribute__((weak)) void task_yield(void)
{
}
