/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Guest MSRs that exit. What is not listed does not exist: #GP, as on a processor
 * with the CPUID that the guest was shown.
 */
#include "arch/x86/virt.h"
#include "vmm/cpu_features.h"
#include "vmm/dev/vlapic.h"
#include "vmm/exits.h"

#define MSR_TSC		  0x10
#define MSR_PLATFORM_ID	  0x17
#define MSR_TSC_ADJUST	  0x3b
#define MSR_UCODE_REV	  0x8b
#define MSR_PLATFORM_INFO 0xce
#define MSR_MISC_FEATURES 0x140
#define MSR_MCG_CAP	  0x179
#define MSR_MCG_STATUS	  0x17a
#define MSR_MISC_ENABLE	  0x1a0
#define MSR_EFER	  0xc0000080
#define MSR_TSC_AUX	  0xc0000103
#define MSR_DEBUGCTL	  0x1d9

/* Read-only: no branch trace store, no PEBS. */
#define MISC_ENABLE_FIXED 0x1800ul
/* What may be written; of no effect here: fast strings, thermal and performance monitors,
 * SpeedStep, MONITOR, CPUID limit, xTPR, XD disable, turbo disable. */
#define MISC_ENABLE_BITS 0x4400c50089ul
/* Last-branch records and single-step on branches exist on every processor; not here. */
#define DEBUGCTL_IGNORED 3ul

#define EFER_SCE BIT(0)
#define EFER_LME BIT(8)
#define EFER_NXE BIT(11)

/* What CPUID does not show has no MSR either. */
static bool shows(const struct vcpu *v, uint32_t leaf, enum cpuid_reg reg, unsigned bit)
{
	const struct cpuid_entry *e = cpuid_policy_find(&v->vm->cpuid, leaf, 0);

	return e && ((&e->eax)[reg] & BIT(bit));
}

static bool is_shown(const struct vcpu *v, uint32_t msr)
{
	switch (msr) {
	case MSR_TSC_ADJUST:
		return shows(v, 7, CPUID_EBX, 1);
	case MSR_TSC_DEADLINE:
		return shows(v, 1, CPUID_ECX, 24);
	case MSR_TSC_AUX:
		return shows(v, 0x80000001, CPUID_EDX, 27);
	}
	return true;
}

static bool efer_is_shown(const struct vcpu *v, uint64_t value)
{
	return (!(value & EFER_SCE) || shows(v, 0x80000001, CPUID_EDX, 11)) &&
	       (!(value & EFER_LME) || shows(v, 0x80000001, CPUID_EDX, 29)) &&
	       (!(value & EFER_NXE) || shows(v, 0x80000001, CPUID_EDX, 20));
}

static bool is_lapic(uint32_t msr)
{
	return msr == MSR_APIC_BASE || msr == MSR_TSC_DEADLINE ||
	       (msr >= MSR_X2APIC_FIRST && msr <= MSR_X2APIC_LAST);
}

int msr_read(struct vcpu *v, uint32_t msr, uint64_t *out)
{
	int err = mtrr_read(v, msr, out);

	if (err != -E_NOTSUP)
		return err;
	if (!is_shown(v, msr))
		return -E_INVAL;
	if (is_lapic(msr))
		return vlapic_msr_read(v->lapic, msr, out);
	switch (msr) {
	case MSR_TSC:
		*out = vcpu_guest_tsc(v);
		return 0;
	case MSR_TSC_ADJUST:
		*out = v->state->msrs[CPU_MSR_TSC_ADJUST];
		return 0;
	case MSR_MISC_ENABLE:
		*out = v->state->msrs[CPU_MSR_MISC_ENABLE] | MISC_ENABLE_FIXED;
		return 0;
	case MSR_PLATFORM_ID:
	case MSR_UCODE_REV:
	case MSR_PLATFORM_INFO:
	case MSR_MISC_FEATURES:
	case MSR_MCG_CAP:
	case MSR_MCG_STATUS:
	case MSR_DEBUGCTL:
		*out = 0;
		return 0;
	}
	return hw_vcpu_read_msr(v->hw, msr, out) == 0 ? 0 : -E_INVAL;
}

static void set_tsc_adjust(struct vcpu *v, uint64_t value)
{
	vlapic_tsc_changed(v->lapic); /* what was due is due, even if the TSC now goes back */
	v->state->msrs[CPU_MSR_TSC_ADJUST] = value;
	vlapic_tsc_changed(v->lapic);
}

int msr_write(struct vcpu *v, uint32_t msr, uint64_t value)
{
	int err = mtrr_write(v, msr, value);

	if (err != -E_NOTSUP)
		return err;
	if (!is_shown(v, msr) || (msr == MSR_EFER && !efer_is_shown(v, value)))
		return -E_INVAL;
	if (is_lapic(msr))
		return vlapic_msr_write(v->lapic, msr, value);
	switch (msr) {
	case MSR_TSC: /* moves this CPU's TSC only; the VM's clock goes on */
		set_tsc_adjust(v, value - vm_guest_tsc(v->vm));
		return 0;
	case MSR_TSC_ADJUST:
		set_tsc_adjust(v, value);
		return 0;
	case MSR_UCODE_REV:
	case MSR_MCG_STATUS:
		return 0;
	case MSR_MISC_ENABLE:
		if (value & ~(MISC_ENABLE_BITS | MISC_ENABLE_FIXED))
			return -E_INVAL;
		v->state->msrs[CPU_MSR_MISC_ENABLE] = value & ~MISC_ENABLE_FIXED;
		return 0;
	case MSR_DEBUGCTL:
		return value & ~DEBUGCTL_IGNORED ? -E_INVAL : 0;
	case MSR_MISC_FEATURES:
		return value ? -E_INVAL : 0; /* no such feature is offered */
	}
	return hw_vcpu_write_msr(v->hw, msr, value) == 0 ? 0 : -E_INVAL;
}
