/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The e1000 driver against a model of the card: registers with their side
 * effects, descriptors read and written back as the hardware does. The card also
 * misbehaves: damaged frames, split frames, wrong lengths, no interrupts.
 */
#include <string.h>

#include "tests/unit/fake_kernel.h"
#include "kernel/drivers/e1000.h"
#include "kernel/drivers/e1000_regs.h"
#include "kernel/drivers/mmio.h"
#include "kernel/irq.h"

#define COUNT 4096 /* a driver has no end: each test's keeps its ring of buffers */
#define RING  256

static struct {
	uint32_t reg[E1000_REGS_SIZE / 4];
	bool stuck, no_ral;
	uint8_t sent[4096][64]; /* the first bytes of each frame on the wire */
	uint16_t sent_len[4096];
	unsigned sent_count;
	bool tx_stalled;
} card;

static void (*irq_fn)(void *arg);
static void *irq_arg;
static int irq_result;
static struct netdev *nd, *all_nd[32]; /* kept, for the leak checker */
static unsigned got_frames;
static uint8_t got_last[2048];
static uint16_t got_len;

static const struct pci_dev pci = {.vendor = 0x8086,
				   .device = 0x100e,
				   .irq_line = 11,
				   .bar = {0xfeb00000},
				   .bar_size = {E1000_REGS_SIZE}};

int irq_register(unsigned gsi, bool level, void (*fn)(void *arg), void *arg)
{
	assert_int_equal(gsi, 11);
	assert_true(level);
	irq_fn = fn;
	irq_arg = arg;
	return irq_result;
}

void pci_enable(const struct pci_dev *d)
{
}

volatile void *mmio_map(hpa_t base, uint64_t size)
{
	assert_int_equal(base, 0xfeb00000);
	return card.reg;
}

static uint32_t *reg(unsigned r)
{
	return &card.reg[r / 4];
}

static void *ring(unsigned low)
{
	return (void *)(uintptr_t)(*reg(low) | (uint64_t)*reg(low + 4) << 32);
}

/* Send everything between head and tail. */
static void card_transmit(void)
{
	struct e1000_tx_desc *d = ring(E1000_TDBAL);

	while (!card.tx_stalled && *reg(E1000_TDH) != *reg(E1000_TDT)) {
		struct e1000_tx_desc *t = &d[*reg(E1000_TDH)];
		unsigned n = card.sent_count++ % 4096;

		assert_true(t->length >= ETH_MIN_LEN && t->length <= 1514);
		assert_int_equal(t->cmd, E1000_TXD_EOP | E1000_TXD_IFCS | E1000_TXD_RS);
		memcpy(card.sent[n], hpa_to_virt(t->addr), 64 < t->length ? 64 : t->length);
		card.sent_len[n] = t->length;
		t->status |= E1000_TXD_DD;
		*reg(E1000_TDH) = (*reg(E1000_TDH) + 1) % RING;
	}
}

uint32_t mmio_read32(volatile void *base, unsigned r)
{
	static const uint16_t eeprom[3] = {0x5452, 0x0900, 0x0700};
	uint32_t v = *reg(r);

	if (r == E1000_ICR)
		*reg(r) = 0;
	if (r == E1000_EERD && (v & E1000_EERD_START))
		return v | E1000_EERD_DONE | (uint32_t)eeprom[v >> 8 & 3] << 16;
	return v;
}

void mmio_write32(volatile void *base, unsigned r, uint32_t value)
{
	*reg(r) = value;
	if (r == E1000_CTRL && (value & E1000_CTRL_RST) && !card.stuck) {
		*reg(E1000_CTRL) = 0;
		*reg(E1000_STATUS) = E1000_STATUS_LU;
		*reg(E1000_RAL0) = card.no_ral ? 0 : 0x09005452;
		*reg(E1000_RAH0) = card.no_ral ? 0 : 0x0100 | E1000_RAH_AV;
	}
	if (r == E1000_IMC)
		*reg(E1000_IMS) &= ~value;
	if (r == E1000_TDT)
		card_transmit();
}

/* A frame arrives: false when the ring has no room. Raises the cause, calls nobody. */
static bool card_receive(const void *data, uint16_t len, uint8_t status, uint8_t errors)
{
	struct e1000_rx_desc *d = ring(E1000_RDBAL);
	unsigned head = *reg(E1000_RDH);

	assert_true(*reg(E1000_RCTL) & E1000_RCTL_EN);
	if (head == *reg(E1000_RDT))
		return false;
	if (data)
		memcpy(hpa_to_virt(d[head].addr), data, len);
	d[head].length = len;
	d[head].errors = errors;
	d[head].status = status;
	*reg(E1000_RDH) = (head + 1) % RING;
	*reg(E1000_ICR) |= E1000_ICR_RXT0;
	return true;
}

static void interrupt(void)
{
	irq_fn(irq_arg);
}

static void receive(struct netdev *dev, struct netbuf *nb)
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
	memset(&card, 0, sizeof(card));
	irq_result = 0;
	got_frames = 0;
	return 0;
}

static void probe(void)
{
	assert_int_equal(e1000_probe(&pci, &nd), 0);
	nd->receive = receive;
	for (unsigned i = 0; i < ARRAY_SIZE(all_nd); i++) {
		if (!all_nd[i]) {
			all_nd[i] = nd;
			break;
		}
	}
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

static void test_bring_up(void **state)
{
	static const uint8_t mac[ETH_ALEN] = {0x52, 0x54, 0, 9, 0, 1};

	probe();
	assert_memory_equal(nd->mac, mac, ETH_ALEN);
	assert_int_equal(nd->frame_max, 1514);
	assert_true(nd->ops->link_up(nd));
	assert_int_equal(*reg(E1000_RDLEN), 4096);
	assert_int_equal(*reg(E1000_TDLEN), 4096);
	assert_true(*reg(E1000_RCTL) & E1000_RCTL_UPE);
	assert_false(*reg(E1000_RCTL) & E1000_RCTL_LPE);
	assert_true(*reg(E1000_TCTL) & E1000_TCTL_EN);
	assert_true(*reg(E1000_CTRL) & E1000_CTRL_SLU);
	assert_int_equal(*reg(E1000_IMS), 0xd4);
	assert_int_equal(nd->ops->send_room(nd), RING - 1);
}

static void test_other_devices_and_failures(void **state)
{
	struct pci_dev d = pci;
	unsigned before = netbuf_free_count();

	d.device = 0x10d3;
	assert_int_equal(e1000_probe(&d, &nd), -E_NOENT);
	d = pci;
	d.bar[0] = 0;
	assert_int_equal(e1000_probe(&d, &nd), -E_NOENT);
	card.stuck = true;
	assert_int_equal(e1000_probe(&pci, &nd), -E_IO);
	card.stuck = false;
	for (int i = 0; i < 3; i++) {
		fake_alloc_countdown = i;
		assert_int_equal(e1000_probe(&pci, &nd), -E_NOMEM);
	}
	fake_alloc_countdown = -1;
	assert_int_equal(netbuf_free_count(), before);
	assert_int_equal(fake_alloc_live, 0);
}

static void test_mac_from_eeprom(void **state)
{
	static const uint8_t mac[ETH_ALEN] = {0x52, 0x54, 0, 9, 0, 7};

	card.no_ral = true;
	probe();
	assert_memory_equal(nd->mac, mac, ETH_ALEN);
}

static void test_transmit_wraps_and_pads(void **state)
{
	unsigned before;

	probe();
	before = netbuf_free_count();
	for (unsigned i = 0; i < 3 * RING; i++) {
		assert_int_equal(nd->ops->send(nd, frame(i, 20)), 0);
		assert_int_equal(card.sent_len[i], ETH_MIN_LEN);
		assert_int_equal(card.sent[i][19], (uint8_t)i);
		for (unsigned b = 20; b < ETH_MIN_LEN; b++)
			assert_int_equal(card.sent[i][b], 0);
	}
	assert_int_equal(card.sent_count, 3 * RING);
	nd->ops->poll(nd);
	assert_int_equal(netbuf_free_count(), before);
	assert_int_equal(nd->stats.tx_frames, 3 * RING);
}

static void test_transmit_ring_full(void **state)
{
	struct netbuf *nb;
	unsigned before;

	probe();
	before = netbuf_free_count();
	card.tx_stalled = true;
	for (unsigned i = 0; i < RING - 1; i++)
		assert_int_equal(nd->ops->send(nd, frame(i, 100)), 0);
	assert_int_equal(nd->ops->send_room(nd), 0);
	nb = frame(0, 100);
	assert_int_equal(nd->ops->send(nd, netbuf_get(nb)), -E_AGAIN);
	assert_int_equal(nb->refs, 1); /* its reference was taken in this case too */
	netbuf_put(nb);
	assert_int_equal(nd->stats.tx_dropped, 1);
	card.tx_stalled = false;
	card_transmit();
	assert_int_equal(nd->ops->send_room(nd), RING - 1);
	assert_int_equal(netbuf_free_count(), before);
	assert_int_equal(card.sent_count, RING - 1);
}

static void test_receive_many(void **state)
{
	uint8_t data[1514];
	unsigned before;

	probe();
	before = netbuf_free_count();
	for (unsigned i = 0; i < 5 * RING; i++) {
		memset(data, i, sizeof(data));
		assert_true(card_receive(data, 60 + i % 1455, 3, 0));
		if (i % 50 == 49)
			interrupt();
	}
	interrupt();
	assert_int_equal(got_frames, 5 * RING);
	assert_int_equal(got_last[0], (uint8_t)(5 * RING - 1));
	assert_int_equal(got_len, 60 + (5 * RING - 1) % 1455);
	assert_int_equal(netbuf_free_count(), before);
	assert_int_equal(nd->stats.rx_frames, 5 * RING);
}

static void test_receive_full_ring(void **state)
{
	uint8_t data[60] = {0};
	unsigned n = 0;

	probe();
	while (card_receive(data, 60, 3, 0))
		n++;
	assert_int_equal(n, RING - 1);
	interrupt();
	assert_int_equal(got_frames, n);
	assert_true(card_receive(data, 60, 3, 0));
	interrupt();
	assert_int_equal(got_frames, n + 1);
}

static void test_receive_bad_frames(void **state)
{
	uint8_t data[2048] = {0};

	probe();
	card_receive(data, 60, 3, 0x01);      /* CRC error */
	card_receive(data, 60, 3, 0x80);      /* receive data error */
	card_receive(data, 13, 3, 0);	      /* no whole header */
	card_receive(data, 1515, 3, 0);	      /* longer than agreed */
	card_receive(NULL, UINT16_MAX, 3, 0); /* longer than the buffer */
	card_receive(data, 2048, 1, 0);	      /* first of three parts */
	card_receive(data, 2048, 1, 0);
	card_receive(data, 60, 3, 0);
	interrupt();
	assert_int_equal(got_frames, 0);
	assert_int_equal(nd->stats.rx_errors, 6);
	card_receive(data, 60, 3, 0x20); /* a checksum that is not ours to judge */
	interrupt();
	assert_int_equal(got_frames, 1);
}

/* IEEE 802.3ac: a tag makes the frame four bytes longer, not its payload shorter. */
static void test_receive_tagged(void **state)
{
	uint8_t data[2048] = {0};

	probe();
	assert_true(nd->tag_fits);
	data[12] = 0x81;
	card_receive(data, 1518, 3, 0);
	card_receive(data, 1519, 3, 0); /* too long all the same */
	data[12] = 0x88;
	card_receive(data, 1518, 3, 0); /* no tag */
	interrupt();
	assert_int_equal(got_frames, 1);
	assert_int_equal(got_len, 1518);
	assert_int_equal(nd->stats.rx_errors, 2);
}

static void test_empty_pool_drops_but_keeps_the_ring(void **state)
{
	static struct netbuf *all[COUNT];
	uint8_t data[60] = {0};
	unsigned n = 0;

	probe();
	while ((all[n] = netbuf_alloc()))
		n++;
	for (unsigned i = 0; i < 1000; i++) {
		assert_true(card_receive(data, 60, 3, 0));
		interrupt();
	}
	assert_int_equal(got_frames, 0);
	assert_int_equal(nd->stats.rx_dropped, 1000);
	while (n)
		netbuf_put(all[--n]);
	assert_true(card_receive(data, 60, 3, 0));
	interrupt();
	assert_int_equal(got_frames, 1);
}

static void test_polls_without_interrupts(void **state)
{
	uint8_t data[60] = {0};

	irq_result = -E_NOTSUP;
	probe();
	assert_int_equal(*reg(E1000_IMS), 0);
	card_receive(data, 60, 3, 0);
	fake_timers_run_until(fake_time_ns + NS_PER_MS);
	assert_int_equal(got_frames, 1);
}

static void test_notices_a_dead_interrupt_line(void **state)
{
	uint8_t data[60] = {0};

	probe();
	for (unsigned i = 0; i < 3; i++) {
		card_receive(data, 60, 3, 0);
		fake_timers_run_until(fake_time_ns + 100 * NS_PER_MS);
		assert_int_equal(got_frames, i + 1); /* late, not lost */
	}
	assert_non_null(strstr(fake_log_last, "polling"));
	card_receive(data, 60, 3, 0);
	fake_timers_run_until(fake_time_ns + NS_PER_MS);
	assert_int_equal(got_frames, 4);
}

static void test_healthy_line_is_not_suspected(void **state)
{
	uint8_t data[60] = {0};

	probe();
	for (unsigned i = 0; i < 20; i++) {
		card_receive(data, 60, 3, 0); /* lies there when the watchdog looks first */
		fake_timers_run_until(fake_time_ns + 100 * NS_PER_MS);
		interrupt();
		card_receive(data, 60, 3, 0);
		interrupt();
	}
	assert_int_equal(got_frames, 40);
	assert_null(strstr(fake_log_last, "polling"));
}

static void test_shared_line(void **state)
{
	probe();
	*reg(E1000_ICR) = 0;
	interrupt(); /* somebody else's */
	assert_int_equal(nd->stats.interrupts, 0);
	*reg(E1000_ICR) = E1000_ICR_LSC;
	*reg(E1000_STATUS) = 0;
	interrupt();
	assert_non_null(strstr(fake_log_last, "down"));
	assert_false(nd->ops->link_up(nd));
}

#define T(f) cmocka_unit_test_setup(f, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_bring_up),
	    T(test_other_devices_and_failures),
	    T(test_mac_from_eeprom),
	    T(test_transmit_wraps_and_pads),
	    T(test_transmit_ring_full),
	    T(test_receive_many),
	    T(test_receive_full_ring),
	    T(test_receive_bad_frames),
	    T(test_receive_tagged),
	    T(test_empty_pool_drops_but_keeps_the_ring),
	    T(test_polls_without_interrupts),
	    T(test_notices_a_dead_interrupt_line),
	    T(test_healthy_line_is_not_suspected),
	    T(test_shared_line),
	};

	return cmocka_run_group_tests_name("e1000", tests, NULL, NULL);
}
