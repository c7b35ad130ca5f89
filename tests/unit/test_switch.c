/* SPDX-License-Identifier: BSD-2-Clause */
/* Which port sees which frame, what goes to the wire, and who owns the buffer after. */
#include <string.h>

#include "tests/unit/fake_kernel.h"
#include "kernel/net/switch.h"

#define COUNT 64

static struct net_switch sw;
static struct netdev nic;
static struct switch_port link_port, peers_port, aoe_port, guest_a, guest_b;
static unsigned wire_frames;

static int wire_send(struct netdev *nd, struct netbuf *nb)
{
	wire_frames++;
	netbuf_put(nb);
	return 0;
}

static unsigned wire_room(struct netdev *nd)
{
	return 7;
}

static const struct netdev_ops wire_ops = {.send = wire_send, .send_room = wire_room};

static void port_count(struct switch_port *p, struct netbuf *nb)
{
	assert_int_equal(nb->refs, 1);
	netbuf_put(nb);
}

static void attach(struct switch_port *p, uint8_t last, uint16_t type, bool group)
{
	static const uint8_t base[ETH_ALEN] = {0x52, 0x54, 0, 0, 0, 0};

	memset(p, 0, sizeof(*p));
	memcpy(p->mac, base, ETH_ALEN);
	p->mac[5] = last;
	p->ethertype = type;
	p->group = group;
	p->receive = port_count;
	switch_attach(&sw, p);
}

static int setup(void **state)
{
	fake_kernel_reset();
	memset(&nic, 0, sizeof(nic));
	nic.ops = &wire_ops;
	wire_frames = 0;
	switch_init(&sw, &nic);
	attach(&guest_a, 0xa, 0, true);
	attach(&guest_b, 0xb, 0, true);
	attach(&link_port, 1, ETH_TYPE_LINK, false);
	attach(&peers_port, 0, ETH_TYPE_LINK, true);
	attach(&aoe_port, 1, ETH_TYPE_AOE, true);
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
	struct netbuf *nb = netbuf_alloc();

	memset(nb->data, 0, 60);
	memcpy(nb->data, dst == 0xff ? "\xff\xff\xff\xff\xff" : "\x52\x54\0\0\0", 5);
	nb->data[5] = dst;
	memcpy(nb->data + 6, "\x52\x54\0\0\0", 5);
	nb->data[11] = src;
	nb->data[12] = type >> 8;
	nb->data[13] = type;
	nb->len = 60;
	return nb;
}

static void test_uplink_unicast(void **state)
{
	nic.receive(&nic, frame(1, 9, ETH_TYPE_LINK));
	nic.receive(&nic, frame(1, 9, ETH_TYPE_AOE));
	nic.receive(&nic, frame(1, 9, 0x0800)); /* our MAC, nobody's type */
	nic.receive(&nic, frame(3, 9, ETH_TYPE_LINK));
	nic.receive(&nic, frame(0xa, 9, 0x0800));
	assert_int_equal(link_port.rx_frames, 1);
	assert_int_equal(link_port.rx_bytes, 60);
	assert_int_equal(aoe_port.rx_frames, 1);
	assert_int_equal(guest_a.rx_frames, 1);
	assert_int_equal(guest_b.rx_frames + peers_port.rx_frames, 0);
	assert_int_equal(sw.unclaimed, 2);
}

static void test_uplink_group(void **state)
{
	nic.receive(&nic, frame(0xff, 9, ETH_TYPE_LINK));
	assert_int_equal(link_port.rx_frames, 0);
	assert_int_equal(peers_port.rx_frames, 1);
	assert_int_equal(aoe_port.rx_frames, 0);
	assert_int_equal(guest_a.rx_frames, 1);
	assert_int_equal(guest_b.rx_frames, 1);
}

static void test_short_frame(void **state)
{
	struct netbuf *nb = frame(1, 9, ETH_TYPE_LINK);

	nb->len = 13;
	nic.receive(&nic, nb);
	assert_int_equal(sw.unclaimed, 1);
	nb = frame(9, 1, ETH_TYPE_LINK);
	nb->len = 13;
	assert_int_equal(switch_send(&link_port, nb), -E_INVAL);
	nb = frame(9, 1, ETH_TYPE_LINK);
	nb->len = 1515;
	assert_int_equal(switch_send(&link_port, nb), -E_INVAL);
	assert_int_equal(wire_frames, 0);
}

static void test_send_unknown_goes_to_the_wire_only(void **state)
{
	assert_int_equal(switch_send(&guest_a, frame(9, 0xa, 0x0800)), 0);
	fake_timers_run_until(NS_PER_MS);
	assert_int_equal(wire_frames, 1);
	assert_int_equal(guest_b.rx_frames, 0);
	assert_int_equal(switch_send_room(&sw), 7);
}

static void test_send_local_is_delivered_later_and_not_on_the_wire(void **state)
{
	struct netbuf *kept = frame(0xb, 0xa, 0x0800);

	assert_int_equal(switch_send(&guest_a, netbuf_get(kept)), 0);
	assert_int_equal(switch_send(&guest_a, netbuf_get(kept)), 0); /* again, while queued */
	assert_int_equal(guest_b.rx_frames, 0);
	fake_timers_run_until(NS_PER_MS);
	assert_int_equal(guest_b.rx_frames, 2);
	assert_int_equal(wire_frames, 0);
	netbuf_put(kept);
}

static void test_send_group_reaches_all_but_the_sender(void **state)
{
	assert_int_equal(switch_send(&guest_a, frame(0xff, 0xa, 0x0806)), 0);
	fake_timers_run_until(NS_PER_MS);
	assert_int_equal(wire_frames, 1);
	assert_int_equal(guest_a.rx_frames, 0);
	assert_int_equal(guest_b.rx_frames, 1);
}

static void test_empty_pool_loses_frames_only(void **state)
{
	struct netbuf *all[COUNT], *nb = frame(0xff, 9, 0x0806);
	unsigned n = 0;

	while ((all[n] = netbuf_alloc()))
		n++;
	nic.receive(&nic, nb); /* no buffer for the copies */
	assert_int_equal(guest_a.rx_frames + guest_b.rx_frames, 0);
	while (n)
		netbuf_put(all[--n]);
}

static void test_local_queue_is_bounded(void **state)
{
	for (unsigned i = 0; i < 1000; i++) {
		struct netbuf *nb = netbuf_alloc();

		if (!nb)
			break;
		netbuf_put(nb);
		assert_int_equal(switch_send(&guest_a, frame(0xb, 0xa, 0x0800)), 0);
	}
	fake_timers_run_until(NS_PER_MS);
	assert_int_equal(guest_b.rx_frames, COUNT);
}

static void test_detach(void **state)
{
	switch_detach(&guest_b);
	assert_int_equal(switch_send(&guest_a, frame(0xb, 0xa, 0x0800)), 0);
	fake_timers_run_until(NS_PER_MS);
	assert_int_equal(guest_b.rx_frames, 0);
	assert_int_equal(wire_frames, 1);
}

static void test_without_uplink(void **state)
{
	switch_detach(&guest_a);
	switch_init(&sw, NULL);
	switch_attach(&sw, &guest_a);
	assert_int_equal(switch_send(&guest_a, frame(9, 0xa, 0x0800)), 0);
	assert_int_not_equal(switch_send_room(&sw), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_uplink_unicast),
	    T(test_uplink_group),
	    T(test_short_frame),
	    T(test_send_unknown_goes_to_the_wire_only),
	    T(test_send_local_is_delivered_later_and_not_on_the_wire),
	    T(test_send_group_reaches_all_but_the_sender),
	    T(test_empty_pool_loses_frames_only),
	    T(test_local_queue_is_bounded),
	    T(test_detach),
	    T(test_without_uplink),
	};

	if (netbuf_pool_init(1514, COUNT))
		return 1;
	return cmocka_run_group_tests_name("switch", tests, NULL, NULL);
}
