/* SPDX-License-Identifier: BSD-2-Clause */
/* Between the files of the host's virtio network card: its state, its rings. */
#ifndef KERNEL_DRIVERS_VIRTIO_NET_INNER_H
#define KERNEL_DRIVERS_VIRTIO_NET_INNER_H

#include "kernel/drivers/nic_watch.h"
#include "kernel/drivers/virtio_host.h"
#include "kernel/timer.h"

#define VIRTIO_NET_F_MTU    3
#define VIRTIO_NET_F_MAC    5
#define VIRTIO_NET_F_STATUS 16

#define VIRTIO_NET_MAC	       0 /* offsets in the configuration (5.1.4) */
#define VIRTIO_NET_STATUS      6
#define VIRTIO_NET_MTU	       10
#define VIRTIO_NET_STATUS_LINK 1

#define VIRTIO_NET_RX	      0
#define VIRTIO_NET_TX	      1
#define VIRTIO_NET_HEADER_LEN 12 /* with VERSION_1 there is always num_buffers */
#define VIRTIO_NET_TX_SLOTS   (VRING_MAX / 2)

struct virtio_net {
	struct netdev nd;
	struct virtio_host v;
	uint64_t features;
	struct vring rx, tx;
	uint32_t rx_bell, tx_bell;
	struct netbuf *rx_nb[VRING_MAX];	   /* by descriptor */
	struct netbuf *tx_nb[VIRTIO_NET_TX_SLOTS]; /* slot s: descriptors 2s (header) and 2s + 1 */
	uint16_t tx_free[VIRTIO_NET_TX_SLOTS];	   /* a stack of slots */
	unsigned tx_free_count, tx_slots;
	uint64_t tx_moved_ns; /* when the device last took or returned a frame */
	uint8_t *header;      /* zeros: no offload, one buffer */
	bool broken;	      /* to be reset at the next tick */
	bool started;	      /* once: features and header length stay */
	uint64_t retry_ns;
	struct nic_watch watch;
	struct timer timer;
};

extern const struct netdev_ops virtio_net_ops;

/* Fill the rings, which the device does not have yet. 0, -E_NOMEM. */
int must_check virtio_net_rings_fill(struct virtio_net *n);
/* After a reset: frames that were being sent are lost, as on a wire. */
void virtio_net_tx_drop(struct virtio_net *n);
/* Give back what was sent; take what came (returns how many frames). */
void virtio_net_tx_reclaim(struct virtio_net *n);
unsigned virtio_net_rx_poll(struct virtio_net *n);
/* Said once; nothing passes until it was reset. */
void virtio_net_broken(struct virtio_net *n, const char *what);

#endif
