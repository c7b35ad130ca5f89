/* SPDX-License-Identifier: BSD-2-Clause */
/* Between link_tx.c (what to send) and link_loss.c (what arrived). */
#ifndef KERNEL_NET_LINK_TX_H
#define KERNEL_NET_LINK_TX_H

#include "kernel/net/link_machine.h"

#define LINK_CWND_FIRST 64u /* hosts on one wire: no need to start from one frame */
#define LINK_CWND_MIN	16u
#define LINK_QUEUE_NS	(40 * NS_PER_MS) /* more round trip than the least: a queue */

static inline struct link_tx_slot *link_tx_slot(struct link_tx *tx, uint32_t seq)
{
	return &tx->slot[seq % LINK_WINDOW];
}

#endif
