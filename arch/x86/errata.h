/* SPDX-License-Identifier: BSD-2-Clause */
/* Processors (and emulators of them) that do not do what their CPUID says. */
#ifndef ARCH_X86_ERRATA_H
#define ARCH_X86_ERRATA_H

#include <stdbool.h>

/*
 * Does XSAVEC put state where XRSTOR looks for it? True where there is no XSAVEC.
 * Needs CR4.OSXSAVE; uses vector registers, so only before guests do.
 */
bool cpu_xsavec_is_sound(void);

#endif
