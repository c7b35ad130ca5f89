/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The architectural state of one guest CPU, as plain fixed-width numbers: what
 * a backend (VMX today) loads and saves, and what a move carries. Extended
 * state (XSAVE area) and MSRs are included; the local APIC is a device.
 */
#ifndef ARCH_X86_CPU_STATE_H
#define ARCH_X86_CPU_STATE_H

#include <stdbool.h>
#include <stdint.h>

enum cpu_gpr { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15 };

/* In the order of the processor's segment encoding, then the system segments. */
enum cpu_seg { SEG_ES, SEG_CS, SEG_SS, SEG_DS, SEG_FS, SEG_GS, SEG_LDTR, SEG_TR, SEG_COUNT };

struct cpu_segment {
	uint64_t base;
	uint32_t limit;
	uint32_t
	    access; /* access rights as in the VMCS format: type, S, DPL, P, ..., bit 16 unusable */
	uint16_t selector;
	uint16_t pad[3];
};

/* MSRs that a guest owns; index into cpu_state.msrs. The list is in arch/x86/cpu_state.c. */
enum cpu_msr {
	CPU_MSR_STAR,
	CPU_MSR_LSTAR,
	CPU_MSR_CSTAR,
	CPU_MSR_FMASK,
	CPU_MSR_KERNEL_GS_BASE,
	CPU_MSR_TSC_AUX,
	CPU_MSR_SYSENTER_CS,
	CPU_MSR_SYSENTER_ESP,
	CPU_MSR_SYSENTER_EIP,
	CPU_MSR_PAT,
	CPU_MSR_MISC_ENABLE,
	CPU_MSR_XSS,
	CPU_MSR_SPEC_CTRL,
	CPU_MSR_TSC_ADJUST,
	CPU_MSR_MTRR_DEF_TYPE,
	CPU_MSR_COUNT
};

#define CPU_XSAVE_MAX 4096
#define CPU_MTRR_VAR  8
#define CPU_MTRR_FIX  11

/* Bits of cpu_state.blocking */
#define CPU_BLOCKING_STI    1
#define CPU_BLOCKING_MOV_SS 2
#define CPU_BLOCKING_NMI    8

enum cpu_activity { CPU_ACTIVE, CPU_HALTED, CPU_SHUTDOWN, CPU_WAIT_SIPI };

struct cpu_state {
	uint64_t gpr[16];
	uint64_t rip, rflags;
	uint64_t cr0, cr2, cr3, cr4, cr8, efer, xcr0;
	uint64_t dr[4], dr6, dr7;
	struct cpu_segment seg[SEG_COUNT];
	uint64_t gdtr_base, idtr_base;
	uint32_t gdtr_limit, idtr_limit;
	uint64_t msrs[CPU_MSR_COUNT];
	uint64_t mtrr_var[CPU_MTRR_VAR * 2];
	uint64_t mtrr_fix[CPU_MTRR_FIX];
	uint64_t guest_tsc; /* value the guest would read at the moment of saving */
	uint64_t pending_dbg;
	uint64_t pdpte[4];
	uint32_t activity; /* enum cpu_activity */
	uint32_t blocking;
	/* An event whose delivery was cut short: to be injected again first. Format of the
	 * VM-entry interruption-information field; 0 for none. */
	uint32_t event_info, event_error, event_len;
	uint32_t nmi_pending;
	uint32_t xsave_len; /* bytes used in xsave */
	uint32_t pad;
	uint8_t xsave[CPU_XSAVE_MAX]; /* standard (non-compacted) format */
};

/* x87 and SSE registers exist, and are saved, whatever XCR0 says. */
#define XCR0_ALWAYS 3ul

/*
 * Would XSETBV take it? x87 always; AVX needs SSE; AVX-512's three parts come
 * together and need AVX (SDM vol. 1, "Enabling the XSAVE Feature Set"). Components
 * beyond these are not ours to judge: the caller masks them.
 */
static inline bool xcr0_is_valid(uint64_t v)
{
	uint64_t avx512 = v & 0xe0;

	if (!(v & 1) || ((v & 4) && !(v & 2)))
		return false;
	return !avx512 || (avx512 == 0xe0 && (v & 4));
}

#endif
