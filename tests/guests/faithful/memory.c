/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the hypervisor carries out in memory: string I/O, and instructions on device
 * memory, where they cross pages and where they fault in the middle.
 */
#include "tests/guests/faithful/faithful.h"

#define NOBODY	0xd0000000ul /* no device, no memory */
#define PTE_RW	3ul
#define PTE_A	0x20ul
#define PTE_D	0x40ul
#define APIC_ID 0xfee00020ul

static uint8_t pages[2][4096] __attribute__((aligned(4096)));

static void fill(void)
{
	for (unsigned i = 0; i < sizeof(pages); i++)
		((uint8_t *)pages)[i] = (uint8_t)(i * 7 + i / 256);
}

static uint64_t pte_of(uint64_t va)
{
	uint64_t *t = (uint64_t *)(read_cr3() & ~0xffful);

	for (int shift = 39; shift > 12; shift -= 9)
		t = (uint64_t *)(t[va >> shift & 511] & 0x000ffffffffff000);
	return t[va >> 12 & 511];
}

void test_string_io(void)
{
	uint64_t rcx = 3, rsi = (uint64_t)pages, rdi = (uint64_t)pages[1];

	fill();
	__asm__ volatile("rep outsb" : "+S"(rsi), "+c"(rcx) : "d"(SCRATCH) : "memory");
	check_equal("outs: RCX", rcx, 0);
	check_equal("outs: RSI", rsi, (uint64_t)pages + 3);
	check_equal("outs: the last byte", inb(SCRATCH), pages[0][2]);
	rcx = 2;
	rdi += 1;
	__asm__ volatile("std; rep insb; cld" : "+D"(rdi), "+c"(rcx) : "d"(SCRATCH) : "memory");
	check_equal("ins: downwards", rdi, (uint64_t)pages[1] - 1);
	check_equal("ins: bytes", pages[1][0] == pages[0][2] && pages[1][1] == pages[0][2], true);
	rcx = 0;
	__asm__ volatile("rep insb" : "+D"(rdi), "+c"(rcx) : "d"(SCRATCH) : "memory");
	check_equal("ins: none", rdi, (uint64_t)pages[1] - 1);
	rcx = 0x100000001;
	rsi = (uint64_t)pages;
	__asm__ volatile("addr32 rep outsb" : "+S"(rsi), "+c"(rcx) : "d"(SCRATCH) : "memory");
	check_equal("outs: 32-bit count", rcx, 0);
	/* a fault in the middle: what was done is done, the registers tell where */
	map(WINDOW, (uint64_t)pages | PTE_RW);
	map(WINDOW + PAGE, 0);
	check_equal("ins: a page is missing",
		    TRY("rep insb",
			:
			: "D"(WINDOW + PAGE - 2), "c"(5), "d"(SCRATCH)
			: "memory"),
		    PF);
	check_equal("ins: fault, error code", caught.error, 2);
	check_equal("ins: fault, CR2", caught.cr2, WINDOW + PAGE);
	check_equal("ins: fault, RCX", caught.rcx, 3);
	check_equal("ins: fault, RDI", caught.rdi, WINDOW + PAGE);
	check("ins: marks the page", (pte_of(WINDOW) & (PTE_A | PTE_D)) == (PTE_A | PTE_D));
	map(WINDOW, (uint64_t)pages | 1);
	(void)try_cr0(read_cr0() | BIT(16));
	check_equal("ins: a read-only page",
		    TRY("insb",
			:
			: "D"(WINDOW), "d"(SCRATCH)
			: "memory"),
		    PF);
	check_equal("ins: read-only, error code", caught.error, 3);
	check_equal("outs: reads it", TRY("outsb", : : "S"(WINDOW), "d"(SCRATCH) : "memory"), NONE);
	check_equal("outs: marks it", pte_of(WINDOW) & (PTE_A | PTE_D), PTE_A);
	check_equal("outs: a reserved bit", ({
			    map(WINDOW, (uint64_t)pages | BIT(51) | 1);
			    TRY("outsb", : : "S"(WINDOW), "d"(SCRATCH) : "memory");
		    }),
		    PF);
	check_equal("outs: reserved, error code", caught.error, 9);
	check_equal("outs: not canonical",
		    TRY("outsb",
			:
			: "S"(BIT(47)), "d"(SCRATCH)
			: "memory"),
		    GP);
	check_equal("ins: not canonical",
		    TRY("insb",
			:
			: "D"(BIT(47)), "d"(SCRATCH)
			: "memory"),
		    GP);
}

/* ---- device memory ---- */

static void test_crossing(void)
{
	uint64_t v;
	uint32_t w;

	fill();
	/* RAM, then nothing */
	map(WINDOW, (uint64_t)pages | PTE_RW);
	map(WINDOW + PAGE, NOBODY | PTE_RW);
	__asm__ volatile("mov (%1), %0" : "=r"(v) : "r"(WINDOW + PAGE - 3) : "memory");
	check_equal("mmio: half RAM, half nothing", v,
		    0xffffffffff000000 | pages[0][4093] | (uint64_t)pages[0][4094] << 8 |
			(uint64_t)pages[0][4095] << 16);
	__asm__ volatile("movq %0, (%1)"
			 :
			 : "r"(0x1122334455667788), "r"(WINDOW + PAGE - 3)
			 : "memory");
	check("mmio: a write to both", pages[0][4093] == 0x88 && pages[0][4095] == 0x66);
	/* nothing, then RAM */
	map(WINDOW, NOBODY | PTE_RW);
	map(WINDOW + PAGE, (uint64_t)pages[1] | PTE_RW);
	__asm__ volatile("mov (%1), %0" : "=r"(w) : "r"(WINDOW + PAGE - 1) : "memory");
	check_equal("mmio: half nothing, half RAM", w,
		    0xff | (uint32_t)pages[1][0] << 8 | (uint32_t)pages[1][1] << 16 |
			(uint32_t)pages[1][2] << 24);
	__asm__ volatile("addl $0x100, (%0)" : : "r"(WINDOW + PAGE - 1) : "memory", "cc");
	check_equal("mmio: read-modify-write", pages[1][0], (uint8_t)(w >> 8) + 1);
	/* two devices: the local APIC's id is 0, behind it nothing */
	map(WINDOW, 0xfedff000ul | PTE_RW);
	map(WINDOW + PAGE, 0xfee00000ul | PTE_RW);
	__asm__ volatile("mov (%1), %0" : "=r"(w) : "r"(WINDOW + PAGE - 2) : "memory");
	check_equal("mmio: two devices", w & 0xffff, 0xffff);
	/* the second page is missing: a fault, and nothing was written */
	map(WINDOW, NOBODY | PTE_RW);
	map(WINDOW + PAGE, 0);
	check_equal("mmio: the second page is missing",
		    TRY("movl $0, (%0)",
			:
			: "r"(WINDOW + PAGE - 2)
			: "memory"),
		    PF);
	check_equal("mmio: missing, CR2", caught.cr2, WINDOW + PAGE);
	check_equal("mmio: missing, error code", caught.error, 2);
}

static void test_moves(void)
{
	uint64_t rcx = 4, rsi = NOBODY, rdi = (uint64_t)pages;

	fill();
	__asm__ volatile("rep movsl" : "+S"(rsi), "+D"(rdi), "+c"(rcx) : : "memory");
	check_equal("mmio: MOVS to RAM", *(uint64_t *)(pages[0] + 8), UINT64_MAX);
	check_equal("mmio: MOVS, RSI", rsi, NOBODY + 16);
	rsi = APIC_ID + 0x10;
	__asm__ volatile("lodsl" : "+S"(rsi) : : "rax", "memory");
	check_equal("mmio: LODS, RSI", rsi, APIC_ID + 0x14);
	rdi = NOBODY;
	rcx = 3;
	__asm__ volatile("rep stosq" : "+D"(rdi), "+c"(rcx) : "a"(0) : "memory");
	check_equal("mmio: STOS, RDI", rdi, NOBODY + 24);
	rsi = NOBODY;
	rdi = NOBODY + 0x100;
	rcx = 2;
	__asm__ volatile("repe cmpsb" : "+S"(rsi), "+D"(rdi), "+c"(rcx) : : "memory", "cc");
	check_equal("mmio: CMPS", rcx, 0);
	rdi = NOBODY;
	rcx = 5;
	__asm__ volatile("repne scasb" : "+D"(rdi), "+c"(rcx) : "a"(0xff) : "memory", "cc");
	check_equal("mmio: SCAS finds the first", rcx, 4);
	__asm__ volatile("pushq (%1); popq %0" : "=r"(rcx) : "r"(NOBODY) : "memory");
	check_equal("mmio: PUSH", rcx, UINT64_MAX);
	__asm__ volatile("pushq $5; popq (%0)" : : "r"(NOBODY) : "memory");
	check("mmio: POP", true);
	__asm__ volatile("movzwl (%1), %k0" : "=r"(rcx) : "r"(0xfee00030ul) : "memory");
	check_equal("mmio: MOVZX", rcx, 0x14);
	__asm__ volatile("movsbl (%1), %k0" : "=r"(rcx) : "r"(NOBODY) : "memory");
	check_equal("mmio: MOVSX", rcx, 0xffffffff);
	__asm__ volatile("lock; cmpxchgl %k2, (%1)"
			 : "=a"(rcx)
			 : "r"(NOBODY), "r"(0), "0"(1ul)
			 : "memory", "cc");
	check_equal("mmio: CMPXCHG", rcx, 0xffffffff);
	if (cpuid(1, 0).c & BIT(22)) {
		__asm__ volatile("movbe (%1), %k0" : "=r"(rcx) : "r"(0xfee00030ul) : "memory");
		check_equal("mmio: MOVBE", rcx, 0x14000500);
	}
}

static void test_ports(void)
{
	uint64_t v = 0;

	__asm__ volatile("inl %w1, %k0" : "=a"(v) : "d"(0x2f0));
	check_equal("port: nobody, 32 bits", v, 0xffffffff);
	check_equal("mmio: nobody reads ones", *(volatile uint64_t *)NOBODY, UINT64_MAX);
	*(volatile uint64_t *)NOBODY = 0;
	check_equal("mmio: nobody keeps nothing", *(volatile uint64_t *)NOBODY, UINT64_MAX);
	check_equal("mmio: code from nowhere", TRY("jmp *%0", : : "r"(NOBODY) : "memory"), UD);
}

void test_mmio(void)
{
	test_ports();
	test_crossing();
	test_moves();
}
