/* SPDX-License-Identifier: BSD-2-Clause */
/* What a moved guest's new host says, byte by byte, when, and when it stops. */
#include <string.h>

#include "tests/unit/fake_kernel.h"
#include "kernel/net/announce.h"

#define COUNT 64
#define MAC   "\x52\x54\x00\x12\x34\x56"

static struct net_switch sw;
static struct netdev nic;
static struct guest_port port;
static struct announce announce;
static struct net_addrs addrs;
static unsigned rarps, arps, adverts, others, wire_room_now;
static uint64_t rarp_ms[32];

static int wire_send(struct netdev *nd, struct netbuf *nb)
{
	assert_memory_equal(nb->data + 6, MAC, 6);
	switch (eth_type(nb->data)) {
	case 0x8035:
		rarp_ms[rarps++ % 32] = fake_time_ns / NS_PER_MS;
		break;
	case 0x0806:
		arps++;
		break;
	case 0x86dd:
		adverts++;
		break;
	default:
		others++;
	}
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
	netbuf_put(nb);
}

static int setup(void **state)
{
	fake_kernel_reset();
	nic = (struct netdev){.ops = &wire_ops, .frame_max = 1514};
	rarps = arps = adverts = others = 0;
	wire_room_now = 100;
	memset(&addrs, 0, sizeof(addrs));
	memset(&announce, 0, sizeof(announce));
	switch_init(&sw, &nic);
	network_init(&sw, 1500);
	assert_int_equal(network_add("lan", true, 0), 0);
	port = (struct guest_port){.name = "web.net0", .receive = guest_receive};
	memcpy(port.mac, MAC, 6);
	assert_int_equal(network_attach(network_find("lan"), &port), 0);
	return 0;
}

/* Every test ends with every buffer back in the pool. */
static int teardown(void **state)
{
	announce_stop(&announce);
	network_detach(&port);
	return netbuf_free_count() == COUNT ? 0 : -1;
}

static void test_rarp_bytes(void **state)
{
	static const uint8_t good[60] = "\xff\xff\xff\xff\xff\xff" MAC "\x80\x35"
					"\x00\x01\x08\x00\x06\x04\x00\x03" MAC "\0\0\0\0" MAC;
	uint8_t f[ANNOUNCE_FRAME_MAX];

	memset(f, 0xee, sizeof(f));
	assert_int_equal(announce_build_rarp(f, (const uint8_t *)MAC), 60);
	assert_memory_equal(f, good, 60);
}

static void test_arp_bytes(void **state)
{
	static const uint8_t good[60] = "\xff\xff\xff\xff\xff\xff" MAC "\x08\x06"
					"\x00\x01\x08\x00\x06\x04\x00\x01" MAC "\x0a\x01\x02\x03"
					"\0\0\0\0\0\0\x0a\x01\x02\x03";
	uint8_t f[ANNOUNCE_FRAME_MAX];

	memset(f, 0xee, sizeof(f));
	assert_int_equal(announce_build_arp(f, (const uint8_t *)MAC, (const uint8_t *)"\x0a\1\2\3"),
			 60);
	assert_memory_equal(f, good, 60);
}

#define IP6 "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x42"

static void test_advert_bytes(void **state)
{
#define ADVERT(sum, flags)                                                                         \
	"\x33\x33\0\0\0\x01" MAC "\x86\xdd"                                                        \
	"\x60\0\0\0\0\x20\x3a\xff" IP6 "\xff\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\x01"                    \
	"\x88\x00" sum flags "\0\0\0" IP6 "\x02\x01" MAC
	uint8_t f[ANNOUNCE_FRAME_MAX];

	memset(f, 0xee, sizeof(f));
	assert_int_equal(
	    announce_build_advert(f, (const uint8_t *)MAC, (const uint8_t *)IP6, false), 86);
	assert_memory_equal(f, ADVERT("\x73\xed", "\x20"), 86);
	announce_build_advert(f, (const uint8_t *)MAC, (const uint8_t *)IP6, true);
	assert_memory_equal(f, ADVERT("\xf3\xec", "\xa0"), 86);
}

static void test_rounds(void **state)
{
	static const uint64_t at[] = {0, 50, 200, 450, 950, 1950, 3950, 7950, 15950, 29950};

	announce_start(&announce, &port, &addrs);
	assert_int_equal(rarps, 1); /* at once */
	fake_timers_run_until(100 * NS_PER_S);
	assert_int_equal(rarps, sizeof(at) / sizeof(at[0]));
	assert_memory_equal(rarp_ms, at, sizeof(at));
	assert_int_equal(arps + adverts + others, 0);
	assert_false(announce_is_running(&announce));
}

static void test_every_address(void **state)
{
	memcpy(addrs.ip4[0], "\x0a\0\0\x01", 4);
	memcpy(addrs.ip4[3], "\x0a\0\0\x02", 4);
	memcpy(addrs.ip4[1], "\xe0\0\0\x02", 4); /* what came with the VM is not believed */
	memcpy(addrs.ip6[0], IP6, 16);
	memcpy(addrs.ip6[1], "\xff\x02", 2);
	announce_start(&announce, &port, &addrs);
	assert_int_equal(rarps, 1);
	assert_int_equal(arps, 2);
	assert_int_equal(adverts, 1);
	fake_timers_run_until(60 * NS_PER_MS);
	assert_int_equal(arps, 4);
}

static void wire_frame(const char *dst)
{
	struct netbuf *nb = netbuf_alloc();

	memset(nb->data, 0, 60);
	memcpy(nb->data, dst, 6);
	memcpy(nb->data + 6, "\x52\x54\0\0\0\x99\x08", 7);
	nb->len = 60;
	nic.receive(&nic, nb);
}

static void test_ends_with_traffic_from_the_wire(void **state)
{
	wire_frame(MAC); /* before: says nothing */
	announce_start(&announce, &port, &addrs);
	fake_timers_run_until(60 * NS_PER_MS);
	wire_frame("\xff\xff\xff\xff\xff\xff"); /* everybody gets it */
	fake_timers_run_until(210 * NS_PER_MS);
	assert_int_equal(rarps, 3);
	wire_frame(MAC);
	fake_timers_run_until(100 * NS_PER_S);
	assert_int_equal(rarps, 3);
	assert_false(announce_is_running(&announce));
}

static void test_stop_and_again(void **state)
{
	announce_stop(&announce); /* never started */
	announce_start(&announce, &port, &addrs);
	announce_stop(&announce);
	announce_stop(&announce);
	fake_timers_run_until(NS_PER_S);
	assert_int_equal(rarps, 1);
	announce_start(&announce, &port, &addrs);
	announce_start(&announce, &port, &addrs);
	assert_int_equal(fake_timers_armed(), 1);
	assert_int_equal(rarps, 3);
	network_detach(&port); /* in the wrong order: no more than silence */
	fake_timers_run_until(2 * NS_PER_S);
	assert_int_equal(rarps, 3);
}

static void test_full_ring_and_empty_pool(void **state)
{
	struct netbuf *all[COUNT + 1];
	unsigned n = 0;

	wire_room_now = 0;
	announce_start(&announce, &port, &addrs);
	assert_int_equal(rarps, 0);
	wire_room_now = 100;
	while ((all[n] = netbuf_alloc()))
		n++;
	fake_timers_run_until(60 * NS_PER_MS);
	assert_int_equal(rarps, 0);
	while (n)
		netbuf_put(all[--n]);
	fake_timers_run_until(210 * NS_PER_MS);
	assert_int_equal(rarps, 1);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_rarp_bytes),	    T(test_arp_bytes),
	    T(test_advert_bytes),   T(test_rounds),
	    T(test_every_address),  T(test_ends_with_traffic_from_the_wire),
	    T(test_stop_and_again), T(test_full_ring_and_empty_pool),
	};

	if (netbuf_pool_init(1514, COUNT))
		return 1;
	return cmocka_run_group_tests_name("announce", tests, NULL, NULL);
}
