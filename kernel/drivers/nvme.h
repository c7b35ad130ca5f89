/* SPDX-License-Identifier: BSD-2-Clause */
/* NVM Express disks (PCI class 01h, 08h, 02h), namespace 1 of each: "nvme0", "nvme1", ... */
#ifndef KERNEL_DRIVERS_NVME_H
#define KERNEL_DRIVERS_NVME_H

#include "kernel/pci.h"

/*
 * Task context, blocks. Bring up d if it is such a controller, register its disk.
 * 0; -E_NOENT (another device), -E_NOMEM, -E_NOSPC, -E_IO or -E_TIMEDOUT (it does not
 * work), -E_NOTSUP (no namespace of 512-byte sectors; the log says more).
 */
int must_check nvme_probe(const struct pci_dev *d);

#endif
