/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * VMCS field encodings and control bits, typed from the Intel SDM vol. 3,
 * appendix "Field Encoding in VMCS" and chapter "Virtual Machine Control
 * Structures", grouped as there. Only arch/x86/vmx includes this.
 */
#ifndef ARCH_X86_VMX_VMCS_H
#define ARCH_X86_VMX_VMCS_H

#include <stdbool.h>
#include <stdint.h>

/* 16-bit control and guest-state fields */
#define VMCS_VPID	       0x0000
#define VMCS_GUEST_ES_SEL      0x0800 /* then CS SS DS FS GS LDTR TR, step 2 */
#define VMCS_GUEST_INTR_STATUS 0x0810
#define VMCS_GUEST_PML_INDEX   0x0812
#define VMCS_HOST_ES_SEL       0x0c00
#define VMCS_HOST_CS_SEL       0x0c02
#define VMCS_HOST_SS_SEL       0x0c04
#define VMCS_HOST_DS_SEL       0x0c06
#define VMCS_HOST_FS_SEL       0x0c08
#define VMCS_HOST_GS_SEL       0x0c0a
#define VMCS_HOST_TR_SEL       0x0c0c

/* 64-bit control fields */
#define VMCS_IO_BITMAP_A    0x2000
#define VMCS_IO_BITMAP_B    0x2002
#define VMCS_MSR_BITMAP	    0x2004
#define VMCS_PML_ADDRESS    0x200e
#define VMCS_TSC_OFFSET	    0x2010
#define VMCS_VIRTUAL_APIC   0x2012
#define VMCS_APIC_ACCESS    0x2014
#define VMCS_EPT_POINTER    0x201a
#define VMCS_EOI_EXIT0	    0x201c /* to 3, step 2 */
#define VMCS_TSC_MULTIPLIER 0x2032
/* 64-bit read-only and guest-state fields */
#define VMCS_GUEST_PHYS_ADDR 0x2400
#define VMCS_LINK_POINTER    0x2800
#define VMCS_GUEST_DEBUGCTL  0x2802
#define VMCS_GUEST_PAT	     0x2804
#define VMCS_GUEST_EFER	     0x2806
#define VMCS_GUEST_PDPTE0    0x280a /* to 3, step 2 */
/* 64-bit host-state fields */
#define VMCS_HOST_PAT  0x2c00
#define VMCS_HOST_EFER 0x2c02

/* 32-bit control fields */
#define VMCS_PIN_CONTROLS     0x4000
#define VMCS_CPU_CONTROLS     0x4002
#define VMCS_EXCEPTION_BITMAP 0x4004
#define VMCS_PF_ERROR_MASK    0x4006
#define VMCS_PF_ERROR_MATCH   0x4008
#define VMCS_CR3_TARGETS      0x400a
#define VMCS_EXIT_CONTROLS    0x400c
#define VMCS_EXIT_MSR_STORES  0x400e
#define VMCS_EXIT_MSR_LOADS   0x4010
#define VMCS_ENTRY_CONTROLS   0x4012
#define VMCS_ENTRY_MSR_LOADS  0x4014
#define VMCS_ENTRY_INTR_INFO  0x4016
#define VMCS_ENTRY_ERROR_CODE 0x4018
#define VMCS_ENTRY_INSN_LEN   0x401a
#define VMCS_TPR_THRESHOLD    0x401c
#define VMCS_CPU_CONTROLS2    0x401e
#define VMCS_PLE_GAP	      0x4020
#define VMCS_PLE_WINDOW	      0x4022
/* 32-bit read-only fields */
#define VMCS_INSN_ERROR		 0x4400
#define VMCS_EXIT_REASON	 0x4402
#define VMCS_EXIT_INTR_INFO	 0x4404
#define VMCS_EXIT_INTR_ERROR	 0x4406
#define VMCS_IDT_VECTORING_INFO	 0x4408
#define VMCS_IDT_VECTORING_ERROR 0x440a
#define VMCS_EXIT_INSN_LEN	 0x440c
#define VMCS_EXIT_INSN_INFO	 0x440e
/* 32-bit guest-state fields */
#define VMCS_GUEST_ES_LIMIT    0x4800 /* then CS SS DS FS GS LDTR TR, step 2 */
#define VMCS_GUEST_GDTR_LIMIT  0x4810
#define VMCS_GUEST_IDTR_LIMIT  0x4812
#define VMCS_GUEST_ES_ACCESS   0x4814 /* then CS SS DS FS GS LDTR TR, step 2 */
#define VMCS_GUEST_CS_ACCESS   0x4816
#define VMCS_GUEST_INTR_STATE  0x4824
#define VMCS_GUEST_ACTIVITY    0x4826
#define VMCS_GUEST_SYSENTER_CS 0x482a
#define VMCS_PREEMPTION_TIMER  0x482e
#define VMCS_HOST_SYSENTER_CS  0x4c00

/* natural-width fields */
#define VMCS_CR0_MASK		0x6000
#define VMCS_CR4_MASK		0x6002
#define VMCS_CR0_SHADOW		0x6004
#define VMCS_CR4_SHADOW		0x6006
#define VMCS_EXIT_QUALIFICATION 0x6400
#define VMCS_GUEST_LINEAR_ADDR	0x640a
#define VMCS_GUEST_CR0		0x6800
#define VMCS_GUEST_CR3		0x6802
#define VMCS_GUEST_CR4		0x6804
#define VMCS_GUEST_ES_BASE	0x6806 /* then CS SS DS FS GS LDTR TR, step 2 */
#define VMCS_GUEST_GDTR_BASE	0x6816
#define VMCS_GUEST_IDTR_BASE	0x6818
#define VMCS_GUEST_DR7		0x681a
#define VMCS_GUEST_RSP		0x681c
#define VMCS_GUEST_RIP		0x681e
#define VMCS_GUEST_RFLAGS	0x6820
#define VMCS_GUEST_PENDING_DBG	0x6822
#define VMCS_GUEST_SYSENTER_ESP 0x6824
#define VMCS_GUEST_SYSENTER_EIP 0x6826
#define VMCS_HOST_CR0		0x6c00
#define VMCS_HOST_CR3		0x6c02
#define VMCS_HOST_CR4		0x6c04
#define VMCS_HOST_FS_BASE	0x6c06
#define VMCS_HOST_GS_BASE	0x6c08
#define VMCS_HOST_TR_BASE	0x6c0a
#define VMCS_HOST_GDTR_BASE	0x6c0c
#define VMCS_HOST_IDTR_BASE	0x6c0e
#define VMCS_HOST_SYSENTER_ESP	0x6c10
#define VMCS_HOST_SYSENTER_EIP	0x6c12
#define VMCS_HOST_RSP		0x6c14
#define VMCS_HOST_RIP		0x6c16

/* Pin-based controls */
#define PIN_EXTERNAL_INTR    (1u << 0)
#define PIN_NMI		     (1u << 3)
#define PIN_VIRTUAL_NMI	     (1u << 5)
#define PIN_PREEMPTION_TIMER (1u << 6)
#define PIN_POSTED_INTR	     (1u << 7)
/* Primary processor-based controls */
#define CPU_INTR_WINDOW (1u << 2)
#define CPU_TSC_OFFSET	(1u << 3)
#define CPU_HLT		(1u << 7)
#define CPU_INVLPG	(1u << 9)
#define CPU_MWAIT	(1u << 10)
#define CPU_RDPMC	(1u << 11)
#define CPU_RDTSC	(1u << 12)
#define CPU_CR3_LOAD	(1u << 15)
#define CPU_CR3_STORE	(1u << 16)
#define CPU_CR8_LOAD	(1u << 19)
#define CPU_CR8_STORE	(1u << 20)
#define CPU_TPR_SHADOW	(1u << 21)
#define CPU_NMI_WINDOW	(1u << 22)
#define CPU_MOV_DR	(1u << 23)
#define CPU_IO		(1u << 24)
#define CPU_IO_BITMAPS	(1u << 25)
#define CPU_MSR_BITMAPS (1u << 28)
#define CPU_MONITOR	(1u << 29)
#define CPU_SECONDARY	(1u << 31)
/* Secondary processor-based controls */
#define CPU2_APIC_ACCESSES  (1u << 0)
#define CPU2_EPT	    (1u << 1)
#define CPU2_RDTSCP	    (1u << 3)
#define CPU2_X2APIC	    (1u << 4)
#define CPU2_VPID	    (1u << 5)
#define CPU2_WBINVD	    (1u << 6)
#define CPU2_UNRESTRICTED   (1u << 7)
#define CPU2_APIC_REGISTERS (1u << 8)
#define CPU2_VIRTUAL_INTR   (1u << 9)
#define CPU2_PAUSE_LOOP	    (1u << 10)
#define CPU2_INVPCID	    (1u << 12)
#define CPU2_PML	    (1u << 17)
#define CPU2_TSC_SCALING    (1u << 25)
/* VM-exit controls */
#define EXIT_SAVE_DEBUG (1u << 2)
#define EXIT_HOST_64	(1u << 9)
#define EXIT_ACK_INTR	(1u << 15)
#define EXIT_SAVE_PAT	(1u << 18)
#define EXIT_LOAD_PAT	(1u << 19)
#define EXIT_SAVE_EFER	(1u << 20)
#define EXIT_LOAD_EFER	(1u << 21)
#define EXIT_SAVE_TIMER (1u << 22)
/* VM-entry controls */
#define ENTRY_LOAD_DEBUG (1u << 2)
#define ENTRY_GUEST_64	 (1u << 9)
#define ENTRY_LOAD_PAT	 (1u << 14)
#define ENTRY_LOAD_EFER	 (1u << 15)

/* Interruption information (entry, exit, IDT-vectoring) */
#define INTR_INFO_VALID	      (1u << 31)
#define INTR_INFO_ERROR	      (1u << 11)
#define INTR_INFO_NMI_UNBLOCK (1u << 12)
#define INTR_TYPE_MASK	      0x700u
#define INTR_TYPE_EXTERNAL    (0u << 8)
#define INTR_TYPE_NMI	      (2u << 8)
#define INTR_TYPE_EXCEPTION   (3u << 8)
#define INTR_TYPE_SOFT_INT    (4u << 8)
#define INTR_TYPE_PRIV_SOFT   (5u << 8)
#define INTR_TYPE_SOFT_EXC    (6u << 8)

#define VECTOR_DEBUG	     1
#define VECTOR_DOUBLE_FAULT  8
#define VECTOR_ALIGNMENT     17
#define VECTOR_MACHINE_CHECK 18
/* Causes of a debug exception as DR6 has them: B0 to B3, BD, BS */
#define DEBUG_CAUSES 0x600full

/* Interruptibility state */
#define INTR_STATE_STI	  1u
#define INTR_STATE_MOV_SS 2u
#define INTR_STATE_NMI	  8u

/* Access rights of a segment: 64-bit code */
#define SEG_ACCESS_L (1u << 13)
/* Pending debug exceptions: a single step */
#define PENDING_DBG_BS	    (1u << 14)
#define PENDING_DBG_ENABLED (1u << 12) /* one of bits 3 to 0 is of a breakpoint that is on */
/* Exit qualification of EPT violations: there is a linear address; the access was to what it
 * translates to, not to a table on the way */
#define EPT_Q_LINEAR (1u << 7)
#define EPT_Q_FINAL  (1u << 8)
/* Exit qualification (EPT violation, PML full) and exit interruption information: an
 * IRET that was cut short had ended NMI blocking */
#define EXIT_NMI_UNBLOCK (1u << 12)

/* Basic exit reasons (SDM appendix "VMX Basic Exit Reasons") */
#define EXIT_REASON_ENTRY_FAILED (1u << 31)
enum exit_reason {
	EXIT_REASON_EXCEPTION_NMI = 0,
	EXIT_REASON_EXTERNAL_INTR = 1,
	EXIT_REASON_TRIPLE_FAULT = 2,
	EXIT_REASON_INIT = 3,
	EXIT_REASON_SIPI = 4,
	EXIT_REASON_INTR_WINDOW = 7,
	EXIT_REASON_NMI_WINDOW = 8,
	EXIT_REASON_TASK_SWITCH = 9,
	EXIT_REASON_CPUID = 10,
	EXIT_REASON_GETSEC = 11,
	EXIT_REASON_HLT = 12,
	EXIT_REASON_INVD = 13,
	EXIT_REASON_INVLPG = 14,
	EXIT_REASON_RDPMC = 15,
	EXIT_REASON_RDTSC = 16,
	EXIT_REASON_RSM = 17,
	EXIT_REASON_VMCALL = 18, /* then VMCLEAR .. VMXON = 27 */
	EXIT_REASON_VMXON = 27,
	EXIT_REASON_CR_ACCESS = 28,
	EXIT_REASON_MOV_DR = 29,
	EXIT_REASON_IO = 30,
	EXIT_REASON_RDMSR = 31,
	EXIT_REASON_WRMSR = 32,
	EXIT_REASON_BAD_GUEST_STATE = 33,
	EXIT_REASON_MWAIT = 36,
	EXIT_REASON_MONITOR = 39,
	EXIT_REASON_PAUSE = 40,
	EXIT_REASON_MACHINE_CHECK = 41,
	EXIT_REASON_APIC_ACCESS = 44,
	EXIT_REASON_APIC_EOI = 45,
	EXIT_REASON_EPT_VIOLATION = 48,
	EXIT_REASON_EPT_MISCONFIG = 49,
	EXIT_REASON_INVEPT = 50,
	EXIT_REASON_RDTSCP = 51,
	EXIT_REASON_PREEMPTION = 52,
	EXIT_REASON_INVVPID = 53,
	EXIT_REASON_WBINVD = 54,
	EXIT_REASON_XSETBV = 55,
	EXIT_REASON_APIC_WRITE = 56,
	EXIT_REASON_INVPCID = 58,
	EXIT_REASON_PML_FULL = 62,
	EXIT_REASON_XSAVES = 63,
	EXIT_REASON_XRSTORS = 64,
};

/* Capability MSRs (SDM appendix "VMX Capability Reporting Facility") */
#define MSR_FEATURE_CONTROL	0x3a
#define MSR_VMX_BASIC		0x480
#define MSR_VMX_PIN_CTLS	0x481
#define MSR_VMX_CPU_CTLS	0x482
#define MSR_VMX_EXIT_CTLS	0x483
#define MSR_VMX_ENTRY_CTLS	0x484
#define MSR_VMX_MISC		0x485
#define MSR_VMX_CR0_FIXED0	0x486
#define MSR_VMX_CR0_FIXED1	0x487
#define MSR_VMX_CR4_FIXED0	0x488
#define MSR_VMX_CR4_FIXED1	0x489
#define MSR_VMX_CPU_CTLS2	0x48b
#define MSR_VMX_EPT_VPID_CAP	0x48c
#define MSR_VMX_TRUE_PIN_CTLS	0x48d
#define MSR_VMX_TRUE_CPU_CTLS	0x48e
#define MSR_VMX_TRUE_EXIT_CTLS	0x48f
#define MSR_VMX_TRUE_ENTRY_CTLS 0x490

static inline uint64_t vmread(uint64_t field)
{
	uint64_t v;
	asm volatile("vmread %1, %0" : "=rm"(v) : "r"(field) : "cc");
	return v;
}

/* A field that the processor lacks is simply not written (VMfail): callers write known fields. */
static inline void vmwrite(uint64_t field, uint64_t v)
{
	asm volatile("vmwrite %1, %0" ::"r"(field), "rm"(v) : "cc");
}

#endif
