/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The virtio network card as a driver sees it, on a real switch with one neighbour:
 * frames both ways, merged buffers, no room, hostile rings, a move.
 */
#include <stdlib.h>
#include <string.h>
#include "tests/unit/fake_guest.h"
#include "tests/unit/fake_vm.h"
#include "vmm/dev/vnet_queues.h"

#define SLOT	16
#define GSI	16
#define QSIZE	16
#define BAR	0xc0000000
#define NOTIFY	(BAR + 0x3000)
#define CONFIG	(BAR + 0x2000)
#define BUFFERS 0x100000
#define BUF_LEN 2048
#define COUNT	512

#define FEATURES                                                                                   \
	(VIRTIO_F_VERSION_1 | VNET_F_CSUM | VNET_F_MAC | VNET_F_MRG_RXBUF | VNET_F_HOST_TSO4)

static struct vm *vm;
static struct vnet *d;
static struct net_switch sw;
static struct network *lan;
static struct guest_port neighbour;
static uint8_t heard[64][2048];
static unsigned heard_len[64], heard_count;

static const struct vm_nic_config cfg = {
    .name = "eth0", .network = "lan", .mac = {0x52, 0x54, 0, 0, 0, 9}};
static const uint8_t neighbour_mac[6] = {0x52, 0x54, 0, 0, 0, 7};

/* ---- the neighbour ---- */

static void neighbour_receive(struct guest_port *p, struct netbuf *nb)
{
	if (heard_count < ARRAY_SIZE(heard)) {
		memcpy(heard[heard_count], nb->data, nb->len);
		heard_len[heard_count] = nb->len;
	}
	heard_count++;
	netbuf_put(nb);
}

static void fill_frame(uint8_t *f, const uint8_t *dst, const uint8_t *src, unsigned len)
{
	for (unsigned i = 0; i < len; i++)
		f[i] = i * 5 + len;
	memcpy(f, dst, 6);
	memcpy(f + 6, src, 6);
	f[12] = 0x08;
	f[13] = 0x00;
}

static void to_guest(unsigned len)
{
	struct netbuf *nb = network_frame_alloc();

	assert_non_null(nb);
	fill_frame(nb->data, cfg.mac, neighbour_mac, len);
	nb->len = len;
	assert_int_equal(network_send(&neighbour, nb), 0);
	fake_run(NS_PER_MS);
}

/* ---- the driver ---- */

static gpa_t ring(unsigned q)
{
	return 0x10000 + q * 0x10000;
}

static gpa_t avail_ring(unsigned q)
{
	return ring(q) + 0x1000;
}

static gpa_t used_ring(unsigned q)
{
	return ring(q) + 0x2000;
}

static void put(gpa_t gpa, uint64_t value, size_t size)
{
	fake_guest_put(vm, gpa, &value, size);
}

static uint64_t get(gpa_t gpa, size_t size)
{
	uint64_t v = 0;

	fake_guest_get(vm, gpa, &v, size);
	return v;
}

static void out(gpa_t gpa, unsigned size, uint64_t value)
{
	iobus_write(&vm->mmio, gpa, size, value);
}

static void desc(unsigned q, unsigned i, gpa_t addr, uint32_t len, uint16_t flags, uint16_t next)
{
	put(ring(q) + 16 * i, addr, 8);
	put(ring(q) + 16 * i + 8, len, 4);
	put(ring(q) + 16 * i + 12, flags, 2);
	put(ring(q) + 16 * i + 14, next, 2);
}

static void offer(unsigned q, uint16_t head)
{
	uint16_t idx = get(avail_ring(q) + 2, 2);

	put(avail_ring(q) + 4 + 2 * (idx % QSIZE), head, 2);
	put(avail_ring(q) + 2, (uint16_t)(idx + 1), 2);
}

static void kick(unsigned q)
{
	out(NOTIFY + 4 * q, 2, q);
}

static unsigned used_count(unsigned q)
{
	return get(used_ring(q) + 2, 2);
}

static uint32_t used_len(unsigned q, unsigned i)
{
	return get(used_ring(q) + 8 + 8 * (i % QSIZE), 4);
}

static gpa_t buffer(unsigned i)
{
	return BUFFERS + i * BUF_LEN;
}

/* A receive buffer of len bytes, descriptor i. */
static void give_buffer(unsigned i, uint32_t len)
{
	desc(VNET_RX, i, buffer(i), len, 2, 0);
	offer(VNET_RX, i);
}

/* The packet in tx buffer (slot 20 on): header and frame in one descriptor. */
static gpa_t send_packet(unsigned i, const struct vnet_hdr *h, const uint8_t *frame, uint32_t len)
{
	gpa_t at = BUFFERS + 0x40000 + i * 0x11000;

	fake_guest_put(vm, at, h, sizeof(*h));
	fake_guest_put(vm, at + sizeof(*h), frame, len);
	desc(VNET_TX, i, at, sizeof(*h) + len, 0, 0);
	offer(VNET_TX, i);
	kick(VNET_TX);
	return at;
}

static void send_frame(unsigned i, unsigned len)
{
	static const struct vnet_hdr none;
	uint8_t frame[2048];

	fill_frame(frame, neighbour_mac, cfg.mac, len);
	send_packet(i, &none, frame, len);
	fake_run(NS_PER_MS);
}

static void start_driver(uint64_t features)
{
	out(BAR + 20, 1, 0);
	out(BAR + 20, 1, 3);
	out(BAR + 8, 4, 0);
	out(BAR + 12, 4, features);
	out(BAR + 8, 4, 1);
	out(BAR + 12, 4, features >> 32);
	out(BAR + 20, 1, 11);
	for (unsigned q = 0; q < 2; q++) {
		put(avail_ring(q), 0, 4);
		put(used_ring(q), 0, 4);
		out(BAR + 22, 2, q);
		out(BAR + 24, 2, QSIZE);
		out(BAR + 32, 8, ring(q));
		out(BAR + 40, 8, avail_ring(q));
		out(BAR + 48, 8, used_ring(q));
		out(BAR + 28, 2, 1);
	}
	out(BAR + 20, 1, 15);
	assert_int_equal(iobus_read(&vm->mmio, BAR + 20, 1), 15);
}

static struct vm *machine(struct vnet **out_d)
{
	struct vm *m = fake_vm_create(8 * MiB, 1);

	fake_guest_create(m);
	m->clock.running = true;
	assert_int_equal(vpci_create(m), 0);
	assert_int_equal(vnet_create(m, SLOT, &cfg, out_d), 0);
	vpci_assign(m->vpci);
	return m;
}

static void run_on(struct vnet *x)
{
	x->v.vdev.ops->resume(&x->v.vdev);
}

static int setup(void **state)
{
	vm = machine(&d);
	switch_init(&sw, NULL);
	neighbour = (struct guest_port){.name = "n", .receive = neighbour_receive};
	memcpy(neighbour.mac, neighbour_mac, 6);
	assert_int_equal(network_attach(lan, &neighbour), 0);
	heard_count = 0;
	run_on(d);
	fake_run(NS_PER_MS);
	/* the card says that it is here: RARP, to all */
	assert_int_equal(heard_count, 1);
	assert_memory_equal(heard[0] + 6, cfg.mac, 6);
	heard_count = 0;
	fake_msis = 0;
	start_driver(FEATURES);
	return 0;
}

static int teardown(void **state)
{
	network_detach(&neighbour);
	fake_guest_destroy(vm);
	fake_vm_destroy(vm);
	return netbuf_free_count() == COUNT ? 0 : -1;
}

static void what_the_driver_sees(void **state)
{
	for (unsigned i = 0; i < 6; i++)
		assert_int_equal(iobus_read(&vm->mmio, CONFIG + i, 1), cfg.mac[i]);
	assert_int_equal(iobus_read(&vm->mmio, CONFIG + 6, 2), 1);     /* link up */
	assert_int_equal(iobus_read(&vm->mmio, CONFIG + 10, 2), 1500); /* MTU */
	assert_int_equal(iobus_read(&vm->mmio, BAR + 18, 2), 2);
	assert_int_equal(state_table_gap(d->v.vdev.ops->table), 0);
}

static void a_frame_to_the_guest(void **state)
{
	uint8_t expected[100];
	struct vnet_hdr h;

	give_buffer(0, BUF_LEN);
	kick(VNET_RX);
	assert_int_equal(used_count(VNET_RX), 0);
	fake_guest_clean();
	to_guest(100);
	assert_int_equal(used_count(VNET_RX), 1);
	assert_int_equal(used_len(VNET_RX, 0), sizeof(h) + 100);
	fake_guest_get(vm, buffer(0), &h, sizeof(h));
	assert_int_equal(h.num_buffers, 1);
	assert_int_equal(h.flags, 0);
	fill_frame(expected, cfg.mac, neighbour_mac, 100);
	uint8_t got[100];

	fake_guest_get(vm, buffer(0) + sizeof(h), got, 100);
	assert_memory_equal(got, expected, 100);
	assert_true(fake_guest_is_dirty(buffer(0)));
	assert_true(fake_guest_is_dirty(used_ring(VNET_RX)));
	assert_true(fake_irq_level[GSI]);
}

static void a_frame_over_several_buffers(void **state)
{
	uint8_t expected[1514], got[1514];

	for (unsigned i = 0; i < 3; i++)
		give_buffer(i, 600);
	to_guest(1514);
	assert_int_equal(used_count(VNET_RX), 3); /* 600 + 600 + 326 */
	assert_int_equal(used_len(VNET_RX, 0), 600);
	assert_int_equal(used_len(VNET_RX, 2), 1514 + 12 - 1200);
	assert_int_equal(get(buffer(0) + 10, 2), 3);
	fake_guest_get(vm, buffer(0) + 12, got, 588);
	fake_guest_get(vm, buffer(1), got + 588, 600);
	fake_guest_get(vm, buffer(2), got + 1188, 326);
	fill_frame(expected, cfg.mac, neighbour_mac, 1514);
	assert_memory_equal(got, expected, 1514);
}

static void frames_wait_for_buffers(void **state)
{
	for (unsigned i = 0; i < 3; i++)
		to_guest(1000 + i);
	assert_int_equal(used_count(VNET_RX), 0);
	give_buffer(0, 600); /* half a frame's room: nothing may be used up */
	kick(VNET_RX);
	assert_int_equal(used_count(VNET_RX), 0);
	give_buffer(1, 600);
	kick(VNET_RX);
	assert_int_equal(used_count(VNET_RX), 2);
	give_buffer(2, BUF_LEN);
	give_buffer(3, BUF_LEN);
	kick(VNET_RX);
	assert_int_equal(used_count(VNET_RX), 4);
	assert_int_equal(used_len(VNET_RX, 3), 1002 + 12);
}

static void the_backlog_is_bounded(void **state)
{
	unsigned before = netbuf_free_count();

	for (unsigned i = 0; i < 2 * VNET_BACKLOG_MAX; i++)
		to_guest(60);
	assert_int_equal(before - netbuf_free_count(), VNET_BACKLOG_MAX);
	assert_int_equal(d->port.stats.rx_dropped, VNET_BACKLOG_MAX);
}

static void without_merging_one_buffer_holds_a_frame(void **state)
{
	start_driver(VIRTIO_F_VERSION_1);
	give_buffer(0, 600);
	give_buffer(1, BUF_LEN);
	to_guest(1514); /* the first buffer is too small for it: the frame is lost, no buffer is */
	assert_int_equal(used_count(VNET_RX), 0);
	assert_int_equal(d->port.stats.rx_dropped, 1);
	to_guest(500);
	assert_int_equal(used_count(VNET_RX), 1);
	to_guest(1514);
	assert_int_equal(used_count(VNET_RX), 2);
}

static void a_frame_from_the_guest(void **state)
{
	uint8_t expected[1514];

	send_frame(0, 1514);
	send_frame(1, 60);
	assert_int_equal(heard_count, 2);
	assert_int_equal(heard_len[0], 1514);
	fill_frame(expected, neighbour_mac, cfg.mac, 1514);
	assert_memory_equal(heard[0], expected, 1514);
	assert_int_equal(used_count(VNET_TX), 2);
	assert_int_equal(used_len(VNET_TX, 0), 0);
}

static void a_large_packet_is_cut(void **state)
{
	static uint8_t packet[14 + 20 + 20 + 40000];
	struct vnet_hdr h = {.flags = VNET_HDR_NEEDS_CSUM,
			     .gso_type = VNET_GSO_TCPV4,
			     .gso_size = 1000,
			     .csum_start = 34,
			     .csum_offset = 16};

	fill_frame(packet, neighbour_mac, cfg.mac, sizeof(packet));
	packet[14] = 0x45;
	packet[23] = 6;
	packet[46] = 0x50;
	send_packet(0, &h, packet, sizeof(packet));
	fake_run(10 * NS_PER_MS);
	assert_int_equal(heard_count, 40);
	for (unsigned i = 0; i < 40; i++) {
		assert_int_equal(heard_len[i], 1054);
		assert_memory_equal(heard[i] + 54, packet + 54 + 1000 * i, 1000);
	}
	assert_int_equal(used_count(VNET_TX), 1);
	h.gso_type = VNET_GSO_TCPV6; /* not negotiated: dropped, counted, returned */
	send_packet(1, &h, packet, sizeof(packet));
	assert_int_equal(used_count(VNET_TX), 2);
	assert_int_equal(heard_count, 40);
	assert_int_equal(d->port.stats.filtered, 1);
}

/* Off its network (somebody has the MAC there) it must not wait for room that never comes. */
static void a_card_without_a_network(void **state)
{
	announce_stop(&d->announce);
	network_detach(&d->port);
	send_frame(0, 60);
	assert_int_equal(used_count(VNET_TX), 1);
	assert_int_equal(heard_count, 0);
	assert_int_equal(fake_timers_armed(), 0);
}

static void a_vector_for_each_queue(void **state)
{
	for (unsigned i = 0; i < 3; i++) {
		out(BAR + 0x4000 + 16 * i, 8, 0xfee00000);
		out(BAR + 0x4000 + 16 * i + 8, 4, 0x60 + i);
		out(BAR + 0x4000 + 16 * i + 12, 4, 0);
	}
	out(BAR + 16, 2, 0);
	for (unsigned q = 0; q < 2; q++) {
		out(BAR + 22, 2, q);
		out(BAR + 26, 2, q + 1);
		assert_int_equal(iobus_read(&vm->mmio, BAR + 26, 2), q + 1);
	}
	out(BAR + 26, 2, 9); /* no such vector */
	assert_int_equal(iobus_read(&vm->mmio, BAR + 26, 2), MSIX_NO_VECTOR);
	out(BAR + 26, 2, 2);
	iobus_write(&vm->ports, 0xcf8, 4, 0x80000000 | SLOT << 11 | d->v.msix.cap);
	iobus_write(&vm->ports, 0xcfe, 2, 0x8000);
	give_buffer(0, BUF_LEN);
	to_guest(60);
	assert_int_equal(fake_msis, 1);
	assert_int_equal(fake_msi_data, 0x61);
	send_frame(0, 60);
	assert_int_equal(fake_msi_data, 0x62);
	assert_false(fake_irq_level[GSI]);
	assert_int_equal(iobus_read(&vm->mmio, BAR + 0x1000, 1), 0); /* no ISR status */
}

static void broken(unsigned q)
{
	kick(q);
	assert_int_equal(iobus_read(&vm->mmio, BAR + 20, 1), 15 | 64);
	start_driver(FEATURES);
}

static void hostile_rings(void **state)
{
	uint8_t frame[100];

	desc(VNET_RX, 0, vm->mem.size, 2048, 2, 0); /* behind the end of memory */
	offer(VNET_RX, 0);
	to_guest(60);
	broken(VNET_RX);
	desc(VNET_RX, 0, buffer(0), 8, 2, 0); /* not even a header */
	offer(VNET_RX, 0);
	to_guest(60);
	broken(VNET_RX);
	desc(VNET_RX, 0, buffer(0), 2048, 0, 0); /* not writable */
	offer(VNET_RX, 0);
	to_guest(60);
	broken(VNET_RX);
	desc(VNET_TX, 0, UINT64_MAX - 100, 60, 0, 0);
	offer(VNET_TX, 0);
	broken(VNET_TX);
	desc(VNET_TX, 0, vm->mem.size - 20, 100, 0, 0);
	offer(VNET_TX, 0);
	broken(VNET_TX);
	desc(VNET_TX, 0, buffer(0), 5, 0, 0); /* shorter than the header: dropped */
	offer(VNET_TX, 0);
	kick(VNET_TX);
	assert_int_equal(used_count(VNET_TX), 1);
	/* a spoofed MAC leaves the card but not the switch */
	static const struct vnet_hdr none;

	fill_frame(frame, neighbour_mac, neighbour_mac, sizeof(frame));
	send_packet(1, &none, frame, sizeof(frame));
	fake_run(NS_PER_MS);
	assert_int_equal(heard_count, 0);
	assert_true(d->port.stats.filtered >= 2);
}

static void states_are_checked(void **state)
{
	struct vdev *vd = &d->v.vdev;
	struct vnet_state s = d->s;

	assert_int_equal(vd->ops->check(vd, &s), 0);
	s.mac[5]++;
	assert_int_equal(vd->ops->check(vd, &s), -E_INVAL);
	s = d->s;
	s.mtu = 1501;
	assert_int_equal(vd->ops->check(vd, &s), -E_INVAL);
	s.mtu = 10;
	assert_int_equal(vd->ops->check(vd, &s), -E_INVAL);
	s = d->s;
	s.v.queue[2].enabled = 1;
	assert_int_equal(vd->ops->check(vd, &s), -E_INVAL);
	/* somebody here has taken the MAC since the checks */
	s = d->s;
	network_detach(&d->port);
	network_detach(&neighbour);
	memcpy(neighbour.mac, cfg.mac, 6);
	assert_int_equal(network_attach(lan, &neighbour), 0);
	assert_int_equal(vd->ops->check(vd, &s), -E_INVAL);
}

/* Paused: frames gather and can be taken away; the target gets them, once, and goes on. */
static void a_move(void **state)
{
	struct vdev *src = &d->v.vdev;
	struct vnet *there;
	struct netbuf *nb;

	give_buffer(0, BUF_LEN);
	to_guest(60);
	assert_int_equal(used_count(VNET_RX), 1);
	src->ops->quiesce(src);
	give_buffer(1, BUF_LEN);
	kick(VNET_RX);
	to_guest(77);
	assert_int_equal(used_count(VNET_RX), 1);

	/* the other host's card has the same memory here, and is not on the network yet */
	there = calloc(1, sizeof(*there));
	assert_non_null(there);
	uint8_t buf[2048];
	int n = state_save(src->ops->table, &d->s, buf, sizeof(buf));

	assert_true(n > 0);
	assert_int_equal(state_load(src->ops->table, &there->s, buf, n), 0);
	assert_int_equal(src->ops->check(src, &there->s), 0);
	nb = vnet_take_frame(d);
	assert_non_null(nb);
	assert_null(vnet_take_frame(d));
	d->s = there->s;
	free(there);
	run_on(d);
	vnet_give_frame(d, nb);
	assert_int_equal(used_count(VNET_RX), 2);
	assert_int_equal(used_len(VNET_RX, 1), 77 + 12);
	send_frame(0, 60);
	assert_int_equal(heard_count, 1);
}

static int group_setup(void **state)
{
	fake_kernel_reset();
	if (netbuf_pool_init(1514, COUNT))
		return -1;
	switch_init(&sw, NULL);
	network_init(&sw, 1500);
	assert_int_equal(network_add("lan", true, 0), 0);
	lan = network_find("lan");
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(what_the_driver_sees, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_frame_to_the_guest, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_frame_over_several_buffers, setup, teardown),
	    cmocka_unit_test_setup_teardown(frames_wait_for_buffers, setup, teardown),
	    cmocka_unit_test_setup_teardown(the_backlog_is_bounded, setup, teardown),
	    cmocka_unit_test_setup_teardown(without_merging_one_buffer_holds_a_frame, setup,
					    teardown),
	    cmocka_unit_test_setup_teardown(a_frame_from_the_guest, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_large_packet_is_cut, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_card_without_a_network, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_vector_for_each_queue, setup, teardown),
	    cmocka_unit_test_setup_teardown(hostile_rings, setup, teardown),
	    cmocka_unit_test_setup_teardown(states_are_checked, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_move, setup, teardown),
	};

	return cmocka_run_group_tests(tests, group_setup, NULL);
}
