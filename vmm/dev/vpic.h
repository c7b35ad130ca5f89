/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The PC's two 8259A interrupt controllers (Intel 8259A data sheet; edge/level
 * registers 4D0H/4D1H as in the PIIX). The boot CPU takes their INTR through
 * LINT0 as ExtINT, see vlapic_lint0_extint.
 */
#ifndef VMM_DEV_VPIC_H
#define VMM_DEV_VPIC_H

#include "vmm/vm.h"

#define VPIC_LINES     16
#define VPIC_CASCADE   2 /* the master's input where the slave sits */
#define VPIC_ICW4_BITS 0x1f

/* One 8259A. */
struct vpic_chip_state {
	uint8_t irr, imr, isr;
	uint8_t lines;	   /* input levels now */
	uint8_t elcr;	   /* inputs that are level-triggered */
	uint8_t base;	   /* ICW2: vector of input 0 */
	uint8_t icw4;	   /* SFNM, AEOI */
	uint8_t init_step; /* the ICW that comes next: 0 none, 2, 3, 4 */
	uint8_t need_icw4; /* ICW1 said so */
	uint8_t single;	   /* ICW1: no cascade, no ICW3 */
	uint8_t lowest;	   /* input with the lowest priority; 7 unless rotated */
	uint8_t rotate_aeoi;
	uint8_t special_mask;
	uint8_t read_isr; /* OCW3: even port reads ISR, not IRR */
	uint8_t poll;	  /* OCW3: the next read is a poll */
	uint8_t pad;	  /* zero */
};

struct vpic_state {
	struct vpic_chip_state chip[2]; /* master, slave */
};

struct vpic {
	struct vdev vdev;
	struct vpic_state s;
	struct io_region ports[2], elcr;
};

/* 0, -E_NOMEM, -E_EXIST (ports taken). */
int must_check vpic_create(struct vm *vm, struct vpic **out);
/* Drive input 0..15; 2 is the cascade and like any other number ignored. */
void vpic_set_line(struct vpic *p, unsigned line, bool level);
/* Does the master ask for an interrupt (its INTR pin)? */
bool vpic_pending(const struct vpic *p);
/* The INTA cycle: the vector that the CPU is to take. A spurious one when nothing asks. */
uint8_t vpic_ack(struct vpic *p);

/* ---- one chip, for vpic.c ---- */

/* The input that asks for an interrupt now, or -1. */
int vpic_chip_request(const struct vpic_chip_state *c, bool master);
void vpic_chip_set_line(struct vpic_chip_state *c, unsigned input, bool level);
/* INTA for input: from request to in service. */
void vpic_chip_ack(struct vpic_chip_state *c, unsigned input);
/* A write to the chip's port with A0 = 0, A0 = 1. */
void vpic_chip_write_even(struct vpic_chip_state *c, uint8_t value);
void vpic_chip_write_odd(struct vpic_chip_state *c, uint8_t value);

#endif
