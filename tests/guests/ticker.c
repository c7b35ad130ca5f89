/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The bare guest: a few hundred pages of memory that move in seconds. Rewrites
 * and checks pages from a timer interrupt's rhythm, echoes what is typed, and
 * prints the same "work: tick" lines as the Linux guest. Command line:
 *   pages=N (256)  rate=PAGES a second (100)  poll (no interrupts, no HLT)
 *   halt=SEC (stop for good after that many seconds)
 *   disk=1 (write and check blocks of the first disk)
 */
#include <stdbool.h>
#include <stdint.h>

#include "tests/guests/ticker_disk.h"

#define COM1	      0x3f8
#define PIT_HZ	      1193182u
#define TICK_HZ	      100u
#define PAGE	      4096u
#define WORDS	      (PAGE / 8)
#define ZERO_PAGE_CMD 0x228 /* boot_params.hdr.cmd_line_ptr */

extern uint8_t __pages[];
extern uint8_t isr_stubs[];

void ticker_main(const uint8_t *zero_page);
void ticker_interrupt(uint64_t vector, uint64_t code, uint64_t rip);

struct idt_gate {
	uint16_t offset0, selector, flags, offset1;
	uint32_t offset2, zero;
};

static struct idt_gate idt[48];
static volatile uint64_t timer_ticks;
static uint64_t tsc_per_ms, corrupt, mem_ok, disk_ok;

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

	__asm__ volatile("lfence\n\trdtsc" : "=a"(lo), "=d"(hi));
	return (uint64_t)hi << 32 | lo;
}

static void print(const char *s)
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

static void print_number(uint64_t v, unsigned base)
{
	char tmp[24];
	unsigned n = sizeof(tmp) - 1;

	tmp[n] = '\0';
	do {
		tmp[--n] = "0123456789abcdef"[v % base];
		v /= base;
	} while (v);
	print(tmp + n);
}

static void print_field(const char *before, uint64_t v)
{
	print(before);
	print_number(v, 10);
}

void ticker_interrupt(uint64_t vector, uint64_t code, uint64_t rip)
{
	if (vector < 32) {
		print_field("work: CORRUPT exception ", vector);
		print(" code ");
		print_number(code, 16);
		print(" rip ");
		print_number(rip, 16);
		print("\n");
		for (;;)
			__asm__ volatile("cli; hlt");
	}
	if (vector == 32)
		timer_ticks++;
	if (vector >= 40)
		outb(0xa0, 0x20);
	outb(0x20, 0x20);
}

/* Channel 2 counts 10 ms down, gated by port 61h (8254, and the PC's port B). */
static uint64_t tsc_calibrate(void)
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
	return (tsc_read() - start) / 10;
}

static void interrupts_init(void)
{
	struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) pointer = {sizeof(idt) - 1, (uint64_t)idt};
	uint16_t count = PIT_HZ / TICK_HZ;

	for (unsigned i = 0; i < 48; i++) {
		uint64_t stub = (uint64_t)isr_stubs + 16 * i;

		idt[i] =
		    (struct idt_gate){(uint16_t)stub,	      0x10, 0x8e00, (uint16_t)(stub >> 16),
				      (uint32_t)(stub >> 32), 0};
	}
	__asm__ volatile("lidt %0" : : "m"(pointer));
	/* 8259A: ICW1..4, vectors 20h and 28h, everything masked but the timer */
	outb(0x20, 0x11);
	outb(0xa0, 0x11);
	outb(0x21, 0x20);
	outb(0xa1, 0x28);
	outb(0x21, 0x04);
	outb(0xa1, 0x02);
	outb(0x21, 0x01);
	outb(0xa1, 0x01);
	outb(0x21, 0xfe);
	outb(0xa1, 0xff);
	outb(0x43, 0x34); /* channel 0, mode 2 */
	outb(0x40, (uint8_t)count);
	outb(0x40, count >> 8);
}

/* The number after NAME= in the command line; otherwise when it is not there. */
static uint64_t option(const char *cmd, const char *name, uint64_t otherwise)
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

static uint64_t word(uint64_t page, uint64_t gen, uint64_t i)
{
	return ((page << 32 | (gen & 0xffffffff)) + i) * 0x9e3779b97f4a7c15ull;
}

static void page_write(uint64_t *pages, uint64_t n, uint64_t gen)
{
	for (uint64_t i = 0; i < WORDS; i++)
		pages[n * WORDS + i] = word(n, gen, i);
}

static void page_check(const volatile uint64_t *pages, uint64_t n, uint64_t gen)
{
	for (uint64_t i = 0; i < WORDS; i++) {
		if (pages[n * WORDS + i] == word(n, gen, i))
			continue;
		corrupt++;
		print_field("work: CORRUPT memory page ", n);
		print_field(" word ", i);
		print_field(" generation ", gen);
		print(" found ");
		print_number(pages[n * WORDS + i], 16);
		print("\n");
		return;
	}
	mem_ok++;
}

static void tick_print(uint64_t tick, uint64_t t, uint64_t gap)
{
	print_field("work: tick ", tick);
	print_field(" mem ok ", mem_ok);
	print_field(" pages disk ok ", disk_ok);
	print_field(" blocks t=", t);
	print_field(" ms gap=", gap);
	print_field(" ms corrupt ", corrupt);
	print("\n");
}

static void input_echo(void)
{
	while (inb(COM1 + 5) & 1) {
		char text[2] = {(char)inb(COM1), 0};

		print("echo ");
		print(text);
		print("\n");
	}
}

/* Until the next timer tick, or a hundredth of a second by the TSC. */
static void tick_wait(bool poll)
{
	uint64_t before = timer_ticks, until = tsc_read() + 10 * tsc_per_ms;

	if (poll) {
		while (tsc_read() < until)
			__asm__ volatile("pause");
		return;
	}
	while (timer_ticks == before)
		__asm__ volatile("sti; hlt; cli");
}

static uint64_t now_check(uint64_t *last, uint64_t *gap)
{
	uint64_t now = tsc_read();

	if (now < *last) {
		corrupt++;
		print("work: CORRUPT clock went back\n");
	} else if (now - *last > *gap) {
		*gap = now - *last;
	}
	*last = now;
	return now;
}

static void run(const char *cmd)
{
	uint64_t *pages = (uint64_t *)__pages;
	uint64_t count = option(cmd, "pages", 256), rate = option(cmd, "rate", 100);
	uint64_t halt_after = option(cmd, "halt", 0), written = count, verify = 0, tick = 0;
	uint64_t start = tsc_read(), last = start, gap = 0;
	bool poll = option(cmd, "poll", 0), disk = option(cmd, "disk", 0);

	if (disk && !disk_start(__pages + count * PAGE)) {
		print("work: CORRUPT no disk\n");
		disk = false;
	}

	while (!halt_after || tick < halt_after) {
		uint64_t ms = (now_check(&last, &gap) - start) / tsc_per_ms;
		uint64_t due = count + ms * rate / 1000;

		for (uint64_t n = 0; written < due && n < count; n++, written++)
			page_write(pages, written % count, written / count + 1);
		for (uint64_t n = count / TICK_HZ + 1; n; n--) {
			page_check(pages, verify,
				   written / count + (verify < written % count ? 1 : 0));
			verify = (verify + 1) % count;
		}
		if (ms / 1000 > tick) {
			tick = ms / 1000;
			tick_print(tick, ms, gap / tsc_per_ms);
			gap = 0;
		}
		if (disk)
			disk_step(&disk_ok, &corrupt);
		input_echo();
		tick_wait(poll);
	}
	print("guest: halted\n");
}

void ticker_main(const uint8_t *zero_page)
{
	const char *cmd = (const char *)(uint64_t) * (const uint32_t *)(zero_page + ZERO_PAGE_CMD);
	uint64_t count = option(cmd, "pages", 256);

	outb(COM1 + 2, 0x07); /* FIFOs on and empty */
	interrupts_init();
	tsc_per_ms = tsc_calibrate();
	for (uint64_t n = 0; n < count; n++)
		page_write((uint64_t *)__pages, n, 1);
	print_field("guest: ready, TSC kHz ", tsc_per_ms);
	print("\n");
	run(cmd);
}
