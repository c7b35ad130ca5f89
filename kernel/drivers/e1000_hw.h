/* SPDX-License-Identifier: BSD-2-Clause */
/* What is done once to an 8254x; inside the driver only. */
#ifndef KERNEL_DRIVERS_E1000_HW_H
#define KERNEL_DRIVERS_E1000_HW_H

#include "kernel/net/netbuf.h"

/* Stop DMA and interrupts, reset. 0 or -E_IO (the device does not come back). */
int must_check e1000_hw_reset(volatile void *regs);
/* 0 or -E_IO (no usable address in registers or EEPROM). */
int must_check e1000_hw_read_mac(volatile void *regs, uint8_t mac[ETH_ALEN]);
void e1000_hw_start_link(volatile void *regs);
void e1000_hw_start_tx(volatile void *regs, hpa_t base, unsigned count);
/* buffer: bytes of each receive buffer, 2048 to 16384. */
void e1000_hw_start_rx(volatile void *regs, hpa_t base, unsigned count, unsigned buffer,
		       bool long_frames);

#endif
