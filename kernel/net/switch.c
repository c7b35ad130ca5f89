/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Frames between ports and the one uplink NIC, by destination MAC and EtherType.
 * Frames from port to port wait in a queue that a timer empties, so that no
 * port's receive ever runs inside another port's send. No learning: a MAC that is
 * not the host's is on the wire, or a guest's (network.c).
 */
#include "kernel/net/switch.h"
#include "kernel/lib/string.h"
#include "kernel/time.h"

#define SWITCH_LOCAL_MAX 256 /* frames between ports that wait; more are dropped */

static bool frame_is_group(const struct netbuf *nb)
{
	return nb->data[0] & 1;
}

static bool port_takes_type(const struct switch_port *p, const struct netbuf *nb)
{
	return !p->ethertype || p->ethertype == eth_type(nb->data);
}

/* The port that owns the frame's unicast destination; one that names the type goes first. */
static struct switch_port *switch_find(const struct net_switch *sw, const struct netbuf *nb)
{
	struct switch_port *any = NULL;
	struct list *n;

	list_for_each (n, &sw->ports) {
		struct switch_port *p = list_entry(n, struct switch_port, node);

		if (memcmp(p->mac, nb->data, ETH_ALEN) || !port_takes_type(p, nb))
			continue;
		if (p->ethertype)
			return p;
		if (!any)
			any = p;
	}
	return any;
}

static void port_receive(struct switch_port *p, struct netbuf *nb)
{
	p->rx_frames++;
	p->rx_bytes += nb->len;
	p->receive(p, nb);
}

/* Does p want this group frame? A port never hears frames of its own MAC. */
static bool port_wants_group(const struct switch_port *p, const struct netbuf *nb)
{
	const struct eth_hdr *eth = (const void *)nb->data;

	return p->group && port_takes_type(p, nb) && memcmp(p->mac, eth->src, ETH_ALEN);
}

/*
 * A copy for each port that asked for group frames of the type: each receiver
 * may queue its frame, and a netbuf can be in one queue only.
 */
static void switch_flood(struct net_switch *sw, const struct netbuf *nb)
{
	struct list *n, *tmp;

	list_for_each_safe (n, tmp, &sw->ports) {
		struct switch_port *p = list_entry(n, struct switch_port, node);
		struct netbuf *copy = port_wants_group(p, nb) ? netbuf_copy(nb) : NULL;

		if (copy)
			port_receive(p, copy);
	}
}

static bool switch_has_group_taker(const struct net_switch *sw, const struct netbuf *nb)
{
	struct list *n;

	list_for_each (n, &sw->ports) {
		if (port_wants_group(list_entry(n, struct switch_port, node), nb))
			return true;
	}
	return false;
}

/* The host's own frames: takes over the reference. False: nobody here wants it. */
static bool switch_deliver(struct net_switch *sw, struct netbuf *nb)
{
	struct switch_port *p = NULL;
	bool group = frame_is_group(nb);

	if (group)
		switch_flood(sw, nb);
	else
		p = switch_find(sw, nb);
	if (p)
		port_receive(p, nb);
	else
		netbuf_put(nb);
	return group || p;
}

bool switch_type_is_host(uint16_t type)
{
	return type == ETH_TYPE_LINK || type == ETH_TYPE_AOE;
}

/* Take the tag off in place: the addresses move up. The VLAN, 0 for none (IEEE 802.1Q, 9.6). */
static uint16_t frame_untag(struct netbuf *nb)
{
	uint16_t vlan = (nb->data[14] << 8 | nb->data[15]) & 0xfff;

	memmove(nb->data + ETH_TAG_LEN, nb->data, 2 * ETH_ALEN);
	netbuf_pull(nb, ETH_TAG_LEN);
	nb->len -= ETH_TAG_LEN;
	return vlan;
}

/* An untagged frame: the host's own types are the host's alone, the rest is for guests first. */
static bool switch_untagged(struct net_switch *sw, struct netbuf *nb)
{
	if (switch_type_is_host(eth_type(nb->data)) || !sw->to_networks)
		return switch_deliver(sw, nb);
	if (frame_is_group(nb))
		switch_flood(sw, nb);
	else if (switch_find(sw, nb))
		return switch_deliver(sw, nb);
	return sw->to_networks(sw, 0, nb);
}

static void switch_from_uplink(struct netdev *nd, struct netbuf *nb)
{
	struct net_switch *sw = nd->receive_ctx;
	bool tagged = nb->len >= ETH_HLEN && eth_type(nb->data) == ETH_TYPE_VLAN, claimed = false;
	uint16_t vlan = 0;

	if (nb->len < ETH_HLEN + (tagged ? ETH_TAG_LEN : 0)) {
		netbuf_put(nb);
	} else {
		if (tagged)
			vlan = frame_untag(nb);
		if (!vlan)
			claimed = switch_untagged(sw, nb);
		else if (sw->to_networks)
			claimed = sw->to_networks(sw, vlan, nb);
		else
			netbuf_put(nb);
	}
	if (!claimed)
		sw->unclaimed++;
}

static void switch_local_tick(struct timer *t)
{
	struct net_switch *sw = container_of(t, struct net_switch, local_timer);
	unsigned budget = sw->local_count; /* what these cause waits for the next tick */

	while (budget-- && !list_empty(&sw->local)) {
		struct netbuf *nb = list_entry(sw->local.next, struct netbuf, node);

		list_remove(&nb->node);
		sw->local_count--;
		if (!switch_deliver(sw, nb))
			sw->unclaimed++;
	}
	if (!list_empty(&sw->local))
		timer_arm(&sw->local_timer, time_ns());
}

/*
 * Queue a frame for another port. The sender may hold a reference for later
 * (the link, for retransmission), so a shared frame is copied first.
 */
static void switch_queue_local(struct net_switch *sw, struct netbuf *nb)
{
	if (sw->local_count >= SWITCH_LOCAL_MAX) {
		netbuf_put(nb);
		return;
	}
	if (nb->refs > 1) {
		struct netbuf *copy = netbuf_copy(nb);

		netbuf_put(nb);
		if (!copy)
			return;
		nb = copy;
	}
	list_append(&sw->local, &nb->node);
	sw->local_count++;
	if (!timer_is_armed(&sw->local_timer))
		timer_arm(&sw->local_timer, time_ns());
}

int switch_send(struct switch_port *p, struct netbuf *nb)
{
	struct net_switch *sw = p->sw;

	if (nb->len < ETH_HLEN || nb->len > netbuf_frame_max()) {
		netbuf_put(nb);
		return -E_INVAL;
	}
	p->tx_frames++;
	p->tx_bytes += nb->len;
	if (!frame_is_group(nb) && switch_find(sw, nb)) {
		switch_queue_local(sw, nb);
		return 0;
	}
	if (frame_is_group(nb) && switch_has_group_taker(sw, nb))
		switch_queue_local(sw, netbuf_get(nb));
	if (!sw->uplink) {
		netbuf_put(nb);
		return 0; /* an empty wire, not an error */
	}
	return sw->uplink->ops->send(sw->uplink, nb);
}

unsigned switch_frame_max(const struct net_switch *sw)
{
	return sw->uplink ? MIN(netbuf_frame_max(), (unsigned)sw->uplink->frame_max)
			  : netbuf_frame_max();
}

unsigned switch_send_room(const struct net_switch *sw)
{
	return sw->uplink ? sw->uplink->ops->send_room(sw->uplink) : SWITCH_LOCAL_MAX;
}

void switch_attach(struct net_switch *sw, struct switch_port *p)
{
	p->sw = sw;
	list_append(&sw->ports, &p->node);
}

void switch_detach(struct switch_port *p)
{
	list_remove(&p->node);
}

void switch_init(struct net_switch *sw, struct netdev *uplink)
{
	memset(sw, 0, sizeof(*sw));
	list_init(&sw->ports);
	list_init(&sw->local);
	timer_init(&sw->local_timer, switch_local_tick);
	sw->uplink = uplink;
	if (uplink) {
		uplink->receive_ctx = sw;
		uplink->receive = switch_from_uplink;
	}
}
