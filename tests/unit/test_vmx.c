/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Exits, control registers, events and state on a VMCS that is a table of numbers:
 * decoding, re-injection, RIP, the flushes that VPIDs make necessary, the PML buffer.
 */
#include <string.h>

#include "tests/unit/fake_kernel.h"

#include "arch/x86/apic.h"
#include "arch/x86/vmx/hw_vcpu.h"

#define CR0_PE BIT(0)
#define CR0_TS BIT(3)
#define CR0_NE BIT(5)
#define CR0_NW BIT(29)
#define CR0_CD BIT(30)
#define CR0_PG BIT(31)
#define VALID  INTR_INFO_VALID

struct vmx_caps vmx_caps;

static struct hw_vcpu cpu;
static uint64_t pml[PML_ENTRIES];
static uint8_t xsave[CPU_XSAVE_MAX];
static uint64_t guest_page[512];
static uint32_t apic_page[1024];
static unsigned nmis_finished, timer_sets;
static uint64_t timer_at;

/* ---- what the test stands in for ---- */

void vmx_finish_nmi(void);
void vmx_finish_nmi(void)
{
	nmis_finished++;
}

void apic_timer_set(uint64_t deadline)
{
	timer_sets++;
	timer_at = deadline;
}

void guest_regs_load(struct hw_vcpu *h)
{
}

void guest_regs_save(struct hw_vcpu *h)
{
}

void guest_regs_disown(struct hw_vcpu *h)
{
}

void guest_dr6_add(struct hw_vcpu *h, uint64_t causes)
{
	h->dr6 = (h->dr6 & ~15ull) | causes;
}

const uint64_t *guest_drs(struct hw_vcpu *h)
{
	return h->dr;
}

void hw_vcpu_use(struct hw_vcpu *h)
{
}

static unsigned invalidations;

void ept_invalidate(const struct slat *s)
{
	invalidations++;
}

/* A program of exits that the processor makes. */
static struct {
	uint32_t reason;
	uint64_t rax;
} exits[8];
static unsigned exit_at;

int vmx_enter_guest(struct hw_vcpu *h, bool launched)
{
	assert_int_equal(launched, exit_at > 0);
	vmwrite(VMCS_EXIT_REASON, exits[exit_at].reason);
	vmwrite(VMCS_EXIT_INSN_LEN, 2);
	h->gpr[RAX] = exits[exit_at].rax;
	exit_at++;
	return 0;
}

static void *page_at(void *ctx, gpa_t gpa)
{
	assert_ptr_equal(ctx, &cpu);
	return gpa == 0x5000 ? guest_page : NULL;
}

static int set_up(void **state)
{
	fake_kernel_reset();
	fake_cpu_reset();
	memset(&cpu, 0, sizeof(cpu));
	memset(&vmx_caps, 0, sizeof(vmx_caps));
	vmx_caps.cr0_fixed0 = CR0_PE | CR0_NE | CR0_PG;
	vmx_caps.cr4_fixed0 = BIT(13);
	vmx_caps.phys_bits = 40;
	vmx_caps.virt.preemption_timer = true;
	vmx_caps.controls.exit = EXIT_SAVE_TIMER;
	cpu.setup =
	    (struct hw_vcpu_setup){.slat = slat_create(), .guest_page = page_at, .ctx = &cpu};
	cpu.pml = pml;
	cpu.xsave = xsave;
	cpu.apic_page = apic_page;
	cpu.cr4_allowed = 0x7ff | BIT(17) | BIT(18);
	cpu.xcr0_allowed = 7;
	nmis_finished = timer_sets = invalidations = exit_at = 0;
	memset(exits, 0, sizeof(exits));
	vmwrite(VMCS_GUEST_PML_INDEX, PML_ENTRIES - 1);
	cr_load(&cpu, 0x60000010, 0, 0);
	return 0;
}

static int tear_down(void **state)
{
	slat_destroy(cpu.setup.slat);
	return fake_alloc_live;
}

static struct vcpu_exit decode(uint32_t reason, uint64_t qualification)
{
	struct vcpu_exit e;

	memset(&e, 0x77, sizeof(e));
	cpu.exit_reason = reason;
	vmwrite(VMCS_EXIT_QUALIFICATION, qualification);
	hw_vcpu_decode(&cpu, &e);
	return e;
}

static bool flush_due(void)
{
	bool due = cpu.seen_generation != cpu.setup.slat->generation;

	cpu.seen_generation = cpu.setup.slat->generation;
	return due;
}

/* ---- exits ---- */

static void test_io(void **state)
{
	struct vcpu_exit e = decode(EXIT_REASON_IO, 0x3f8ull << 16 | 8 | 1); /* IN, 2 bytes */

	assert_int_equal(e.kind, VCPU_EXIT_IO);
	assert_int_equal(e.io.port, 0x3f8);
	assert_int_equal(e.io.size, 2);
	assert_true(e.io.in && !e.io.string && !e.io.rep);
	vmwrite(VMCS_EXIT_INSN_INFO, 2 << 7);
	vmwrite(VMCS_GUEST_LINEAR_ADDR, 0x1234);
	e = decode(EXIT_REASON_IO, 0xffffull << 16 | 16 | 32 | 3);
	assert_true(!e.io.in && e.io.string && e.io.rep);
	assert_int_equal(e.io.size, 4);
	assert_int_equal(e.io.addr_size, 8);
	assert_int_equal(e.io.linear, 0x1234);
}

/* INS and OUTS exit before their segment is looked at. */
static void test_string_io_segments(void **state)
{
	const uint64_t ins = 16 | 8 | 1, outs = 16 | 1; /* of 2 bytes */

	vmwrite(VMCS_EXIT_INSN_INFO, 1 << 7 | SEG_SS << 15);
	vmwrite(VMCS_GUEST_ES_ACCESS, 0xc093);
	vmwrite(VMCS_GUEST_ES_LIMIT, 0xfff);
	cpu.gpr[RDI] = 0x500000ffe;
	assert_false(decode(EXIT_REASON_IO, ins).io.outside);
	cpu.gpr[RDI] = 0xfff;
	assert_true(decode(EXIT_REASON_IO, ins).io.outside);
	cpu.gpr[RDI] = 0;
	vmwrite(VMCS_GUEST_ES_ACCESS, 0xc091); /* read-only */
	assert_true(decode(EXIT_REASON_IO, ins).io.outside);
	vmwrite(VMCS_GUEST_ES_ACCESS, 0x10000);
	assert_true(decode(EXIT_REASON_IO, ins).io.outside);
	/* OUTS by SS, which expands down */
	vmwrite(VMCS_GUEST_ES_ACCESS + 2 * SEG_SS, 0x97);
	vmwrite(VMCS_GUEST_ES_LIMIT + 2 * SEG_SS, 0x7fff);
	cpu.gpr[RSI] = 0x7fff;
	assert_true(decode(EXIT_REASON_IO, outs).io.outside);
	assert_true(decode(EXIT_REASON_IO, outs).io.stack);
	cpu.gpr[RSI] = 0x8000;
	assert_false(decode(EXIT_REASON_IO, outs).io.outside);
	cpu.gpr[RSI] = 0xffff;
	assert_true(decode(EXIT_REASON_IO, outs).io.outside);
	vmwrite(VMCS_GUEST_EFER, 0x500); /* 64-bit code has no limits */
	vmwrite(VMCS_GUEST_CS_ACCESS, SEG_ACCESS_L);
	vmwrite(VMCS_EXIT_INSN_INFO, 2 << 7 | SEG_DS << 15);
	vmwrite(VMCS_GUEST_LINEAR_ADDR, 0x7ffffffffffe);
	assert_false(decode(EXIT_REASON_IO, outs).io.outside);
	vmwrite(VMCS_GUEST_LINEAR_ADDR, 0x7fffffffffff);
	assert_true(decode(EXIT_REASON_IO, outs).io.outside);
}

static void test_io_breakpoints(void **state)
{
	cpu.cr4_allowed |= 8;
	cpu.dr[0] = 0x3f8;
	cpu.dr[2] = 0x1003; /* 4 bytes from 0x1000 */
	vmwrite(VMCS_GUEST_DR7, 0x400 | 1 | 0x10 | 2 << 16 | 0xeull << 24);
	decode(EXIT_REASON_IO, 0x3f8ull << 16);
	assert_int_equal(vmread(VMCS_GUEST_PENDING_DBG), 0); /* without CR4.DE */
	assert_true(cr4_write(&cpu, 8));
	decode(EXIT_REASON_IO, 0x3f8ull << 16);
	assert_int_equal(vmread(VMCS_GUEST_PENDING_DBG), PENDING_DBG_ENABLED | 1);
	vmwrite(VMCS_GUEST_PENDING_DBG, 0);
	decode(EXIT_REASON_IO, 0x3f9ull << 16);
	decode(EXIT_REASON_IO, 0xfffull << 16);
	assert_int_equal(vmread(VMCS_GUEST_PENDING_DBG), 0);
	decode(EXIT_REASON_IO, 0xfffull << 16 | 1); /* two bytes */
	assert_int_equal(vmread(VMCS_GUEST_PENDING_DBG), PENDING_DBG_ENABLED | 4);
	vmwrite(VMCS_GUEST_PENDING_DBG, 0);
	vmwrite(VMCS_GUEST_DR7, 0x400 | 1 | 1 << 16); /* a data breakpoint */
	decode(EXIT_REASON_IO, 0x3f8ull << 16);
	assert_int_equal(vmread(VMCS_GUEST_PENDING_DBG), 0);
}

static void test_data_breakpoints(void **state)
{
	cpu.dr[1] = 0xfee00030;
	cpu.dr[3] = 0xffff800000000008;
	vmwrite(VMCS_GUEST_DR7, 0x400 | 8 | 0xdull << 20); /* DR1: 4 bytes, write */
	hw_vcpu_data_access(&cpu, 0xfee00033, 4, false);
	hw_vcpu_data_access(&cpu, 0xfee00034, 4, true);
	assert_int_equal(vmread(VMCS_GUEST_PENDING_DBG), 0);
	hw_vcpu_data_access(&cpu, 0xfee00033, 4, true);
	assert_int_equal(vmread(VMCS_GUEST_PENDING_DBG), PENDING_DBG_ENABLED | 2);
	vmwrite(VMCS_GUEST_PENDING_DBG, 0);
	vmwrite(VMCS_GUEST_DR7, 0x400 | 0x40 | 0xbull << 28); /* DR3: 8 bytes, any access */
	hw_vcpu_data_access(&cpu, 0xffff80000000000f, 1, false);
	assert_int_equal(vmread(VMCS_GUEST_PENDING_DBG), PENDING_DBG_ENABLED | 8);
}

static void test_host_exits(void **state)
{
	struct vcpu_exit e;

	vmwrite(VMCS_EXIT_INTR_INFO, VALID | 0x42);
	e = decode(EXIT_REASON_EXTERNAL_INTR, 0);
	assert_int_equal(e.kind, VCPU_EXIT_HOST);
	assert_int_equal(e.vector, 0x42);
	vmwrite(VMCS_EXIT_INTR_INFO, VALID | INTR_TYPE_NMI | 2);
	e = decode(EXIT_REASON_EXCEPTION_NMI, 0);
	assert_int_equal(e.kind, VCPU_EXIT_HOST);
	assert_int_equal(e.vector, 0);
	assert_int_equal(nmis_finished, 1);
	e = decode(EXIT_REASON_PREEMPTION, 0);
	assert_int_equal(e.kind, VCPU_EXIT_HOST);
	assert_int_equal(e.vector, 0);
}

static void test_unknown_exits(void **state)
{
	/* Every reason decodes to something; what is not in the table stops the VM. */
	for (uint32_t reason = 0; reason < 80; reason++) {
		struct vcpu_exit e;

		if (reason == EXIT_REASON_MACHINE_CHECK)
			continue;
		vmwrite(VMCS_EXIT_INTR_INFO, VALID | INTR_TYPE_EXCEPTION | 14);
		vmwrite(VMCS_GUEST_PHYS_ADDR, 0xfee00000);
		e = decode(reason, 0);
		assert_true(e.kind < VCPU_EXIT_KINDS);
		assert_string_not_equal(vcpu_exit_name(e.kind), "?");
		if (e.kind == VCPU_EXIT_FAILED)
			assert_int_equal(e.failed.reason, reason);
	}
	assert_int_equal(decode(EXIT_REASON_EPT_MISCONFIG, 0).kind, VCPU_EXIT_FAILED);
	assert_int_equal(decode(EXIT_REASON_INIT, 0).kind, VCPU_EXIT_FAILED);
	assert_int_equal(decode(EXIT_REASON_ENTRY_FAILED | 33, 0).kind, VCPU_EXIT_FAILED);
	cpu.failed_entry = true;
	vmwrite(VMCS_INSN_ERROR, 7);
	assert_int_equal(decode(EXIT_REASON_HLT, 0).failed.detail, 7);
}

static void test_ept_violation(void **state)
{
	struct slat *s = cpu.setup.slat;
	struct vcpu_exit e;

	assert_int_equal(slat_map(s, 0, 0x40000000, SIZE_2M), 0);
	vmwrite(VMCS_GUEST_PHYS_ADDR, 0xfec00010);
	e = decode(EXIT_REASON_EPT_VIOLATION, 2);
	assert_int_equal(e.kind, VCPU_EXIT_MMIO);
	assert_int_equal(e.mmio.gpa, 0xfec00010);
	assert_true(e.mmio.write && !e.mmio.fetch);
	vmwrite(VMCS_GUEST_PHYS_ADDR, 0x1000);
	assert_int_equal(decode(EXIT_REASON_EPT_VIOLATION, 2).kind, VCPU_EXIT_RESOLVED);
	assert_int_equal(slat_log_start(s, SLAT_LOG_WP), 0);
	assert_int_equal(decode(EXIT_REASON_EPT_VIOLATION, 1).kind, VCPU_EXIT_RESOLVED);
	e = decode(EXIT_REASON_EPT_VIOLATION, 2);
	assert_int_equal(e.kind, VCPU_EXIT_DIRTY);
	assert_int_equal(e.mmio.gpa, 0x1000);
}

/* Reads go through; a write is somebody's who has nothing there, logged or not. */
static void test_rom_write(void **state)
{
	struct slat *s = cpu.setup.slat;

	assert_int_equal(slat_map_rom(s, 0xfffc0000, 0x40000000, 0x40000), 0);
	vmwrite(VMCS_GUEST_PHYS_ADDR, 0xffff1234);
	assert_int_equal(decode(EXIT_REASON_EPT_VIOLATION, 0x182).kind, VCPU_EXIT_MMIO);
	assert_int_equal(decode(EXIT_REASON_EPT_VIOLATION, 0x181).kind, VCPU_EXIT_RESOLVED);
	assert_int_equal(slat_log_start(s, SLAT_LOG_WP), 0);
	assert_int_equal(decode(EXIT_REASON_EPT_VIOLATION, 0x182).kind, VCPU_EXIT_MMIO);
}

/* Accesses that are no instruction's cannot be carried out for it. */
static void test_no_memory(void **state)
{
	struct vcpu_exit e;

	vmwrite(VMCS_GUEST_PHYS_ADDR, 0xd0000000);
	assert_int_equal(decode(EXIT_REASON_EPT_VIOLATION, 0x182).kind, VCPU_EXIT_MMIO);
	e = decode(EXIT_REASON_EPT_VIOLATION, 0x81);
	assert_int_equal(e.kind, VCPU_EXIT_FAILED);
	assert_non_null(strstr(e.why, "page tables"));
	vmwrite(VMCS_IDT_VECTORING_INFO, VALID | INTR_TYPE_EXCEPTION | 6);
	e = decode(EXIT_REASON_EPT_VIOLATION, 0x182);
	assert_int_equal(e.kind, VCPU_EXIT_FAILED);
	assert_non_null(strstr(e.why, "stack"));
	assert_null(decode(EXIT_REASON_HLT, 0).why);
}

/* An IRET that an EPT violation or a full PML buffer cut short runs again with NMIs blocked. */
static void test_iret_unblocking(void **state)
{
	static const uint32_t reasons[] = {EXIT_REASON_EPT_VIOLATION, EXIT_REASON_PML_FULL};

	for (size_t i = 0; i < ARRAY_SIZE(reasons); i++) {
		vmwrite(VMCS_GUEST_INTR_STATE, 0);
		vmwrite(VMCS_IDT_VECTORING_INFO, 0);
		decode(reasons[i], 2);
		assert_int_equal(vmread(VMCS_GUEST_INTR_STATE), 0);
		decode(reasons[i], 2 | 1 << 12);
		assert_int_equal(vmread(VMCS_GUEST_INTR_STATE), INTR_STATE_NMI);
		vmwrite(VMCS_GUEST_INTR_STATE, 0);
		vmwrite(VMCS_IDT_VECTORING_INFO, VALID | 0x30); /* then the bit means nothing */
		decode(reasons[i], 2 | 1 << 12);
		assert_int_equal(vmread(VMCS_GUEST_INTR_STATE), 0);
	}
}

/* ---- events ---- */

static void test_requeue(void **state)
{
	vmwrite(VMCS_EXIT_INSN_LEN, 2);
	vmwrite(VMCS_IDT_VECTORING_ERROR, 0x18);
	vmwrite(VMCS_IDT_VECTORING_INFO,
		VALID | INTR_TYPE_EXCEPTION | INTR_INFO_ERROR | 13 | 1 << 12);
	decode(EXIT_REASON_EPT_VIOLATION, 2);
	assert_int_equal(vmread(VMCS_ENTRY_INTR_INFO),
			 VALID | INTR_TYPE_EXCEPTION | INTR_INFO_ERROR | 13);
	assert_int_equal(vmread(VMCS_ENTRY_ERROR_CODE), 0x18);
	vmwrite(VMCS_IDT_VECTORING_INFO, VALID | INTR_TYPE_SOFT_INT | 0x80);
	decode(EXIT_REASON_EPT_VIOLATION, 2);
	assert_int_equal(vmread(VMCS_ENTRY_INTR_INFO), VALID | INTR_TYPE_SOFT_INT | 0x80);
	assert_int_equal(vmread(VMCS_ENTRY_INSN_LEN), 2);
	/* an NMI that was not delivered does not block the next */
	vmwrite(VMCS_GUEST_INTR_STATE, INTR_STATE_NMI);
	vmwrite(VMCS_IDT_VECTORING_INFO, VALID | INTR_TYPE_NMI | 2);
	decode(EXIT_REASON_EPT_VIOLATION, 2);
	assert_int_equal(vmread(VMCS_GUEST_INTR_STATE), 0);
	/* and while it waits nothing else is injected over it */
	vmwrite(VMCS_GUEST_RFLAGS, 0x202);
	assert_false(hw_vcpu_can_inject_irq(&cpu));
	assert_false(hw_vcpu_can_inject_nmi(&cpu));
}

static void test_injection_gates(void **state)
{
	vmwrite(VMCS_GUEST_RFLAGS, 2);
	assert_false(hw_vcpu_can_inject_irq(&cpu));
	assert_true(hw_vcpu_can_inject_nmi(&cpu));
	vmwrite(VMCS_GUEST_RFLAGS, 0x202);
	assert_true(hw_vcpu_can_inject_irq(&cpu));
	/* a single step that waits would be forgotten */
	vmwrite(VMCS_GUEST_PENDING_DBG, PENDING_DBG_BS);
	assert_false(hw_vcpu_can_inject_irq(&cpu));
	assert_false(hw_vcpu_can_inject_nmi(&cpu));
	vmwrite(VMCS_GUEST_PENDING_DBG, 0);
	vmwrite(VMCS_GUEST_INTR_STATE, INTR_STATE_STI);
	assert_false(hw_vcpu_can_inject_irq(&cpu));
	vmwrite(VMCS_GUEST_INTR_STATE, INTR_STATE_NMI);
	assert_true(hw_vcpu_can_inject_irq(&cpu));
	assert_false(hw_vcpu_can_inject_nmi(&cpu));
	hw_vcpu_inject_exception(&cpu, 13, true, 0);	  /* real mode pushes no error code */
	assert_true(vmread(VMCS_GUEST_RFLAGS) & 0x10000); /* a fault sets RF */
	assert_int_equal(vmread(VMCS_ENTRY_INTR_INFO), VALID | INTR_TYPE_EXCEPTION | 13);
	cr_load(&cpu, CR0_PE, 0, 0);
	vmwrite(VMCS_ENTRY_INTR_INFO, 0);
	hw_vcpu_inject_exception(&cpu, 13, true, 0);
	assert_int_equal(vmread(VMCS_ENTRY_INTR_INFO),
			 VALID | INTR_TYPE_EXCEPTION | INTR_INFO_ERROR | 13);
}

static struct vcpu_exit exception(uint32_t type, uint8_t vector, uint64_t qualification)
{
	vmwrite(VMCS_ENTRY_INTR_INFO, 0); /* each exit clears it */
	vmwrite(VMCS_EXIT_INTR_INFO,
		VALID | type | vector | (vector == VECTOR_ALIGNMENT ? INTR_INFO_ERROR : 0));
	return decode(EXIT_REASON_EXCEPTION_NMI, qualification);
}

/* #AC and #DB come to us and go on to the guest as the processor would have delivered them. */
static void test_reflected_exceptions(void **state)
{
	cr_load(&cpu, CR0_PE, 0, 0);
	vmwrite(VMCS_EXIT_INTR_ERROR, 0);
	assert_int_equal(exception(INTR_TYPE_EXCEPTION, 17, 0).kind, VCPU_EXIT_RESOLVED);
	assert_int_equal(vmread(VMCS_ENTRY_INTR_INFO),
			 VALID | INTR_TYPE_EXCEPTION | INTR_INFO_ERROR | 17);
	/* a step: BS is added to what stands there, B0 to B3 are of this exception alone */
	cpu.dr6 = 0xffff2ff3;
	vmwrite(VMCS_GUEST_DR7, 0x2400);
	vmwrite(VMCS_GUEST_INTR_STATE, INTR_STATE_STI | INTR_STATE_NMI);
	assert_int_equal(exception(INTR_TYPE_EXCEPTION, 1, 0x4000).kind, VCPU_EXIT_RESOLVED);
	assert_int_equal(cpu.dr6, 0xffff6ff0);
	assert_int_equal(vmread(VMCS_GUEST_DR7), 0x400);
	assert_int_equal(vmread(VMCS_ENTRY_INTR_INFO), VALID | INTR_TYPE_EXCEPTION | 1);
	assert_int_equal(vmread(VMCS_GUEST_INTR_STATE), INTR_STATE_NMI);
	/* INT1 keeps its type and length */
	vmwrite(VMCS_EXIT_INSN_LEN, 1);
	exception(INTR_TYPE_PRIV_SOFT, 1, 0);
	assert_int_equal(vmread(VMCS_ENTRY_INTR_INFO), VALID | INTR_TYPE_PRIV_SOFT | 1);
	assert_int_equal(vmread(VMCS_ENTRY_INSN_LEN), 1);
	assert_int_equal(exception(INTR_TYPE_EXCEPTION, 6, 0).kind, VCPU_EXIT_FAILED);
}

/* Faults that raise themselves end: double fault, then shutdown. */
static void test_endless_exceptions(void **state)
{
	static const uint8_t vectors[] = {1, 17};

	cr_load(&cpu, CR0_PE, 0, 0);
	for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
		uint8_t v = vectors[i];

		vmwrite(VMCS_IDT_VECTORING_INFO, VALID | INTR_TYPE_EXCEPTION | v);
		assert_int_equal(exception(INTR_TYPE_EXCEPTION, v, 0).kind, VCPU_EXIT_RESOLVED);
		assert_int_equal(vmread(VMCS_ENTRY_INTR_INFO),
				 VALID | INTR_TYPE_EXCEPTION | INTR_INFO_ERROR | 8);
		assert_int_equal(vmread(VMCS_ENTRY_ERROR_CODE), 0);
		vmwrite(VMCS_IDT_VECTORING_INFO, VALID | INTR_TYPE_EXCEPTION | INTR_INFO_ERROR | 8);
		assert_int_equal(exception(INTR_TYPE_EXCEPTION, v, 0).kind, VCPU_EXIT_TRIPLE_FAULT);
		cpu.shutdown = false;
		/* in an interrupt's delivery it takes the interrupt's place */
		vmwrite(VMCS_IDT_VECTORING_INFO, VALID | INTR_TYPE_EXTERNAL | 0x30);
		assert_int_equal(exception(INTR_TYPE_EXCEPTION, v, 0).kind, VCPU_EXIT_RESOLVED);
		assert_int_equal(vmread(VMCS_ENTRY_INTR_INFO) & 0xff, v);
	}
}

/* SDM vol. 3, "Conditions for Generating a Double Fault". */
static void test_double_fault(void **state)
{
	static const struct {
		uint8_t first, second, then; /* 0: shutdown */
	} cases[] = {{13, 13, 8}, {13, 14, 14}, {14, 14, 8}, {14, 11, 8}, {14, 6, 6},
		     {6, 13, 13}, {8, 13, 0},	{10, 12, 8}, {13, 17, 17}};

	cr_load(&cpu, CR0_PE, 0, 0);
	exits[0].reason = EXIT_REASON_HLT;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		volatile bool in_guest = true;

		vmwrite(VMCS_IDT_VECTORING_INFO, VALID | INTR_TYPE_EXCEPTION | cases[i].first);
		decode(EXIT_REASON_TASK_SWITCH, 0);
		hw_vcpu_inject_exception(&cpu, cases[i].second, false, 0);
		assert_int_equal(vmread(VMCS_ENTRY_INTR_INFO) & 0xff, cases[i].then);
		assert_int_equal(cpu.shutdown, !cases[i].then);
		if (cases[i].then)
			continue;
		hw_vcpu_enter(&cpu, 0, &in_guest); /* it does not enter: it says so */
		assert_false(in_guest);
		assert_int_equal(exit_at, 0);
		assert_int_equal(decode(cpu.exit_reason, 0).kind, VCPU_EXIT_TRIPLE_FAULT);
	}
}

static void test_skip(void **state)
{
	vmwrite(VMCS_GUEST_RIP, 0xfffffffe);
	vmwrite(VMCS_GUEST_INTR_STATE, INTR_STATE_STI | INTR_STATE_NMI);
	hw_vcpu_skip(&cpu, 2);
	assert_int_equal(vmread(VMCS_GUEST_RIP), 0); /* 32 bits wrap */
	assert_int_equal(vmread(VMCS_GUEST_INTR_STATE), INTR_STATE_NMI);
	assert_int_equal(vmread(VMCS_GUEST_PENDING_DBG), 0);
	vmwrite(VMCS_ENTRY_CONTROLS, ENTRY_GUEST_64); /* compatibility mode: so they do here */
	vmwrite(VMCS_GUEST_RIP, 0xffffffff);
	hw_vcpu_skip(&cpu, 3);
	assert_int_equal(vmread(VMCS_GUEST_RIP), 2);
	vmwrite(VMCS_GUEST_CS_ACCESS, SEG_ACCESS_L);
	vmwrite(VMCS_GUEST_RIP, 0xffffffff);
	vmwrite(VMCS_GUEST_RFLAGS, 0x10102); /* a debugger steps over it */
	hw_vcpu_skip(&cpu, 3);
	assert_int_equal(vmread(VMCS_GUEST_RFLAGS), 0x102); /* RF was for this one */
	assert_int_equal(vmread(VMCS_GUEST_RIP), 0x100000002);
	assert_int_equal(vmread(VMCS_GUEST_PENDING_DBG), PENDING_DBG_BS);
}

/* ---- control registers ---- */

static void test_cr0(void **state)
{
	flush_due();
	assert_int_equal(cr0_read(), 0x60000010);
	/* the caches stay on, NE stays set, whatever the guest sees */
	assert_int_equal(vmread(VMCS_GUEST_CR0), 0x10 | CR0_NE);
	assert_true(cr0_write(&cpu, CR0_PE | CR0_TS));
	assert_int_equal(cr0_read(), CR0_PE | CR0_TS | 0x10);
	assert_false(flush_due());
	assert_false(cr0_write(&cpu, CR0_PG)); /* without PE */
	assert_false(cr0_write(&cpu, CR0_NW)); /* without CD */
	assert_true(cr0_write(&cpu, CR0_PG | CR0_PE));
	assert_true(flush_due());
	assert_true(cr0_write(&cpu, CR0_PE));
	assert_true(flush_due());
	/* long mode: LMA follows, PAE is a must */
	assert_int_equal(hw_vcpu_write_msr(&cpu, 0xc0000080, 0x100), 0);
	assert_false(cr0_write(&cpu, CR0_PG | CR0_PE));
	assert_true(cr4_write(&cpu, 0x20));
	assert_true(flush_due());
	assert_true(cr0_write(&cpu, CR0_PG | CR0_PE));
	assert_int_equal(vmread(VMCS_GUEST_EFER), 0x500);
	assert_true(vmread(VMCS_ENTRY_CONTROLS) & ENTRY_GUEST_64);
	assert_int_equal(hw_vcpu_write_msr(&cpu, 0xc0000080, 0), -E_INVAL); /* LME, while paging */
	assert_false(cr4_write(&cpu, 0));				    /* PAE cannot go */
	vmwrite(VMCS_GUEST_CS_ACCESS, SEG_ACCESS_L);
	assert_false(cr0_write(&cpu, CR0_PE)); /* in 64-bit code */
	vmwrite(VMCS_GUEST_CS_ACCESS, 0);
	assert_true(cr4_write(&cpu, 0x20 | BIT(17)));
	assert_false(cr0_write(&cpu, CR0_PE)); /* with PCIDs */
	assert_true(cr4_write(&cpu, 0x20));
	assert_true(cr0_write(&cpu, CR0_PE));
	assert_int_equal(vmread(VMCS_GUEST_EFER), 0x100);
	assert_false(vmread(VMCS_ENTRY_CONTROLS) & ENTRY_GUEST_64);
}

static void test_cr4(void **state)
{
	assert_int_equal(cr4_read(), 0);
	assert_true(vmread(VMCS_GUEST_CR4) & BIT(13)); /* VMXE is on and not seen */
	assert_true(vmread(VMCS_GUEST_CR4) & BIT(6));  /* and machine checks exit */
	assert_false(cr4_write(&cpu, BIT(13)));
	assert_false(cr4_write(&cpu, BIT(22)));
	assert_false(cr4_write(&cpu, BIT(17))); /* PCIDE outside long mode */
	assert_true(cr4_write(&cpu, 0x40));
	assert_int_equal(cr4_read(), 0x40);
	assert_true(cr4_write(&cpu, 0x10));
	assert_int_equal(cr4_read(), 0x10);
	assert_true(vmread(VMCS_GUEST_CR4) & BIT(6));
}

static void test_pdptes(void **state)
{
	memset(guest_page, 0, sizeof(guest_page));
	guest_page[4] = 0x7001;
	guest_page[7] = 0x9001;
	vmwrite(VMCS_GUEST_CR3, 0x5020);
	assert_true(cr4_write(&cpu, 0x20));
	assert_true(cr0_write(&cpu, CR0_PG | CR0_PE));
	assert_int_equal(vmread(VMCS_GUEST_PDPTE0), 0x7001);
	assert_int_equal(vmread(VMCS_GUEST_PDPTE0 + 6), 0x9001);
	assert_true(cr0_write(&cpu, CR0_PE));
	guest_page[5] = 0x7003; /* a reserved bit */
	assert_false(cr0_write(&cpu, CR0_PG | CR0_PE));
	guest_page[5] = 1ull << 40 | 1; /* beyond the processor's addresses */
	assert_false(cr0_write(&cpu, CR0_PG | CR0_PE));
	guest_page[5] = 1ull << 40; /* not present: anything goes */
	assert_true(cr0_write(&cpu, CR0_PG | CR0_PE));
	assert_true(cr0_write(&cpu, CR0_PE));
	vmwrite(VMCS_GUEST_CR3, 0x6000); /* no RAM there */
	assert_false(cr0_write(&cpu, CR0_PG | CR0_PE));
	assert_false(cr0_read() & CR0_PG);
}

static void test_cr_access(void **state)
{
	vmwrite(VMCS_GUEST_RIP, 0x1000);
	vmwrite(VMCS_EXIT_INSN_LEN, 3);
	cpu.gpr[RBX] = CR0_PE;
	assert_int_equal(decode(EXIT_REASON_CR_ACCESS, 3 << 8).kind, VCPU_EXIT_RESOLVED);
	assert_int_equal(cr0_read(), CR0_PE | 0x10);
	assert_int_equal(vmread(VMCS_GUEST_RIP), 0x1003);
	cpu.gpr[RBX] = BIT(13);
	assert_int_equal(decode(EXIT_REASON_CR_ACCESS, 3 << 8 | 4).kind, VCPU_EXIT_PROTECTED);
	assert_int_equal(vmread(VMCS_GUEST_RIP), 0x1003);
	/* CR8 is the local APIC's, never the processor's */
	struct vcpu_exit e = decode(EXIT_REASON_CR_ACCESS, 8 | 5 << 8);

	assert_int_equal(e.kind, VCPU_EXIT_CR8);
	assert_true(e.cr8.write);
	assert_int_equal(e.cr8.gpr, RBP);
	assert_false(decode(EXIT_REASON_CR_ACCESS, 8 | 1 << 4 | 5 << 8).cr8.write);
	/* LMSW sets PE, cannot clear it */
	assert_int_equal(decode(EXIT_REASON_CR_ACCESS, 3 << 4 | 8ull << 16).kind,
			 VCPU_EXIT_RESOLVED);
	assert_int_equal(cr0_read(), CR0_PE | CR0_TS | 0x10);
}

/* ---- entering ---- */

static void run(uint64_t deadline)
{
	volatile bool in_guest = true;

	hw_vcpu_enter(&cpu, deadline, &in_guest);
	assert_false(in_guest);
}

static void test_fast_cpuid(void **state)
{
	hw_vcpu_set_cpuid(&cpu, 1, (const uint32_t[4]){1, 2, 3, 4});
	exits[0].reason = exits[1].reason = exits[2].reason = EXIT_REASON_CPUID;
	exits[0].rax = exits[1].rax = 1;
	exits[2].rax = 7; /* not in the table */
	run(1000);
	assert_int_equal(exit_at, 3);
	assert_int_equal(vmread(VMCS_GUEST_RIP), 4);
	assert_int_equal(cpu.gpr[RCX], 3);
	hw_vcpu_show_apic(&cpu, false); /* the guest switched its local APIC off */
	exit_at = 0;
	cpu.launched = false;
	hw_vcpu_set_cpuid(&cpu, 1, (const uint32_t[4]){1, 2, 3, 0x204});
	run(1000);
	assert_int_equal(cpu.gpr[RDX], 4);
	exit_at = 3;
	hw_vcpu_show_apic(&cpu, true);
	vmwrite(VMCS_GUEST_RIP, 4);
	/* asked to come out: not answered here */
	hw_vcpu_request_exit(&cpu);
	exits[3].reason = exits[4].reason = EXIT_REASON_CPUID;
	exits[3].rax = 1;
	run(1000);
	assert_int_equal(exit_at, 4);
	/* the next entry is free of the request; OSXSAVE follows CR4 */
	cr4_write(&cpu, BIT(18));
	exits[4].rax = 1;
	exits[5].reason = EXIT_REASON_HLT;
	run(1000);
	assert_int_equal(exit_at, 6);
	assert_int_equal(cpu.gpr[RCX], 3 | BIT(27));
}

static void test_invalidation(void **state)
{
	struct cpu_state s = {.rflags = 2};

	for (int i = 0; i < 8; i++)
		exits[i].reason = EXIT_REASON_HLT;
	hw_vcpu_flush(&cpu);
	run(0);
	assert_int_equal(invalidations, 1);
	run(0);
	assert_int_equal(invalidations, 1);
	cpu.setup.slat->generation++;
	run(0);
	assert_int_equal(invalidations, 2);
	hw_vcpu_set_state(&cpu, &s); /* INIT: nothing of before may be cached */
	run(0);
	assert_int_equal(invalidations, 3);
}

static void test_deadline(void **state)
{
	for (int i = 0; i < 8; i++)
		exits[i].reason = EXIT_REASON_HLT;
	vmx_caps.timer_shift = 5;
	fake_tsc = 1000;
	run(1000 + 64);
	assert_int_equal(vmread(VMCS_PREEMPTION_TIMER), 2);
	run(10); /* long past */
	assert_int_equal(vmread(VMCS_PREEMPTION_TIMER), 0);
	run(UINT64_MAX);
	assert_int_equal(vmread(VMCS_PREEMPTION_TIMER), 0xffffffff);
	assert_int_equal(timer_sets, 0);
	vmx_caps.virt.preemption_timer = false; /* then the host's own timer bounds the turn */
	run(5555);
	assert_int_equal(timer_sets, 1);
	assert_int_equal(timer_at, 5555);
}

/* Without the save-timer control an entry begins the turn anew: the fast path must not. */
static void test_deadline_in_fast_path(void **state)
{
	vmx_caps.controls.exit = 0;
	hw_vcpu_set_cpuid(&cpu, 1, (const uint32_t[4]){0});
	exits[0].reason = EXIT_REASON_CPUID;
	exits[0].rax = 1;
	exits[1].reason = EXIT_REASON_HLT;
	vmwrite(VMCS_PREEMPTION_TIMER, 0);
	fake_tsc = 0;
	run(100);
	vmwrite(VMCS_PREEMPTION_TIMER, 7); /* as the exit would leave it */
	exit_at = 0;
	cpu.launched = false;
	run(100);
	assert_int_equal(vmread(VMCS_PREEMPTION_TIMER), 100);
}

/* ---- the PML buffer ---- */

static gpa_t logged[PML_ENTRIES];
static unsigned logged_count;

static void log_gpa(void *ctx, gpa_t gpa)
{
	logged[logged_count++] = gpa;
}

static void test_pml(void **state)
{
	struct slat *s = cpu.setup.slat;

	exits[0].reason = exits[1].reason = EXIT_REASON_HLT;
	s->log = SLAT_LOG_PML;
	run(0);
	assert_true(vmread(VMCS_CPU_CONTROLS2) & CPU2_PML);
	logged_count = 0;
	hw_vcpu_drain_log(&cpu, log_gpa, NULL);
	assert_int_equal(logged_count, 0);
	for (unsigned i = 0; i < PML_ENTRIES; i++)
		pml[i] = i * PAGE_SIZE + 0x123; /* some emulators log bytes, not pages */
	vmwrite(VMCS_GUEST_PML_INDEX, PML_ENTRIES - 3);
	hw_vcpu_drain_log(&cpu, log_gpa, NULL);
	assert_int_equal(logged_count, 2);
	assert_int_equal(logged[0], (PML_ENTRIES - 2) * PAGE_SIZE);
	assert_int_equal(vmread(VMCS_GUEST_PML_INDEX), PML_ENTRIES - 1);
	logged_count = 0;
	vmwrite(VMCS_GUEST_PML_INDEX, 0xffff); /* full: it wrapped */
	hw_vcpu_drain_log(&cpu, log_gpa, NULL);
	assert_int_equal(logged_count, PML_ENTRIES);
	assert_int_equal(logged[0], 0);
	s->log = SLAT_LOG_OFF;
	run(0);
	assert_false(vmread(VMCS_CPU_CONTROLS2) & CPU2_PML);
}

/* ---- state ---- */

static void test_state(void **state)
{
	static struct cpu_state in, out;

	in = (struct cpu_state){.rip = 0x1234,
				.rflags = 0x246,
				.cr0 = 0x80050033,
				.cr4 = 0x60620,
				.cr3 = 0x7000,
				.efer = 0xd01,
				.xcr0 = 3,
				.dr7 = 0x400,
				.event_info = VALID | INTR_TYPE_SOFT_INT | 0x80,
				.event_len = 2};
	cpu.cr4_allowed |= 0x60620;
	for (unsigned i = 0; i < 16; i++)
		in.gpr[i] = 0x100 + i;
	for (unsigned i = 0; i < SEG_COUNT; i++)
		in.seg[i] = (struct cpu_segment){
		    .base = i << 12, .limit = i, .access = 0x90 + i, .selector = i * 8};
	in.msrs[CPU_MSR_LSTAR] = 0xffff800000000000;
	in.msrs[CPU_MSR_PAT] = 0x0007040600070406;
	in.blocking = CPU_BLOCKING_STI;
	in.xsave_len = CPU_XSAVE_MAX;
	memset(in.xsave, 0x5a, sizeof(in.xsave));
	hw_vcpu_set_state(&cpu, &in);
	hw_vcpu_get_state(&cpu, &out);
	assert_memory_equal(&out, &in, sizeof(in));
	assert_true(vmread(VMCS_ENTRY_CONTROLS) & ENTRY_GUEST_64);
}

static void test_xsetbv(void **state)
{
	assert_int_equal(hw_vcpu_xsetbv(&cpu, 0, 3), 0);
	assert_int_equal(hw_vcpu_xcr0(&cpu), 3);
	assert_int_equal(hw_vcpu_xsetbv(&cpu, 1, 3), -E_INVAL);
	assert_int_equal(hw_vcpu_xsetbv(&cpu, 0, 2), -E_INVAL);
	assert_int_equal(hw_vcpu_xsetbv(&cpu, 0, 5), -E_INVAL);
	assert_int_equal(hw_vcpu_xsetbv(&cpu, 0, 0xe7), -E_INVAL); /* more than it may */
	cpu.xcr0_allowed = 0xe7;
	assert_int_equal(hw_vcpu_xsetbv(&cpu, 0, 0xe7), 0);
	assert_int_equal(hw_vcpu_xsetbv(&cpu, 0, 0x67), -E_INVAL);
	assert_int_equal(hw_vcpu_xcr0(&cpu), 0xe7);
}

static void test_msrs(void **state)
{
	uint64_t v = 0;

	assert_int_equal(hw_vcpu_write_msr(&cpu, 0xc0000080, 0x1000), -E_INVAL); /* SVME */
	assert_int_equal(hw_vcpu_write_msr(&cpu, 0xc0000103, 1ull << 32), -E_INVAL);
	assert_int_equal(hw_vcpu_write_msr(&cpu, 0xc0000103, 5), 0);
	assert_int_equal(hw_vcpu_read_msr(&cpu, 0xc0000103, &v), 0);
	assert_int_equal(v, 5);
	assert_int_equal(hw_vcpu_write_msr(&cpu, 0x48, 1), -E_NOTSUP);
	assert_int_equal(hw_vcpu_read_msr(&cpu, 0x3a, &v), -E_NOTSUP);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_io),
	    TEST(test_string_io_segments),
	    TEST(test_io_breakpoints),
	    TEST(test_data_breakpoints),
	    TEST(test_host_exits),
	    TEST(test_unknown_exits),
	    TEST(test_ept_violation),
	    TEST(test_rom_write),
	    TEST(test_no_memory),
	    TEST(test_iret_unblocking),
	    TEST(test_requeue),
	    TEST(test_injection_gates),
	    TEST(test_reflected_exceptions),
	    TEST(test_endless_exceptions),
	    TEST(test_double_fault),
	    TEST(test_skip),
	    TEST(test_cr0),
	    TEST(test_cr4),
	    TEST(test_pdptes),
	    TEST(test_cr_access),
	    TEST(test_fast_cpuid),
	    TEST(test_invalidation),
	    TEST(test_deadline),
	    TEST(test_deadline_in_fast_path),
	    TEST(test_pml),
	    TEST(test_state),
	    TEST(test_xsetbv),
	    TEST(test_msrs),
	};

	return cmocka_run_group_tests_name("vmx", tests, NULL, NULL);
}
