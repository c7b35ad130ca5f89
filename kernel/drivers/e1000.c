/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rings of netbufs, no copies: descriptors point at netbuf->data_hpa. Receives by
 * interrupt; a watchdog polls instead where none arrive. Sections named are those
 * of Intel's 8254x manual. Which frame is for whom is the switch's business.
 */
#include "kernel/drivers/e1000.h"
#include "kernel/drivers/e1000_hw.h"
#include "kernel/drivers/e1000_inner.h"
#include "kernel/drivers/e1000_regs.h"
#include "kernel/drivers/mmio.h"
#include "kernel/drivers/nic_watch.h"
#include "kernel/irq.h"
#include "kernel/lib/format.h"
#include "kernel/lib/string.h"
#include "kernel/log.h"
#include "kernel/mem.h"
#include "kernel/time.h"
#include "kernel/timer.h"

#define RING_SIZE   256 /* descriptors of 16 bytes: one page a ring */
#define ITR_8000_HZ 488 /* units of 256 ns */

#define IRQ_CAUSES (E1000_ICR_LSC | E1000_ICR_RXDMT0 | E1000_ICR_RXO | E1000_ICR_RXT0)

struct e1000 {
	struct netdev nd;
	volatile void *regs;
	volatile struct e1000_rx_desc *rx;
	volatile struct e1000_tx_desc *tx;
	struct netbuf *rx_nb[RING_SIZE];
	struct netbuf *tx_nb[RING_SIZE];
	unsigned rx_next;	   /* the next descriptor that the NIC will finish */
	unsigned tx_next, tx_done; /* next to fill, oldest not reclaimed */
	bool rx_skip;		   /* inside a frame of several buffers, which we drop */
	struct nic_watch watch;
	struct timer timer;
};

static struct e1000 *to_e1000(struct netdev *nd)
{
	return container_of(nd, struct e1000, nd);
}

/* Give back the buffers of sent frames. */
static void tx_reclaim(struct e1000 *e)
{
	while (e->tx_done != e->tx_next && (e->tx[e->tx_done].status & E1000_TXD_DD)) {
		netbuf_put(e->tx_nb[e->tx_done]);
		e->tx_nb[e->tx_done] = NULL;
		e->tx_done = (e->tx_done + 1) % RING_SIZE;
	}
}

static unsigned e1000_send_room(struct netdev *nd)
{
	struct e1000 *e = to_e1000(nd);

	tx_reclaim(e);
	/* One stays free: head equal to tail means empty (3.4) */
	return (e->tx_done + RING_SIZE - e->tx_next - 1) % RING_SIZE;
}

PAGE_JOURNEY(5)
static int e1000_send(struct netdev *nd, struct netbuf *nb)
{
	struct e1000 *e = to_e1000(nd);
	volatile struct e1000_tx_desc *d = &e->tx[e->tx_next];
	uint16_t len = MAX(nb->len, ETH_MIN_LEN);

	if (!e1000_send_room(nd)) {
		nd->stats.tx_dropped++;
		netbuf_put(nb);
		return -E_AGAIN;
	}
	/* Models do not pad, and a pad must not show old memory. Beyond len nobody looks. */
	if (nb->len < len)
		memset(nb->data + nb->len, 0, len - nb->len);
	e->tx_nb[e->tx_next] = nb;
	d->addr = nb->data_hpa;
	d->length = len;
	d->cso = 0;
	d->css = 0;
	d->special = 0;
	d->status = 0;
	d->cmd = E1000_TXD_EOP | E1000_TXD_IFCS | E1000_TXD_RS;
	e->tx_next = (e->tx_next + 1) % RING_SIZE;
	nd->stats.tx_frames++;
	nd->stats.tx_bytes += len;
	mmio_write32(e->regs, E1000_TDT, e->tx_next);
	return 0;
}

static void rx_give(struct e1000 *e, unsigned i, struct netbuf *nb)
{
	e->rx_nb[i] = nb;
	e->rx[i].addr = nb->data_hpa;
	e->rx[i].length = 0;
	e->rx[i].errors = 0;
	e->rx[i].status = 0;
}

/* Is the finished descriptor a whole, sound frame? Counts what is not. */
static bool rx_is_good(struct e1000 *e, uint8_t status, uint8_t errors, uint16_t len)
{
	bool tagged = len >= ETH_HLEN && eth_type(e->rx_nb[e->rx_next]->data) == ETH_TYPE_VLAN;
	unsigned len_max = e->nd.frame_max + (tagged ? ETH_TAG_LEN : 0);
	bool was_skipping = e->rx_skip;

	e->rx_skip = !(status & E1000_RXD_EOP);
	if (was_skipping)
		return false; /* counted at its first part */
	if (e->rx_skip || (errors & E1000_RXD_ERRORS) || len < ETH_HLEN || len > len_max) {
		e->nd.stats.rx_errors++;
		return false;
	}
	return true;
}

/*
 * Take one finished descriptor: its buffer goes up and a fresh one goes in. With
 * an empty pool the frame is dropped and its buffer used again, so that the ring
 * never runs dry.
 */
static struct netbuf *rx_take(struct e1000 *e)
{
	volatile struct e1000_rx_desc *d = &e->rx[e->rx_next];
	struct netbuf *nb = e->rx_nb[e->rx_next], *fresh;
	uint8_t status = d->status;
	uint16_t len = d->length;

	if (!rx_is_good(e, status, d->errors, len)) {
		rx_give(e, e->rx_next, nb);
		return NULL;
	}
	fresh = netbuf_alloc();
	if (!fresh) {
		e->nd.stats.rx_dropped++;
		rx_give(e, e->rx_next, nb);
		return NULL;
	}
	rx_give(e, e->rx_next, fresh);
	nb->len = len;
	e->nd.stats.rx_frames++;
	e->nd.stats.rx_bytes += len;
	return nb;
}

PAGE_JOURNEY(6)
static unsigned rx_poll(struct e1000 *e)
{
	unsigned done;

	for (done = 0; done < RING_SIZE && (e->rx[e->rx_next].status & E1000_RXD_DD); done++) {
		struct netbuf *nb = rx_take(e);
		unsigned tail = e->rx_next;

		/* The NIC owns everything up to the descriptor before the tail (3.2.6) */
		e->rx_next = (e->rx_next + 1) % RING_SIZE;
		mmio_write32(e->regs, E1000_RDT, tail);
		if (!nb)
			continue;
		if (e->nd.receive)
			e->nd.receive(&e->nd, nb);
		else
			netbuf_put(nb);
	}
	return done;
}

static void e1000_poll(struct netdev *nd)
{
	struct e1000 *e = to_e1000(nd);

	tx_reclaim(e);
	rx_poll(e);
}

static bool e1000_link_up(struct netdev *nd)
{
	return mmio_read32(to_e1000(nd)->regs, E1000_STATUS) & E1000_STATUS_LU;
}

static void e1000_interrupt(void *arg)
{
	struct e1000 *e = arg;
	uint32_t cause = mmio_read32(e->regs, E1000_ICR);

	if (!cause)
		return; /* the line is shared */
	e->nd.stats.interrupts++;
	if (cause & E1000_ICR_LSC)
		log_info("e1000: %s link is %s", e->nd.name, e1000_link_up(&e->nd) ? "up" : "down");
	e1000_poll(&e->nd);
}

/*
 * Poll by timer where there is no interrupt; else look now and then whether
 * frames lie there unannounced: a misrouted line must not cut the host off.
 */
static void e1000_tick(struct timer *t)
{
	struct e1000 *e = container_of(t, struct e1000, timer);

	tx_reclaim(e);
	timer_arm(t, time_ns() + nic_watch_tick(&e->watch, &e->nd, rx_poll(e) > 0));
}

static const struct netdev_ops e1000_ops = {
    .send = e1000_send,
    .send_room = e1000_send_room,
    .poll = e1000_poll,
    .link_up = e1000_link_up,
};

static int rings_alloc(struct e1000 *e)
{
	e->rx = page_alloc();
	e->tx = page_alloc();
	if (!e->rx || !e->tx)
		return -E_NOMEM;
	for (unsigned i = 0; i < RING_SIZE; i++) {
		struct netbuf *nb = netbuf_alloc();

		if (!nb)
			return -E_NOMEM;
		rx_give(e, i, nb);
	}
	return 0;
}

static void e1000_free(struct e1000 *e)
{
	for (unsigned i = 0; i < RING_SIZE; i++) {
		if (e->rx_nb[i])
			netbuf_put(e->rx_nb[i]);
	}
	if (e->rx)
		page_free((void *)e->rx);
	if (e->tx)
		page_free((void *)e->tx);
	kfree(e);
}

/* Interrupts if the host routes them, and the timer in any case. */
static void e1000_run(struct e1000 *e, const struct pci_dev *d)
{
	int err = irq_register(d->irq_line, true, e1000_interrupt, e);

	if (err) {
		e->watch.polling = true;
		log_warn("e1000: %s polls every ms, interrupt line %u: %s", e->nd.name, d->irq_line,
			 err_text(err));
	} else {
		mmio_write32(e->regs, E1000_ITR, ITR_8000_HZ);
		mmio_write32(e->regs, E1000_IMS, IRQ_CAUSES);
	}
	timer_init(&e->timer, e1000_tick);
	timer_arm(&e->timer, time_ns() + (e->watch.polling ? NIC_POLL_NS : NIC_WATCH_NS));
}

int e1000_attach(const struct pci_dev *d, const char *model, const struct e1000_family *family,
		 struct netdev **out)
{
	static unsigned number;
	struct e1000 *e;
	char mac[18];
	int err;

	if (d->bar_is_io[0] || !d->bar[0])
		return -E_NOENT;
	e = kzalloc(sizeof(*e));
	if (!e)
		return -E_NOMEM;
	pci_enable(d);
	e->regs = mmio_map(d->bar[0], d->bar_size[0] ? d->bar_size[0] : E1000_REGS_SIZE);
	err = e->regs ? family->reset(e->regs) : -E_NOMEM;
	if (err)
		goto undo_alloc;
	err = family->read_mac(e->regs, e->nd.mac);
	if (err)
		goto undo_alloc;
	err = rings_alloc(e);
	if (err)
		goto undo_alloc;
	e->nd.ops = &e1000_ops;
	e->nd.model = model;
	e->nd.frame_max = netbuf_frame_max();
	e->nd.tag_fits = true; /* 1522 bytes with FCS pass without RCTL.LPE (13.4.22) */
	e->nd.send_max = RING_SIZE - 1;
	ksnprintf(e->nd.name, sizeof(e->nd.name), "nic%u", number++);
	e1000_hw_start_link(e->regs);
	e1000_hw_start_tx(e->regs, virt_to_hpa((const void *)e->tx), RING_SIZE);
	family->start(e->regs);
	e1000_hw_start_rx(e->regs, virt_to_hpa((const void *)e->rx), RING_SIZE, e->rx_nb[0]->room,
			  e->nd.frame_max > 1514);
	e1000_run(e, d);
	log_info("e1000: %s is an %s at %02x:%02x.%u, %s, irq %u, frames up to %u", e->nd.name,
		 model, d->bus, d->dev, d->fn, format_mac(mac, e->nd.mac), d->irq_line,
		 e->nd.frame_max);
	*out = &e->nd;
	return 0;

undo_alloc:
	log_error("e1000: %02x:%02x.%u cannot be used: %s", d->bus, d->dev, d->fn, err_text(err));
	e1000_free(e);
	return err;
}
