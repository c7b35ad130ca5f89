/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Frames that no honest peer sends, to a link that is busy: each is ignored and
 * counted, nothing is lost, no buffer leaks. Floods are bounded.
 */
#include <string.h>

#include "tests/unit/fake_wire.h"
#include "kernel/lib/crc32c.h"

#define COUNT 1024

static struct link_host hosts[2];
static struct link *end[2];
static unsigned accepted;

static bool accept_it(struct link *l, void *ctx)
{
	accepted++;
	end[1] = l;
	return ctx != NULL;
}

static int setup(void **state)
{
	fake_kernel_reset();
	fake_wire_reset(7);
	memset(end, 0, sizeof(end));
	accepted = 0;
	for (unsigned i = 0; i < 2; i++)
		link_host_init(&hosts[i], &fake_switch[i], fake_mac[i], 100 + i, 1514);
	hosts[1].accept = accept_it;
	hosts[1].accept_ctx = &accepted;
	return 0;
}

static void run(uint64_t ns)
{
	fake_timers_run_until(fake_time_ns + ns);
}

static int teardown(void **state)
{
	for (unsigned i = 0; i < 2; i++) {
		if (end[i])
			link_abort(end[i]);
	}
	run(60 * NS_PER_S);
	fake_wire_flush();
	assert_int_equal(hosts[0].count + hosts[1].count, 0);
	assert_int_equal(hosts[0].half_open + hosts[1].half_open, 0);
	assert_int_equal(netbuf_free_count(), COUNT);
	assert_int_equal(fake_timers_armed(), 0);
	return 0;
}

static void open_link(void)
{
	end[0] = link_open_start(&hosts[0], fake_mac[1], 101);
	run(NS_PER_S / 2);
	assert_int_equal(end[0]->state, LINK_OPEN);
	assert_non_null(end[1]);
}

static struct netbuf *make(const uint8_t *src, struct link_hdr h, const void *body, size_t len)
{
	struct netbuf *nb = netbuf_alloc();

	memset(nb->data, 0, nb->room);
	if (body)
		memcpy(link_frame_body(nb), body, len);
	link_frame_address(nb, fake_mac[1], src, len);
	link_frame_seal(nb, &h, crc32c(0, link_frame_body(nb), h.len));
	return nb;
}

/* A sealed frame from host 0's MAC to host 1. */
static void hit(struct link_hdr h, const void *body, size_t len)
{
	h.len = len;
	fake_wire_inject(1, make(fake_mac[0], h, body, len));
}

/* The link still carries bytes, each once. */
static void prove_alive(void)
{
	static uint8_t next;
	uint8_t c = 0;

	next++;
	assert_int_equal(link_recv_ready(end[1]), 0);
	assert_int_equal(link_tx_write(end[0], &next, 1), 1);
	link_tx_push(end[0]);
	link_settle(end[0]);
	run(100 * NS_PER_MS);
	assert_int_equal(link_recv_ready(end[1]), 1);
	assert_int_equal(link_rx_read(end[1], &c, 1), 1);
	assert_int_equal(c, next);
}

static struct link_hdr honest(enum link_type type)
{
	return (struct link_hdr){.type = type,
				 .dst_id = end[1]->local_id,
				 .seq = end[0]->tx.next,
				 .ack = end[0]->rx.next,
				 .window = 256};
}

static void test_every_damaged_bit_is_noticed(void **state)
{
	uint64_t bad;

	open_link();
	bad = hosts[1].bad_frames + hosts[1].bad_crc;
	for (unsigned bit = ETH_HLEN * 8; bit < (LINK_HLEN + 10) * 8; bit++) {
		struct link_hdr h = honest(LINK_DATA);
		struct netbuf *nb;

		h.len = 10;
		nb = make(fake_mac[0], h, "0123456789", 10);
		nb->data[bit / 8] ^= 1u << bit % 8;
		fake_wire_inject(1, nb);
		assert_int_equal(link_recv_ready(end[1]), 0);
		assert_int_equal(hosts[1].bad_frames + hosts[1].bad_crc, ++bad);
	}
	assert_int_not_equal(end[1]->stats.bad_crc, 0);
	prove_alive();
}

static void test_every_truncation_is_noticed(void **state)
{
	open_link();
	for (unsigned len = ETH_HLEN; len < LINK_HLEN + 100; len++) {
		struct link_hdr h = honest(LINK_DATA);
		struct netbuf *nb;

		h.len = 100;
		nb = make(fake_mac[0], h, NULL, 100);
		nb->len = len;
		fake_wire_inject(1, nb);
		assert_int_equal(link_recv_ready(end[1]), 0);
	}
	prove_alive();
}

static void test_impossible_numbers(void **state)
{
	static const uint32_t wild[] = {1 << 10,     1 << 20,	  1u << 31, (1u << 31) - 1,
					-(1u << 20), -(1u << 11), 257,	    UINT32_MAX / 3 * 2};
	uint8_t body[LINK_WINDOW / 8 + 1];
	struct link_hdr h;
	uint64_t bad;

	open_link();
	bad = hosts[1].bad_frames;
	for (unsigned i = 0; i < ARRAY_SIZE(wild); i++) {
		h = honest(LINK_DATA);
		h.seq += wild[i];
		hit(h, "x", 1);
		h = honest(LINK_FIN);
		h.seq += wild[i];
		hit(h, NULL, 0);
		assert_int_equal(hosts[1].bad_frames, bad += 2);
		h = honest(LINK_ACK);
		h.ack += wild[i];
		hit(h, NULL, 0);
		bad = hosts[1].bad_frames;
	}
	hit(honest(LINK_DATA), NULL, 0); /* DATA without bytes */
	hit(honest(LINK_FIN), "x", 1);	 /* FIN with bytes */
	memset(body, 0xff, sizeof(body));
	hit(honest(LINK_ACK), body, sizeof(body)); /* a bitmap beyond a window */
	assert_int_equal(hosts[1].bad_frames, bad + 3);
	hit(honest(LINK_ACK), body, LINK_WINDOW / 8); /* "holds" what was never sent */
	h = honest(LINK_ACK);
	h.window = UINT16_MAX;
	hit(h, NULL, 0);
	assert_in_range(end[1]->tx.edge - end[1]->tx.una, 0, LINK_WINDOW);
	assert_int_equal(end[1]->tx.pipe + end[1]->tx.lost, 0);
	prove_alive();
}

static void test_unknown_types_flags_and_format(void **state)
{
	struct link_hdr h;
	struct netbuf *nb;
	uint64_t bad;

	open_link();
	bad = hosts[1].bad_frames;
	h = honest(0);
	hit(h, "x", 1);
	h = honest(LINK_TYPE_MAX);
	hit(h, "x", 1);
	h = honest(LINK_DATA);
	h.flags = 0x8000; /* must be understood, and is not */
	hit(h, "x", 1);
	hit(honest(LINK_HELLO), "x", 1);
	h = honest(LINK_DATA);
	h.dst_id = 0;
	hit(h, "x", 1);
	assert_int_equal(hosts[1].bad_frames, bad + 5);
	h = honest(LINK_DATA);
	h.len = 1;
	nb = make((const uint8_t *)"\x01\0\0\0\0\1", h, "x", 1); /* from a group address */
	fake_wire_inject(1, nb);
	nb = make((const uint8_t *)"\x02\0\0\0\0\7", h, "x", 1); /* from another host */
	fake_wire_inject(1, nb);
	assert_int_equal(link_recv_ready(end[1]), 0);
	h = honest(LINK_DATA);
	h.flags = 0x0002; /* optional: ignored, the frame counts */
	hit(h, "x", 1);
	assert_int_equal(link_recv_ready(end[1]), 1);
}

static unsigned resets_seen, last_reason;

static bool tap_resets(unsigned from, struct netbuf *nb)
{
	struct link_reset_body b;
	struct link_frame f;

	assert_int_equal(link_frame_check(nb, &f), 0);
	if (from == 1 && f.hdr.type == LINK_RESET) {
		memcpy(&b, f.body, sizeof(b));
		resets_seen++;
		last_reason = b.reason;
	}
	return true;
}

static void test_frames_of_an_old_connection(void **state)
{
	struct link_hdr h = {.type = LINK_DATA, .dst_id = 0x1234, .seq = 5, .ack = 6};

	resets_seen = 0;
	wire.tap = tap_resets;
	hit(h, "x", 1);
	assert_int_equal(resets_seen, 1);
	assert_int_equal(last_reason, LINK_RESET_UNKNOWN);
	for (unsigned i = 0; i < 10000; i++)
		hit(h, "x", 1);
	assert_int_equal(resets_seen, LINK_RESETS_PER_S);
	h.type = LINK_RESET; /* a RESET is never answered */
	run(NS_PER_S);
	hit(h, "xxxxxxxxxxxxxxxx", 16);
	hit(h, "x", 1);
	assert_int_equal(resets_seen, LINK_RESETS_PER_S);
}

static void test_reset_needs_an_id(void **state)
{
	struct link_reset_body b = {.refused_id = 77, .reason = LINK_RESET_ABORT};
	struct link_hdr h = {.type = LINK_RESET};

	open_link();
	hit(h, &b, sizeof(b));
	b.refused_id = 0;
	hit(h, &b, sizeof(b));
	h.dst_id = end[1]->local_id + 1;
	hit(h, &b, sizeof(b));
	h.dst_id = end[1]->local_id;
	hit(h, &b, sizeof(b) - 1);
	prove_alive();
}

static struct link_open_body syn_body(uint32_t id)
{
	return (struct link_open_body){.version_min = 1,
				       .version_max = 3,
				       .src_id = id,
				       .seq = 9,
				       .boot_id = 100,
				       .peer_boot_id = 101,
				       .frame_max = 1514,
				       .window = 256};
}

static void hit_syn(const struct link_open_body *b, const void *ext, size_t ext_len)
{
	uint8_t body[sizeof(*b) + 64];

	memcpy(body, b, sizeof(*b));
	if (ext_len)
		memcpy(body + sizeof(*b), ext, ext_len);
	hit((struct link_hdr){.type = LINK_SYN}, body, sizeof(*b) + ext_len);
}

static unsigned reason_of(const struct link_open_body *b, const void *ext, size_t ext_len)
{
	last_reason = 0;
	run(NS_PER_S);
	hit_syn(b, ext, ext_len);
	return last_reason;
}

static void test_refused_opens(void **state)
{
	struct link_open_body b = syn_body(1);

	wire.tap = tap_resets;
	wire.cut[1] = true;
	b.version_min = b.version_max = LINK_VERSION + 1;
	assert_int_equal(reason_of(&b, NULL, 0), LINK_RESET_VERSION);
	b = syn_body(1);
	b.peer_boot_id = 99;
	assert_int_equal(reason_of(&b, NULL, 0), LINK_RESET_BOOT);
	b = syn_body(1);
	b.frame_max = 64;
	assert_int_equal(reason_of(&b, NULL, 0), LINK_RESET_REFUSED);
	b = syn_body(1);
	b.window = 0;
	assert_int_equal(reason_of(&b, NULL, 0), LINK_RESET_REFUSED);
	b = syn_body(1);
	assert_int_equal(reason_of(&b, "\x05\x80\x00\x00", 4), LINK_RESET_EXTENSION);
	assert_int_equal(reason_of(&b, "\x05\x00\x09\x00", 4), LINK_RESET_REFUSED);
	assert_int_equal(reason_of(&b, "\x05\x00\x00", 3), LINK_RESET_REFUSED);
	hosts[1].accept = NULL;
	assert_int_equal(reason_of(&b, NULL, 0), LINK_RESET_REFUSED);
	hosts[1].accept = accept_it;
	assert_int_equal(hosts[1].count, 0);
	hit((struct link_hdr){.type = LINK_SYN}, &b, sizeof(b) - 1);
	assert_int_equal(hosts[1].count, 0);
	assert_int_equal(reason_of(&b, "\x05\x00\x02\x00zz\x06\x00\x00\x00", 10), 0);
	assert_int_equal(hosts[1].half_open, 1); /* optional extensions are skipped */
	assert_int_equal(accepted, 0);
}

static void test_refusals_as_the_opener_sees_them(void **state)
{
	hosts[1].accept = NULL;
	end[0] = link_open_start(&hosts[0], fake_mac[1], 101);
	run(NS_PER_MS);
	assert_int_equal(end[0]->error, -E_CLOSED);
	link_abort(end[0]);
	hosts[1].accept = accept_it;
	end[0] = link_open_start(&hosts[0], fake_mac[1], 55); /* an earlier boot */
	run(NS_PER_MS);
	assert_int_equal(end[0]->error, -E_CLOSED);
	link_abort(end[0]);
	hosts[1].accept_ctx = NULL; /* accept says no */
	end[0] = link_open_start(&hosts[0], fake_mac[1], 101);
	run(NS_PER_MS);
	assert_int_equal(end[0]->error, -E_CLOSED);
	assert_int_equal(accepted, 1);
	assert_int_equal(hosts[1].count, 0);
	end[1] = NULL;
	link_abort(end[0]);
	end[0] = link_open_start(&hosts[0], (const uint8_t *)"\x02\0\0\0\0\x55", 101);
	run(LINK_CONNECT_NS + NS_PER_MS);
	assert_int_equal(end[0]->error, -E_TIMEDOUT);
}

static void test_flood_of_opens_is_bounded(void **state)
{
	uint8_t mac[ETH_ALEN] = {2, 0, 0, 0, 0, 0};

	for (unsigned i = 1; i <= 3000; i++) {
		struct link_open_body b = syn_body(i);
		struct link_hdr h = {.type = LINK_SYN, .len = sizeof(b)};

		mac[4] = i >> 8;
		mac[5] = i;
		fake_wire_inject(1, make(mac, h, &b, sizeof(b)));
		run(NS_PER_MS);
		assert_true(hosts[1].count <= LINK_HALF_OPEN_MAX);
		assert_true(hosts[1].count == hosts[1].half_open);
	}
	assert_int_equal(accepted, 0);
	end[0] = link_open_start(&hosts[0], fake_mac[1], 101); /* during the flood's remains */
	run(LINK_CONNECT_NS);
	assert_int_equal(end[0]->state, LINK_OPEN);
	assert_int_equal(accepted, 1);
}

static void test_opening_during_a_flood(void **state)
{
	uint8_t mac[ETH_ALEN] = {2, 0, 0, 0, 0, 0};

	wire.delay_ns = 2 * NS_PER_MS;
	for (unsigned i = 1; i <= 1000; i++) {
		struct link_open_body b = syn_body(i);
		struct link_hdr h = {.type = LINK_SYN, .len = sizeof(b)};

		mac[4] = i >> 8;
		mac[5] = i;
		fake_wire_inject(1, make(mac, h, &b, sizeof(b)));
		run(3 * NS_PER_MS);
		if (i == 500)
			end[0] = link_open_start(&hosts[0], fake_mac[1], 101);
	}
	assert_int_equal(end[0]->state, LINK_OPEN);
	prove_alive();
}

static void test_number_of_links_is_bounded(void **state)
{
	struct link *l[LINK_MAX];

	for (unsigned i = 0; i < LINK_MAX; i++) {
		l[i] = link_open_start(&hosts[0], fake_mac[1], 101);
		assert_non_null(l[i]);
	}
	assert_null(link_open_start(&hosts[0], fake_mac[1], 101));
	for (unsigned i = 0; i < LINK_MAX; i++)
		link_abort(l[i]);
	fake_alloc_countdown = 0;
	assert_null(link_open_start(&hosts[0], fake_mac[1], 101));
	end[1] = NULL;
}

/* Anything with a sound CRC, hitting an open link thousands of times. */
static void test_random_frames(void **state)
{
	open_link();
	for (unsigned i = 0; i < 200000; i++) {
		struct link_hdr h = honest(fake_random() % LINK_TYPE_MAX);
		uint32_t dice = fake_random();
		uint8_t body[80];

		if (h.type == LINK_DATA || h.type == LINK_FIN)
			h.seq += 1; /* never the one awaited: that would be accepted */
		if (dice & 1)
			h.seq += (fake_random() % 2000) * 2;
		if (dice & 2)
			h.ack += fake_random();
		if (dice & 4)
			h.window = fake_random();
		if (dice & 8)
			h.dst_id = fake_random();
		if (dice & 16)
			h.flags = fake_random();
		if (h.type == LINK_RESET)
			h.dst_id = 0;
		for (unsigned b = 0; b < sizeof(body); b++)
			body[b] = fake_random();
		hit(h, body, fake_random() % sizeof(body));
		if (i % 100 == 0)
			run(NS_PER_MS);
		assert_int_equal(link_recv_ready(end[1]), 0);
		assert_true(hosts[1].count <= LINK_MAX);
	}
	assert_int_equal(end[1]->error, 0);
	assert_true(end[1]->tx.pipe + end[1]->tx.lost <= LINK_WINDOW);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_every_damaged_bit_is_noticed),
	    T(test_every_truncation_is_noticed),
	    T(test_impossible_numbers),
	    T(test_unknown_types_flags_and_format),
	    T(test_frames_of_an_old_connection),
	    T(test_reset_needs_an_id),
	    T(test_refused_opens),
	    T(test_refusals_as_the_opener_sees_them),
	    T(test_flood_of_opens_is_bounded),
	    T(test_opening_during_a_flood),
	    T(test_number_of_links_is_bounded),
	    T(test_random_frames),
	};

	if (netbuf_pool_init(1514, COUNT))
		return 1;
	return cmocka_run_group_tests_name("link_hostile", tests, NULL, NULL);
}
