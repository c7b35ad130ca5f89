/* SPDX-License-Identifier: BSD-2-Clause */
/* Networks of guests: who gets which frame, what is refused, tags, and who owns the buffer after.
 */
#include <stdio.h>
#include <string.h>

#include "tests/unit/fake_kernel.h"
#include "kernel/net/network.h"

#define COUNT 256
#define IPV4  0x0800
#define RING  16

static struct net_switch sw;
static struct netdev nic;
static struct switch_port host_port;
static struct guest_port a, b, c, tagged, alone_a, alone_b;
static struct network *lan, *dmz, *isolated;
static uint8_t wire[2048], heard[2048];
static unsigned wire_frames, wire_len, heard_len, wire_room_now, in_send;

static int wire_send(struct netdev *nd, struct netbuf *nb)
{
	if (!wire_room_now) {
		netbuf_put(nb);
		return -E_AGAIN;
	}
	wire_frames++;
	wire_len = nb->len;
	memcpy(wire, nb->data, nb->len);
	assert_true(nb->data_hpa == virt_to_hpa(nb->data));
	netbuf_put(nb);
	return 0;
}

static unsigned wire_room(struct netdev *nd)
{
	return wire_room_now;
}

static const struct netdev_ops wire_ops = {.send = wire_send, .send_room = wire_room};

static void guest_receive(struct guest_port *p, struct netbuf *nb)
{
	assert_int_equal(in_send, 0);
	assert_int_equal(nb->refs, 1);
	heard_len = nb->len;
	memcpy(heard, nb->data, nb->len);
	netbuf_put(nb);
}

static void host_receive(struct switch_port *p, struct netbuf *nb)
{
	netbuf_put(nb);
}

static const uint8_t *mac_of(uint8_t last)
{
	static uint8_t mac[ETH_ALEN];

	memcpy(mac, last == 0xff ? "\xff\xff\xff\xff\xff" : "\x52\x54\0\0\0", 5);
	mac[5] = last;
	return mac;
}

static void attach(struct network *net, struct guest_port *p, uint8_t last)
{
	memset(p, 0, sizeof(*p));
	memcpy(p->mac, mac_of(last), ETH_ALEN);
	p->name = "guest";
	p->receive = guest_receive;
	assert_int_equal(network_attach(net, p), 0);
}

static int setup(void **state)
{
	fake_kernel_reset();
	nic = (struct netdev){.ops = &wire_ops,
			      .name = "nic0",
			      .tag_fits = true,
			      .frame_max = 1514,
			      .send_max = RING,
			      .mac = {0x52, 0x54, 0, 0, 0, 1}};
	wire_frames = 0;
	wire_room_now = RING;
	switch_init(&sw, &nic);
	host_port = (struct switch_port){
	    .group = true, .receive = host_receive, .ethertype = ETH_TYPE_LINK};
	memcpy(host_port.mac, mac_of(1), ETH_ALEN);
	switch_attach(&sw, &host_port);
	network_init(&sw, 1500);
	assert_int_equal(network_add("lan", true, 0), 0);
	assert_int_equal(network_add("dmz", true, 0x234), 0);
	assert_int_equal(network_add("isolated", false, 0), 0);
	lan = network_find("lan");
	dmz = network_find("dmz");
	isolated = network_find("isolated");
	attach(lan, &a, 0xa);
	attach(lan, &b, 0xb);
	attach(lan, &c, 0xc);
	attach(dmz, &tagged, 0xd);
	attach(isolated, &alone_a, 0xe);
	attach(isolated, &alone_b, 0xf);
	return 0;
}

/* Every test ends with every buffer back in the pool. */
static int teardown(void **state)
{
	fake_timers_run_until(fake_time_ns + NS_PER_S);
	return netbuf_free_count() == COUNT ? 0 : -1;
}

static struct netbuf *frame(uint8_t dst, uint8_t src, uint16_t type)
{
	struct netbuf *nb = network_frame_alloc();

	assert_non_null(nb);
	for (unsigned i = 0; i < 60; i++)
		nb->data[i] = i;
	memcpy(nb->data, mac_of(dst), ETH_ALEN);
	memcpy(nb->data + ETH_ALEN, mac_of(src), ETH_ALEN);
	nb->data[12] = type >> 8;
	nb->data[13] = type & 0xff;
	nb->len = 60;
	return nb;
}

/* The same with a tag: what the wire brings. */
static struct netbuf *frame_tagged(uint8_t dst, uint8_t src, uint16_t type, uint16_t tci)
{
	struct netbuf *nb = frame(dst, src, type);

	netbuf_push(nb, 4);
	memmove(nb->data, nb->data + 4, 12);
	memcpy(nb->data + 12, (uint8_t[]){0x81, 0, tci >> 8, tci & 0xff}, 4);
	nb->len = 64;
	return nb;
}

static int send(struct guest_port *p, struct netbuf *nb)
{
	int err;

	in_send = 1;
	err = network_send(p, nb);
	in_send = 0;
	return err;
}

static void settle(void)
{
	fake_timers_run_until(fake_time_ns + NS_PER_MS);
}

#define assert_heard(pa, pb, pc)                                                                   \
	do {                                                                                       \
		settle();                                                                          \
		assert_int_equal(a.stats.rx_frames, pa);                                           \
		assert_int_equal(b.stats.rx_frames, pb);                                           \
		assert_int_equal(c.stats.rx_frames, pc);                                           \
	} while (0)

static void test_names(void **state)
{
	assert_ptr_equal(network_at(1), dmz);
	assert_null(network_at(3));
	assert_null(network_find("wan"));
	assert_int_equal(network_add("lan", false, 0), -E_EXIST);
	assert_int_equal(network_add("lan2", true, 0), -E_EXIST);
	assert_int_equal(network_add("dmz2", true, 0x234), -E_EXIST);
	assert_int_equal(network_add("x", true, 4095), -E_RANGE);
	assert_int_equal(network_add("x", false, 7), -E_RANGE);
	assert_int_equal(network_add("", false, 0), -E_RANGE);
	for (unsigned i = 3; i < NETWORKS_MAX; i++) {
		char name[8];

		snprintf(name, sizeof(name), "n%u", i);
		assert_int_equal(network_add(name, false, 0), 0);
	}
	assert_int_equal(network_add("x", false, 0), -E_NOSPC);
	assert_string_equal(network_nic_name(lan), "nic0");
	assert_string_equal(network_nic_name(isolated), "none");
}

static void test_mtu(void **state)
{
	assert_int_equal(network_mtu(lan), 1500);
	assert_int_equal(network_mtu(dmz), 1500);
	nic.tag_fits = false;
	assert_int_equal(network_mtu(lan), 1500);
	assert_int_equal(network_mtu(dmz), 1496);
	assert_int_equal(network_mtu(isolated), 1500);
	assert_int_equal(network_add("small", true, 9), 0);
	assert_int_equal(network_add("great", false, 0), 0);
	network_find("small")->mtu = 1400;
	network_find("great")->mtu = 9000;
	assert_int_equal(network_mtu(network_find("small")), 1400);
	assert_int_equal(network_mtu(network_find("great")), 1500); /* no more than the card's */
}

static void test_attach_refuses(void **state)
{
	struct guest_port p = {.receive = guest_receive, .name = "p"};

	assert_int_equal(network_attach(lan, &p), -E_INVAL); /* zero MAC */
	memcpy(p.mac, mac_of(0xff), ETH_ALEN);
	assert_int_equal(network_attach(lan, &p), -E_INVAL);
	memcpy(p.mac, mac_of(0xa), ETH_ALEN);
	assert_int_equal(network_attach(lan, &p), -E_EXIST);
	assert_int_equal(network_attach(dmz, &p), 0); /* another network */
	network_detach(&p);
	memcpy(p.mac, nic.mac, ETH_ALEN);
	assert_int_equal(network_attach(lan, &p), -E_EXIST);
	assert_int_equal(lan->port_count, 3);
}

static void test_between_guests(void **state)
{
	assert_int_equal(send(&a, frame(0xb, 0xa, IPV4)), 0);
	assert_int_equal(b.stats.rx_frames, 0); /* never inside the send */
	assert_heard(0, 1, 0);
	assert_int_equal(wire_frames, 0);
	assert_int_equal(heard_len, 60);
	assert_int_equal(heard[59], 59);
	assert_int_equal(a.stats.tx_frames, 1);
	assert_int_equal(a.stats.tx_bytes, 60);
	assert_int_equal(send(&a, frame(0xa, 0xa, IPV4)), 0); /* to itself: nobody */
	assert_heard(0, 1, 0);
	assert_int_equal(wire_frames, 0);
}

static void test_group_reaches_all_but_the_sender(void **state)
{
	assert_int_equal(send(&a, frame(0xff, 0xa, 0x0806)), 0);
	assert_heard(0, 1, 1);
	assert_int_equal(wire_frames, 1);
	assert_int_equal(wire_len, 60);
	assert_int_equal(tagged.stats.rx_frames + host_port.rx_frames, 0);
}

static void test_unknown_goes_to_the_wire_and_to_ports_without_filter(void **state)
{
	c.filter_off = true;
	assert_int_equal(send(&a, frame(0x99, 0xa, IPV4)), 0);
	assert_heard(0, 0, 1);
	assert_int_equal(wire_frames, 1);
	assert_int_equal(wire_len, 60);
}

static void test_from_the_wire(void **state)
{
	c.filter_off = true;
	nic.receive(&nic, frame(0xa, 0x99, IPV4));
	assert_heard(1, 0, 0);
	assert_int_equal(a.stats.wire_unicast, 1);
	nic.receive(&nic, frame(0xff, 0x99, 0x0806));
	assert_heard(2, 1, 1);
	assert_int_equal(a.stats.wire_unicast, 1);
	nic.receive(&nic, frame(0x77, 0x99, IPV4)); /* unknown: the port without filter */
	assert_heard(2, 1, 2);
	nic.receive(&nic, frame(0xff, 0xa, 0x0806)); /* a's own MAC: not back to a */
	assert_heard(2, 2, 3);
	assert_int_equal(a.stats.wire_own_mac, 1);
	assert_int_equal(tagged.stats.rx_frames, 0);
	assert_int_equal(wire_frames, 0);
}

static void test_tag_goes_in(void **state)
{
	struct netbuf *nb = frame(0x99, 0xd, IPV4);

	assert_int_equal(send(&tagged, nb), 0);
	assert_int_equal(wire_len, 64);
	assert_memory_equal(wire, mac_of(0x99), ETH_ALEN);
	assert_memory_equal(wire + ETH_ALEN, mac_of(0xd), ETH_ALEN);
	assert_memory_equal(wire + 12, "\x81\x00\x02\x34\x08\x00\x0e", 7);
	assert_int_equal(wire[63], 59);
}

/* Without headroom, or with a second owner, the frame is copied and the original stays as it was.
 */
static void test_tag_goes_into_a_copy(void **state)
{
	struct netbuf *nb = netbuf_alloc(), *kept;

	memset(nb->data, 0, 60);
	memcpy(nb->data, mac_of(0x99), ETH_ALEN);
	memcpy(nb->data + ETH_ALEN, mac_of(0xd), ETH_ALEN);
	nb->data[12] = 8;
	nb->len = 60;
	assert_int_equal(send(&tagged, nb), 0);
	assert_int_equal(wire_len, 64);
	kept = frame(0x99, 0xd, IPV4);
	assert_int_equal(send(&tagged, netbuf_get(kept)), 0);
	assert_int_equal(wire_len, 64);
	assert_int_equal(kept->len, 60);
	assert_memory_equal(kept->data + 12, "\x08\x00\x0e", 3);
	netbuf_put(kept);
}

static void test_tag_comes_off(void **state)
{
	nic.receive(&nic, frame_tagged(0xd, 0x99, IPV4, 0xa234)); /* priority 5 */
	settle();
	assert_int_equal(tagged.stats.rx_frames, 1);
	assert_int_equal(heard_len, 60);
	assert_memory_equal(heard, mac_of(0xd), ETH_ALEN);
	assert_memory_equal(heard + 6, mac_of(0x99), ETH_ALEN);
	assert_memory_equal(heard + 12, "\x08\x00\x0e", 3);
	nic.receive(&nic, frame_tagged(0xa, 0x99, IPV4, 0x234)); /* a is not on that VLAN */
	nic.receive(&nic, frame_tagged(0xd, 0x99, IPV4, 0x235));
	nic.receive(&nic, frame(0xd, 0x99, IPV4));
	assert_heard(0, 0, 0);
	assert_int_equal(tagged.stats.rx_frames, 1);
	assert_int_equal(sw.unclaimed, 3);
	nic.receive(&nic, frame_tagged(0xa, 0x99, IPV4, 0x2000)); /* VLAN 0 is no VLAN */
	assert_heard(1, 0, 0);
}

static void test_short_tagged_frame(void **state)
{
	for (unsigned len = 0; len < 18; len++) {
		struct netbuf *nb = frame_tagged(0xd, 0x99, IPV4, 0x234);

		nb->len = len;
		nic.receive(&nic, nb);
	}
	assert_int_equal(sw.unclaimed, 18);
	assert_int_equal(tagged.stats.rx_frames, 0);
}

static void test_isolated(void **state)
{
	assert_int_equal(send(&alone_a, frame(0xff, 0xe, IPV4)), 0);
	assert_int_equal(send(&alone_a, frame(0xf, 0xe, IPV4)), 0);
	assert_int_equal(send(&alone_a, frame(0xa, 0xe, IPV4)), 0);
	nic.receive(&nic, frame(0xf, 0x99, IPV4));
	settle();
	assert_int_equal(alone_b.stats.rx_frames, 2);
	assert_int_equal(wire_frames + a.stats.rx_frames, 0);
}

/* Frames that a guest may not send reach nobody: not the wire, not a guest, not the host. */
static void test_refused(void **state)
{
	static const uint16_t types[] = {ETH_TYPE_LINK, ETH_TYPE_AOE, 0x8100, 0x88a8, 0x9100};
	struct guest_port *from[] = {&a, &tagged, &alone_a};
	unsigned n = 0;

	for (unsigned i = 0; i < 3; i++) {
		from[i]->filter_off = true;
		for (unsigned t = 0; t < ARRAY_SIZE(types); t++) {
			assert_int_equal(send(from[i], frame(1, 0xaa, types[t])), -E_INVAL);
			assert_int_equal(send(from[i], frame(0xff, 0xaa, types[t])), -E_INVAL);
		}
		assert_int_equal(send(from[i], frame(0xb, 0xff, IPV4)), -E_INVAL);
		assert_int_equal(from[i]->stats.filtered, 11);
		assert_int_equal(from[i]->stats.tx_frames + from[i]->stats.tx_dropped, 0);
		n += wire_frames;
	}
	assert_heard(0, 0, 0);
	assert_int_equal(n + host_port.rx_frames + alone_b.stats.rx_frames, 0);
}

static void test_spoofed_source(void **state)
{
	assert_int_equal(send(&a, frame(0x99, 0xb, IPV4)), -E_INVAL);
	assert_int_equal(a.stats.filtered, 1);
	assert_int_equal(wire_frames, 0);
	a.filter_off = true;
	assert_int_equal(send(&a, frame(0x99, 0xb, IPV4)), 0);
	assert_int_equal(wire_frames, 1);
}

static void test_reserved_and_lengths(void **state)
{
	struct netbuf *nb;

	for (unsigned last = 0; last < 0x20; last++) {
		nb = frame(0x99, 0xa, IPV4);
		memcpy(nb->data, "\x01\x80\xc2\0\0", 5);
		nb->data[5] = last;
		assert_int_equal(send(&a, nb), last < 0x10 ? -E_INVAL : 0);
	}
	nb = frame(0x99, 0xa, IPV4);
	nb->len = 13;
	assert_int_equal(send(&a, nb), -E_INVAL);
	nb = frame(0x99, 0xa, IPV4);
	nb->len = 1515;
	assert_int_equal(send(&a, nb), -E_INVAL);
	nb = frame(0x99, 0xa, IPV4);
	nb->len = 14;
	assert_int_equal(send(&a, nb), 0);
	nb = frame(0x99, 0xa, IPV4);
	nb->len = 1514;
	assert_int_equal(send(&a, nb), 0);
	nb = frame(0x99, 0xd, IPV4);
	nb->len = 1514;
	assert_int_equal(send(&tagged, nb), 0);
	assert_int_equal(wire_len, 1518);
}

/* The host's own frames from the wire: for the host, never for guests, tagged or not. */
static void test_host_frames_stay_the_hosts(void **state)
{
	a.filter_off = tagged.filter_off = true;
	nic.receive(&nic, frame(0xff, 0x99, ETH_TYPE_LINK));
	nic.receive(&nic, frame(1, 0x99, ETH_TYPE_LINK));
	assert_int_equal(host_port.rx_frames, 2);
	nic.receive(&nic, frame(0xff, 0x99, ETH_TYPE_AOE));
	nic.receive(&nic, frame(0xa, 0x99, ETH_TYPE_AOE));
	nic.receive(&nic, frame_tagged(0xff, 0x99, ETH_TYPE_LINK, 0x234));
	nic.receive(&nic, frame_tagged(0xd, 0x99, 0x8100, 0x234)); /* a second tag */
	settle();
	assert_heard(0, 0, 0);
	assert_int_equal(host_port.rx_frames + tagged.stats.rx_frames, 2);
}

static void test_learning(void **state)
{
	b.filter_off = c.filter_off = true;
	assert_int_equal(send(&b, frame(0x99, 0x50, IPV4)), 0); /* 50 is behind b */
	wire_frames = 0;
	settle();
	c.stats.rx_frames = 0;
	assert_int_equal(send(&a, frame(0x50, 0xa, IPV4)), 0);
	assert_heard(0, 1, 0);
	assert_int_equal(wire_frames, 0);
	nic.receive(&nic, frame(0xa, 0x50, IPV4)); /* now it is outside */
	assert_int_equal(send(&a, frame(0x50, 0xa, IPV4)), 0);
	assert_heard(1, 1, 0);
	assert_int_equal(wire_frames, 1);
	assert_int_equal(b.learned, 0);
	nic.receive(&nic, frame(0x50, 0x99, IPV4)); /* known outside: not for b or c */
	assert_heard(1, 1, 0);
	fake_time_ns += (NETWORK_LEARN_OLD_S + 1) * NS_PER_S;
	nic.receive(&nic, frame(0x50, 0x98, IPV4)); /* forgotten: flooded */
	assert_heard(1, 2, 1);
}

/* A port's MAC is its own: nobody else can draw its frames by sending from it. */
static void test_port_mac_is_not_learned_elsewhere(void **state)
{
	c.filter_off = true;
	assert_int_equal(send(&c, frame(0x99, 0xb, IPV4)), 0);
	nic.receive(&nic, frame(0x99, 0xb, IPV4));
	settle();
	b.stats.rx_frames = c.stats.rx_frames = 0;
	assert_int_equal(send(&a, frame(0xb, 0xa, IPV4)), 0);
	assert_heard(0, 1, 0);
}

static void learn_many(struct guest_port *p, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		struct netbuf *nb = frame(p == &b ? 0xc : 0xb, 0, IPV4);

		memcpy(nb->data + ETH_ALEN, (uint8_t[]){2, p->mac[5], 0, 0, i >> 8, i & 0xff}, 6);
		assert_int_equal(send(p, nb), 0);
		settle();
		assert_in_range(p->learned, 1, NETWORK_LEARN_PORT);
	}
}

static void test_learning_is_bounded_per_port(void **state)
{
	b.filter_off = c.filter_off = true;
	assert_int_equal(send(&c, frame(0xb, 0x50, IPV4)), 0);
	settle();
	learn_many(&b, 1000);
	c.stats.rx_frames = b.stats.rx_frames = wire_frames = 0;
	assert_int_equal(send(&a, frame(0x50, 0xa, IPV4)), 0);
	assert_heard(0, 0, 1); /* b's thousand have not driven c's out */
	assert_int_equal(wire_frames, 0);
	assert_true(b.learned > NETWORK_LEARN_PORT / 2);
	network_detach(&b);
	for (unsigned i = 0; i < NETWORK_LEARN_MAX; i++)
		assert_ptr_not_equal(lan->macs[i].port, &b);
}

static void test_queue_is_bounded_per_sender(void **state)
{
	unsigned sent = 0;

	while (send(&a, frame(0xc, 0xa, IPV4)) == 0)
		assert_true(++sent <= NETWORK_QUEUE_MAX);
	assert_int_equal(sent, NETWORK_QUEUE_MAX);
	assert_int_equal(a.stats.tx_dropped, 1);
	assert_int_equal(network_send_room(&a), 0);
	assert_int_equal(send(&b, frame(0xc, 0xb, IPV4)), 0); /* another has its own queue */
	assert_heard(0, 0, sent + 1);
	assert_int_equal(network_send_room(&a), RING - RING / 4);
}

/* A flood from a does not delay b's frame behind all of it. */
static struct guest_port *order[256];
static unsigned order_count;

static void note_order(struct guest_port *p, struct netbuf *nb)
{
	order[order_count++] = nb->data[11] == 0xa ? &a : &b;
	netbuf_put(nb);
}

static void test_senders_take_turns(void **state)
{
	order_count = 0;
	c.receive = note_order;
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(send(&a, frame(0xc, 0xa, IPV4)), 0);
	assert_int_equal(send(&b, frame(0xc, 0xb, IPV4)), 0);
	settle();
	assert_int_equal(order_count, 21);
	assert_ptr_equal(order[1], &b);
}

static void test_a_part_of_the_ring_is_the_hosts(void **state)
{
	wire_room_now = RING / 4 + 1;
	assert_int_equal(network_send_room(&a), 1);
	assert_int_equal(send(&a, frame(0x99, 0xa, IPV4)), 0);
	wire_room_now = RING / 4;
	assert_int_equal(network_send_room(&a), 0);
	assert_int_equal(send(&a, frame(0xff, 0xa, IPV4)), -E_AGAIN);
	assert_int_equal(a.stats.tx_dropped, 1);
	assert_heard(0, 0, 0); /* all or nothing */
	assert_int_equal(wire_frames, 1);
	assert_int_equal(send(&alone_a, frame(0xf, 0xe, IPV4)), 0); /* not its ring */
	assert_int_equal(switch_send_room(&sw), RING / 4);
}

/* With few buffers left guests wait, so that the NIC still gets some. */
static void test_scarce_buffers(void **state)
{
	struct netbuf *all[COUNT], *nb = frame(0xff, 0xa, IPV4);
	unsigned n = 0;

	while (!netbuf_is_scarce())
		all[n++] = netbuf_alloc();
	assert_null(network_frame_alloc());
	assert_int_equal(send(&a, nb), -E_AGAIN);
	assert_int_equal(wire_frames, 0);
	while (n)
		netbuf_put(all[--n]);
	assert_heard(0, 0, 0);
}

static void test_detach(void **state)
{
	assert_int_equal(send(&a, frame(0xc, 0xa, IPV4)), 0);
	assert_int_equal(send(&b, frame(0xc, 0xb, IPV4)), 0);
	network_detach(&c);
	network_detach(&b); /* its frame waits */
	network_detach(&b);
	settle();
	assert_int_equal(a.stats.rx_frames + c.stats.rx_frames, 0);
	assert_int_equal(send(&b, frame(0xa, 0xb, IPV4)), -E_INVAL);
	assert_int_equal(network_send_room(&b), 0);
	assert_ptr_equal(network_port_at(lan, 0), &a);
	assert_null(network_port_at(lan, 1));
	nic.receive(&nic, frame(0xc, 0x99, IPV4));
	settle();
	assert_int_equal(c.stats.rx_frames, 0);
}

static void test_host_without_nic(void **state)
{
	switch_init(&sw, NULL);
	network_init(&sw, 1500);
	assert_int_equal(network_add("lan", true, 0), 0);
	attach(network_find("lan"), &a, 0xa);
	attach(network_find("lan"), &b, 0xb);
	assert_int_equal(send(&a, frame(0xff, 0xa, IPV4)), 0);
	settle();
	assert_int_equal(b.stats.rx_frames, 1);
	assert_string_equal(network_nic_name(network_find("lan")), "no NIC");
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_names),
	    T(test_mtu),
	    T(test_attach_refuses),
	    T(test_between_guests),
	    T(test_group_reaches_all_but_the_sender),
	    T(test_unknown_goes_to_the_wire_and_to_ports_without_filter),
	    T(test_from_the_wire),
	    T(test_tag_goes_in),
	    T(test_tag_goes_into_a_copy),
	    T(test_tag_comes_off),
	    T(test_short_tagged_frame),
	    T(test_isolated),
	    T(test_refused),
	    T(test_spoofed_source),
	    T(test_reserved_and_lengths),
	    T(test_host_frames_stay_the_hosts),
	    T(test_learning),
	    T(test_port_mac_is_not_learned_elsewhere),
	    T(test_learning_is_bounded_per_port),
	    T(test_queue_is_bounded_per_sender),
	    T(test_senders_take_turns),
	    T(test_a_part_of_the_ring_is_the_hosts),
	    T(test_scarce_buffers),
	    T(test_detach),
	    T(test_host_without_nic),
	};

	if (netbuf_pool_init(1514, COUNT))
		return 1;
	return cmocka_run_group_tests_name("network", tests, NULL, NULL);
}
