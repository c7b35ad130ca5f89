/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Checksums and TCP segmentation in software. All sums are over bytes as they stand
 * in memory: the Internet checksum does not depend on byte order (RFC 1071, 2.(B)).
 */
#include "vmm/dev/vnet_offload.h"
#include "kernel/lib/string.h"

#define ETH_LEN	 14u
#define IPV4_LEN 20u
#define IPV6_LEN 40u
#define TCP_LEN	 20u

#define TYPE_IPV4 0x0800
#define TYPE_IPV6 0x86dd
#define PROTO_TCP 6

/* RFC 9293, 3.1: offsets in the TCP header, and bits of byte 13 */
#define TCP_SEQ	   4
#define TCP_OFFSET 12
#define TCP_FLAGS  13
#define TCP_CSUM   16
#define TCP_FIN	   0x01
#define TCP_PSH	   0x08
#define TCP_CWR	   0x80

static uint32_t get_be16(const uint8_t *p)
{
	return p[0] << 8 | p[1];
}

static void put_be16(uint8_t *p, uint32_t v)
{
	p[0] = v >> 8;
	p[1] = v;
}

static uint32_t get_be32(const uint8_t *p)
{
	return get_be16(p) << 16 | get_be16(p + 2);
}

static void put_be32(uint8_t *p, uint32_t v)
{
	put_be16(p, v >> 16);
	put_be16(p + 2, v);
}

uint64_t vnet_csum_add(uint64_t sum, const void *data, size_t len)
{
	const uint8_t *p = data;
	uint32_t word;
	uint16_t half = 0;

	/* words into 64 bits: no carry is lost below 16 GiB */
	for (; len >= 4; len -= 4, p += 4) {
		memcpy(&word, p, 4);
		sum += word;
	}
	if (len >= 2) {
		memcpy(&half, p, 2);
		sum += half;
		p += 2;
		len -= 2;
	}
	return len ? sum + *p : sum; /* an odd last byte stands before a zero */
}

uint16_t vnet_csum_finish(uint64_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

/* TCP over IPv4 exactly as the driver said: headers in the first head_len bytes. */
static bool is_tcp4(const struct vnet_packet *p, uint32_t tcp)
{
	const uint8_t *ip = p->head + ETH_LEN;

	return tcp >= ETH_LEN + IPV4_LEN && get_be16(p->head + 12) == TYPE_IPV4 &&
	       ip[0] >> 4 == 4 && ETH_LEN + (ip[0] & 15) * 4u == tcp && ip[9] == PROTO_TCP;
}

/* Extension headers may stand between; the driver knows where TCP begins. */
static bool is_tcp6(const struct vnet_packet *p, uint32_t tcp)
{
	return tcp >= ETH_LEN + IPV6_LEN && get_be16(p->head + 12) == TYPE_IPV6 &&
	       p->head[ETH_LEN] >> 4 == 6;
}

static int open_segments(struct vnet_packet *p)
{
	uint32_t tcp = p->hdr.csum_start, have = MIN(p->len, (uint32_t)VNET_HEAD_MAX);
	bool v4 = (p->hdr.gso_type & ~VNET_GSO_ECN) == VNET_GSO_TCPV4;
	int err;

	if (!(p->hdr.flags & VNET_HDR_NEEDS_CSUM) || p->hdr.csum_offset != TCP_CSUM ||
	    tcp + TCP_LEN > have)
		return -E_INVAL;
	err = p->read(p->ctx, 0, p->head, have);
	if (err)
		return err;
	if (!(v4 ? is_tcp4(p, tcp) : is_tcp6(p, tcp)))
		return -E_INVAL;
	p->head_len = tcp + (p->head[tcp + TCP_OFFSET] >> 4) * 4u;
	if (p->head_len < tcp + TCP_LEN || p->head_len > have || !p->hdr.gso_size ||
	    p->head_len + p->hdr.gso_size > p->frame_max)
		return -E_INVAL;
	p->frames = MAX(1u, (p->len - p->head_len + p->hdr.gso_size - 1) / p->hdr.gso_size);
	return 0;
}

int vnet_packet_open(struct vnet_packet *p)
{
	p->head_len = 0;
	p->frames = 1;
	if (p->len < ETH_LEN || p->len > VNET_PACKET_MAX)
		return -E_INVAL;
	switch (p->hdr.gso_type & ~VNET_GSO_ECN) {
	case VNET_GSO_TCPV4:
	case VNET_GSO_TCPV6:
		return open_segments(p);
	case VNET_GSO_NONE:
		break;
	default: /* not negotiated */
		return -E_INVAL;
	}
	if (p->len > p->frame_max)
		return -E_INVAL;
	if ((p->hdr.flags & VNET_HDR_NEEDS_CSUM) &&
	    p->hdr.csum_start + p->hdr.csum_offset + 2u > p->len)
		return -E_INVAL;
	return 0;
}

/* Sum over the bytes from start on; the field holds the pseudo header's sum, or 0 and it is in sum.
 */
static void fill_csum(uint8_t *frame, uint32_t len, uint32_t start, uint32_t field, uint64_t sum)
{
	uint16_t csum = vnet_csum_finish(vnet_csum_add(sum, frame + start, len - start));

	if (!csum)
		csum = 0xffff; /* the same number; for UDP 0 would mean "none" (RFC 768) */
	memcpy(frame + field, &csum, sizeof(csum));
}

static int whole_frame(struct vnet_packet *p, uint8_t *out)
{
	int err = p->read(p->ctx, 0, out, p->len);

	if (err)
		return err;
	if (p->hdr.flags & VNET_HDR_NEEDS_CSUM)
		fill_csum(out, p->len, p->hdr.csum_start, p->hdr.csum_start + p->hdr.csum_offset,
			  0);
	return p->len;
}

/* The IP header of frame i with len bytes in all; the pseudo header's sum. RFC 791, 8200, 9293. */
static uint64_t fix_ip(uint8_t *frame, uint32_t i, uint32_t len, uint32_t tcp, bool v4)
{
	uint8_t *ip = frame + ETH_LEN, pseudo[4] = {0, PROTO_TCP};

	put_be16(pseudo + 2, len - tcp);
	if (!v4) {
		put_be16(ip + 4, len - ETH_LEN - IPV6_LEN);
		return vnet_csum_add(vnet_csum_add(0, pseudo, 4), ip + 8, 32);
	}
	put_be16(ip + 2, len - ETH_LEN);
	put_be16(ip + 4, get_be16(ip + 4) + i);
	put_be16(ip + 10, 0);
	uint16_t csum = vnet_csum_finish(vnet_csum_add(0, ip, tcp - ETH_LEN));

	memcpy(ip + 10, &csum, sizeof(csum));
	return vnet_csum_add(vnet_csum_add(0, pseudo, 4), ip + 12, 8);
}

int vnet_packet_frame(struct vnet_packet *p, uint32_t i, uint8_t *out)
{
	bool v4 = (p->hdr.gso_type & ~VNET_GSO_ECN) == VNET_GSO_TCPV4;
	uint32_t tcp = p->hdr.csum_start, at = p->head_len + i * p->hdr.gso_size;

	if (!p->head_len)
		return whole_frame(p, out);
	uint32_t payload = MIN(p->len - at, (uint32_t)p->hdr.gso_size);
	uint32_t len = p->head_len + payload;
	int err = p->read(p->ctx, at, out + p->head_len, payload);

	if (err)
		return err;
	memcpy(out, p->head, p->head_len);
	put_be32(out + tcp + TCP_SEQ, get_be32(out + tcp + TCP_SEQ) + i * p->hdr.gso_size);
	if (i + 1 < p->frames)
		out[tcp + TCP_FLAGS] &= ~(TCP_FIN | TCP_PSH);
	if (i)
		out[tcp + TCP_FLAGS] &= ~TCP_CWR;
	put_be16(out + tcp + TCP_CSUM, 0);
	fill_csum(out, len, tcp, tcp + TCP_CSUM, fix_ip(out, i, len, tcp, v4));
	return len;
}
