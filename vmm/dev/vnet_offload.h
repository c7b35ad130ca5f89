/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a guest leaves to its network card: checksums, and cutting one large TCP
 * packet into frames (virtio 1.1, 5.1.6.2 "Packet Transmission"). Bytes in, frames
 * out; queues and switch are vnet.c's.
 */
#ifndef VMM_DEV_VNET_OFFLOAD_H
#define VMM_DEV_VNET_OFFLOAD_H

#include "kernel/lib/base.h"

/* struct virtio_net_hdr, 5.1.6; with VIRTIO_F_VERSION_1 always 12 bytes */
struct vnet_hdr {
	uint8_t flags, gso_type;
	uint16_t hdr_len, gso_size, csum_start, csum_offset, num_buffers;
};
_Static_assert(sizeof(struct vnet_hdr) == 12, "virtio 1.1, 5.1.6");

#define VNET_HDR_NEEDS_CSUM 1
#define VNET_GSO_NONE	    0
#define VNET_GSO_TCPV4	    1
#define VNET_GSO_TCPV6	    4
#define VNET_GSO_ECN	    0x80

#define VNET_PACKET_MAX (65535 + 14)
#define VNET_HEAD_MAX	256 /* Ethernet, IP with options, TCP with options */

/* One packet of the driver's, read once: its headers into head, its payload frame by frame. */
struct vnet_packet {
	struct vnet_hdr hdr;
	uint32_t len; /* bytes of the packet, from the destination MAC on */
	uint32_t frame_max;
	/* Copy bytes of the packet; offset + len <= the packet's. 0 or an error. */
	int (*read)(void *ctx, uint32_t offset, void *buf, uint32_t len);
	void *ctx;

	/* set by vnet_packet_open */
	uint8_t head[VNET_HEAD_MAX];
	uint32_t head_len; /* Ethernet, IP and TCP headers; 0 when it is sent as it is */
	uint32_t frames;
};

/*
 * Given hdr, len, frame_max and read: look at the headers. 0; -E_INVAL when the
 * driver asks for what it may not (then the packet is dropped); errors of read.
 */
int must_check vnet_packet_open(struct vnet_packet *p);
/* Write frame i (0 .. frames-1) to out, at most frame_max bytes; its length, or an error of read.
 */
int must_check vnet_packet_frame(struct vnet_packet *p, uint32_t i, uint8_t *out);

/* The Internet checksum (RFC 1071) of len bytes added to sum: not folded, not inverted. */
uint64_t vnet_csum_add(uint64_t sum, const void *data, size_t len);
/* Folded and inverted, as it stands in memory. */
uint16_t vnet_csum_finish(uint64_t sum);

#endif
