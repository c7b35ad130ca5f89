/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What two hosts say to each other on EtherType 0x88B5, byte by byte: one header
 * for discovery and link, then a body by type. Little endian, packed. The words
 * to it are in docs/link.md. Nothing here keeps state.
 */
#ifndef KERNEL_NET_LINK_FRAME_H
#define KERNEL_NET_LINK_FRAME_H

#include "kernel/net/netbuf.h"

#define LINK_MAGIC 0x47 /* of frame format 1; a frame with another byte is not ours */

enum link_type {
	LINK_HELLO = 1, /* broadcast: discovery (peers.c) */
	LINK_SYN,	/* open: link_open_body */
	LINK_SYN_ACK,	/* accept the open: link_open_body */
	LINK_RESET,	/* refuse or abort: link_reset_body */
	LINK_ACK,	/* no sequence number of its own; body: bitmap of frames held past ack */
	LINK_DATA,	/* sequenced bytes */
	LINK_FIN,	/* sequenced, no bytes: nothing follows */
	LINK_TYPE_MAX,
};

#define LINK_F_ACK_NOW 0x0001 /* please answer with an ACK at once */
/* A receiver drops frames with flags of this half that it does not know. */
#define LINK_F_MANDATORY 0xff00

struct link_hdr {
	uint8_t magic;
	uint8_t type;	 /* enum link_type */
	uint16_t len;	 /* bytes of body; what follows is padding */
	uint32_t dst_id; /* the receiver's connection id; 0 in HELLO and SYN */
	uint32_t seq;	 /* of a sequenced frame; frames are counted, not bytes */
	uint32_t ack;	 /* every frame before this one has arrived */
	uint16_t window; /* frames from ack on that the sender of this can take */
	uint16_t flags;
	uint32_t crc; /* CRC-32C of the body, then of this header up to here */
} __attribute__((packed));

#define LINK_HLEN     (ETH_HLEN + sizeof(struct link_hdr))
#define LINK_BODY_MIN 256u /* a peer with smaller frames is refused */

_Static_assert(sizeof(struct link_hdr) == 24, "every byte here is paid in each frame");

/* SYN and SYN-ACK. Extensions may follow. */
struct link_open_body {
	uint16_t version_min, version_max; /* SYN-ACK: both are the version chosen */
	uint32_t src_id;		   /* the sender's connection id, not 0 */
	uint32_t seq;			   /* of its first sequenced frame */
	uint32_t reserved;		   /* 0 */
	uint64_t boot_id;		   /* the sender's */
	uint64_t peer_boot_id;		   /* whom it means; another boot refuses */
	uint16_t frame_max;		   /* Ethernet header to last byte */
	uint16_t window;		   /* frames */
	uint32_t reserved2;		   /* 0 */
} __attribute__((packed));

/*
 * After an open body: {type, length, value} until the end. Unknown types are
 * skipped, or the open is refused when the type has the mandatory bit. Room for
 * authentication and encryption.
 */
struct link_ext {
	uint16_t type;
	uint16_t len; /* of the value */
} __attribute__((packed));
#define LINK_EXT_MANDATORY 0x8000

enum link_reset_reason {
	LINK_RESET_ABORT = 1, /* the application gave up */
	LINK_RESET_UNKNOWN,   /* no such connection */
	LINK_RESET_REFUSED,   /* nobody listens, or no room */
	LINK_RESET_VERSION,   /* no version in common */
	LINK_RESET_BOOT,      /* meant for an earlier boot of this host */
	LINK_RESET_EXTENSION, /* a mandatory extension is unknown */
	LINK_RESET_TIMEOUT,   /* the sender of this heard nothing for too long */
};

struct link_reset_body {
	uint32_t refused_id; /* dst_id of the frame that this answers, 0 if to a SYN */
	uint16_t reason;
	uint16_t version_min, version_max; /* of the sender, for the log */
	uint16_t reserved;
} __attribute__((packed));

#define LINK_NAME_LEN 32

struct link_hello_body {
	uint64_t boot_id;
	uint64_t free_bytes;
	uint32_t cpus, vms;
	uint16_t version_min, version_max;
	uint16_t frame_max;
	uint16_t flags;
	char name[LINK_NAME_LEN]; /* terminated */
	char pool[LINK_NAME_LEN];
} __attribute__((packed));
#define LINK_HELLO_F_GUESTS  0x0001 /* can run guests */
#define LINK_HELLO_F_DRAINED 0x0002 /* takes no VMs; flags that are not known are ignored */

/* Follows the body when len has room for it. Hosts of an older version do not send it. */
struct link_hello_load {
	uint64_t total_bytes;
	uint32_t cpu_permille; /* of one CPU, all CPUs together, over the last minute */
	uint32_t reserved;     /* 0 */
} __attribute__((packed));

/* A frame that passed link_frame_check. body points into the frame. */
struct link_frame {
	struct link_hdr hdr;
	const uint8_t *src; /* MAC */
	const uint8_t *body;
};

/*
 * Is this a sound frame of the link's format? Lengths first, then the CRC, then
 * fields. 0 and *out; -E_PROTO, -E_CHECKSUM.
 */
int must_check link_frame_check(const struct netbuf *nb, struct link_frame *out);

/* Write the Ethernet header and set nb->len for a body of len bytes. */
void link_frame_address(struct netbuf *nb, const uint8_t dst[ETH_ALEN], const uint8_t src[ETH_ALEN],
			size_t len);
/*
 * Finish a frame whose body of h->len bytes is in place with body_crc: header in,
 * CRC last. The magic and crc fields of h are filled here.
 */
void link_frame_seal(struct netbuf *nb, struct link_hdr *h, uint32_t body_crc);

static inline uint8_t *link_frame_body(struct netbuf *nb)
{
	return nb->data + LINK_HLEN;
}

#endif
