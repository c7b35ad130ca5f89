/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Start, reset and configuration of the host's virtio network card (Virtual I/O Device
 * 1.1, section 5.1). A device that answers nonsense is reset from the timer. Frames
 * are virtio_net_io.c's.
 */
#include "kernel/drivers/virtio_net.h"
#include "kernel/drivers/mmio.h"
#include "kernel/drivers/virtio_net_inner.h"
#include "kernel/irq.h"
#include "kernel/lib/format.h"
#include "kernel/log.h"
#include "kernel/mem.h"

#define WANTED (BIT(VIRTIO_NET_F_MTU) | BIT(VIRTIO_NET_F_MAC) | BIT(VIRTIO_NET_F_STATUS))

#define CONFIG_LEN 12

#define MTU_MIN	    576
#define SPINS_FIRST 100000 /* register reads, about a microsecond each */
#define SPINS_AGAIN 1000
#define TX_DEAD_NS  (5 * NS_PER_S)
#define ISR_CONFIG  2

/*
 * Reset and start, also again; then it must be the same device as before. Waits for the
 * reset only as long as spins: it may be asked again.
 */
static int device_start(struct virtio_net *n, unsigned spins)
{
	uint64_t wanted = n->started ? n->features : WANTED, features;
	int err = virtio_host_reset(&n->v, spins);

	if (err)
		return err; /* it may still use its buffers: they stay */
	virtio_net_tx_drop(n);
	err = virtio_host_negotiate(&n->v, wanted, &features);
	if (!err && n->started && features != n->features)
		err = -E_NOTSUP;
	if (!err)
		err = virtio_host_queue(&n->v, VIRTIO_NET_RX, &n->rx, &n->rx_bell);
	if (!err)
		err = virtio_host_queue(&n->v, VIRTIO_NET_TX, &n->tx, &n->tx_bell);
	if (!err)
		err = virtio_net_rings_fill(n);
	if (err) {
		virtio_host_fail(&n->v);
		return err;
	}
	n->features = features;
	n->started = true;
	n->broken = false;
	virtio_host_ready(&n->v);
	virtio_host_notify(&n->v, VIRTIO_NET_RX, n->rx_bell);
	return 0;
}

/* Once a second: a device that does not come back must not take the host's time. */
static void device_mend(struct virtio_net *n)
{
	uint64_t now = time_ns();

	if (virtio_host_is_broken(&n->v))
		virtio_net_broken(n, "asks for a reset");
	if (n->tx_free_count < n->tx_slots &&
	    now > n->tx_moved_ns + TX_DEAD_NS && /* CPUs differ a little */
	    virtio_net_ops.link_up(&n->nd))
		virtio_net_broken(n, "has sent nothing for 5 s");
	if (!n->broken || now < n->retry_ns)
		return;
	n->retry_ns = now + NS_PER_S;
	if (device_start(n, SPINS_AGAIN) == 0)
		log_info("virtio: %s works again", n->nd.name);
}

static void virtio_net_interrupt(void *arg)
{
	struct virtio_net *n = arg;
	uint8_t cause = virtio_host_interrupt(&n->v);

	if (!cause)
		return; /* the line is shared */
	n->nd.stats.interrupts++;
	if (cause & ISR_CONFIG)
		log_info("virtio: %s link is %s", n->nd.name,
			 virtio_net_ops.link_up(&n->nd) ? "up" : "down");
	virtio_net_ops.poll(&n->nd);
}

/* Poll where no interrupts come; mend what broke. */
static void virtio_net_tick(struct timer *t)
{
	struct virtio_net *n = container_of(t, struct virtio_net, timer);
	unsigned found;

	virtio_net_tx_reclaim(n);
	found = virtio_net_rx_poll(n);
	device_mend(n);
	timer_arm(t, time_ns() + nic_watch_tick(&n->watch, &n->nd, found > 0));
}

/* MAC and frame length from the configuration (5.1.4); the config may change meanwhile: not these.
 */
static int read_config(struct virtio_net *n)
{
	unsigned frame_max = n->rx_nb[0]->room - VIRTIO_NET_HEADER_LEN - ETH_TAG_LEN;
	uint16_t mtu = UINT16_MAX - ETH_HLEN;

	if (!(n->features & BIT(VIRTIO_NET_F_MAC)) || n->v.device_len < VIRTIO_NET_STATUS)
		return -E_NOTSUP;
	for (unsigned i = 0; i < ETH_ALEN; i++)
		n->nd.mac[i] = mmio_read8(n->v.device, VIRTIO_NET_MAC + i);
	if (n->nd.mac[0] & 1)
		return -E_NOTSUP;
	if ((n->features & BIT(VIRTIO_NET_F_STATUS)) && n->v.device_len < VIRTIO_NET_STATUS + 2)
		return -E_NOTSUP;
	if (n->features & BIT(VIRTIO_NET_F_MTU)) {
		if (n->v.device_len < CONFIG_LEN)
			return -E_NOTSUP;
		mtu = mmio_read16(n->v.device, VIRTIO_NET_MTU);
		if (mtu < MTU_MIN)
			return -E_NOTSUP;
	}
	n->nd.frame_max = MIN(MIN(netbuf_frame_max(), frame_max), mtu + (unsigned)ETH_HLEN);
	return 0;
}

static int bring_up(struct virtio_net *n, const struct pci_dev *d)
{
	int err = virtio_host_open(&n->v, d);

	if (err)
		return err;
	n->header = page_alloc();
	if (!n->header || vring_alloc(&n->rx) || vring_alloc(&n->tx))
		return -E_NOMEM;
	err = device_start(n, SPINS_FIRST);
	return err ? err : read_config(n);
}

static void give_up(struct virtio_net *n)
{
	if (n->v.common && virtio_host_reset(&n->v, SPINS_FIRST)) {
		log_error("virtio: the device does not stop, its memory stays with it");
		return;
	}
	for (unsigned i = 0; i < VRING_MAX; i++)
		if (n->rx_nb[i])
			netbuf_put(n->rx_nb[i]);
	vring_free(&n->rx);
	vring_free(&n->tx);
	if (n->header)
		page_free(n->header);
	kfree(n);
}

static void run(struct virtio_net *n, const struct pci_dev *d)
{
	int err = irq_register(d->irq_line, true, virtio_net_interrupt, n);

	if (err) {
		n->watch.polling = true;
		log_warn("virtio: %s polls every ms, interrupt line %u: %s", n->nd.name,
			 d->irq_line, err_text(err));
	}
	timer_init(&n->timer, virtio_net_tick);
	timer_arm(&n->timer, time_ns() + (n->watch.polling ? NIC_POLL_NS : NIC_WATCH_NS));
}

int virtio_net_probe(const struct pci_dev *d, struct netdev **out)
{
	static unsigned number;
	struct virtio_net *n;
	char mac[18];
	int err;

	/* 4.1.2: 1000h is a card that may also be of the old kind */
	if (d->vendor != 0x1af4 || (d->device != 0x1041 && d->device != 0x1000))
		return -E_NOENT;
	n = kzalloc(sizeof(*n));
	if (!n)
		return -E_NOMEM;
	pci_enable(d);
	err = bring_up(n, d);
	if (err) {
		log_error(
		    "virtio: network card %02x:%02x.%u cannot be used: %s (needed: virtio 1.x, "
		    "a MAC, two queues)",
		    d->bus, d->dev, d->fn, err_text(err));
		give_up(n);
		return err;
	}
	n->nd.ops = &virtio_net_ops;
	n->nd.model = "virtio";
	n->nd.tag_fits = true;
	n->nd.send_max = n->tx_slots;
	ksnprintf(n->nd.name, sizeof(n->nd.name), "nic%u", number++);
	run(n, d);
	log_info("virtio: %s at %02x:%02x.%u, %s, irq %u, frames up to %u", n->nd.name, d->bus,
		 d->dev, d->fn, format_mac(mac, n->nd.mac), d->irq_line, n->nd.frame_max);
	*out = &n->nd;
	return 0;
}
