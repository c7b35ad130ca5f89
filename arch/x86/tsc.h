/* SPDX-License-Identifier: BSD-2-Clause */
/* The TSC's frequency, measured against the PIT (CPUID 15h/16h are not trusted). */
#ifndef ARCH_X86_TSC_H
#define ARCH_X86_TSC_H

#include "kernel/lib/base.h"

void tsc_calibrate(void);
uint64_t tsc_khz(void);

#endif
