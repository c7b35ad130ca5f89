/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ring 3, and what pages of the user are to the supervisor; extended state across
 * exits; PCIDs. The features that CPUID does not show are not tried.
 */
#include "tests/guests/faithful/faithful.h"

#define USER_CODE   (WINDOW + 0x10000)
#define USER_STACK  (WINDOW + 0x11000)
#define PTE_USER    7ul
#define CR0_AM	    BIT(18)
#define RFLAGS_AC   0x40000ul
#define RFLAGS_IOPL 0x3000ul

static uint8_t code_page[4096] __attribute__((aligned(4096)));
static uint8_t stack_page[4096] __attribute__((aligned(4096)));
static uint8_t area[2][4096] __attribute__((aligned(64)));
static volatile uint64_t kernel_rsp __attribute__((used));

/* Run bytes in ring 3; they must end in a fault, UD2 for one. The vector. */
static int run_user(const uint8_t *code, unsigned len, uint64_t rflags)
{
	for (unsigned i = 0; i < len; i++)
		code_page[i] = code[i];
	map(USER_CODE, (uint64_t)code_page | PTE_USER);
	map(USER_STACK, (uint64_t)stack_page | PTE_USER);
	caught.vector = NONE;
	__asm__ volatile("mov %%rsp, kernel_rsp\n\tmovq $9f, resume\n\t"
			 "pushq $0x2b\n\tpushq %1\n\tpushq %2\n\tpushq $0x33\n\tpushq %0\n\tiretq\n"
			 "9:\tmov kernel_rsp, %%rsp\n\tmovq $0, resume\n\t"
			 "mov $0x18, %%eax\n\tmov %%eax, %%ds\n\tmov %%eax, %%es"
			 :
			 : "r"(USER_CODE), "r"(USER_STACK + 4096), "r"(rflags)
			 : "rax", "rbx", "rcx", "rdx", "memory", "cc");
	return caught.vector;
}

#define USER(rflags, ...)                                                                          \
	({                                                                                         \
		static const uint8_t bytes[] = {__VA_ARGS__, 0x0f, 0x0b};                          \
		run_user(bytes, sizeof(bytes), rflags);                                            \
	})

static void test_ring3(void)
{
	check_equal("ring 3: runs", USER(2, 0x90), UD);
	check_equal("ring 3: CPUID", USER(2, 0x31, 0xc0, 0x0f, 0xa2), UD);
	check_equal("ring 3: HLT", USER(2, 0xf4), GP);
	check_equal("ring 3: RDMSR", USER(2, 0xb9, 0x1b, 0, 0, 0, 0x0f, 0x32), GP);
	check_equal("ring 3: XSETBV", USER(2, 0x0f, 0x01, 0xd1), GP);
	check_equal("ring 3: MOV from CR0", USER(2, 0x0f, 0x20, 0xc0), GP);
	check_equal("ring 3: MOV from CR8", USER(2, 0x44, 0x0f, 0x20, 0xc0), GP);
	check_equal("ring 3: WBINVD", USER(2, 0x0f, 0x09), GP);
	check_equal("ring 3: VMCALL", USER(2, 0x0f, 0x01, 0xc1), UD);
	check_equal("ring 3: RDPMC", USER(2, 0x31, 0xc9, 0x0f, 0x33), GP);
	check_equal("ring 3: IN", USER(2, 0xe4, 0x80), GP);
	check_equal("ring 3: IN with IOPL", USER(RFLAGS_IOPL | 2, 0xe4, 0x80), UD);
	check_equal("ring 3: INT 80h", USER(2, 0xcd, 0x80), GP);
	check_equal("ring 3: INT 80h, error code", caught.error, 0x80 * 8 + 2);
	/* MOV 1(%rsp), %eax after a PUSH */
	check_equal("ring 3: no alignment check", USER(2, 0x50, 0x8b, 0x44, 0x24, 0x01), UD);
	(void)try_cr0(read_cr0() | CR0_AM);
	check_equal("ring 3: alignment check", USER(RFLAGS_AC | 2, 0x50, 0x8b, 0x44, 0x24, 0x01),
		    AC);
	check_equal("ring 3: alignment check, error code", caught.error, 0);
	check_equal("ring 3: alignment check, RIP", caught.rip, USER_CODE + 1);
	(void)try_cr0(read_cr0() & ~CR0_AM);
	/* a single step of ring 3 comes out of the hypervisor, too */
	check_equal("ring 3: step", USER(0x102, 0x90, 0x90), DB);
	check_equal("ring 3: step, RIP", caught.rip, USER_CODE + 1);
	check_equal("ring 3: INT1", USER(2, 0xf1), DB);
	check_equal("ring 3: supervisor's page", USER(2, 0xa0, 0, 0, 0x10, 0, 0, 0, 0, 0), PF);
	check_equal("ring 3: supervisor's page, error code", caught.error, 5);
}

static void test_protection(void)
{
	struct cpuid l7 = cpuid(7, 0);
	uint64_t cr4 = read_cr4();

	map(USER_STACK, (uint64_t)stack_page | PTE_USER);
	if (l7.b & BIT(7)) {
		code_page[0] = 0xc3;
		check_equal("smep: off", TRY("call *%0", : : "r"(USER_CODE) : "memory"), NONE);
		(void)try_cr4(cr4 | BIT(20));
		check_equal("smep: the user's code",
			    TRY("jmp *%0",
				:
				: "r"(USER_CODE)
				: "memory"),
			    PF);
		check_equal("smep: error code", caught.error, 0x11);
	}
	if (l7.b & BIT(20)) {
		(void)try_cr4(cr4 | BIT(21));
		__asm__ volatile("clac");
		check_equal("smap: the user's data",
			    TRY("mov (%0), %%al",
				:
				: "r"(USER_STACK)
				: "rax", "memory"),
			    PF);
		check_equal("smap: error code", caught.error, 1);
		check_equal("smap: OUTS",
			    TRY("outsb",
				:
				: "S"(USER_STACK), "d"(SCRATCH)
				: "memory"),
			    PF);
		check_equal("smap: OUTS, error code", caught.error, 1);
		__asm__ volatile("stac");
		check_equal("smap: OUTS with AC",
			    TRY("outsb",
				:
				: "S"(USER_STACK), "d"(SCRATCH)
				: "memory"),
			    NONE);
		__asm__ volatile("clac");
	}
	(void)try_cr4(cr4);
	if (l7.c & BIT(2)) {
		check_equal("umip: off, SMSW", USER(2, 0x0f, 0x01, 0xe0), UD);
		(void)try_cr4(cr4 | BIT(11));
		check_equal("umip: SMSW", USER(2, 0x0f, 0x01, 0xe0), GP);
		check_equal("umip: SLDT", USER(2, 0x0f, 0x00, 0xc0), GP);
		(void)try_cr4(cr4);
	}
	check_equal("fsgsbase: off", TRY("rdfsbase %%rbx", : : : "rbx", "memory"), UD);
	if (l7.b & BIT(0)) {
		(void)try_cr4(cr4 | BIT(16));
		check_equal("fsgsbase: on", TRY("rdfsbase %%rbx", : : : "rbx", "memory"), NONE);
		check_equal("fsgsbase: not canonical",
			    TRY("wrfsbase %0",
				:
				: "r"(BIT(47))
				: "memory"),
			    GP);
		(void)try_cr4(cr4);
	}
}

static void test_pcid(void)
{
	struct {
		uint64_t pcid, linear;
	} d = {0, 0};
	bool pcid = cpuid(1, 0).c & BIT(17), invpcid = cpuid(7, 0).b & BIT(10);

	check("pcid: INVPCID only with PCID", pcid || !invpcid);
	if (!invpcid) {
		check_equal("pcid: no INVPCID",
			    TRY("invpcid %0, %%rbx",
				:
				: "m"(d), "b"(2)
				: "memory"),
			    UD);
		return;
	}
	check_equal("pcid: INVPCID, all",
		    TRY("invpcid %0, %%rbx",
			:
			: "m"(d), "b"(2ul)
			: "memory"),
		    NONE);
	check_equal("pcid: INVPCID, type 4",
		    TRY("invpcid %0, %%rbx",
			:
			: "m"(d), "b"(4ul)
			: "memory"),
		    GP);
	d.pcid = 1;
	check_equal("pcid: INVPCID of a PCID without PCIDE",
		    TRY("invpcid %0, %%rbx",
			:
			: "m"(d), "b"(1ul)
			: "memory"),
		    GP);
	d.pcid = 0x1000;
	check_equal("pcid: INVPCID, reserved",
		    TRY("invpcid %0, %%rbx",
			:
			: "m"(d), "b"(1ul)
			: "memory"),
		    GP);
}

static unsigned differing(unsigned from, unsigned len)
{
	unsigned n = 0;

	for (unsigned i = from; i < from + len; i++)
		n += area[0][i] != area[1][i];
	return n;
}

/* Registers of every component that there is stay what they are while the guest exits. */
static void test_extended(void)
{
	uint64_t all = cpuid(0xd, 0).a;
	unsigned wrong;

	if (!(cpuid(1, 0).c & BIT(26)))
		return;
	(void)try_cr0((read_cr0() & ~0xcul) | 2);
	(void)try_cr4(read_cr4() | BIT(18) | 0x600);
	(void)TRY("xsetbv", : : "a"((uint32_t)all), "d"(0), "c"(0) : "memory");
	for (unsigned i = 0; i < 4096; i++)
		area[0][i] = (uint8_t)(i * 11 + i / 256 + 1);
	for (unsigned i = 0; i < 576; i++) /* a legal legacy part and header */
		area[0][i] = i >= 160 && i < 416 ? area[0][i] : 0;
	area[0][0] = 0x7f;
	area[0][1] = 0x03;
	area[0][4] = 1; /* ST0 holds 1.0 */
	area[0][39] = 0x80;
	area[0][40] = 0xff;
	area[0][41] = 0x3f;
	area[0][24] = 0x80;
	area[0][25] = 0x1f;
	if (all & 0x20)
		area[0][512] = (uint8_t)all;
	else
		area[0][512] = (uint8_t)(all & 7);
	__asm__ volatile("xrstor %0" : : "m"(area[0]), "a"(-1), "d"(-1) : "memory");
	for (unsigned i = 0; i < 20; i++) {
		(void)cpuid(0xd, i);
		(void)inb(SCRATCH);
	}
	__asm__ volatile("xsave %0" : "+m"(area[1]) : "a"(-1), "d"(-1) : "memory");
	wrong = differing(160, 256);
	for (unsigned i = 2; i < 8; i++)
		if (all & BIT(i))
			wrong += differing(cpuid(0xd, i).b, cpuid(0xd, i).a);
	check_equal("xsave: all components stay", wrong, 0);
	check_equal("xsave: XSTATE_BV", area[1][512], area[0][512]);
	area[0][512] = 0;
	area[0][519] = 0x80;
	check_equal("xsave: XRSTOR, reserved bit",
		    TRY("xrstor %0",
			:
			: "m"(area[0]), "a"(-1), "d"(-1)
			: "memory"),
		    GP);
}

void test_modes(void)
{
	test_ring3();
	test_protection();
	test_pcid();
	test_extended();
}
