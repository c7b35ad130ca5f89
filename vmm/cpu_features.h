/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The CPU features that a guest may be shown, by name: the one list behind the
 * CPUID policy, cpu_hide in vm.conf, and the words of the move check. What is not
 * here is never shown. Bits from the SDM vol. 2, "CPUID".
 */
#ifndef VMM_CPU_FEATURES_H
#define VMM_CPU_FEATURES_H

#include "kernel/lib/base.h"

enum cpuid_reg { CPUID_EAX, CPUID_EBX, CPUID_ECX, CPUID_EDX };

struct cpu_feature {
	const char *name;
	uint32_t leaf, subleaf; /* subleaf CPUID_NO_SUBLEAF: ECX is ignored */
	uint8_t reg, bit;
	uint8_t cr4_bit;  /* the CR4 bit that it allows, 0 for none */
	uint8_t xcr0_bit; /* the XCR0 bits are gone when this one is not offered, 0 for none */
};

extern const struct cpu_feature cpu_features[];
extern const unsigned cpu_feature_count;

#endif
