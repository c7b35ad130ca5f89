/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reset, identity and start of an 8254x: everything that is done once, register
 * by register. The rings and their traffic are e1000.c's. Section numbers are
 * those of Intel's 8254x manual.
 */
#include "kernel/drivers/e1000_hw.h"
#include "kernel/drivers/e1000_inner.h"
#include "kernel/drivers/e1000_regs.h"
#include "kernel/drivers/mmio.h"
#include "kernel/lib/string.h"

#define SPIN_MAX 100000 /* register reads, about a microsecond each */

bool e1000_hw_spin(volatile void *regs, unsigned reg, uint32_t mask, uint32_t want)
{
	for (unsigned i = 0; i < SPIN_MAX; i++) {
		if ((mmio_read32(regs, reg) & mask) == want)
			return true;
	}
	return false;
}

/* Firmware may have left DMA running: stop it before anything else (14.3 - 14.5). */
int e1000_hw_reset(volatile void *regs)
{
	mmio_write32(regs, E1000_IMC, UINT32_MAX);
	mmio_write32(regs, E1000_RCTL, 0);
	mmio_write32(regs, E1000_TCTL, E1000_TCTL_PSP);
	mmio_write32(regs, E1000_CTRL, mmio_read32(regs, E1000_CTRL) | E1000_CTRL_RST);
	if (!e1000_hw_spin(regs, E1000_CTRL, E1000_CTRL_RST, 0))
		return -E_IO;
	mmio_write32(regs, E1000_IMC, UINT32_MAX);
	(void)mmio_read32(regs, E1000_ICR);
	return 0;
}

/* EEPROM words 0 to 2 hold the MAC, low byte first (5.6.1). */
static bool mac_from_eeprom(volatile void *regs, uint8_t mac[ETH_ALEN], unsigned addr_shift,
			    uint32_t done)
{
	for (unsigned i = 0; i < ETH_ALEN / 2; i++) {
		uint32_t word;

		mmio_write32(regs, E1000_EERD, i << addr_shift | E1000_EERD_START);
		if (!e1000_hw_spin(regs, E1000_EERD, done, done))
			return false;
		word = mmio_read32(regs, E1000_EERD) >> E1000_EERD_DATA_SHIFT;
		mac[2 * i] = word;
		mac[2 * i + 1] = word >> 8;
	}
	return true;
}

static bool mac_is_usable(const uint8_t mac[ETH_ALEN])
{
	static const uint8_t zero[ETH_ALEN];

	return !(mac[0] & 1) && memcmp(mac, zero, ETH_ALEN);
}

/* The reset loaded receive address 0 from the EEPROM; ask that itself if it is void. */
int e1000_hw_find_mac(volatile void *regs, uint8_t mac[ETH_ALEN], unsigned addr_shift,
		      uint32_t done)
{
	uint32_t lo = mmio_read32(regs, E1000_RAL0);
	uint32_t hi = mmio_read32(regs, E1000_RAH0);

	for (unsigned i = 0; i < ETH_ALEN; i++)
		mac[i] = i < 4 ? lo >> 8 * i : hi >> 8 * (i - 4);
	if ((hi & E1000_RAH_AV) && mac_is_usable(mac))
		return 0;
	if (mac_from_eeprom(regs, mac, addr_shift, done) && mac_is_usable(mac))
		return 0;
	return -E_IO;
}

int e1000_hw_read_mac(volatile void *regs, uint8_t mac[ETH_ALEN])
{
	return e1000_hw_find_mac(regs, mac, E1000_EERD_ADDR_SHIFT, E1000_EERD_DONE);
}

/* Receive buffer size bits for what a netbuf holds (RCTL.BSIZE, BSEX; 13.4.22). */
static uint32_t rctl_buffer_size(unsigned room)
{
	switch (room) {
	case 16384:
		return E1000_RCTL_BSIZE(1) | E1000_RCTL_BSEX;
	case 8192:
		return E1000_RCTL_BSIZE(2) | E1000_RCTL_BSEX;
	case 4096:
		return E1000_RCTL_BSIZE(3) | E1000_RCTL_BSEX;
	default:
		return E1000_RCTL_BSIZE(0); /* 2048 */
	}
}

/* Receive initialisation, 14.4. */
void e1000_hw_start_rx(volatile void *regs, hpa_t base, unsigned count, unsigned buffer,
		       bool long_frames)
{
	uint32_t rctl = E1000_RCTL_EN | E1000_RCTL_UPE | E1000_RCTL_MPE | E1000_RCTL_BAM |
			E1000_RCTL_SECRC | rctl_buffer_size(buffer);

	if (long_frames)
		rctl |= E1000_RCTL_LPE;
	for (unsigned i = 0; i < E1000_MTA_WORDS; i++)
		mmio_write32(regs, E1000_MTA + 4 * i, 0);
	mmio_write32(regs, E1000_RDBAL, base);
	mmio_write32(regs, E1000_RDBAH, base >> 32);
	mmio_write32(regs, E1000_RDLEN, count * sizeof(struct e1000_rx_desc));
	mmio_write32(regs, E1000_RDH, 0);
	mmio_write32(regs, E1000_RDTR, 0);
	mmio_write32(regs, E1000_RCTL, rctl);
	/* Bochs and QEMU take frames only once the tail is set with EN on. */
	mmio_write32(regs, E1000_RDT, count - 1);
}

/* Transmit initialisation, 14.5; collision fields as recommended for full duplex. */
void e1000_hw_start_tx(volatile void *regs, hpa_t base, unsigned count)
{
	mmio_write32(regs, E1000_TDBAL, base);
	mmio_write32(regs, E1000_TDBAH, base >> 32);
	mmio_write32(regs, E1000_TDLEN, count * sizeof(struct e1000_tx_desc));
	mmio_write32(regs, E1000_TDH, 0);
	mmio_write32(regs, E1000_TDT, 0);
	mmio_write32(regs, E1000_TIDV, 0);
	mmio_write32(regs, E1000_TIPG, E1000_TIPG_COPPER);
	mmio_write32(regs, E1000_TCTL,
		     E1000_TCTL_EN | E1000_TCTL_PSP | E1000_TCTL_CT(0x0f) | E1000_TCTL_COLD(0x40));
}

/* General configuration, 14.3: the link comes up by the PHY's negotiation. */
void e1000_hw_start_link(volatile void *regs)
{
	uint32_t ctrl = mmio_read32(regs, E1000_CTRL);

	ctrl |= E1000_CTRL_ASDE | E1000_CTRL_SLU;
	ctrl &=
	    ~(uint32_t)(E1000_CTRL_LRST | E1000_CTRL_PHY_RST | E1000_CTRL_ILOS | E1000_CTRL_VME);
	mmio_write32(regs, E1000_CTRL, ctrl);
}

static const char *e1000_model(const struct pci_dev *d)
{
	if (d->vendor != 0x8086)
		return NULL;
	switch (d->device) {
	case 0x100e:
		return "82540EM";
	case 0x100f:
		return "82545EM";
	default:
		return NULL;
	}
}

static void family_8254x_start(volatile void *regs)
{
}

static const struct e1000_family family_8254x = {
    .reset = e1000_hw_reset,
    .read_mac = e1000_hw_read_mac,
    .start = family_8254x_start,
};

int e1000_probe(const struct pci_dev *d, struct netdev **out)
{
	const char *model = e1000_model(d);

	return model ? e1000_attach(d, model, &family_8254x, out) : -E_NOENT;
}
