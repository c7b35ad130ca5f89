/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * When a moved guest is announced. A frame that is lost or finds no room is not
 * repeated by itself: the next round brings it again.
 */
#include "kernel/net/announce.h"
#include "kernel/time.h"

/* Milliseconds to the next round: quick at first, when most is to be gained; 30 s in all. */
static const uint16_t gaps_ms[] = {50, 150, 250, 500, 1000, 2000, 4000, 8000, 14000};

static void send_frame(struct announce *a, struct netbuf *nb, unsigned len)
{
	nb->len = len;
	if (!network_send(a->port, nb))
		a->frames++;
}

static void send_ip4(struct announce *a, const uint8_t *ip)
{
	struct netbuf *nb = net_addrs_ip4_is_host(ip) ? network_frame_alloc() : NULL;

	if (nb)
		send_frame(a, nb, announce_build_arp(nb->data, a->port->mac, ip));
}

static void send_ip6(struct announce *a, const uint8_t *ip)
{
	struct netbuf *nb = net_addrs_ip6_is_host(ip) ? network_frame_alloc() : NULL;

	if (nb)
		send_frame(a, nb,
			   announce_build_advert(nb->data, a->port->mac, ip, a->addrs->router6));
}

static void send_round(struct announce *a)
{
	struct netbuf *nb = network_frame_alloc();

	if (nb)
		send_frame(a, nb, announce_build_rarp(nb->data, a->port->mac));
	for (unsigned i = 0; i < NET_ADDRS_MAX; i++) {
		send_ip4(a, a->addrs->ip4[i]);
		send_ip6(a, a->addrs->ip6[i]);
	}
	if (a->round < ARRAY_SIZE(gaps_ms))
		timer_arm(&a->timer, time_ns() + gaps_ms[a->round++] * NS_PER_MS);
}

static void announce_tick(struct timer *t)
{
	struct announce *a = container_of(t, struct announce, timer);

	if (a->port->net && a->port->stats.wire_unicast == a->wire_unicast)
		send_round(a);
}

void announce_start(struct announce *a, struct guest_port *port, const struct net_addrs *addrs)
{
	announce_stop(a);
	timer_init(&a->timer, announce_tick);
	a->port = port;
	a->addrs = addrs;
	a->round = 0;
	a->frames = 0;
	a->wire_unicast = port->stats.wire_unicast;
	send_round(a);
}

void announce_stop(struct announce *a)
{
	if (a->port)
		timer_cancel(&a->timer);
}

bool announce_is_running(const struct announce *a)
{
	return a->port && timer_is_armed(&a->timer);
}
