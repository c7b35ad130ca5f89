/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The few formats of ARP, IP and neighbour discovery that are read from guests
 * and announced for them. Bytes in network order throughout.
 */
#ifndef KERNEL_NET_NET_FRAMES_H
#define KERNEL_NET_NET_FRAMES_H

#include "kernel/net/netbuf.h"

#define ETH_TYPE_IP4  0x0800
#define ETH_TYPE_ARP  0x0806
#define ETH_TYPE_RARP 0x8035
#define ETH_TYPE_IP6  0x86dd

/* RFC 826; RARP has the same form (RFC 903). */
#define ARP_FORM_LEN  6
#define ARP_ETHER_IP4 "\x00\x01\x08\x00\x06\x04" /* Ethernet, IPv4, 6 and 4 bytes each */
#define ARP_REQUEST   1
#define RARP_REQUEST  3 /* "request reverse" */

struct arp_body {
	uint8_t form[ARP_FORM_LEN];
	uint8_t op[2];
	uint8_t sender_mac[6], sender_ip[4];
	uint8_t target_mac[6], target_ip[4];
};

#define IP4_HLEN 20
#define IP4_SRC	 12

struct ip6_hdr {
	uint8_t version[4]; /* with traffic class and flow label */
	uint8_t len[2];
	uint8_t next;
	uint8_t hop_limit;
	uint8_t src[16], dst[16];
};

#define IP6_ICMP 58

/* RFC 4861, 4.1 to 4.4: messages of neighbour discovery, ICMPv6 types. */
#define ND_ROUTER_SOLICIT     133
#define ND_ROUTER_ADVERT      134
#define ND_NEIGHBOUR_SOLICIT  135
#define ND_NEIGHBOUR_ADVERT   136
#define ND_FLAG_ROUTER	      0x80
#define ND_FLAG_OVERRIDE      0x20
#define ND_OPTION_TARGET_LINK 2

struct nd_advert {
	uint8_t type, code;
	uint8_t checksum[2];
	uint8_t flags[4];
	uint8_t target[16];
};

_Static_assert(sizeof(struct arp_body) == 28, "RFC 826");
_Static_assert(sizeof(struct ip6_hdr) == 40, "RFC 8200");
_Static_assert(sizeof(struct nd_advert) == 24, "RFC 4861");

#endif
