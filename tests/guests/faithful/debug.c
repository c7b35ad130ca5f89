/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Debug exceptions: single steps over instructions that leave the guest, breakpoints,
 * DR6 and DR7. SDM vol. 3, "Debug, Branch Profile ... Features".
 */
#include "tests/guests/faithful/faithful.h"

#define DR6_NONE 0xffff0ff0ul
#define BS	 0x4000ul
#define BD	 0x2000ul
#define TF	 0x100ul
#define RF	 0x10000ul
#define STEPS	 16

static volatile uint64_t steps[STEPS], step_dr6[STEPS];
static volatile unsigned step_count;

static void set_dr(unsigned n, uint64_t v)
{
	switch (n) {
	case 0:
		__asm__ volatile("mov %0, %%dr0" : : "r"(v));
		break;
	case 1:
		__asm__ volatile("mov %0, %%dr1" : : "r"(v));
		break;
	case 6:
		__asm__ volatile("mov %0, %%dr6" : : "r"(v));
		break;
	case 7:
		__asm__ volatile("mov %0, %%dr7" : : "r"(v));
		break;
	}
}

static void note_step(struct frame *f)
{
	if (step_count < STEPS) {
		steps[step_count] = f->rip;
		step_dr6[step_count] = caught.dr6;
	}
	step_count++;
	set_dr(6, DR6_NONE);
	f->rflags |= RF; /* an instruction breakpoint must not come again at once */
}

static void begin(void)
{
	step_count = 0;
	set_dr(6, DR6_NONE);
	on_trap = note_step;
}

/* The addresses at which steps come, for code whose instructions begin at labels. */
#define STEP_CODE(code)                                                                            \
	({                                                                                         \
		begin();                                                                           \
		__asm__ volatile("pushfq\n\tpushfq\n\torq $0x100, (%%rsp)\n\tpopfq\n\t" code       \
				 "\n\tpopfq\n"                                                     \
				 :                                                                 \
				 :                                                                 \
				 : "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "memory", "cc");      \
		step_count;                                                                        \
	})

static void test_step_counts(void)
{
	/* one for each instruction after POPF, the last POPF too */
	check_equal("step: NOP", STEP_CODE("nop"), 2);
	check_equal("step: DR6", step_dr6[0], DR6_NONE | BS);
	check_equal("step: CPUID", STEP_CODE("xor %%eax, %%eax; cpuid; nop"), 4);
	check_equal("step: CPUID, and RIP", steps[1] - steps[0], 2);
	check_equal("step: CPUID, and DR6", step_dr6[1], DR6_NONE | BS);
	check_equal("step: CPUID not in the fast table",
		    STEP_CODE("mov $0xd, %%eax; xor %%ecx, %%ecx; cpuid; nop"), 5);
	check_equal("step: OUT and IN",
		    STEP_CODE("mov $0x3ff, %%edx; out %%al, %%dx; in %%dx, %%al"), 4);
	check_equal("step: RDMSR", STEP_CODE("mov $0x1b, %%ecx; rdmsr; nop"), 4);
	check_equal("step: WRMSR",
		    STEP_CODE("mov $0x8b, %%ecx; xor %%eax, %%eax; xor %%edx, %%edx; "
			      "wrmsr; nop"),
		    6);
	check_equal("step: MOV from CR8", STEP_CODE("mov %%cr8, %%rax; nop"), 3);
	check_equal("step: MOV to CR0",
		    STEP_CODE("mov %%cr0, %%rax; btc $30, %%rax; mov %%rax, %%cr0; btc $30, %%rax; "
			      "mov %%rax, %%cr0"),
		    6);
	check_equal("step: WBINVD", STEP_CODE("wbinvd; nop"), 3);
	check_equal("step: MMIO read", STEP_CODE("mov $0xfee00030, %%ebx; mov (%%rbx), %%eax; nop"),
		    4);
	check_equal("step: MMIO with RAM",
		    STEP_CODE("mov $0xfec00000, %%ebx; movl $0, (%%rbx); addl $0, (%%rbx)"), 4);
	/* POP SS and MOV SS hold back until the next instruction is done */
	check_equal("step: MOV SS; CPUID",
		    STEP_CODE("mov %%ss, %%ecx; xor %%eax, %%eax; "
			      "mov %%ecx, %%ss; cpuid; nop"),
		    5);
	check_equal("step: HLT wakes at once", STEP_CODE("hlt; nop"), 3);
	check_equal("step: REP OUTSB steps each",
		    STEP_CODE("mov $0x3ff, %%edx; mov $3, %%ecx; "
			      "mov $0x100000, %%esi; rep outsb"),
		    7);
}

/* ---- breakpoints ---- */

static void test_breakpoints(void)
{
	static volatile uint64_t data;

	begin();
	__asm__ volatile("lea 1f(%%rip), %%rax; mov %%rax, %%dr0; mov $0x402, %%eax; "
			 "mov %%rax, %%dr7\n"
			 "1: nop; xor %%eax, %%eax; mov $0x400, %%eax; mov %%rax, %%dr7"
			 :
			 :
			 : "rax", "memory", "cc");
	check_equal("breakpoint: instruction", step_count, 1);
	check_equal("breakpoint: instruction, DR6", step_dr6[0], DR6_NONE | 1);
	/* at an instruction that leaves the guest; RF ends with it */
	begin();
	__asm__ volatile("lea 1f(%%rip), %%rax; mov %%rax, %%dr0; lea 2f(%%rip), %%rax; "
			 "mov %%rax, %%dr1; mov $0x40a, %%eax; mov %%rax, %%dr7; xor %%eax, %%eax\n"
			 "1: cpuid\n2: nop; mov $0x400, %%eax; mov %%rax, %%dr7"
			 :
			 :
			 : "rax", "rbx", "rcx", "rdx", "memory", "cc");
	check_equal("breakpoint: CPUID and the next", step_count, 2);
	check_equal("breakpoint: the next, DR6", step_dr6[1], DR6_NONE | 2);
	begin();
	set_dr(0, (uint64_t)&data);
	set_dr(7, 0x402 | 0xdul << 16); /* 4 bytes, write */
	data = 5;
	set_dr(7, 0x400);
	check_equal("breakpoint: write", step_count, 1);
	check_equal("breakpoint: write, DR6", step_dr6[0], DR6_NONE | 1);
	begin();
	set_dr(0, 0xd0000010);
	set_dr(7, 0x402 | 0xfull << 16); /* a device: 4 bytes, read or write */
	(void)*(volatile uint32_t *)0xd0000010ul;
	set_dr(7, 0x400);
	check_equal("breakpoint: device memory", step_count, 1);
	check_equal("breakpoint: device memory, DR6", step_dr6[0], DR6_NONE | 1);
	/* I/O breakpoints need CR4.DE */
	(void)try_cr4(read_cr4() | 8);
	begin();
	set_dr(0, 0x3f8);
	set_dr(1, SCRATCH);
	set_dr(7, 0x40a | 0x22ul << 16);
	outb(SCRATCH, 1);
	outb(SCRATCH - 1, 1);
	(void)inb(SCRATCH);
	set_dr(7, 0x400);
	check_equal("breakpoint: I/O", step_count, 2);
	check_equal("breakpoint: I/O, DR6", step_dr6[0], DR6_NONE | 2);
	check_equal("dr4: undefined with CR4.DE",
		    TRY("mov %%dr4, %%rbx",
			:
			:
			: "rbx", "memory"),
		    UD);
	(void)try_cr4(read_cr4() & ~8ul);
	check_equal("dr4: DR6 without", TRY("mov %%dr4, %%rbx", : : : "rbx", "memory"), NONE);
}

static void test_registers(void)
{
	check_equal("dr7: upper half",
		    TRY("mov %0, %%dr7",
			:
			: "r"(BIT(32) | 0x400)
			: "memory"),
		    GP);
	check_equal("dr6: upper half",
		    TRY("mov %0, %%dr6",
			:
			: "r"(BIT(32) | DR6_NONE)
			: "memory"),
		    GP);
	/* general detect: a fault, BD is set, GD cleared */
	set_dr(6, DR6_NONE);
	set_dr(7, 0x2400);
	check_equal("dr7: GD", TRY("mov %%dr0, %%rbx", : : : "rbx", "memory"), DB);
	check_equal("dr7: GD, DR6", caught.dr6, DR6_NONE | BD);
	check_equal("dr7: GD is gone", TRY("mov %%dr7, %%rbx", : : : "rbx", "memory"), NONE);
	/* BS adds to what is there, B0 to B3 do not stay */
	set_dr(6, DR6_NONE | BD | 3);
	on_trap = 0;
	check_equal("dr6: step",
		    TRY("pushfq; orq $0x100, (%%rsp); popfq; nop; nop",
			:
			:
			: "memory"),
		    DB);
	check_equal("dr6: adds up", caught.dr6, DR6_NONE | BD | BS);
	/* INT1 tells nothing, and goes on behind itself */
	begin();
	__asm__ volatile(".byte 0xf1" : : : "memory");
	check_equal("INT1: once", step_count, 1);
	check_equal("INT1: DR6", step_dr6[0], DR6_NONE);
	check_equal("rflags: RF is set by a fault", TRY("ud2", : : : "memory"), UD);
	check("rflags: RF is set by a fault", caught.rflags & RF);
	check_equal("rflags: by one of the hypervisor's",
		    TRY("rdmsr",
			:
			: "c"(0x3a)
			: "rax", "rdx"),
		    GP);
	check("rflags: by one of the hypervisor's", caught.rflags & RF);
}

void test_debug(void)
{
	test_step_counts();
	test_breakpoints();
	test_registers();
	on_trap = 0;
}
