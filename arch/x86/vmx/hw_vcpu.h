/* SPDX-License-Identifier: BSD-2-Clause */
/* The inside of struct hw_vcpu, shared by the files of this folder. */
#ifndef ARCH_X86_VMX_HW_VCPU_H
#define ARCH_X86_VMX_HW_VCPU_H

#include "arch/x86/virt.h"
#include "arch/x86/vmx/caps.h"
#include "arch/x86/vmx/ept.h"

#define PML_ENTRIES	 512
#define CPUID_FAST_BASIC 0x20 /* leaves 0 .. 1fh */
#define CPUID_FAST_EXT	 0x09 /* leaves 80000000h .. 80000008h */

struct cpuid_fast {
	bool valid;
	uint32_t regs[4];
};

struct hw_vcpu {
	uint64_t gpr[16]; /* first: the entry assembly knows. RSP lives in the VMCS */
	bool launched;
	volatile bool exit_requested;
	bool failed_entry;
	bool apic_off; /* not shown by CPUID */
	bool shutdown; /* a fault within a double fault: exit as such at the next entry */
	uint32_t exit_reason;
	uint64_t seen_generation;
	uint32_t cpu_controls, cpu2_controls;
	struct hw_vcpu_setup setup;
	void *vmcs;
	uint64_t *pml;
	uint64_t cr4_allowed, xcr0_allowed;
	/* What the CPU holds while this guest owns it (see guest_regs.c). */
	uint64_t cr2, dr[4], dr6, xcr0, xss;
	uint64_t star, lstar, cstar, fmask, kernel_gs_base, tsc_aux;
	/* The local APIC in hardware (apicv.c); apic_page NULL: the processor cannot. */
	uint32_t *apic_page;
	const uint8_t *msr_bitmap; /* of other modes than x2APIC */
	enum hw_apic_mode apic_mode;
	uint16_t intr_status;
	uint8_t *xsave; /* CPU_XSAVE_MAX bytes, standard format */
	struct cpuid_fast basic[CPUID_FAST_BASIC], extended[CPUID_FAST_EXT];
};

/* Lazily switched registers: loaded before entry, saved when another guest needs the CPU. */
void guest_regs_load(struct hw_vcpu *h);
void guest_regs_save(struct hw_vcpu *h);   /* copy out; the CPU keeps them too */
void guest_regs_disown(struct hw_vcpu *h); /* h's registers in the CPU are void */

/* #DB is delivered now: B0 to B3 are this one's, the other causes add up (SDM "DR6"). */
void guest_dr6_add(struct hw_vcpu *h, uint64_t causes);

/* R/W of a breakpoint in DR7 */
enum { DR7_EXECUTE, DR7_WRITE, DR7_IO, DR7_ACCESS };
void breakpoints_match(struct hw_vcpu *h, uint64_t address, unsigned size, unsigned kinds);
/* DR0 to DR3 as the guest has them now. */
const uint64_t *guest_drs(struct hw_vcpu *h);

/* Is the memory operand of INS (in ES) or OUTS (in seg) inside its segment? */
bool string_io_is_inside(struct hw_vcpu *h, const struct vcpu_exit *e, enum cpu_seg seg);

/* exceptions.c: rows of the exit table. */
enum vcpu_exit_kind decode_exception_nmi(struct hw_vcpu *h, struct vcpu_exit *e);
enum vcpu_exit_kind machine_check(struct hw_vcpu *h, struct vcpu_exit *e);

/* Control-register writes; true when the value is allowed and was taken. */
bool cr0_write(struct hw_vcpu *h, uint64_t v);
bool cr4_write(struct hw_vcpu *h, uint64_t v);
void efer_write(struct hw_vcpu *h, uint64_t v);
bool cr_access(struct hw_vcpu *h, uint64_t qualification);
/* Put CR0/CR4/EFER into the VMCS with the bits that VMX demands; for state load. */
void cr_load(struct hw_vcpu *h, uint64_t cr0, uint64_t cr4, uint64_t efer);
uint64_t cr0_read(void);
uint64_t cr4_read(void);

/*
 * Drop all cached translations of this guest on this CPU before the next entry.
 * By INVEPT, which reaches linear addresses too whatever the VPID: rare enough.
 */
static inline void hw_vcpu_flush(struct hw_vcpu *h)
{
	h->seen_generation = h->setup.slat->generation - 1;
}

/* apicv.c; msr_bitmap: with the local APIC's MSRs exiting. -E_NOMEM: destroy cleans up. */
int must_check apicv_create(struct hw_vcpu *h, const uint8_t *msr_bitmap);
void apicv_destroy(struct hw_vcpu *h);
void apicv_write_controls(struct hw_vcpu *h, const uint8_t *msr_bitmap);
enum vcpu_exit_kind apicv_decode_access(struct hw_vcpu *h, struct vcpu_exit *e);
enum vcpu_exit_kind apicv_decode_write(struct hw_vcpu *h, struct vcpu_exit *e);
enum vcpu_exit_kind apicv_decode_eoi(struct hw_vcpu *h, struct vcpu_exit *e);

/* vmx_entry.S: 0 after an exit; 1 when the processor refused to enter. */
int vmx_enter_guest(struct hw_vcpu *h, bool launched);

#endif
