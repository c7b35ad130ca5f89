/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The blocking face of the link, for tasks: each call tries, waits on the link's
 * queue, tries again. All protocol is in the machine (link_machine.h).
 */
#include "kernel/net/link.h"
#include "kernel/lib/string.h"
#include "kernel/log.h"
#include "kernel/net/link_machine.h"

#define POOL_RETRY_NS (10 * NS_PER_MS) /* nobody wakes us when the buffer pool refills */

static struct link_host host;

int link_init(struct net_switch *sw, const uint8_t host_mac[ETH_ALEN])
{
	unsigned frame_max = switch_frame_max(sw);

	if (!peers_self()->boot_id || frame_max < LINK_HLEN + LINK_BODY_MIN)
		return -E_STATE;
	link_host_init(&host, sw, host_mac, peers_self()->boot_id, frame_max);
	return 0;
}

void link_listen(bool (*accept)(struct link *l, void *ctx), void *ctx)
{
	host.accept = accept;
	host.accept_ctx = ctx;
}

/* 0 while the link is usable by its owner. */
static int link_check(const struct link *l)
{
	if (l->cancelled)
		return -E_CANCELLED;
	return l->error;
}

int link_connect(const struct peer *to, struct link **out)
{
	struct link *l;
	int err;

	if (to->version != LINK_VERSION)
		return -E_VERSION;
	l = link_open_start(&host, to->mac, to->boot_id);
	if (!l)
		return -E_NOMEM;
	while (l->state == LINK_SYN_SENT)
		waitq_wait(&l->waitq, TIME_NEVER); /* the machine has its own deadline */
	err = link_check(l);
	if (err) {
		link_free(l);
		return err;
	}
	*out = l;
	return 0;
}

int link_send(struct link *l, const void *data, size_t len)
{
	const uint8_t *p = data;
	uint64_t stalled_ns = time_ns() + LINK_STALL_NS;

	for (;;) {
		int err = link_check(l);
		size_t n;

		if (err)
			return err;
		if (l->rx.fin)
			return -E_CLOSED; /* the peer left: nobody would read it */
		n = link_tx_write(l, p, len);
		link_settle(l);
		p += n;
		len -= n;
		if (!len)
			return 0;
		if (n)
			stalled_ns = time_ns() + LINK_STALL_NS;
		else if (time_ns() >= stalled_ns)
			return -E_TIMEDOUT;
		waitq_wait(&l->waitq, time_ns() + POOL_RETRY_NS);
	}
}

int link_push(struct link *l)
{
	int err = link_check(l);

	if (err)
		return err;
	link_tx_push(l);
	link_settle(l);
	return 0;
}

int link_drain(struct link *l, uint64_t deadline_ns)
{
	int err = link_push(l);

	if (err)
		return err;
	if (!link_tx_is_idle(l))
		link_ack_send(l, LINK_F_ACK_NOW); /* do not wait for the delayed ACK */
	while (!link_tx_is_idle(l)) {
		err = waitq_wait(&l->waitq, deadline_ns);
		if (link_check(l))
			return link_check(l);
		if (link_tx_is_idle(l))
			break;
		if (l->rx.fin)
			return -E_CLOSED;
		if (err && time_ns() >= deadline_ns)
			return -E_TIMEDOUT;
	}
	return 0;
}

int link_recv(struct link *l, void *buf, size_t len, uint64_t deadline_ns)
{
	uint8_t *p = buf;

	for (;;) {
		size_t n;
		int err;

		if (l->cancelled)
			return -E_CANCELLED;
		n = link_rx_read(l, p, len);
		p += n;
		len -= n;
		if (!len) {
			link_settle(l);
			return 0;
		}
		if (l->error)
			return l->error;
		if (l->rx.fin)
			return -E_CLOSED;
		link_tx_push(l); /* the answer that we wait for may need it */
		link_settle(l);
		err = waitq_wait(&l->waitq, deadline_ns);
		if (err && time_ns() >= deadline_ns && !link_recv_ready(l))
			return -E_TIMEDOUT;
	}
}

size_t link_recv_ready(const struct link *l)
{
	return l->rx.ready;
}

void link_close(struct link *l)
{
	link_release(l);
}

void link_abort(struct link *l)
{
	if (l->state == LINK_OPEN)
		link_reset_send(l->host, l->peer_mac, l->peer_id, 0, LINK_RESET_ABORT);
	link_free(l);
}

void link_cancel(struct link *l)
{
	l->cancelled = true;
	waitq_wake_all(&l->waitq);
}

void link_set_rate(struct link *l, uint64_t bytes_per_s)
{
	l->tx.rate = bytes_per_s;
	l->tx.rate_next_ns = 0;
	link_settle(l);
}

void link_get_stats(const struct link *l, struct link_stats *out)
{
	*out = l->stats;
	out->srtt_ns = l->tx.srtt_ns;
	out->rtt_min_ns = l->tx.rtt_min_ns;
}

const uint8_t *link_peer_mac(const struct link *l)
{
	return l->peer_mac;
}
