/* SPDX-License-Identifier: BSD-2-Clause */
/* The machine under the guests with many CPUs: smp.h says what each function is for. */
#include "tests/guests/smp.h"
#include <stddef.h>

#define TRAMPOLINE    0x8000ul
#define ZERO_PAGE_CMD 0x228 /* boot_params.hdr.cmd_line_ptr */
#define LAPIC	      0xfee00000ul
#define MSR_GS_BASE   0xc0000101
#define MSR_X2APIC    0x800
#define PIT_HZ	      1193182u
#define PATIENCE_MS   10000

struct idt_gate {
	uint16_t offset0, selector, flags, offset1;
	uint32_t offset2, zero;
};

extern uint8_t isr_stubs[], ap_trampoline[], ap_trampoline_end[], ap_cr3_here[];
extern uint32_t ap_cr3;

void smp_main(const uint8_t *zero_page);
void smp_ap_main(unsigned id);
void smp_interrupt(uint64_t vector, uint64_t code, uint64_t rip);

struct cpu cpus[MAX_CPUS];
unsigned cpu_count;
uint64_t tsc_per_ms;
volatile unsigned corrupt;
static struct idt_gate idt[256];
static volatile unsigned print_lock;

/* ---- words ------------------------------------------------------------------------ */

static void print_text(const char *s)
{
	static unsigned room;

	for (; *s; s++) {
		if (!room) {
			while (!(inb(COM1 + 5) & 0x20))
				;
			room = 16;
		}
		outb(COM1, (uint8_t)*s);
		room--;
	}
}

static char *add_text(char *to, const char *s)
{
	while (*s)
		*to++ = *s++;
	*to = '\0';
	return to;
}

static char *add_number(char *to, const char *before, uint64_t v)
{
	char tmp[24];
	unsigned n = sizeof(tmp) - 1;

	tmp[n] = '\0';
	do {
		tmp[--n] = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	return add_text(add_text(to, before), tmp + n);
}

/* With interrupts off: a handler that prints must not wait for the CPU it interrupted. */
void print(const char *s)
{
	uint64_t flags;

	__asm__ volatile("pushfq; popq %0; cli" : "=r"(flags) : : "memory");
	while (__atomic_exchange_n(&print_lock, 1, __ATOMIC_ACQUIRE))
		pause();
	print_text(s);
	__atomic_store_n(&print_lock, 0, __ATOMIC_RELEASE);
	__asm__ volatile("pushq %0; popfq" : : "r"(flags) : "memory", "cc");
}

void print_number(const char *before, uint64_t v)
{
	char line[128];

	(void)add_number(line, before, v);
	print(line);
}

/* In one piece, since others may have something to say. */
void bad(const char *what, uint64_t cpu, uint64_t found)
{
	char line[160], *p = line;

	__atomic_add_fetch(&corrupt, 1, __ATOMIC_SEQ_CST);
	p = add_text(add_text(p, "work: CORRUPT "), what);
	p = add_number(add_number(p, " cpu ", cpu), " found ", found);
	(void)add_text(p, "\n");
	print(line);
}

uint64_t option(const char *cmd, const char *name, uint64_t otherwise)
{
	for (const char *p = cmd; *p; p++) {
		const char *n = name, *q = p;
		uint64_t v = 0;

		while (*n && *q == *n) {
			q++;
			n++;
		}
		if (*n || (p != cmd && p[-1] != ' '))
			continue;
		if (*q != '=')
			return 1;
		for (q++; *q >= '0' && *q <= '9'; q++)
			v = v * 10 + (uint64_t)(*q - '0');
		return v;
	}
	return otherwise;
}

/* ---- local APIC and interrupts ---------------------------------------------------- */

uint32_t apic_read(unsigned reg)
{
	if (this_cpu()->x2apic)
		return (uint32_t)rdmsr(MSR_X2APIC + reg / 16);
	return *(volatile uint32_t *)(LAPIC + reg);
}

void apic_write(unsigned reg, uint32_t v)
{
	if (this_cpu()->x2apic)
		wrmsr(MSR_X2APIC + reg / 16, v);
	else
		*(volatile uint32_t *)(LAPIC + reg) = v;
}

void ipi(uint32_t dest, uint32_t icr)
{
	uint64_t flags;

	if (this_cpu()->x2apic) {
		wrmsr(MSR_X2APIC + APIC_ICR / 16, (uint64_t)dest << 32 | icr);
		return;
	}
	__asm__ volatile("pushfq; popq %0; cli" : "=r"(flags) : : "memory");
	apic_write(APIC_ICR_HIGH, dest << 24);
	apic_write(APIC_ICR, icr);
	__asm__ volatile("pushq %0; popfq" : : "r"(flags) : "memory", "cc");
}

void smp_interrupt(uint64_t vector, uint64_t code, uint64_t rip)
{
	struct cpu *c = this_cpu();

	if (vector < 32 && vector != 2) {
		bad("exception: vector, error code, rip", c->id, vector);
		print_number(" ", code);
		print_number(" ", rip);
		print("\n");
		for (;;)
			__asm__ volatile("cli; hlt");
	}
	c->count[vector]++;
	if (vector == 2)
		return;
	if (vector != V_WAKE) /* it may come late, when the CPU found its job before it */
		c->order[c->ordered++ % 16] = (uint8_t)vector;
	smp_vector(c, (unsigned)vector);
	if (vector >= 0x20 && vector < 0x30) { /* the 8259s */
		outb(0x20, 0x20);
		return;
	}
	apic_write(APIC_EOI, 0);
}

/* ---- this CPU --------------------------------------------------------------------- */

static void cpu_init(unsigned id)
{
	struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) pointer = {sizeof(idt) - 1, (uint64_t)idt};

	cpus[id].self = (uint64_t)&cpus[id];
	cpus[id].id = id;
	cpus[id].x2apic = false;
	wrmsr(MSR_GS_BASE, (uint64_t)&cpus[id]);
	__asm__ volatile("lidt %0" : : "m"(pointer));
	apic_write(APIC_SVR, 0x1ff);
	apic_write(APIC_TPR, 0);
	if (apic_read(APIC_ID) >> 24 != id)
		bad("APIC id", id, apic_read(APIC_ID));
}

void smp_ap_main(unsigned id)
{
	struct cpu *c = &cpus[id];

	cpu_init(id);
	c->online = true;
	for (;;) {
		irq_off();
		if (!c->job) {
			__asm__ volatile("sti; hlt" : : : "memory");
			continue;
		}
		irq_on();
		c->job(c);
		__atomic_store_n(&c->job, NULL, __ATOMIC_RELEASE);
	}
}

/* Channel 2 counts 10 ms down, gated by port 61h (8254, and the PC's port B). */
static void clock_calibrate(void)
{
	uint16_t count = PIT_HZ / 100;
	uint64_t start;

	outb(0x61, (inb(0x61) & ~2) | 1);
	outb(0x43, 0xb0);
	outb(0x42, (uint8_t)count);
	outb(0x42, count >> 8);
	start = tsc_read();
	while (!(inb(0x61) & 0x20))
		;
	tsc_per_ms = (tsc_read() - start) / 10;
}

void smp_init(const char *cmd)
{
	cpu_count = (unsigned)option(cmd, "cpus", MAX_CPUS);
	for (unsigned i = 0; i < 256; i++) {
		uint64_t stub = (uint64_t)isr_stubs + 16 * i;

		idt[i] =
		    (struct idt_gate){(uint16_t)stub,	      0x10, 0x8e00, (uint16_t)(stub >> 16),
				      (uint32_t)(stub >> 32), 0};
	}
	cpu_init(0);
	cpus[0].online = true;
	clock_calibrate();
	outb(0x21, 0xff);
	outb(0xa1, 0xff);
}

/* ---- the others ------------------------------------------------------------------- */

void smp_start_others(void)
{
	uint64_t until = tsc_read() + PATIENCE_MS * tsc_per_ms;
	uint8_t *low = (uint8_t *)TRAMPOLINE;

	*(uint32_t *)ap_cr3_here = ap_cr3;
	for (uint64_t i = 0; i < (uint64_t)(ap_trampoline_end - ap_trampoline); i++)
		low[i] = ap_trampoline[i];
	ipi(0, ICR_OTHERS | ICR_INIT);
	ipi(0, ICR_OTHERS | ICR_STARTUP | TRAMPOLINE >> 12);
	ipi(0, ICR_OTHERS | ICR_STARTUP | TRAMPOLINE >> 12); /* the second is ignored */
	for (unsigned i = 1; i < cpu_count; i++) {
		while (!cpus[i].online && tsc_read() < until)
			pause();
		if (!cpus[i].online)
			bad("never started", i, 0);
	}
}

bool wait_count(const volatile uint32_t *count, uint32_t want)
{
	uint64_t until = tsc_read() + PATIENCE_MS * tsc_per_ms;

	while (*count < want) {
		if (tsc_read() > until)
			return false;
		pause();
	}
	return true;
}

void run_on(unsigned cpu, void (*fn)(struct cpu *c))
{
	__atomic_store_n(&cpus[cpu].job, fn, __ATOMIC_RELEASE);
	ipi(cpu, ICR_FIXED | V_WAKE);
}

bool wait_idle(unsigned cpu)
{
	uint64_t until = tsc_read() + PATIENCE_MS * tsc_per_ms;

	while (__atomic_load_n(&cpus[cpu].job, __ATOMIC_ACQUIRE)) {
		if (tsc_read() > until) {
			bad("does not end its job", cpu, 0);
			return false;
		}
		pause();
	}
	return true;
}

void run_everywhere(void (*fn)(struct cpu *c))
{
	for (unsigned i = 1; i < cpu_count; i++)
		__atomic_store_n(&cpus[i].job, fn, __ATOMIC_RELEASE);
	ipi(0, ICR_OTHERS | ICR_FIXED | V_WAKE);
	fn(this_cpu());
	for (unsigned i = 1; i < cpu_count; i++)
		wait_idle(i);
}

void smp_main(const uint8_t *zero_page)
{
	const char *cmd = (const char *)(uint64_t) * (const uint32_t *)(zero_page + ZERO_PAGE_CMD);

	outb(COM1 + 2, 0x07); /* FIFOs on and empty */
	smp_init(cmd);
	smp_run(cmd);
}
