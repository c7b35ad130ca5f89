/* SPDX-License-Identifier: BSD-2-Clause */
/* What follows from a CPUID policy for control registers, and what its two files share. */
#ifndef VMM_CPU_POLICY_LIMITS_H
#define VMM_CPU_POLICY_LIMITS_H

#include "vmm/cpu_features.h"
#include "vmm/cpuid_policy.h"

#define XCR0_CARRIED 0xe7ul /* x87, SSE, AVX, AVX-512 */
#define XCR0_AVX512  0xe0ul
#define XSAVE_LEGACY 576 /* bytes of the legacy area and header */

/* CR4 bits that a CPU with this CPUID lets software set. */
uint64_t cpu_policy_cr4(const struct cpuid_policy *p);
/* By its name in cpu_features. */
bool cpuid_policy_shows(const struct cpuid_policy *p, const char *name);
bool cpu_policy_has(const struct cpuid_policy *p, const struct cpu_feature *f);

#endif
