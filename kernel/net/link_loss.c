/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the peer's ACKs say about sent frames: arrived, held ahead of a gap, or
 * lost; the round trip, the retransmission timeout (RFC 6298) and how many frames
 * may be on their way. Believes nothing that was not sent.
 */
#include "kernel/net/link_machine.h"
#include "kernel/net/link_tx.h"

/* RFC 6298 section 2, with a lower bound fit for one wire. */
static void rtt_sample(struct link_tx *tx, uint64_t rtt)
{
	uint64_t delta;

	tx->rtt_ns = rtt;
	if (!tx->rtt_min_ns || rtt < tx->rtt_min_ns)
		tx->rtt_min_ns = MAX(rtt, 1);
	if (!tx->srtt_ns) {
		tx->srtt_ns = MAX(rtt, 1);
		tx->rttvar_ns = rtt / 2;
	} else {
		delta = rtt > tx->srtt_ns ? rtt - tx->srtt_ns : tx->srtt_ns - rtt;
		tx->rttvar_ns += delta / 4 - tx->rttvar_ns / 4;
		tx->srtt_ns += rtt / 8 - tx->srtt_ns / 8;
	}
	tx->rto_ns = tx->srtt_ns + 4 * tx->rttvar_ns + LINK_ACK_DELAY_NS;
	tx->rto_ns = MAX(tx->rto_ns, LINK_RTO_MIN_NS);
	tx->rto_ns = MIN(tx->rto_ns, LINK_RTO_MAX_NS);
}

/* What one ACK tells. */
struct ack_news {
	uint64_t sent_ns;     /* when the last frame of those sent only once left, 0 none */
	uint32_t order;	      /* its place among all transmissions */
	uint32_t order_again; /* the same of frames sent again; the ACK may be for the first time */
	bool original;	      /* a frame from before a timeout, sent once, arrived after it */
};

/* The frame has arrived, so we learned; it was on its way or thought lost. */
static void tx_arrived(struct link_tx *tx, struct link_tx_slot *s, struct ack_news *news)
{
	if (s->sacked)
		return; /* counted then */
	if (s->lost)
		tx->lost--;
	else
		tx->pipe--;
	s->lost = false;
	s->sacked = true;
	if (s->tries > 1) {
		if (link_seq_diff(s->order, news->order_again) > 0)
			news->order_again = s->order;
		return;
	}
	if (tx->cwnd_before && link_seq_diff(s->order, tx->rto_order) <= 0)
		news->original = true;
	if (link_seq_diff(s->order, news->order) > 0) {
		news->order = s->order;
		news->sent_ns = s->sent_ns;
	}
}

static uint32_t tx_take_cumulative(struct link *l, uint32_t ack, struct ack_news *news)
{
	struct link_tx *tx = &l->tx;
	uint32_t n = 0;

	for (; tx->una != ack; tx->una++, n++) {
		struct link_tx_slot *s = link_tx_slot(tx, tx->una);

		tx_arrived(tx, s, news);
		if (s->type == LINK_FIN)
			tx->fin_acked = true;
		netbuf_put(s->nb);
		s->nb = NULL;
	}
	return n;
}

/* Bit i of the body: frame ack + 1 + i is held by the peer. */
static void tx_take_bitmap(struct link *l, const struct link_frame *f, struct ack_news *news)
{
	struct link_tx *tx = &l->tx;

	for (uint32_t i = 0; i < f->hdr.len * 8u; i++) {
		uint32_t seq = f->hdr.ack + 1 + i;

		if (!(f->body[i / 8] >> (i % 8) & 1))
			continue;
		if (link_seq_diff(seq, tx->una) >= 0 && link_seq_diff(seq, tx->next) < 0)
			tx_arrived(tx, link_tx_slot(tx, seq), news);
	}
}

static void tx_mark_lost(struct link_tx *tx, struct link_tx_slot *s)
{
	s->lost = true;
	tx->lost++;
	tx->pipe--;
}

/* A frame is lost when several sent after it have arrived: order of sending, not of numbers. */
static void tx_find_lost(struct link_tx *tx)
{
	bool fresh = false;

	for (uint32_t seq = tx->una; seq != tx->next; seq++) {
		struct link_tx_slot *s = link_tx_slot(tx, seq);

		if (s->sacked || s->lost || link_seq_diff(tx->acked_order, s->order) < LINK_REORDER)
			continue;
		tx_mark_lost(tx, s);
		fresh = fresh || link_seq_diff(seq, tx->recover) >= 0;
	}
	if (!fresh)
		return;
	tx->ssthresh = MAX(tx->cwnd * 3 / 4, LINK_CWND_MIN);
	tx->cwnd = tx->ssthresh;
	tx->recover = tx->next;
}

/*
 * Frames that only stand in a queue on the way gain nothing, and a paused guest
 * would wait for all of them: once the queue is felt, no more than at the start.
 */
static void cwnd_grow(struct link_tx *tx, uint32_t acked)
{
	if (tx->cwnd >= LINK_CWND_FIRST && tx->rtt_ns > tx->rtt_min_ns + LINK_QUEUE_NS) {
		tx->cwnd = MAX(tx->cwnd - MIN(tx->cwnd, acked / 2), LINK_CWND_FIRST);
		return;
	}
	if (tx->cwnd < tx->ssthresh) {
		tx->cwnd += acked;
	} else {
		tx->cwnd_acked += acked;
		if (tx->cwnd_acked >= tx->cwnd) {
			tx->cwnd_acked = 0;
			tx->cwnd += 8;
		}
	}
	tx->cwnd = MIN(tx->cwnd, LINK_WINDOW);
}

/* Round trip, progress, and whether the last timeout was right. */
static void tx_learn(struct link_tx *tx, const struct ack_news *news)
{
	bool again = link_seq_diff(news->order_again, news->order) > 0;

	tx->backoff = 0;
	tx->rto_start_ns = time_ns();
	if (news->original) {
		/* Nothing was lost, the peer stood still: go on as before */
		tx->cwnd = MAX(tx->cwnd, tx->cwnd_before);
		tx->ssthresh = MAX(tx->ssthresh, tx->cwnd_before);
		again = false;
	}
	if (news->original || again)
		tx->cwnd_before = 0;
	tx->acked_order = again ? news->order_again : news->order;
	/* Karn: a frame sent twice says nothing about the round trip */
	if (news->sent_ns && !again)
		rtt_sample(tx, time_ns() - news->sent_ns);
}

bool link_tx_ack(struct link *l, const struct link_frame *f)
{
	uint32_t window = MIN(f->hdr.window, LINK_WINDOW), acked, pipe;
	struct link_tx *tx = &l->tx;
	struct ack_news news = {.order = tx->acked_order, .order_again = tx->acked_order};

	if (link_seq_diff(f->hdr.ack, tx->next) > 0)
		return false;
	if (link_seq_diff(f->hdr.ack, tx->una) < 0)
		return true; /* overtaken, or in a frame that was sent again */
	pipe = tx->pipe + tx->lost;
	acked = tx_take_cumulative(l, f->hdr.ack, &news);
	if (f->hdr.type == LINK_ACK)
		tx_take_bitmap(l, f, &news);
	/* The promise never shrinks: an old ACK that was overtaken says less. */
	if (link_seq_diff(f->hdr.ack + window, tx->edge) > 0)
		tx->edge = f->hdr.ack + window;
	if (tx->pipe + tx->lost == pipe)
		return true; /* nothing new */
	tx_learn(tx, &news);
	cwnd_grow(tx, acked);
	tx_find_lost(tx);
	return true;
}

static uint64_t rto_deadline(const struct link_tx *tx)
{
	if (!tx->pipe)
		return TIME_NEVER;
	return tx->rto_start_ns + MIN(tx->rto_ns << tx->backoff, LINK_RTO_MAX_NS);
}

/*
 * Nothing came back in time. Send the oldest few again and no more: if all was
 * lost, their ACK shows it by the order of sending; if the peer only stood still
 * for a while, as machines under an emulator or a debugger do, little was wasted.
 */
static void rto_expire(struct link_tx *tx)
{
	for (uint32_t seq = tx->una; seq != tx->next && tx->probes < LINK_REORDER; seq++) {
		struct link_tx_slot *s = link_tx_slot(tx, seq);

		if (s->sacked)
			continue;
		if (!s->lost)
			tx_mark_lost(tx, s);
		tx->probes++;
	}
	if (!tx->backoff)
		tx->cwnd_before = tx->cwnd;
	tx->rto_order = tx->order;
	tx->ssthresh = MAX(tx->cwnd / 2, LINK_CWND_MIN);
	tx->cwnd = LINK_CWND_MIN / 2;
	tx->cwnd_acked = 0;
	tx->recover = tx->next;
	tx->backoff = MIN(tx->backoff + 1, 5);
	tx->rto_start_ns = time_ns();
}

void link_tx_timer(struct link *l)
{
	uint64_t now = time_ns();

	if (l->tx.retry_ns <= now)
		l->tx.retry_ns = TIME_NEVER; /* the pump sets it again */
	if (rto_deadline(&l->tx) <= now)
		rto_expire(&l->tx);
}

uint64_t link_tx_deadline(const struct link *l)
{
	return MIN(l->tx.retry_ns, rto_deadline(&l->tx));
}
