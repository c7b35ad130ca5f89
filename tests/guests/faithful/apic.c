/* SPDX-License-Identifier: BSD-2-Clause */
/* The local APIC in both modes, and the I/O APIC: registers, rules, interrupts. */
#include "tests/guests/faithful/faithful.h"

#define LAPIC	0xfee00000ul
#define IOAPIC	0xfec00000ul
#define ID	0x20
#define VERSION 0x30
#define TPR	0x80
#define PPR	0xa0
#define EOI	0xb0
#define LDR	0xd0
#define SVR	0xf0
#define ISR	0x100
#define TMR	0x180
#define IRR	0x200
#define ESR	0x280
#define ICR	0x300
#define TIMER	0x320
#define LINT0	0x350
#define ERROR	0x370
#define TMICT	0x380
#define TMCCT	0x390
#define TDCR	0x3e0
#define MASKED	0x10000u
#define SELF	0x40000u

static volatile unsigned taken[256];

static uint32_t rd(unsigned reg)
{
	return *(volatile uint32_t *)(LAPIC + reg);
}

static void wr(unsigned reg, uint32_t v)
{
	*(volatile uint32_t *)(LAPIC + reg) = v;
}

static void take(struct frame *f)
{
	taken[f->vector]++;
	if (rdmsr(0x1b) & BIT(10))
		(void)try_wrmsr(0x80b, 0);
	else
		wr(EOI, 0);
}

/* Interrupts on for a few instructions. */
static void window(void)
{
	__asm__ volatile("sti; nop; nop; cli" : : : "memory");
}

static bool wait_for(unsigned vector, unsigned count)
{
	uint64_t end = rdtsc() + 50000000;

	while (taken[vector] < count && rdtsc() < end)
		window();
	return taken[vector] == count;
}

static void test_registers(void)
{
	check_equal("lapic: id", rd(ID), 0);
	check_equal("lapic: version", rd(VERSION), 0x50014);
	wr(VERSION, 0);
	check_equal("lapic: version is read-only", rd(VERSION), 0x50014);
	wr(SVR, 0xff);
	wr(LINT0, 0x700);
	check_equal("lapic: an entry stays masked while the APIC is off", rd(LINT0), 0x10700);
	wr(SVR, 0x1ff);
	wr(LINT0, 0x700);
	check_equal("lapic: and not when it is on", rd(LINT0), 0x700);
	wr(LINT0, MASKED);
	wr(LDR, 0xffffffff);
	check_equal("lapic: LDR", rd(LDR), 0xff000000);
	wr(TDCR, 0xffffffff);
	check_equal("lapic: TDCR", rd(TDCR), 0xb);
	wr(TIMER, 0xffffffff & ~0x40000u);
	check_equal("lapic: timer entry", rd(TIMER), 0x300ff);
	wr(TPR, 0x1ff);
	check_equal("lapic: TPR", rd(TPR), 0xff);
	wr(TPR, 0);
}

static void test_delivery(void)
{
	wr(ESR, 0);
	wr(ICR, SELF | 0x30);
	wr(ICR, SELF | 0x51);
	check_equal("lapic: IRR", rd(IRR + 0x10) & BIT(16), BIT(16));
	check_equal("lapic: IRR", rd(IRR + 0x20) & BIT(17), BIT(17));
	wr(TPR, 0x50);
	window();
	check_equal("lapic: TPR holds back", taken[0x51], 0);
	wr(TPR, 0x40);
	window();
	check_equal("lapic: the higher one", taken[0x51], 1);
	check_equal("lapic: the lower waits", taken[0x30], 0);
	wr(TPR, 0);
	window();
	check_equal("lapic: the lower one", taken[0x30], 1);
	check_equal("lapic: all done", rd(IRR + 0x10) | rd(ISR + 0x10) | rd(PPR), 0);
	wr(ICR, SELF | 5);
	wr(ESR, 0);
	check_equal("lapic: ESR, illegal vector", rd(ESR) & 0x20, 0x20);
	wr(ESR, 0);
	check_equal("lapic: ESR is cleared", rd(ESR), 0);
}

static void test_timer(void)
{
	uint32_t left;

	wr(TDCR, 0xb);
	wr(TIMER, 0x61);
	wr(TMICT, 100000);
	check("lapic: timer, one-shot", wait_for(0x61, 1));
	check_equal("lapic: timer stands at 0", rd(TMCCT), 0);
	check_equal("lapic: TMICT stays", rd(TMICT), 100000);
	wr(TIMER, 0x20061);
	check_equal("lapic: periodic now, and still 0", rd(TMCCT), 0);
	wr(TMICT, 100000);
	check("lapic: timer, periodic", wait_for(0x61, 4));
	wr(TMICT, 0);
	check_equal("lapic: TMICT 0 stops it", rd(TMCCT), 0);
	wr(TIMER, MASKED | 0x61);
	wr(TMICT, 0x7fffffff);
	left = rd(TMCCT);
	check("lapic: it counts while masked", left && left < 0x7fffffff);
	if (!(cpuid(1, 0).c & BIT(24)))
		return;
	taken[0x61] = 0;
	(void)try_wrmsr(0x6e0, rdtsc() + 1000);
	check_equal("lapic: TSC deadline in another mode", rdmsr(0x6e0), 0);
	wr(TIMER, 0x40061);
	check_equal("lapic: changing to TSC deadline disarms", rd(TMCCT), 0);
	(void)try_wrmsr(0x6e0, 1);
	check("lapic: TSC deadline in the past", wait_for(0x61, 1));
	check_equal("lapic: and is disarmed", rdmsr(0x6e0), 0);
	(void)try_wrmsr(0x6e0, rdtsc() + 100000);
	check("lapic: TSC deadline in the future", wait_for(0x61, 2));
	wr(TIMER, MASKED);
}

static void test_off(void)
{
	uint64_t base = rdmsr(0x1b);

	check_equal("lapic: it is at CPUID", cpuid(1, 0).d & BIT(9), BIT(9));
	check_equal("lapic: off", try_wrmsr(0x1b, base & ~BIT(11)), NONE);
	check_equal("lapic: off, CPUID", cpuid(1, 0).d & BIT(9), 0);
	check_equal("lapic: off, an empty bus", rd(VERSION), 0xffffffff);
	wr(TPR, 0x30);
	check_equal("lapic: off, still", rd(TPR), 0xffffffff);
	check_equal("lapic: on", try_wrmsr(0x1b, base), NONE);
	check_equal("lapic: as after a reset", rd(SVR), 0xff);
	check_equal("lapic: at another address", try_wrmsr(0x1b, 0xd2000900), NONE);
	check_equal("lapic: there", *(volatile uint32_t *)0xd2000030ul, 0x50014);
	check_equal("lapic: not here", rd(VERSION), 0xffffffff);
	(void)try_wrmsr(0x1b, base);
	wr(SVR, 0x1ff);
}

static void test_x2apic(void)
{
	static const uint32_t absent[] = {0x800, 0x801, 0x804, 0x807, 0x809, 0x80c,
					  0x80e, 0x831, 0x83a, 0x83b, 0x840, 0x8ff};
	uint64_t base = rdmsr(0x1b), v;

	if (!(cpuid(1, 0).c & BIT(21)))
		return;
	check_equal("x2apic: MSRs before", try_rdmsr(0x802, &v), GP);
	check_equal("x2apic: on", try_wrmsr(0x1b, base | BIT(10)), NONE);
	check_equal("x2apic: id", rdmsr(0x802), 0);
	check_equal("x2apic: LDR", rdmsr(0x80d), 1);
	check_equal("x2apic: LDR is read-only", try_wrmsr(0x80d, 1), GP);
	check_equal("x2apic: version is read-only", try_wrmsr(0x803, 0), GP);
	check_equal("x2apic: EOI is write-only", try_rdmsr(0x80b, &v), GP);
	check_equal("x2apic: EOI takes 0", try_wrmsr(0x80b, 1), GP);
	check_equal("x2apic: ESR takes 0", try_wrmsr(0x828, 1), GP);
	check_equal("x2apic: self-IPI is write-only", try_rdmsr(0x83f, &v), GP);
	check_equal("x2apic: self-IPI, reserved", try_wrmsr(0x83f, 0x100), GP);
	check_equal("x2apic: TPR, reserved", try_wrmsr(0x808, 0x100), GP);
	check_equal("x2apic: SVR, reserved", try_wrmsr(0x80f, 0x1ff | BIT(20)), GP);
	check_equal("x2apic: ICR, reserved", try_wrmsr(0x830, SELF | BIT(13) | 0x42), GP);
	check_equal("x2apic: LVT, reserved", try_wrmsr(0x835, 0x20000), GP);
	check_equal("x2apic: TDCR, reserved", try_wrmsr(0x83e, 4), GP);
	for (unsigned i = 0; i < sizeof(absent) / sizeof(absent[0]); i++)
		check_equal("x2apic: no such register", try_rdmsr(absent[i], &v), GP);
	check_equal("x2apic: no MMIO", rd(VERSION), 0xffffffff);
	check_equal("x2apic: self-IPI", try_wrmsr(0x83f, 0x42), NONE);
	window();
	check_equal("x2apic: self-IPI came", taken[0x42], 1);
	check_equal("x2apic: ICR to itself by id", try_wrmsr(0x830, 0x43), NONE);
	window();
	check_equal("x2apic: it came", taken[0x43], 1);
	check_equal("x2apic: not back to xAPIC", try_wrmsr(0x1b, base), GP);
	check_equal("x2apic: off", try_wrmsr(0x1b, base & ~(BIT(10) | BIT(11))), NONE);
	check_equal("x2apic: not from off", try_wrmsr(0x1b, base | BIT(10)), GP);
	check_equal("x2apic: then xAPIC", try_wrmsr(0x1b, base), NONE);
	wr(SVR, 0x1ff);
}

void test_lapic(void)
{
	on_trap = take;
	test_registers();
	test_delivery();
	test_timer();
	test_off();
	test_x2apic();
	on_trap = 0;
}

/* ---- I/O APIC ---- */

static uint32_t io_rd(unsigned reg)
{
	*(volatile uint32_t *)IOAPIC = reg;
	return *(volatile uint32_t *)(IOAPIC + 0x10);
}

static void io_wr(unsigned reg, uint32_t v)
{
	*(volatile uint32_t *)IOAPIC = reg;
	*(volatile uint32_t *)(IOAPIC + 0x10) = v;
}

/* PIT channel 0 on pin 2: mode 0, its output rises after `count`. */
static void pit_start(uint16_t count)
{
	outb(0x43, 0x30);
	outb(0x40, (uint8_t)count);
	outb(0x40, (uint8_t)(count >> 8));
}

void test_ioapic(void)
{
	uint64_t end;

	on_trap = take;
	outb(0x21, 0xff); /* not by the 8259s */
	check_equal("ioapic: version", io_rd(1), 0x170020);
	io_wr(1, 0);
	check_equal("ioapic: version is read-only", io_rd(1), 0x170020);
	io_wr(0, 0xffffffff);
	check_equal("ioapic: id", io_rd(0), 0x0f000000);
	io_wr(0, 0);
	io_wr(0x14, 0xffffffff);
	check_equal("ioapic: entry", io_rd(0x14), 0x1afff);
	io_wr(0x14, MASKED | 0x70);
	pit_start(100);
	end = rdtsc() + 1000000;
	while (rdtsc() < end)
		window();
	io_wr(0x14, 0x70);
	end = rdtsc() + 1000000;
	while (rdtsc() < end)
		window();
	check_equal("ioapic: an edge at a masked pin is lost", taken[0x70], 0);
	pit_start(100);
	check("ioapic: an edge", wait_for(0x70, 1));
	check_equal("ioapic: TMR says edge", rd(TMR + 0x30) & BIT(16), 0);
	io_wr(0x14, MASKED);
	on_trap = 0;
}
