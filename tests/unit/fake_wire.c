/* SPDX-License-Identifier: BSD-2-Clause */
/* The wire between two hosts; see fake_wire.h. */
#include <stdlib.h>
#include <string.h>

#include "tests/unit/fake_wire.h"
#include "kernel/entropy.h"

struct fake_wire wire;
struct net_switch fake_switch[2];
const uint8_t fake_mac[2][ETH_ALEN] = {{0x52, 0x54, 0, 9, 0, 1}, {0x52, 0x54, 0, 9, 0, 2}};

static struct netdev nic[2];
static uint64_t busy_until[2], random_state;

struct flight {
	struct timer timer;
	struct list all;
	uint8_t *data; /* a copy: the sender's buffer lives its own life */
	uint16_t len;
	unsigned to;
};

static struct list flights = LIST_INIT(flights);

uint32_t fake_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state >> 16;
}

void entropy_fill(void *buf, size_t len)
{
	for (size_t i = 0; i < len; i++)
		((uint8_t *)buf)[i] = fake_random();
}

void fake_wire_inject(unsigned to, struct netbuf *nb)
{
	nic[to].receive(&nic[to], nb);
}

static void flight_free(struct flight *f)
{
	timer_cancel(&f->timer);
	list_remove(&f->all);
	free(f->data);
	free(f);
	wire.under_way--;
}

static void flight_lands(struct timer *t)
{
	struct flight *f = container_of(t, struct flight, timer);
	struct netbuf *nb = netbuf_alloc();

	if (nb) {
		memset(nb->data, 0xee, nb->room);
		memcpy(nb->data, f->data, f->len);
		nb->len = f->len;
		fake_wire_inject(f->to, nb);
	}
	flight_free(f);
}

static bool chance(unsigned per_cent)
{
	return fake_random() % 100 < per_cent;
}

static void take_off(unsigned to, const struct netbuf *nb)
{
	struct flight *f = calloc(1, sizeof(*f));
	uint64_t at = fake_time_ns + wire.delay_ns + 1;

	f->to = to;
	f->len = MAX(nb->len, ETH_MIN_LEN);
	f->data = calloc(1, f->len);
	memcpy(f->data, nb->data, nb->len);
	if (chance(wire.damaged))
		f->data[fake_random() % f->len] ^= 1u << fake_random() % 8;
	if (wire.frame_ns) {
		at = MAX(at, busy_until[to] + wire.frame_ns);
		busy_until[to] = at;
	}
	at = MAX(at, wire.stalled_ns);
	if (chance(wire.reordered))
		at += fake_random() % (5 * NS_PER_MS);
	timer_init(&f->timer, flight_lands);
	timer_arm(&f->timer, at);
	list_append(&flights, &f->all);
	wire.under_way++;
}

static int wire_send(struct netdev *nd, struct netbuf *nb)
{
	unsigned from = nd - nic;

	wire.frames[from]++;
	wire.bytes[from] += MAX(nb->len, ETH_MIN_LEN);
	wire.last_sent_ns[from] = fake_time_ns;
	if ((!wire.tap || wire.tap(from, nb)) && !wire.cut[from] && !chance(wire.loss)) {
		take_off(!from, nb);
		if (chance(wire.doubled))
			take_off(!from, nb);
	}
	netbuf_put(nb);
	return 0;
}

static unsigned wire_room(struct netdev *nd)
{
	return 255;
}

static const struct netdev_ops wire_ops = {.send = wire_send, .send_room = wire_room};

void fake_wire_flush(void)
{
	while (!list_empty(&flights))
		flight_free(list_entry(flights.next, struct flight, all));
}

void fake_wire_reset(uint64_t seed)
{
	fake_wire_flush();
	memset(&wire, 0, sizeof(wire));
	memset(busy_until, 0, sizeof(busy_until));
	random_state = seed * 0x9e3779b97f4a7c15ull + 1;
	for (unsigned i = 0; i < 2; i++) {
		nic[i] = (struct netdev){.ops = &wire_ops, .frame_max = 1514};
		memcpy(nic[i].mac, fake_mac[i], ETH_ALEN);
		switch_init(&fake_switch[i], &nic[i]);
	}
}
