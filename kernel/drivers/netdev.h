/* SPDX-License-Identifier: BSD-2-Clause */
/* What a physical NIC driver offers to the switch, and what it calls. */
#ifndef KERNEL_DRIVERS_NETDEV_H
#define KERNEL_DRIVERS_NETDEV_H

#include "kernel/net/netbuf.h"

struct netdev;

struct netdev_ops {
	/*
	 * Queue a frame; takes over the caller's reference in every case. 0, or
	 * -E_AGAIN when the ring is full (the frame is dropped and counted; the
	 * sender's protocol retries).
	 */
	int (*send)(struct netdev *nd, struct netbuf *nb);
	/* Free descriptors in the transmit ring now. */
	unsigned (*send_room)(struct netdev *nd);
	/* Receive and complete what is pending. For use without interrupts. */
	void (*poll)(struct netdev *nd);
	bool (*link_up)(struct netdev *nd);
};

struct netdev_stats {
	uint64_t rx_frames, rx_bytes, tx_frames, tx_bytes;
	uint64_t rx_dropped, tx_dropped, rx_errors, interrupts;
};

struct netdev {
	const struct netdev_ops *ops;
	char name[8]; /* "nic0" */
	const char *model;
	uint8_t mac[ETH_ALEN];
	uint16_t frame_max; /* without VLAN tag */
	bool tag_fits;	    /* a tagged frame may have ETH_TAG_LEN bytes more */
	uint16_t send_max;  /* send_room() of an idle ring */
	struct netdev_stats stats;
	/*
	 * Set by the switch. Called for each frame, all MACs (the driver is
	 * promiscuous for unicast); the callee takes over the reference.
	 */
	void (*receive)(struct netdev *nd, struct netbuf *nb);
	void *receive_ctx;
};

#endif
