/* SPDX-License-Identifier: BSD-2-Clause */
/* Host virtual addresses and selectors, for C and for assembly. */
#ifndef ARCH_X86_LAYOUT_H
#define ARCH_X86_LAYOUT_H

#define SEL_CODE 0x08
#define SEL_DATA 0x10
#define SEL_TSS	 0x18

#ifdef __ASSEMBLY__
#define DIRECT_MAP  0xffff800000000000 /* as in boot/handoff.h */
#define KERNEL_BASE 0xffffffff80000000
#else
#include "boot/handoff.h"
#endif

#endif
