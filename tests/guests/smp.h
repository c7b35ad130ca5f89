/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the guests with many CPUs share (smp_lib.c): console, per-CPU data, local
 * APIC by MMIO or MSR, start of the other CPUs, jobs for them.
 */
#ifndef TESTS_GUESTS_SMP_H
#define TESTS_GUESTS_SMP_H

#include <stdbool.h>
#include <stdint.h>

#define MAX_CPUS 16
#define COM1	 0x3f8

#define APIC_ID	       0x020
#define APIC_TPR       0x080
#define APIC_PPR       0x0a0
#define APIC_EOI       0x0b0
#define APIC_LDR       0x0d0
#define APIC_DFR       0x0e0
#define APIC_SVR       0x0f0
#define APIC_ISR       0x100
#define APIC_IRR       0x200
#define APIC_ESR       0x280
#define APIC_ICR       0x300
#define APIC_ICR_HIGH  0x310
#define APIC_LVT_TIMER 0x320
#define APIC_LVT_ERROR 0x370
#define APIC_TMICT     0x380
#define APIC_TMCCT     0x390
#define APIC_TDCR      0x3e0
#define APIC_SELF_IPI  0x3f0

/* ICR: delivery mode, destination mode, shorthand; assert */
#define ICR_FIXED   0x04000u
#define ICR_LOWEST  0x04100u
#define ICR_NMI	    0x04400u
#define ICR_INIT    0x04500u
#define ICR_STARTUP 0x04600u
#define ICR_LOGICAL 0x00800u
#define ICR_SELF    0x40000u
#define ICR_ALL	    0x80000u
#define ICR_OTHERS  0xc0000u

#define V_WAKE 0xe0 /* leave HLT and look for a job */

struct cpu {
	uint64_t self; /* at GS:0 */
	unsigned id;
	bool x2apic;
	volatile bool online;
	void (*volatile job)(struct cpu *c);
	volatile uint32_t count[256]; /* interrupts taken, by vector */
	volatile uint8_t order[16];   /* the latest of them */
	volatile unsigned ordered;
};

extern struct cpu cpus[MAX_CPUS];
extern unsigned cpu_count;
extern uint64_t tsc_per_ms;
extern volatile unsigned corrupt;

static inline void outb(uint16_t port, uint8_t v)
{
	__asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(port));
}

static inline uint8_t inb(uint16_t port)
{
	uint8_t v;

	__asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

static inline uint64_t tsc_read(void)
{
	uint32_t lo, hi;

	__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi) : : "memory");
	return (uint64_t)hi << 32 | lo;
}

static inline uint64_t rdmsr(uint32_t msr)
{
	uint32_t lo, hi;

	__asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr) : "memory");
	return (uint64_t)hi << 32 | lo;
}

static inline void wrmsr(uint32_t msr, uint64_t v)
{
	__asm__ volatile("wrmsr"
			 :
			 : "c"(msr), "a"((uint32_t)v), "d"((uint32_t)(v >> 32))
			 : "memory");
}

static inline struct cpu *this_cpu(void)
{
	struct cpu *c;

	__asm__ volatile("mov %%gs:0, %0" : "=r"(c));
	return c;
}

static inline void irq_on(void)
{
	__asm__ volatile("sti" : : : "memory");
}

static inline void irq_off(void)
{
	__asm__ volatile("cli" : : : "memory");
}

static inline void pause(void)
{
	__asm__ volatile("pause" : : : "memory");
}

void print(const char *s);
void print_number(const char *before, uint64_t v);
/* A word of the command line and its number; otherwise when it is not there. */
uint64_t option(const char *cmd, const char *name, uint64_t otherwise);
/* Something is wrong: said once a time, and counted. */
void bad(const char *what, uint64_t cpu, uint64_t found);

uint32_t apic_read(unsigned reg);
void apic_write(unsigned reg, uint32_t v);
/* Interrupts may be on: what a handler sends in between does no harm. */
void ipi(uint32_t dest, uint32_t icr);

/* Interrupt table, this CPU, the clock; then the others by INIT and SIPI. */
void smp_init(const char *cmd);
void smp_start_others(void);
/* Until *count is at least want: false after half a minute. */
bool wait_count(const volatile uint32_t *count, uint32_t want);
/* Each of the others runs fn, and so does this CPU; returns when all are done. */
void run_everywhere(void (*fn)(struct cpu *c));
/* One other CPU begins fn; wait_idle waits for its end. */
void run_on(unsigned cpu, void (*fn)(struct cpu *c));
bool wait_idle(unsigned cpu);

/* The program's own: */
void smp_run(const char *cmd);
/* After it was counted, before EOI. Not for NMI. */
void smp_vector(struct cpu *c, unsigned vector);

#endif
