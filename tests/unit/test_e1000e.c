/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the 82574 does otherwise than the 8254x (test_e1000.c has the rings): DMA comes
 * to rest before the reset, the EEPROM register has other bits, and a frame passes
 * each way.
 */
#include <string.h>

#include "tests/unit/fake_kernel.h"
#include "kernel/drivers/e1000e.h"
#include "kernel/drivers/e1000_regs.h"
#include "kernel/drivers/mmio.h"
#include "kernel/irq.h"

#define COUNT	      1024
#define MASTER_ENABLE BIT(19)
#define TXDCTL	      0x3828

static struct {
	uint32_t reg[E1000_REGS_SIZE / 4];
	bool stuck, busy, no_ral, no_eeprom;
	bool rested; /* DMA had come to rest before the reset */
	unsigned resets;
} card;

static void (*irq_fn)(void *arg);
static void *irq_arg;
static struct netdev *nd, *all_nd[8]; /* kept, for the leak checker */
static unsigned got_frames;

static const struct pci_dev pci = {.vendor = 0x8086,
				   .device = 0x10d3,
				   .irq_line = 11,
				   .bar = {0xfeb00000},
				   .bar_size = {E1000_REGS_SIZE}};

int irq_register(unsigned gsi, bool level, void (*fn)(void *arg), void *arg)
{
	irq_fn = fn;
	irq_arg = arg;
	return 0;
}

void pci_enable(const struct pci_dev *d)
{
}

volatile void *mmio_map(hpa_t base, uint64_t size)
{
	return card.reg;
}

static uint32_t *reg(unsigned r)
{
	return &card.reg[r / 4];
}

uint32_t mmio_read32(volatile void *base, unsigned r)
{
	static const uint16_t eeprom[3] = {0x5452, 0x0900, 0x0700};
	uint32_t v = *reg(r);

	if (r == E1000_ICR)
		*reg(r) = 0;
	if (r == E1000_EERD && (v & 1) && !card.no_eeprom)
		return 2 | (uint32_t)eeprom[v >> 2 & 3] << 16;
	return v;
}

void mmio_write32(volatile void *base, unsigned r, uint32_t value)
{
	*reg(r) = value;
	if (r == E1000_CTRL && (value & BIT(2)) && !card.busy)
		*reg(E1000_STATUS) &= ~(uint32_t)MASTER_ENABLE;
	if (r == E1000_CTRL && (value & E1000_CTRL_RST) && !card.stuck) {
		card.resets++;
		card.rested = !(*reg(E1000_STATUS) & MASTER_ENABLE);
		*reg(E1000_CTRL) = 0;
		*reg(E1000_STATUS) = E1000_STATUS_LU | MASTER_ENABLE;
		*reg(E1000_RAL0) = card.no_ral ? 0 : 0x09005452;
		*reg(E1000_RAH0) = card.no_ral ? 0 : 0x0100 | E1000_RAH_AV;
	}
}

static void receive(struct netdev *dev, struct netbuf *nb)
{
	got_frames++;
	assert_int_equal(nb->len, 60);
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
	*reg(E1000_STATUS) = MASTER_ENABLE;
	got_frames = 0;
	return 0;
}

static void probe(void)
{
	static unsigned n;

	assert_int_equal(e1000e_probe(&pci, &nd), 0);
	all_nd[n++] = nd;
	nd->receive = receive;
}

static void test_bring_up_and_traffic(void **state)
{
	static const uint8_t mac[ETH_ALEN] = {0x52, 0x54, 0, 9, 0, 1};
	volatile struct e1000_rx_desc *rx;
	volatile struct e1000_tx_desc *tx;
	struct netbuf *nb = netbuf_alloc();
	unsigned before;

	assert_non_null(nb);
	probe();
	assert_string_equal(nd->model, "82574L");
	assert_memory_equal(nd->mac, mac, ETH_ALEN);
	assert_int_equal(card.resets, 1);
	assert_true(card.rested);
	assert_true(*reg(TXDCTL) & BIT(22));
	assert_int_equal(*reg(E1000_TIPG), 8 | 8 << 10 | 6 << 20);
	before = netbuf_free_count();
	rx = (void *)(uintptr_t)(*reg(E1000_RDBAL) | (uint64_t)*reg(E1000_RDBAL + 4) << 32);
	tx = (void *)(uintptr_t)(*reg(E1000_TDBAL) | (uint64_t)*reg(E1000_TDBAL + 4) << 32);
	rx[0].length = 60;
	rx[0].status = E1000_RXD_DD | E1000_RXD_EOP;
	*reg(E1000_ICR) = BIT(31) | E1000_ICR_RXT0;
	irq_fn(irq_arg);
	assert_int_equal(got_frames, 1);
	nb->len = 100;
	assert_int_equal(nd->ops->send(nd, nb), 0);
	assert_int_equal(*reg(E1000_TDT), 1);
	assert_int_equal(tx[0].length, 100);
	tx[0].status = E1000_TXD_DD;
	nd->ops->poll(nd);
	assert_int_equal(netbuf_free_count(), before + 1);
}

static void test_mac_from_eeprom(void **state)
{
	static const uint8_t mac[ETH_ALEN] = {0x52, 0x54, 0, 9, 0, 7};

	card.no_ral = true;
	probe();
	assert_memory_equal(nd->mac, mac, ETH_ALEN);
	card.no_eeprom = true;
	assert_int_equal(e1000e_probe(&pci, &nd), -E_IO);
}

static void test_failures(void **state)
{
	struct pci_dev d = pci;

	d.device = 0x100e; /* e1000.c's */
	assert_int_equal(e1000e_probe(&d, &nd), -E_NOENT);
	d = pci;
	d.bar_is_io[0] = true;
	assert_int_equal(e1000e_probe(&d, &nd), -E_NOENT);
	card.stuck = true;
	assert_int_equal(e1000e_probe(&pci, &nd), -E_IO);
	card.stuck = false;
	card.busy = true; /* DMA does not come to rest: said, and reset */
	probe();
	assert_false(card.rested);
	assert_int_equal(fake_log_count, 3);
}

#define T(f) cmocka_unit_test_setup(f, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_bring_up_and_traffic),
	    T(test_mac_from_eeprom),
	    T(test_failures),
	};

	return cmocka_run_group_tests_name("e1000e", tests, NULL, NULL);
}
