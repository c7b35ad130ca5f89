/* SPDX-License-Identifier: BSD-2-Clause */
/* The interrupt entry points, for kernel/main.c and the vCPU loop. */
#ifndef KERNEL_IRQ_INIT_H
#define KERNEL_IRQ_INIT_H

#include "kernel/lib/base.h"

void irq_init(hpa_t ioapic_base);
/* From the IDT: takes the host lock around the handlers. */
void irq_interrupt(unsigned vector);
/* From a guest exit that acknowledged the interrupt: the lock is held already. */
void irq_handle_locked(unsigned vector);

#endif
