/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside the virtio transport: the common configuration structure (virtio 1.1, 4.1.4.3). */
#ifndef VMM_DEV_VIRTIO_COMMON_H
#define VMM_DEV_VIRTIO_COMMON_H

#include "vmm/dev/virtio_pci.h"

#define VIRTIO_COMMON_LEN    56u
#define VIRTIO_NOTIFY_STRIDE 4u /* notify_off_multiplier; queue n's notify_off is n */

uint64_t virtio_common_read(struct virtio_pci *v, unsigned offset, unsigned size);
void virtio_common_write(struct virtio_pci *v, unsigned offset, unsigned size, uint64_t value);

/* Does the PCI configuration window name an aligned 1, 2 or 4 bytes inside BAR 0? */
bool virtio_window_usable(const struct virtio_pci_state *s, uint32_t bar_size);

/* The driver wrote device_status. */
void virtio_pci_set_status(struct virtio_pci *v, uint8_t value);

#endif
