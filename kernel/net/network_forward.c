/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where a frame on a network goes: to the port that owns its MAC, to where that
 * MAC was seen, else to everybody who may want it. Frames between ports wait in
 * their sender's queue for the timer: no port's receive runs inside another
 * port's send, and a guest that floods fills its own queue only.
 */
#include "kernel/lib/string.h"
#include "kernel/net/network_inner.h"
#include "kernel/time.h"

#define TICK_ROUNDS 4 /* frames of each port in one go before others get their turn */

struct route {
	struct guest_port *port; /* one port, or NULL */
	bool flood;		 /* every port that wants it */
	bool uplink;
};

static bool frame_is_group(const struct netbuf *nb)
{
	return nb->data[0] & 1;
}

/* from NULL: it came from the uplink. */
static struct route route_find(const struct network *net, const struct guest_port *from,
			       const struct netbuf *nb)
{
	struct guest_port *port = network_port_of(net, nb->data);
	const struct network_mac *seen;

	if (!frame_is_group(nb) && port)
		return (struct route){.port = port == from ? NULL : port};
	seen = frame_is_group(nb) ? NULL : network_lookup(net, nb->data);
	if (!seen)
		return (struct route){.flood = true, .uplink = from};
	if (seen->port)
		return (struct route){.port = seen->port == from ? NULL : seen->port};
	return (struct route){.uplink = from};
}

/*
 * Of a flooded frame: group frames for all, and what is for an unknown MAC only for a port without
 * filter, because a guest behind a filter has one MAC, which is known. Nobody hears itself.
 */
static bool port_wants(const struct guest_port *p, const struct guest_port *from,
		       const struct netbuf *nb)
{
	return p != from && (frame_is_group(nb) || p->filter_off) &&
	       memcmp(p->mac, nb->data + ETH_ALEN, ETH_ALEN);
}

static bool flood_has_taker(const struct network *net, const struct guest_port *from,
			    const struct netbuf *nb)
{
	struct list *n;

	list_for_each (n, &net->ports) {
		if (port_wants(list_entry(n, struct guest_port, node), from, nb))
			return true;
	}
	return false;
}

/* A copy of what guests send never takes the buffers that the NIC's ring lives from. */
static struct netbuf *frame_copy(const struct netbuf *nb)
{
	return netbuf_is_scarce() ? NULL : netbuf_copy(nb);
}

static void port_receive(struct guest_port *p, struct netbuf *nb)
{
	p->stats.rx_frames++;
	p->stats.rx_bytes += nb->len;
	p->receive(p, nb);
}

/* A copy for each, the frame itself for the last. Takes over the reference, the only one. */
static bool flood(struct network *net, const struct guest_port *from, struct netbuf *nb)
{
	struct guest_port *last = NULL;
	struct list *n;

	list_for_each (n, &net->ports) {
		struct guest_port *p = list_entry(n, struct guest_port, node);
		struct netbuf *copy;

		if (!port_wants(p, from, nb))
			continue;
		if (last) {
			copy = frame_copy(nb);
			if (copy)
				port_receive(last, copy);
			else
				last->stats.rx_dropped++;
		}
		last = p;
	}
	if (last)
		port_receive(last, nb);
	else
		netbuf_put(nb);
	return last;
}

static bool deliver(struct network *net, const struct guest_port *from, struct netbuf *nb)
{
	struct route r = route_find(net, from, nb);

	if (r.flood)
		return flood(net, from, nb);
	if (r.port)
		port_receive(r.port, nb);
	else
		netbuf_put(nb);
	return r.port;
}

bool network_from_uplink(struct network *net, struct netbuf *nb)
{
	struct guest_port *sender, *to;

	if (!network_may_enter(net, nb)) {
		netbuf_put(nb);
		return false;
	}
	sender = network_port_of(net, nb->data + ETH_ALEN);
	if (sender)
		sender->stats.wire_own_mac++;
	else if (net->port_count)
		network_learn(net, nb->data + ETH_ALEN, NULL);
	to = network_port_of(net, nb->data);
	if (to)
		to->stats.wire_unicast++;
	return deliver(net, NULL, nb);
}

/* One frame of each port in turn, so that all get on when one has sent much. */
static bool deliver_one_of_each(struct network *net)
{
	bool more = false;
	struct list *n;

	list_for_each (n, &net->ports) {
		struct guest_port *p = list_entry(n, struct guest_port, node);
		struct netbuf *nb;

		if (list_empty(&p->queue))
			continue;
		nb = list_entry(p->queue.next, struct netbuf, node);
		list_remove(&nb->node);
		more |= --p->queued > 0;
		deliver(net, p, nb);
	}
	return more;
}

void network_tick(struct timer *t)
{
	struct network *net = container_of(t, struct network, timer);
	bool more = true;

	/* What receivers send meanwhile is taken too, but not without end. */
	for (unsigned i = 0; more && i < TICK_ROUNDS; i++)
		more = deliver_one_of_each(net);
	for (struct list *n = net->ports.next; n != &net->ports; n = n->next) {
		if (!list_empty(&list_entry(n, struct guest_port, node)->queue))
			timer_arm(t, time_ns());
	}
}

/* Takes over the reference, the only one. */
static void queue_local(struct guest_port *p, struct netbuf *nb)
{
	list_append(&p->queue, &nb->node);
	p->queued++;
	if (!timer_is_armed(&p->net->timer))
		timer_arm(&p->net->timer, time_ns());
}

/* The addresses move down, the tag goes in after them (IEEE 802.1Q, 9.6). */
static void frame_tag(struct netbuf *nb, uint16_t vlan)
{
	netbuf_push(nb, ETH_TAG_LEN);
	nb->len += ETH_TAG_LEN;
	memmove(nb->data, nb->data + ETH_TAG_LEN, 2 * ETH_ALEN);
	nb->data[12] = ETH_TYPE_VLAN >> 8;
	nb->data[13] = ETH_TYPE_VLAN & 0xff;
	nb->data[14] = vlan >> 8; /* priority 0 */
	nb->data[15] = vlan;
}

/* A buffer that we may change, with room for a tag. Takes over the reference. */
static struct netbuf *frame_own(struct netbuf *nb)
{
	struct netbuf *copy;

	if (nb->refs == 1 && nb->headroom >= ETH_TAG_LEN)
		return nb;
	copy = frame_copy(nb);
	netbuf_put(nb);
	return copy;
}

static int send_uplink(struct guest_port *p, struct netbuf *nb)
{
	struct network *net = p->net;

	if (!net->sw || !net->sw->uplink) {
		netbuf_put(nb);
		return 0; /* an empty wire, not an error */
	}
	if (net->vlan)
		frame_tag(nb, net->vlan);
	return net->sw->uplink->ops->send(net->sw->uplink, nb);
}

/* nb is ours alone. Copies first, so that either all is sent or nothing. */
static int send_routed(struct guest_port *p, struct netbuf *nb)
{
	struct route r = route_find(p->net, p, nb);
	bool local = r.port || (r.flood && flood_has_taker(p->net, p, nb));
	struct netbuf *second = local && r.uplink ? frame_copy(nb) : NULL;

	if (local && r.uplink && !second) {
		netbuf_put(nb);
		return -E_AGAIN;
	}
	if (local)
		queue_local(p, second ? second : nb);
	if (r.uplink)
		return send_uplink(p, nb);
	if (!local)
		netbuf_put(nb); /* to itself */
	return 0;
}

int network_send(struct guest_port *p, struct netbuf *nb)
{
	unsigned len = nb->len;
	int err;

	if (!p->net || !network_may_send(p, nb)) {
		p->stats.filtered++;
		netbuf_put(nb);
		return -E_INVAL;
	}
	if (network_send_room(p) == 0) {
		p->stats.tx_dropped++;
		netbuf_put(nb);
		return -E_AGAIN;
	}
	if (memcmp(nb->data + ETH_ALEN, p->mac, ETH_ALEN) &&
	    !network_port_of(p->net, nb->data + ETH_ALEN))
		network_learn(p->net, nb->data + ETH_ALEN, p);
	nb = frame_own(nb);
	err = nb ? send_routed(p, nb) : -E_AGAIN;
	if (err) {
		p->stats.tx_dropped++;
		return err;
	}
	p->stats.tx_frames++;
	p->stats.tx_bytes += len;
	return 0;
}
