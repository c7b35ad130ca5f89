/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the 82574 does otherwise than the 8254x: its reset on PCI Express, its EEPROM
 * register, a few start values. Rings and traffic are e1000.c's: the legacy
 * descriptors are the same. Sections are those of Intel's 82574 data sheet, 10.2.
 */
#include "kernel/drivers/e1000e.h"
#include "kernel/drivers/e1000_hw.h"
#include "kernel/drivers/e1000_inner.h"
#include "kernel/drivers/e1000_regs.h"
#include "kernel/drivers/mmio.h"
#include "kernel/log.h"

#define CTRL_EXT 0x0018
#define RFCTL	 0x5008
#define TXDCTL	 0x3828

#define CTRL_MASTER_DISABLE  BIT(2)  /* 10.2.2.1 */
#define STATUS_MASTER_ENABLE BIT(19) /* 10.2.2.2 */
#define CTRL_EXT_DRV_LOAD    BIT(28) /* management firmware keeps off (10.2.2.5) */
#define EERD_DONE_82574	     BIT(1)  /* 10.2.2.4 */
#define EERD_SHIFT_82574     2

#define TXDCTL_COUNT_DESC BIT(22) /* must be set (10.2.6.11) */
#define TXDCTL_GRAN	  BIT(24) /* thresholds count descriptors */
#define TIPG_82574	  (8 | 8 << 10 | 6 << 20)

/* Requests that are out on PCI Express end before a reset (82574, "Master Disable"). */
static int e1000e_reset(volatile void *regs)
{
	mmio_write32(regs, E1000_IMC, UINT32_MAX);
	mmio_write32(regs, E1000_RCTL, 0);
	mmio_write32(regs, E1000_TCTL, E1000_TCTL_PSP);
	mmio_write32(regs, E1000_CTRL, mmio_read32(regs, E1000_CTRL) | CTRL_MASTER_DISABLE);
	if (!e1000_hw_spin(regs, E1000_STATUS, STATUS_MASTER_ENABLE, 0))
		log_warn("e1000: DMA does not come to rest, it is reset all the same");
	return e1000_hw_reset(regs);
}

static int e1000e_read_mac(volatile void *regs, uint8_t mac[ETH_ALEN])
{
	return e1000_hw_find_mac(regs, mac, EERD_SHIFT_82574, EERD_DONE_82574);
}

static void e1000e_start(volatile void *regs)
{
	mmio_write32(regs, CTRL_EXT, mmio_read32(regs, CTRL_EXT) | CTRL_EXT_DRV_LOAD);
	mmio_write32(regs, RFCTL, 0); /* legacy receive descriptors */
	mmio_write32(regs, TXDCTL, TXDCTL_COUNT_DESC | TXDCTL_GRAN);
	mmio_write32(regs, E1000_TIPG, TIPG_82574);
}

static const struct e1000_family family_82574 = {
    .reset = e1000e_reset,
    .read_mac = e1000e_read_mac,
    .start = e1000e_start,
};

int e1000e_probe(const struct pci_dev *d, struct netdev **out)
{
	if (d->vendor != 0x8086 || (d->device != 0x10d3 && d->device != 0x10f6))
		return -E_NOENT;
	return e1000_attach(d, "82574L", &family_82574, out);
}
