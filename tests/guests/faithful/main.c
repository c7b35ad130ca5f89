/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The examination's frame: exceptions that are caught, lines that say PASS or FAIL,
 * subjects one after the other; at last the 32-bit part, which does not come back.
 */
#include "tests/guests/faithful/faithful.h"

#define COM1   0x3f8
#define BLOB32 0x400000u

extern uint8_t isr_stubs[], stack_top[], blob32[], blob32_end[];
extern uint64_t gdt[];
void enter_protected(uint32_t entry);
void faithful_main(void);
void faithful_trap(struct frame *f);

volatile struct caught caught;
volatile uint64_t resume;
void (*volatile on_trap)(struct frame *f);

static struct {
	uint16_t offset0, selector, flags, offset1;
	uint32_t offset2, zero;
} idt[256];
static uint32_t tss[26];
static uint64_t window[3][512] __attribute__((aligned(4096)));
static unsigned failed, checks;

/* ---- words ---- */

void print(const char *s)
{
	for (; *s; s++) {
		while (!(inb(COM1 + 5) & 0x20))
			;
		outb(COM1, (uint8_t)*s);
	}
}

void print_hex(uint64_t v)
{
	char tmp[20];
	unsigned n = sizeof(tmp) - 1;

	tmp[n] = '\0';
	do {
		tmp[--n] = "0123456789abcdef"[v % 16];
		v /= 16;
	} while (v);
	print(tmp + n);
}

void check_equal(const char *what, uint64_t is, uint64_t should)
{
	checks++;
	print(is == should ? "PASS " : "FAIL ");
	print(what);
	if (is != should) {
		failed++;
		print(": is ");
		print_hex(is);
		print(", should be ");
		print_hex(should);
	}
	print("\n");
}

void check(const char *what, bool good)
{
	check_equal(what, good, true);
}

/* ---- exceptions ---- */

void faithful_trap(struct frame *f)
{
	uint64_t cr2, dr6;

	__asm__ volatile("mov %%cr2, %0" : "=r"(cr2));
	__asm__ volatile("mov %%dr6, %0" : "=r"(dr6));
	caught.vector = (int)f->vector;
	caught.error = f->error;
	caught.rip = f->rip;
	caught.rflags = f->rflags;
	caught.cr2 = cr2;
	caught.dr6 = dr6;
	caught.rcx = f->rcx;
	caught.rsi = f->rsi;
	caught.rdi = f->rdi;
	caught.count++;
	if (f->vector < 32 && resume) {
		f->rip = resume;
		f->rflags &= ~0x100ul;
		f->cs = 0x10;
		f->ss = 0x18;
		resume = 0;
		return;
	}
	if (on_trap && (f->vector >= 32 || f->vector == DB)) {
		on_trap(f);
		return;
	}
	print("FAIL exception ");
	print_hex(f->vector);
	print(" error ");
	print_hex(f->error);
	print(" at ");
	print_hex(f->rip);
	print(" cr2 ");
	print_hex(cr2);
	print("\nfaithful: ended early\n");
	for (;;)
		__asm__ volatile("cli; hlt");
}

static void traps_init(void)
{
	struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) idtr = {sizeof(idt) - 1, (uint64_t)idt};
	uint64_t base = (uint64_t)tss;

	for (unsigned i = 0; i < 256; i++) {
		uint64_t at = (uint64_t)isr_stubs + 16 * i;

		idt[i].offset0 = (uint16_t)at;
		idt[i].selector = 0x10;
		idt[i].flags = 0x8e00;
		idt[i].offset1 = (uint16_t)(at >> 16);
		idt[i].offset2 = (uint32_t)(at >> 32);
	}
	__asm__ volatile("lidt %0" : : "m"(idtr));
	*(uint64_t *)(tss + 1) = (uint64_t)stack_top - 8192; /* RSP0 */
	tss[25] = sizeof(tss) << 16;			     /* no I/O bitmap */
	gdt[7] = 0x0000890000000000 | (base & 0xffffff) << 16 | (base >> 24 & 0xff) << 56 | 103;
	gdt[8] = base >> 32;
	__asm__ volatile("ltr %w0" : : "r"(0x38));
}

int try_rdmsr(uint32_t msr, uint64_t *value)
{
	uint32_t lo = 0, hi = 0;
	int vector = TRY("rdmsr", : "=a"(lo), "=d"(hi) : "c"(msr) : "memory");

	*value = (uint64_t)hi << 32 | lo;
	return vector;
}

uint64_t rdmsr(uint32_t msr)
{
	uint64_t v = 0;

	(void)try_rdmsr(msr, &v);
	return v;
}

int try_wrmsr(uint32_t msr, uint64_t value)
{
	return TRY("wrmsr",
		   :
		   : "a"((uint32_t)value), "d"((uint32_t)(value >> 32)), "c"(msr)
		   : "memory");
}

int try_cr0(uint64_t v)
{
	return TRY("mov %0, %%cr0", : : "r"(v) : "memory");
}

int try_cr3(uint64_t v)
{
	return TRY("mov %0, %%cr3", : : "r"(v) : "memory");
}

int try_cr4(uint64_t v)
{
	return TRY("mov %0, %%cr4", : : "r"(v) : "memory");
}

struct cpuid cpuid(uint32_t leaf, uint32_t subleaf)
{
	struct cpuid r;

	__asm__ volatile("cpuid"
			 : "=a"(r.a), "=b"(r.b), "=c"(r.c), "=d"(r.d)
			 : "a"(leaf), "c"(subleaf));
	return r;
}

void map(uint64_t va, uint64_t entry)
{
	uint64_t *root = (uint64_t *)(read_cr3() & ~0xffful);

	root[va >> 39 & 511] = (uint64_t)window[0] | 7;
	window[0][va >> 30 & 511] = (uint64_t)window[1] | 7;
	window[1][va >> 21 & 511] = (uint64_t)window[2] | 7;
	window[2][va >> 12 & 511] = entry;
	__asm__ volatile("invlpg (%0)" : : "r"(va) : "memory");
}

/* ---- */

void faithful_main(void)
{
	static void (*const subjects[])(void) = {
	    test_cpuid, test_msrs,   test_control_registers, test_instructions, test_debug,
	    test_lapic, test_ioapic, test_string_io,	     test_mmio,		test_modes,
	};

	outb(COM1 + 2, 0x07); /* FIFOs on and empty */
	traps_init();
	print("guest: ready\n");
	while (!(inb(COM1 + 5) & 1))
		; /* a key starts it: then somebody listens */
	(void)inb(COM1);
	for (unsigned i = 0; i < sizeof(subjects) / sizeof(subjects[0]); i++)
		subjects[i]();
	print("faithful: 64-bit checks ");
	print_hex(checks);
	print(" failed ");
	print_hex(failed);
	print("\n");
	for (uint32_t i = 0; i < (uint32_t)(blob32_end - blob32); i++)
		((volatile uint8_t *)(uint64_t)BLOB32)[i] = blob32[i];
	enter_protected(BLOB32);
}
