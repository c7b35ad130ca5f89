/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Inside the link: its state, and the functions between its files. Frames come in
 * by the switch port, time by one timer a link; nothing here blocks. Sequence
 * numbers count frames and wrap: compare them by link_seq_diff only.
 */
#ifndef KERNEL_NET_LINK_MACHINE_H
#define KERNEL_NET_LINK_MACHINE_H

#include "kernel/net/link.h"
#include "kernel/net/link_frame.h"
#include "kernel/task.h"
#include "kernel/time.h"
#include "kernel/timer.h"

#define LINK_WINDOW	   256u /* frames in flight, and frames held for the reader */
#define LINK_MAX	   16u	/* connections of a host */
#define LINK_HALF_OPEN_MAX 8u	/* of these, opened by a peer and not yet confirmed */
#define LINK_ACK_EVERY	   32u	/* frames */
#define LINK_ACK_EVERY_GAP 4u	/* frames, while some are missing */
#define LINK_ACK_DELAY_NS  (20 * NS_PER_MS)
#define LINK_GAP_DELAY_NS  (2 * NS_PER_MS)
#define LINK_KEEPALIVE_NS  (1 * NS_PER_S)
#define LINK_PINGS_MIN	   3 /* unanswered, before a silent peer counts as dead */
#define LINK_RTO_MIN_NS	   (200 * NS_PER_MS)
#define LINK_RTO_MAX_NS	   (2 * NS_PER_S)
#define LINK_RTO_FIRST_NS  (1 * NS_PER_S) /* before any measurement, RFC 6298 2.1 */
#define LINK_REORDER	   3		  /* later frames arrived: the earlier one is lost */
#define LINK_OPEN_RETRY_NS (250 * NS_PER_MS)
#define LINK_CONNECT_NS	   (5 * NS_PER_S)  /* SYN without answer */
#define LINK_HALF_OPEN_NS  (3 * NS_PER_S)  /* SYN-ACK without answer */
#define LINK_LINGER_NS	   (30 * NS_PER_S) /* closed, but not all is acknowledged */
#define LINK_RESETS_PER_S  64u

enum link_state {
	LINK_SYN_SENT,
	LINK_SYN_RCVD,
	LINK_OPEN,
	LINK_DEAD, /* only the owner's reference keeps it */
};

struct link_tx_slot {
	struct netbuf *nb;
	uint64_t sent_ns;
	uint32_t order; /* of its last transmission, among all transmissions */
	uint32_t body_crc;
	uint16_t body_len;
	uint16_t tries;
	uint8_t type; /* LINK_DATA or LINK_FIN */
	bool sacked, lost;
};

struct link_tx {
	struct link_tx_slot slot[LINK_WINDOW];
	uint32_t una;	     /* oldest not acknowledged */
	uint32_t next;	     /* next never sent; una <= next <= end */
	uint32_t end;	     /* next to be queued; end - una <= LINK_WINDOW */
	uint32_t edge;	     /* the first that the peer cannot take */
	struct netbuf *open; /* being filled */
	uint32_t open_crc;
	uint16_t open_len;
	uint32_t pipe; /* sent, and neither arrived nor lost, as far as known */
	uint32_t lost; /* to be sent again */
	uint32_t cwnd, ssthresh, cwnd_acked;
	uint32_t recover; /* losses before this are of one event */
	uint32_t order, acked_order;
	uint64_t srtt_ns, rttvar_ns, rto_ns;
	uint64_t rtt_ns, rtt_min_ns; /* the last, the least */
	uint64_t rto_start_ns;
	uint32_t rto_order;   /* order at the last timeout */
	uint32_t cwnd_before; /* it, 0: already judged */
	uint32_t probes;      /* frames that a timeout may send beyond cwnd */
	uint32_t backoff;
	uint64_t rate; /* bytes per second, 0 unlimited */
	uint64_t rate_next_ns;
	uint64_t retry_ns; /* NIC full or rate used up: try again then */
	bool fin_queued, fin_acked;
};

struct link_rx {
	struct netbuf *slot[LINK_WINDOW]; /* read .. next in order, beyond with gaps */
	uint32_t read;			  /* first not consumed */
	uint32_t next;			  /* first missing */
	uint32_t edge_sent;		  /* promised to the peer: it may send up to here */
	uint32_t ahead;			  /* frames held beyond next */
	uint32_t unacked;
	uint16_t read_off; /* bytes of frame `read` that were consumed */
	size_t ready;	   /* bytes in order */
	uint64_t ack_ns;   /* an ACK is due then; TIME_NEVER none */
	bool fin;	   /* the peer sends nothing more */
};

struct link {
	struct list node; /* in host->links */
	struct link_host *host;
	enum link_state state;
	int error;	/* why it is dead; 0 while it lives */
	bool owned;	/* a task holds it; else it ends itself */
	bool cancelled; /* link_cancel */
	uint8_t peer_mac[ETH_ALEN];
	uint64_t peer_boot_id;
	uint32_t local_id, peer_id;
	uint16_t body_max;
	uint64_t born_ns, heard_ns, pinged_ns, closed_ns;
	uint32_t pings;	       /* since the peer was heard */
	uint64_t open_next_ns; /* repeat SYN or SYN-ACK then */
	uint32_t open_tries;
	struct timer timer;
	struct waitq waitq;
	struct link_tx tx;
	struct link_rx rx;
	struct link_stats stats;
};

/* One per host; tests make two. */
struct link_host {
	struct switch_port port;
	uint64_t boot_id;
	uint16_t frame_max;
	struct list links;
	uint32_t count, half_open;
	bool (*accept)(struct link *l, void *ctx);
	void *accept_ctx;
	uint64_t resets_second, resets_sent; /* the second, and how many in it */
	uint64_t bad_frames, bad_crc;
};

static inline int32_t link_seq_diff(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b);
}

/* link_machine.c: life */
void link_host_init(struct link_host *h, struct net_switch *sw, const uint8_t mac[ETH_ALEN],
		    uint64_t boot_id, uint16_t frame_max);
void link_host_receive(struct switch_port *port, struct netbuf *nb);
/* A link in state SYN_SENT or SYN_RCVD; NULL: no memory or too many. */
struct link *link_create(struct link_host *h, enum link_state state, const uint8_t mac[ETH_ALEN]);
void link_free(struct link *l);
/* It ends with err (negative); the owner learns it, without an owner it is freed later. */
void link_die(struct link *l, int err);
/* After anything happened: send what may be sent, arm the timer, free if all is over. */
void link_settle(struct link *l);
/* Not owned any more: deliver what was sent, then end. */
void link_release(struct link *l);

/* link_open.c: handshake and refusal */
struct link *link_open_start(struct link_host *h, const uint8_t mac[ETH_ALEN], uint64_t boot_id);
void link_open_repeat(struct link *l);
void link_open_receive_syn(struct link_host *h, const struct link_frame *f);
void link_open_receive_syn_ack(struct link *l, const struct link_frame *f);
void link_open_receive_reset(struct link_host *h, const struct link_frame *f);
void link_reset_send(struct link_host *h, const uint8_t mac[ETH_ALEN], uint32_t dst_id,
		     uint32_t refused_id, enum link_reset_reason reason);

/* link_tx.c, link_loss.c: the sending half */
void link_tx_init(struct link *l, uint32_t seq);
void link_tx_free(struct link *l);
/* Take over up to len bytes; returns how many fitted. */
size_t link_tx_write(struct link *l, const uint8_t *data, size_t len);
void link_tx_push(struct link *l);
void link_tx_fin(struct link *l);
/* false: the frame's ack is not possible, it is hostile or of another life. */
bool link_tx_ack(struct link *l, const struct link_frame *f);
void link_tx_pump(struct link *l);
void link_tx_timer(struct link *l);
uint64_t link_tx_deadline(const struct link *l);
bool link_tx_is_idle(const struct link *l);

/* link_rx.c: the receiving half, and the ACKs */
void link_rx_init(struct link *l, uint32_t seq);
void link_rx_free(struct link *l);
/* Returns true if it keeps the reference to nb. */
bool link_rx_data(struct link *l, const struct link_frame *f, struct netbuf *nb);
size_t link_rx_read(struct link *l, uint8_t *buf, size_t len);
void link_rx_discard(struct link *l);
void link_rx_fill(struct link *l, struct link_hdr *h); /* ack and window of a frame to send */
void link_ack_send(struct link *l, uint16_t flags);
void link_ack_by(struct link *l, uint64_t deadline_ns);

/* Send nb (takes over the reference), count it. */
int link_transmit(struct link *l, struct netbuf *nb);

#endif
