/* SPDX-License-Identifier: BSD-2-Clause */
/* Intel 82540EM and 82545EM gigabit NICs, real and as QEMU and Bochs model them. */
#ifndef KERNEL_DRIVERS_E1000_H
#define KERNEL_DRIVERS_E1000_H

#include "kernel/drivers/netdev.h"
#include "kernel/pci.h"

/*
 * Bring up d if it is a NIC of this family. After netbuf_pool_init, timers and
 * interrupts. Frames flow once the switch has set receive.
 * 0 and *out; -E_NOENT (another device), -E_NOMEM, -E_IO (it does not answer).
 */
int must_check e1000_probe(const struct pci_dev *d, struct netdev **out);

#endif
