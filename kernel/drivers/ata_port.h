/* SPDX-License-Identifier: BSD-2-Clause */
/* Port access of the ATA driver: the machine's, or a unit test's model of a drive. */
#ifndef KERNEL_DRIVERS_ATA_PORT_H
#define KERNEL_DRIVERS_ATA_PORT_H

#ifdef UNIT_TEST
#include <stdint.h>
uint8_t inb(uint16_t port);
uint16_t inw(uint16_t port);
void outb(uint16_t port, uint8_t v);
void outw(uint16_t port, uint16_t v);
void cpu_pause(void);
#else
#include "arch/x86/io.h"
#endif

#endif
