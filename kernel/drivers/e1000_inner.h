/* SPDX-License-Identifier: BSD-2-Clause */
/* What a family of Intel gigabit NICs does its own way; rings and traffic are e1000.c's for all. */
#ifndef KERNEL_DRIVERS_E1000_INNER_H
#define KERNEL_DRIVERS_E1000_INNER_H

#include "kernel/drivers/e1000.h"

struct e1000_family {
	/* Stop DMA and interrupts, reset. 0 or -E_IO. */
	int (*reset)(volatile void *regs);
	/* 0 or -E_IO: no usable address. */
	int (*read_mac)(volatile void *regs, uint8_t mac[ETH_ALEN]);
	/* What is set once the common registers are, before frames are sent. */
	void (*start)(volatile void *regs);
};

/* Bring up d, whose first BAR has the registers. As e1000_probe. */
int must_check e1000_attach(const struct pci_dev *d, const char *model,
			    const struct e1000_family *family, struct netdev **out);

/* Poll a register without blocking, 100 ms at most. */
bool must_check e1000_hw_spin(volatile void *regs, unsigned reg, uint32_t mask, uint32_t want);
/*
 * The address in receive address 0, where a reset left it; else EEPROM words 0 to 2, asked by
 * EERD with its address at addr_shift and its done bit.
 */
int must_check e1000_hw_find_mac(volatile void *regs, uint8_t mac[ETH_ALEN], unsigned addr_shift,
				 uint32_t done);

#endif
