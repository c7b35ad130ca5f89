/* SPDX-License-Identifier: BSD-2-Clause */
/* HELLO frames from anybody, time passing: the table of peers stays sound, no buffer leaks. */
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "tests/unit/fake_kernel.h"
#include "kernel/lib/crc32c.h"
#include "kernel/net/link.h"
#include "kernel/net/link_frame.h"
#include "kernel/net/peers.h"

#define BUFFERS 64 /* what peers_init itself does not make, see setup */

static struct net_switch sw;
static struct netdev nic;

static int wire_send(struct netdev *nd, struct netbuf *nb)
{
	netbuf_put(nb);
	return 0;
}

static unsigned wire_room(struct netdev *nd)
{
	return 1;
}

static const struct netdev_ops wire_ops = {.send = wire_send, .send_room = wire_room};

static void setup(void)
{
	struct peers_config cfg = {.self = {.name = "alpha",
					    .pool = "lab",
					    .mac = {0x52, 0x54, 0, 0, 0, 1},
					    .boot_id = 11,
					    .version = LINK_VERSION,
					    .frame_max = 1514}};
	static bool pool_ready;

	if (!pool_ready)
		assert_int_equal(netbuf_pool_init(1514, BUFFERS), 0);
	pool_ready = true;
	fake_kernel_reset();
	nic = (struct netdev){.ops = &wire_ops, .frame_max = 1514};
	switch_init(&sw, &nic);
	assert_int_equal(peers_init(&sw, &cfg), 0);
}

/* A good HELLO with bytes changed, or any bytes. */
static void hear(struct fuzz *f, uint8_t how)
{
	struct link_hello_body b = {.boot_id = 1 + how % 4,
				    .cpus = 4,
				    .version_min = LINK_VERSION,
				    .version_max = LINK_VERSION,
				    .frame_max = 1514,
				    .name = "beta",
				    .pool = "lab"};
	uint8_t mac[ETH_ALEN] = {0x52, 0x54, 0, 0, 1, fuzz_u8(f)};
	struct link_hdr h = {.type = LINK_HELLO, .len = sizeof(b)};
	struct netbuf *nb = netbuf_alloc();

	assert_non_null(nb);
	memset(nb->data, 0, nb->room);
	b.name[3] = 'a' + fuzz_u8(f) % 32;
	fuzz_spoil(f, &b, sizeof(b));
	if (how & 0x20)
		h.len = fuzz_u8(f);
	if (how & 0x10)
		fuzz_spoil(f, &h, sizeof(h));
	memcpy(link_frame_body(nb), &b, sizeof(b));
	if (how & 0x08) { /* with its load */
		h.len = sizeof(b) + sizeof(struct link_hello_load);
		memset(link_frame_body(nb) + sizeof(b), fuzz_u8(f), sizeof(struct link_hello_load));
	}
	link_frame_address(nb, (const uint8_t *)"\xff\xff\xff\xff\xff\xff", mac,
			   MIN(h.len, nb->room - LINK_HLEN));
	link_frame_seal(nb, &h, crc32c(0, link_frame_body(nb), MIN(h.len, nb->room - LINK_HLEN)));
	if (how & 0x40)
		nb->len = fuzz_u16(f) % 200;
	if (how & 0x80)
		fuzz_spoil(f, nb->data, nb->len);
	nic.receive(&nic, nb);
}

static void check_table(void)
{
	for (unsigned i = 0; i < PEERS_MAX; i++) {
		const struct peer *p = peers_at(i);

		if (!p)
			continue;
		assert_in_range(strnlen(p->name, sizeof(p->name)), 1, sizeof(p->name) - 1);
		assert_in_range(strnlen(p->pool, sizeof(p->pool)), 0, sizeof(p->pool) - 1);
		for (const char *c = p->name; *c; c++)
			assert_in_range((uint8_t)*c, ' ', '~');
		for (const char *c = p->pool; *c; c++)
			assert_in_range((uint8_t)*c, ' ', '~');
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz f = {data, size};

	setup();
	while (f.left) {
		uint8_t how = fuzz_u8(&f);

		if (how % 8 == 7)
			fake_timers_run_until(fake_time_ns + fuzz_u8(&f) * NS_PER_S / 8);
		else
			hear(&f, how);
		check_table();
	}
	fake_timers_run_until(fake_time_ns + 1);
	assert_int_equal(netbuf_free_count(), BUFFERS);
	return 0;
}
