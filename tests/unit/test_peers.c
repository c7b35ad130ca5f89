/* SPDX-License-Identifier: BSD-2-Clause */
/* Discovery: the HELLO that we send, the table, and hostile HELLOs. */
#include <string.h>

#include "tests/unit/fake_kernel.h"
#include "kernel/lib/crc32c.h"
#include "kernel/net/link.h"
#include "kernel/net/link_frame.h"
#include "kernel/net/peers.h"

#define COUNT 64

static struct net_switch sw;
static struct netdev nic;
static unsigned hellos;
static struct link_hello_body last_hello;
static struct link_hello_load last_load;

static const uint8_t mac_self[ETH_ALEN] = {0x52, 0x54, 0, 0, 0, 1};
static const uint8_t mac_b[ETH_ALEN] = {0x52, 0x54, 0, 0, 0, 2};

static int wire_send(struct netdev *nd, struct netbuf *nb)
{
	struct link_frame f;

	assert_int_equal(link_frame_check(nb, &f), 0);
	assert_int_equal(f.hdr.type, LINK_HELLO);
	assert_memory_equal(nb->data, "\xff\xff\xff\xff\xff\xff", ETH_ALEN);
	assert_memory_equal(f.src, mac_self, ETH_ALEN);
	assert_int_equal(f.hdr.len, sizeof(last_hello) + sizeof(last_load));
	memcpy(&last_hello, f.body, sizeof(last_hello));
	memcpy(&last_load, f.body + sizeof(last_hello), sizeof(last_load));
	hellos++;
	netbuf_put(nb);
	return 0;
}

static unsigned wire_room(struct netdev *nd)
{
	return 1;
}

static const struct netdev_ops wire_ops = {.send = wire_send, .send_room = wire_room};

static void refresh(struct peer *self)
{
	self->vms++;
	self->cpu_permille = 100 + self->vms;
	self->drained = self->vms > 5;
}

static int setup(void **state)
{
	struct peers_config cfg = {.self = {.name = "alpha",
					    .pool = "lab",
					    .boot_id = 11,
					    .version = LINK_VERSION,
					    .frame_max = 1514,
					    .cpus = 2,
					    .free_bytes = 1 << 30,
					    .total_bytes = 2ull << 30,
					    .can_run_guests = true},
				   .refresh = refresh};

	fake_kernel_reset();
	hellos = 0;
	nic.ops = &wire_ops;
	memcpy(cfg.self.mac, mac_self, ETH_ALEN);
	switch_init(&sw, &nic);
	return peers_init(&sw, &cfg);
}

static int teardown(void **state)
{
	fake_timers_run_until(fake_time_ns + 1);
	return netbuf_free_count() == COUNT ? 0 : -1;
}

static struct link_hello_body hello(const char *name, uint64_t boot_id)
{
	struct link_hello_body b = {.boot_id = boot_id,
				    .free_bytes = 5 << 20,
				    .cpus = 4,
				    .vms = 3,
				    .version_min = LINK_VERSION,
				    .version_max = LINK_VERSION,
				    .frame_max = 1514,
				    .flags = LINK_HELLO_F_GUESTS,
				    .pool = "lab"};

	strncpy(b.name, name, sizeof(b.name));
	return b;
}

/* len may be wrong on purpose; spoil flips a bit at that offset, -1 none */
static void hear_raw(const uint8_t mac[ETH_ALEN], const struct link_hello_body *b, uint16_t len,
		     int spoil)
{
	static const uint8_t all[ETH_ALEN] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	struct link_hdr h = {.type = LINK_HELLO, .len = len};
	struct netbuf *nb = netbuf_alloc();

	memset(nb->data, 0, nb->room);
	memcpy(link_frame_body(nb), b, sizeof(*b));
	link_frame_address(nb, all, mac, len);
	link_frame_seal(nb, &h, crc32c(0, link_frame_body(nb), len));
	if (spoil >= 0)
		nb->data[spoil] ^= 1;
	nic.receive(&nic, nb);
}

static void hear(const uint8_t mac[ETH_ALEN], const char *name, uint64_t boot_id)
{
	struct link_hello_body b = hello(name, boot_id);

	hear_raw(mac, &b, sizeof(b), -1);
}

static void test_hello_once_a_second(void **state)
{
	fake_timers_run_until(10 * NS_PER_S + 1);
	assert_in_range(hellos, 10, 12);
	assert_string_equal(last_hello.name, "alpha");
	assert_string_equal(last_hello.pool, "lab");
	assert_int_equal(last_hello.boot_id, 11);
	assert_int_equal(last_hello.vms, hellos);
	assert_int_equal(last_hello.flags, LINK_HELLO_F_GUESTS | LINK_HELLO_F_DRAINED);
	assert_true(last_load.total_bytes == 2ull << 30);
	assert_int_equal(last_load.cpu_permille, 100 + hellos);
	assert_int_equal(last_load.reserved, 0);
	assert_string_equal(peers_self()->name, "alpha");
}

static void test_peer_appears_and_goes(void **state)
{
	fake_timers_run_until(NS_PER_S / 2);
	assert_null(peers_find("beta"));
	assert_null(peers_at(0));
	hear(mac_b, "beta", 22);
	assert_int_equal(hellos, 2); /* greeted at once */
	assert_non_null(peers_find("beta"));
	assert_ptr_equal(peers_find("beta"), peers_at(0));
	assert_int_equal(peers_at(0)->boot_id, 22);
	assert_int_equal(peers_at(0)->frame_max, 1514);
	assert_int_equal(peers_at(0)->cpus, 4);
	assert_int_equal(peers_at(0)->vms, 3);
	assert_true(peers_at(0)->can_run_guests);
	assert_memory_equal(peers_at(0)->mac, mac_b, ETH_ALEN);
	assert_null(peers_at(1));
	assert_null(peers_at(PEERS_MAX));
	fake_timers_run_until(fake_time_ns + 9 * NS_PER_S);
	assert_non_null(peers_find("beta"));
	fake_timers_run_until(fake_time_ns + 2 * NS_PER_S);
	assert_null(peers_find("beta"));
	assert_non_null(peers_at(0)); /* still shown, as gone */
	fake_timers_run_until(fake_time_ns + 60 * NS_PER_S);
	assert_null(peers_at(0));
}

static void test_restart_is_noticed(void **state)
{
	hear(mac_b, "beta", 22);
	hear(mac_b, "beta", 23);
	assert_int_equal(peers_find("beta")->boot_id, 23);
	assert_non_null(strstr(fake_log_last, "restarted"));
	assert_null(peers_at(1));
}

static void test_hostile_hellos_are_ignored(void **state)
{
	struct link_hello_body b;

	for (unsigned i = 0; i < LINK_HLEN + sizeof(b); i++) {
		if (i >= 6 && i < 14) /* the source MAC and EtherType are not the CRC's */
			continue;
		b = hello("beta", 22);
		hear_raw(mac_b, &b, sizeof(b), (int)i);
		assert_true(i < 6 || !peers_find("beta"));
		if (i < 6 && peers_find("beta"))
			setup(state);
	}
	for (uint16_t len = 0; len < sizeof(b); len++) {
		b = hello("beta", 22);
		hear_raw(mac_b, &b, len, -1);
	}
	b = hello("beta", 0);
	hear_raw(mac_b, &b, sizeof(b), -1);
	b = hello("", 22);
	hear_raw(mac_b, &b, sizeof(b), -1);
	b = hello("be\033[2Jta", 22);
	hear_raw(mac_b, &b, sizeof(b), -1);
	b = hello("beta", 22);
	memset(b.name, 'x', sizeof(b.name));
	hear_raw(mac_b, &b, sizeof(b), -1);
	b = hello("beta", 22);
	memset(b.pool, 'x', sizeof(b.pool));
	hear_raw(mac_b, &b, sizeof(b), -1);
	b = hello("beta", 22);
	b.frame_max = 64;
	hear_raw(mac_b, &b, sizeof(b), -1);
	b = hello("beta", 22);
	b.version_min = 9;
	hear_raw(mac_b, &b, sizeof(b), -1);
	hear((const uint8_t *)"\x53\x54\0\0\0\1", "beta", 22); /* a group address as source */
	hear(mac_self, "beta", 22);			       /* our own MAC */
	assert_null(peers_at(0));
}

static void test_longer_hello_of_a_later_version(void **state)
{
	struct link_hello_body b = hello("beta", 22);

	b.version_max = 7;
	hear_raw(mac_b, &b, sizeof(b) + 40, -1);
	assert_int_equal(peers_find("beta")->version, LINK_VERSION);
	b.version_min = 6;
	hear_raw(mac_b, &b, sizeof(b), -1);
	assert_int_equal(peers_find("beta")->version, 7);
}

static void hear_load(const struct link_hello_load *load, uint16_t len)
{
	static const uint8_t all[ETH_ALEN] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	struct link_hello_body b = hello("beta", 22);
	struct link_hdr h = {.type = LINK_HELLO, .len = len};
	struct netbuf *nb = netbuf_alloc();

	b.flags |= LINK_HELLO_F_DRAINED | 0x8000;
	memset(nb->data, 0xee, nb->room);
	memcpy(link_frame_body(nb), &b, sizeof(b));
	memcpy(link_frame_body(nb) + sizeof(b), load, sizeof(*load));
	link_frame_address(nb, all, mac_b, len);
	link_frame_seal(nb, &h, crc32c(0, link_frame_body(nb), len));
	nic.receive(&nic, nb);
}

static void test_load_of_a_host(void **state)
{
	struct link_hello_load load = {.total_bytes = UINT64_MAX, .cpu_permille = UINT32_MAX};
	uint16_t len = sizeof(struct link_hello_body) + sizeof(load);

	hear(mac_b, "beta", 22);
	assert_int_equal(peers_find("beta")->total_bytes, 0);
	assert_false(peers_find("beta")->drained);
	hear_load(&load, len);
	assert_true(peers_find("beta")->drained);
	assert_true(peers_find("beta")->total_bytes == UINT64_MAX);
	assert_int_equal(peers_find("beta")->cpu_permille, UINT32_MAX);
	for (uint16_t cut = 1; cut <= sizeof(load); cut++) { /* part of it is none */
		hear_load(&load, len);
		hear_load(&load, len - cut);
		assert_true(peers_find("beta")->drained);
		assert_int_equal(peers_find("beta")->total_bytes, 0);
		assert_int_equal(peers_find("beta")->cpu_permille, 0);
	}
	hear_load(&load, len + 20); /* a later version says more */
	assert_true(peers_find("beta")->total_bytes == UINT64_MAX);
	hear(mac_b, "beta", 22);
	assert_false(peers_find("beta")->drained);
}

static void test_flood_of_hosts(void **state)
{
	uint8_t mac[ETH_ALEN] = {0x52, 0x54, 0, 0, 1, 0};

	fake_timers_run_until(NS_PER_S);
	hear(mac_b, "beta", 22);
	for (unsigned i = 0; i < 200; i++) {
		mac[5] = i;
		hear(mac, "evil", 1000 + i);
	}
	assert_non_null(peers_find("beta")); /* a living host is not pushed out */
	assert_in_range(hellos, 2, 3);	     /* nor are we made to shout */
	fake_timers_run_until(fake_time_ns + 5 * NS_PER_S);
	hear(mac_b, "beta", 22);
	fake_timers_run_until(fake_time_ns + 6 * NS_PER_S);
	mac[4] = 2;
	hear(mac, "gamma", 33); /* takes the place of one that is gone */
	assert_non_null(peers_find("gamma"));
	assert_non_null(peers_find("beta"));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_hello_once_a_second),
	    T(test_peer_appears_and_goes),
	    T(test_restart_is_noticed),
	    T(test_hostile_hellos_are_ignored),
	    T(test_longer_hello_of_a_later_version),
	    T(test_load_of_a_host),
	    T(test_flood_of_hosts),
	};

	if (netbuf_pool_init(1514, COUNT))
		return 1;
	return cmocka_run_group_tests_name("peers", tests, NULL, NULL);
}
