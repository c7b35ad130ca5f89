/* SPDX-License-Identifier: BSD-2-Clause */
/* The blocking calls of link.h, against a second host that a timer drives. */
#include <string.h>

#include "tests/unit/fake_task.h"
#include "tests/unit/fake_wire.h"

#define COUNT 1024

static struct net_switch *sw = &fake_switch[0];
static struct link_host other;
static struct link *far_end;
static struct peer peer;
static struct timer far_timer;
static uint64_t far_read;
static bool far_reads, far_echoes;

static bool accept_it(struct link *l, void *ctx)
{
	far_end = l;
	return true;
}

static void far_tick(struct timer *t)
{
	uint8_t buf[4000];
	size_t n = 0;

	if (far_end && far_reads)
		n = link_rx_read(far_end, buf, sizeof(buf));
	if (n && far_echoes) {
		assert_int_equal(link_tx_write(far_end, buf, n), n);
		link_tx_push(far_end);
	}
	far_read += n;
	if (far_end)
		link_settle(far_end);
	timer_arm(t, fake_time_ns + NS_PER_MS);
}

static int setup(void **state)
{
	struct peers_config cfg = {.self = {.name = "alpha", .boot_id = 100, .frame_max = 1514}};

	fake_kernel_reset();
	fake_tasks_reset();
	fake_wire_reset(3);
	memcpy(cfg.self.mac, fake_mac[0], ETH_ALEN);
	assert_int_equal(peers_init(sw, &cfg), 0);
	assert_int_equal(link_init(sw, fake_mac[0]), 0);
	link_host_init(&other, &fake_switch[1], fake_mac[1], 101, 1514);
	other.accept = accept_it;
	far_end = NULL;
	far_reads = true;
	far_echoes = false;
	far_read = 0;
	timer_init(&far_timer, far_tick);
	timer_arm(&far_timer, 1);
	peer = (struct peer){.name = "beta", .boot_id = 101, .version = LINK_VERSION};
	memcpy(peer.mac, fake_mac[1], ETH_ALEN);
	return 0;
}

static int teardown(void **state)
{
	fake_timers_run_until(fake_time_ns + NS_PER_S); /* what is under way may still open it */
	if (far_end)
		link_abort(far_end);
	far_end = NULL;
	fake_timers_run_until(fake_time_ns + 60 * NS_PER_S);
	fake_wire_flush();
	assert_int_equal(other.count, 0);
	assert_int_equal(netbuf_free_count(), COUNT);
	return 0;
}

static void test_send_drain_close(void **state)
{
	static uint8_t big[3 << 20];
	struct link_stats st;
	struct link *l;

	assert_int_equal(link_connect(&peer, &l), 0);
	assert_memory_equal(link_peer_mac(l), fake_mac[1], ETH_ALEN);
	assert_int_equal(link_send(l, big, sizeof(big)), 0);
	assert_int_equal(link_drain(l, fake_time_ns + 10 * NS_PER_S), 0);
	link_get_stats(l, &st);
	assert_true(st.tx_bytes > sizeof(big) && st.tx_frames > sizeof(big) / 1476);
	assert_true(st.srtt_ns > 0);
	link_close(l);
	fake_timers_run_until(fake_time_ns + NS_PER_S);
	assert_int_equal(far_read, sizeof(big));
	assert_true(far_end->rx.fin);
}

static void test_echo_through_a_bad_wire(void **state)
{
	uint8_t out[3000], in[3000];
	struct link *l;

	assert_int_equal(link_connect(&peer, &l), 0);
	far_echoes = true;
	wire.loss = 15;
	for (unsigned i = 0; i < 50; i++) {
		for (unsigned b = 0; b < sizeof(out); b++)
			out[b] = fake_random();
		assert_int_equal(link_send(l, out, sizeof(out)), 0);
		/* no push: link_recv must not wait for what it holds back itself */
		assert_int_equal(link_recv(l, in, sizeof(in), fake_time_ns + 30 * NS_PER_S), 0);
		assert_memory_equal(in, out, sizeof(in));
	}
	wire.loss = 0;
	link_close(l);
}

static void test_deadlines(void **state)
{
	struct link *l;
	uint64_t t;
	uint8_t c[2];

	assert_int_equal(link_connect(&peer, &l), 0);
	t = fake_time_ns;
	assert_int_equal(link_recv(l, c, 1, t + 3 * NS_PER_S), -E_TIMEDOUT);
	assert_in_range(fake_time_ns - t, 3 * NS_PER_S, 3 * NS_PER_S + NS_PER_MS);
	far_echoes = true;
	assert_int_equal(link_send(l, "x", 1), 0);
	/* half of it comes: it is consumed, the error says that the rest did not */
	assert_int_equal(link_recv(l, c, 2, fake_time_ns + NS_PER_S), -E_TIMEDOUT);
	assert_int_equal(link_recv_ready(l), 0);
	wire.cut[0] = true;
	assert_int_equal(link_send(l, "x", 1), 0);
	t = fake_time_ns;
	assert_int_equal(link_drain(l, t + NS_PER_S), -E_TIMEDOUT);
	assert_in_range(fake_time_ns - t, NS_PER_S, NS_PER_S + NS_PER_MS);
	wire.cut[0] = false;
	link_abort(l);
}

static void test_window_blocks_until_cancelled_or_dead(void **state)
{
	static uint8_t big[2 << 20];
	struct link *l;

	assert_int_equal(link_connect(&peer, &l), 0);
	far_reads = false;
	wire.cut[0] = wire.cut[1] = true;
	assert_int_equal(link_send(l, big, sizeof(big)), -E_TIMEDOUT);
	assert_int_equal(link_recv(l, big, 1, TIME_NEVER), -E_TIMEDOUT);
	link_close(l);
	wire.cut[0] = wire.cut[1] = false;
	link_abort(far_end);
	far_end = NULL;
	assert_int_equal(link_connect(&peer, &l), 0);
	link_cancel(l);
	assert_int_equal(link_send(l, big, 1), -E_CANCELLED);
	assert_int_equal(link_recv(l, big, 1, TIME_NEVER), -E_CANCELLED);
	assert_int_equal(link_drain(l, TIME_NEVER), -E_CANCELLED);
	link_abort(l);
}

/* It answers every frame and takes nothing: memory here is not to be held for ever. */
static void test_peer_that_takes_nothing(void **state)
{
	static uint8_t big[2 << 20];
	uint64_t begun;
	struct link *l;

	assert_int_equal(link_connect(&peer, &l), 0);
	far_reads = false;
	begun = fake_time_ns;
	assert_int_equal(link_send(l, big, sizeof(big)), -E_TIMEDOUT);
	assert_true(fake_time_ns - begun >= LINK_STALL_NS);
	assert_int_equal(link_push(l), 0); /* the link itself lives */
	link_close(l);
}

static void test_peer_that_closed(void **state)
{
	struct link *l;
	uint8_t c;

	assert_int_equal(link_connect(&peer, &l), 0);
	assert_int_equal(link_send(l, "x", 1), 0);
	assert_int_equal(link_push(l), 0);
	fake_timers_run_until(fake_time_ns + NS_PER_S / 10);
	far_reads = false;
	assert_int_equal(link_tx_write(far_end, (const uint8_t *)"z", 1), 1);
	link_release(far_end);
	far_end = NULL;
	fake_timers_run_until(fake_time_ns + NS_PER_S / 10);
	assert_int_equal(link_send(l, "y", 1), -E_CLOSED);
	assert_int_equal(link_recv(l, &c, 1, TIME_NEVER), 0); /* sent before the end */
	assert_int_equal(c, 'z');
	assert_int_equal(link_recv(l, &c, 1, TIME_NEVER), -E_CLOSED);
	link_close(l);
}

static void test_connect_errors(void **state)
{
	struct link *l;
	uint64_t t;

	peer.version = LINK_VERSION + 1;
	assert_int_equal(link_connect(&peer, &l), -E_VERSION);
	peer.version = LINK_VERSION;
	other.accept = NULL;
	assert_int_equal(link_connect(&peer, &l), -E_CLOSED);
	other.accept = accept_it;
	peer.boot_id = 1;
	assert_int_equal(link_connect(&peer, &l), -E_CLOSED);
	peer.mac[5] ^= 0x40;
	t = fake_time_ns;
	assert_int_equal(link_connect(&peer, &l), -E_TIMEDOUT);
	assert_in_range(fake_time_ns - t, LINK_CONNECT_NS, LINK_CONNECT_NS + NS_PER_MS);
	fake_alloc_countdown = 0;
	assert_int_equal(link_connect(&peer, &l), -E_NOMEM);
}

static struct link *mine;

static bool accept_mine(struct link *l, void *ctx)
{
	mine = l;
	return true;
}

static void test_listen(void **state)
{
	uint8_t c;

	link_listen(accept_mine, NULL);
	mine = NULL;
	far_end = link_open_start(&other, fake_mac[0], 100);
	fake_timers_run_until(fake_time_ns + NS_PER_S);
	assert_non_null(mine);
	assert_int_equal(link_tx_write(far_end, (const uint8_t *)"q", 1), 1);
	link_tx_push(far_end);
	assert_int_equal(link_recv(mine, &c, 1, fake_time_ns + NS_PER_S), 0);
	assert_int_equal(c, 'q');
	link_set_rate(mine, 1000000);
	link_close(mine);
	link_listen(NULL, NULL);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_send_drain_close),
	    T(test_echo_through_a_bad_wire),
	    T(test_deadlines),
	    T(test_window_blocks_until_cancelled_or_dead),
	    T(test_peer_that_takes_nothing),
	    T(test_peer_that_closed),
	    T(test_connect_errors),
	    T(test_listen),
	};

	if (netbuf_pool_init(1514, COUNT))
		return 1;
	return cmocka_run_group_tests_name("link_face", tests, NULL, NULL);
}
