/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The virtio network card under a hostile driver: registers, rings, packets with
 * any header, frames from the wire, moves and spoilt states. Every frame that
 * leaves is one that the card may send; every buffer comes back to the pool.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/device.h"
#include "tests/unit/fake_guest.h"
#include "vmm/dev/vnet_queues.h"

#define SLOT   16
#define QSIZE  16
#define COUNT  256
#define BAR    0xc0000000
#define NOTIFY (BAR + 0x3000)
#define RINGS  0x10000 /* each queue's descriptors, avail, used at 0, 0x400, 0x800 */
#define DATA   0x20000

static struct net_switch sw;
static struct netdev nic;
static struct vnet *vnet;
static bool wire_full;

static const struct vm_nic_config cfg = {
    .name = "eth0", .network = "lan", .mac = {0x52, 0x54, 0, 0, 0, 9}};

static int wire_send(struct netdev *nd, struct netbuf *nb)
{
	assert_true(nb->len >= ETH_HLEN && nb->len <= 1514);
	assert_memory_equal(nb->data + 6, cfg.mac, 6);
	netbuf_put(nb);
	return 0;
}

static unsigned wire_room(struct netdev *nd)
{
	return wire_full ? 0 : 64;
}

static const struct netdev_ops wire_ops = {.send = wire_send, .send_room = wire_room};

static void out(struct vm *vm, gpa_t gpa, unsigned size, uint64_t value)
{
	iobus_write(&vm->mmio, gpa, size, value);
}

static gpa_t ring(unsigned q)
{
	return RINGS + 0x1000 * q;
}

/* As a driver starts: what the input wants of the offered features. */
static void start(struct vm *vm, uint32_t features)
{
	for (unsigned s = 0; s <= 3; s += s ? 2 : 1)
		out(vm, BAR + 20, 1, s);
	out(vm, BAR + 8, 4, 0);
	out(vm, BAR + 12, 4, features & vnet->v.features);
	out(vm, BAR + 8, 4, 1);
	out(vm, BAR + 12, 4, 1);
	out(vm, BAR + 20, 1, 11);
	for (unsigned q = 0; q < 2; q++) {
		out(vm, BAR + 22, 2, q);
		out(vm, BAR + 24, 2, QSIZE);
		out(vm, BAR + 32, 8, ring(q));
		out(vm, BAR + 40, 8, ring(q) + 0x400);
		out(vm, BAR + 48, 8, ring(q) + 0x800);
		out(vm, BAR + 28, 2, 1);
	}
	out(vm, BAR + 20, 1, 15);
}

static void offer(struct vm *vm, unsigned q, uint16_t head)
{
	gpa_t avail = ring(q) + 0x400;
	uint16_t idx;

	fake_guest_get(vm, avail + 2, &idx, 2);
	fake_guest_put(vm, avail + 4 + 2 * (idx % QSIZE), &head, 2);
	idx++;
	fake_guest_put(vm, avail + 2, &idx, 2);
}

/* Two descriptors in a chain, as a good driver would, then damaged. */
static void chain(struct vm *vm, struct fuzz *f, unsigned q, gpa_t at, uint32_t len)
{
	uint16_t head = fuzz_u8(f) % (QSIZE - 1), flags = q == VNET_RX ? 2 : 0;
	uint32_t first = MIN(len, 12u + fuzz_u8(f) % 8 * 100);
	struct {
		uint64_t addr;
		uint32_t len;
		uint16_t flags, next;
	} d[2] = {{at, first, flags | 1, head + 1}, {at + first, len - first, flags, 0}};

	fuzz_spoil(f, d, sizeof(d));
	fake_guest_put(vm, ring(q) + 16 * head, d, sizeof(d));
	offer(vm, q, head);
	out(vm, NOTIFY + 4 * q, 2, q);
}

/* Headers of a TCP packet of either kind behind a header that asks for anything. */
static void packet(struct vm *vm, struct fuzz *f)
{
	uint8_t bytes[12 + 14 + 40 + 60] = {0}, how = fuzz_u8(f);
	bool v4 = how & 1;
	struct vnet_hdr h = {.flags = how >> 1 & 1,
			     .gso_type = how & 4 ? v4 ? 1 : 4 : 0,
			     .gso_size = fuzz_u16(f),
			     .csum_start = v4 ? 34 : 54,
			     .csum_offset = 16};

	memcpy(bytes + 12, "\x52\x54\0\0\0\7", 6);
	memcpy(bytes + 18, cfg.mac, 6);
	bytes[24] = v4 ? 0x08 : 0x86;
	bytes[25] = v4 ? 0x00 : 0xdd;
	bytes[26] = v4 ? 0x45 : 0x60;
	bytes[35] = 6;
	bytes[12 + h.csum_start + 12] = 0x50 + (how & 0xa0);
	memcpy(bytes, &h, sizeof(h));
	fuzz_spoil(f, bytes, sizeof(bytes));
	fake_guest_put(vm, DATA, bytes, sizeof(bytes));
	chain(vm, f, VNET_TX, DATA, 12 + (how & 8 ? fuzz_u16(f) : fuzz_u8(f) * 6u));
}

static void from_wire(struct fuzz *f)
{
	struct netbuf *nb = netbuf_alloc();

	if (!nb)
		return;
	nb->len = MIN(ETH_HLEN + fuzz_u16(f) % 1600u, 1514u);
	memset(nb->data, 0x31, nb->len);
	memcpy(nb->data, cfg.mac, 6);
	memcpy(nb->data + 6, "\x52\x54\0\0\0\7\x08", 7);
	nb->data[13] = 0;
	nic.receive(&nic, nb);
}

static void other(struct vm *vm, struct fuzz *f)
{
	uint8_t how = fuzz_u8(f), bytes[16];

	switch (how % 8) {
	case 0:
		start(vm, fuzz_u32(f));
		break;
	case 1:
		out(vm, NOTIFY + 4 * (how >> 7), 2, how >> 7);
		break;
	case 2:
		wire_full = how >> 7;
		break;
	case 3:
		fuzz_bytes(f, bytes, sizeof(bytes));
		fake_guest_put(vm, RINGS + fuzz_u16(f) % 0x2000, bytes, how >> 4);
		break;
	case 4:
		from_wire(f);
		break;
	case 5:
		chain(vm, f, VNET_RX, DATA + 0x10000, fuzz_u8(f) * 16u);
		break;
	case 6: {
		struct netbuf *nb = vnet_take_frame(vnet);

		if (nb)
			vnet_give_frame(vnet, nb);
		break;
	}
	default:
		packet(vm, f);
		break;
	}
}

/* What stays for all inputs; it is none of the memory that a VM must give back. */
static void create_network(void)
{
	static bool done;
	int live = fake_alloc_live;

	if (done)
		return;
	done = true;
	nic = (struct netdev){.ops = &wire_ops, .frame_max = 1514, .send_max = 64};
	assert_int_equal(netbuf_pool_init(1514, COUNT), 0);
	switch_init(&sw, &nic);
	network_init(&sw, 1500);
	assert_int_equal(network_add("lan", true, 0), 0);
	fake_alloc_live = live;
}

static void create(struct vm *vm)
{
	create_network();
	assert_int_equal(netbuf_free_count(), COUNT);
	wire_full = false;
	fake_guest_create(vm);
	vm->clock.running = true;
	assert_int_equal(vpci_create(vm), 0);
	assert_int_equal(vnet_create(vm, SLOT, &cfg, &vnet), 0);
	vpci_assign(vm->vpci);
	vnet->v.vdev.ops->resume(&vnet->v.vdev);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct fuzz_window windows[] = {{false, 0xcf8, 8}, {true, BAR, 0x5000}};
	static const struct fuzz_device fd = {windows, 2, 1, create, other, NULL};

	return fuzz_device_run(&fd, data, size);
}
