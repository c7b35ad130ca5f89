/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A virtio device on PCI as its driver finds it (Virtual I/O Device 1.1, section 4.1
 * "Virtio Over PCI Bus", modern interface only): where its structures lie, features,
 * queues. Never blocks; waits are short and bounded.
 */
#ifndef KERNEL_DRIVERS_VIRTIO_HOST_H
#define KERNEL_DRIVERS_VIRTIO_HOST_H

#include "kernel/drivers/vring.h"
#include "kernel/pci.h"

#define VIRTIO_F_VERSION_1 32

struct virtio_host {
	volatile void *common, *notify, *isr, *device;
	uint32_t notify_len, device_len;
	uint32_t notify_stride;
};

/* Map the structures. 0; -E_NOTSUP (one is missing, or lies outside its BAR); -E_NOMEM. */
int must_check virtio_host_open(struct virtio_host *v, const struct pci_dev *d);
/* 0: the device has forgotten everything and touches no memory. -E_IO: not after so many looks. */
int must_check virtio_host_reset(struct virtio_host *v, unsigned spins);
/*
 * Announce a driver that knows `wanted`; VERSION_1 is always asked for. 0 and what both
 * have, -E_NOTSUP (an old device, or it refuses).
 */
int must_check virtio_host_negotiate(struct virtio_host *v, uint64_t wanted, uint64_t *have);
/*
 * Hand queue index to the device, with at most VRING_MAX descriptors; *bell is for
 * virtio_host_notify. The ring is empty afterwards. 0, -E_NOTSUP (no such queue, a size or a
 * bell that cannot be).
 */
int must_check virtio_host_queue(struct virtio_host *v, unsigned index, struct vring *r,
				 uint32_t *bell);
void virtio_host_ready(struct virtio_host *v);
void virtio_host_fail(struct virtio_host *v);
void virtio_host_notify(struct virtio_host *v, unsigned index, uint32_t bell);
/* Quiets the line. Bit 0: a queue, bit 1: the configuration changed. */
uint8_t virtio_host_interrupt(struct virtio_host *v);
/* The device asks for a reset, or does not answer any more. */
bool virtio_host_is_broken(struct virtio_host *v);

#endif
