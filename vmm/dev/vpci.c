/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Configuration mechanism 1, the host bridge, and the reset control register
 * between its ports. What a function's registers do is vpci_func's.
 */
#include "vmm/dev/vpci.h"
#include "vmm/dev/vpci_func.h"
#include "kernel/lib/string.h"
#include "kernel/mem.h"
#include "vmm/guest_map.h"

#define ADDRESS_ENABLE BIT(31)
#define ADDRESS_BITS   0x80fffffcu /* the rest reads as 0 */

#define RESET_PORT_OFFSET (GUEST_RESET_PORT - GUEST_PCI_ADDR)
#define RESET_BITS	  0x0e /* SYS_RST, RST_CPU, full reset */
#define RESET_CPU	  BIT(2)

#define PAM_FIRST 0x58 /* DRAM control, then PAM0 to PAM6 */
#define PAM_END	  0x60

#define ALL_ONES UINT64_MAX /* what a bus with nothing on it reads */

static struct vpci *to_vpci(struct vdev *d)
{
	return container_of(d, struct vpci, vdev);
}

static uint64_t address_read(struct io_region *r, uint64_t offset, unsigned size)
{
	struct vpci *bus = to_vpci(r->dev);

	if (size == 4)
		return bus->s.address;
	if (size == 1 && offset == RESET_PORT_OFFSET)
		return bus->s.reset_control;
	return ALL_ONES;
}

static void address_write(struct io_region *r, uint64_t offset, unsigned size, uint64_t value)
{
	struct vpci *bus = to_vpci(r->dev);

	if (size == 4) {
		bus->s.address = value & ADDRESS_BITS;
		return;
	}
	if (size != 1 || offset != RESET_PORT_OFFSET)
		return;
	/* the rising RST_CPU bit resets: chipsets' RST_CNT register */
	bool fires = (value & RESET_CPU) && !(bus->s.reset_control & RESET_CPU);

	bus->s.reset_control = value & RESET_BITS;
	if (fires)
		vm_guest_reset(bus->vdev.vm);
}

/* The function that the address register selects; NULL: none there. */
static struct vpci_func *selected(const struct vpci *bus)
{
	uint32_t a = bus->s.address;

	if (!(a & ADDRESS_ENABLE) || (a >> 16 & 0xff) || (a >> 8 & 7))
		return NULL;
	return bus->slots[a >> 11 & (VPCI_SLOTS - 1)];
}

static uint64_t data_read(struct io_region *r, uint64_t offset, unsigned size)
{
	struct vpci *bus = to_vpci(r->dev);
	struct vpci_func *f = selected(bus);

	if (!f)
		return ALL_ONES;
	return vpci_func_config_read(f, bus->s.address & 0xfc) >> (8 * offset);
}

static void data_write(struct io_region *r, uint64_t offset, unsigned size, uint64_t value)
{
	struct vpci *bus = to_vpci(r->dev);
	struct vpci_func *f = selected(bus);
	uint32_t mask = size == 4 ? UINT32_MAX : (uint32_t)(BIT(8 * size) - 1) << (8 * offset);

	if (f)
		vpci_func_config_write(f, bus->s.address & 0xfc, (uint32_t)value << (8 * offset),
				       mask);
}

/*
 * 82441FX data sheet, "PAM - Programmable Attribute Map Registers" (59H-5FH): RAM or
 * ROM below 1 MiB. There is RAM at all times, so the registers only keep their value.
 */
static bool bridge_config_read(struct vpci_func *f, unsigned reg, uint32_t *value)
{
	if (reg < PAM_FIRST || reg >= PAM_END)
		return false;
	memcpy(value, f->bus->s.pam + (reg - PAM_FIRST), sizeof(*value));
	return true;
}

static bool bridge_config_write(struct vpci_func *f, unsigned reg, uint32_t value, uint32_t mask)
{
	uint8_t *pam;
	uint32_t old;

	if (reg < PAM_FIRST || reg >= PAM_END)
		return false;
	pam = f->bus->s.pam + (reg - PAM_FIRST);
	memcpy(&old, pam, sizeof(old));
	value |= old & ~mask;
	memcpy(pam, &value, sizeof(value));
	return true;
}

/* The next free address for each kind of BAR. */
struct windows {
	uint64_t mem, io;
};

static void assign_function(struct vpci_func *f, struct windows *w)
{
	for (unsigned n = 0; n < VPCI_BARS; n++) {
		uint32_t size = f->bar_size[n];
		uint64_t *next = f->bar_is_io[n] ? &w->io : &w->mem;
		uint64_t end = f->bar_is_io[n] ? 0x10000 : GUEST_PCI_MMIO_END;

		if (!size)
			continue;
		uint64_t base = ALIGN_UP(*next, (uint64_t)size);

		if (base + size > end)
			continue; /* stays unassigned, as firmware would leave it */
		*next = base + size;
		f->regs->bar[n] = base | f->bar_is_io[n];
	}
	f->regs->command |= PCI_COMMAND_IO | PCI_COMMAND_MEMORY;
	vpci_func_resume(f);
}

void vpci_assign(struct vpci *bus)
{
	struct windows w = {.mem = GUEST_PCI_MMIO, .io = GUEST_PCI_IO};

	for (unsigned i = 0; i < VPCI_SLOTS; i++) {
		if (bus->slots[i])
			assign_function(bus->slots[i], &w);
	}
}

static void vpci_reset(struct vdev *d)
{
	struct vpci *bus = to_vpci(d);

	bus->s.address = 0;
	bus->s.reset_control = 0;
	memset(bus->s.pam, 0, sizeof(bus->s.pam));
	vpci_func_reset(&bus->bridge);
}

static void vpci_quiesce(struct vdev *d)
{
}

static int vpci_check(const struct vdev *d, const void *state)
{
	const struct vpci_state *s = state;

	if (s->address & ~ADDRESS_BITS)
		return vdev_refuse(d, "address", s->address, "no reserved bits");
	if (s->reset_control & ~RESET_BITS)
		return vdev_refuse(d, "reset_control", s->reset_control, "no reserved bits");
	return vpci_func_check(&container_of(d, struct vpci, vdev)->bridge, &s->bridge);
}

static void vpci_resume(struct vdev *d)
{
}

static void vpci_destroy(struct vdev *d)
{
	struct vpci *bus = to_vpci(d);

	iobus_remove(&d->vm->ports, &bus->address_port);
	iobus_remove(&d->vm->ports, &bus->data_port);
	vpci_func_detach(&bus->bridge);
	list_remove(&d->node);
	d->vm->vpci = NULL;
	kfree(bus);
}

static const struct state_field vpci_fields[] = {
    VPCI_STATE_FIELDS(struct vpci_state, bridge),  STATE_FIELD(struct vpci_state, address),
    STATE_FIELD(struct vpci_state, reset_control), STATE_ARRAY(struct vpci_state, reserved),
    STATE_ARRAY(struct vpci_state, pam),
};

static const struct state_table vpci_table = {
    .name = "vpci",
    .version = 2,
    .struct_size = sizeof(struct vpci_state),
    .fields = vpci_fields,
    .field_count = ARRAY_SIZE(vpci_fields),
};

static const struct vdev_ops vpci_ops = {
    .table = &vpci_table,
    .reset = vpci_reset,
    .quiesce = vpci_quiesce,
    .check = vpci_check,
    .resume = vpci_resume,
    .destroy = vpci_destroy,
};

static const struct io_ops address_ops = {.read = address_read, .write = address_write};
static const struct io_ops data_ops = {.read = data_read, .write = data_write};
static const struct vpci_func_ops bridge_ops = {
    .config_read = bridge_config_read,
    .config_write = bridge_config_write,
};

/*
 * The class tells guests to trust the mechanism. The rest is for firmware: it knows how
 * an 82441FX makes RAM of ROM, and with these subsystem ids it looks for fw_cfg.
 */
static const struct vpci_ids bridge_ids = {.vendor = 0x8086,
					   .device = 0x1237,
					   .subsys_vendor = PCI_VENDOR_REDHAT,
					   .subsys = 0x1100,
					   .class_code = 0x060000,
					   .revision = 2};

static struct io_region region(struct vpci *bus, const char *name, uint16_t port,
			       const struct io_ops *ops)
{
	return (struct io_region){
	    .name = name, .base = port, .len = 4, .enabled = true, .ops = ops, .dev = &bus->vdev};
}

int vpci_create(struct vm *vm)
{
	struct vpci *bus = kzalloc(sizeof(*bus));

	if (!bus)
		return -E_NOMEM;
	bus->address_port = region(bus, "pci-address", GUEST_PCI_ADDR, &address_ops);
	bus->data_port = region(bus, "pci-data", GUEST_PCI_DATA, &data_ops);

	int err = iobus_add(&vm->ports, &bus->address_port);

	if (err)
		goto undo_alloc;
	err = iobus_add(&vm->ports, &bus->data_port);
	if (err)
		goto undo_address;
	bus->vdev.vm = vm;
	vpci_func_init(&bus->bridge, &bus->vdev, &bus->s.bridge, &bridge_ids, &bridge_ops);
	bus->bridge.bus = bus;
	bus->slots[0] = &bus->bridge;
	vm->vpci = bus;
	vdev_add(vm, &bus->vdev, &vpci_ops, 0, &bus->s);
	return 0;

undo_address:
	iobus_remove(&vm->ports, &bus->address_port);
undo_alloc:
	kfree(bus);
	return err;
}
