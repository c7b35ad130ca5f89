/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * After a move: tells the network where a guest's MAC and addresses are now, again
 * and again with growing gaps, until a frame for that MAC comes in from the wire.
 * For switches (RARP) and for neighbours (gratuitous ARP, IPv6 advertisements).
 */
#ifndef KERNEL_NET_ANNOUNCE_H
#define KERNEL_NET_ANNOUNCE_H

#include "kernel/net/net_addrs.h"
#include "kernel/net/network.h"

struct announce {
	struct timer timer;
	struct guest_port *port; /* NULL: never started */
	const struct net_addrs *addrs;
	unsigned round;
	uint64_t wire_unicast; /* the port's count at the start */
	uint64_t frames;       /* sent since then; the port counts them among the guest's */
};

/*
 * a zeroed, or used before. port attached; addrs is read in each round and must stay until
 * announce_stop, which comes before network_detach. Sends the first round at once.
 */
void announce_start(struct announce *a, struct guest_port *port, const struct net_addrs *addrs);
/* Harmless at any time. */
void announce_stop(struct announce *a);
bool announce_is_running(const struct announce *a);

/* ---- the frames; each fills frame and returns its length ---- */
#define ANNOUNCE_FRAME_MAX 86
/* RFC 903, request reverse, as other hypervisors send: any switch learns from it. */
unsigned announce_build_rarp(uint8_t *frame, const uint8_t *mac);
/* RFC 5227, 2.3, ARP announcement: neighbours that know ip renew its MAC. */
unsigned announce_build_arp(uint8_t *frame, const uint8_t *mac, const uint8_t ip[4]);
/* RFC 4861, 7.2.6, unsolicited neighbour advertisement to all nodes. */
unsigned announce_build_advert(uint8_t *frame, const uint8_t *mac, const uint8_t ip[16],
			       bool router);

#endif
