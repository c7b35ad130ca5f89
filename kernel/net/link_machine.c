/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A link's life: which connection a frame is for, the timer, silence, orderly and
 * disorderly ends. Opening is link_open.c's, the two halves of the traffic are
 * link_tx.c's and link_rx.c's.
 */
#include "kernel/net/link_machine.h"
#include "kernel/entropy.h"
#include "kernel/lib/format.h"
#include "kernel/lib/string.h"
#include "kernel/log.h"
#include "kernel/mem.h"

static void link_tick(struct timer *t);

void link_host_init(struct link_host *h, struct net_switch *sw, const uint8_t mac[ETH_ALEN],
		    uint64_t boot_id, uint16_t frame_max)
{
	memset(h, 0, sizeof(*h));
	list_init(&h->links);
	h->boot_id = boot_id;
	h->frame_max = frame_max;
	h->port.name = "link";
	memcpy(h->port.mac, mac, ETH_ALEN);
	h->port.ethertype = ETH_TYPE_LINK;
	h->port.receive = link_host_receive;
	switch_attach(sw, &h->port);
}

static struct link *link_find(struct link_host *h, const uint8_t mac[ETH_ALEN], uint32_t local_id)
{
	struct list *n;

	list_for_each (n, &h->links) {
		struct link *l = list_entry(n, struct link, node);

		if (l->local_id == local_id && !memcmp(l->peer_mac, mac, ETH_ALEN))
			return l;
	}
	return NULL;
}

static uint32_t link_fresh_id(struct link_host *h)
{
	struct list *n;
	uint32_t id;
again:
	entropy_fill(&id, sizeof(id));
	if (!id)
		goto again;
	list_for_each (n, &h->links) {
		if (list_entry(n, struct link, node)->local_id == id)
			goto again;
	}
	return id;
}

struct link *link_create(struct link_host *h, enum link_state state, const uint8_t mac[ETH_ALEN])
{
	struct link *l;
	uint32_t seq;

	if (h->count >= LINK_MAX)
		return NULL;
	l = kzalloc(sizeof(*l));
	if (!l)
		return NULL;
	l->host = h;
	l->state = state;
	memcpy(l->peer_mac, mac, ETH_ALEN);
	l->local_id = link_fresh_id(h);
	entropy_fill(&seq, sizeof(seq));
	l->born_ns = l->heard_ns = l->pinged_ns = time_ns();
	l->open_next_ns = time_ns();
	timer_init(&l->timer, link_tick);
	waitq_init(&l->waitq);
	link_tx_init(l, seq);
	link_rx_init(l, 0);
	list_append(&h->links, &l->node);
	h->count++;
	h->half_open += state == LINK_SYN_RCVD;
	return l;
}

void link_free(struct link *l)
{
	l->host->count--;
	l->host->half_open -= l->state == LINK_SYN_RCVD;
	timer_cancel(&l->timer);
	list_remove(&l->node);
	link_tx_free(l);
	link_rx_free(l);
	kfree(l);
}

void link_die(struct link *l, int err)
{
	if (l->state == LINK_DEAD)
		return;
	l->host->half_open -= l->state == LINK_SYN_RCVD;
	l->state = LINK_DEAD;
	l->error = err;
	link_tx_free(l);
	/* What arrived in order stays readable: the peer may have closed right after it. */
	waitq_wake_all(&l->waitq);
}

/* Has everything been said on both sides? Only then does nobody miss an unowned link. */
static bool link_is_over(const struct link *l)
{
	if (l->owned)
		return false;
	return l->state == LINK_DEAD ||
	       (l->tx.fin_acked && l->rx.fin && l->rx.ack_ns == TIME_NEVER);
}

static uint64_t link_deadline(const struct link *l)
{
	uint64_t t;

	if (l->state == LINK_DEAD)
		return TIME_NEVER;
	if (l->state == LINK_SYN_SENT)
		return MIN(l->open_next_ns, l->born_ns + LINK_CONNECT_NS);
	if (l->state == LINK_SYN_RCVD)
		return MIN(l->open_next_ns, l->born_ns + LINK_HALF_OPEN_NS);
	t = MIN(link_tx_deadline(l), l->rx.ack_ns);
	t = MIN(t, MAX(l->heard_ns, l->pinged_ns) + LINK_KEEPALIVE_NS);
	if (l->pings >= LINK_PINGS_MIN)
		t = MIN(t, l->heard_ns + LINK_SILENCE_NS);
	if (l->closed_ns)
		t = MIN(t, l->closed_ns + LINK_LINGER_NS);
	return t;
}

void link_settle(struct link *l)
{
	uint64_t deadline;

	if (l->state == LINK_OPEN) {
		if (l->closed_ns) {
			link_rx_discard(l);
			link_tx_fin(l);
		}
		link_tx_pump(l);
		if (l->rx.ack_ns <= time_ns())
			link_ack_send(l, 0);
	}
	if (link_is_over(l)) {
		link_free(l);
		return;
	}
	deadline = link_deadline(l);
	if (deadline == TIME_NEVER)
		timer_cancel(&l->timer);
	else if (!timer_is_armed(&l->timer) || l->timer.deadline_ns > deadline)
		timer_arm(&l->timer,
			  deadline); /* too early is harmless, and cheaper than moving it */
}

static void link_end(struct link *l, int err, enum link_reset_reason reason)
{
	char mac[18];

	if (l->state == LINK_OPEN) {
		log_warn("link: to %s ended: %s", format_mac(mac, l->peer_mac), err_text(err));
		link_reset_send(l->host, l->peer_mac, l->peer_id, 0, reason);
	}
	link_die(l, err);
}

static void link_tick_open(struct link *l, uint64_t now)
{
	/* Unanswered pings too: after a pause of this host itself its ring is still full */
	if (now >= l->heard_ns + LINK_SILENCE_NS && l->pings >= LINK_PINGS_MIN) {
		link_end(l, -E_TIMEDOUT, LINK_RESET_TIMEOUT);
		return;
	}
	if (l->closed_ns && now >= l->closed_ns + LINK_LINGER_NS) {
		if (l->tx.fin_acked)
			link_die(l, -E_CLOSED); /* the peer has it all and keeps its side open */
		else
			link_end(l, -E_TIMEDOUT, LINK_RESET_ABORT);
		return;
	}
	link_tx_timer(l);
	if (now >= MAX(l->heard_ns, l->pinged_ns) + LINK_KEEPALIVE_NS) {
		l->pinged_ns = now;
		l->pings++;
		link_ack_send(l, LINK_F_ACK_NOW);
	}
}

static void link_tick(struct timer *t)
{
	struct link *l = container_of(t, struct link, timer);
	uint64_t now = time_ns();

	if (l->state == LINK_OPEN)
		link_tick_open(l, now);
	else if (l->state == LINK_SYN_SENT && now >= l->born_ns + LINK_CONNECT_NS)
		link_die(l, -E_TIMEDOUT);
	else if (l->state == LINK_SYN_RCVD && now >= l->born_ns + LINK_HALF_OPEN_NS)
		link_die(l, -E_TIMEDOUT);
	else if (l->state != LINK_DEAD && now >= l->open_next_ns)
		link_open_repeat(l);
	link_settle(l);
}

void link_release(struct link *l)
{
	l->owned = false;
	l->closed_ns = MAX(time_ns(), 1);
	link_settle(l);
}

/* The peer's first frame after our SYN-ACK: only now is somebody told of it. */
static void link_become_open(struct link *l)
{
	struct link_host *h = l->host;

	h->half_open--;
	l->state = LINK_OPEN;
	l->owned = true;
	if (h->accept && h->accept(l, h->accept_ctx))
		return;
	l->owned = false;
	link_reset_send(h, l->peer_mac, l->peer_id, 0, LINK_RESET_REFUSED);
	link_die(l, -E_CLOSED);
}

/* ACK, DATA and FIN of a link. Returns true if nb is kept. */
static bool link_receive_traffic(struct link *l, const struct link_frame *f, struct netbuf *nb)
{
	bool sequenced = f->hdr.type != LINK_ACK, kept = false;

	if (l->state != LINK_OPEN && l->state != LINK_SYN_RCVD)
		return false;
	/* Bodies: DATA has one, FIN none, an ACK's bitmap covers a window at most */
	if ((f->hdr.type == LINK_DATA) != (f->hdr.len > 0) && sequenced)
		goto bad;
	if (!sequenced && f->hdr.len > LINK_WINDOW / 8)
		goto bad;
	if (sequenced && (link_seq_diff(f->hdr.seq, l->rx.next) < -(int32_t)(4 * LINK_WINDOW) ||
			  link_seq_diff(f->hdr.seq, l->rx.read + LINK_WINDOW) >= 0))
		goto bad;
	if (!link_tx_ack(l, f))
		goto bad;
	l->heard_ns = time_ns();
	l->pings = 0;
	if (l->state == LINK_SYN_RCVD)
		link_become_open(l);
	if (l->state != LINK_OPEN)
		return false;
	if (sequenced)
		kept = link_rx_data(l, f, nb);
	else if (f->hdr.flags & LINK_F_ACK_NOW)
		link_ack_by(l, time_ns());
	waitq_wake_all(&l->waitq);
	return kept;
bad:
	l->host->bad_frames++;
	return false;
}

/* Returns true if nb is kept. */
static bool link_host_dispatch(struct link_host *h, const struct link_frame *f, struct netbuf *nb)
{
	bool kept = false;
	struct link *l;

	if (f->hdr.type == LINK_SYN) {
		link_open_receive_syn(h, f);
		return false;
	}
	if (f->hdr.type == LINK_RESET) {
		link_open_receive_reset(h, f);
		return false;
	}
	l = link_find(h, f->src, f->hdr.dst_id);
	if (!l || l->state == LINK_DEAD) {
		link_reset_send(h, f->src, 0, f->hdr.dst_id, LINK_RESET_UNKNOWN);
		return false;
	}
	l->stats.rx_frames++;
	l->stats.rx_bytes += MAX(nb->len, ETH_MIN_LEN);
	if (f->hdr.type == LINK_SYN_ACK)
		link_open_receive_syn_ack(l, f);
	else
		kept = link_receive_traffic(l, f, nb);
	link_settle(l);
	return kept;
}

void link_host_receive(struct switch_port *port, struct netbuf *nb)
{
	struct link_host *h = container_of(port, struct link_host, port);
	struct link_frame f;
	int err = link_frame_check(nb, &f);

	if (err == -E_CHECKSUM) {
		struct link *l = link_find(h, f.src, f.hdr.dst_id); /* probably */

		h->bad_crc++;
		if (l)
			l->stats.bad_crc++;
	} else if (err || f.hdr.type == LINK_HELLO ||
		   (f.hdr.type != LINK_SYN && !f.hdr.dst_id && f.hdr.type != LINK_RESET)) {
		h->bad_frames++;
	} else if (link_host_dispatch(h, &f, nb)) {
		return;
	}
	netbuf_put(nb);
}
