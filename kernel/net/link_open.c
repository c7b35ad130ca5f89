/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Opening a link: SYN, SYN-ACK and what may follow in extensions; and RESET, by
 * which an open is refused and a connection that one side lost is cleaned up.
 */
#include "kernel/lib/crc32c.h"
#include "kernel/lib/format.h"
#include "kernel/lib/string.h"
#include "kernel/log.h"
#include "kernel/net/link_machine.h"

#define HALF_OPEN_EVICT_NS (20 * NS_PER_MS) /* a living peer has answered by then */

/* Build a frame without sequence number around a small body and send it. */
static void control_send(struct link_host *h, const uint8_t mac[ETH_ALEN], struct link_hdr *hdr,
			 const void *body, uint16_t len)
{
	struct netbuf *nb = netbuf_alloc();

	if (!nb)
		return; /* like a lost frame */
	hdr->len = len;
	memcpy(link_frame_body(nb), body, len);
	link_frame_address(nb, mac, h->port.mac, len);
	link_frame_seal(nb, hdr, crc32c(0, body, len));
	(void)switch_send(&h->port, nb);
}

void link_reset_send(struct link_host *h, const uint8_t mac[ETH_ALEN], uint32_t dst_id,
		     uint32_t refused_id, enum link_reset_reason reason)
{
	struct link_hdr hdr = {.type = LINK_RESET, .dst_id = dst_id};
	struct link_reset_body body = {.refused_id = refused_id,
				       .reason = reason,
				       .version_min = LINK_VERSION,
				       .version_max = LINK_VERSION};
	uint64_t second = time_ns() / NS_PER_S;

	/* Nobody makes this host flood the wire by asking for nonsense */
	if (h->resets_second != second)
		h->resets_sent = 0;
	h->resets_second = second;
	if (h->resets_sent++ < LINK_RESETS_PER_S)
		control_send(h, mac, &hdr, &body, sizeof(body));
}

static void open_send(struct link *l)
{
	bool answer = l->state != LINK_SYN_SENT;
	struct link_hdr hdr = {.type = answer ? LINK_SYN_ACK : LINK_SYN, .dst_id = l->peer_id};
	struct link_open_body body = {.version_min = LINK_VERSION,
				      .version_max = LINK_VERSION,
				      .src_id = l->local_id,
				      .seq = l->tx.una,
				      .boot_id = l->host->boot_id,
				      .peer_boot_id = l->peer_boot_id,
				      .frame_max = l->host->frame_max,
				      .window = LINK_WINDOW};

	if (answer)
		link_rx_fill(l, &hdr);
	control_send(l->host, l->peer_mac, &hdr, &body, sizeof(body));
}

void link_open_repeat(struct link *l)
{
	open_send(l);
	l->open_next_ns = time_ns() + (LINK_OPEN_RETRY_NS << MIN(l->open_tries, 3u));
	l->open_tries++;
}

struct link *link_open_start(struct link_host *h, const uint8_t mac[ETH_ALEN], uint64_t boot_id)
{
	struct link *l = link_create(h, LINK_SYN_SENT, mac);

	if (!l)
		return NULL;
	l->owned = true;
	l->peer_boot_id = boot_id;
	link_open_repeat(l);
	link_settle(l);
	return l;
}

/* Walk the extensions: sound, and none that must be understood and is not? 0 or a reason. */
static unsigned open_check_extensions(const uint8_t *p, size_t len)
{
	while (len) {
		struct link_ext ext;

		if (len < sizeof(ext))
			return LINK_RESET_REFUSED;
		memcpy(&ext, p, sizeof(ext));
		if (ext.len > len - sizeof(ext))
			return LINK_RESET_REFUSED;
		if (ext.type & LINK_EXT_MANDATORY)
			return LINK_RESET_EXTENSION; /* version 1 knows none */
		p += sizeof(ext) + ext.len;
		len -= sizeof(ext) + ext.len;
	}
	return 0;
}

/* 0 and *out, or the reason why not. */
static unsigned open_check(const struct link_host *h, const struct link_frame *f,
			   struct link_open_body *out)
{
	if (f->hdr.len < sizeof(*out))
		return LINK_RESET_REFUSED;
	memcpy(out, f->body, sizeof(*out));
	if (out->version_min > LINK_VERSION || out->version_max < LINK_VERSION)
		return LINK_RESET_VERSION;
	if (out->peer_boot_id != h->boot_id)
		return LINK_RESET_BOOT;
	if (!out->src_id || !out->window || !out->boot_id ||
	    out->frame_max < LINK_HLEN + LINK_BODY_MIN)
		return LINK_RESET_REFUSED;
	return open_check_extensions(f->body + sizeof(*out), f->hdr.len - sizeof(*out));
}

/* Both bodies are known now: fix what they agree on. */
static void open_agree(struct link *l, const struct link_open_body *b)
{
	l->peer_id = b->src_id;
	l->peer_boot_id = b->boot_id;
	l->body_max = MIN(b->frame_max, l->host->frame_max) - LINK_HLEN;
	l->tx.edge = l->tx.una + MIN(b->window, LINK_WINDOW);
	link_rx_init(l, b->seq);
}

static struct link *link_find_by_peer_id(struct link_host *h, const uint8_t mac[ETH_ALEN],
					 uint32_t peer_id)
{
	struct list *n;

	list_for_each (n, &h->links) {
		struct link *l = list_entry(n, struct link, node);

		if (l->peer_id == peer_id && !memcmp(l->peer_mac, mac, ETH_ALEN))
			return l;
	}
	return NULL;
}

/* Room for another half-open link: a flood of SYNs pushes out only what no longer answers. */
static bool half_open_make_room(struct link_host *h)
{
	struct list *n;

	if (h->half_open < LINK_HALF_OPEN_MAX)
		return true;
	list_for_each (n, &h->links) { /* oldest first */
		struct link *l = list_entry(n, struct link, node);

		if (l->state != LINK_SYN_RCVD)
			continue;
		if (time_ns() - l->born_ns < HALF_OPEN_EVICT_NS)
			return false;
		link_free(l);
		return true;
	}
	return false;
}

void link_open_receive_syn(struct link_host *h, const struct link_frame *f)
{
	struct link_open_body b;
	unsigned reason = open_check(h, f, &b);
	struct link *l;

	if (reason) {
		/* Without a sound body there is nobody to name in the answer */
		if (f->hdr.len >= sizeof(b) && b.src_id)
			link_reset_send(h, f->src, b.src_id, 0, reason);
		h->bad_frames++;
		return;
	}
	l = link_find_by_peer_id(h, f->src, b.src_id);
	if (l) {
		if (l->state == LINK_SYN_RCVD)
			open_send(l); /* our SYN-ACK was lost */
		return;
	}
	if (!h->accept) {
		link_reset_send(h, f->src, b.src_id, 0, LINK_RESET_REFUSED);
		return;
	}
	if (!half_open_make_room(h))
		return; /* it will repeat its SYN */
	l = link_create(h, LINK_SYN_RCVD, f->src);
	if (!l) {
		link_reset_send(h, f->src, b.src_id, 0, LINK_RESET_REFUSED);
		return;
	}
	open_agree(l, &b);
	link_open_repeat(l);
	link_settle(l);
}

void link_open_receive_syn_ack(struct link *l, const struct link_frame *f)
{
	struct link_open_body b;
	unsigned reason = open_check(l->host, f, &b);

	if (l->state == LINK_OPEN && !reason && b.src_id == l->peer_id) {
		link_ack_send(l, 0); /* our ACK was lost */
		return;
	}
	if (l->state != LINK_SYN_SENT || reason || b.boot_id != l->peer_boot_id ||
	    f->hdr.ack != l->tx.una) {
		l->host->bad_frames++;
		return;
	}
	open_agree(l, &b);
	l->state = LINK_OPEN;
	l->heard_ns = time_ns();
	link_ack_send(l, 0);
	waitq_wake_all(&l->waitq);
}

static int reset_error(unsigned reason)
{
	return reason == LINK_RESET_VERSION ? -E_VERSION : -E_CLOSED;
}

/* Only who knows a connection id of this link ends it. */
static struct link *reset_find(struct link_host *h, const struct link_frame *f,
			       const struct link_reset_body *b)
{
	struct list *n;

	list_for_each (n, &h->links) {
		struct link *l = list_entry(n, struct link, node);

		if (memcmp(l->peer_mac, f->src, ETH_ALEN) || l->state == LINK_DEAD)
			continue;
		if (f->hdr.dst_id ? f->hdr.dst_id == l->local_id
				  : b->refused_id && b->refused_id == l->peer_id)
			return l;
	}
	return NULL;
}

void link_open_receive_reset(struct link_host *h, const struct link_frame *f)
{
	struct link_reset_body b;
	struct link *l = NULL;
	char mac[18];

	if (f->hdr.len >= sizeof(b)) {
		memcpy(&b, f->body, sizeof(b));
		l = reset_find(h, f, &b);
	}
	if (!l) {
		h->bad_frames++;
		return;
	}
	if (b.reason == LINK_RESET_VERSION)
		log_warn("link: %s speaks link versions %u-%u, this host %u",
			 format_mac(mac, l->peer_mac), b.version_min, b.version_max, LINK_VERSION);
	else if (!l->closed_ns && !l->rx.fin)
		log_info("link: closed by %s, reason %u", format_mac(mac, l->peer_mac), b.reason);
	link_die(l, reset_error(b.reason));
	link_settle(l);
}
