/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Networks of guests: named in host.conf, each a learning Ethernet switch of its
 * own between the guests' ports on it and, unless it is isolated, one VLAN (or
 * the untagged frames) of the uplink. Guests never see or send the host's own
 * frames (link, discovery, AoE), nor VLAN tags. docs/network.md.
 */
#ifndef KERNEL_NET_NETWORK_H
#define KERNEL_NET_NETWORK_H

#include "kernel/net/switch.h"

#define NETWORKS_MAX	    8
#define NETWORK_NAME_MAX    32
#define NETWORK_VLAN_MAX    4094
#define NETWORK_QUEUE_MAX   64	/* frames of one port that wait for other ports */
#define NETWORK_LEARN_MAX   256 /* MACs that a network remembers */
#define NETWORK_LEARN_PORT  64	/* of these behind one port */
#define NETWORK_LEARN_OLD_S 300

struct network;

/* All since attach. A frame is counted once, in one of frames, dropped or filtered. */
struct guest_port_stats {
	uint64_t rx_frames, rx_bytes; /* to the guest */
	uint64_t tx_frames, tx_bytes; /* from the guest */
	uint64_t rx_dropped;   /* no buffer; the device adds what the guest had no room for */
	uint64_t tx_dropped;   /* queue or uplink full */
	uint64_t filtered;     /* what the guest may not send */
	uint64_t wire_unicast; /* frames to its MAC that came from the uplink: it is found */
	uint64_t wire_own_mac; /* frames from its MAC that came from the uplink: it is elsewhere */
};

struct guest_port {
	/* Filled in by the owner before network_attach, the rest zero. */
	const char *name; /* for the console, as "web.net0"; must stay */
	uint8_t mac[ETH_ALEN];
	bool filter_off; /* the guest may send from any MAC and sees frames to unknown ones */
	/*
	 * A frame for the guest, 14 bytes to network_mtu() + 14, untagged. Takes over the
	 * reference, which is the only one. With the host lock held, on any CPU, never from
	 * within network_send. Must not block, attach or detach; may network_send.
	 */
	void (*receive)(struct guest_port *p, struct netbuf *nb);
	/* The network's. */
	struct list node;
	struct network *net; /* NULL: not attached */
	struct list queue;   /* frames that wait to be delivered to other ports */
	unsigned queued;
	unsigned learned; /* entries in the table of MACs */
	struct guest_port_stats stats;
};

struct network_mac {
	uint8_t mac[ETH_ALEN];
	bool used;
	struct guest_port *port; /* NULL: behind the uplink */
	uint64_t seen_ns;
};

struct network {
	char name[NETWORK_NAME_MAX];
	uint16_t vlan;	       /* 0: untagged frames */
	uint16_t mtu;	       /* a limit below the NIC's, 0: none; set after network_add */
	struct net_switch *sw; /* NULL: isolated, guests of this host only */
	struct list ports;
	unsigned port_count;
	struct timer timer; /* delivers from port to port */
	struct network_mac macs[NETWORK_LEARN_MAX];
};

/* Before network_add, after switch_init. mtu: of the host's NIC. */
void network_init(struct net_switch *sw, unsigned mtu);
/*
 * uplink false: an isolated network, vlan must be 0. 0, or
 * -E_EXIST (name, or VLAN of the uplink in use), -E_NOSPC, -E_RANGE (vlan).
 */
int must_check network_add(const char *name, bool uplink, unsigned vlan);
/* NULL: no such network on this host. */
struct network *network_find(const char *name);
struct network *network_at(unsigned index);
/* The largest IP packet, bytes: 4 less on a VLAN of a NIC that has no room for the tag. */
unsigned network_mtu(const struct network *net);
/* "nic0", or "none". */
const char *network_nic_name(const struct network *net);

/* 0, -E_INVAL (group or zero MAC), -E_EXIST (a port of the network or the host has the MAC). */
int must_check network_attach(struct network *net, struct guest_port *p);
/* Waiting frames of p are dropped. Harmless when not attached. Statistics stay readable. */
void network_detach(struct guest_port *p);
/* p's network has a port index'th in order of attaching, else NULL. */
struct guest_port *network_port_at(const struct network *net, unsigned index);
/* The port whose card has the MAC, else NULL. */
struct guest_port *network_port_of(const struct network *net, const uint8_t *mac);

/* For a frame to send: room for a tag before it. NULL when buffers are scarce: retry later. */
struct netbuf *must_check network_frame_alloc(void);
/* Frames that network_send takes now; a part of the uplink's ring stays the host's. */
unsigned network_send_room(const struct guest_port *p);
/*
 * Sends an untagged frame without FCS, short ones need no padding. Takes over the reference in
 * every case. 0; -E_AGAIN: no room, dropped and counted, nobody has got it; -E_INVAL: a frame
 * that a guest may not send, dropped and counted.
 */
int network_send(struct guest_port *p, struct netbuf *nb);

#endif
