/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One Ethernet frame, without FCS, in DMA-able memory, reference counted: the
 * link keeps a sent frame for retransmission while the NIC still reads it, so
 * nobody copies. A buffer with more than one reference is read-only.
 */
#ifndef KERNEL_NET_NETBUF_H
#define KERNEL_NET_NETBUF_H

#include "kernel/lib/list.h"

struct netbuf {
	struct list node;  /* for the present owner's queue */
	hpa_t data_hpa;	   /* of data */
	uint8_t *data;	   /* the frame, first byte of the destination MAC */
	uint16_t len;	   /* bytes in the frame */
	uint16_t room;	   /* bytes that fit at data */
	uint16_t headroom; /* bytes of the buffer before data */
	uint16_t refs;
};

/*
 * Decide once, at boot, the largest frame (1514, or up to 9018 for jumbo), and
 * how many buffers may exist. 0 or -E_NOMEM.
 */
int must_check netbuf_pool_init(unsigned frame_max, unsigned count);
unsigned netbuf_frame_max(void);
/* len 0, one reference; NULL when the pool is empty (drop or wait, never fail hard). */
struct netbuf *must_check netbuf_alloc(void);
/* A copy with room for a tag before it, one reference; NULL when the pool is empty. */
struct netbuf *must_check netbuf_copy(const struct netbuf *nb);
struct netbuf *netbuf_get(struct netbuf *nb); /* one more reference; returns nb */
void netbuf_put(struct netbuf *nb);	      /* one less; the last frees */
unsigned netbuf_free_count(void);
/*
 * Move the start of the frame: a tag or header goes in (push, up to headroom) or out (pull, up to
 * room) without a copy of the rest. len is the caller's. Only for a buffer with one reference.
 */
void netbuf_push(struct netbuf *nb, unsigned bytes);
void netbuf_pull(struct netbuf *nb, unsigned bytes);
/*
 * Less than an eighth is free: who can wait or let the peer repeat (senders,
 * frames ahead of a gap) leaves the rest to the NIC's receive ring.
 */
bool netbuf_is_scarce(void);

#define ETH_ALEN      6
#define ETH_HLEN      14
#define ETH_MIN_LEN   60     /* without FCS; netdev pads */
#define ETH_TAG_LEN   4	     /* IEEE 802.1Q tag: type and priority, VLAN */
#define ETH_TYPE_VLAN 0x8100 /* IEEE 802.1Q, C-tag */
#define ETH_TYPE_QINQ 0x88a8 /* IEEE 802.1ad, S-tag */
#define ETH_TYPE_AOE  0x88a2
#define ETH_TYPE_LINK 0x88b5 /* IEEE 802 local experimental EtherType 1 */

struct eth_hdr {
	uint8_t dst[ETH_ALEN];
	uint8_t src[ETH_ALEN];
	uint8_t type[2]; /* big endian */
} __attribute__((packed));

/* EtherType of a frame of at least ETH_HLEN bytes. */
static inline uint16_t eth_type(const uint8_t *frame)
{
	return frame[12] << 8 | frame[13];
}

#endif
