/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Exceptions of the guest: injecting them, with what becomes of two at once, and the
 * two that are intercepted. #AC and #DB can raise themselves again while they are
 * delivered, for ever and inside one instruction: left to the processor they take
 * the host's CPU away (CVE-2015-5307, CVE-2015-8104).
 */
#include "arch/x86/cpu.h"
#include "arch/x86/vmx/hw_vcpu.h"
#include "arch/x86/vmx/vmcs.h"

#define VECTOR_PF 14

#define CONTRIBUTORY 0x3c01u /* 0, 10 to 13 */
#define DR7_GD	     BIT(13)
#define RFLAGS_RF    BIT(16)

void vmx_finish_nmi(void);

/* ---- two at once -------------------------------------------------------------------- */

enum second { SECOND_ALONE, DOUBLE_FAULT, SHUTDOWN };

static bool is_contributory(unsigned vector)
{
	return vector < 32 && (CONTRIBUTORY >> vector & 1);
}

/*
 * vector is raised while the event `first` (interruption information) is delivered:
 * SDM vol. 3, "Interrupt 8", table "Conditions for Generating a Double Fault". One
 * thing differs: #AC in #AC and #DB in #DB, endless in a processor, are a double fault.
 */
static enum second second_event(uint32_t first, unsigned vector)
{
	unsigned old = first & 0xff;
	bool severe = is_contributory(vector) || vector == VECTOR_PF;

	if (!(first & INTR_INFO_VALID) || (first & INTR_TYPE_MASK) != INTR_TYPE_EXCEPTION)
		return SECOND_ALONE;
	if (old == VECTOR_DOUBLE_FAULT)
		return SHUTDOWN;
	if (old == vector && (vector == VECTOR_DEBUG || vector == VECTOR_ALIGNMENT))
		return DOUBLE_FAULT;
	if ((is_contributory(old) && is_contributory(vector)) || (old == VECTOR_PF && severe))
		return DOUBLE_FAULT;
	return SECOND_ALONE;
}

static void queue(uint32_t info, bool has_error, uint32_t error)
{
	/* Real mode pushes no error codes (SDM vol. 3, checks on VM-entry event injection). */
	bool push = has_error && (cr0_read() & 1);
	uint64_t blocking = vmread(VMCS_GUEST_INTR_STATE);

	vmwrite(VMCS_ENTRY_INTR_INFO, INTR_INFO_VALID | (push ? INTR_INFO_ERROR : 0) | info);
	vmwrite(VMCS_ENTRY_ERROR_CODE, error);
	/* STI and MOV SS hold back until the next instruction: the handler's first is that.
	 * (With TF and without a pending step VM entry would refuse them.) */
	if (blocking & (INTR_STATE_STI | INTR_STATE_MOV_SS))
		vmwrite(VMCS_GUEST_INTR_STATE,
			blocking & ~(uint64_t)(INTR_STATE_STI | INTR_STATE_MOV_SS));
}

void hw_vcpu_inject_exception(struct hw_vcpu *h, uint8_t vector, bool has_error, uint32_t error)
{
	switch (second_event(vmread(VMCS_ENTRY_INTR_INFO), vector)) {
	case SECOND_ALONE:		    /* the first comes again by itself, if it was a fault */
		if (vector != VECTOR_DEBUG) /* SDM vol. 3, "RF (resume) flag": faults set it */
			vmwrite(VMCS_GUEST_RFLAGS, vmread(VMCS_GUEST_RFLAGS) | RFLAGS_RF);
		queue(INTR_TYPE_EXCEPTION | vector, has_error, error);
		break;
	case DOUBLE_FAULT:
		queue(INTR_TYPE_EXCEPTION | VECTOR_DOUBLE_FAULT, true, 0);
		break;
	case SHUTDOWN:
		vmwrite(VMCS_ENTRY_INTR_INFO, 0);
		h->shutdown = true;
		break;
	}
}

/* ---- breakpoints of what is carried out ----------------------------------------------- */

#define DR7_ENABLES 0xffu
#define CR4_DE	    BIT(3)

/*
 * They trap after the instruction (SDM vol. 3, "Debug Registers"): pending. kinds: a
 * bit for each value of R/W in DR7 that this access is.
 */
void breakpoints_match(struct hw_vcpu *h, uint64_t address, unsigned size, unsigned kinds)
{
	static const uint8_t len_mask[4] = {0, 1, 7, 3};
	uint64_t dr7 = vmread(VMCS_GUEST_DR7), hit = 0;
	const uint64_t *dr;

	if (!(dr7 & DR7_ENABLES) || (kinds == BIT(DR7_IO) && !(cr4_read() & CR4_DE)))
		return;
	dr = guest_drs(h);
	for (unsigned i = 0; i < 4; i++) {
		unsigned how = dr7 >> (16 + 4 * i) & 15;
		uint64_t mask = len_mask[how >> 2];

		if ((dr7 >> 2 * i & 3) && (kinds >> (how & 3) & 1) && address <= (dr[i] | mask) &&
		    address + size > (dr[i] & ~mask))
			hit |= BIT(i);
	}
	if (hit)
		vmwrite(VMCS_GUEST_PENDING_DBG,
			vmread(VMCS_GUEST_PENDING_DBG) | hit | PENDING_DBG_ENABLED);
}

void hw_vcpu_data_access(struct hw_vcpu *h, uint64_t linear, unsigned size, bool write)
{
	breakpoints_match(h, linear, size, BIT(DR7_ACCESS) | (write ? BIT(DR7_WRITE) : 0));
}

/* ---- exits -------------------------------------------------------------------------- */

void hw_vcpu_inject_debug(struct hw_vcpu *h, uint64_t causes)
{
	guest_dr6_add(h, causes);
	vmwrite(VMCS_GUEST_DR7, vmread(VMCS_GUEST_DR7) & ~DR7_GD);
	hw_vcpu_inject_exception(h, VECTOR_DEBUG, false, 0);
}

/*
 * The exit left DR6 and DR7 alone (SDM vol. 3, "Architectural State Before a VM
 * Exit"): what happened is in the qualification. INT1 has no cause there.
 */
static void debug_exception(struct hw_vcpu *h, uint32_t info)
{
	hw_vcpu_inject_debug(h, vmread(VMCS_EXIT_QUALIFICATION) & DEBUG_CAUSES);
	if ((info & INTR_TYPE_MASK) == INTR_TYPE_PRIV_SOFT && !h->shutdown &&
	    (vmread(VMCS_ENTRY_INTR_INFO) & 0xff) == VECTOR_DEBUG) {
		vmwrite(VMCS_ENTRY_INTR_INFO, INTR_INFO_VALID | INTR_TYPE_PRIV_SOFT | VECTOR_DEBUG);
		vmwrite(VMCS_ENTRY_INSN_LEN, vmread(VMCS_EXIT_INSN_LEN));
	}
}

enum vcpu_exit_kind machine_check(struct hw_vcpu *h, struct vcpu_exit *e)
{
	/* Memory or processor broke: the guest cannot handle that for the host. */
	arch.panic("machine check while a guest ran, guest rip %lx", vmread(VMCS_GUEST_RIP));
	return VCPU_EXIT_FAILED;
}

enum vcpu_exit_kind decode_exception_nmi(struct hw_vcpu *h, struct vcpu_exit *e)
{
	uint32_t info = vmread(VMCS_EXIT_INTR_INFO);

	if ((info & INTR_TYPE_MASK) == INTR_TYPE_NMI) {
		vmx_finish_nmi();
		e->vector = 0;
		return VCPU_EXIT_HOST;
	}
	switch (info & 0xff) {
	case VECTOR_MACHINE_CHECK:
		return machine_check(h, e);
	case VECTOR_ALIGNMENT:
		hw_vcpu_inject_exception(h, VECTOR_ALIGNMENT, true, vmread(VMCS_EXIT_INTR_ERROR));
		break;
	case VECTOR_DEBUG:
		debug_exception(h, info);
		break;
	default:
		return VCPU_EXIT_FAILED; /* no other exception is intercepted */
	}
	return h->shutdown ? VCPU_EXIT_TRIPLE_FAULT : VCPU_EXIT_RESOLVED;
}
