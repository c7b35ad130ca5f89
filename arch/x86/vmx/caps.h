/* SPDX-License-Identifier: BSD-2-Clause */
/* VMX capabilities: which control bits may and must be set on this processor. */
#ifndef ARCH_X86_VMX_CAPS_H
#define ARCH_X86_VMX_CAPS_H

#include "arch/x86/virt.h"

/* Adjusted control words, the same for all VMs of the host. */
struct vmx_controls {
	uint32_t pin, cpu, cpu2, exit, entry;
};

/*
 * want: bits we would like; need: bits without which we cannot run. cap is a
 * capability MSR: bits that must be 1 in its low half, bits that may be 1 in its
 * high half (SDM appendix "VMX Capability Reporting Facility"). Returns 0 and
 * *out, or -E_NOTSUP with *missing, the needed bits that the CPU lacks.
 */
int must_check vmx_adjust(uint32_t need, uint32_t want, uint64_t cap, uint32_t *out,
			  uint32_t *missing);

struct vmx_caps {
	struct virt_caps virt;
	struct vmx_controls controls;
	uint64_t cr0_fixed0, cr0_fixed1, cr4_fixed0, cr4_fixed1;
	uint32_t timer_shift; /* the preemption timer counts TSC >> this */
	uint32_t phys_bits;   /* physical-address width */
	bool invept_single;
	bool xsave;
};
extern struct vmx_caps vmx_caps;

/* Fill vmx_caps. NULL, or why this CPU cannot run guests. */
const char *vmx_detect(void);

#endif
