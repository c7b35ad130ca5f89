/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What guests may put on a network and what may reach them. The host's own
 * EtherTypes and VLAN tags never pass, so that a guest can neither speak to the
 * link or the storage nor hop to another VLAN.
 */
#include "kernel/lib/string.h"
#include "kernel/net/network_inner.h"

#define ETH_TYPE_QINQ_OLD 0x9100 /* tags of equipment from before IEEE 802.1ad */

static bool mac_is_zero(const uint8_t *mac)
{
	static const uint8_t zero[ETH_ALEN];

	return !memcmp(mac, zero, ETH_ALEN);
}

/* 01:80:C2:00:00:0X: spanning tree, pause, LLDP: a bridge never forwards them (IEEE 802.1Q, 8.6.3).
 */
static bool mac_is_reserved(const uint8_t *mac)
{
	return !memcmp(mac, "\x01\x80\xc2\0\0", 5) && mac[5] < 0x10;
}

static bool type_is_tag(uint16_t type)
{
	return type == ETH_TYPE_VLAN || type == ETH_TYPE_QINQ || type == ETH_TYPE_QINQ_OLD;
}

bool network_may_enter(const struct network *net, const struct netbuf *nb)
{
	const struct eth_hdr *eth = (const void *)nb->data;
	uint16_t type;

	if (nb->len < ETH_HLEN || nb->len > network_mtu(net) + ETH_HLEN)
		return false;
	type = eth_type(nb->data);
	if (type_is_tag(type) || switch_type_is_host(type))
		return false;
	return !(eth->src[0] & 1) && !mac_is_zero(eth->src) && !mac_is_reserved(eth->dst);
}

bool network_may_send(const struct guest_port *p, const struct netbuf *nb)
{
	if (!network_may_enter(p->net, nb))
		return false;
	return p->filter_off || !memcmp(nb->data + ETH_ALEN, p->mac, ETH_ALEN);
}
