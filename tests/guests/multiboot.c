/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A 32-bit kernel that tells on COM1 what a Multiboot loader gave it, tries the test
 * device, and ends through port F4h with the status that its command line names
 * (exit=N). With "wait" it first waits for a key: r resets, any other looks
 * whether the test device kept what was written before.
 */
#include <stdint.h>

#define COM1	   0x3f8
#define RESET_PORT 0xcf9
#define LAPIC	   0xfee00000u
#define IOAPIC	   0xfec00000u
#define TEST_RAM   0xff000000u
#define EDGE_PIN   14
#define LEVEL_PIN  5

struct info {
	uint32_t flags, mem_lower, mem_upper, boot_device, cmdline, mods_count, mods_addr, syms[4],
	    mmap_length, mmap_addr, drives[2], config, loader_name;
};

struct module {
	uint32_t start, end, string, reserved;
};

struct mmap {
	uint32_t size, base, base_high, length, length_high, type;
};

struct gate {
	uint16_t offset0, selector, flags, offset1;
};

void kernel_main(uint32_t magic, const struct info *info, uint32_t eflags);
void edge_interrupt(void);
void level_interrupt(void);
extern uint8_t edge_stub[], level_stub[];

static struct gate idt[64];
static volatile unsigned edges, levels;

static inline void outb(uint16_t port, uint8_t v)
{
	__asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(port));
}

static inline void outw(uint16_t port, uint16_t v)
{
	__asm__ volatile("outw %0, %1" : : "a"(v), "Nd"(port));
}

static inline void outl(uint16_t port, uint32_t v)
{
	__asm__ volatile("outl %0, %1" : : "a"(v), "Nd"(port));
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

static inline uint32_t inl(uint16_t port)
{
	uint32_t v;

	__asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

static volatile uint32_t *mmio(uint32_t base, uint32_t offset)
{
	return (volatile uint32_t *)(base + offset);
}

/* ---- words ---- */

static void print(const char *s)
{
	for (; *s; s++) {
		while (!(inb(COM1 + 5) & 0x20))
			;
		outb(COM1, (uint8_t)*s);
	}
}

static void print_hex(uint32_t v)
{
	char text[9] = "00000000";

	for (int i = 7; i >= 0; i--, v >>= 4)
		text[i] = "0123456789abcdef"[v & 15];
	print(text);
}

static void tell(const char *what, uint32_t v)
{
	print("mb: ");
	print(what);
	print(" ");
	print_hex(v);
	print("\n");
}

static void verdict(const char *what, int good)
{
	print(good ? "mb: ok " : "mb: FAIL ");
	print(what);
	print("\n");
}

/* What follows `word` in the command line, or 0. */
static const char *find(const char *line, const char *word)
{
	for (; *line; line++) {
		unsigned n = 0;

		while (word[n] && line[n] == word[n])
			n++;
		if (!word[n])
			return line + n;
	}
	return 0;
}

static uint32_t number(const char *s)
{
	uint32_t v = 0;

	for (; s && *s >= '0' && *s <= '9'; s++)
		v = v * 10 + (uint32_t)(*s - '0');
	return v;
}

/* ---- what the loader gave ---- */

static void tell_memory(const struct info *info)
{
	uint32_t at = info->mmap_addr;

	tell("mem_lower", info->mem_lower);
	tell("mem_upper", info->mem_upper);
	while (at < info->mmap_addr + info->mmap_length) {
		const struct mmap *m = (const struct mmap *)at;

		print("mb: mmap ");
		print_hex(m->base);
		print(" ");
		print_hex(m->length);
		print(" ");
		print_hex(m->type);
		print("\n");
		at += m->size + 4;
	}
}

static void tell_modules(const struct info *info)
{
	const struct module *m = (const struct module *)info->mods_addr;

	for (uint32_t i = 0; i < info->mods_count; i++) {
		uint32_t sum = 0;

		for (uint32_t at = m[i].start; at < m[i].end; at++)
			sum = (sum << 1 | sum >> 31) + *(const uint8_t *)at;
		verdict("module aligned", !(m[i].start & 0xfff));
		print("mb: module '");
		print((const char *)m[i].string);
		print("' ");
		print_hex(m[i].end - m[i].start);
		print(" ");
		print_hex(sum);
		print("\n");
	}
}

/* ---- the test device ---- */

static void test_ports(void)
{
	outl(0xe0, 0x12345678);
	outb(0xe1, 0xab);
	outw(0xe2, 0xcdef);
	verdict("ports", inl(0xe0) == 0xcdefab78 && inb(0xe3) == 0xcd && inw(0xe0) == 0xab78);
}

static void test_ram(void)
{
	volatile uint8_t *bytes = (volatile uint8_t *)TEST_RAM;

	*mmio(TEST_RAM, 0) = 0x11223344;
	bytes[1] = 0xee;
	*mmio(TEST_RAM, 0xfffc) = 0xc0ffee;
	verdict("ram", *mmio(TEST_RAM, 0) == 0x1122ee44 && bytes[0xfffc] == 0xee);
}

static int kept(void)
{
	return inl(0xe0) == 0xcdefab78 && *mmio(TEST_RAM, 0) == 0x1122ee44 &&
	       *mmio(TEST_RAM, 0xfffc) == 0xc0ffee && inb(0x2000 + LEVEL_PIN) == 0;
}

void edge_interrupt(void)
{
	edges++;
	*mmio(LAPIC, 0xb0) = 0;
}

void level_interrupt(void)
{
	if (++levels == 3) /* raised again until it is let go */
		outb(0x2000 + LEVEL_PIN, 0);
	*mmio(LAPIC, 0xb0) = 0;
}

static void ioapic_pin(unsigned pin, uint32_t low)
{
	*mmio(IOAPIC, 0) = 0x11 + 2 * pin;
	*mmio(IOAPIC, 0x10) = 0;
	*mmio(IOAPIC, 0) = 0x10 + 2 * pin;
	*mmio(IOAPIC, 0x10) = low;
}

static void set_gate(unsigned vector, const uint8_t *stub)
{
	uint32_t to = (uint32_t)stub;

	idt[vector] = (struct gate){(uint16_t)to, 0x18, 0x8e00, (uint16_t)(to >> 16)};
}

static void wait_until(const volatile unsigned *count, unsigned want)
{
	for (unsigned i = 0; i < 1000 && *count < want; i++)
		inb(0x80);
}

static void test_lines(void)
{
	struct {
		uint16_t limit;
		uint32_t base;
	} __attribute__((packed)) pointer = {sizeof(idt) - 1, (uint32_t)idt};

	outb(0x21, 0xff); /* the 8259s stay silent */
	outb(0xa1, 0xff);
	set_gate(0x30, edge_stub);
	set_gate(0x31, level_stub);
	__asm__ volatile("lidt %0" : : "m"(pointer));
	*mmio(LAPIC, 0xf0) = 0x1ff; /* enabled */
	ioapic_pin(EDGE_PIN, 0x30);
	ioapic_pin(LEVEL_PIN, 0x8031);
	__asm__ volatile("sti");
	for (unsigned want = 1; want <= 2; want++) {
		outb(0x2000 + EDGE_PIN, 1);
		outb(0x2000 + EDGE_PIN, 0);
		wait_until(&edges, want);
	}
	outb(0x2000 + LEVEL_PIN, 1);
	wait_until(&levels, 3);
	__asm__ volatile("cli");
	tell("edges", edges);
	tell("levels", levels);
	verdict("lines", edges == 2 && levels == 3);
}

/* ---- */

static void wait_for_key(void)
{
	print("mb: waiting\n");
	while (!(inb(COM1 + 5) & 1))
		;
	if (inb(COM1) == 'r')
		outb(RESET_PORT, 6);
	verdict("kept", kept());
}

void kernel_main(uint32_t magic, const struct info *info, uint32_t eflags)
{
	const char *cmdline = (const char *)info->cmdline;
	uint32_t cr0;

	outb(COM1 + 2, 0x07);
	__asm__ volatile("mov %%cr0, %0" : "=r"(cr0));
	print("mb: hello\n");
	verdict("magic", magic == 0x2badb002);
	verdict("state", (cr0 & 0x80000001) == 1 && !(eflags & 0x20200));
	verdict("flags", (info->flags & 0x24d) == 0x24d);
	print("mb: loader ");
	print((const char *)info->loader_name);
	print("\nmb: cmdline '");
	print(cmdline);
	print("'\n");
	tell_memory(info);
	tell_modules(info);
	test_ports();
	test_ram();
	test_lines();
	if (find(cmdline, " wait"))
		wait_for_key();
	print("mb: end\n");
	outl(0xf4, number(find(cmdline, "exit=")));
	print("mb: FAIL still here\n");
}
