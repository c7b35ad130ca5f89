/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The host's virtio network card against a model of the device: configuration space
 * with capabilities, registers, two split queues. It lies about where its structures
 * are, about indices, ids and lengths, and dies when told.
 */
#include <string.h>

#include "tests/unit/fake_kernel.h"
#include "kernel/drivers/mmio.h"
#include "kernel/drivers/virtio_host.h"
#include "kernel/drivers/virtio_net.h"
#include "kernel/irq.h"

#define COUNT  4096
#define SIZE   16 /* of its queues: 8 frames to send, 16 to receive */
#define WINDOW 0x4000
#define COMMON 0x0000
#define ISR    0x1000
#define DEVICE 0x2000
#define NOTIFY 0x3000
#define HEADER 12

#define F_MTU	  BIT(3)
#define F_MAC	  BIT(5)
#define F_STATUS  BIT(16)
#define F_VERSION BIT(32)
#define F_ALL	  (F_MTU | F_MAC | F_STATUS | F_VERSION | BIT(0) | BIT(15) | BIT(34))

struct queue {
	uint16_t size, enabled, seen, used;
	uint64_t desc, avail, ring;
};

static struct {
	uint8_t config[256];
	uint8_t window[WINDOW];
	struct queue q[2];
	uint64_t features, accepted;
	uint32_t feature_select, accepted_select;
	uint16_t select, mtu, link;
	uint8_t status, isr;
	uint16_t queue_size, bell;
	unsigned resets, asked, notified[2];
	bool refuses, stuck, tx_stalled, no_notify;
	uint8_t sent[64][2048];
	uint32_t sent_len[64];
	unsigned sent_count;
} dev;

static void (*irq_fn)(void *arg);
static void *irq_arg;
static int irq_result;
static struct netdev *nd, *all_nd[32]; /* kept, for the leak checker */
static unsigned got_frames;
static uint8_t got_last[2048];
static uint16_t got_len;

static const struct pci_dev pci = {.vendor = 0x1af4,
				   .device = 0x1041,
				   .irq_line = 11,
				   .bar = {[4] = 0x8000000000},
				   .bar_size = {[4] = WINDOW}};

int irq_register(unsigned gsi, bool level, void (*fn)(void *arg), void *arg)
{
	assert_true(gsi == 11 && level);
	irq_fn = fn;
	irq_arg = arg;
	return irq_result;
}

void pci_enable(const struct pci_dev *d)
{
}

uint32_t pci_read32(const struct pci_dev *d, unsigned r)
{
	uint32_t v;

	assert_true(r < 256);
	memcpy(&v, &dev.config[r & 0xfc], 4);
	return v;
}

volatile void *mmio_map(hpa_t base, uint64_t size)
{
	assert_true(base >= 0x8000000000 && base - 0x8000000000 + size <= WINDOW);
	return dev.window + (base - 0x8000000000);
}

/* Where in the window. */
static unsigned place(volatile void *base, unsigned r)
{
	size_t at = (volatile uint8_t *)base - dev.window + r;

	assert_true(at < WINDOW);
	return at;
}

static void model_reset(void)
{
	memset(dev.q, 0, sizeof(dev.q));
	dev.q[0].size = dev.queue_size;
	dev.q[1].size = dev.queue_size;
	dev.status = 0;
	dev.isr = 0;
	dev.accepted = 0;
	dev.resets++;
}

static struct queue *selected(void)
{
	assert_true(dev.select < 2);
	return &dev.q[dev.select];
}

uint8_t mmio_read8(volatile void *base, unsigned r)
{
	unsigned at = place(base, r);
	uint8_t v;

	if (at == COMMON + 0x14)
		return dev.status;
	if (at == ISR) {
		v = dev.isr;
		dev.isr = 0;
		return v;
	}
	assert_true(at >= DEVICE && at < DEVICE + 6);
	return dev.window[at];
}

void mmio_write8(volatile void *base, unsigned r, uint8_t v)
{
	assert_int_equal(place(base, r), COMMON + 0x14);
	if (!v) {
		dev.asked++;
		if (!dev.stuck)
			model_reset();
		return;
	}
	assert_int_equal(v & dev.status & 0x7f, dev.status & 0x7f); /* bits only come */
	if ((v & 8) && dev.refuses)
		v &= ~8;
	if (v & 4)
		assert_true((v & 8) && dev.q[0].enabled && dev.q[1].enabled);
	dev.status = v;
}

uint16_t mmio_read16(volatile void *base, unsigned r)
{
	switch (place(base, r)) {
	case COMMON + 0x12:
		return 2;
	case COMMON + 0x18:
		return selected()->size;
	case COMMON + 0x1e:
		return dev.bell + dev.select;
	case DEVICE + 6:
		assert_true(dev.accepted & F_STATUS);
		return dev.link;
	case DEVICE + 10:
		assert_true(dev.accepted & F_MTU);
		return dev.mtu;
	}
	fail_msg("read of 16 bits at %#x", place(base, r));
	return 0;
}

static struct vring_desc *desc_at(struct queue *q, unsigned i)
{
	assert_true(i < q->size);
	return (struct vring_desc *)(uintptr_t)q->desc + i;
}

static void use(struct queue *q, uint32_t id, uint32_t len)
{
	struct vring_used *used = (void *)(uintptr_t)q->ring;

	used->ring[q->used % q->size].id = id;
	used->ring[q->used % q->size].len = len;
	used->idx = ++q->used;
	used->flags = dev.no_notify;
}

/* The next chain that the driver offers; false: none. */
static bool next_chain(struct queue *q, uint16_t *head)
{
	struct vring_avail *avail = (void *)(uintptr_t)q->avail;

	if (!(dev.status & 4) || q->seen == avail->idx)
		return false;
	assert_true((uint16_t)(avail->idx - q->seen) <= q->size);
	*head = avail->ring[q->seen++ % q->size];
	return true;
}

static void model_transmit(void)
{
	static const uint8_t zero[HEADER];
	struct queue *q = &dev.q[1];
	uint16_t head;

	while (!dev.tx_stalled && next_chain(q, &head)) {
		struct vring_desc *h = desc_at(q, head), *d = desc_at(q, h->next);
		unsigned n = dev.sent_count++ % 64;

		assert_true(h->len == HEADER && h->flags == VRING_DESC_NEXT && d->flags == 0);
		assert_memory_equal(hpa_to_virt(h->addr), zero, HEADER);
		assert_true(d->len >= ETH_MIN_LEN && d->len <= 1518);
		memcpy(dev.sent[n], hpa_to_virt(d->addr), d->len);
		dev.sent_len[n] = d->len;
		use(q, head, 0);
	}
}

void mmio_write16(volatile void *base, unsigned r, uint16_t v)
{
	unsigned at = place(base, r);

	if (at >= NOTIFY) {
		assert_true(v < 2 && at == NOTIFY + 4u * (dev.bell + v));
		dev.notified[v]++;
		if (v == 1)
			model_transmit();
		return;
	}
	switch (at) {
	case COMMON + 0x16:
		dev.select = v;
		return;
	case COMMON + 0x18:
		assert_true(v <= selected()->size);
		selected()->size = v;
		return;
	case COMMON + 0x1c:
		assert_true(v == 1 && selected()->ring && (dev.status & 8) && !(dev.status & 4));
		selected()->enabled = 1;
		return;
	}
	fail_msg("write of 16 bits at %#x", at);
}

uint32_t mmio_read32(volatile void *base, unsigned r)
{
	assert_int_equal(place(base, r), COMMON + 4);
	return dev.feature_select > 1 ? 0 : dev.features >> 32 * dev.feature_select;
}

static void set_half(uint64_t *v, bool high, uint32_t half)
{
	*v = high ? (uint32_t)*v | (uint64_t)half << 32 : (*v & ~0xffffffffull) | half;
}

void mmio_write32(volatile void *base, unsigned r, uint32_t v)
{
	unsigned at = place(base, r);

	if (at == COMMON)
		dev.feature_select = v;
	else if (at == COMMON + 8)
		dev.accepted_select = v;
	else if (at == COMMON + 12)
		set_half(&dev.accepted, dev.accepted_select, v);
	else if (at < COMMON + 0x28)
		set_half(&selected()->desc, at & 4, v);
	else if (at < COMMON + 0x30)
		set_half(&selected()->avail, at & 4, v);
	else if (at < COMMON + 0x38)
		set_half(&selected()->ring, at & 4, v);
	else
		fail_msg("write of 32 bits at %#x", at);
}

/* A frame arrives; says that it wrote `written`. false when there is no buffer. */
static bool model_receive(const void *data, uint32_t len, uint32_t written)
{
	struct queue *q = &dev.q[0];
	struct vring_desc *d;
	uint16_t head;

	if (!next_chain(q, &head))
		return false;
	d = desc_at(q, head);
	assert_int_equal(d->flags, VRING_DESC_WRITE);
	assert_int_equal(d->len, 2048);
	memset(hpa_to_virt(d->addr), 0, HEADER);
	memcpy((uint8_t *)hpa_to_virt(d->addr) + HEADER, data, len);
	use(q, head, written);
	dev.isr |= 1;
	return true;
}

static void add_cap(unsigned at, unsigned next, uint8_t type, uint32_t offset, uint32_t len)
{
	uint8_t head[8] = {0x09, (uint8_t)next, type == 2 ? 20 : 16, type, 4};
	uint32_t stride = 4;

	memcpy(dev.config + at, head, 8);
	memcpy(dev.config + at + 8, &offset, 4);
	memcpy(dev.config + at + 12, &len, 4);
	if (type == 2)
		memcpy(dev.config + at + 16, &stride, 4);
}

static void model_init(void)
{
	static const uint8_t mac[ETH_ALEN] = {0x52, 0x54, 0, 9, 0, 1};

	memset(&dev, 0, sizeof(dev));
	dev.features = F_ALL;
	dev.queue_size = SIZE;
	dev.mtu = 1500;
	dev.link = 1;
	memcpy(dev.window + DEVICE, mac, ETH_ALEN);
	dev.config[6] = 0x10;
	dev.config[0x34] = 0x40;
	dev.config[0x40] = 0x11; /* MSI-X, of no interest */
	dev.config[0x41] = 0x50;
	add_cap(0x50, 0x60, 1, COMMON, 0x38);
	add_cap(0x60, 0x70, 3, ISR, 1);
	add_cap(0x70, 0x80, 4, DEVICE, 0x1000);
	add_cap(0x80, 0, 2, NOTIFY, 0x1000);
}

static void receive(struct netdev *d, struct netbuf *nb)
{
	got_frames++;
	got_len = nb->len;
	memcpy(got_last, nb->data, nb->len);
	netbuf_put(nb);
}

static int setup(void **state)
{
	static bool pool;

	fake_kernel_reset();
	if (!pool && netbuf_pool_init(1514, COUNT))
		return -1;
	pool = true;
	model_init();
	irq_result = 0;
	got_frames = 0;
	return 0;
}

static void probe(void)
{
	static unsigned n;

	assert_int_equal(virtio_net_probe(&pci, &nd), 0);
	nd->receive = receive;
	all_nd[n++] = nd;
}

static struct netbuf *frame(uint8_t tag, uint16_t len)
{
	struct netbuf *nb = netbuf_alloc();

	if (!nb)
		return NULL;
	memset(nb->data, 0xaa, nb->room); /* what must not leak into the padding */
	memset(nb->data, tag, len);
	nb->len = len;
	return nb;
}

static void tick(void)
{
	fake_timers_run_until(fake_time_ns + 100 * NS_PER_MS);
}

static void test_bring_up(void **state)
{
	static const uint8_t mac[ETH_ALEN] = {0x52, 0x54, 0, 9, 0, 1};

	probe();
	assert_memory_equal(nd->mac, mac, ETH_ALEN);
	assert_int_equal(dev.status, 15);
	assert_int_equal(dev.accepted, F_MTU | F_MAC | F_STATUS | F_VERSION);
	assert_int_equal(nd->frame_max, 1514);
	assert_int_equal(nd->ops->send_room(nd), SIZE / 2);
	assert_int_equal(nd->send_max, SIZE / 2);
	assert_true(nd->ops->link_up(nd));
	dev.link = 0;
	assert_false(nd->ops->link_up(nd));
	assert_int_equal(dev.notified[0], 1);
	dev.features = F_MAC | F_VERSION;
	probe(); /* neither MTU nor link state told */
	assert_true(nd->ops->link_up(nd));
	dev.features = F_ALL;
	dev.mtu = 1000;
	probe();
	assert_int_equal(nd->frame_max, 1014);
	dev.queue_size = 1024;
	probe();
	assert_int_equal(dev.q[0].size, 256);
}

static void refused(int err)
{
	unsigned before = netbuf_free_count();

	assert_int_equal(virtio_net_probe(&pci, &nd), err);
	assert_int_equal(fake_alloc_live, 0);
	assert_int_equal(netbuf_free_count(), before);
	model_init();
}

static void test_strange_devices(void **state)
{
	struct pci_dev d = pci;

	d.device = 0x1042;
	assert_int_equal(virtio_net_probe(&d, &nd), -E_NOENT);
	dev.features &= ~F_VERSION;
	refused(-E_NOTSUP);
	dev.features &= ~F_MAC;
	refused(-E_NOTSUP);
	dev.refuses = true;
	refused(-E_NOTSUP);
	dev.window[DEVICE] = 1; /* a group address */
	refused(-E_NOTSUP);
	dev.mtu = 60;
	refused(-E_NOTSUP);
	dev.queue_size = 0;
	refused(-E_NOTSUP);
	dev.queue_size = 24;
	refused(-E_NOTSUP);
	dev.bell = 0x400; /* beyond the window of bells */
	refused(-E_NOTSUP);
	for (int i = 0; i < 4; i++) {
		fake_alloc_countdown = i;
		refused(-E_NOMEM);
	}
	fake_alloc_countdown = -1;
}

static void test_hostile_capabilities(void **state)
{
	dev.config[6] = 0; /* no list */
	refused(-E_NOTSUP);
	dev.config[0x61] = 0x50; /* in a circle */
	refused(-E_NOTSUP);
	dev.config[0x81] = 0x80;
	dev.config[0x83] = 9;
	refused(-E_NOTSUP);
	dev.config[0x34] = 0x10; /* into the header */
	refused(-E_NOTSUP);
	add_cap(0x80, 0, 2, WINDOW - 0x100, 0x101);
	refused(-E_NOTSUP);
	add_cap(0x80, 0, 2, 0xfffffffc, 0x1000);
	refused(-E_NOTSUP);
	add_cap(0x50, 0x60, 1, COMMON, 0x37);
	refused(-E_NOTSUP);
	add_cap(0x50, 0x60, 1, COMMON + 1, 0x38);
	refused(-E_NOTSUP);
	dev.config[0x54] = 6; /* BAR */
	refused(-E_NOTSUP);
	dev.config[0x54] = 1;
	refused(-E_NOTSUP);
	add_cap(0x70, 0x80, 4, DEVICE, 6); /* a configuration without the fields of its features */
	refused(-E_NOTSUP);
	/* An unusable structure may be followed by a good one (4.1.4) */
	add_cap(0x80, 0xa0, 2, 0xfffffffc, 0x1000);
	add_cap(0xa0, 0, 2, NOTIFY, 0x1000);
	probe();
}

static void test_transmit(void **state)
{
	struct netbuf *nb;
	unsigned before;

	probe();
	before = netbuf_free_count();
	for (unsigned i = 0; i < 5 * SIZE; i++) {
		assert_int_equal(nd->ops->send(nd, frame(i, i % 2 ? 1514 : 42)), 0);
		assert_int_equal(dev.sent_len[i % 64], i % 2 ? 1514 : 60);
		assert_int_equal(dev.sent[i % 64][0], i);
		assert_int_equal(dev.sent[i % 64][59], i % 2 ? i : 0);
	}
	nd->ops->poll(nd);
	assert_int_equal(netbuf_free_count(), before);
	assert_int_equal(nd->stats.tx_frames, 5 * SIZE);
	dev.tx_stalled = true;
	for (unsigned i = 0; i < SIZE / 2; i++)
		assert_int_equal(nd->ops->send(nd, frame(i, 100)), 0);
	assert_int_equal(nd->ops->send_room(nd), 0);
	nb = frame(0, 100);
	assert_int_equal(nd->ops->send(nd, netbuf_get(nb)), -E_AGAIN);
	assert_int_equal(nb->refs, 1);
	netbuf_put(nb);
	assert_int_equal(nd->stats.tx_dropped, 1);
	dev.tx_stalled = false;
	model_transmit();
	assert_int_equal(nd->ops->send_room(nd), SIZE / 2);
	assert_int_equal(netbuf_free_count(), before);
	/* A device that looks by itself is not told */
	dev.no_notify = true;
	nd->ops->send(nd, frame(0, 100));
	dev.notified[1] = 0;
	nd->ops->send(nd, frame(0, 100));
	assert_int_equal(dev.notified[1], 0);
	model_transmit();
	nd->ops->poll(nd);
}

static void test_receive(void **state)
{
	uint8_t data[1514];
	unsigned before, n = 0;

	probe();
	before = netbuf_free_count();
	for (unsigned i = 0; i < 70 * SIZE; i++) {
		memset(data, i, sizeof(data));
		assert_true(model_receive(data, 60 + i % 1455, HEADER + 60 + i % 1455));
		if (i % 7 == 6)
			irq_fn(irq_arg);
	}
	irq_fn(irq_arg);
	assert_int_equal(got_frames, 70 * SIZE);
	assert_int_equal(got_len, 60 + (70 * SIZE - 1) % 1455);
	assert_int_equal(got_last[0], (uint8_t)(70 * SIZE - 1));
	assert_int_equal(netbuf_free_count(), before);
	while (model_receive(data, 60, HEADER + 60))
		n++;
	assert_int_equal(n, SIZE);
	irq_fn(irq_arg);
	assert_int_equal(got_frames, 71 * SIZE);
}

static void test_bad_lengths(void **state)
{
	uint8_t data[2030] = {0};

	probe();
	model_receive(data, 60, 0);
	model_receive(data, 60, HEADER + 13);
	model_receive(data, 1515, HEADER + 1515);
	model_receive(data, 60, 2049);
	model_receive(data, 60, UINT32_MAX);
	irq_fn(irq_arg);
	assert_int_equal(got_frames, 0);
	assert_int_equal(nd->stats.rx_errors, 5);
	data[12] = 0x81; /* tagged: four more */
	model_receive(data, 1518, HEADER + 1518);
	model_receive(data, 1519, HEADER + 1519);
	irq_fn(irq_arg);
	assert_int_equal(got_frames, 1);
	assert_int_equal(nd->stats.rx_errors, 6);
	assert_int_equal(dev.resets, 1);
}

static void works(void)
{
	uint8_t data[60] = {0};
	unsigned before = got_frames, sent = dev.sent_count;

	assert_true(model_receive(data, 60, HEADER + 60));
	irq_fn(irq_arg);
	assert_int_equal(got_frames, before + 1);
	assert_int_equal(nd->ops->send(nd, frame(1, 60)), 0);
	assert_int_equal(dev.sent_count, sent + 1);
	nd->ops->poll(nd);
}

/* What it says cannot be: nothing passes any more, and the timer resets it. */
static void broke(unsigned free_before)
{
	unsigned resets = dev.resets;

	dev.isr = 1;
	irq_fn(irq_arg);
	assert_int_equal(nd->ops->send(nd, frame(1, 60)), -E_AGAIN);
	assert_non_null(strstr(fake_log_last, "it is reset"));
	fake_timers_run_until(fake_time_ns + 1100 * NS_PER_MS);
	assert_int_equal(dev.resets, resets + 1);
	assert_int_equal(netbuf_free_count(), free_before);
	works();
}

static void test_hostile_rings(void **state)
{
	struct vring_used *used;
	unsigned before;

	probe();
	before = netbuf_free_count();
	use(&dev.q[0], SIZE, 100); /* no such descriptor */
	broke(before);
	use(&dev.q[0], UINT32_MAX, 100);
	broke(before);
	used = (void *)(uintptr_t)dev.q[0].ring;
	used->idx = used->idx + SIZE + 1; /* more than it has */
	broke(before);
	use(&dev.q[1], 0, 0); /* it has none to send */
	broke(before);
	dev.tx_stalled = true;
	nd->ops->send(nd, frame(1, 60));
	use(&dev.q[1], 1, 0); /* no head */
	dev.tx_stalled = false;
	broke(before);
	dev.tx_stalled = true;
	nd->ops->send(nd, frame(1, 60));
	nd->ops->send(nd, frame(1, 60));
	use(&dev.q[1], 0, 0);
	use(&dev.q[1], 0, 0); /* the same twice */
	dev.tx_stalled = false;
	broke(before);
}

static void test_reset_by_wish_or_silence(void **state)
{
	unsigned before;

	probe();
	before = netbuf_free_count();
	dev.status |= 0x40;
	tick();
	assert_int_equal(dev.resets, 2);
	works();
	dev.tx_stalled = true;
	nd->ops->send(nd, frame(1, 60));
	fake_timers_run_until(fake_time_ns + 4900 * NS_PER_MS);
	assert_int_equal(dev.resets, 2);
	dev.link = 0; /* without a link it may wait */
	fake_timers_run_until(fake_time_ns + 4900 * NS_PER_MS);
	assert_int_equal(dev.resets, 2);
	dev.link = 1;
	tick();
	assert_int_equal(dev.resets, 3);
	assert_int_equal(netbuf_free_count(), before);
	dev.tx_stalled = false;
	works();
	/* One that does not come back is asked once a second, and takes nobody's buffers */
	dev.stuck = true;
	dev.status |= 0x40;
	dev.asked = 0;
	fake_timers_run_until(fake_time_ns + 3 * NS_PER_S);
	assert_in_range(dev.asked, 2, 4);
	assert_int_equal(nd->ops->send(nd, frame(1, 60)), -E_AGAIN);
	dev.stuck = false;
	fake_timers_run_until(fake_time_ns + 1100 * NS_PER_MS);
	assert_int_equal(dev.resets, 4);
	works();
	/* Another device than before is not taken */
	dev.features &= ~F_STATUS;
	dev.status |= 0x40;
	fake_timers_run_until(fake_time_ns + 1100 * NS_PER_MS);
	assert_int_equal(nd->ops->send(nd, frame(1, 60)), -E_AGAIN);
	assert_int_equal(netbuf_free_count(), before);
}

static void test_empty_pool(void **state)
{
	static struct netbuf *all[COUNT];
	uint8_t data[60] = {0};
	unsigned n = 0;

	probe();
	while ((all[n] = netbuf_alloc()))
		n++;
	for (unsigned i = 0; i < 100; i++) {
		assert_true(model_receive(data, 60, HEADER + 60));
		irq_fn(irq_arg);
	}
	assert_int_equal(got_frames, 0);
	assert_int_equal(nd->stats.rx_dropped, 100);
	while (n)
		netbuf_put(all[--n]);
	works();
}

static void test_without_interrupts(void **state)
{
	uint8_t data[60] = {0};

	irq_result = -E_NOTSUP;
	probe();
	model_receive(data, 60, HEADER + 60);
	fake_timers_run_until(fake_time_ns + NS_PER_MS);
	assert_int_equal(got_frames, 1);
	fake_kernel_reset();
	irq_result = 0;
	probe();
	for (unsigned i = 0; i < 3; i++) {
		model_receive(data, 60, HEADER + 60);
		tick();
	}
	assert_int_equal(got_frames, 4);
	assert_non_null(strstr(fake_log_last, "polling"));
	dev.isr = 0; /* somebody else's on the line */
	irq_fn(irq_arg);
	assert_int_equal(nd->stats.interrupts, 0);
	dev.isr = 2;
	dev.link = 0;
	irq_fn(irq_arg);
	assert_non_null(strstr(fake_log_last, "down"));
}

#define T(f) cmocka_unit_test_setup(f, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_bring_up),
	    T(test_strange_devices),
	    T(test_hostile_capabilities),
	    T(test_transmit),
	    T(test_receive),
	    T(test_bad_lengths),
	    T(test_hostile_rings),
	    T(test_reset_by_wish_or_silence),
	    T(test_empty_pool),
	    T(test_without_interrupts),
	};

	return cmocka_run_group_tests_name("virtio_net", tests, NULL, NULL);
}
