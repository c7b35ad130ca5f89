/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside the virtio network card: what its queues share. */
#ifndef VMM_DEV_VNET_QUEUES_H
#define VMM_DEV_VNET_QUEUES_H

#include "vmm/dev/vnet.h"

#define VNET_RX 0 /* receiveq1: 5.1.2 */
#define VNET_TX 1

#define VNET_MTU_MIN 68 /* RFC 791: every host must carry this */

/* 5.1.3 */
#define VNET_F_CSUM	 BIT(0)
#define VNET_F_MTU	 BIT(3)
#define VNET_F_MAC	 BIT(5)
#define VNET_F_HOST_TSO4 BIT(11)
#define VNET_F_HOST_TSO6 BIT(12)
#define VNET_F_HOST_ECN	 BIT(13)
#define VNET_F_MRG_RXBUF BIT(15)
#define VNET_F_STATUS	 BIT(16)

bool vnet_may_work(const struct vnet *d, unsigned queue);
void vnet_tx_work(struct vnet *d);
void vnet_rx_work(struct vnet *d);
/* struct guest_port's: a frame for the guest. */
void vnet_receive(struct guest_port *p, struct netbuf *nb);
void vnet_rx_drop(struct vnet *d);

#endif
