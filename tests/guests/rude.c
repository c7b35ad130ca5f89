/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The bare guest without manners: what it does, for ever, is the first word of its
 * command line. Loops: spin (interrupts off), cpuid, port, mmio, msr, timer, fault (a
 * page fault that its handler never mends), flood (its console), disk, reset (again and
 * again). triple: a triple fault. Memory, all of it but this program's first 16 MiB:
 * fill (with a pattern), scan (for that pattern and for anything but zero).
 */
#include <stdint.h>

#include "tests/guests/rude.h"

#define COM1	      0x3f8
#define PORT_NOBODY   0x2f0
#define RESET_PORT    0xcf9
#define RESET_FULL    0x06
#define MMIO_NOBODY   0xd0000000ul
#define LAPIC_ID      0xfee00020ul
#define MSR_APIC_BASE 0x1b
#define NO_PAGE	      0xffff800000000000ul /* not in the tables that we are started with */
#define MEMORY_BEGIN  (16ul << 20)
#define PATTERN	      0x5ec2e75ec2e75ec2ul

#define ZERO_PAGE_CMD	0x228 /* boot_params.hdr.cmd_line_ptr */
#define ZERO_PAGE_E820S 0x1e8 /* boot_params.e820_entries */
#define ZERO_PAGE_E820	0x2d0
#define E820_RAM	1

extern uint8_t isr_stubs[];

void rude_main(const uint8_t *zero_page);
void rude_interrupt(uint64_t vector, uint64_t code, uint64_t rip);

struct idt_gate {
	uint16_t offset0, selector, flags, offset1;
	uint32_t offset2, zero;
};

struct table_pointer {
	uint16_t limit;
	uint64_t base;
} __attribute__((packed));

struct e820 {
	uint64_t base, size;
	uint32_t type;
} __attribute__((packed));

static struct idt_gate idt[48];

static inline void cpuid(uint32_t leaf)
{
	uint32_t a = leaf, b, c = 0, d;

	__asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
}

static inline void rdmsr(uint32_t msr)
{
	uint32_t a, d;

	__asm__ volatile("rdmsr" : "=a"(a), "=d"(d) : "c"(msr));
}

void print(const char *s)
{
	for (; *s; s++)
		outb(COM1, (uint8_t)*s);
}

void print_number(const char *before, uint64_t v)
{
	char tmp[24];
	unsigned n = sizeof(tmp) - 1;

	tmp[n] = '\0';
	do {
		tmp[--n] = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	print(before);
	print(tmp + n);
}

/* Exceptions return to the instruction that raised them. */
void rude_interrupt(uint64_t vector, uint64_t code, uint64_t rip)
{
	if (vector >= 32)
		outb(0x20, 0x20);
}

static void interrupts_init(void)
{
	struct table_pointer pointer = {sizeof(idt) - 1, (uint64_t)idt};
	static const uint8_t icw[][2] = {/* 8259A ICW1..4: vectors 20h, 28h; only the timer */
					 {0x20, 0x11}, {0xa0, 0x11}, {0x21, 0x20}, {0xa1, 0x28},
					 {0x21, 0x04}, {0xa1, 0x02}, {0x21, 0x01}, {0xa1, 0x01},
					 {0x21, 0xfe}, {0xa1, 0xff}};

	for (unsigned i = 0; i < 48; i++) {
		uint64_t stub = (uint64_t)isr_stubs + 16 * i;

		idt[i] =
		    (struct idt_gate){(uint16_t)stub,	      0x10, 0x8e00, (uint16_t)(stub >> 16),
				      (uint32_t)(stub >> 32), 0};
	}
	__asm__ volatile("lidt %0" : : "m"(pointer));
	for (unsigned i = 0; i < sizeof(icw) / sizeof(icw[0]); i++)
		outb(icw[i][0], icw[i][1]);
}

/* ---- modes --------------------------------------------------------------------- */

static void spin(void)
{
	__asm__ volatile("pause");
}

static void ask_cpuid(void)
{
	cpuid(0);
	cpuid(0xd);
}

static void use_ports(void)
{
	outb(0x80, 1);
	inb(PORT_NOBODY);
}

static void use_mmio(void)
{
	(void)*(const volatile uint32_t *)MMIO_NOBODY;
	(void)*(const volatile uint32_t *)LAPIC_ID;
}

static void read_msr(void)
{
	rdmsr(MSR_APIC_BASE);
}

/* The 8254's shortest period, set anew all the time, each tick taken. */
static void ask_timer(void)
{
	outb(0x43, 0x34);
	outb(0x40, 2);
	outb(0x40, 0);
	for (unsigned i = 0; i < 100; i++)
		__asm__ volatile("sti; nop; cli");
}

static void fault(void)
{
	*(volatile uint8_t *)NO_PAGE = 1;
}

static void flood(void)
{
	print("rude: 0123456789 abcdefghijklmnopqrstuvwxyz\n");
}

static void reset(void)
{
	outb(RESET_PORT, RESET_FULL);
}

static void triple(void)
{
	struct table_pointer none = {0, 0};

	__asm__ volatile("lidt %0; int3" : : "m"(none));
}

static uint64_t words, patterns, strange;

static void words_fill(uint64_t *p, uint64_t count)
{
	__asm__ volatile("rep stosq" : "+D"(p), "+c"(count) : "a"(PATTERN) : "memory");
}

static void words_scan(uint64_t *p, uint64_t count)
{
	for (uint64_t i = 0; i < count; i++) {
		if (!p[i])
			continue;
		strange++;
		patterns += p[i] == PATTERN;
	}
}

static void memory(const uint8_t *zero_page, void (*fn)(uint64_t *p, uint64_t count))
{
	const struct e820 *map = (const struct e820 *)(zero_page + ZERO_PAGE_E820);

	for (unsigned i = 0; i < zero_page[ZERO_PAGE_E820S]; i++) {
		uint64_t from = map[i].base, end = from + map[i].size;

		if (from < MEMORY_BEGIN)
			from = MEMORY_BEGIN;
		if (map[i].type != E820_RAM || from >= end)
			continue;
		words += (end - from) / 8;
		fn((uint64_t *)from, (end - from) / 8);
	}
	print_number("rude: memory words ", words);
	print_number(" patterns ", patterns);
	print_number(" not zero ", strange);
	print("\n");
	for (;;)
		__asm__ volatile("cli; hlt");
}

static const struct {
	const char *name;
	void (*fn)(void);
} modes[] = {
    {"spin", spin},	  {"cpuid", ask_cpuid}, {"port", use_ports}, {"mmio", use_mmio},
    {"msr", read_msr},	  {"timer", ask_timer}, {"fault", fault},    {"flood", flood},
    {"disk", disk_flood}, {"reset", reset},	{"triple", triple},
};

static int is(const char *cmd, const char *name)
{
	while (*name && *cmd == *name) {
		cmd++;
		name++;
	}
	return !*name && (!*cmd || *cmd == ' ');
}

void rude_main(const uint8_t *zero_page)
{
	const char *cmd = (const char *)(uint64_t) * (const uint32_t *)(zero_page + ZERO_PAGE_CMD);

	interrupts_init();
	print("guest: ready\n");
	if (is(cmd, "fill"))
		memory(zero_page, words_fill);
	if (is(cmd, "scan"))
		memory(zero_page, words_scan);
	for (unsigned i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		while (is(cmd, modes[i].name))
			modes[i].fn();
	print("rude: no such mode\n");
}
