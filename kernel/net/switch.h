/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The host's Ethernet switch: one uplink NIC shared by the host's own ports (the
 * link, discovery, AoE initiators) and by the networks of guests (network.h). A
 * port owns a MAC and an EtherType; frames to its MAC, or to a group address if it
 * asked for them, reach it. A sender may keep a reference to a sent frame, but
 * must not change it.
 */
#ifndef KERNEL_NET_SWITCH_H
#define KERNEL_NET_SWITCH_H

#include "kernel/drivers/netdev.h"
#include "kernel/timer.h"

struct net_switch;

struct switch_port {
	struct list node;
	const char *name;
	uint8_t mac[ETH_ALEN];
	uint16_t ethertype; /* only this type; 0: every type */
	bool group;	    /* also frames to broadcast and multicast addresses */
	/* Takes over the reference. Must not attach or detach ports, nor block. */
	void (*receive)(struct switch_port *p, struct netbuf *nb);
	uint64_t rx_frames, rx_bytes, tx_frames, tx_bytes;
	struct net_switch *sw;
};

struct net_switch {
	struct netdev *uplink; /* may be NULL: a host without NIC */
	struct list ports;
	uint64_t unclaimed; /* frames for nobody */
	struct list local;  /* frames from port to port, delivered by the timer */
	unsigned local_count;
	struct timer local_timer;
	/*
	 * Guests' networks, or NULL: every frame from the wire that is not the host's, the tag
	 * taken off (vlan 0: it had none). Takes over the reference, the only one. False: no
	 * network or guest has use for it (and the reference is taken all the same).
	 */
	bool (*to_networks)(struct net_switch *sw, uint16_t vlan, struct netbuf *nb);
};

/* Does the host speak this EtherType itself? Such frames never come from or go to guests. */
bool switch_type_is_host(uint16_t type);
void switch_init(struct net_switch *sw, struct netdev *uplink);
void switch_attach(struct net_switch *sw, struct switch_port *p);
void switch_detach(struct switch_port *p);
/* Takes over the reference. Delivers to local ports and/or the uplink by destination. */
int switch_send(struct switch_port *p, struct netbuf *nb);
/* The longest frame, Ethernet header to last byte without tag, that buffers and uplink hold. */
unsigned switch_frame_max(const struct net_switch *sw);
/* Frames that the uplink takes now. */
unsigned switch_send_room(const struct net_switch *sw);

#endif
