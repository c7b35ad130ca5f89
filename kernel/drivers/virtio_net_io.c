/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Traffic of the host's virtio network card (Virtual I/O Device 1.1, section 5.1.6), with
 * no offloads. Receives into netbufs, the device's header before the frame; sends a
 * header that all frames share and then the frame, because a frame that is sent may
 * be shared too. Start and reset are virtio_net.c's.
 */
#include "kernel/drivers/virtio_net_inner.h"
#include "kernel/drivers/mmio.h"
#include "kernel/lib/string.h"
#include "kernel/mem.h"

static struct virtio_net *to_virtio_net(struct netdev *nd)
{
	return container_of(nd, struct virtio_net, nd);
}

void virtio_net_broken(struct virtio_net *n, const char *what)
{
	if (!n->broken)
		log_warn("virtio: %s %s, it is reset", n->nd.name, what);
	n->broken = true;
}

static void tx_release(struct virtio_net *n, unsigned slot)
{
	netbuf_put(n->tx_nb[slot]);
	n->tx_nb[slot] = NULL;
	n->tx_free[n->tx_free_count++] = slot;
}

void virtio_net_tx_reclaim(struct virtio_net *n)
{
	uint16_t head;
	uint32_t len;
	int err;

	while (!n->broken && (err = vring_take(&n->tx, &head, &len)) != -E_AGAIN) {
		if (err || head % 2 || head / 2 >= n->tx_slots || !n->tx_nb[head / 2]) {
			virtio_net_broken(n, "returned a frame that it did not have");
			return;
		}
		tx_release(n, head / 2);
		n->tx_moved_ns = time_ns();
	}
}

static unsigned virtio_net_send_room(struct netdev *nd)
{
	struct virtio_net *n = to_virtio_net(nd);

	virtio_net_tx_reclaim(n);
	return n->broken ? 0 : n->tx_free_count;
}

static int virtio_net_send(struct netdev *nd, struct netbuf *nb)
{
	struct virtio_net *n = to_virtio_net(nd);
	uint16_t len = MAX(nb->len, ETH_MIN_LEN);
	volatile struct vring_desc *data;
	unsigned slot;

	if (len > nd->frame_max + (nd->tag_fits ? ETH_TAG_LEN : 0) || !virtio_net_send_room(nd)) {
		nd->stats.tx_dropped++;
		netbuf_put(nb);
		return -E_AGAIN;
	}
	/* A pad must not show old memory. Beyond len nobody looks. */
	if (nb->len < len)
		memset(nb->data + nb->len, 0, len - nb->len);
	if (n->tx_free_count == n->tx_slots)
		n->tx_moved_ns = time_ns();
	slot = n->tx_free[--n->tx_free_count];
	n->tx_nb[slot] = nb;
	data = &n->tx.desc[2 * slot + 1];
	data->addr = nb->data_hpa;
	data->len = len;
	vring_post(&n->tx, 2 * slot);
	if (vring_wants_notify(&n->tx))
		virtio_host_notify(&n->v, VIRTIO_NET_TX, n->tx_bell);
	nd->stats.tx_frames++;
	nd->stats.tx_bytes += len;
	return 0;
}

static void rx_give(struct virtio_net *n, unsigned i, struct netbuf *nb)
{
	volatile struct vring_desc *d = &n->rx.desc[i];

	n->rx_nb[i] = nb;
	d->addr = nb->data_hpa;
	d->len = nb->room;
	d->flags = VRING_DESC_WRITE;
	d->next = 0;
	vring_post(&n->rx, i);
}

/* written: header and frame. Counts what is no frame. */
static bool rx_is_good(struct virtio_net *n, const struct netbuf *nb, uint32_t written)
{
	unsigned len_max = n->nd.frame_max;

	if (written >= VIRTIO_NET_HEADER_LEN + ETH_HLEN &&
	    eth_type(nb->data + VIRTIO_NET_HEADER_LEN) == ETH_TYPE_VLAN)
		len_max += ETH_TAG_LEN;
	if (written >= VIRTIO_NET_HEADER_LEN + ETH_HLEN &&
	    written <= VIRTIO_NET_HEADER_LEN + len_max)
		return true;
	n->nd.stats.rx_errors++;
	return false;
}

/* The buffer of a frame goes up and a fresh one in; as the e1000, the ring never runs dry. */
static struct netbuf *rx_take(struct virtio_net *n, unsigned i, uint32_t written)
{
	struct netbuf *nb = n->rx_nb[i], *fresh;
	bool good = rx_is_good(n, nb, written);

	fresh = good ? netbuf_alloc() : NULL;
	if (!fresh) {
		n->nd.stats.rx_dropped += good;
		rx_give(n, i, nb);
		return NULL;
	}
	rx_give(n, i, fresh);
	netbuf_pull(nb, VIRTIO_NET_HEADER_LEN);
	nb->len = written - VIRTIO_NET_HEADER_LEN;
	n->nd.stats.rx_frames++;
	n->nd.stats.rx_bytes += nb->len;
	return nb;
}

unsigned virtio_net_rx_poll(struct virtio_net *n)
{
	unsigned done;
	uint32_t written;
	uint16_t head;

	for (done = 0; done < n->rx.size && !n->broken; done++) {
		int err = vring_take(&n->rx, &head, &written);
		struct netbuf *nb;

		if (err == -E_AGAIN)
			break;
		if (err || !n->rx_nb[head]) {
			virtio_net_broken(n, "filled a buffer that it did not have");
			break;
		}
		nb = rx_take(n, head, written);
		if (nb && n->nd.receive)
			n->nd.receive(&n->nd, nb);
		else if (nb)
			netbuf_put(nb);
	}
	if (done && !n->broken && vring_wants_notify(&n->rx))
		virtio_host_notify(&n->v, VIRTIO_NET_RX, n->rx_bell);
	return done;
}

static void virtio_net_poll(struct netdev *nd)
{
	struct virtio_net *n = to_virtio_net(nd);

	virtio_net_tx_reclaim(n);
	virtio_net_rx_poll(n);
}

static bool virtio_net_link_up(struct netdev *nd)
{
	struct virtio_net *n = to_virtio_net(nd);

	return !n->broken &&
	       (!(n->features & BIT(VIRTIO_NET_F_STATUS)) ||
		(mmio_read16(n->v.device, VIRTIO_NET_STATUS) & VIRTIO_NET_STATUS_LINK));
}

const struct netdev_ops virtio_net_ops = {
    .send = virtio_net_send,
    .send_room = virtio_net_send_room,
    .poll = virtio_net_poll,
    .link_up = virtio_net_link_up,
};

static void tx_slots_init(struct virtio_net *n)
{
	n->tx_slots = n->tx.size / 2;
	n->tx_free_count = 0;
	for (unsigned s = n->tx_slots; s-- > 0;) {
		volatile struct vring_desc *d = &n->tx.desc[2 * s];

		d->addr = virt_to_hpa(n->header);
		d->len = VIRTIO_NET_HEADER_LEN;
		d->flags = VRING_DESC_NEXT;
		d->next = 2 * s + 1;
		n->tx_free[n->tx_free_count++] = s;
	}
	n->tx.avail->flags = VRING_AVAIL_NO_INTERRUPT; /* sent frames are reclaimed in passing */
}

void virtio_net_tx_drop(struct virtio_net *n)
{
	for (unsigned s = 0; s < VIRTIO_NET_TX_SLOTS; s++) {
		if (n->tx_nb[s])
			netbuf_put(n->tx_nb[s]);
		n->tx_nb[s] = NULL;
	}
}

/* Every buffer of the receive ring, kept from before a reset or new. */
int virtio_net_rings_fill(struct virtio_net *n)
{
	for (unsigned i = 0; i < n->rx.size; i++) {
		struct netbuf *nb = n->rx_nb[i] ? n->rx_nb[i] : netbuf_alloc();

		if (!nb)
			return -E_NOMEM;
		rx_give(n, i, nb);
	}
	tx_slots_init(n);
	return 0;
}
