/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory type range registers (SDM vol. 3, "Memory Type Range Registers"): kept and
 * checked as a processor does, and without effect: RAM is write-back.
 */
#include "vmm/exits.h"

#define MSR_MTRR_CAP	    0xfe
#define MSR_MTRR_PHYS_BASE0 0x200
#define MSR_MTRR_PHYS_LAST  0x20f
#define MSR_MTRR_FIX_64K    0x250
#define MSR_MTRR_FIX_16K_80 0x258
#define MSR_MTRR_FIX_16K_A0 0x259
#define MSR_MTRR_FIX_4K_C0  0x268
#define MSR_MTRR_FIX_4K_F8  0x26f
#define MSR_MTRR_DEF_TYPE   0x2ff

#define MTRR_CAP_VALUE	0x508 /* 8 variable ranges, fixed ranges, write combining */
#define MTRR_MASK_VALID BIT(11)
#define MTRR_DEF_BITS	0xcfful /* type, fixed ranges on, all on */

/* Index in cpu_state.mtrr_fix, or -1. */
static int fix_index(uint32_t msr)
{
	if (msr == MSR_MTRR_FIX_64K)
		return 0;
	if (msr == MSR_MTRR_FIX_16K_80 || msr == MSR_MTRR_FIX_16K_A0)
		return (int)(1 + msr - MSR_MTRR_FIX_16K_80);
	if (msr >= MSR_MTRR_FIX_4K_C0 && msr <= MSR_MTRR_FIX_4K_F8)
		return (int)(3 + msr - MSR_MTRR_FIX_4K_C0);
	return -1;
}

static bool is_variable(uint32_t msr)
{
	return msr >= MSR_MTRR_PHYS_BASE0 && msr <= MSR_MTRR_PHYS_LAST;
}

static uint64_t *stored(struct vcpu *v, uint32_t msr)
{
	int fix = fix_index(msr);

	if (fix >= 0)
		return &v->state->mtrr_fix[fix];
	if (is_variable(msr))
		return &v->state->mtrr_var[msr - MSR_MTRR_PHYS_BASE0];
	return msr == MSR_MTRR_DEF_TYPE ? &v->state->msrs[CPU_MSR_MTRR_DEF_TYPE] : NULL;
}

/* Uncacheable, write combining, write-through, write-protected, write-back. */
static bool type_is_valid(uint64_t type)
{
	return type == 0 || type == 1 || (type >= 4 && type <= 6);
}

static bool value_is_valid(const struct vcpu *v, uint32_t msr, uint64_t value)
{
	uint64_t address = (BIT(v->vm->cpuid.phys_bits) - 1) & ~(PAGE_SIZE - 1);

	if (msr == MSR_MTRR_DEF_TYPE)
		return !(value & ~MTRR_DEF_BITS) && type_is_valid(value & 0xff);
	if (is_variable(msr) && (msr & 1))
		return !(value & ~(address | MTRR_MASK_VALID));
	if (is_variable(msr))
		return !(value & ~(address | 0xff)) && type_is_valid(value & 0xff);
	for (; value; value >>= 8)
		if (!type_is_valid(value & 0xff))
			return false;
	return true;
}

int mtrr_read(struct vcpu *v, uint32_t msr, uint64_t *out)
{
	const uint64_t *p = stored(v, msr);

	if (!p && msr != MSR_MTRR_CAP)
		return -E_NOTSUP;
	*out = p ? *p : MTRR_CAP_VALUE;
	return 0;
}

int mtrr_write(struct vcpu *v, uint32_t msr, uint64_t value)
{
	uint64_t *p = stored(v, msr);

	if (!p)
		return -E_NOTSUP;
	if (!value_is_valid(v, msr, value))
		return -E_INVAL;
	*p = value;
	return 0;
}
