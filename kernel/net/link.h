/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The link: a reliable, ordered byte channel between two hosts over raw frames
 * of EtherType 0x88B5. Versioned handshake, window, selective acknowledgement,
 * retransmission by measured round trip, CRC-32C per frame, keep-alive, orderly
 * close. Handshake and frame have room for authentication and encryption.
 *
 * The machine itself is driven by frames and one timer (testable with a fake
 * clock); link_connect/send/recv/close are the blocking face for tasks.
 */
#ifndef KERNEL_NET_LINK_H
#define KERNEL_NET_LINK_H

#include "kernel/net/peers.h"
#include "kernel/net/switch.h"

struct link;

#define LINK_VERSION	1
#define LINK_SILENCE_NS (8 * NS_PER_S)	/* nothing heard for so long: -E_TIMEDOUT */
#define LINK_STALL_NS	(60 * NS_PER_S) /* heard, but it takes no data: link_send gives up */

int must_check link_init(struct net_switch *sw, const uint8_t host_mac[ETH_ALEN]);

/*
 * New incoming channels are handed to accept, which returns true to take over
 * the link (usually starting a task) or false to refuse it. accept runs in the
 * receive path: it must not block, send, close or abort.
 */
void link_listen(bool (*accept)(struct link *l, void *ctx), void *ctx);

/* Blocks. 0 and *out, or -E_TIMEDOUT, -E_VERSION, -E_CLOSED (refused), -E_NOMEM. */
int must_check link_connect(const struct peer *to, struct link **out);

/*
 * Blocks while the window is full. All of len is accepted or an error comes back
 * (-E_TIMEDOUT peer silent or not reading, -E_CLOSED, -E_CANCELLED). Small pieces are gathered
 * into full frames; link_push sends a partly filled frame now.
 */
int must_check link_send(struct link *l, const void *data, size_t len);
int must_check link_push(struct link *l);
/* Blocks until every byte sent was acknowledged. */
int must_check link_drain(struct link *l, uint64_t deadline_ns);

/* Blocks until exactly len bytes came, or error, or -E_TIMEDOUT at the deadline. */
int must_check link_recv(struct link *l, void *buf, size_t len, uint64_t deadline_ns);
/* Bytes that link_recv would deliver without blocking. */
size_t link_recv_ready(const struct link *l);

/* Orderly: what was sent is delivered first. Frees the link. */
void link_close(struct link *l);
/* At once; the peer sees -E_CLOSED. Frees the link. */
void link_abort(struct link *l);
/* Make a blocked send/recv of another task return -E_CANCELLED. */
void link_cancel(struct link *l);

/* 0 = unlimited. Bytes per second of frames on the wire. */
void link_set_rate(struct link *l, uint64_t bytes_per_s);

struct link_stats {
	uint64_t tx_frames, tx_bytes; /* on the wire, headers included, of this link */
	uint64_t rx_frames, rx_bytes;
	uint64_t retransmits, duplicates, bad_crc;
	uint64_t srtt_ns;    /* smoothed; full of queue while much is sent */
	uint64_t rtt_min_ns; /* the least seen: what a lone frame takes */
};
void link_get_stats(const struct link *l, struct link_stats *out);
const uint8_t *link_peer_mac(const struct link *l);

#endif
