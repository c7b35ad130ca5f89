/* SPDX-License-Identifier: BSD-2-Clause */
/* virtio network cards of the host (when it is itself a guest): virtio 1.x on PCI. */
#ifndef KERNEL_DRIVERS_VIRTIO_NET_H
#define KERNEL_DRIVERS_VIRTIO_NET_H

#include "kernel/drivers/netdev.h"
#include "kernel/pci.h"

/* As e1000_probe (kernel/drivers/e1000.h); -E_NOTSUP: a device that is too old or strange. */
int must_check virtio_net_probe(const struct pci_dev *d, struct netdev **out);

#endif
