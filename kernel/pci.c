/* SPDX-License-Identifier: BSD-2-Clause */
/* PCI configuration mechanism 1 and a walk over all buses (PCI Local Bus 3.0, section 6). */
#include "kernel/pci.h"
#include "arch/x86/io.h"
#include "arch/x86/paging.h"
#include "kernel/log.h"

#define CONFIG_ADDRESS 0xcf8
#define CONFIG_DATA    0xcfc

#define REG_COMMAND	0x04
#define REG_CLASS	0x08
#define REG_HEADER_TYPE 0x0c
#define REG_BAR0	0x10
#define REG_INTERRUPT	0x3c

#define CLASS_BRIDGE 6

#define COMMAND_IO     BIT(0)
#define COMMAND_MEMORY BIT(1)
#define COMMAND_MASTER BIT(2)

static struct pci_dev devices[PCI_MAX_DEVICES];
static unsigned device_count;

uint32_t pci_read32(const struct pci_dev *d, unsigned reg)
{
	outl(CONFIG_ADDRESS, 0x80000000u | d->bus << 16 | d->dev << 11 | d->fn << 8 | (reg & 0xfc));
	return inl(CONFIG_DATA);
}

void pci_write32(const struct pci_dev *d, unsigned reg, uint32_t value)
{
	outl(CONFIG_ADDRESS, 0x80000000u | d->bus << 16 | d->dev << 11 | d->fn << 8 | (reg & 0xfc));
	outl(CONFIG_DATA, value);
}

uint16_t pci_read16(const struct pci_dev *d, unsigned reg)
{
	return pci_read32(d, reg) >> (reg & 2) * 8;
}

void pci_write16(const struct pci_dev *d, unsigned reg, uint16_t value)
{
	outl(CONFIG_ADDRESS, 0x80000000u | d->bus << 16 | d->dev << 11 | d->fn << 8 | (reg & 0xfc));
	outw(CONFIG_DATA + (reg & 2), value);
}

/* Size a BAR by writing ones, with decoding off meanwhile. Returns how many BARs it used. */
static unsigned bar_probe(struct pci_dev *d, unsigned i)
{
	unsigned reg = REG_BAR0 + 4 * i;
	uint32_t low = pci_read32(d, reg), high = 0;
	uint64_t mask;
	bool wide;

	pci_write32(d, reg, 0xffffffff);
	mask = pci_read32(d, reg);
	pci_write32(d, reg, low);
	if (mask == 0 || mask == 0xffffffff)
		return 1;
	if (low & 1) {
		d->bar_is_io[i] = true;
		d->bar[i] = low & ~3u;
		d->bar_size[i] = (~(mask & ~3ull) + 1) & 0xffff;
		return 1;
	}
	wide = (low & 6) == 4 && i < 5;
	if (wide) {
		high = pci_read32(d, reg + 4);
		pci_write32(d, reg + 4, 0xffffffff);
		mask |= (uint64_t)pci_read32(d, reg + 4) << 32;
		pci_write32(d, reg + 4, high);
	} else {
		mask |= 0xffffffff00000000ull;
	}
	d->bar[i] = (uint64_t)high << 32 | (low & ~15u);
	d->bar_size[i] = ~(mask & ~15ull) + 1;
	return wide ? 2 : 1;
}

static void device_add(struct pci_dev *d)
{
	uint32_t class_reg = pci_read32(d, REG_CLASS);
	uint16_t command = pci_read16(d, REG_COMMAND);

	if (device_count == PCI_MAX_DEVICES) {
		log_warn("pci: more than %u functions, the rest is ignored", PCI_MAX_DEVICES);
		return;
	}
	d->class_code = class_reg >> 24;
	d->subclass = class_reg >> 16;
	d->prog_if = class_reg >> 8;
	d->irq_line = pci_read32(d, REG_INTERRUPT);
	/* Not bridges: some host bridges cut the CPU off from memory while they do not decode. */
	if ((pci_read32(d, REG_HEADER_TYPE) >> 16 & 0x7f) == 0 && d->class_code != CLASS_BRIDGE) {
		pci_write16(d, REG_COMMAND, command & ~(COMMAND_IO | COMMAND_MEMORY));
		for (unsigned i = 0; i < 6;)
			i += bar_probe(d, i);
		pci_write16(d, REG_COMMAND, command);
	}
	devices[device_count++] = *d;
}

static void slot_scan(uint8_t bus, uint8_t dev)
{
	for (uint8_t fn = 0; fn < 8; fn++) {
		struct pci_dev d = {.bus = bus, .dev = dev, .fn = fn};
		uint32_t id = pci_read32(&d, 0);

		if ((id & 0xffff) != 0xffff) {
			d.vendor = id;
			d.device = id >> 16;
			device_add(&d);
		}
		/* Without the multi-function bit the other functions may be ghosts of the first. */
		if (fn == 0 && !(pci_read32(&d, REG_HEADER_TYPE) & BIT(23)))
			return;
	}
}

void pci_scan(void)
{
	for (unsigned bus = 0; bus < 256; bus++)
		for (unsigned dev = 0; dev < 32; dev++)
			slot_scan(bus, dev);
}

const struct pci_dev *pci_at(unsigned index)
{
	return index < device_count ? &devices[index] : NULL;
}

void pci_enable(const struct pci_dev *d)
{
	pci_write16(d, REG_COMMAND,
		    pci_read16(d, REG_COMMAND) | COMMAND_IO | COMMAND_MEMORY | COMMAND_MASTER);
}

volatile void *mmio_map(hpa_t base, uint64_t size)
{
	return paging_map_mmio(base, size);
}
