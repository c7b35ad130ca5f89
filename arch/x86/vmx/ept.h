/* SPDX-License-Identifier: BSD-2-Clause */
/* The inside of struct slat for Intel EPT, shared by ept.c and the VMCS set-up. */
#ifndef ARCH_X86_VMX_EPT_H
#define ARCH_X86_VMX_EPT_H

#include "arch/x86/virt.h"

/* EPT entry bits (SDM vol. 3, "The Extended Page Table Mechanism") */
#define EPT_R	   BIT(0)
#define EPT_W	   BIT(1)
#define EPT_X	   BIT(2)
#define EPT_RWX	   (EPT_R | EPT_W | EPT_X)
#define EPT_WB	   (6ull << 3)
#define EPT_LARGE  BIT(7)
#define EPT_A	   BIT(8)
#define EPT_D	   BIT(9)
#define EPT_ADDR   0x000ffffffffff000ull
#define EPTP_WALK4 (3ull << 3)
#define EPTP_AD	   BIT(6)

struct slat {
	uint64_t *root;
	uint64_t table_pages;
	enum slat_log log;
	/* Counts changes that take rights away: a vCPU that saw an older number must
	 * INVEPT before it enters. */
	uint32_t generation;
};

uint64_t ept_pointer(const struct slat *s);
void ept_invalidate(const struct slat *s);

#endif
