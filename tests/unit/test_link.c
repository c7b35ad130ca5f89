/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two link machines against each other over a bad wire, in fake time: everything
 * arrives once and in order, or an error says why not. Hostile frames are in
 * test_link_hostile.c, the blocking calls in test_link_face.c.
 */
#include <string.h>

#include "tests/unit/fake_wire.h"
#include "kernel/net/link_tx.h"

#define COUNT 2048

static struct link_host hosts[2];
static struct link *end[2]; /* both ends of the link under test */

static bool accept_it(struct link *l, void *ctx)
{
	end[1] = l;
	return true;
}

static int setup(void **state)
{
	fake_kernel_reset();
	fake_wire_reset(1);
	memset(end, 0, sizeof(end));
	for (unsigned i = 0; i < 2; i++)
		link_host_init(&hosts[i], &fake_switch[i], fake_mac[i], 100 + i, 1514);
	hosts[1].accept = accept_it;
	return 0;
}

static void drop(unsigned i)
{
	if (end[i])
		link_abort(end[i]);
	end[i] = NULL;
}

static int teardown(void **state)
{
	drop(0);
	drop(1);
	fake_timers_run_until(fake_time_ns + 60 * NS_PER_S);
	fake_wire_flush();
	assert_int_equal(hosts[0].count + hosts[1].count, 0);
	assert_int_equal(hosts[0].half_open + hosts[1].half_open, 0);
	assert_int_equal(netbuf_free_count(), COUNT);
	assert_int_equal(fake_timers_armed(), 0);
	return 0;
}

static void run(uint64_t ns)
{
	fake_timers_run_until(fake_time_ns + ns);
}

static void open_link(void)
{
	end[0] = link_open_start(&hosts[0], fake_mac[1], 101);
	assert_non_null(end[0]);
	run(5 * NS_PER_S - 1);
	assert_int_equal(end[0]->state, LINK_OPEN);
	assert_non_null(end[1]);
	assert_int_equal(end[1]->state, LINK_OPEN);
}

/* The byte at position i of a stream: no period that a frame size could hide. */
static uint8_t pattern(uint64_t i)
{
	return (i * 0x9e3779b97f4a7c15ull) >> 56;
}

struct flow {
	unsigned from;
	uint64_t sent, got, total;
};

static void flow_write(struct flow *f)
{
	uint8_t buf[5000];
	size_t n = 1 + fake_random() % sizeof(buf);

	n = MIN(n, f->total - f->sent);
	for (size_t i = 0; i < n; i++)
		buf[i] = pattern(f->sent + i);
	f->sent += link_tx_write(end[f->from], buf, n);
	if (f->sent == f->total)
		link_tx_push(end[f->from]);
	link_settle(end[f->from]);
}

static void flow_read(struct flow *f)
{
	uint8_t buf[7000];
	size_t ready = link_recv_ready(end[!f->from]);
	size_t n = link_rx_read(end[!f->from], buf, 1 + fake_random() % sizeof(buf));

	assert_true(n <= ready);
	assert_int_equal(link_recv_ready(end[!f->from]), ready - n);
	for (size_t i = 0; i < n; i++) {
		if (buf[i] != pattern(f->got + i))
			fail_msg("byte %llu differs", (unsigned long long)(f->got + i));
	}
	f->got += n;
	link_settle(end[!f->from]);
}

/* Move `total` bytes each way at once. Returns the time it took. */
static uint64_t transfer(uint64_t total, uint64_t back, uint64_t limit_ns)
{
	struct flow f[2] = {{.from = 0, .total = total}, {.from = 1, .total = back}};
	uint64_t start = fake_time_ns;

	while (f[0].got < f[0].total || f[1].got < f[1].total) {
		for (unsigned i = 0; i < 2; i++) {
			for (unsigned n = 0; n < 20; n++)
				flow_write(&f[i]);
			for (unsigned n = 0; n < 20; n++)
				flow_read(&f[i]);
		}
		assert_int_equal(end[0]->error, 0);
		assert_int_equal(end[1]->error, 0);
		assert_true(fake_time_ns - start < limit_ns);
		run(NS_PER_MS / 2);
	}
	return fake_time_ns - start;
}

static void test_clean_wire_costs_at_most_three_per_cent(void **state)
{
	uint64_t payload = 8 << 20, both;

	wire.delay_ns = 100 * NS_PER_US;
	wire.frame_ns = NS_PER_MS; /* as in the lab */
	open_link();
	both = wire.bytes[0] + wire.bytes[1];
	transfer(payload, 0, 60 * NS_PER_S);
	both = wire.bytes[0] + wire.bytes[1] - both;
	print_message("overhead %llu / 10000\n",
		      (unsigned long long)((both - payload) * 10000 / payload));
	assert_true(both - payload < payload * 3 / 100);
	assert_int_equal(end[0]->stats.retransmits, 0);
	assert_int_equal(end[1]->stats.duplicates, 0);
	/* a paused guest would wait for what queues on the wire */
	assert_true(end[0]->tx.srtt_ns < 100 * NS_PER_MS);
}

static void test_wire_speed_is_used(void **state)
{
	uint64_t payload = 2 << 20, took;

	wire.frame_ns = NS_PER_MS;
	open_link();
	took = transfer(payload, 0, 60 * NS_PER_S);
	/* one frame of 1476 bytes each millisecond, and a little to begin and end */
	assert_true(took < payload / 1476 * NS_PER_MS * 105 / 100 + 100 * NS_PER_MS);
	wire.frame_ns = 0;
	transfer(payload, 0, 60 * NS_PER_S);
	assert_int_equal(end[0]->tx.cwnd, LINK_WINDOW); /* nothing queues, nothing holds back */
}

static void bad_wire(uint64_t seed, unsigned loss)
{
	setup(NULL);
	fake_wire_reset(seed);
	for (unsigned i = 0; i < 2; i++)
		switch_attach(&fake_switch[i], &hosts[i].port);
	wire.delay_ns = 200 * NS_PER_US;
	open_link();
	wire.loss = loss;
	wire.doubled = 5;
	wire.damaged = 3;
	wire.reordered = 20;
	transfer(1 << 20, 300000, 600 * NS_PER_S);
	assert_true(end[0]->stats.retransmits > 0);
	assert_true(end[1]->stats.duplicates > 0);
	assert_true(hosts[1].bad_crc > 0);
	wire.loss = wire.doubled = wire.damaged = wire.reordered = 0;
	teardown(NULL);
}

static void test_bad_wires(void **state)
{
	teardown(NULL);
	for (uint64_t seed = 1; seed <= 6; seed++)
		bad_wire(seed, 5 * seed);
	setup(NULL);
}

static void test_opening_over_a_bad_wire(void **state)
{
	unsigned opened = 0;

	for (unsigned i = 0; i < 40; i++) {
		wire.loss = 30;
		end[0] = link_open_start(&hosts[0], fake_mac[1], 101);
		run(6 * NS_PER_S);
		wire.loss = 0;
		run(2 * NS_PER_S); /* keep-alives repair what the handshake left open */
		if (end[0]->state == LINK_OPEN) {
			opened++;
			assert_non_null(end[1]);
			assert_int_equal(end[1]->state, LINK_OPEN);
		}
		drop(0);
		run(NS_PER_S);
		assert_true(!end[1] || end[1]->error == -E_CLOSED);
		drop(1);
		run(10 * NS_PER_S);
		assert_int_equal(hosts[1].count, 0);
	}
	assert_true(opened > 35);
}

static void test_small_messages_are_gathered_and_pushed(void **state)
{
	uint8_t buf[300];
	unsigned frames;

	open_link();
	frames = wire.frames[0];
	for (unsigned i = 0; i < 100; i++) {
		buf[0] = i;
		assert_int_equal(link_tx_write(end[0], buf, 3), 3);
		link_settle(end[0]);
	}
	assert_int_equal(wire.frames[0], frames);
	link_tx_push(end[0]);
	link_settle(end[0]);
	assert_int_equal(wire.frames[0], frames + 1);
	run(NS_PER_MS);
	assert_int_equal(link_rx_read(end[1], buf, 300), 300);
	assert_int_equal(buf[297], 99);
}

static void test_reader_that_stops_closes_the_window(void **state)
{
	static uint8_t buf[1 << 20];
	size_t sent = 0, n;
	unsigned frames;

	wire.delay_ns = 50 * NS_PER_US;
	open_link();
	do {
		n = link_tx_write(end[0], buf, sizeof(buf));
		link_settle(end[0]);
		run(100 * NS_PER_MS);
		sent += n;
	} while (n);
	/* one window at the reader, one at the writer, no more */
	assert_int_equal(sent, 2 * 256 * 1476);
	frames = wire.frames[0];
	run(100 * NS_PER_S);
	assert_true(wire.frames[0] - frames <= 250); /* keep-alives only */
	assert_int_equal(end[0]->error, 0);
	assert_int_equal(end[0]->stats.retransmits, 0);
	for (size_t got = 0, rounds = 0; got < sent; rounds++) {
		assert_true(rounds < 10); /* the writer learns at once that there is room */
		n = link_rx_read(end[1], buf, sizeof(buf));
		link_settle(end[1]);
		got += n;
		run(10 * NS_PER_MS);
	}
	assert_int_equal(end[1]->stats.duplicates, 0);
}

static void test_rate_is_respected(void **state)
{
	uint64_t took, payload = 1 << 20, rate = 500000, bytes;

	wire.delay_ns = 50 * NS_PER_US;
	open_link();
	end[0]->tx.rate = rate;
	bytes = wire.bytes[0];
	took = transfer(payload, 0, 60 * NS_PER_S);
	bytes = wire.bytes[0] - bytes;
	assert_true(bytes <= rate * took / NS_PER_S + rate / 100);
	assert_true(bytes >= rate * took / NS_PER_S * 95 / 100); /* and used */
}

static unsigned drops_left;

static bool tap_drop(unsigned from, struct netbuf *nb)
{
	return from != 0 || nb->len < 1000 || !drops_left || drops_left-- != 1;
}

static void test_one_lost_frame_is_repaired_without_a_timeout(void **state)
{
	uint64_t clean;

	wire.delay_ns = NS_PER_MS;
	wire.frame_ns = 50 * NS_PER_US;
	open_link();
	clean = transfer(600000, 0, NS_PER_S);
	drops_left = 100; /* the hundredth */
	wire.tap = tap_drop;
	assert_true(transfer(600000, 0, NS_PER_S) < clean + LINK_RTO_MIN_NS / 4);
	assert_int_equal(end[0]->stats.retransmits, 1);
	assert_int_equal(end[1]->stats.duplicates, 0);
}

static void test_a_pause_of_the_peer_costs_little(void **state)
{
	uint64_t start = fake_time_ns;
	static uint8_t buf[200000];

	wire.frame_ns = 20 * NS_PER_US;
	open_link();
	transfer(3 << 20, 0, 60 * NS_PER_S);
	link_tx_write(end[0], buf, sizeof(buf));
	wire.stalled_ns = fake_time_ns + 900 * NS_PER_MS;
	link_settle(end[0]);
	run(2 * NS_PER_S);
	assert_int_equal(link_recv_ready(end[1]), sizeof(buf) / 1476 * 1476);
	assert_in_range(end[0]->stats.retransmits, 1, 12);
	assert_true(end[0]->tx.cwnd >= LINK_CWND_FIRST);
	assert_true(fake_time_ns - start < 10 * NS_PER_S);
}

static void test_everything_under_way_lost(void **state)
{
	uint64_t start;

	wire.delay_ns = NS_PER_MS;
	open_link();
	transfer(300000, 0, NS_PER_S);
	start = fake_time_ns;
	wire.cut[0] = true;
	assert_int_equal(link_tx_write(end[0], (const uint8_t[100000]){0}, 100000), 100000);
	link_tx_push(end[0]);
	link_settle(end[0]);
	run(100 * NS_PER_MS);
	wire.cut[0] = false;
	while (link_recv_ready(end[1]) < 100000 && fake_time_ns - start < NS_PER_S)
		run(NS_PER_MS);
	/* one timeout, and then no further one is needed */
	assert_true(fake_time_ns - start < LINK_RTO_MIN_NS * 3 / 2);
	assert_int_equal(end[0]->stats.retransmits, 100000 / 1476 + 1);
}

static unsigned tries;
static uint64_t try_ns[64];

static bool tap_data(unsigned from, struct netbuf *nb)
{
	struct link_frame f;

	assert_int_equal(link_frame_check(nb, &f), 0);
	if (from == 0 && f.hdr.type == LINK_DATA) {
		if (tries < ARRAY_SIZE(try_ns))
			try_ns[tries++] = fake_time_ns;
		return false;
	}
	return true;
}

static void test_timeout_backs_off(void **state)
{
	open_link();
	transfer(100000, 0, NS_PER_S); /* so that the round trip is known */
	tries = 0;
	wire.tap = tap_data; /* DATA is swallowed, keep-alives pass: not dead, just blocked */
	assert_int_equal(link_tx_write(end[0], (const uint8_t *)"x", 1), 1);
	link_tx_push(end[0]);
	link_settle(end[0]);
	run(30 * NS_PER_S);
	assert_int_equal(end[0]->error, 0);
	assert_in_range(tries, 10, 25);
	assert_true(try_ns[1] - try_ns[0] >= LINK_RTO_MIN_NS);
	for (unsigned i = 2; i < tries; i++) {
		uint64_t gap = try_ns[i] - try_ns[i - 1], before = try_ns[i - 1] - try_ns[i - 2];

		assert_true(gap >= before || gap >= LINK_RTO_MAX_NS);
		assert_true(gap <= LINK_RTO_MAX_NS + NS_PER_MS);
	}
	wire.tap = NULL;
	run(3 * NS_PER_S);
	assert_int_equal(link_recv_ready(end[1]), 1);
}

static void test_idle_link_is_cheap_and_lives(void **state)
{
	unsigned frames;

	open_link();
	frames = wire.frames[0] + wire.frames[1];
	run(1000 * NS_PER_S);
	frames = wire.frames[0] + wire.frames[1] - frames;
	assert_in_range(frames, 1000, 4100);
	assert_int_equal(end[0]->error, 0);
	assert_int_equal(end[1]->error, 0);
}

static void test_silence_kills_both_ends(void **state)
{
	uint64_t at;

	open_link();
	run(NS_PER_S);
	wire.cut[0] = wire.cut[1] = true;
	at = fake_time_ns;
	link_tx_write(end[0], (const uint8_t *)"x", 1);
	link_tx_push(end[0]);
	link_settle(end[0]);
	while (!end[0]->error && fake_time_ns < at + 20 * NS_PER_S)
		run(10 * NS_PER_MS);
	assert_int_equal(end[0]->error, -E_TIMEDOUT);
	assert_in_range(fake_time_ns - at, LINK_SILENCE_NS - 2 * NS_PER_S,
			LINK_SILENCE_NS + NS_PER_S);
	run(2 * NS_PER_S);
	assert_int_equal(end[1]->error, -E_TIMEDOUT);
}

static void test_one_way_cut_kills_both_ends(void **state)
{
	open_link();
	wire.cut[1] = true; /* host 1 hears, but nobody hears host 1 */
	run(10 * NS_PER_S);
	assert_int_equal(end[0]->error, -E_TIMEDOUT);
	assert_int_equal(end[1]->error, -E_CLOSED); /* told by host 0's RESET */
}

static void test_close_delivers_everything_first(void **state)
{
	uint8_t buf[1000];
	size_t got = 0, n;

	open_link();
	wire.loss = 20;
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(link_tx_write(end[0], buf, sizeof(buf)), sizeof(buf));
	link_release(end[0]);
	end[0] = NULL;
	for (unsigned i = 0; i < 1000 && got < 100000; i++) {
		run(10 * NS_PER_MS);
		while ((n = link_rx_read(end[1], buf, sizeof(buf))))
			got += n;
		link_settle(end[1]);
	}
	assert_int_equal(got, 100000);
	run(5 * NS_PER_S);
	assert_true(end[1]->rx.fin);
	assert_int_equal(link_recv_ready(end[1]), 0);
	link_release(end[1]);
	end[1] = NULL;
	run(10 * NS_PER_S); /* under loss still: lost FINs and ACKs are repaired */
	assert_int_equal(hosts[0].count + hosts[1].count, 0);
}

static void test_both_close_at_once(void **state)
{
	open_link();
	link_release(end[0]);
	link_release(end[1]);
	end[0] = end[1] = NULL;
	run(NS_PER_S);
	assert_int_equal(hosts[0].count + hosts[1].count, 0);
}

static void test_closed_end_does_not_linger_for_ever(void **state)
{
	uint8_t c;

	open_link();
	assert_int_equal(link_tx_write(end[1], (const uint8_t *)"y", 1), 1);
	link_tx_push(end[1]);
	link_settle(end[1]);
	assert_int_equal(link_tx_write(end[0], (const uint8_t *)"x", 1), 1);
	link_release(end[0]);
	end[0] = NULL;
	run(LINK_LINGER_NS - NS_PER_S);
	assert_int_equal(hosts[0].count, 1); /* waits for the other side's end */
	run(3 * NS_PER_S);
	assert_int_equal(hosts[0].count, 0);
	run(3 * NS_PER_S);
	assert_int_equal(end[1]->error, -E_CLOSED);
	assert_int_equal(link_rx_read(end[1], &c, 1), 1); /* arrived before: not lost */
	assert_int_equal(c, 'x');
}

static void test_abort_is_told(void **state)
{
	open_link();
	drop(0);
	run(NS_PER_MS);
	assert_int_equal(end[1]->error, -E_CLOSED);
}

static void test_lost_abort_is_learned_by_reset(void **state)
{
	open_link();
	wire.cut[0] = true;
	drop(0);
	run(NS_PER_MS);
	wire.cut[0] = false;
	run(2 * NS_PER_S);
	assert_int_equal(end[1]->error, -E_CLOSED);
}

static void test_scarce_buffers_slow_but_do_not_stop(void **state)
{
	static struct netbuf *taken[COUNT];
	unsigned n = 0;

	open_link();
	while (!netbuf_is_scarce())
		taken[n++] = netbuf_alloc();
	for (unsigned i = 0; i < 40; i++)
		netbuf_put(taken[--n]);
	wire.loss = 5;
	transfer(500000, 0, 600 * NS_PER_S);
	while (n)
		netbuf_put(taken[--n]);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_clean_wire_costs_at_most_three_per_cent),
	    T(test_wire_speed_is_used),
	    T(test_bad_wires),
	    T(test_opening_over_a_bad_wire),
	    T(test_small_messages_are_gathered_and_pushed),
	    T(test_reader_that_stops_closes_the_window),
	    T(test_rate_is_respected),
	    T(test_one_lost_frame_is_repaired_without_a_timeout),
	    T(test_a_pause_of_the_peer_costs_little),
	    T(test_everything_under_way_lost),
	    T(test_timeout_backs_off),
	    T(test_idle_link_is_cheap_and_lives),
	    T(test_silence_kills_both_ends),
	    T(test_one_way_cut_kills_both_ends),
	    T(test_close_delivers_everything_first),
	    T(test_both_close_at_once),
	    T(test_closed_end_does_not_linger_for_ever),
	    T(test_abort_is_told),
	    T(test_lost_abort_is_learned_by_reset),
	    T(test_scarce_buffers_slow_but_do_not_stop),
	};

	if (netbuf_pool_init(1514, COUNT))
		return 1;
	return cmocka_run_group_tests_name("link", tests, NULL, NULL);
}
