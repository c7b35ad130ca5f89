/* SPDX-License-Identifier: BSD-2-Clause */
/* What follows from a CPUID policy for control registers. */
#ifndef VMM_CPU_POLICY_LIMITS_H
#define VMM_CPU_POLICY_LIMITS_H

#include "vmm/cpuid_policy.h"

/* CR4 bits that a CPU with this CPUID lets software set. */
uint64_t cpu_policy_cr4(const struct cpuid_policy *p);

#endif
