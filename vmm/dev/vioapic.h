/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * I/O APIC with 24 pins at 0xfec00000 (82093AA data sheet, with the EOI register
 * of version 20h). Pins are plain pin numbers: vm_irq_set maps gsi 0 (the ISA
 * timer) to pin 2 and passes every other gsi as it is.
 */
#ifndef VMM_DEV_VIOAPIC_H
#define VMM_DEV_VIOAPIC_H

#include "vmm/vm.h"

#define VIOAPIC_BASE 0xfec00000ull
#define VIOAPIC_LEN  0x1000
#define VIOAPIC_PINS 24

struct vioapic_state {
	uint64_t redir[VIOAPIC_PINS];
	uint32_t lines; /* pins asserted now, whatever their polarity bit says */
	uint8_t select; /* IOREGSEL */
	uint8_t id;	/* bits 3:0 */
	uint8_t pad[2]; /* zero */
};

struct vioapic {
	struct vdev vdev;
	struct vioapic_state s;
	struct io_region region;
};

/* 0, -E_NOMEM, -E_EXIST (address taken). */
int must_check vioapic_create(struct vm *vm, struct vioapic **out);
/* Assert or release a pin, 0..23; others are ignored. */
void vioapic_set_line(struct vioapic *io, unsigned pin, bool level);
/* A CPU ended a level-triggered interrupt: pins with that vector may interrupt again. */
void vioapic_eoi(struct vioapic *io, uint8_t vector);

#endif
