/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The local APIC's registers, by MMIO (xAPIC) and by MSR (x2APIC): one map of
 * registers, two doors with different manners about what is not allowed.
 */
#include "vmm/dev/vlapic.h"

/* Offsets in the page; the x2APIC MSR is 800H + offset / 16. */
enum apic_reg {
	APIC_ID = 0x020,
	APIC_VERSION = 0x030,
	APIC_TPR = 0x080,
	APIC_APR = 0x090,
	APIC_PPR = 0x0a0,
	APIC_EOI = 0x0b0,
	APIC_RRD = 0x0c0,
	APIC_LDR = 0x0d0,
	APIC_DFR = 0x0e0,
	APIC_SVR = 0x0f0,
	APIC_ISR = 0x100,
	APIC_TMR = 0x180,
	APIC_IRR = 0x200,
	APIC_ESR = 0x280,
	APIC_ICR_LOW = 0x300,
	APIC_ICR_HIGH = 0x310,
	APIC_LVT_TIMER = 0x320,
	APIC_LVT_ERROR = 0x370,
	APIC_TMICT = 0x380,
	APIC_TMCCT = 0x390,
	APIC_TDCR = 0x3e0,
	APIC_SELF_IPI = 0x3f0,
};

/* Version 14H, maximum LVT entry 5, no EOI-broadcast suppression. */
#define VERSION_VALUE (0x14u | (LVT_COUNT - 1) << 16)
#define SVR_BITS      0x3ffu
#define TDCR_BITS     0xbu

/* Bits that software may set, besides the vector: mask, delivery mode, trigger... */
static const uint32_t lvt_bits[LVT_COUNT] = {
    [LVT_TIMER] = 0x700ff, [LVT_THERMAL] = 0x107ff, [LVT_PMC] = 0x107ff,
    [LVT_LINT0] = 0x1a7ff, [LVT_LINT1] = 0x1a7ff,   [LVT_ERROR] = 0x100ff,
};
/* Read-only status bits that a write may contain: delivery status, remote IRR. */
#define LVT_STATUS 0x5000u

static bool reg_is_lvt(unsigned reg)
{
	return reg >= APIC_LVT_TIMER && reg <= APIC_LVT_ERROR;
}

static unsigned lvt_index(unsigned reg)
{
	return (reg - APIC_LVT_TIMER) / 16;
}

/* One of the 3 * 8 vector registers: reads from set. */
static bool read_vectors(const struct vlapic *v, unsigned reg, uint32_t *value)
{
	unsigned word = (reg / 16) & 7;

	if (reg < APIC_ISR || reg >= APIC_ESR)
		return false;
	if (reg < APIC_TMR)
		*value = v->s.isr[word];
	else if (reg < APIC_IRR)
		*value = v->s.tmr[word];
	else
		*value = v->s.irr[word];
	return true;
}

/* The registers that both doors know. 0, or -E_INVAL: there is none at reg. */
static int reg_read(struct vlapic *v, unsigned reg, uint32_t *value)
{
	const struct vlapic_state *s = &v->s;

	if (read_vectors(v, reg, value))
		return 0;
	if (reg_is_lvt(reg)) {
		*value = s->lvt[lvt_index(reg)];
		return 0;
	}
	switch (reg) {
	case APIC_VERSION:
		*value = VERSION_VALUE;
		return 0;
	case APIC_TPR:
		*value = s->tpr;
		return 0;
	case APIC_PPR:
		*value = vlapic_ppr(v);
		return 0;
	case APIC_LDR:
		*value = s->ldr;
		return 0;
	case APIC_SVR:
		*value = s->svr;
		return 0;
	case APIC_ESR:
		*value = s->esr;
		return 0;
	case APIC_ICR_LOW:
		*value = (uint32_t)s->icr;
		return 0;
	case APIC_TMICT:
		*value = s->tmict;
		return 0;
	case APIC_TMCCT:
		*value = vlapic_timer_tmcct(v);
		return 0;
	case APIC_TDCR:
		*value = s->tdcr;
		return 0;
	}
	return -E_INVAL;
}

static void write_svr(struct vlapic *v, uint32_t value)
{
	vlapic_timer_poll(v);
	v->s.svr = value & SVR_BITS;
	if (v->s.svr & APIC_SVR_ENABLE)
		return;
	/* software-disabled: every entry is masked and stays so */
	for (unsigned i = 0; i < LVT_COUNT; i++)
		v->s.lvt[i] |= APIC_LVT_MASKED;
	vlapic_timer_arm(v);
}

static void write_lvt(struct vlapic *v, unsigned index, uint32_t value)
{
	value &= lvt_bits[index];
	if (!(v->s.svr & APIC_SVR_ENABLE))
		value |= APIC_LVT_MASKED;
	if (index == LVT_TIMER)
		vlapic_timer_write_lvt(v, value);
	else
		v->s.lvt[index] = value;
}

/* The writable registers that both doors know. 0, or -E_INVAL: not writable. */
static int reg_write(struct vlapic *v, unsigned reg, uint32_t value)
{
	if (reg_is_lvt(reg)) {
		write_lvt(v, lvt_index(reg), value);
		return 0;
	}
	switch (reg) {
	case APIC_TPR:
		v->s.tpr = value & 0xff;
		return 0;
	case APIC_EOI:
		vlapic_eoi(v);
		return 0;
	case APIC_SVR:
		write_svr(v, value);
		return 0;
	case APIC_ESR:
		v->s.esr = v->s.esr_pending;
		v->s.esr_pending = 0;
		return 0;
	case APIC_TMICT:
		vlapic_timer_write_tmict(v, value);
		return 0;
	case APIC_TDCR:
		vlapic_timer_write_tdcr(v, value & TDCR_BITS);
		return 0;
	}
	return -E_INVAL;
}

/* ---- xAPIC: MMIO ---- */

static uint32_t xapic_read(struct vlapic *v, unsigned reg)
{
	uint32_t value = 0;

	switch (reg) {
	case APIC_ID:
		return (uint32_t)v->vdev.instance << 24;
	case APIC_APR:
	case APIC_RRD:
	case APIC_EOI:
		return 0;
	case APIC_DFR:
		return v->s.dfr;
	case APIC_ICR_HIGH:
		return (uint32_t)(v->s.icr >> 32);
	}
	if (reg_read(v, reg, &value))
		vlapic_error(v, ESR_ILLEGAL_ADDRESS);
	return value;
}

uint64_t vlapic_mmio_read(struct vlapic *v, uint64_t offset, unsigned size)
{
	unsigned within = offset & 15;

	if (vlapic_mode(v->s.apic_base) != VLAPIC_XAPIC)
		return UINT64_MAX;
	if (within >= 4)
		return 0; /* the hole behind a register */
	return xapic_read(v, offset & 0xff0) >> (8 * within);
}

static bool xapic_is_read_only(unsigned reg)
{
	return reg == APIC_VERSION || reg == APIC_APR || reg == APIC_PPR || reg == APIC_RRD ||
	       reg == APIC_TMCCT || (reg >= APIC_ISR && reg < APIC_ESR);
}

void vlapic_mmio_write(struct vlapic *v, uint64_t offset, unsigned size, uint64_t value)
{
	unsigned reg = offset & 0xff0;
	uint32_t low = (uint32_t)value;

	v->regs_changed = true;
	/* "all accesses 32 bits on 16-byte borders"; what others do is undefined */
	if (vlapic_mode(v->s.apic_base) != VLAPIC_XAPIC || size < 4 || offset & 15)
		return;
	switch (reg) {
	case APIC_ID: /* read-only since the local APIC has no bus of its own */
		return;
	case APIC_LDR:
		v->s.ldr = low & 0xff000000;
		return;
	case APIC_DFR:
		v->s.dfr = low | 0x0fffffff;
		return;
	case APIC_ICR_LOW:
		v->s.icr = (v->s.icr & 0xffffffff00000000) | (low & APIC_ICR_BITS);
		vlapic_send_ipi(v, v->s.icr);
		return;
	case APIC_ICR_HIGH:
		v->s.icr = (v->s.icr & 0xffffffff) | (uint64_t)(low & 0xff000000) << 32;
		return;
	}
	if (reg_write(v, reg, low) && !xapic_is_read_only(reg))
		vlapic_error(v, ESR_ILLEGAL_ADDRESS);
}

/* ---- x2APIC: MSRs ---- */

static int x2apic_read(struct vlapic *v, unsigned reg, uint64_t *value)
{
	uint32_t low = 0;
	int err;

	switch (reg) {
	case APIC_ID:
		*value = v->vdev.instance;
		return 0;
	case APIC_ICR_LOW:
		*value = v->s.icr;
		return 0;
	}
	err = reg_read(v, reg, &low);
	*value = low;
	return err;
}

/* What may be written to reg; 0 for EOI and ESR, which take only zero. */
static uint64_t x2apic_write_bits(unsigned reg)
{
	if (reg_is_lvt(reg))
		return lvt_bits[lvt_index(reg)] | LVT_STATUS;
	switch (reg) {
	case APIC_TPR:
	case APIC_SELF_IPI:
		return 0xff;
	case APIC_SVR:
		return SVR_BITS;
	case APIC_ICR_LOW:
		return 0xffffffff00000000 | APIC_ICR_BITS;
	case APIC_TMICT:
		return 0xffffffff;
	case APIC_TDCR:
		return TDCR_BITS;
	}
	return 0;
}

static int x2apic_write(struct vlapic *v, unsigned reg, uint64_t value)
{
	if (value & ~x2apic_write_bits(reg))
		return -E_INVAL;
	switch (reg) {
	case APIC_ICR_LOW:
		v->s.icr = value;
		vlapic_send_ipi(v, value);
		return 0;
	case APIC_SELF_IPI:
		vlapic_send_ipi(v, 0x40000 | value);
		return 0;
	}
	return reg_write(v, reg, (uint32_t)value);
}

static bool is_x2apic_msr(uint32_t msr)
{
	return msr >= MSR_X2APIC_FIRST && msr <= MSR_X2APIC_LAST;
}

int vlapic_msr_read(struct vlapic *v, uint32_t msr, uint64_t *value)
{
	if (msr == MSR_APIC_BASE) {
		*value = v->s.apic_base;
		return 0;
	}
	if (msr == MSR_TSC_DEADLINE) {
		vlapic_timer_poll(v);
		*value = v->s.tsc_deadline;
		return 0;
	}
	if (!is_x2apic_msr(msr) || vlapic_mode(v->s.apic_base) != VLAPIC_X2APIC)
		return -E_INVAL;
	return x2apic_read(v, (msr - MSR_X2APIC_FIRST) * 16, value);
}

int vlapic_msr_write(struct vlapic *v, uint32_t msr, uint64_t value)
{
	v->regs_changed = true;
	if (msr == MSR_APIC_BASE)
		return vlapic_base_write(v, value);
	if (msr == MSR_TSC_DEADLINE) {
		vlapic_timer_write_deadline(v, value);
		return 0;
	}
	if (!is_x2apic_msr(msr) || vlapic_mode(v->s.apic_base) != VLAPIC_X2APIC)
		return -E_INVAL;
	return x2apic_write(v, (msr - MSR_X2APIC_FIRST) * 16, value);
}

/* ---- carried out by the processor ---- */

void vlapic_hw_write(struct vlapic *v, unsigned reg, uint32_t value)
{
	if (vlapic_mode(v->s.apic_base) == VLAPIC_XAPIC)
		vlapic_mmio_write(v, reg, 4, value);
	else if (reg == APIC_SELF_IPI) /* with a vector below 16: an error */
		vlapic_send_ipi(v, 0x40000 | (value & 0xff));
	v->regs_changed = true; /* in the page is what was written, right or not */
}

void vlapic_each_register(struct vlapic *v,
			  void (*put)(struct hw_vcpu *hw, unsigned reg, uint32_t value),
			  struct hw_vcpu *hw)
{
	static const uint16_t regs[] = {APIC_VERSION, APIC_LDR,	  APIC_SVR,
					APIC_ESR,     APIC_TMICT, APIC_TDCR};
	bool x2apic = vlapic_mode(v->s.apic_base) == VLAPIC_X2APIC;
	uint32_t value;

	put(hw, APIC_ID, x2apic ? v->vdev.instance : (uint32_t)v->vdev.instance << 24);
	put(hw, APIC_DFR, v->s.dfr);
	put(hw, APIC_EOI, 0);
	for (unsigned i = 0; i < LVT_COUNT; i++)
		put(hw, APIC_LVT_TIMER + 16 * i, v->s.lvt[i]);
	for (size_t i = 0; i < ARRAY_SIZE(regs); i++)
		if (reg_read(v, regs[i], &value) == 0)
			put(hw, regs[i], value);
}
