/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Capabilities of PCI functions (PCI Local Bus 3.0, section 6.7). The list is the
 * device's own: it may point anywhere, or in a circle.
 */
#include "kernel/pci.h"

#define REG_STATUS	0x06
#define REG_CAP_POINTER 0x34
#define STATUS_CAPS	BIT(4)
#define CAPS_FIRST	0x40u /* after the header */
#define CAPS_MAX	48    /* of four bytes each: more do not fit */

uint8_t pci_read8(const struct pci_dev *d, unsigned reg)
{
	return pci_read32(d, reg) >> (reg & 3) * 8;
}

unsigned pci_cap_find(const struct pci_dev *d, uint8_t id, unsigned nth)
{
	unsigned at;

	if (!(pci_read32(d, REG_STATUS) >> 16 & STATUS_CAPS))
		return 0;
	at = pci_read8(d, REG_CAP_POINTER) & ~3u;
	for (unsigned i = 0; i < CAPS_MAX && at >= CAPS_FIRST; i++) {
		if (pci_read8(d, at) == id && nth-- == 0)
			return at;
		at = pci_read8(d, at + 1) & ~3u;
	}
	return 0;
}
