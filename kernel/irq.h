/* SPDX-License-Identifier: BSD-2-Clause */
/* Device interrupts of the host, by I/O APIC pin (legacy PCI lines). */
#ifndef KERNEL_IRQ_H
#define KERNEL_IRQ_H

#include "kernel/lib/base.h"

/*
 * Handlers run with the host lock held, never nested, and may be shared: each
 * quiets its own device and returns. level: level-triggered, active low (PCI);
 * else edge (ISA). 0, -E_NOTSUP when there is no I/O APIC (poll instead), -E_NOSPC.
 */
int must_check irq_register(unsigned gsi, bool level, void (*fn)(void *arg), void *arg);

#endif
