/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The IP addresses that a guest uses, learned from the frames that it sends: what
 * its new host announces after a move. Part of the state that moves with the VM,
 * so fixed widths and no holes.
 */
#ifndef KERNEL_NET_NET_ADDRS_H
#define KERNEL_NET_NET_ADDRS_H

#include "kernel/net/netbuf.h"

#define NET_ADDRS_MAX 4 /* of each family */

struct net_addrs {
	uint8_t ip4[NET_ADDRS_MAX][4]; /* used last first; zero: none */
	uint8_t ip6[NET_ADDRS_MAX][16];
	uint32_t router6; /* not 0: it has said that it is an IPv6 router */
};

/*
 * From an untagged frame that the guest sent, any bytes. Frames of another MAC than mac say
 * nothing. ARP and neighbour discovery name the sender's own addresses: the one not used for
 * longest gives way. The source of an IP packet may be somebody else's (a guest that routes), so it
 * only takes a free place.
 */
void net_addrs_learn(struct net_addrs *a, const uint8_t *mac, const uint8_t *frame, size_t len);
/* May it be a host's own address on a network? (Not zero, loopback, multicast or broadcast.) */
bool net_addrs_ip4_is_host(const uint8_t *ip);
bool net_addrs_ip6_is_host(const uint8_t *ip);

#endif
