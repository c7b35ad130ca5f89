/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The sending half: bytes into frames, what may be sent now, the rate. A frame is
 * built once; sending it again sends the same buffer. What the peer's ACKs mean,
 * and when a frame counts as lost, is link_loss.c's.
 */
#include "kernel/lib/crc32c.h"
#include "kernel/lib/string.h"
#include "kernel/net/link_machine.h"
#include "kernel/net/link_tx.h"

#define RATE_BURST_NS (5 * NS_PER_MS) /* a late timer may catch up so much */
#define RETRY_NS      (1 * NS_PER_MS)

void link_tx_init(struct link *l, uint32_t seq)
{
	struct link_tx *tx = &l->tx;

	tx->una = tx->next = tx->end = tx->edge = tx->recover = seq;
	tx->cwnd = LINK_CWND_FIRST;
	tx->ssthresh = LINK_WINDOW;
	tx->rto_ns = LINK_RTO_FIRST_NS;
	tx->retry_ns = TIME_NEVER;
}

void link_tx_free(struct link *l)
{
	struct link_tx *tx = &l->tx;

	for (uint32_t seq = tx->una; seq != tx->end; seq++) {
		netbuf_put(link_tx_slot(tx, seq)->nb);
		link_tx_slot(tx, seq)->nb = NULL;
	}
	if (tx->open)
		netbuf_put(tx->open);
	tx->open = NULL;
	tx->una = tx->next = tx->end;
	tx->pipe = tx->lost = 0;
}

bool link_tx_is_idle(const struct link *l)
{
	return l->tx.una == l->tx.end && !l->tx.open;
}

/* A buffer for the frame number end; NULL when the window or the pool has no room. */
static struct netbuf *tx_new_frame(struct link_tx *tx)
{
	if (tx->end - tx->una >= LINK_WINDOW || netbuf_is_scarce())
		return NULL;
	return netbuf_alloc();
}

static void tx_queue(struct link *l, struct netbuf *nb, enum link_type type, uint16_t len,
		     uint32_t crc)
{
	struct link_tx_slot *s = link_tx_slot(&l->tx, l->tx.end);

	link_frame_address(nb, l->peer_mac, l->host->port.mac, len);
	memset(s, 0, sizeof(*s));
	s->nb = nb;
	s->type = type;
	s->body_len = len;
	s->body_crc = crc;
	l->tx.end++;
}

PAGE_JOURNEY(4)
size_t link_tx_write(struct link *l, const uint8_t *data, size_t len)
{
	struct link_tx *tx = &l->tx;
	size_t done = 0;

	while (done < len) {
		size_t n;

		if (!tx->open) {
			tx->open = tx_new_frame(tx);
			tx->open_len = 0;
			tx->open_crc = 0;
		}
		if (!tx->open)
			break;
		n = MIN(len - done, (size_t)(l->body_max - tx->open_len));
		memcpy(link_frame_body(tx->open) + tx->open_len, data + done, n);
		tx->open_crc = crc32c(tx->open_crc, data + done, n);
		tx->open_len += n;
		done += n;
		if (tx->open_len == l->body_max)
			link_tx_push(l);
	}
	return done;
}

void link_tx_push(struct link *l)
{
	struct link_tx *tx = &l->tx;

	if (!tx->open)
		return;
	tx_queue(l, tx->open, LINK_DATA, tx->open_len, tx->open_crc);
	tx->open = NULL;
}

void link_tx_fin(struct link *l)
{
	struct netbuf *nb;

	if (l->tx.fin_queued)
		return;
	link_tx_push(l);
	nb = tx_new_frame(&l->tx);
	if (!nb) {
		l->tx.retry_ns = time_ns() + 10 * RETRY_NS;
		return;
	}
	tx_queue(l, nb, LINK_FIN, 0, 0);
	l->tx.fin_queued = true;
}

int link_transmit(struct link *l, struct netbuf *nb)
{
	uint32_t wire = MAX(nb->len, ETH_MIN_LEN);
	struct link_tx *tx = &l->tx;
	uint64_t now = time_ns();

	l->stats.tx_frames++;
	l->stats.tx_bytes += wire;
	if (tx->rate) {
		uint64_t from = now > RATE_BURST_NS ? now - RATE_BURST_NS : 0;

		tx->rate_next_ns = MAX(tx->rate_next_ns, from) + wire * NS_PER_S / tx->rate;
	}
	return switch_send(&l->host->port, nb);
}

/* First time: header with the present ack, then the CRC. Later: the same bytes again. */
static int tx_transmit(struct link *l, uint32_t seq)
{
	struct link_tx_slot *s = link_tx_slot(&l->tx, seq);
	struct link_tx *tx = &l->tx;

	if (!s->tries) {
		struct link_hdr h = {
		    .type = s->type, .len = s->body_len, .dst_id = l->peer_id, .seq = seq};

		/* The last that may leave now, and the peer would wait for more before its ACK */
		if (tx->cwnd < 2 * LINK_ACK_EVERY && tx->pipe + 1 >= tx->cwnd)
			h.flags = LINK_F_ACK_NOW;
		link_rx_fill(l, &h);
		link_frame_seal(s->nb, &h, s->body_crc);
	} else {
		l->stats.retransmits++;
	}
	if (!tx->pipe)
		tx->rto_start_ns = time_ns();
	s->tries += s->tries < UINT16_MAX;
	s->sent_ns = time_ns();
	s->order = ++tx->order;
	tx->pipe++;
	return link_transmit(l, netbuf_get(s->nb));
}

/* May one more frame leave now? Sets retry_ns when only time is in the way. */
static bool tx_may_send(struct link *l)
{
	struct link_tx *tx = &l->tx;
	uint64_t now = time_ns();

	if (tx->pipe >= tx->cwnd && !tx->probes)
		return false;
	if (tx->rate && tx->rate_next_ns > now) {
		tx->retry_ns = MIN(tx->retry_ns, tx->rate_next_ns);
		return false;
	}
	if (!switch_send_room(l->host->port.sw)) {
		tx->retry_ns = MIN(tx->retry_ns, now + RETRY_NS);
		return false;
	}
	return true;
}

void link_tx_pump(struct link *l)
{
	struct link_tx *tx = &l->tx;

	for (uint32_t seq = tx->una; tx->lost && seq != tx->next; seq++) {
		struct link_tx_slot *s = link_tx_slot(tx, seq);

		if (!s->lost)
			continue;
		if (!tx_may_send(l))
			return;
		s->lost = false;
		tx->lost--;
		tx->probes -= tx->probes > 0;
		if (tx_transmit(l, seq))
			return;
	}
	tx->probes = 0;
	while (tx->next != tx->end && link_seq_diff(tx->next, tx->edge) < 0 && tx_may_send(l)) {
		if (tx_transmit(l, tx->next++))
			return;
	}
}
