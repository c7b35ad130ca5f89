/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The receiving half: frames are held by reference, in order or ahead of a gap,
 * until the reader copies them out; and the ACKs: few when all is well, soon when
 * something is missing.
 */
#include "kernel/lib/crc32c.h"
#include "kernel/lib/string.h"
#include "kernel/net/link_machine.h"

static struct netbuf **rx_slot(struct link_rx *rx, uint32_t seq)
{
	return &rx->slot[seq % LINK_WINDOW];
}

static struct link_hdr rx_header(const struct netbuf *nb)
{
	struct link_hdr h;

	memcpy(&h, nb->data + ETH_HLEN, sizeof(h));
	return h;
}

void link_rx_init(struct link *l, uint32_t seq)
{
	l->rx.read = l->rx.next = seq;
	l->rx.edge_sent = seq + LINK_WINDOW;
	l->rx.ack_ns = TIME_NEVER;
}

void link_rx_free(struct link *l)
{
	for (unsigned i = 0; i < LINK_WINDOW; i++) {
		if (l->rx.slot[i])
			netbuf_put(l->rx.slot[i]);
		l->rx.slot[i] = NULL;
	}
	l->rx.ready = 0;
}

void link_rx_fill(struct link *l, struct link_hdr *h)
{
	struct link_rx *rx = &l->rx;

	h->ack = rx->next;
	rx->edge_sent = rx->read + LINK_WINDOW;
	h->window = rx->edge_sent - rx->next;
	rx->unacked = 0;
	if (!rx->ahead)
		rx->ack_ns = TIME_NEVER; /* a gap needs the bitmap of a real ACK */
}

void link_ack_by(struct link *l, uint64_t deadline_ns)
{
	l->rx.ack_ns = MIN(l->rx.ack_ns, deadline_ns);
}

/* Which frames beyond the first missing one are here. Returns bytes. */
static size_t rx_bitmap(struct link_rx *rx, uint8_t map[LINK_WINDOW / 8])
{
	size_t len = 0;

	memset(map, 0, LINK_WINDOW / 8);
	for (uint32_t i = 0; rx->ahead && i < LINK_WINDOW - 1; i++) {
		uint32_t seq = rx->next + 1 + i;

		if (link_seq_diff(seq, rx->read + LINK_WINDOW) >= 0)
			break;
		if (!*rx_slot(rx, seq))
			continue;
		map[i / 8] |= 1u << (i % 8);
		len = i / 8 + 1;
	}
	return len;
}

void link_ack_send(struct link *l, uint16_t flags)
{
	struct link_hdr h = {.type = LINK_ACK, .dst_id = l->peer_id, .flags = flags};
	struct netbuf *nb = netbuf_alloc();
	uint8_t *body;

	if (!nb) {
		link_ack_by(l, time_ns() + LINK_ACK_DELAY_NS);
		return;
	}
	body = link_frame_body(nb);
	h.len = rx_bitmap(&l->rx, body);
	link_rx_fill(l, &h);
	h.seq = l->tx.next;
	l->rx.ack_ns = TIME_NEVER;
	link_frame_address(nb, l->peer_mac, l->host->port.mac, h.len);
	link_frame_seal(nb, &h, crc32c(0, body, h.len));
	(void)link_transmit(l, nb); /* a lost ACK is repeated by the next */
}

/* Frame `next` is here: move on to the first missing one. */
static void rx_advance(struct link *l)
{
	struct link_rx *rx = &l->rx;

	while (!rx->fin && rx->next != rx->read + LINK_WINDOW && *rx_slot(rx, rx->next)) {
		struct link_hdr h = rx_header(*rx_slot(rx, rx->next));

		rx->next++;
		rx->unacked++;
		rx->ready += h.len;
		rx->fin = h.type == LINK_FIN;
		if (rx->ahead)
			rx->ahead--;
	}
}

/* When does the peer hear of this frame? */
static void rx_schedule_ack(struct link *l, const struct link_frame *f, bool gap_closed)
{
	struct link_rx *rx = &l->rx;
	uint64_t now = time_ns();

	if ((f->hdr.flags & LINK_F_ACK_NOW) || gap_closed || rx->fin ||
	    rx->unacked >= (rx->ahead ? LINK_ACK_EVERY_GAP : LINK_ACK_EVERY))
		link_ack_by(l, now);
	else
		link_ack_by(l, now + (rx->ahead ? LINK_GAP_DELAY_NS : LINK_ACK_DELAY_NS));
}

bool link_rx_data(struct link *l, const struct link_frame *f, struct netbuf *nb)
{
	int32_t ahead = link_seq_diff(f->hdr.seq, l->rx.next);
	struct link_rx *rx = &l->rx;
	bool had_gap = rx->ahead;

	if (ahead < 0 || (rx->fin && ahead >= 0) ||
	    link_seq_diff(f->hdr.seq, rx->read + LINK_WINDOW) >= 0 || *rx_slot(rx, f->hdr.seq)) {
		l->stats.duplicates++; /* our ACK was lost, or the peer repeats too eagerly */
		link_ack_by(l, time_ns() + LINK_GAP_DELAY_NS);
		return false;
	}
	if (ahead > 0 && netbuf_is_scarce())
		return false; /* the missing frame needs a buffer more than this one */
	*rx_slot(rx, f->hdr.seq) = nb;
	rx->ahead++;
	if (ahead > 0)
		rx->unacked++;
	else
		rx_advance(l);
	rx_schedule_ack(l, f, had_gap && !rx->ahead);
	return true;
}

/* Frame `read` is used up. */
static void rx_drop_first(struct link_rx *rx)
{
	netbuf_put(*rx_slot(rx, rx->read));
	*rx_slot(rx, rx->read) = NULL;
	rx->read++;
	rx->read_off = 0;
}

/* Tell a peer that ran into the edge that there is room again; others learn it by the way. */
static void rx_update_window(struct link *l)
{
	struct link_rx *rx = &l->rx;
	uint32_t edge = rx->read + LINK_WINDOW;

	if (link_seq_diff(rx->edge_sent, rx->next) <= (int32_t)(LINK_WINDOW / 4) &&
	    link_seq_diff(edge, rx->edge_sent) >= (int32_t)(LINK_WINDOW / 4))
		link_ack_by(l, time_ns());
}

PAGE_JOURNEY(7)
size_t link_rx_read(struct link *l, uint8_t *buf, size_t len)
{
	struct link_rx *rx = &l->rx;
	size_t done = 0;

	while (done < len && rx->read != rx->next) {
		struct netbuf *nb = *rx_slot(rx, rx->read);
		uint16_t size = rx_header(nb).len;
		size_t n = MIN(len - done, (size_t)(size - rx->read_off));

		memcpy(buf + done, nb->data + LINK_HLEN + rx->read_off, n);
		done += n;
		rx->read_off += n;
		if (rx->read_off == size)
			rx_drop_first(rx);
	}
	rx->ready -= done;
	rx_update_window(l);
	return done;
}

void link_rx_discard(struct link *l)
{
	while (l->rx.read != l->rx.next)
		rx_drop_first(&l->rx);
	l->rx.ready = 0;
	rx_update_window(l);
}
