/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One PCI function: its type-0 header, BAR sizing and decoding, capability list
 * and interrupt pin. Slots and ports are vpci.c's, behaviour is the device's.
 */
#include "vmm/dev/vpci_func.h"
#include "kernel/lib/string.h"
#include "kernel/log.h"
#include "vmm/dev/msix.h"
#include "vmm/guest_map.h"

/* Registers of the type-0 header */
#define REG_ID	    0x00
#define REG_COMMAND 0x04
#define REG_CLASS   0x08
#define REG_BAR	    0x10
#define REG_BAR_END 0x28
#define REG_SUBSYS  0x2c
#define REG_CAPS    0x34
#define REG_INT	    0x3c
#define HEADER_SIZE 0x40

#define STATUS_INTERRUPT (BIT(3) << 16)
#define STATUS_CAP_LIST	 (BIT(4) << 16)

#define COMMAND_BITS                                                                               \
	(PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_BUS_MASTER | PCI_COMMAND_INTX_DISABLE)

#define MSIX_BITS (PCI_MSIX_ENABLE | PCI_MSIX_MASK_ALL)

static struct iobus *bar_bus(const struct vpci_func *f, unsigned n)
{
	return f->bar_is_io[n] ? &f->dev->vm->ports : &f->dev->vm->mmio;
}

/* Fixed low bits of a BAR: I/O space, or 32-bit not prefetchable memory (all zero). */
static uint32_t bar_type(const struct vpci_func *f, unsigned n)
{
	return f->bar_is_io[n] ? 1 : 0;
}

/*
 * Decode only inside the windows that ACPI names: a BAR that is being sized, or
 * was put over RAM or the APICs, claims nothing.
 */
static void apply_bar(struct vpci_func *f, unsigned n)
{
	uint64_t size = f->bar_size[n];
	uint64_t base = f->regs->bar[n] & ~(size - 1);
	uint16_t need = f->bar_is_io[n] ? PCI_COMMAND_IO : PCI_COMMAND_MEMORY;
	uint64_t min = f->bar_is_io[n] ? GUEST_PCI_IO : GUEST_PCI_MMIO;
	uint64_t end = f->bar_is_io[n] ? 0x10000 : GUEST_PCI_MMIO_END;

	if (!size)
		return;
	bool enabled = (f->regs->command & need) && base >= min && base + size <= end;

	iobus_set(bar_bus(f, n), &f->bar[n], base, enabled);
}

static void apply_bars(struct vpci_func *f)
{
	for (unsigned n = 0; n < VPCI_BARS; n++)
		apply_bar(f, n);
}

static bool drives_line(const struct vpci_func *f)
{
	return f->regs->intx && !(f->regs->command & PCI_COMMAND_INTX_DISABLE) &&
	       !(f->regs->msix_control & PCI_MSIX_ENABLE);
}

/* The level of a shared line is the OR of all that sit on it. */
static void update_line(struct vpci_func *f)
{
	bool level = false;

	if (!f->bus)
		return;
	for (unsigned i = f->slot % GUEST_PCI_GSIS; i < VPCI_SLOTS; i += GUEST_PCI_GSIS) {
		const struct vpci_func *other = f->bus->slots[i];

		level |= other && drives_line(other);
	}
	vm_irq_set(f->dev->vm, GUEST_PCI_GSI_BASE + f->slot % GUEST_PCI_GSIS, level);
}

uint32_t vpci_func_config_read(struct vpci_func *f, unsigned reg)
{
	uint32_t value;

	if (f->ops->config_read(f, reg, &value))
		return value;
	memcpy(&value, f->config + reg, sizeof(value));
	if (reg == REG_COMMAND) {
		value = f->regs->command;
		if (f->config[REG_CAPS])
			value |= STATUS_CAP_LIST;
		if (f->regs->intx)
			value |= STATUS_INTERRUPT;
	} else if (reg >= REG_BAR && reg < REG_BAR_END) {
		value = f->regs->bar[(reg - REG_BAR) / 4];
	} else if (reg == REG_INT) {
		value |= f->regs->int_line;
	} else if (f->msix && reg == f->msix->cap) {
		value |= (uint32_t)f->regs->msix_control << 16;
	}
	return value;
}

static void write_bar(struct vpci_func *f, unsigned n, uint32_t value, uint32_t mask)
{
	if (!f->bar_size[n])
		return;
	value |= f->regs->bar[n] & ~mask;
	f->regs->bar[n] = (value & ~(f->bar_size[n] - 1)) | bar_type(f, n);
	apply_bar(f, n);
}

static void write_msix_control(struct vpci_func *f, uint32_t value, uint32_t mask)
{
	value |= (uint32_t)f->regs->msix_control << 16 & ~mask;
	f->regs->msix_control = value >> 16 & MSIX_BITS;
	update_line(f);
	msix_control_changed(f->msix);
}

void vpci_func_config_write(struct vpci_func *f, unsigned reg, uint32_t value, uint32_t mask)
{
	value &= mask;
	if (f->ops->config_write(f, reg, value, mask))
		return;
	if (reg == REG_COMMAND) {
		value |= f->regs->command & ~mask;
		f->regs->command = value & COMMAND_BITS;
		apply_bars(f);
		update_line(f);
	} else if (reg >= REG_BAR && reg < REG_BAR_END) {
		write_bar(f, (reg - REG_BAR) / 4, value, mask);
	} else if (reg == REG_INT && (mask & 0xff)) {
		f->regs->int_line = value;
	} else if (f->msix && reg == f->msix->cap) {
		write_msix_control(f, value, mask);
	}
}

void vpci_func_init(struct vpci_func *f, struct vdev *dev, struct vpci_regs *regs,
		    const struct vpci_ids *ids, const struct vpci_func_ops *ops)
{
	uint32_t class_rev = ids->class_code << 8 | ids->revision;

	memset(f, 0, sizeof(*f));
	f->dev = dev;
	f->regs = regs;
	f->ops = ops;
	f->cap_end = HEADER_SIZE;
	memcpy(f->config + REG_ID, &ids->vendor, 2);
	memcpy(f->config + REG_ID + 2, &ids->device, 2);
	memcpy(f->config + REG_CLASS, &class_rev, 4);
	memcpy(f->config + REG_SUBSYS, &ids->subsys_vendor, 2);
	memcpy(f->config + REG_SUBSYS + 2, &ids->subsys, 2);
	f->config[REG_INT + 1] = ids->has_intx; /* pin: 1 is INTA */
}

void vpci_func_set_bar(struct vpci_func *f, unsigned n, uint32_t size, bool is_io,
		       const struct io_ops *ops, const char *name)
{
	ASSERT(n < VPCI_BARS && size >= 4 && !(size & (size - 1)));
	f->bar_size[n] = size;
	f->bar_is_io[n] = is_io;
	f->bar[n] = (struct io_region){.name = name, .len = size, .ops = ops, .dev = f->dev};
	list_init(&f->bar[n].node);
}

uint8_t vpci_func_add_cap(struct vpci_func *f, uint8_t id, const void *body, size_t len)
{
	unsigned at = ALIGN_UP((unsigned)f->cap_end, 4u);

	if (at + 2 + len > sizeof(f->config) - 4) /* cap_end must stay below 256 */
		return 0;
	f->config[at] = id;
	f->config[at + 1] = 0;
	memcpy(f->config + at + 2, body, len);
	f->config[f->last_cap ? f->last_cap + 1 : REG_CAPS] = at;
	f->last_cap = at;
	f->cap_end = at + 2 + len;
	return at;
}

int vpci_func_attach(struct vm *vm, struct vpci_func *f, unsigned slot)
{
	struct vpci *bus = vm->vpci;

	if (slot >= VPCI_SLOTS)
		return -E_RANGE;
	if (bus->slots[slot])
		return -E_EXIST;
	f->dev->vm = vm;
	f->slot = slot;
	f->bus = bus;
	bus->slots[slot] = f;
	apply_bars(f);
	return 0;
}

void vpci_func_detach(struct vpci_func *f)
{
	for (unsigned n = 0; n < VPCI_BARS; n++) {
		if (f->bar_size[n])
			iobus_remove(bar_bus(f, n), &f->bar[n]);
	}
	vpci_func_intx(f, false);
	f->bus->slots[f->slot] = NULL;
	f->bus = NULL;
}

void vpci_func_reset(struct vpci_func *f)
{
	bool was_driving = drives_line(f);

	memset(f->regs, 0, sizeof(*f->regs));
	for (unsigned n = 0; n < VPCI_BARS; n++) {
		if (f->bar_size[n])
			f->regs->bar[n] = bar_type(f, n);
	}
	apply_bars(f);
	if (was_driving)
		update_line(f);
}

int vpci_func_check(const struct vpci_func *f, const struct vpci_regs *in)
{
	if (in->command & ~COMMAND_BITS)
		return vdev_refuse(f->dev, "command", in->command, "no reserved bits");
	if (in->intx > (f->config[REG_INT + 1] != 0))
		return vdev_refuse(f->dev, "intx", in->intx, "0, or 1 where there is a pin");
	if (in->msix_control & ~(f->msix ? MSIX_BITS : 0))
		return vdev_refuse(f->dev, "msix_control", in->msix_control, "no unknown bits");
	for (unsigned n = 0; n < VPCI_BARS; n++) {
		uint32_t low = f->bar_size[n] ? f->bar_size[n] - 1 : UINT32_MAX;

		if ((in->bar[n] & low) != (f->bar_size[n] ? bar_type(f, n) : 0))
			return vdev_refuse(f->dev, "bar", in->bar[n], "a multiple of its size");
	}
	return 0;
}

void vpci_func_resume(struct vpci_func *f)
{
	/* line levels came with the I/O APIC's state; nobody else is touched here */
	apply_bars(f);
}

void vpci_func_intx(struct vpci_func *f, bool level)
{
	if (f->regs->intx == level)
		return;
	f->regs->intx = level;
	update_line(f);
}
