/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads a guest's own frames for the addresses it uses: ARP (RFC 826), the source
 * of IPv4 packets (RFC 791), the source of IPv6 packets (RFC 8200) and neighbour
 * discovery (RFC 4861). Nothing is believed beyond the frame's length.
 */
#include "kernel/net/net_addrs.h"
#include "kernel/lib/string.h"
#include "kernel/net/net_frames.h"

bool net_addrs_ip4_is_host(const uint8_t *ip)
{
	return ip[0] != 0 && ip[0] != 127 && ip[0] < 224;
}

bool net_addrs_ip6_is_host(const uint8_t *ip)
{
	static const uint8_t zero[15];

	return ip[0] != 0xff && (memcmp(ip, zero, 15) || ip[15] > 1);
}

/* Entries of size bytes, used last first. sure: the address is the guest's own. */
static void remember(uint8_t *table, unsigned size, const uint8_t *ip, bool sure)
{
	static const uint8_t zero[16];
	unsigned i;

	for (i = 0; i < NET_ADDRS_MAX; i++) {
		const uint8_t *entry = table + (size_t)i * size;

		if (!memcmp(entry, ip, size) || !memcmp(entry, zero, size))
			break;
	}
	if (i == NET_ADDRS_MAX) {
		if (!sure)
			return;
		i--;
	}
	memmove(table + size, table, (size_t)i * size);
	memcpy(table, ip, size);
}

static void learn_arp(struct net_addrs *a, const uint8_t *mac, const uint8_t *body, size_t len)
{
	const struct arp_body *arp = (const void *)body;

	if (len < sizeof(*arp) || memcmp(arp, ARP_ETHER_IP4, ARP_FORM_LEN))
		return;
	if (!memcmp(arp->sender_mac, mac, ETH_ALEN) && net_addrs_ip4_is_host(arp->sender_ip))
		remember(a->ip4[0], 4, arp->sender_ip, true);
}

static void learn_ip4(struct net_addrs *a, const uint8_t *body, size_t len)
{
	if (len < IP4_HLEN || body[0] >> 4 != 4)
		return;
	if (net_addrs_ip4_is_host(body + IP4_SRC))
		remember(a->ip4[0], 4, body + IP4_SRC, false);
}

/* Is this neighbour discovery? It is never forwarded, which the hop limit proves (RFC 4861, 3.1).
 */
static bool is_discovery(const struct ip6_hdr *ip, const uint8_t *icmp, size_t len)
{
	return ip->next == IP6_ICMP && ip->hop_limit == 255 && len >= 8 &&
	       icmp[0] >= ND_ROUTER_SOLICIT && icmp[0] <= ND_NEIGHBOUR_ADVERT;
}

static void learn_ip6(struct net_addrs *a, const uint8_t *body, size_t len)
{
	const struct ip6_hdr *ip = (const void *)body;
	const uint8_t *icmp = body + sizeof(*ip);
	bool discovery;

	if (len < sizeof(*ip) || body[0] >> 4 != 6)
		return;
	len -= sizeof(*ip);
	discovery = is_discovery(ip, icmp, len);
	if (net_addrs_ip6_is_host(ip->src))
		remember(a->ip6[0], 16, ip->src, discovery);
	if (!discovery)
		return;
	if (icmp[0] == ND_ROUTER_ADVERT)
		a->router6 = 1;
	if (icmp[0] != ND_NEIGHBOUR_ADVERT || len < sizeof(struct nd_advert))
		return;
	a->router6 = icmp[4] >> 7; /* ND_FLAG_ROUTER */
	if (net_addrs_ip6_is_host(icmp + 8))
		remember(a->ip6[0], 16, icmp + 8, true);
}

void net_addrs_learn(struct net_addrs *a, const uint8_t *mac, const uint8_t *frame, size_t len)
{
	if (len < ETH_HLEN || memcmp(frame + ETH_ALEN, mac, ETH_ALEN))
		return;
	len -= ETH_HLEN;
	switch (eth_type(frame)) {
	case ETH_TYPE_ARP:
		learn_arp(a, mac, frame + ETH_HLEN, len);
		break;
	case ETH_TYPE_IP4:
		learn_ip4(a, frame + ETH_HLEN, len);
		break;
	case ETH_TYPE_IP6:
		learn_ip6(a, frame + ETH_HLEN, len);
		break;
	default:
		break;
	}
}
