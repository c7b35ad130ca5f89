/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A vCPU's local APIC: xAPIC by MMIO, x2APIC by MSR, timer, inter-processor
 * interrupts (SDM volume 3, "Advanced Programmable Interrupt Controller"). The
 * vCPU loop routes accesses here and asks what to inject.
 *
 *   vlapic.c        life cycle, modes, IRR/ISR/PPR     vlapic_regs.c  registers, MMIO, MSRs
 *   vlapic_hw.c     a processor that does it itself
 *   vlapic_timer.c  the timer                          vlapic_ipi.c   destinations, ICR
 */
#ifndef VMM_DEV_VLAPIC_H
#define VMM_DEV_VLAPIC_H

#include "arch/x86/virt.h"
#include "vmm/vm.h"

#define VLAPIC_BUS_HZ	    25000000ull /* CPUID 15H.ECX must say the same */
#define VLAPIC_DEFAULT_BASE 0xfee00000ull

#define MSR_APIC_BASE	   0x1b
#define MSR_TSC_DEADLINE   0x6e0
#define MSR_X2APIC_FIRST   0x800
#define MSR_X2APIC_LAST	   0x8ff
#define APIC_BASE_BSP	   BIT(8)
#define APIC_BASE_EXTD	   BIT(10)
#define APIC_BASE_EN	   BIT(11)
#define APIC_SVR_ENABLE	   0x100u
#define APIC_LVT_MASKED	   0x10000u
#define APIC_LVT_MODE(lvt) (((lvt) >> 8) & 7) /* delivery mode of an LVT entry */

/* Delivery modes, as in the ICR, I/O APIC entries and MSI data. */
enum apic_delivery {
	APIC_FIXED = 0,
	APIC_LOWEST = 1,
	APIC_SMI = 2,
	APIC_NMI = 4,
	APIC_INIT = 5,
	APIC_STARTUP = 6,
	APIC_EXTINT = 7,
};

enum apic_lvt { LVT_TIMER, LVT_THERMAL, LVT_PMC, LVT_LINT0, LVT_LINT1, LVT_ERROR, LVT_COUNT };

struct vlapic_state {
	uint64_t apic_base;	    /* IA32_APIC_BASE */
	uint64_t icr;		    /* destination in bits 63:56 (xAPIC) or 63:32 (x2APIC) */
	uint64_t timer_deadline_ns; /* guest time of the next expiry; 0: stopped */
	uint64_t tsc_deadline;	    /* guest TSC; 0: disarmed */
	uint32_t tpr, svr, ldr, dfr;
	uint32_t esr, esr_pending; /* as read; collected since the last write */
	uint32_t tmict, tdcr;
	uint32_t lvt[LVT_COUNT];
	uint32_t irr[8], isr[8], tmr[8];
};

struct vlapic {
	struct vdev vdev; /* instance: vCPU number, which is the APIC id */
	struct vlapic_state s;
	struct vcpu *vcpu;
	struct vtimer timer;
	/* Host side: while the guest runs, a processor that can may carry out the registers. */
	bool in_hardware;  /* it can, and is allowed to */
	bool given;	   /* it has them: s.irr collects what is requested meanwhile */
	bool regs_changed; /* the others (TMR among them), since it was told of them */
	enum hw_apic_mode hw_mode;
	bool x2apic; /* CPUID offers x2APIC; on unless the creator clears it */
};

/* For vCPU id (its APIC id). 0, -E_NOMEM, -E_RANGE. */
int must_check vlapic_create(struct vm *vm, struct vcpu *vcpu, uint32_t id, struct vlapic **out);
/*
 * What firmware leaves on the boot CPU ("virtual wire"): enabled, LINT0 ExtINT,
 * LINT1 NMI. For a loader that enters the kernel without firmware.
 */
void vlapic_set_virtual_wire(struct vlapic *v);

/* ---- the vCPU loop ---- */

/* The vector to inject now, or -1. What the CPU masks by RFLAGS.IF is the caller's. */
int vlapic_pending(const struct vlapic *v);
/* The vector that vlapic_pending named is being injected: IRR to ISR. */
void vlapic_accept(struct vlapic *v, uint8_t vector);
/* May this CPU take interrupts from the 8259s (LINT0 as ExtINT, or APIC off on the boot CPU)? */
bool vlapic_lint0_extint(const struct vlapic *v);
/* CR8 as the guest reads and writes it: TPR bits 7:4. */
uint64_t vlapic_get_cr8(const struct vlapic *v);
void vlapic_set_cr8(struct vlapic *v, uint64_t cr8);

/* Is it on at all, by IA32_APIC_BASE? CPUID says so, too. */
bool vlapic_is_on(const struct vlapic *v);
/* Where the 4 KiB MMIO page of this CPU is; UINT64_MAX while it has none (x2APIC, off). */
gpa_t vlapic_mmio_gpa(const struct vlapic *v);
/* offset in the page, size 1..8. Registers are 32 bits wide on 16-byte borders. */
uint64_t vlapic_mmio_read(struct vlapic *v, uint64_t offset, unsigned size);
void vlapic_mmio_write(struct vlapic *v, uint64_t offset, unsigned size, uint64_t value);
/* IA32_APIC_BASE, IA32_TSC_DEADLINE, 800H..8FFH. 0, or -E_INVAL: the guest gets #GP(0). */
int must_check vlapic_msr_read(struct vlapic *v, uint32_t msr, uint64_t *value);
int must_check vlapic_msr_write(struct vlapic *v, uint32_t msr, uint64_t value);
/* The guest writes its TSC or TSC_ADJUST: call before and after, a TSC deadline moves. */
void vlapic_tsc_changed(struct vlapic *v);

/* ---- carried out by the processor: vlapic_hw.c ---- */

/* Right before the guest runs, and right after, around the backend's entry. */
void vlapic_give(struct vlapic *v);
void vlapic_take(struct vlapic *v);
/* The processor finished a write to a register of the page: do what it causes. */
void vlapic_hw_write(struct vlapic *v, unsigned reg, uint32_t value);
/* The processor ended a level-triggered interrupt. */
void vlapic_hw_eoi(struct vlapic *v, uint8_t vector);

/* ---- interrupt sources ---- */

/* Request vector; level: it came from a level-triggered pin, its EOI goes to the I/O APIC. */
void vlapic_set_irq(struct vlapic *v, uint8_t vector, bool level);
/*
 * A message on the APIC bus from an I/O APIC or an MSI: dest has 8 bits, 0xff
 * is everybody. Returns how many local APICs took it.
 */
unsigned vlapic_deliver(struct vm *vm, uint8_t dest, bool logical, enum apic_delivery mode,
			uint8_t vector, bool level);

/* Guest time at which its timer asks for an interrupt next; 0: it does not. */
uint64_t vlapic_timer_due(const struct vlapic *v);

/* ---- between the files of the local APIC ---- */

#define ESR_SEND_VECTOR	    0x20
#define ESR_RECEIVE_VECTOR  0x40
#define ESR_ILLEGAL_ADDRESS 0x80

enum vlapic_mode { VLAPIC_OFF, VLAPIC_XAPIC, VLAPIC_X2APIC, VLAPIC_INVALID };
#define APIC_ICR_BITS 0xccfffu /* what software may write in the low half */

enum vlapic_mode vlapic_mode(uint64_t apic_base);
/* What the guest reads of each register that only software changes. */
void vlapic_each_register(struct vlapic *v,
			  void (*put)(struct hw_vcpu *hw, unsigned reg, uint32_t value),
			  struct hw_vcpu *hw);
int must_check vlapic_base_write(struct vlapic *v, uint64_t value);
/* As after INIT: all but the base register. */
void vlapic_init_reset(struct vlapic *v);
uint8_t vlapic_ppr(const struct vlapic *v);
void vlapic_eoi(struct vlapic *v);
void vlapic_error(struct vlapic *v, uint32_t esr_bit);
/* Send what the ICR value says; self: the sender. */
void vlapic_send_ipi(struct vlapic *self, uint64_t icr);

void vlapic_timer_init(struct vlapic *v);
/* Arm the host timer for the next expiry, or cancel it when none can interrupt. */
void vlapic_timer_arm(struct vlapic *v);
/* Notice an expiry that is due, interrupt if unmasked. Before state it depends on changes. */
void vlapic_timer_poll(struct vlapic *v);
void vlapic_timer_write_lvt(struct vlapic *v, uint32_t lvt);
void vlapic_timer_write_tmict(struct vlapic *v, uint32_t count);
void vlapic_timer_write_tdcr(struct vlapic *v, uint32_t tdcr);
void vlapic_timer_write_deadline(struct vlapic *v, uint64_t tsc);
uint32_t vlapic_timer_tmcct(struct vlapic *v);

#endif
