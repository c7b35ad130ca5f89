/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Packets from the guest: off the queue, cut and checksummed, to the network. When
 * the network takes no more the packet waits half sent; nothing is dropped for that.
 */
#include "vmm/dev/vnet_queues.h"
#include "kernel/time.h"

#define TURN_MAX 64 /* frames in one go before others get their turn */
#define RETRY_NS (NS_PER_MS / 2)

/* Copy bytes out of the packet's buffers; offset counts from the virtio header on. */
static int chain_read(struct vnet *d, uint32_t offset, void *buf, uint32_t len)
{
	const struct virtq_chain *c = &d->tx_chain;
	uint8_t *out = buf;

	for (unsigned i = 0; i < c->count && len; i++) {
		const struct virtq_seg *seg = &c->seg[i];
		uint32_t n;

		if (seg->writable)
			break;
		if (offset >= seg->len) {
			offset -= seg->len;
			continue;
		}
		n = MIN(seg->len - offset, len);
		if (guest_mem_read(d->v.vdev.vm, seg->gpa + offset, out, n))
			return -E_PROTO;
		out += n;
		len -= n;
		offset = 0;
	}
	return len ? -E_PROTO : 0;
}

static int packet_read(void *ctx, uint32_t offset, void *buf, uint32_t len)
{
	return chain_read(ctx, offset + sizeof(struct vnet_hdr), buf, len);
}

/* Readable bytes behind the header; 0 also for a chain that has no packet. */
static uint32_t packet_len(const struct virtq_chain *c)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < c->count && !c->seg[i].writable; i++)
		sum += c->seg[i].len;
	if (sum < sizeof(struct vnet_hdr) || sum > sizeof(struct vnet_hdr) + VNET_PACKET_MAX)
		return 0;
	return sum - sizeof(struct vnet_hdr);
}

/* Only what was negotiated may be asked for (5.1.6.2.1). */
static bool may_ask(const struct vnet *d, const struct vnet_hdr *h)
{
	uint8_t gso = h->gso_type & ~VNET_GSO_ECN;

	if ((h->flags & VNET_HDR_NEEDS_CSUM) && !virtio_pci_has(&d->v, VNET_F_CSUM))
		return false;
	if (gso == VNET_GSO_TCPV4 && !virtio_pci_has(&d->v, VNET_F_HOST_TSO4))
		return false;
	return gso != VNET_GSO_TCPV6 || virtio_pci_has(&d->v, VNET_F_HOST_TSO6);
}

/* The chain in tx_chain becomes the packet; one that cannot be sent counts as sent: frames 0. */
static int open_packet(struct vnet *d)
{
	struct vnet_packet *p = &d->packet;
	int err;

	p->len = packet_len(&d->tx_chain);
	p->frame_max = d->s.mtu + ETH_HLEN;
	p->read = packet_read;
	p->ctx = d;
	d->next_frame = 0;
	err = p->len ? chain_read(d, 0, &p->hdr, sizeof(p->hdr)) : -E_INVAL;
	if (!err)
		err = may_ask(d, &p->hdr) ? vnet_packet_open(p) : -E_INVAL;
	if (err == -E_INVAL) {
		d->port.stats.filtered++;
		p->frames = 0;
		return 0;
	}
	return err;
}

/* 0; -E_AGAIN: no room now; -E_PROTO: not in memory. */
static int send_frame(struct vnet *d)
{
	struct netbuf *nb;
	int len;

	if (!d->port.net) { /* kept off its network: a cable with nothing at its end */
		d->next_frame = d->packet.frames;
		return 0;
	}
	if (!network_send_room(&d->port))
		return -E_AGAIN;
	nb = network_frame_alloc();
	if (!nb)
		return -E_AGAIN;
	len = vnet_packet_frame(&d->packet, d->next_frame, nb->data);
	if (len < 0) {
		netbuf_put(nb);
		return len;
	}
	nb->len = len;
	if (!d->next_frame)
		net_addrs_learn(&d->s.addrs, d->s.mac, nb->data, nb->len);
	d->next_frame++;
	(void)network_send(&d->port, nb); /* what the network refuses it counts */
	return 0;
}

static int finish_packet(struct vnet *d)
{
	int wants = virtq_push(&d->v.queue[VNET_TX], d->tx_chain.head, 0);

	d->sending = false;
	if (wants > 0)
		virtio_pci_interrupt(&d->v, VNET_TX);
	return MIN(wants, 0);
}

/* 1: go on; 0: nothing more to send; -E_AGAIN, -E_PROTO. */
static int send_step(struct vnet *d)
{
	int err;

	if (!d->sending) {
		err = virtq_pop(&d->v.queue[VNET_TX], &d->tx_chain);
		if (err <= 0)
			return err;
		d->sending = true;
		err = open_packet(d);
		if (err)
			return err;
	}
	err = d->next_frame < d->packet.frames ? send_frame(d) : 0;
	if (!err && d->next_frame >= d->packet.frames)
		err = finish_packet(d);
	return err ? err : 1;
}

void vnet_tx_work(struct vnet *d)
{
	for (unsigned turn = 0; turn < TURN_MAX; turn++) {
		int err = vnet_may_work(d, VNET_TX) ? send_step(d) : 0;

		if (!err)
			return;
		if (err == -E_AGAIN) {
			timer_arm(&d->again, time_ns() + RETRY_NS);
			return;
		}
		if (err < 0) {
			d->sending = false;
			virtio_pci_break(&d->v, VNET_TX, "a packet is damaged or not in memory");
			return;
		}
	}
	timer_arm(&d->again, time_ns());
}
