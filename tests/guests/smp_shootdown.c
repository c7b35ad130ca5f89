/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * TLB shootdown as kernels do it: one CPU changes a page-table entry, tells all others
 * by an IPI and waits until each has flushed and looked; all CPUs want to at once.
 */
#include "tests/guests/smp.h"

#define V_FLUSH	  0xd1
#define WINDOW	  0x8000000000ul /* PML4 entry 1, nobody else's */
#define PTE_FLAGS 3

void shootdown_flush(struct cpu *c);
void shootdown_init(void);
void shootdown_job(struct cpu *c);

static uint64_t pdpt[512] __attribute__((aligned(4096))), pd[512] __attribute__((aligned(4096))),
    pt[512] __attribute__((aligned(4096)));
static uint64_t frames[2][512] __attribute__((aligned(4096)));
static volatile uint64_t generation;
static volatile unsigned lock, flushed;

static uint64_t look(void)
{
	return *(volatile uint64_t *)WINDOW;
}

static void flush_here(struct cpu *c)
{
	uint64_t seen;

	__asm__ volatile("invlpg (%0)" : : "r"(WINDOW) : "memory");
	seen = look();
	if (seen != generation)
		bad("stale translation", c->id, seen);
}

void shootdown_flush(struct cpu *c)
{
	flush_here(c);
	__atomic_add_fetch(&flushed, 1, __ATOMIC_SEQ_CST);
}

void shootdown_init(void)
{
	uint64_t cr3, *pml4;

	__asm__ volatile("mov %%cr3, %0" : "=r"(cr3));
	pml4 = (uint64_t *)(cr3 & ~0xffful);
	pt[0] = (uint64_t)frames[0] | PTE_FLAGS;
	pd[0] = (uint64_t)pt | PTE_FLAGS;
	pdpt[0] = (uint64_t)pd | PTE_FLAGS;
	pml4[1] = (uint64_t)pdpt | PTE_FLAGS;
}

static void shoot(struct cpu *c)
{
	uint64_t until = tsc_read() + 30000 * tsc_per_ms, next = generation + 1;

	frames[next % 2][0] = next;
	flushed = 0;
	generation = next;
	*(volatile uint64_t *)&pt[0] = (uint64_t)frames[next % 2] | PTE_FLAGS;
	ipi(0, ICR_OTHERS | ICR_FIXED | V_FLUSH);
	flush_here(c);
	while (flushed < cpu_count - 1) {
		if (tsc_read() > until) {
			bad("shootdown: not all flushed", c->id, flushed);
			return;
		}
		pause();
	}
}

/* Interrupts are on while it waits for the lock: it must serve the holder's request. */
void shootdown_job(struct cpu *c)
{
	for (unsigned n = 0; n < 2; n++) {
		(void)look(); /* so that there is something to flush */
		while (__atomic_exchange_n(&lock, 1, __ATOMIC_ACQUIRE))
			pause();
		shoot(c);
		__atomic_store_n(&lock, 0, __ATOMIC_RELEASE);
	}
}
