/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Entering the guest, the CPUID answer that needs nobody else, and event
 * injection. hw_vcpu_enter runs without the host lock: it touches only this
 * vCPU and this CPU.
 */
#include "arch/x86/apic.h"
#include "arch/x86/cpu.h"
#include "arch/x86/io.h"
#include "arch/x86/vmx/hw_vcpu.h"
#include "arch/x86/vmx/vmcs.h"

#define CR4_OSXSAVE	   BIT(18)
#define CPUID1_ECX_OSXSAVE BIT(27)
#define CPUID1_EDX_APIC	   BIT(9)
#define RFLAGS_TF	   BIT(8)
#define RFLAGS_IF	   BIT(9)
#define RFLAGS_RF	   BIT(16)

void hw_vcpu_set_cpuid(struct hw_vcpu *h, uint32_t leaf, const uint32_t regs[4])
{
	struct cpuid_fast *f;

	if (leaf < CPUID_FAST_BASIC)
		f = &h->basic[leaf];
	else if (leaf - 0x80000000u < CPUID_FAST_EXT)
		f = &h->extended[leaf - 0x80000000u];
	else
		return;
	for (int i = 0; i < 4; i++)
		f->regs[i] = regs[i];
	f->valid = true;
}

void hw_vcpu_show_apic(struct hw_vcpu *h, bool on)
{
	h->apic_off = !on;
}

void hw_vcpu_set_limits(struct hw_vcpu *h, uint64_t cr4_allowed, uint64_t xcr0_allowed)
{
	h->cr4_allowed = cr4_allowed;
	h->xcr0_allowed = xcr0_allowed;
}

void hw_vcpu_set_tsc(struct hw_vcpu *h, uint64_t offset, uint64_t ratio)
{
	hw_vcpu_use(h);
	vmwrite(VMCS_TSC_OFFSET, offset);
	if (h->cpu2_controls & CPU2_TSC_SCALING)
		vmwrite(VMCS_TSC_MULTIPLIER, ratio ? ratio : BIT(48));
}

/*
 * Anything that may wait between two CPUID exits (an interrupt, a kick) makes
 * the next entry exit at once, so nothing else need be looked at here.
 */
static inline bool cpuid_fast(struct hw_vcpu *h)
{
	uint32_t leaf = h->gpr[RAX];
	struct cpuid_fast *f;

	if (leaf < CPUID_FAST_BASIC)
		f = &h->basic[leaf];
	else if (leaf - 0x80000000u < CPUID_FAST_EXT)
		f = &h->extended[leaf - 0x80000000u];
	else
		return false;
	if (!f->valid || h->exit_requested)
		return false;
	h->gpr[RAX] = f->regs[0];
	h->gpr[RBX] = f->regs[1];
	h->gpr[RCX] = f->regs[2];
	h->gpr[RDX] = f->regs[3];
	if (leaf == 1 && (vmread(VMCS_GUEST_CR4) & CR4_OSXSAVE))
		h->gpr[RCX] |= CPUID1_ECX_OSXSAVE;
	if (leaf == 1 && h->apic_off)
		h->gpr[RDX] &= ~CPUID1_EDX_APIC;
	hw_vcpu_skip(h, vmread(VMCS_EXIT_INSN_LEN));
	return true;
}

/* Without the VMX timer the host's own bounds the guest's turn: its interrupt exits. */
static void deadline_arm(uint64_t deadline)
{
	uint64_t now, left;

	if (!vmx_caps.virt.preemption_timer) {
		apic_timer_set(deadline);
		return;
	}
	now = rdtsc();
	left = (deadline > now ? deadline - now : 0) >> vmx_caps.timer_shift;
	vmwrite(VMCS_PREEMPTION_TIMER, MIN(left, 0xffffffffull));
}

/* PML follows the VM's log; the VMCS belongs to this CPU, so it is switched here. */
static void log_follow(struct hw_vcpu *h)
{
	uint32_t want = h->cpu2_controls & ~CPU2_PML;

	if (h->setup.slat->log == SLAT_LOG_PML)
		want |= CPU2_PML;
	if (want != h->cpu2_controls) {
		h->cpu2_controls = want;
		vmwrite(VMCS_CPU_CONTROLS2, want);
	}
}

void hw_vcpu_enter(struct hw_vcpu *h, uint64_t deadline, volatile bool *in_guest)
{
	struct slat *s = h->setup.slat;

	if (h->shutdown) {
		h->shutdown = h->failed_entry = h->exit_requested = *in_guest = false;
		h->exit_reason = EXIT_REASON_TRIPLE_FAULT;
		return;
	}
	guest_regs_load(h);
	log_follow(h);
	if (h->seen_generation != s->generation) {
		h->seen_generation = s->generation;
		ept_invalidate(s);
	}
	deadline_arm(deadline);
	for (;;) {
		h->failed_entry = vmx_enter_guest(h, h->launched);
		if (h->failed_entry)
			break;
		h->exit_reason = vmread(VMCS_EXIT_REASON);
		if (h->exit_reason & EXIT_REASON_ENTRY_FAILED)
			break; /* and the VMCS is not launched by it */
		h->launched = true;
		if (h->exit_reason != EXIT_REASON_CPUID || !cpuid_fast(h))
			break;
		if (!(vmx_caps.controls.exit & EXIT_SAVE_TIMER))
			deadline_arm(deadline); /* else each entry would start the turn anew */
	}
	h->exit_requested = false;
	*in_guest = false;
}

void hw_vcpu_request_exit(struct hw_vcpu *h)
{
	h->exit_requested = true;
}

void hw_vcpu_skip(struct hw_vcpu *h, unsigned insn_len)
{
	uint64_t rip = vmread(VMCS_GUEST_RIP) + insn_len;
	uint64_t blocking = vmread(VMCS_GUEST_INTR_STATE), rflags = vmread(VMCS_GUEST_RFLAGS);

	/* Outside 64-bit code RIP wraps at 32 bits; VM entry refuses high bits there. */
	if (!(vmread(VMCS_ENTRY_CONTROLS) & ENTRY_GUEST_64) ||
	    !(vmread(VMCS_GUEST_CS_ACCESS) & SEG_ACCESS_L))
		rip &= 0xffffffff;
	vmwrite(VMCS_GUEST_RIP, rip);
	if (rflags & RFLAGS_RF)
		vmwrite(VMCS_GUEST_RFLAGS, rflags & ~RFLAGS_RF);
	if (rflags & RFLAGS_TF) /* the guest steps: it gets its #DB */
		vmwrite(VMCS_GUEST_PENDING_DBG, vmread(VMCS_GUEST_PENDING_DBG) | PENDING_DBG_BS);
	/* The instruction is done: STI and MOV SS block only until the next. */
	if (blocking & (INTR_STATE_STI | INTR_STATE_MOV_SS))
		vmwrite(VMCS_GUEST_INTR_STATE,
			blocking & ~(uint64_t)(INTR_STATE_STI | INTR_STATE_MOV_SS));
}

/* ---- events ------------------------------------------------------------------------- */

static bool event_queued(void)
{
	return vmread(VMCS_ENTRY_INTR_INFO) & INTR_INFO_VALID;
}

/*
 * A trap that waits (single step, breakpoint) comes first: an entry that injects an event
 * forgets it (SDM vol. 3, "Delivery of Pending Debug Exceptions after VM Entry").
 */
static bool debug_trap_waits(void)
{
	return vmread(VMCS_GUEST_PENDING_DBG) & (PENDING_DBG_BS | PENDING_DBG_ENABLED);
}

bool hw_vcpu_can_inject_irq(struct hw_vcpu *h)
{
	return !event_queued() && !debug_trap_waits() && (vmread(VMCS_GUEST_RFLAGS) & RFLAGS_IF) &&
	       !(vmread(VMCS_GUEST_INTR_STATE) & (INTR_STATE_STI | INTR_STATE_MOV_SS));
}

bool hw_vcpu_can_inject_nmi(struct hw_vcpu *h)
{
	return !event_queued() && !debug_trap_waits() &&
	       !(vmread(VMCS_GUEST_INTR_STATE) &
		 (INTR_STATE_STI | INTR_STATE_MOV_SS | INTR_STATE_NMI));
}

void hw_vcpu_inject_irq(struct hw_vcpu *h, uint8_t vector)
{
	vmwrite(VMCS_ENTRY_INTR_INFO, INTR_INFO_VALID | INTR_TYPE_EXTERNAL | vector);
}

void hw_vcpu_inject_nmi(struct hw_vcpu *h)
{
	vmwrite(VMCS_ENTRY_INTR_INFO, INTR_INFO_VALID | INTR_TYPE_NMI | 2);
}

static void control_set(struct hw_vcpu *h, uint32_t bit, bool on)
{
	uint32_t want = on ? h->cpu_controls | bit : h->cpu_controls & ~bit;

	if (want != h->cpu_controls) {
		h->cpu_controls = want;
		vmwrite(VMCS_CPU_CONTROLS, want);
	}
}

void hw_vcpu_want_irq_window(struct hw_vcpu *h, bool want)
{
	control_set(h, CPU_INTR_WINDOW, want);
}

void hw_vcpu_want_nmi_window(struct hw_vcpu *h, bool want)
{
	control_set(h, CPU_NMI_WINDOW, want);
}

void hw_vcpu_drain_log(struct hw_vcpu *h, void (*dirty)(void *ctx, gpa_t gpa), void *ctx)
{
	uint16_t index;

	if (!(h->cpu2_controls & CPU2_PML))
		return;
	/* The index counts down and wraps to ffffh when the buffer is full. */
	index = vmread(VMCS_GUEST_PML_INDEX);
	if (index == PML_ENTRIES - 1)
		return;
	for (unsigned i = index >= PML_ENTRIES ? 0 : index + 1u; i < PML_ENTRIES; i++)
		dirty(ctx, ALIGN_DOWN(h->pml[i], PAGE_SIZE));
	vmwrite(VMCS_GUEST_PML_INDEX, PML_ENTRIES - 1);
}
