/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The two 8259As as a pair: cascade, acknowledge cycles, ports, state. What one
 * chip does by itself is in vpic_chip.c.
 */
#include "vmm/dev/vpic.h"

#include "kernel/lib/string.h"
#include "kernel/mem.h"
#include "vmm/dev/vlapic.h"

enum { MASTER, SLAVE };

#define SPURIOUS 7

/* The timer, the keyboard and the cascade; the clock and the FPU: always edge. */
static const uint8_t elcr_bits[2] = {0xf8, 0xde};

/* ---- both ---- */

bool vpic_pending(const struct vpic *p)
{
	return vpic_chip_request(&p->s.chip[MASTER], true) >= 0;
}

/* INTR reaches every local APIC's LINT0: whoever has it as ExtINT may take it. */
static void kick_takers(struct vm *vm)
{
	for (uint32_t i = 0; i < vm->vcpu_count; i++)
		if (vm->vlapics[i] && vlapic_lint0_extint(vm->vlapics[i]))
			vcpu_kick(vm->vcpus[i]);
}

/* After any change: the slave's INT to the master, the master's INTR to the CPU. */
static void vpic_update(struct vpic *p)
{
	vpic_chip_set_line(&p->s.chip[MASTER], VPIC_CASCADE,
			   vpic_chip_request(&p->s.chip[SLAVE], false) >= 0);
	if (vpic_pending(p))
		kick_takers(p->vdev.vm);
}

void vpic_set_line(struct vpic *p, unsigned line, bool level)
{
	struct vpic_chip_state *c = &p->s.chip[line / 8 & 1];

	if (line >= VPIC_LINES || line == VPIC_CASCADE)
		return;
	if (!!(c->lines & (1u << (line & 7))) == level)
		return;
	vpic_chip_set_line(c, line & 7, level);
	vpic_update(p);
}

/* INTA at one chip. Returns the input, or SPURIOUS with nothing in service. */
static unsigned vpic_ack_chip(struct vpic *p, unsigned which)
{
	struct vpic_chip_state *c = &p->s.chip[which];
	int input = vpic_chip_request(c, which == MASTER);

	if (input < 0)
		return SPURIOUS;
	vpic_chip_ack(c, (unsigned)input);
	/* INT falls with the acknowledge: another request of the slave is a new edge */
	if (which == SLAVE)
		vpic_chip_set_line(&p->s.chip[MASTER], VPIC_CASCADE, false);
	return (unsigned)input;
}

uint8_t vpic_ack(struct vpic *p)
{
	bool cascaded = vpic_chip_request(&p->s.chip[MASTER], true) == VPIC_CASCADE;
	unsigned input = vpic_ack_chip(p, MASTER);
	uint8_t vector = (uint8_t)(p->s.chip[MASTER].base + input);

	if (cascaded)
		vector = (uint8_t)(p->s.chip[SLAVE].base + vpic_ack_chip(p, SLAVE));
	vpic_update(p);
	return vector;
}

static uint8_t vpic_poll(struct vpic *p, unsigned which)
{
	int input = vpic_chip_request(&p->s.chip[which], which == MASTER);

	p->s.chip[which].poll = 0;
	if (input < 0)
		return 0;
	vpic_ack_chip(p, which);
	vpic_update(p);
	return (uint8_t)(0x80 | input);
}

/* ---- ports ---- */

static uint64_t vpic_io_read(struct io_region *r, uint64_t offset, unsigned size)
{
	struct vpic *p = container_of(r->dev, struct vpic, vdev);
	unsigned which = r == &p->ports[SLAVE] ? SLAVE : MASTER;
	struct vpic_chip_state *c = &p->s.chip[which];

	if (c->poll)
		return vpic_poll(p, which);
	if (offset & 1)
		return c->imr;
	return c->read_isr ? c->isr : c->irr;
}

static void vpic_io_write(struct io_region *r, uint64_t offset, unsigned size, uint64_t value)
{
	struct vpic *p = container_of(r->dev, struct vpic, vdev);
	struct vpic_chip_state *c = &p->s.chip[r == &p->ports[SLAVE] ? SLAVE : MASTER];

	if (offset & 1)
		vpic_chip_write_odd(c, (uint8_t)value);
	else
		vpic_chip_write_even(c, (uint8_t)value);
	vpic_update(p);
}

static uint64_t vpic_elcr_read(struct io_region *r, uint64_t offset, unsigned size)
{
	return container_of(r, struct vpic, elcr)->s.chip[offset & 1].elcr;
}

static void vpic_elcr_write(struct io_region *r, uint64_t offset, unsigned size, uint64_t value)
{
	struct vpic *p = container_of(r, struct vpic, elcr);
	struct vpic_chip_state *c = &p->s.chip[offset & 1];

	c->elcr = (uint8_t)value & elcr_bits[offset & 1];
	/* a level input requests while it is high */
	c->irr |= c->lines & c->elcr;
	vpic_update(p);
}

static const struct io_ops vpic_io_ops = {.read = vpic_io_read, .write = vpic_io_write};
static const struct io_ops vpic_elcr_ops = {.read = vpic_elcr_read, .write = vpic_elcr_write};

/* ---- a device among others ---- */

#define CHIP(n, member) STATE_FIELD(struct vpic_state, chip[n].member)
#define CHIP_FIELDS(n)                                                                             \
	CHIP(n, irr), CHIP(n, imr), CHIP(n, isr), CHIP(n, lines), CHIP(n, elcr), CHIP(n, base),    \
	    CHIP(n, icw4), CHIP(n, init_step), CHIP(n, need_icw4), CHIP(n, single),                \
	    CHIP(n, lowest), CHIP(n, rotate_aeoi), CHIP(n, special_mask), CHIP(n, read_isr),       \
	    CHIP(n, poll), CHIP(n, pad)
#define CHIP_LIMITS(n)                                                                             \
	{CHIP(n, icw4), VPIC_ICW4_BITS}, {CHIP(n, init_step), 4}, {CHIP(n, need_icw4), 1},         \
	    {CHIP(n, single), 1}, {CHIP(n, lowest), 7}, {CHIP(n, rotate_aeoi), 1},                 \
	    {CHIP(n, special_mask), 1}, {CHIP(n, read_isr), 1}, {CHIP(n, poll), 1},                \
	{                                                                                          \
		CHIP(n, pad), 0                                                                    \
	}

static const struct state_field vpic_fields[] = {CHIP_FIELDS(0), CHIP_FIELDS(1)};
static const struct vdev_limit vpic_limits[] = {CHIP_LIMITS(0), CHIP_LIMITS(1)};

static const struct state_table vpic_table = {
    .name = "vpic",
    .version = 1,
    .struct_size = sizeof(struct vpic_state),
    .fields = vpic_fields,
    .field_count = ARRAY_SIZE(vpic_fields),
};

static void vpic_reset(struct vdev *d)
{
	struct vpic *p = container_of(d, struct vpic, vdev);

	for (unsigned i = 0; i < 2; i++) {
		struct vpic_chip_state *c = &p->s.chip[i];
		uint8_t lines = c->lines; /* driven by others */

		memset(c, 0, sizeof(*c));
		c->lines = lines;
		c->lowest = 7;
		c->imr = 0xff; /* quiet until somebody initialises it */
	}
	p->s.chip[MASTER].lines &= ~(1u << VPIC_CASCADE);
}

static int vpic_check_chip(const struct vdev *d, const struct vpic_chip_state *c, unsigned which)
{
	if (c->elcr & ~elcr_bits[which])
		return vdev_refuse(d, "elcr", c->elcr, "only inputs that can be level-triggered");
	if (c->base & 7)
		return vdev_refuse(d, "base", c->base, "a multiple of 8");
	if (c->init_step == 1)
		return vdev_refuse(d, "init_step", c->init_step, "0 or 2 to 4");
	if (c->irr & ~c->lines)
		return vdev_refuse(d, "irr", c->irr, "requests only where the line is high");
	return 0;
}

static int vpic_check(const struct vdev *d, const void *state)
{
	const struct vpic_state *s = state;
	int err = vdev_check_limits(d, s, vpic_limits, ARRAY_SIZE(vpic_limits));

	for (unsigned i = 0; i < 2 && !err; i++)
		err = vpic_check_chip(d, &s->chip[i], i);
	return err;
}

static void vpic_nothing(struct vdev *d)
{
	/* no timers, nothing of the host's to stop or start */
}

static void vpic_destroy(struct vdev *d)
{
	struct vpic *p = container_of(d, struct vpic, vdev);

	iobus_remove(&d->vm->ports, &p->ports[MASTER]);
	iobus_remove(&d->vm->ports, &p->ports[SLAVE]);
	iobus_remove(&d->vm->ports, &p->elcr);
	list_remove(&d->node);
	kfree(p);
}

static const struct vdev_ops vpic_ops = {
    .table = &vpic_table,
    .reset = vpic_reset,
    .quiesce = vpic_nothing,
    .check = vpic_check,
    .resume = vpic_nothing,
    .destroy = vpic_destroy,
};

static int vpic_add_ports(struct vpic *p, struct io_region *r, const char *name, uint64_t base,
			  const struct io_ops *ops)
{
	*r = (struct io_region){
	    .name = name,
	    .base = base,
	    .len = 2,
	    .enabled = true,
	    .byte_wide = true,
	    .ops = ops,
	    .dev = &p->vdev,
	};
	list_init(&r->node);
	return iobus_add(&p->vdev.vm->ports, r);
}

int vpic_create(struct vm *vm, struct vpic **out)
{
	struct vpic *p = kzalloc(sizeof(*p));
	int err;

	if (!p)
		return -E_NOMEM;
	p->vdev.vm = vm;
	err = vpic_add_ports(p, &p->ports[MASTER], "vpic master", 0x20, &vpic_io_ops);
	if (err)
		goto undo_alloc;
	err = vpic_add_ports(p, &p->ports[SLAVE], "vpic slave", 0xa0, &vpic_io_ops);
	if (err)
		goto undo_master;
	err = vpic_add_ports(p, &p->elcr, "vpic elcr", 0x4d0, &vpic_elcr_ops);
	if (err)
		goto undo_slave;
	vdev_add(vm, &p->vdev, &vpic_ops, 0, &p->s);
	*out = p;
	return 0;

undo_slave:
	iobus_remove(&vm->ports, &p->ports[SLAVE]);
undo_master:
	iobus_remove(&vm->ports, &p->ports[MASTER]);
undo_alloc:
	kfree(p);
	return err;
}
