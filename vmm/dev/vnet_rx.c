/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Frames for the guest: they wait in a bounded backlog until the driver has given
 * buffers, then go into them, several buffers for one frame where that was negotiated.
 */
#include "vmm/dev/vnet_queues.h"
#include "kernel/lib/string.h"
#include "kernel/time.h"

#define TURN_MAX    32 /* frames in one go before others get their turn */
#define BUFFERS_MAX 16 /* for one frame: a driver whose buffers are tiny gets no large frames */

/* Write part of [header, frame] to the chain; how much fitted, or -E_PROTO. */
static int chain_write(struct vnet *d, const struct virtq_chain *c, const struct vnet_hdr *h,
		       const struct netbuf *nb, uint32_t at)
{
	uint32_t total = sizeof(*h) + nb->len, start = at;

	for (unsigned i = 0; i < c->count && at < total; i++) {
		const struct virtq_seg *seg = &c->seg[i];
		gpa_t gpa = seg->gpa;
		uint32_t left = seg->len;

		if (!seg->writable)
			return -E_PROTO;
		while (left && at < total) {
			bool head = at < sizeof(*h);
			const uint8_t *from =
			    head ? (const uint8_t *)h + at : nb->data + at - sizeof(*h);
			uint32_t n = MIN(left, (head ? (uint32_t)sizeof(*h) : total) - at);

			if (guest_mem_write(d->v.vdev.vm, gpa, from, n))
				return -E_PROTO;
			gpa += n;
			left -= n;
			at += n;
		}
	}
	return at - start;
}

/* How many buffers the frame took is known at the end: into the first one's header. 5.1.6.4 */
static int write_num_buffers(struct vnet *d, gpa_t header, uint16_t count)
{
	return guest_mem_write(d->v.vdev.vm, header + offsetof(struct vnet_hdr, num_buffers),
			       &count, sizeof(count));
}

/* 1: delivered; 0: the driver must give buffers first; -E_NOSPC: it never fits; -E_PROTO. */
static int deliver(struct vnet *d, const struct netbuf *nb)
{
	struct virtq *q = &d->v.queue[VNET_RX];
	struct vnet_hdr h = {.num_buffers = 1};
	uint32_t at = 0, total = sizeof(h) + nb->len;
	unsigned max = virtio_pci_has(&d->v, VNET_F_MRG_RXBUF) ? BUFFERS_MAX : 1, n = 0;
	gpa_t header = 0;
	int err = 0, wants;

	while (at < total && n < max) {
		int got = virtq_pop(q, &d->rx_chain);

		if (got <= 0) {
			virtq_unpop(q, n);
			return got;
		}
		/* 5.1.6.3.1: the first buffer holds at least the header, in one piece */
		if (!n && (!d->rx_chain.count || d->rx_chain.seg[0].len < sizeof(h)))
			return -E_PROTO;
		if (!n)
			header = d->rx_chain.seg[0].gpa;
		got = chain_write(d, &d->rx_chain, &h, nb, at);
		if (got <= 0)
			return -E_PROTO;
		err = virtq_fill(q, n++, d->rx_chain.head, got);
		if (err)
			return err;
		at += got;
	}
	if (at < total) {
		virtq_unpop(q, n);
		return -E_NOSPC;
	}
	if (n > 1)
		err = write_num_buffers(d, header, n);
	wants = err ? -E_PROTO : virtq_publish(q, n);
	if (wants > 0)
		virtio_pci_interrupt(&d->v, VNET_RX);
	return wants < 0 ? wants : 1;
}

/* Frames in all backlogs: guests that take none must not use up the host's buffers. */
static unsigned waiting;

struct netbuf *vnet_take_frame(struct vnet *d)
{
	struct netbuf *nb;

	if (list_empty(&d->backlog))
		return NULL;
	nb = list_entry(d->backlog.next, struct netbuf, node);
	list_remove(&nb->node);
	d->backlog_count--;
	waiting--;
	return nb;
}

void vnet_rx_drop(struct vnet *d)
{
	struct netbuf *nb;

	while ((nb = vnet_take_frame(d)))
		netbuf_put(nb);
}

/* Is the frame done with, delivered or lost? */
static bool done_with(struct vnet *d, const struct netbuf *nb)
{
	int err = deliver(d, nb);

	if (err == -E_NOSPC)
		d->port.stats.rx_dropped++;
	else if (err < 0)
		virtio_pci_break(&d->v, VNET_RX, "a receive buffer is damaged or too small");
	return err;
}

void vnet_rx_work(struct vnet *d)
{
	for (unsigned turn = 0; turn < TURN_MAX; turn++) {
		if (list_empty(&d->backlog) || !vnet_may_work(d, VNET_RX) ||
		    !done_with(d, list_entry(d->backlog.next, struct netbuf, node)))
			return;
		netbuf_put(vnet_take_frame(d));
	}
	timer_arm(&d->again, time_ns());
}

static bool may_wait(const struct vnet *d)
{
	return d->backlog_count < VNET_BACKLOG_MAX && waiting < VNET_WAITING_MAX &&
	       d->v.vdev.vm->state != VM_CRASHED;
}

/* Before the driver is ready, and with a full backlog, frames are lost as on any card. */
void vnet_receive(struct guest_port *p, struct netbuf *nb)
{
	struct vnet *d = container_of(p, struct vnet, port);
	bool fits = virtio_pci_running(&d->v) && nb->len <= d->s.mtu + ETH_HLEN;

	if (fits && list_empty(&d->backlog) && vnet_may_work(d, VNET_RX) && done_with(d, nb)) {
		netbuf_put(nb);
		return;
	}
	if (!fits || !may_wait(d)) {
		p->stats.rx_dropped++;
		netbuf_put(nb);
		return;
	}
	list_append(&d->backlog, &nb->node);
	d->backlog_count++;
	waiting++;
}
