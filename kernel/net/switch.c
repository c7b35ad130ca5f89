/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Frames between ports and the one uplink NIC, by destination MAC and EtherType.
 * Frames from port to port wait in a queue that a timer empties, so that no
 * port's receive ever runs inside another port's send. No learning: everything
 * that is not ours is on the wire.
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
	const struct eth_hdr *eth = (const void *)nb->data;

	return !p->ethertype || p->ethertype == (eth->type[0] << 8 | eth->type[1]);
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

/* A frame of its own: NULL when the pool is empty. */
static struct netbuf *frame_copy(const struct netbuf *nb)
{
	struct netbuf *copy = netbuf_alloc();

	if (copy) {
		memcpy(copy->data, nb->data, nb->len);
		copy->len = nb->len;
	}
	return copy;
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
		struct netbuf *copy = port_wants_group(p, nb) ? frame_copy(nb) : NULL;

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

/* Takes over the reference. */
static void switch_deliver(struct net_switch *sw, struct netbuf *nb)
{
	struct switch_port *p = NULL;

	if (nb->len < ETH_HLEN) {
		sw->unclaimed++;
	} else if (frame_is_group(nb)) {
		switch_flood(sw, nb);
	} else {
		p = switch_find(sw, nb);
		if (!p)
			sw->unclaimed++;
	}
	if (p)
		port_receive(p, nb);
	else
		netbuf_put(nb);
}

static void switch_from_uplink(struct netdev *nd, struct netbuf *nb)
{
	switch_deliver(nd->receive_ctx, nb);
}

static void switch_local_tick(struct timer *t)
{
	struct net_switch *sw = container_of(t, struct net_switch, local_timer);
	unsigned budget = sw->local_count; /* what these cause waits for the next tick */

	while (budget-- && !list_empty(&sw->local)) {
		struct netbuf *nb = list_entry(sw->local.next, struct netbuf, node);

		list_remove(&nb->node);
		sw->local_count--;
		switch_deliver(sw, nb);
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
		struct netbuf *copy = frame_copy(nb);

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
