/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One 8259A: command words, priorities, requests. An edge request goes away when
 * its line falls before the acknowledge, as in the chip, which then answers with
 * the spurious interrupt 7. The pair is in vpic.c.
 */
#include "vmm/dev/vpic.h"

#include "kernel/lib/string.h"

#define ICW1	    0x10
#define ICW1_IC4    0x01
#define ICW1_SINGLE 0x02
#define ICW4_AEOI   0x02
#define ICW4_SFNM   0x10

#define OCW3	     0x08
#define OCW3_RIS     0x01
#define OCW3_RR	     0x02
#define OCW3_POLL    0x04
#define OCW3_SMM     0x20
#define OCW3_ESMM    0x40
#define OCW2_COMMAND 0xe0

/* The input of highest priority in mask, or -1. */
static int chip_first(const struct vpic_chip_state *c, uint8_t mask)
{
	for (unsigned i = 1; i <= 8; i++) {
		unsigned input = (c->lowest + i) & 7;

		if (mask & (1u << input))
			return (int)input;
	}
	return -1;
}

static unsigned chip_rank(const struct vpic_chip_state *c, int input)
{
	return ((unsigned)input - c->lowest - 1) & 7;
}

/* The input that asks for an interrupt now, or -1. */
int vpic_chip_request(const struct vpic_chip_state *c, bool master)
{
	int request = chip_first(c, c->irr & ~c->imr), service;
	uint8_t blocking = c->isr;

	if (c->init_step) /* not before it is initialised */
		return -1;
	/* special mask mode: a masked interrupt in service blocks nobody */
	if (c->special_mask)
		blocking &= ~c->imr;
	/* special fully nested: the slave may interrupt its own service */
	if (master && (c->icw4 & ICW4_SFNM))
		blocking &= ~(1u << VPIC_CASCADE);
	service = chip_first(c, blocking);
	if (request < 0 || (service >= 0 && chip_rank(c, service) <= chip_rank(c, request)))
		return -1;
	return request;
}

void vpic_chip_set_line(struct vpic_chip_state *c, unsigned input, bool level)
{
	uint8_t bit = (uint8_t)(1u << input);
	bool rises = level && !(c->lines & bit);

	if (level)
		c->lines |= bit;
	else
		c->lines &= ~bit;
	if (!level)
		c->irr &= ~bit;
	else if (rises || (c->elcr & bit))
		c->irr |= bit;
}

/* INTA for input: from request to in service. */
void vpic_chip_ack(struct vpic_chip_state *c, unsigned input)
{
	uint8_t bit = (uint8_t)(1u << input);

	if (!(c->elcr & bit))
		c->irr &= ~bit;
	if (!(c->icw4 & ICW4_AEOI))
		c->isr |= bit;
	else if (c->rotate_aeoi)
		c->lowest = (uint8_t)input;
}

static void chip_write_ocw2(struct vpic_chip_state *c, uint8_t value)
{
	uint8_t level = value & 7;
	int input;

	switch (value & OCW2_COMMAND) {
	case 0x00: /* rotate in automatic EOI: clear, set */
	case 0x80:
		c->rotate_aeoi = value >> 7;
		break;
	case 0x20: /* non-specific EOI, and with rotation */
	case 0xa0:
		input = chip_first(c, c->special_mask ? c->isr & ~c->imr : c->isr);
		if (input < 0)
			break;
		c->isr &= ~(1u << input);
		if (value & 0x80)
			c->lowest = (uint8_t)input;
		break;
	case 0x60: /* specific EOI, and with rotation */
	case 0xe0:
		c->isr &= ~(1u << level);
		if (value & 0x80)
			c->lowest = level;
		break;
	case 0xc0: /* set priority */
		c->lowest = level;
		break;
	case 0x40: /* no operation */
		break;
	}
}

static void chip_write_ocw3(struct vpic_chip_state *c, uint8_t value)
{
	if (value & OCW3_ESMM)
		c->special_mask = (value & OCW3_SMM) != 0;
	if (value & OCW3_RR)
		c->read_isr = value & OCW3_RIS;
	c->poll = (value & OCW3_POLL) != 0;
}

static void chip_write_icw1(struct vpic_chip_state *c, uint8_t value)
{
	uint8_t lines = c->lines, elcr = c->elcr, base = c->base;

	memset(c, 0, sizeof(*c));
	c->lines = lines;
	c->elcr = elcr;
	c->base = base;
	c->irr = lines & elcr; /* edges must come again */
	c->lowest = 7;
	c->init_step = 2;
	c->need_icw4 = value & ICW1_IC4;
	c->single = (value & ICW1_SINGLE) != 0;
}

void vpic_chip_write_even(struct vpic_chip_state *c, uint8_t value)
{
	if (value & ICW1)
		chip_write_icw1(c, value);
	else if (value & OCW3)
		chip_write_ocw3(c, value);
	else
		chip_write_ocw2(c, value);
}

void vpic_chip_write_odd(struct vpic_chip_state *c, uint8_t value)
{
	switch (c->init_step) {
	case 0:
		c->imr = value;
		return;
	case 2:
		c->base = value & 0xf8;
		c->init_step = !c->single ? 3 : c->need_icw4 ? 4 : 0;
		return;
	case 3: /* who is whose slave is wired, not written */
		c->init_step = c->need_icw4 ? 4 : 0;
		return;
	case 4:
		c->icw4 = value & VPIC_ICW4_BITS;
		c->init_step = 0;
		return;
	}
}
