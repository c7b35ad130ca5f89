/* SPDX-License-Identifier: BSD-2-Clause */
/* SATA disks behind an AHCI controller (PCI class 01h, 06h, 01h): "ahci0", "ahci1", ... */
#ifndef KERNEL_DRIVERS_AHCI_H
#define KERNEL_DRIVERS_AHCI_H

#include "kernel/pci.h"

/*
 * Task context, blocks. Bring up d if it is such a controller, register its disks.
 * 0 (also without any disk); -E_NOENT (another device), -E_NOMEM, -E_IO (it does
 * not answer), -E_NOSPC.
 */
int must_check ahci_probe(const struct pci_dev *d);

#endif
