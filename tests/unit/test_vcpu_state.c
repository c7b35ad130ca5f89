/* SPDX-License-Identifier: BSD-2-Clause */
/* The vCPU's state: the stream's table covers it, power-on values hold, hostile ones do not. */
#include <string.h>

#include "tests/unit/fake_kernel.h"

#include "vmm/cpu_policy_limits.h"
#include "vmm/dev/state.h"
#include "vmm/dev/vlapic.h"
#include "vmm/vcpu.h"

#define HIGH 0xffff800000000000ull

static struct vm vm;
static struct cpu_state now, in;
static struct vcpu cpu = {.vm = &vm, .state = &now};

uint64_t cpu_policy_cr4(const struct cpuid_policy *p)
{
	return 0x20 | 0x80 | 1ul << 17 | 1ul << 18; /* PAE, PGE, PCIDE, OSXSAVE */
}

uint64_t vm_guest_tsc(const struct vm *v)
{
	return 777;
}

uint64_t vlapic_get_cr8(const struct vlapic *v)
{
	return 9;
}

static int set_up(void **state)
{
	fake_kernel_reset();
	vm.cpuid.xcr0 = 7;
	vm.cpuid.phys_bits = 46;
	vcpu_reset_state(&cpu);
	in = now;
	return 0;
}

static void accepted(void)
{
	if (vcpu_check_state(&cpu, &in) != 0)
		fail_msg("refused: %s", fake_log_last);
}

static void refused(const char *word)
{
	assert_int_equal(vcpu_check_state(&cpu, &in), -E_INVAL);
	if (!strstr(fake_log_last, word))
		fail_msg("expected '%s' in: %s", word, fake_log_last);
	in = now;
}

/* As Linux runs. */
static void long_mode(void)
{
	for (unsigned i = 0; i < SEG_COUNT; i++)
		now.seg[i] = (struct cpu_segment){.limit = 0xffffffff, .access = 0xc093};
	now.seg[SEG_CS] =
	    (struct cpu_segment){.limit = 0xffffffff, .access = 0xa09b, .selector = 16};
	now.seg[SEG_GS].base = HIGH;
	now.seg[SEG_LDTR].access = 0x10000;
	now.seg[SEG_TR] = (struct cpu_segment){.base = HIGH, .limit = 0x206f, .access = 0x8b};
	now.cr0 = 0x80050033;
	now.cr4 = 0xa0;
	now.cr3 = 0x123000;
	now.efer = 0xd01;
	now.rip = HIGH + 0x1000;
	now.rflags = 0x202;
	now.gdtr_limit = now.idtr_limit = 0xfff;
	now.gdtr_base = now.idtr_base = HIGH;
	now.msrs[CPU_MSR_LSTAR] = HIGH;
	in = now;
}

static void test_table(void **state)
{
	uint8_t wire[sizeof(struct cpu_state)];
	struct cpu_state back;

	assert_int_equal(state_table_gap(&vcpu_state_table), 0);
	assert_int_equal(state_wire_size(&vcpu_state_table), sizeof(struct cpu_state));
	for (size_t i = 0; i < sizeof(in); i++)
		((uint8_t *)&in)[i] = i * 7;
	assert_int_equal(state_save(&vcpu_state_table, &in, wire, sizeof(wire)), (int)sizeof(wire));
	assert_int_equal(state_load(&vcpu_state_table, &back, wire, sizeof(wire)), 0);
	assert_memory_equal(&back, &in, sizeof(in));
}

static void test_reset(void **state)
{
	assert_true(cpu.state_new);
	assert_int_equal(now.rip + now.seg[SEG_CS].base, 0xfffffff0);
	assert_int_equal(now.cr0, 0x60000010);
	assert_int_equal(now.rflags, 2);
	accepted();
	long_mode();
	accepted();
	vcpu_get_state(&cpu, &in);
	assert_int_equal(in.guest_tsc, 777);
	assert_int_equal(in.cr8, 9);
}

/* What comes while a new state waits to be loaded is not lost, in the run nor in a move. */
static void test_signals_before_load(void **state)
{
	in.activity = CPU_WAIT_SIPI;
	assert_int_equal(vcpu_set_state(&cpu, &in), 0);
	assert_true(cpu.wait_sipi && cpu.state_new && !cpu.halted); /* a SIPI finds it waiting */
	in.activity = CPU_HALTED;
	in.nmi_pending = 1;
	assert_int_equal(vcpu_set_state(&cpu, &in), 0);
	assert_true(!cpu.wait_sipi && cpu.halted && cpu.nmi_pending);
	vcpu_get_state(&cpu, &in);
	assert_int_equal(in.nmi_pending, 1);
	assert_int_equal(in.activity, CPU_HALTED);
	in.nmi_pending = 0;
	assert_int_equal(vcpu_set_state(&cpu, &in), 0);
	cpu.nmi_pending = true; /* as vcpu_nmi does, before the vCPU ran */
	cpu.halted = false;
	vcpu_get_state(&cpu, &in);
	assert_int_equal(in.nmi_pending, 1);
	assert_int_equal(in.activity, CPU_ACTIVE);
	assert_true(cpu.state_new);
}

/* SDM: INIT leaves FPU, MSRs, MTRRs and the caches as they are. */
static void test_init(void **state)
{
	long_mode();
	now.cr0 |= 1ul << 30;
	now.xcr0 = 7;
	now.msrs[CPU_MSR_TSC_ADJUST] = 5;
	now.mtrr_fix[3] = 6;
	now.xsave[100] = 0x5a;
	now.event_info = 1u << 31 | 0x30;
	cpu.id = 1;
	cpu.nmi_pending = true;
	vcpu_init_state(&cpu);
	cpu.id = 0;
	assert_true(cpu.wait_sipi && cpu.state_new && !cpu.nmi_pending);
	assert_int_equal(now.cr0, 1ul << 30 | 0x10);
	assert_int_equal(now.efer | now.cr4 | now.cr3 | now.event_info, 0);
	assert_int_equal(now.rip, 0xfff0);
	assert_int_equal(now.xcr0, 7);
	assert_int_equal(now.msrs[CPU_MSR_TSC_ADJUST], 5);
	assert_int_equal(now.msrs[CPU_MSR_LSTAR], HIGH);
	assert_int_equal(now.mtrr_fix[3], 6);
	assert_int_equal(now.xsave[100], 0x5a);
	in = now;
	accepted();
}

/* What would fault in the host. */
static void test_xsave(void **state)
{
	uint64_t *header = (uint64_t *)(in.xsave + 512);
	uint32_t *mxcsr = (uint32_t *)(in.xsave + 24);

	header[0] = 7;
	in.xcr0 = 7;
	*mxcsr = 0xffff;
	accepted();
	header[0] = 8;
	refused("XSTATE_BV");
	header[0] = 1ull << 63;
	refused("XSTATE_BV");
	for (unsigned i = 1; i < 8; i++) {
		header[i] = 1ull << 63;
		refused("XSAVE header");
	}
	*mxcsr = 0x10000;
	refused("MXCSR");
	in.xsave_len = 512;
	refused("length");
	for (uint64_t bad = 0; bad < 16; bad++) {
		in.xcr0 = bad;
		if (bad == 1 || bad == 3 || bad == 7)
			accepted();
		else
			refused("XCR0");
	}
	/* a guest without XSAVE still has SSE registers */
	vm.cpuid.xcr0 = 1;
	header[0] = 3;
	accepted();
	header[0] = 4;
	refused("XSTATE_BV");
	vm.cpuid.xcr0 = 0xe7;
	in.xcr0 = 0xe7;
	accepted();
	in.xcr0 = 0x67;
	refused("XCR0");
	in.xcr0 = 0xe3;
	refused("XCR0");
}

static void test_msrs(void **state)
{
	static const enum cpu_msr addresses[] = {CPU_MSR_LSTAR, CPU_MSR_CSTAR,
						 CPU_MSR_KERNEL_GS_BASE, CPU_MSR_SYSENTER_ESP,
						 CPU_MSR_SYSENTER_EIP};

	for (size_t i = 0; i < ARRAY_SIZE(addresses); i++) {
		in.msrs[addresses[i]] = 0xffff7fffffffffff;
		refused("address MSR");
		in.msrs[addresses[i]] = 0x800000000000;
		refused("address MSR");
	}
	in.msrs[CPU_MSR_FMASK] = 1ull << 32;
	refused("FMASK");
	in.msrs[CPU_MSR_TSC_AUX] = 1ull << 32;
	refused("TSC_AUX");
	in.msrs[CPU_MSR_SPEC_CTRL] = 1;
	refused("SPEC_CTRL");
	in.msrs[CPU_MSR_PAT] = 0x0007040600070402;
	refused("PAT");
	in.msrs[CPU_MSR_PAT] = 0x0807040600070406;
	refused("PAT");
}

static void test_control(void **state)
{
	in.dr6 = 1ull << 32;
	refused("DR6");
	in.dr7 = 1ull << 32;
	refused("DR7");
	in.cr8 = 16;
	refused("CR8");
	in.cr0 = 0x80000010; /* PG without PE */
	refused("CR0");
	in.cr0 = 0x20000010; /* NW without CD */
	refused("CR0");
	in.cr0 |= 1ull << 32;
	refused("CR0");
	in.cr4 = 1ul << 13; /* VMXE, which no guest is shown */
	refused("CR4");
	in.cr4 = 1ul << 17; /* PCIDE outside long mode */
	refused("CR4");
	in.efer = 2;
	refused("EFER");
	in.cr4 = 0x20;
	in.efer = 0x400; /* LMA without LME and paging */
	refused("EFER");
	long_mode();
	in.efer = 0x901;
	refused("EFER");
	in.cr4 &= ~0x20ul;
	refused("CR4");
	in.cr3 = 1ull << 46;
	refused("CR3");
	in.cr3 = (1ull << 46) - 1;
	accepted();
}

static void test_pdptes(void **state)
{
	in.cr0 = 0x80000011;
	in.cr4 = 0x20;
	in.pdpte[3] = 0x5001;
	accepted();
	in.pdpte[1] = 0xfffffffffffffffe; /* not present: anything goes */
	accepted();
	now = in;
	in.pdpte[1] = 0x5003;
	refused("PDPTE");
	in.pdpte[0] = 1ull << 46 | 1;
	refused("PDPTE");
}

static void test_segments(void **state)
{
	long_mode();
	in.seg[SEG_CS].access = 0xe09b; /* L and D */
	refused("CS");
	in.seg[SEG_CS].access |= 0x10000;
	refused("CS");
	in.seg[SEG_CS].access = 0xa01b; /* not present */
	refused("CS");
	in.seg[SEG_CS].access = 0xa098; /* not accessed */
	refused("CS");
	in.seg[SEG_CS].base = 1ull << 32;
	refused("CS");
	in.seg[SEG_DS].access |= 0x100; /* reserved */
	refused("DS");
	in.seg[SEG_DS].limit = 0xfffff000; /* pages, but not whole ones */
	refused("DS");
	in.seg[SEG_DS].access &= ~0x8000u; /* bytes, but more than 1 MiB */
	refused("DS");
	in.seg[SEG_DS].access |= 0x10000; /* unusable: no matter */
	in.seg[SEG_DS].limit = 5;
	accepted();
	in = now;
	in.seg[SEG_SS].access = 0xc09b;
	refused("SS");
	in.seg[SEG_TR].access = 0x10000;
	refused("TR");
	in.seg[SEG_TR].access = 0x83; /* a 16-bit TSS, in long mode */
	refused("TR");
	in.seg[SEG_TR].selector = 4;
	refused("TR");
	in.seg[SEG_FS].base = 1ull << 47;
	refused("FS");
	in.seg[SEG_FS].access |= 0x10000;
	in.seg[SEG_FS].base = 1ull << 47;
	refused("FS");
	in.seg[SEG_LDTR].access = 0x83;
	refused("LDTR");
	in.gdtr_limit = 0x10000;
	refused("GDTR");
	in.idtr_base = 1ull << 47;
	refused("IDTR");
}

static void test_privilege(void **state)
{
	in.seg[SEG_SS].access = 0xf3; /* real mode has no privilege levels */
	refused("SS");
	in.seg[SEG_CS].access = 0xf3;
	refused("CS");
	long_mode();
	in.seg[SEG_CS].access = 0xa0fb;
	refused("CS");
	in.seg[SEG_CS].access = 0xa0fb;
	in.seg[SEG_SS].access = 0xc0f3;
	accepted();
	in.seg[SEG_CS].access = 0xa09b;
	refused("CS");
	in.seg[SEG_CS].access = 0xa09f; /* conforming: not above SS */
	in.seg[SEG_SS].access = 0xc0f3;
	accepted();
	in.seg[SEG_CS].access = 0xa0ff;
	in.seg[SEG_SS].access = 0xc0d3;
	refused("CS");
}

static void test_virtual_8086(void **state)
{
	now.cr0 |= 1;
	now.rflags |= 1 << 17;
	for (unsigned i = 0; i < SEG_LDTR; i++)
		now.seg[i] = (struct cpu_segment){
		    .selector = 0x1234, .base = 0x12340, .limit = 0xffff, .access = 0xf3};
	now.rip = 0x100;
	in = now;
	accepted();
	in.seg[SEG_ES].base++;
	refused("ES");
	in.seg[SEG_ES].limit = 0xfffff;
	refused("ES");
	in.cr0 &= ~1ul;
	refused("RFLAGS");
}

static void test_flow(void **state)
{
	in.rip = 1ull << 32;
	refused("RIP");
	in.rflags |= 8;
	refused("RFLAGS");
	in.rflags |= 1ull << 22;
	refused("RFLAGS");
	in.activity = CPU_SHUTDOWN;
	refused("activity");
	in.activity = 4;
	refused("activity");
	in.activity = CPU_HALTED;
	accepted();
	in.blocking = 4;
	refused("blocking");
	in.blocking = CPU_BLOCKING_STI; /* with IF clear */
	refused("blocking");
	in.rflags |= 0x200;
	in.blocking = CPU_BLOCKING_STI | CPU_BLOCKING_MOV_SS;
	refused("blocking");
	in.rflags |= 0x200;
	in.blocking = CPU_BLOCKING_STI | CPU_BLOCKING_NMI;
	accepted();
	in.pending_dbg = 0x10;
	refused("debug");
	/* STI and MOV SS hold back a step, which is pending then, or there is none */
	in.blocking = CPU_BLOCKING_MOV_SS;
	in.pending_dbg = 0x4000;
	refused("debug");
	in.blocking = CPU_BLOCKING_MOV_SS;
	in.rflags |= 0x100;
	refused("debug");
	in.blocking = CPU_BLOCKING_MOV_SS;
	in.rflags |= 0x100;
	in.pending_dbg = 0x4000;
	accepted();
	in = now;
	in.nmi_pending = 2;
	refused("NMI");
	long_mode();
	in.rip = 1ull << 47;
	refused("RIP");
}

static void test_event(void **state)
{
	const uint32_t valid = 1u << 31, with_error = 1u << 11;

	long_mode();
	in.event_info = valid | 3 << 8 | with_error | 14; /* a page fault */
	in.event_error = 2;
	accepted();
	in.event_error = 1 << 16;
	refused("error code");
	in.event_info = valid | 3 << 8 | with_error | 6; /* #UD pushes none */
	refused("error code");
	in.event_info = valid | 3 << 8 | 13; /* and #GP pushes one */
	refused("error code");
	in.event_info = valid | 3 << 8 | with_error | 21;
	refused("error code");
	in.event_info = valid | 3 << 8 | 32;
	refused("event");
	in.event_info = 3 << 8 | 14; /* not marked valid */
	refused("event");
	in.event_info = valid | 1 << 8 | 5;
	refused("event");
	in.event_info = valid | 7 << 8;
	refused("event");
	in.event_info = valid | 1 << 12 | 3 << 8 | 6;
	refused("event");
	in.event_info = valid | 2 << 8 | 2; /* NMI */
	accepted();
	in.blocking = CPU_BLOCKING_NMI;
	refused("event");
	in.event_info = valid | 2 << 8 | 3;
	refused("event");
	in.event_info = valid | 0x30; /* an interrupt */
	accepted();
	in.rflags &= ~0x200ul;
	refused("event");
	in.event_info = valid | 4 << 8 | 0x80; /* INT 80h */
	refused("length");
	in.event_info = valid | 4 << 8 | 0x80;
	in.event_len = 2;
	accepted();
	in.event_len = 16;
	refused("length");
}

#define TEST(fn) cmocka_unit_test_setup(fn, set_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_table),	  TEST(test_reset),	   TEST(test_signals_before_load),
	    TEST(test_init),	  TEST(test_xsave),	   TEST(test_msrs),
	    TEST(test_control),	  TEST(test_pdptes),	   TEST(test_segments),
	    TEST(test_privilege), TEST(test_virtual_8086), TEST(test_flow),
	    TEST(test_event),
	};

	return cmocka_run_group_tests_name("vcpu_state", tests, NULL, NULL);
}
