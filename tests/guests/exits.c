/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The bare guest that times its own exits: RDTSC around one instruction, a thousand
 * times, and prints "bench: NAME min N median N mean N of COUNT" in ticks, the cost
 * of the two RDTSC taken off. What the figures mean and whether they are good is
 * for tests/bench. Command line:
 *   dirty   go on: write to pages for ever, and once a second tell of the writes
 *           that took as long as an exit does
 */
#include <stdbool.h>
#include <stdint.h>

#define COM1	      0x3f8
#define PORT_NOBODY   0x2f0	  /* no device of the guest answers there */
#define MMIO_NOBODY   0xd0000000u /* nor there */
#define LAPIC_VERSION 0xfee00030u
#define ZERO_PAGE_CMD 0x228 /* boot_params.hdr.cmd_line_ptr */

#define SAMPLES	     1000
#define PAGE	     4096u
#define SPIN_LOOPS   25000000ul
#define DIRTY_PAGES  256
#define DIRTY_PAUSE  5000000u /* ticks between two passes over the pages */
#define DIRTY_PASSES 8	      /* passes a report */
/* Far above a write that does not exit, below the leanest exit there can be. */
#define EXIT_TICKS 40

extern uint8_t __pages[];

void exits_main(const uint8_t *zero_page);
void exits_interrupt(uint64_t vector, uint64_t code, uint64_t rip);

static uint32_t samples[SAMPLES];
static uint32_t count, overhead;

/* ---- the machine ------------------------------------------------------------- */

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

static inline void cpuid(uint32_t leaf)
{
	uint32_t a = leaf, b, c = 0, d;

	__asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
}

static inline uint64_t tsc_read(void)
{
	uint32_t lo, hi;

	__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi) : : "memory");
	return (uint64_t)hi << 32 | lo;
}

/* ---- words ------------------------------------------------------------------- */

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

static void print_number(const char *before, uint64_t v)
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

void exits_interrupt(uint64_t vector, uint64_t code, uint64_t rip)
{
	print_number("bench: exception ", vector);
	print("\n");
	for (;;)
		__asm__ volatile("cli; hlt");
}

/* ---- samples ----------------------------------------------------------------- */

static void sample_add(uint64_t ticks)
{
	if (count < SAMPLES)
		samples[count++] = ticks > overhead ? (uint32_t)(ticks - overhead) : 0;
}

static void samples_sort(void)
{
	for (uint32_t i = 1; i < count; i++) {
		uint32_t v = samples[i], j = i;

		for (; j && samples[j - 1] > v; j--)
			samples[j] = samples[j - 1];
		samples[j] = v;
	}
}

static void report(const char *name)
{
	uint64_t sum = 0;

	samples_sort();
	for (uint32_t i = 0; i < count; i++)
		sum += samples[i];
	print("bench: ");
	print(name);
	print_number(" min ", count ? samples[0] : 0);
	print_number(" median ", count ? samples[count / 2] : 0);
	print_number(" mean ", count ? sum / count : 0);
	print_number(" of ", count);
	print("\n");
}

/* The clock itself first, so that `overhead` is known to all that follow. */
static void clock_measure(void)
{
	count = overhead = 0;
	while (count < SAMPLES) {
		uint64_t t = tsc_read();

		sample_add(tsc_read() - t);
	}
	report("clock");
	overhead = samples[0];
}

#define MEASURE(name, what)                                                                        \
	do {                                                                                       \
		for (count = 0; count < SAMPLES;) {                                                \
			uint64_t t = tsc_read();                                                   \
                                                                                                   \
			what;                                                                      \
			sample_add(tsc_read() - t);                                                \
		}                                                                                  \
		report(name);                                                                      \
	} while (0)

static void exits_measure(void)
{
	const volatile uint32_t *nobody = (const volatile uint32_t *)(uint64_t)MMIO_NOBODY;
	const volatile uint32_t *lapic = (const volatile uint32_t *)(uint64_t)LAPIC_VERSION;

	MEASURE("cpuid-0", cpuid(0));
	MEASURE("cpuid-1", cpuid(1));
	MEASURE("cpuid-7", cpuid(7));
	MEASURE("port-nobody", inb(PORT_NOBODY));
	MEASURE("port-uart", inb(COM1 + 5));
	MEASURE("mmio-nobody", (void)*nobody);
	MEASURE("mmio-lapic", (void)*lapic);
}

/* What the host takes of a guest that only computes: ticks over instructions. */
static void spin_measure(void)
{
	uint64_t left = SPIN_LOOPS, start = tsc_read();

	__asm__ volatile("1: dec %0; jnz 1b" : "+r"(left) : : "cc");
	print_number("bench: spin ticks ", tsc_read() - start);
	print_number(" instructions ", 2 * SPIN_LOOPS);
	print("\n");
}

/* ---- writes to logged pages ---------------------------------------------------- */

static void dirty_pass(uint64_t value)
{
	for (uint64_t n = 0; n < DIRTY_PAGES; n++) {
		volatile uint64_t *word = (volatile uint64_t *)(__pages + n * PAGE);
		uint64_t t = tsc_read(), took;

		*word = value;
		took = tsc_read() - t;
		if (took > EXIT_TICKS)
			sample_add(took);
	}
}

static void dirty_run(void)
{
	for (uint64_t n = 0; n < DIRTY_PAGES; n++)
		*(volatile uint64_t *)(__pages + n * PAGE) = n;
	count = 0;
	for (uint64_t pass = 1;; pass++) {
		uint64_t until = tsc_read() + DIRTY_PAUSE;

		dirty_pass(pass);
		while (tsc_read() < until)
			__asm__ volatile("pause");
		if (pass % DIRTY_PASSES == 0)
			report("dirty-write");
	}
}

static bool option(const char *cmd, const char *name)
{
	for (; *cmd; cmd++) {
		const char *n = name, *p = cmd;

		while (*n && *p == *n) {
			p++;
			n++;
		}
		if (!*n)
			return true;
	}
	return false;
}

void exits_main(const uint8_t *zero_page)
{
	const char *cmd = (const char *)(uint64_t) * (const uint32_t *)(zero_page + ZERO_PAGE_CMD);

	outb(COM1 + 2, 0x07); /* FIFOs on and empty */
	clock_measure();
	exits_measure();
	spin_measure();
	print("guest: ready\n");
	if (option(cmd, "dirty"))
		dirty_run();
	for (;;)
		__asm__ volatile("cli; hlt");
}
