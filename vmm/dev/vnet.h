/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A virtio network card (virtio 1.1, section 5.1) on a network of the host: one
 * pair of queues, checksums and TCP segmentation done for the guest, mergeable
 * receive buffers. What the guest leaves to the card is vnet_offload's.
 */
#ifndef VMM_DEV_VNET_H
#define VMM_DEV_VNET_H

#include "kernel/net/announce.h"
#include "kernel/net/network.h"
#include "vmm/dev/virtio_pci.h"
#include "vmm/dev/vnet_offload.h"

#define VNET_BACKLOG_MAX 64  /* frames that wait for the guest */
#define VNET_WAITING_MAX 512 /* of all cards of the host: guests that take none */

struct vnet_state {
	struct virtio_pci_state v;
	uint8_t mac[ETH_ALEN];
	uint16_t mtu;
	struct net_addrs addrs; /* the guest's own, for the announcement after a move */
	uint32_t reserved;
};

struct vnet {
	struct virtio_pci v;
	struct vnet_state s;
	struct vm_nic_config cfg;
	char port_name[VM_NAME_LEN + 12]; /* "web.eth0" */
	struct network *net;
	struct guest_port port;
	struct announce announce;
	struct timer again; /* more to send than one turn may, or than the network took */
	bool quiesced;
	struct list backlog; /* frames for the guest */
	unsigned backlog_count;
	struct virtq_chain rx_chain;

	/* the packet being sent */
	struct virtq_chain tx_chain;
	struct vnet_packet packet;
	uint32_t next_frame; /* of packet.frames */
	bool sending;
};

/*
 * Make the card at PCI slot (vpci_create came before). It joins its network when it
 * is reset or resumed: a VM that is being received has not yet. -E_NOENT: this host has
 * no network of that name; -E_NOMEM, -E_EXIST, -E_RANGE.
 */
int must_check vnet_create(struct vm *vm, unsigned slot, const struct vm_nic_config *cfg,
			   struct vnet **out);

/* ---- for moves ---- */

/* The next frame that waits for the guest, out of the card's hands; NULL: none. */
struct netbuf *vnet_take_frame(struct vnet *d);
/* A frame for the guest that came another way than through the network. Takes the reference. */
void vnet_give_frame(struct vnet *d, struct netbuf *nb);

#endif
