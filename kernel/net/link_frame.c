/* SPDX-License-Identifier: BSD-2-Clause */
/* Build and check frames of EtherType 0x88B5. What they mean is peers.c's and link's. */
#include "kernel/net/link_frame.h"
#include "kernel/lib/crc32c.h"
#include "kernel/lib/string.h"

int link_frame_check(const struct netbuf *nb, struct link_frame *out)
{
	const struct eth_hdr *eth = (const void *)nb->data;
	uint32_t crc;

	if (nb->len < LINK_HLEN)
		return -E_PROTO;
	memcpy(&out->hdr, nb->data + ETH_HLEN, sizeof(out->hdr));
	if (out->hdr.magic != LINK_MAGIC || out->hdr.len > nb->len - LINK_HLEN)
		return -E_PROTO;
	out->body = nb->data + LINK_HLEN;
	out->src = eth->src;
	crc = crc32c(0, out->body, out->hdr.len);
	crc = crc32c(crc, nb->data + ETH_HLEN, offsetof(struct link_hdr, crc));
	if (crc != out->hdr.crc)
		return -E_CHECKSUM;
	if (!out->hdr.type || out->hdr.type >= LINK_TYPE_MAX)
		return -E_PROTO;
	if (out->hdr.flags & LINK_F_MANDATORY)
		return -E_PROTO;
	if (eth->src[0] & 1) /* a group address sends nothing */
		return -E_PROTO;
	return 0;
}

void link_frame_address(struct netbuf *nb, const uint8_t dst[ETH_ALEN], const uint8_t src[ETH_ALEN],
			size_t len)
{
	struct eth_hdr *eth = (void *)nb->data;

	memcpy(eth->dst, dst, ETH_ALEN);
	memcpy(eth->src, src, ETH_ALEN);
	eth->type[0] = ETH_TYPE_LINK >> 8;
	eth->type[1] = ETH_TYPE_LINK & 0xff;
	nb->len = LINK_HLEN + len;
}

void link_frame_seal(struct netbuf *nb, struct link_hdr *h, uint32_t body_crc)
{
	h->magic = LINK_MAGIC;
	h->crc = crc32c(body_crc, h, offsetof(struct link_hdr, crc));
	memcpy(nb->data + ETH_HLEN, h, sizeof(*h));
}
