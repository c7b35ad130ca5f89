/* SPDX-License-Identifier: BSD-2-Clause */
/* Intel 82574 gigabit NICs (PCI Express), real and as QEMU's e1000e. */
#ifndef KERNEL_DRIVERS_E1000E_H
#define KERNEL_DRIVERS_E1000E_H

#include "kernel/drivers/netdev.h"
#include "kernel/pci.h"

/* As e1000_probe (kernel/drivers/e1000.h). */
int must_check e1000e_probe(const struct pci_dev *d, struct netdev **out);

#endif
