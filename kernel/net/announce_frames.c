/* SPDX-License-Identifier: BSD-2-Clause */
/* The frames that announce a guest's MAC and addresses: pure functions, byte by byte. */
#include "kernel/lib/string.h"
#include "kernel/net/announce.h"
#include "kernel/net/net_frames.h"

static void put_u16(uint8_t *at, uint16_t v)
{
	at[0] = v >> 8;
	at[1] = v & 0xff;
}

static uint8_t *build_header(uint8_t *frame, const char *dst, const uint8_t *mac, uint16_t type)
{
	memcpy(frame, dst, ETH_ALEN);
	memcpy(frame + ETH_ALEN, mac, ETH_ALEN);
	put_u16(frame + 12, type);
	return frame + ETH_HLEN;
}

static struct arp_body *build_arp_form(uint8_t *frame, const uint8_t *mac, uint16_t type,
				       uint16_t op)
{
	struct arp_body *arp;

	memset(frame, 0, ETH_MIN_LEN);
	arp = (void *)build_header(frame, "\xff\xff\xff\xff\xff\xff", mac, type);
	memcpy(arp->form, ARP_ETHER_IP4, ARP_FORM_LEN);
	put_u16(arp->op, op);
	memcpy(arp->sender_mac, mac, ETH_ALEN);
	return arp;
}

unsigned announce_build_rarp(uint8_t *frame, const uint8_t *mac)
{
	struct arp_body *arp = build_arp_form(frame, mac, ETH_TYPE_RARP, RARP_REQUEST);

	memcpy(arp->target_mac, mac, ETH_ALEN);
	return ETH_MIN_LEN;
}

unsigned announce_build_arp(uint8_t *frame, const uint8_t *mac, const uint8_t ip[4])
{
	struct arp_body *arp = build_arp_form(frame, mac, ETH_TYPE_ARP, ARP_REQUEST);

	memcpy(arp->sender_ip, ip, 4);
	memcpy(arp->target_ip, ip, 4);
	return ETH_MIN_LEN;
}

/* len even. */
static uint32_t sum16(uint32_t sum, const uint8_t *p, unsigned len)
{
	for (unsigned i = 0; i < len; i += 2)
		sum += p[i] << 8 | p[i + 1];
	return sum;
}

/* Over the pseudo-header too (RFC 8200, 8.1). */
static uint16_t icmp6_checksum(const struct ip6_hdr *ip, const uint8_t *icmp, unsigned len)
{
	uint32_t sum = sum16(len + IP6_ICMP, ip->src, 32);

	sum = sum16(sum, icmp, len);
	sum = (sum & 0xffff) + (sum >> 16);
	sum += sum >> 16;
	return ~sum;
}

unsigned announce_build_advert(uint8_t *frame, const uint8_t *mac, const uint8_t ip[16],
			       bool router)
{
	static const unsigned icmp_len = sizeof(struct nd_advert) + 8;
	struct nd_advert *nd;
	struct ip6_hdr *h;
	uint8_t *option;

	memset(frame, 0, ANNOUNCE_FRAME_MAX);
	h = (void *)build_header(frame, "\x33\x33\0\0\0\1", mac, ETH_TYPE_IP6);
	h->version[0] = 0x60;
	put_u16(h->len, icmp_len);
	h->next = IP6_ICMP;
	h->hop_limit = 255;
	memcpy(h->src, ip, 16);
	memcpy(h->dst, "\xff\2\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 16);
	nd = (void *)(h + 1);
	nd->type = ND_NEIGHBOUR_ADVERT;
	nd->flags[0] = ND_FLAG_OVERRIDE | (router ? ND_FLAG_ROUTER : 0);
	memcpy(nd->target, ip, 16);
	option = (uint8_t *)(nd + 1);
	option[0] = ND_OPTION_TARGET_LINK;
	option[1] = 1; /* units of 8 bytes */
	memcpy(option + 2, mac, ETH_ALEN);
	put_u16(nd->checksum, icmp6_checksum(h, (uint8_t *)nd, icmp_len));
	return ANNOUNCE_FRAME_MAX;
}
