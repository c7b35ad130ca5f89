/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A processor for host-compiled tests of arch/x86 and vmm: included before
 * everything else (-include), it puts functions of fake_cpu.c in the place of the
 * inlines that need ring 0: CPUID, RDMSR, RDTSC, %gs and the VMCS accesses. The
 * direct map is a variable: 0 makes a host pointer its own physical address.
 */
#ifndef TESTS_UNIT_FAKE_CPU_H
#define TESTS_UNIT_FAKE_CPU_H

#include <stdint.h>

#include "boot/handoff.h"
#undef DIRECT_MAP
#define DIRECT_MAP fake_direct_map
extern uint64_t fake_direct_map;

#define cpuid	 real_cpuid
#define rdmsr	 real_rdmsr
#define wrmsr	 real_wrmsr
#define rdtsc	 real_rdtsc
#define vmread	 real_vmread
#define vmwrite	 real_vmwrite
#define this_cpu real_this_cpu
#include "arch/x86/cpu.h"
#include "arch/x86/io.h"
#include "arch/x86/vmx/vmcs.h"
#undef cpuid
#undef rdmsr
#undef wrmsr
#undef rdtsc
#undef vmread
#undef vmwrite
#undef this_cpu

struct cpuid_regs cpuid(uint32_t leaf, uint32_t subleaf);
uint64_t rdmsr(uint32_t msr);
void wrmsr(uint32_t msr, uint64_t v);
uint64_t rdtsc(void);
uint64_t vmread(uint64_t field);
void vmwrite(uint64_t field, uint64_t v);
struct cpu *this_cpu(void);

/* Everything zero, no page allocated, arch ops on the fake kernel's pages. */
void fake_cpu_reset(void);
/* What CPUID and RDMSR read; what is not set reads as zero. */
void fake_cpuid_set(uint32_t leaf, uint32_t subleaf, struct cpuid_regs r);
void fake_msr_set(uint32_t msr, uint64_t v);
extern uint64_t fake_tsc;

#endif
