/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The local APIC's registers between vmm and a processor that carries them out while
 * the guest runs (struct hw_apic). vlapic_state stays the state: it is complete
 * whenever the guest does not run, in the same format as without such a processor.
 */
#include "arch/x86/virt.h"
#include "vmm/dev/vioapic.h"
#include "vmm/dev/vlapic.h"
#include "vmm/vcpu.h"

/*
 * Software does it for this vCPU while its APIC is off, disabled (what is pending is
 * then held back), or at another address than the one that the backend watches.
 */
static enum hw_apic_mode mode_wanted(const struct vlapic *v)
{
	if (!(v->s.svr & APIC_SVR_ENABLE))
		return HW_APIC_OFF;
	switch (vlapic_mode(v->s.apic_base)) {
	case VLAPIC_X2APIC:
		return HW_APIC_X2APIC;
	case VLAPIC_XAPIC:
		return vlapic_mmio_gpa(v) == VLAPIC_DEFAULT_BASE ? HW_APIC_XAPIC : HW_APIC_OFF;
	case VLAPIC_OFF:
	case VLAPIC_INVALID:
		break;
	}
	return HW_APIC_OFF;
}

void vlapic_give(struct vlapic *v)
{
	struct hw_vcpu *hw = v->vcpu->hw;
	enum hw_apic_mode mode;
	struct hw_apic a;

	if (!v->in_hardware)
		return;
	mode = mode_wanted(v);
	if (mode != v->hw_mode) {
		hw_vcpu_apic_mode(hw, mode);
		v->hw_mode = mode;
		v->regs_changed = true;
	}
	if (mode == HW_APIC_OFF)
		return;
	if (v->regs_changed) {
		vlapic_each_register(v, hw_vcpu_apic_register, hw);
		hw_vcpu_apic_tmr(hw, v->s.tmr);
		v->regs_changed = false;
	}
	a = (struct hw_apic){v->s.icr, v->s.tpr, v->s.irr, v->s.isr};
	/* s.irr is empty then: what is requested from now on waits there for the exit that
	 * its kick causes. */
	hw_vcpu_apic_give(hw, &a);
	v->given = true;
}

void vlapic_take(struct vlapic *v)
{
	struct hw_apic a = {.irr = v->s.irr, .isr = v->s.isr};

	if (!v->given) /* never, or an INIT has reset the registers meanwhile */
		return;
	v->given = false;
	hw_vcpu_apic_take(v->vcpu->hw, &a);
	v->s.tpr = a.tpr & 0xff;
	/* xAPIC: IPIs to itself and the destination half are written without an exit. */
	if (v->hw_mode == HW_APIC_XAPIC)
		v->s.icr = a.icr & (0xff00000000000000 | APIC_ICR_BITS);
}

void vlapic_hw_eoi(struct vlapic *v, uint8_t vector)
{
	if (v->vdev.vm->vioapic)
		vioapic_eoi(v->vdev.vm->vioapic, vector);
}
