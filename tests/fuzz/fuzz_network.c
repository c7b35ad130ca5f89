/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Frames from the wire and from guests, guests coming and going, time passing:
 * nobody hears what is not for guests, no tag or host frame of a guest gets out,
 * the table of MACs stays sound, no buffer leaks.
 */
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "tests/unit/fake_kernel.h"
#include "kernel/net/announce.h"

#define BUFFERS 256
#define PORTS	6
#define RING	32

static struct net_switch sw;
static struct netdev nic;
static struct switch_port host_port;
static struct guest_port ports[PORTS];
static struct announce announces[PORTS];
static struct net_addrs addrs[PORTS];
static unsigned ring_room, in_send, answers; /* that guests still give in this step */
static const struct network *sending;	     /* the network whose guest sends now */

static uint8_t mac_byte(uint8_t n)
{
	return n % 16;
}

static bool is_host_type(const uint8_t *frame)
{
	return eth_type(frame) == ETH_TYPE_LINK || eth_type(frame) == ETH_TYPE_AOE;
}

/* Only guests send here: exactly their network's tag, and nothing of the host's. */
static int wire_send(struct netdev *nd, struct netbuf *nb)
{
	const uint8_t *inner = nb->data;

	assert_ptr_equal(nb->data, hpa_to_virt(nb->data_hpa));
	assert_in_range(nb->len, ETH_HLEN, 1518);
	if (sending && sending->vlan) {
		assert_int_equal(eth_type(nb->data), ETH_TYPE_VLAN);
		assert_int_equal(nb->data[14] << 8 | nb->data[15], sending->vlan);
		inner += ETH_TAG_LEN;
		assert_in_range(nb->len, ETH_HLEN + ETH_TAG_LEN, 1518);
	}
	assert_int_not_equal(eth_type(inner), ETH_TYPE_VLAN);
	assert_false(is_host_type(inner));
	assert_int_equal(nb->data[ETH_ALEN] & 1, 0);
	assert_true(ring_room > RING / 4); /* the rest is the host's */
	ring_room--;
	netbuf_put(nb);
	return 0;
}

static unsigned wire_room(struct netdev *nd)
{
	return ring_room;
}

static const struct netdev_ops wire_ops = {.send = wire_send, .send_room = wire_room};

static int send(struct guest_port *p, struct netbuf *nb)
{
	int err;

	sending = p->net;
	in_send++;
	err = network_send(p, nb);
	in_send--;
	sending = NULL;
	return err;
}

/* A device that drops or answers, as the length says. */
static void guest_receive(struct guest_port *p, struct netbuf *nb)
{
	assert_int_equal(in_send, 0);
	assert_non_null(p->net);
	assert_int_equal(nb->refs, 1);
	assert_in_range(nb->len, ETH_HLEN, 1514);
	assert_false(is_host_type(nb->data));
	assert_int_not_equal(eth_type(nb->data), ETH_TYPE_VLAN);
	if (!(nb->data[0] & 1) && !p->filter_off)
		assert_memory_equal(nb->data, p->mac, ETH_ALEN);
	if (nb->len % 7 == 0 && answers) { /* from within receive */
		answers--;
		memcpy(nb->data, nb->data + ETH_ALEN, ETH_ALEN);
		memcpy(nb->data + ETH_ALEN, p->mac, ETH_ALEN);
		(void)send(p, nb);
		return;
	}
	netbuf_put(nb);
}

static void host_receive(struct switch_port *p, struct netbuf *nb)
{
	assert_true(is_host_type(nb->data));
	netbuf_put(nb);
}

static void setup(void)
{
	static bool pool_ready;

	if (!pool_ready)
		assert_int_equal(netbuf_pool_init(1514, BUFFERS), 0);
	pool_ready = true;
	fake_kernel_reset();
	memset(ports, 0, sizeof(ports));
	memset(announces, 0, sizeof(announces));
	memset(addrs, 0, sizeof(addrs));
	ring_room = RING;
	nic = (struct netdev){.ops = &wire_ops,
			      .frame_max = 1514,
			      .tag_fits = true,
			      .send_max = RING,
			      .mac = {2, 0, 0, 0, 0, 0xf}};
	switch_init(&sw, &nic);
	host_port = (struct switch_port){
	    .group = true, .ethertype = ETH_TYPE_LINK, .receive = host_receive};
	switch_attach(&sw, &host_port);
	network_init(&sw, 1500);
	assert_int_equal(network_add("lan", true, 0), 0);
	assert_int_equal(network_add("dmz", true, 0x123), 0);
	assert_int_equal(network_add("lab", false, 0), 0);
}

static void put_mac(uint8_t *at, uint8_t how)
{
	memset(at, how & 0x80 ? 0xff : 0, ETH_ALEN);
	at[0] = how & 0x80 ? 0xff : 2;
	at[5] = mac_byte(how);
}

/* A frame of any length and type, mostly between stations that exist. */
static struct netbuf *frame(struct fuzz *f, bool tag)
{
	static const uint16_t types[] = {0x0800,       0x0806,	      0x86dd,	     0x8035,
					 ETH_TYPE_AOE, ETH_TYPE_LINK, ETH_TYPE_VLAN, ETH_TYPE_QINQ};
	struct netbuf *nb = netbuf_alloc();
	uint8_t how = fuzz_u8(f);
	unsigned at = 12;

	if (!nb)
		return NULL;
	if (how & 0x80)
		netbuf_pull(nb, ETH_TAG_LEN);
	memset(nb->data, how, nb->room);
	put_mac(nb->data, fuzz_u8(f));
	put_mac(nb->data + ETH_ALEN, fuzz_u8(f) & (how & 0x40 ? 0xff : 0x7f));
	if (tag && (how & 0x20)) {
		memcpy(nb->data + at, (uint8_t[]){0x81, 0, 1, how & 0x10 ? 0x23 : 0}, 4);
		at += 4;
	}
	nb->data[at] = types[how % 8] >> 8;
	nb->data[at + 1] = types[how % 8] & 0xff;
	nb->len = how & 8 ? fuzz_u16(f) % 1600 : 60;
	if (how % 8 == 1) /* or any bytes: ARP and the like */
		fuzz_bytes(f, nb->data + at + 2, 46);
	return nb;
}

static void attach(struct fuzz *f, struct guest_port *p)
{
	uint8_t how = fuzz_u8(f);

	if (p->net) {
		announce_stop(&announces[p - ports]);
		network_detach(p);
		return;
	}
	*p = (struct guest_port){
	    .name = "guest", .filter_off = how & 0x40, .receive = guest_receive};
	put_mac(p->mac, how & 0xbf);
	(void)!network_attach(network_at(how >> 4 & 1 ? 1 : how >> 5 & 1 ? 2 : 0), p);
}

static void guest_sends(struct fuzz *f, unsigned i)
{
	struct netbuf *nb = frame(f, false), *kept = NULL;
	unsigned room = network_send_room(&ports[i]);
	int err;

	if (!nb)
		return;
	net_addrs_learn(&addrs[i], ports[i].mac, nb->data, nb->len);
	if (nb->len % 5 == 0)
		kept = netbuf_get(nb);
	err = send(&ports[i], nb);
	assert_true(err == 0 || err == -E_AGAIN || err == -E_INVAL);
	assert_true(err || room);
	if (kept) {
		assert_int_equal(kept->refs, 1);
		netbuf_put(kept);
	}
}

static void check_tables(void)
{
	struct network *net;

	for (unsigned n = 0; (net = network_at(n)); n++) {
		unsigned learned[PORTS] = {0}, attached = 0;

		for (unsigned i = 0; i < NETWORK_LEARN_MAX; i++) {
			const struct network_mac *e = &net->macs[i];

			assert_true(e->used || !e->port);
			if (e->port)
				learned[e->port - ports]++;
		}
		for (unsigned i = 0; i < PORTS; i++) {
			if (ports[i].net != net) {
				assert_int_equal(learned[i], 0);
				continue;
			}
			attached++;
			assert_int_equal(ports[i].learned, learned[i]);
			assert_in_range(learned[i], 0, NETWORK_LEARN_PORT);
			assert_in_range(ports[i].queued, 0, NETWORK_QUEUE_MAX);
		}
		assert_int_equal(net->port_count, attached);
	}
}

static void step(struct fuzz *f, uint8_t how)
{
	unsigned i = (how >> 3) % PORTS;
	struct netbuf *nb;

	answers = 300;
	switch (how % 8) {
	case 0:
		attach(f, &ports[i]);
		break;
	case 1:
	case 2:
		nb = frame(f, true);
		if (nb)
			nic.receive(&nic, nb);
		break;
	case 3:
		fake_timers_run_until(fake_time_ns + fuzz_u8(f) * (NS_PER_S / 16 << i));
		ring_room = RING;
		break;
	case 4:
		if (ports[i].net) {
			sending = ports[i].net;
			announce_start(&announces[i], &ports[i], &addrs[i]);
			announce_stop(&announces[i]); /* later rounds have no sender to check */
			sending = NULL;
		}
		break;
	default:
		guest_sends(f, i);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz f = {data, size};

	setup();
	while (f.left) {
		step(&f, fuzz_u8(&f));
		check_tables();
	}
	for (unsigned i = 0; i < PORTS; i++)
		network_detach(&ports[i]);
	fake_timers_run_until(fake_time_ns + 1);
	assert_int_equal(netbuf_free_count(), BUFFERS);
	return 0;
}
