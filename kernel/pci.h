/* SPDX-License-Identifier: BSD-2-Clause */
/* The host's PCI bus: configuration mechanism 1, a walk at boot, a table. */
#ifndef KERNEL_PCI_H
#define KERNEL_PCI_H

#include "kernel/lib/base.h"

#define PCI_MAX_DEVICES 64

struct pci_dev {
	uint8_t bus, dev, fn;
	uint16_t vendor, device;
	uint8_t class_code, subclass, prog_if;
	uint8_t irq_line; /* register 3Ch: the I/O APIC pin in the lab; 255 none */
	uint64_t bar[6];  /* base address without flag bits; 0 none */
	uint64_t bar_size[6];
	bool bar_is_io[6];
};

void pci_scan(void);
const struct pci_dev *pci_at(unsigned index); /* NULL past the end */
uint32_t pci_read32(const struct pci_dev *d, unsigned reg);
void pci_write32(const struct pci_dev *d, unsigned reg, uint32_t value);
uint16_t pci_read16(const struct pci_dev *d, unsigned reg);
void pci_write16(const struct pci_dev *d, unsigned reg, uint16_t value);
uint8_t pci_read8(const struct pci_dev *d, unsigned reg);
/*
 * The register where the nth (from 0) capability of this id begins: 40h or above. 0: there
 * are not so many. What it holds is the device's to say. The walk is bounded.
 */
unsigned must_check pci_cap_find(const struct pci_dev *d, uint8_t id, unsigned nth);
/* Set memory, I/O and bus-master enable in the command register. */
void pci_enable(const struct pci_dev *d);
/* Map device registers uncached; the direct map covers RAM only. NULL on failure. */
volatile void *mmio_map(hpa_t base, uint64_t size);

#endif
