/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The bare guest that ends when told to: prints a line a second, and a key typed
 * on its console picks the end. p: ACPI power-off · r: reset by port CF9h ·
 * k: what a kernel in trouble prints, and on it goes · t: triple fault · u: an exception whose
 * stack is where no memory is · m: an instruction on MMIO that no decoder carries out. The power
 * button is only told of.
 */
#include <stdint.h>

#define COM1	   0x3f8
#define PM1_STS	   0x600 /* the ports that the guest's FADT names */
#define PM1_CNT	   0x604
#define PM1_PWRBTN 0x100
#define SLEEP_S5   (5 << 10 | 1 << 13) /* SLP_TYP of \_S5, SLP_EN */
#define RESET_PORT 0xcf9
#define RESET_FULL 0x06
#define PIT_HZ	   1193182u
#define TICK_HZ	   20u
#define NOWHERE	   0x30000000ul /* above the RAM, below the devices */
#define NO_DEVICE  0xd0000000ul

extern uint8_t isr_stubs[];

void ender_main(const uint8_t *zero_page);
void ender_interrupt(uint64_t vector, uint64_t code, uint64_t rip);

struct idt_gate {
	uint16_t offset0, selector, flags, offset1;
	uint32_t offset2, zero;
};

struct table_pointer {
	uint16_t limit;
	uint64_t base;
} __attribute__((packed));

static struct idt_gate idt[48];
static volatile uint64_t ticks;

static inline void outb(uint16_t port, uint8_t v)
{
	__asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(port));
}

static inline void outw(uint16_t port, uint16_t v)
{
	__asm__ volatile("outw %0, %1" : : "a"(v), "Nd"(port));
}

static inline uint8_t inb(uint16_t port)
{
	uint8_t v;

	__asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

static inline uint16_t inw(uint16_t port)
{
	uint16_t v;

	__asm__ volatile("inw %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

static void print(const char *s)
{
	for (; *s; s++) {
		while (!(inb(COM1 + 5) & 0x20))
			;
		outb(COM1, (uint8_t)*s);
	}
}

static void print_number(uint64_t v)
{
	char tmp[24];
	unsigned n = sizeof(tmp) - 1;

	tmp[n] = '\0';
	do {
		tmp[--n] = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	print(tmp + n);
}

void ender_interrupt(uint64_t vector, uint64_t code, uint64_t rip)
{
	if (vector < 32) {
		print("ender: exception ");
		print_number(vector);
		print("\n");
		for (;;)
			__asm__ volatile("cli; hlt");
	}
	if (vector == 32)
		ticks++;
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
	outb(0x43, 0x34); /* channel 0, mode 2 */
	outb(0x40, (uint8_t)(PIT_HZ / TICK_HZ));
	outb(0x40, (uint8_t)(PIT_HZ / TICK_HZ >> 8));
}

static void end(char how)
{
	struct table_pointer none = {0, 0};

	switch (how) {
	case 'p':
		print("ender: off\n");
		outw(PM1_CNT, SLEEP_S5);
		break;
	case 'r':
		print("ender: reset\n");
		outb(RESET_PORT, RESET_FULL);
		break;
	case 'k':
		print("Kernel panic - not syncing: asked for\n");
		break;
	case 't':
		__asm__ volatile("lidt %0; int3" : : "m"(none));
		break;
	case 'u':
		__asm__ volatile("mov %0, %%rsp; ud2" : : "r"(NOWHERE));
		break;
	case 'm':
		__asm__ volatile("lgdt (%0)" : : "r"(NO_DEVICE));
		break;
	default:
		print("ender: p r k t u m\n");
		return;
	}
	print("ender: still here\n");
}

void ender_main(const uint8_t *zero_page)
{
	uint64_t second = 0;

	outb(COM1 + 2, 0x07); /* FIFOs on and empty */
	interrupts_init();
	print("guest: ready\n");
	for (;;) {
		if (ticks / TICK_HZ > second) {
			second = ticks / TICK_HZ;
			print("ender: second ");
			print_number(second);
			print("\n");
		}
		if (inb(COM1 + 5) & 1)
			end((char)inb(COM1));
		if (inw(PM1_STS) & PM1_PWRBTN) {
			print("ender: power button\n");
			outw(PM1_STS, PM1_PWRBTN); /* write one to clear */
		}
		__asm__ volatile("sti; hlt; cli");
	}
}
