/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Guest MSRs that exit. What is not listed does not exist: #GP, as on a processor
 * with the CPUID that the guest was shown.
 */
#include "arch/x86/virt.h"
#include "vmm/dev/vlapic.h"
#include "vmm/exits.h"

#define MSR_TSC		    0x10
#define MSR_PLATFORM_ID	    0x17
#define MSR_TSC_ADJUST	    0x3b
#define MSR_SPEC_CTRL	    0x48
#define MSR_PRED_CMD	    0x49
#define MSR_UCODE_REV	    0x8b
#define MSR_PLATFORM_INFO   0xce
#define MSR_MTRR_CAP	    0xfe
#define MSR_ARCH_CAPS	    0x10a
#define MSR_MISC_FEATURES   0x140
#define MSR_MCG_CAP	    0x179
#define MSR_MCG_STATUS	    0x17a
#define MSR_MISC_ENABLE	    0x1a0
#define MSR_DEBUGCTL	    0x1d9
#define MSR_MTRR_PHYS_BASE0 0x200
#define MSR_MTRR_PHYS_LAST  0x20f
#define MSR_MTRR_FIX_64K    0x250
#define MSR_MTRR_FIX_16K_80 0x258
#define MSR_MTRR_FIX_16K_A0 0x259
#define MSR_MTRR_FIX_4K_C0  0x268
#define MSR_MTRR_FIX_4K_F8  0x26f
#define MSR_MTRR_DEF_TYPE   0x2ff
#define MSR_XSS		    0xda0

#define MTRR_CAP_VALUE 0x508 /* 8 variable ranges, fixed ranges, write combining */

/* Index of a fixed-range MTRR in cpu_state.mtrr_fix, or -1. */
static int mtrr_fix_index(uint32_t msr)
{
	if (msr == MSR_MTRR_FIX_64K)
		return 0;
	if (msr == MSR_MTRR_FIX_16K_80 || msr == MSR_MTRR_FIX_16K_A0)
		return (int)(1 + msr - MSR_MTRR_FIX_16K_80);
	if (msr >= MSR_MTRR_FIX_4K_C0 && msr <= MSR_MTRR_FIX_4K_F8)
		return (int)(3 + msr - MSR_MTRR_FIX_4K_C0);
	return -1;
}

/* MSRs that are plain storage in the vCPU's state. Memory types have no effect: RAM is write-back.
 */
static uint64_t *stored(struct vcpu *v, uint32_t msr)
{
	int fix = mtrr_fix_index(msr);

	if (fix >= 0)
		return &v->state->mtrr_fix[fix];
	if (msr >= MSR_MTRR_PHYS_BASE0 && msr <= MSR_MTRR_PHYS_LAST)
		return &v->state->mtrr_var[msr - MSR_MTRR_PHYS_BASE0];
	if (msr == MSR_MTRR_DEF_TYPE)
		return &v->state->msrs[CPU_MSR_MTRR_DEF_TYPE];
	if (msr == MSR_MISC_ENABLE)
		return &v->state->msrs[CPU_MSR_MISC_ENABLE];
	return NULL;
}

static bool is_lapic(uint32_t msr)
{
	return msr == MSR_APIC_BASE || msr == MSR_TSC_DEADLINE ||
	       (msr >= MSR_X2APIC_FIRST && msr <= MSR_X2APIC_LAST);
}

int msr_read(struct vcpu *v, uint32_t msr, uint64_t *out)
{
	const uint64_t *p = stored(v, msr);

	if (p) {
		*out = *p;
		return 0;
	}
	if (is_lapic(msr))
		return vlapic_msr_read(v->lapic, msr, out);
	switch (msr) {
	case MSR_TSC:
		*out = vcpu_guest_tsc(v);
		return 0;
	case MSR_TSC_ADJUST:
		*out = v->state->msrs[CPU_MSR_TSC_ADJUST];
		return 0;
	case MSR_MTRR_CAP:
		*out = MTRR_CAP_VALUE;
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
	uint64_t *p = stored(v, msr);

	if (p) {
		*p = value;
		return 0;
	}
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
	case MSR_PRED_CMD:
		return 0;
	case MSR_DEBUGCTL:
	case MSR_MISC_FEATURES:
		return value ? -E_INVAL : 0; /* no such feature is offered */
	}
	return hw_vcpu_write_msr(v->hw, msr, value) == 0 ? 0 : -E_INVAL;
}
