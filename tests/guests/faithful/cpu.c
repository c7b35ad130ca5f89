/* SPDX-License-Identifier: BSD-2-Clause */
/* CPUID against itself; MSRs; control registers; instructions that this CPU lacks. */
#include "tests/guests/faithful/faithful.h"

#define NOT_CANONICAL 0x0000800000000000ul
#define HIGH	      0xffff800000000000ul
#define CR0_CD	      BIT(30)
#define CR0_NW	      BIT(29)
#define CR0_PG	      BIT(31)

static struct cpuid l1, l7;

/* ---- CPUID ---- */

void test_cpuid(void)
{
	struct cpuid r = cpuid(0, 0), d0 = cpuid(0xd, 0), d1 = cpuid(0xd, 1);
	uint32_t max = r.a;

	l1 = cpuid(1, 0);
	l7 = cpuid(7, 0);
	check("cpuid: OSXSAVE follows CR4", !(l1.c & BIT(27)));
	if (l1.c & BIT(26)) {
		check_equal("cpuid: CR4.OSXSAVE can be set", try_cr4(read_cr4() | BIT(18)), NONE);
		check("cpuid: and shows", cpuid(1, 0).c & BIT(27));
		check_equal("cpuid: XSAVE size for x87 alone", d0.b, 576);
		check("cpuid: XSAVE size for everything", d0.c >= 576);
		check("cpuid: XSAVES is not shown, nor its size used",
		      !(d1.a & BIT(3)) && !d1.c && !d1.d);
	}
	check("cpuid: no AVX without XSAVE", (l1.c & BIT(26)) || !(l1.c & BIT(28)));
	check("cpuid: a hypervisor is present", l1.c & BIT(31));
	check("cpuid: no VMX, no SMX, no MONITOR", !(l1.c & (BIT(3) | BIT(5) | BIT(6))));
	check("cpuid: the hypervisor's leaf", cpuid(0x40000000, 0).a >= 0x40000000);
	r = cpuid(max, 0);
	d0 = cpuid(max + 1, 0);
	check("cpuid: beyond the last leaf comes the last", r.a == d0.a && r.b == d0.b);
	d0 = cpuid(0x80000100, 0);
	check("cpuid: so it does for extended leaves", r.a == d0.a && r.c == d0.c);
	check_equal("cpuid: APIC id", cpuid(1, 0).b >> 24, 0);
	check_equal("cpuid: x2APIC id", cpuid(0xb, 0).d, 0);
	check_equal("cpuid: no third topology level", cpuid(0xb, 2).c & 0xff00, 0);
}

/* ---- MSRs ---- */

static void test_kept(const char *name, uint32_t msr, uint64_t value)
{
	uint64_t old = rdmsr(msr);

	check_equal(name, try_wrmsr(msr, value), NONE);
	check_equal(name, rdmsr(msr), value);
	(void)try_wrmsr(msr, old);
}

static void test_refused(const char *name, uint32_t msr, uint64_t value)
{
	uint64_t old = rdmsr(msr);

	check_equal(name, try_wrmsr(msr, value), GP);
	check_equal(name, rdmsr(msr), old);
}

static void test_absent(uint32_t msr)
{
	uint64_t v;

	print("msr ");
	print_hex(msr);
	print("\n");
	check_equal("absent: read", try_rdmsr(msr, &v), GP);
	check_equal("absent: error code", caught.error, 0);
	check_equal("absent: write", try_wrmsr(msr, 0), GP);
}

static void test_address_msrs(void)
{
	static const struct {
		const char *name;
		uint32_t msr;
	} addresses[] = {
	    {"msr: SYSENTER_ESP", 0x175},	 {"msr: SYSENTER_EIP", 0x176},
	    {"msr: LSTAR", 0xc0000082},		 {"msr: CSTAR", 0xc0000083},
	    {"msr: FS_BASE", 0xc0000100},	 {"msr: GS_BASE", 0xc0000101},
	    {"msr: KERNEL_GS_BASE", 0xc0000102},
	};

	for (unsigned i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
		test_kept(addresses[i].name, addresses[i].msr, HIGH + 0x1234);
		test_refused(addresses[i].name, addresses[i].msr, NOT_CANONICAL);
	}
}

static void test_mtrrs(void)
{
	test_kept("msr: MTRR base", 0x200, 0x80000006);
	test_refused("msr: MTRR base, type 2", 0x200, 2);
	test_refused("msr: MTRR base, reserved", 0x200, 0x106);
	test_refused("msr: MTRR base, beyond the addresses", 0x200, BIT(60));
	test_kept("msr: MTRR mask", 0x201, 0xf80000800);
	test_refused("msr: MTRR mask, reserved", 0x201, 0xf80000001);
	test_kept("msr: MTRR fixed", 0x250, 0x0606060606060606);
	test_refused("msr: MTRR fixed, type 7", 0x250, 0x0706060606060606);
	test_kept("msr: MTRR default", 0x2ff, 0xc06);
	test_refused("msr: MTRR default, reserved", 0x2ff, 0x106);
	test_refused("msr: MTRR default, type 3", 0x2ff, 0x803);
	check_equal("msr: MTRRcap is read-only", try_wrmsr(0xfe, 0x508), GP);
}

void test_msrs(void)
{
	static const uint32_t absent[] = {0x3a,	 0x48,	0x49,  0x10b,	   0x17b,     0x400,
					  0x480, 0xda0, 0x345, 0x12345678, 0xc0010000};
	uint64_t t, tsc;

	for (unsigned i = 0; i < sizeof(absent) / sizeof(absent[0]); i++)
		test_absent(absent[i]);
	test_address_msrs();
	test_mtrrs();
	test_kept("msr: SYSENTER_CS", 0x174, 0x1234);
	test_kept("msr: PAT", 0x277, 0x0707070707070707);
	test_refused("msr: PAT, type 2", 0x277, 0x0207070707070707);
	test_kept("msr: FMASK", 0xc0000084, 0xffffffff);
	test_kept("msr: STAR", 0xc0000081, 0x0018001000000000);
	check_equal("msr: MISC_ENABLE, no BTS, no PEBS", rdmsr(0x1a0) & 0x1800, 0x1800);
	test_kept("msr: MISC_ENABLE", 0x1a0, 0x400c51889);
	test_refused("msr: MISC_ENABLE, reserved", 0x1a0, BIT(63));
	test_refused("msr: EFER, reserved", 0xc0000080, rdmsr(0xc0000080) | BIT(1));
	test_refused("msr: EFER.SVME", 0xc0000080, rdmsr(0xc0000080) | BIT(12));
	test_refused("msr: EFER.LME while paging", 0xc0000080, rdmsr(0xc0000080) & ~BIT(8));
	t = rdmsr(0xc0000080);
	check_equal("msr: EFER.SCE, NXE", try_wrmsr(0xc0000080, t | 0x801), NONE);
	check_equal("msr: EFER", rdmsr(0xc0000080), t | 0x801);
	test_refused("msr: APIC base, reserved", 0x1b, rdmsr(0x1b) | 1);
	test_refused("msr: APIC base, beyond the addresses", 0x1b, rdmsr(0x1b) | BIT(60));
	test_refused("msr: APIC base, x2APIC of a disabled APIC", 0x1b,
		     (rdmsr(0x1b) & ~BIT(11)) | BIT(10));
	check_equal("msr: BIOS_SIGN is written", try_wrmsr(0x8b, 0), NONE);
	if (l7.b & BIT(1)) {
		check_equal("msr: TSC_ADJUST", rdmsr(0x3b), 0);
		tsc = rdtsc();
		(void)try_wrmsr(0x10, tsc + 1000000000);
		t = rdmsr(0x3b);
		check("msr: writing the TSC adjusts", t >= 990000000 && t <= 1000000000);
		check("msr: and the TSC is there", rdtsc() >= tsc + 1000000000);
		(void)try_wrmsr(0x3b, 0);
		check("msr: TSC_ADJUST takes it back", rdtsc() - tsc < 500000000);
	}
	if (cpuid(0x80000001, 0).d & BIT(27)) {
		test_kept("msr: TSC_AUX", 0xc0000103, 0xdeadbeef);
		test_refused("msr: TSC_AUX", 0xc0000103, BIT(32));
	}
}

/* ---- control registers ---- */

static int try_xsetbv(uint32_t index, uint64_t v)
{
	return TRY("xsetbv", : : "a"((uint32_t)v), "d"((uint32_t)(v >> 32)), "c"(index) : "memory");
}

static void test_xcr0(void)
{
	uint64_t all;

	if (!(l1.c & BIT(26)))
		return;
	(void)try_cr4(read_cr4() & ~BIT(18));
	check_equal("xcr0: XSETBV without OSXSAVE", try_xsetbv(0, 1), UD);
	(void)try_cr4(read_cr4() | BIT(18));
	check_equal("xcr0: x87", try_xsetbv(0, 1), NONE);
	check_equal("xcr0: x87 cannot go", try_xsetbv(0, 0), GP);
	check_equal("xcr0: index 1", try_xsetbv(1, 1), GP);
	check_equal("xcr0: AVX without SSE", try_xsetbv(0, 5), GP);
	check_equal("xcr0: bit 63", try_xsetbv(0, BIT(63) | 1), GP);
	all = cpuid(0xd, 0).a;
	check_equal("xcr0: all that there is", try_xsetbv(0, all), NONE);
	check_equal("xcr0: and its size", cpuid(0xd, 0).b, cpuid(0xd, 0).c);
	check_equal("xcr0: one more", try_xsetbv(0, all | BIT(9)), GP);
	if (all & 0xe0)
		check_equal("xcr0: half of AVX-512", try_xsetbv(0, all & ~BIT(6)), GP);
}

void test_control_registers(void)
{
	uint64_t cr0 = read_cr0(), cr3 = read_cr3(), cr4 = read_cr4();

	check_equal("cr0: protection cannot go while paging", try_cr0(cr0 & ~1ul), GP);
	check_equal("cr0: NW without CD", try_cr0((cr0 & ~CR0_CD) | CR0_NW), GP);
	check_equal("cr0: upper half", try_cr0(cr0 | BIT(32)), GP);
	check_equal("cr0: paging cannot go in 64-bit code", try_cr0(cr0 & ~CR0_PG), GP);
	check_equal("cr0: CD", try_cr0(cr0 | CR0_CD), NONE);
	check_equal("cr0: CD is read", read_cr0(), cr0 | CR0_CD);
	check_equal("cr0: reserved low bits", try_cr0(cr0 | BIT(7)), NONE);
	check_equal("cr0: are not kept", read_cr0() & BIT(7), 0);
	(void)try_cr0(cr0);
	check_equal("cr3: reserved", try_cr3(cr3 | BIT(60)), GP);
	check_equal("cr4: PAE cannot go", try_cr4(cr4 & ~BIT(5)), GP);
	check_equal("cr4: VMXE", try_cr4(cr4 | BIT(13)), GP);
	check_equal("cr4: SMXE", try_cr4(cr4 | BIT(14)), GP);
	check_equal("cr4: upper half", try_cr4(cr4 | BIT(40)), GP);
	check_equal("cr4: PCIDE as CPUID says", try_cr4(cr4 | BIT(17)), l1.c & BIT(17) ? NONE : GP);
	(void)try_cr4(cr4);
	if (l1.c & BIT(17)) {
		(void)try_cr3(cr3 | 0x18);
		check_equal("cr4: PCIDE with PCD and PWT", try_cr4(cr4 | BIT(17)), GP);
		check_equal("cr4: the same with MCE", try_cr4((cr4 ^ BIT(6)) | BIT(17)), GP);
		(void)try_cr3(cr3);
		(void)try_cr4(cr4 | BIT(17));
		check_equal("cr3: a PCID", try_cr3(cr3 | 5), NONE);
		check_equal("cr3: no flush", try_cr3(cr3 | 5 | BIT(63)), NONE);
		(void)try_cr3(cr3);
		(void)try_cr4(cr4);
	}
	check_equal("cr4: SMEP as CPUID says", try_cr4(cr4 | BIT(20)), l7.b & BIT(7) ? NONE : GP);
	check_equal("cr4: SMAP as CPUID says", try_cr4(cr4 | BIT(21)), l7.b & BIT(20) ? NONE : GP);
	check_equal("cr4: UMIP as CPUID says", try_cr4(cr4 | BIT(11)), l7.c & BIT(2) ? NONE : GP);
	check_equal("cr4: PKE as CPUID says", try_cr4(cr4 | BIT(22)), l7.c & BIT(3) ? NONE : GP);
	check_equal("cr4: LA57 as CPUID says", try_cr4(cr4 | BIT(12)), GP);
	check_equal("cr4: FSGSBASE as CPUID says", try_cr4(cr4 | BIT(16)),
		    l7.b & BIT(0) ? NONE : GP);
	(void)try_cr4(cr4);
	check_equal("cr8: 16", TRY("mov %0, %%cr8", : : "r"(16ul) : "memory"), GP);
	check_equal("cr8: 15", TRY("mov %0, %%cr8", : : "r"(15ul) : "memory"), NONE);
	(void)TRY("mov %0, %%cr8", : : "r"(0ul) : "memory");
	test_xcr0();
}

/* ---- instructions ---- */

#define UNDEFINED(name, code)                                                                      \
	check_equal(name, TRY(code, : : "a"(0), "c"(0), "d"(0) : "memory"), UD)

void test_instructions(void)
{
	uint64_t memory[2] = {0}, old;

	UNDEFINED("insn: VMCALL", "vmcall");
	UNDEFINED("insn: VMXON", ".byte 0xf3, 0x0f, 0xc7, 0x30");
	UNDEFINED("insn: VMPTRLD", ".byte 0x0f, 0xc7, 0x30");
	UNDEFINED("insn: VMFUNC", ".byte 0x0f, 0x01, 0xd4");
	UNDEFINED("insn: VMREAD", ".byte 0x0f, 0x78, 0xc0");
	UNDEFINED("insn: VMLAUNCH", "vmlaunch");
	UNDEFINED("insn: INVEPT", ".byte 0x66, 0x0f, 0x38, 0x80, 0x04, 0x24");
	UNDEFINED("insn: INVVPID", ".byte 0x66, 0x0f, 0x38, 0x81, 0x04, 0x24");
	UNDEFINED("insn: GETSEC", ".byte 0x0f, 0x37");
	UNDEFINED("insn: MONITOR", "monitor");
	UNDEFINED("insn: MWAIT", "mwait");
	UNDEFINED("insn: RSM", "rsm");
	UNDEFINED("insn: UD2", "ud2");
	if (!(cpuid(0xd, 1).a & BIT(3)))
		UNDEFINED("insn: XSAVES", ".byte 0x0f, 0xc7, 0x2c, 0x24");
	check_equal("insn: RDPMC", TRY("rdpmc", : : "c"(0x1234) : "rax", "rdx", "memory"), GP);
	check_equal("insn: WBINVD", TRY("wbinvd", : : : "memory"), NONE);
	check_equal("insn: INVD", TRY("wbinvd; invd", : : : "memory"), NONE);
	check_equal("insn: LMSW", TRY("lmsw %w0", : : "r"(read_cr0() | 8) : "memory"), NONE);
	check_equal("insn: LMSW set TS", read_cr0() & 8, 8);
	check_equal("insn: CLTS", TRY("clts", : : : "memory"), NONE);
	check_equal("insn: CLTS cleared TS", read_cr0() & 8, 0);
	(void)TRY("sidt %0", : "=m"(memory) : : "memory");
	check("insn: SIDT", (memory[0] & 0xffff) == 4095);
	/* #AC comes to the hypervisor and goes on from there; in ring 0 there is none */
	old = 0;
	__asm__ volatile("pushfq; orq $0x40000, (%%rsp); popfq; mov 1(%0), %%eax; pushfq; "
			 "andq $~0x40000, (%%rsp); popfq"
			 :
			 : "r"(memory)
			 : "rax", "memory", "cc");
	check_equal("insn: no alignment check in ring 0", old, 0);
}
