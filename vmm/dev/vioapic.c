/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * I/O APIC: the redirection table between interrupt lines and local APICs. Who
 * receives a message is vlapic_deliver's business.
 */
#include "vmm/dev/vioapic.h"

#include "kernel/lib/string.h"
#include "kernel/mem.h"
#include "vmm/dev/vlapic.h"

/* Direct registers, by offset. */
#define IOREGSEL 0x00
#define IOWIN	 0x10
#define IOEOI	 0x40

/* Registers behind IOREGSEL. */
#define IOAPICID     0x00
#define IOAPICVER    0x01
#define IOAPICARB    0x02
#define IOREDTBL     0x10
#define IOREDTBL_END (IOREDTBL + 2 * VIOAPIC_PINS)

#define VERSION_VALUE (0x20u | (VIOAPIC_PINS - 1) << 16)

/* Redirection entry. */
#define RTE_VECTOR     0xffull
#define RTE_LOGICAL    BIT(11)
#define RTE_REMOTE_IRR BIT(14)
#define RTE_LEVEL      BIT(15)
#define RTE_MASKED     BIT(16)
#define RTE_WRITABLE   0xff0000000001afffull
#define RTE_MODE(rte)  ((enum apic_delivery)(((rte) >> 8) & 7))
#define RTE_DEST(rte)  ((uint8_t)((rte) >> 56))

static void pin_deliver(struct vioapic *io, unsigned pin)
{
	uint64_t rte = io->s.redir[pin];
	enum apic_delivery mode = RTE_MODE(rte);
	bool level = rte & RTE_LEVEL;
	unsigned taken = vlapic_deliver(io->vdev.vm, RTE_DEST(rte), rte & RTE_LOGICAL, mode,
					(uint8_t)(rte & RTE_VECTOR), level);

	/*
	 * Only these are answered by an EOI, and only by a CPU that took them:
	 * anything else would block the pin for ever.
	 */
	if (taken && level && (mode == APIC_FIXED || mode == APIC_LOWEST))
		io->s.redir[pin] |= RTE_REMOTE_IRR;
}

/* A level-triggered pin interrupts while it is asserted and nobody works on it yet. */
static void pin_update_level(struct vioapic *io, unsigned pin)
{
	uint64_t rte = io->s.redir[pin];

	if (!(rte & RTE_LEVEL) || rte & (RTE_MASKED | RTE_REMOTE_IRR))
		return;
	if (io->s.lines & BIT(pin))
		pin_deliver(io, pin);
}

void vioapic_set_line(struct vioapic *io, unsigned pin, bool level)
{
	bool old;

	if (pin >= VIOAPIC_PINS)
		return;
	old = io->s.lines & BIT(pin);
	if (level == old)
		return;
	io->s.lines ^= (uint32_t)BIT(pin);
	if (!level)
		return;
	if (io->s.redir[pin] & RTE_LEVEL)
		pin_update_level(io, pin);
	else if (!(io->s.redir[pin] & RTE_MASKED))
		pin_deliver(io, pin); /* an edge at a masked pin is lost, says the data sheet */
}

void vioapic_eoi(struct vioapic *io, uint8_t vector)
{
	for (unsigned pin = 0; pin < VIOAPIC_PINS; pin++) {
		uint64_t rte = io->s.redir[pin];

		if ((rte & RTE_VECTOR) != vector || !(rte & RTE_REMOTE_IRR))
			continue;
		io->s.redir[pin] &= ~RTE_REMOTE_IRR;
		pin_update_level(io, pin);
	}
}

/* ---- registers ---- */

static uint32_t reg_read(const struct vioapic *io, unsigned reg)
{
	uint64_t rte;

	switch (reg) {
	case IOAPICID:
	case IOAPICARB:
		return (uint32_t)io->s.id << 24;
	case IOAPICVER:
		return VERSION_VALUE;
	}
	if (reg < IOREDTBL || reg >= IOREDTBL_END)
		return 0xffffffff;
	rte = io->s.redir[(reg - IOREDTBL) / 2];
	return (uint32_t)(reg & 1 ? rte >> 32 : rte);
}

static void redir_write(struct vioapic *io, unsigned pin, bool high, uint32_t value)
{
	uint64_t old = io->s.redir[pin], rte;

	if (high)
		rte = (old & 0xffffffff) | (uint64_t)value << 32;
	else
		rte = (old & ~0xffffffffull) | value;
	rte = (rte & RTE_WRITABLE) | (old & RTE_REMOTE_IRR);
	/* a driver without the EOI register switches to edge and back to end an interrupt */
	if (!(rte & RTE_LEVEL))
		rte &= ~RTE_REMOTE_IRR;
	io->s.redir[pin] = rte;
	pin_update_level(io, pin);
}

static void reg_write(struct vioapic *io, unsigned reg, uint32_t value)
{
	if (reg == IOAPICID)
		io->s.id = (value >> 24) & 0xf;
	else if (reg >= IOREDTBL && reg < IOREDTBL_END)
		redir_write(io, (reg - IOREDTBL) / 2, reg & 1, value);
}

static uint64_t vioapic_io_read(struct io_region *r, uint64_t offset, unsigned size)
{
	struct vioapic *io = container_of(r, struct vioapic, region);

	switch (offset) {
	case IOREGSEL:
		return io->s.select;
	case IOWIN:
		return reg_read(io, io->s.select);
	}
	return 0;
}

static void vioapic_io_write(struct io_region *r, uint64_t offset, unsigned size, uint64_t value)
{
	struct vioapic *io = container_of(r, struct vioapic, region);

	switch (offset) {
	case IOREGSEL:
		io->s.select = (uint8_t)value;
		break;
	case IOWIN:
		reg_write(io, io->s.select, (uint32_t)value);
		break;
	case IOEOI:
		vioapic_eoi(io, (uint8_t)value);
		break;
	}
}

static const struct io_ops vioapic_io_ops = {.read = vioapic_io_read, .write = vioapic_io_write};

/* ---- a device among others ---- */

static const struct state_field vioapic_fields[] = {
    STATE_ARRAY(struct vioapic_state, redir),  STATE_FIELD(struct vioapic_state, lines),
    STATE_FIELD(struct vioapic_state, select), STATE_FIELD(struct vioapic_state, id),
    STATE_ARRAY(struct vioapic_state, pad),
};

static const struct vdev_limit vioapic_limits[] = {
    {STATE_FIELD(struct vioapic_state, lines), BIT(VIOAPIC_PINS) - 1},
    {STATE_FIELD(struct vioapic_state, id), 0xf},
    {STATE_ARRAY(struct vioapic_state, pad), 0},
};

static const struct state_table vioapic_table = {
    .name = "vioapic",
    .version = 1,
    .struct_size = sizeof(struct vioapic_state),
    .fields = vioapic_fields,
    .field_count = ARRAY_SIZE(vioapic_fields),
};

static void vioapic_reset(struct vdev *d)
{
	struct vioapic *io = container_of(d, struct vioapic, vdev);
	uint32_t lines = io->s.lines; /* driven by others, who let go in their own reset */

	memset(&io->s, 0, sizeof(io->s));
	io->s.lines = lines;
	for (unsigned pin = 0; pin < VIOAPIC_PINS; pin++)
		io->s.redir[pin] = RTE_MASKED;
}

static int vioapic_check(const struct vdev *d, const void *state)
{
	const struct vioapic_state *s = state;
	int err = vdev_check_limits(d, s, vioapic_limits, ARRAY_SIZE(vioapic_limits));

	if (err)
		return err;
	for (unsigned pin = 0; pin < VIOAPIC_PINS; pin++) {
		uint64_t rte = s->redir[pin];

		if (rte & ~(RTE_WRITABLE | RTE_REMOTE_IRR))
			return vdev_refuse(d, "redir", rte, "reserved bits clear");
		if ((rte & RTE_REMOTE_IRR) && !(rte & RTE_LEVEL))
			return vdev_refuse(d, "redir", rte, "remote IRR on level pins only");
	}
	return 0;
}

static void vioapic_nothing(struct vdev *d)
{
	/* no timers, nothing of the host's to stop or start */
}

static void vioapic_destroy(struct vdev *d)
{
	struct vioapic *io = container_of(d, struct vioapic, vdev);

	iobus_remove(&d->vm->mmio, &io->region);
	list_remove(&d->node);
	kfree(io);
}

static const struct vdev_ops vioapic_ops = {
    .table = &vioapic_table,
    .reset = vioapic_reset,
    .quiesce = vioapic_nothing,
    .check = vioapic_check,
    .resume = vioapic_nothing,
    .destroy = vioapic_destroy,
};

int vioapic_create(struct vm *vm, struct vioapic **out)
{
	struct vioapic *io = kzalloc(sizeof(*io));
	int err;

	if (!io)
		return -E_NOMEM;
	io->region = (struct io_region){
	    .name = "vioapic",
	    .base = VIOAPIC_BASE,
	    .len = VIOAPIC_LEN,
	    .enabled = true,
	    .ops = &vioapic_io_ops,
	    .dev = &io->vdev,
	};
	err = iobus_add(&vm->mmio, &io->region);
	if (err)
		goto undo_alloc;
	vdev_add(vm, &io->vdev, &vioapic_ops, 0, &io->s);
	*out = io;
	return 0;

undo_alloc:
	kfree(io);
	return err;
}
