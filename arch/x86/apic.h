/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The host's local APICs (xAPIC, or x2APIC where firmware left it on), the I/O
 * APIC, and silencing the 8259s. SDM vol. 3, "Advanced Programmable Interrupt
 * Controller"; Intel 82093AA I/O APIC data sheet.
 */
#ifndef ARCH_X86_APIC_H
#define ARCH_X86_APIC_H

#include "kernel/lib/base.h"

#define VECTOR_TIMER	0xf0
#define VECTOR_KICK	0xf1
#define VECTOR_SPURIOUS 0xff
#define VECTOR_IRQ_BASE 0x30 /* I/O APIC pin n -> 0x30 + n, up to 0x30 + IOAPIC_MAX_PINS */
#define IOAPIC_MAX_PINS 24
#define IOAPIC_DEFAULT	0xfec00000ull

/* Map the registers; call once on the boot CPU, before apic_init_cpu. 0 or -E_NOMEM. */
int must_check apic_init(void);
void apic_init_cpu(void);
uint32_t apic_id(void);
void apic_eoi(void);
void apic_send_init(uint32_t apic_id);
void apic_send_sipi(uint32_t apic_id, uint8_t page);
void apic_send_kick(uint32_t apic_id);
/* Fire VECTOR_TIMER at TSC value deadline, once; 0 stops it. */
void apic_timer_set(uint64_t deadline_tsc);

/* Pins found, 0 when there is no I/O APIC at base. Masks all pins. */
unsigned ioapic_init(hpa_t base);
void ioapic_route(unsigned pin, bool level, uint32_t apic_id);
void pic_disable(void);

#endif
