/* SPDX-License-Identifier: BSD-2-Clause */
/* The AoE initiator against a target in memory: data, the window, hostile answers, closing. */
#include <stdlib.h>
#include <string.h>

#include "tests/unit/aoe_fixture.h"

static unsigned in_flight, in_flight_max;

static void rule_lose_all(const uint8_t *f, size_t len, bool to_target, struct wire_fate *fate)
{
	fate->copies = 0;
}

static void test_open(void **state)
{
	struct aoe_disk *other;

	assert_string_equal(aoe_blkdev(disk)->name, "e7.3");
	assert_string_equal(aoe_blkdev(disk)->model, "fake target");
	assert_int_equal(aoe_blkdev(disk)->sectors, TARGET_SECTORS);
	assert_memory_equal(aoe_mac(disk), MAC_A, ETH_ALEN);
	assert_int_equal(aoe_open(9, 9, MAC_B, &other), -E_TIMEDOUT);
	fake_alloc_countdown = 0;
	assert_int_equal(aoe_open(TARGET_SHELF, TARGET_SLOT, MAC_B, &other), -E_NOMEM);
	fake_alloc_countdown = -1;
	assert_int_equal(aoe_open(0xffff, 0, MAC_B, &other), -E_INVAL);
}

static void test_read_write_flush(void **state)
{
	struct probe *p = probe_submit(BLK_WRITE, 100, 33, 0x5a);
	struct aoe_stats st;

	assert_int_equal(probe_finish(p), 0);
	assert_int_equal(target.writes, 17);
	assert_int_equal(target.sectors[99][511], 0);
	assert_int_equal(target.sectors[100][0], 0x5a);
	assert_int_equal(target.sectors[132][511], 0x5a);
	assert_int_equal(target.sectors[133][0], 0);
	p = probe_submit(BLK_READ, 100, 33, 0);
	while (!p->done)
		run_for(NS_PER_MS);
	assert_memory_equal(p->data, target.sectors[100], 33 * SECTOR_SIZE);
	assert_int_equal(p->data[33 * SECTOR_SIZE], 0);
	assert_int_equal(probe_finish(p), 0);
	assert_int_equal(probe_finish(probe_submit(BLK_FLUSH, 0, 0, 0)), 0);
	assert_int_equal(target.last_flush, ATA_FLUSH_CACHE_EXT);
	disk->id.flush_ext = false;
	assert_int_equal(probe_finish(probe_submit(BLK_FLUSH, 0, 0, 0)), 0);
	assert_int_equal(target.last_flush, ATA_FLUSH_CACHE);
	aoe_get_stats(disk, &st);
	assert_int_equal(st.retransmits, 0);
	assert_int_equal(st.unexpected, 0);
	assert_int_equal(st.srtt_ns, 2 * WIRE_DELAY_NS);
	assert_int_equal(aoe_blkdev(disk)->inflight, 0);
}

static void rule_count(const uint8_t *f, size_t len, bool to_target, struct wire_fate *fate)
{
	in_flight += to_target ? 1 : -1;
	in_flight_max = MAX(in_flight_max, in_flight);
	fate->delay_ns[0] = 5 * NS_PER_MS;
}

static void test_window(void **state)
{
	struct probe *p[20];

	in_flight = in_flight_max = 0;
	wire_rule = rule_count;
	for (unsigned i = 0; i < 20; i++)
		p[i] = probe_submit(BLK_READ, i * 64, 64, 0);
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(probe_finish(p[i]), 0);
	/* It opens to what the target said it can queue, and no further. */
	assert_int_equal(in_flight_max, 16);
	assert_int_equal(target.reads, 20 * 32);
}

static void test_errors(void **state)
{
	target.error = AOE_ERR_ARGUMENT;
	assert_int_equal(probe_finish(probe_submit(BLK_READ, 0, 8, 0)), -E_INVAL);
	target.error = 77;
	assert_int_equal(probe_finish(probe_submit(BLK_READ, 0, 8, 0)), -E_PROTO);
	target.error = 0;
	target.status = ATA_STATUS_ERR;
	assert_int_equal(probe_finish(probe_submit(BLK_WRITE, 0, 8, 0)), -E_IO);
	assert_int_equal(probe_finish(probe_submit(BLK_FLUSH, 0, 0, 0)), -E_IO);
	assert_int_equal(aoe_blkdev(disk)->errors, 4);
	target.status = 0;
	/* Too little data is no answer. */
	target.cut_data = 1;
	struct probe *p = probe_submit(BLK_READ, 0, 2, 0xee);

	run_for(NS_PER_S);
	assert_false(p->done);
	assert_int_equal(p->data[0], 0xee);
	target.cut_data = 0;
	assert_int_equal(probe_finish(p), 0);
}

/* Forged and stale answers to the one command in flight: none may complete it. */
static void test_unexpected_answers(void **state)
{
	struct probe *p = probe_submit(BLK_WRITE, 3, 1, 1);
	struct aoe_cmd *cmd = list_entry(disk->sent.next, struct aoe_cmd, node);
	struct aoe_header good = {.flags = AOE_FLAG_RESPONSE,
				  .shelf = TARGET_SHELF,
				  .slot = TARGET_SLOT,
				  .tag = cmd->tag};
	struct aoe_header bad[9];
	struct aoe_ata a = {.cmd_status = ATA_STATUS_RDY};
	uint8_t f[ETH_MIN_LEN];
	struct aoe_stats st;

	target.silent = true;
	memcpy(good.dst, MAC_A, ETH_ALEN);
	memcpy(good.src, target.mac, ETH_ALEN);
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
		bad[i] = good;
	bad[0].tag ^= 1u << 31;		     /* another sequence */
	bad[1].tag += AOE_COPIES;	     /* another slot */
	bad[2].tag |= 1;		     /* a copy that was not sent */
	bad[3].shelf++;			     /* another shelf */
	bad[4].slot++;			     /* another slot */
	bad[5].src[5]++;		     /* another sender */
	memcpy(bad[6].dst, MAC_B, ETH_ALEN); /* an old MAC of ours */
	bad[7].flags = 0;		     /* a request */
	memset(bad[8].dst, 0xff, ETH_ALEN);  /* to everybody, which no answer is */
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		aoe_encode_ata(f, &bad[i], &a);
		fake_wire_inject(f, sizeof(f), NS_PER_US);
		run_for(2 * NS_PER_US);
		assert_false(p->done);
	}
	aoe_get_stats(disk, &st);
	assert_int_equal(st.unexpected, 7); /* not the request, nor what never reached the port */
	aoe_encode_ata(f, &good, &a);
	fake_wire_inject(f, sizeof(f), NS_PER_US);
	fake_wire_inject(f, sizeof(f), NS_PER_US); /* twice: the second is too late */
	run_for(2 * NS_PER_US);
	assert_true(p->done);
	target.silent = false;
	assert_int_equal(probe_finish(p), 0);
	aoe_get_stats(disk, &st);
	assert_int_equal(st.unexpected, 8);
}

static void test_garbage_frames(void **state)
{
	uint8_t f[200];

	rule_seed = 7;
	for (unsigned i = 0; i < 20000; i++) {
		size_t len = 14 + i % (sizeof(f) - 14);

		for (size_t k = 0; k < len; k++) {
			rule_seed = rule_seed * 1664525 + 1013904223;
			f[k] = (uint8_t)(rule_seed >> 24);
		}
		memcpy(f, MAC_A, ETH_ALEN);
		memcpy(f + 6, target.mac, ETH_ALEN);
		memcpy(f + 12, "\x88\xa2\x18\x00\x00\x07\x03", MIN(7, len - 12));
		if (len > 19)
			f[19] &= 3;
		fake_wire_inject(f, len, 1);
		run_for(2);
	}
	assert_int_equal(probe_finish(probe_submit(BLK_READ, 0, 8, 0)), 0);
}

static void test_close_cancels(void **state)
{
	struct probe *p = probe_submit(BLK_WRITE, 3, 8, 1);
	struct probe *q = probe_submit(BLK_WRITE, 3, 8, 1);

	wire_rule = rule_lose_all;
	aoe_close(disk);
	assert_true(p->done && q->done);
	assert_int_equal(p->err, -E_CANCELLED);
	assert_int_equal(q->err, -E_CANCELLED);
	free(p);
	free(q);
	wire_rule = NULL;
	assert_int_equal(aoe_open(TARGET_SHELF, TARGET_SLOT, MAC_A, &disk), 0);
}

static struct timer close_timer;

static void close_fired(struct timer *t)
{
	aoe_close(disk);
}

static void test_close_under_a_waiter(void **state)
{
	target.silent = true;
	timer_init(&close_timer, close_fired);
	timer_arm(&close_timer, fake_time_ns + 100 * NS_PER_MS);
	assert_int_equal(aoe_reserve_set(disk, &MAC_A, 1, soon()), -E_CANCELLED);
	target.silent = false;
	assert_int_equal(aoe_open(TARGET_SHELF, TARGET_SLOT, MAC_A, &disk), 0);
}

static void test_no_frame_buffers(void **state)
{
	struct netbuf *taken[256];
	struct probe *p;
	unsigned n = 0;

	while (n < 256 && (taken[n] = netbuf_alloc()))
		n++;
	p = probe_submit(BLK_WRITE, 8, 32, 3);
	run_for(NS_PER_S);
	assert_false(p->done);
	while (n)
		netbuf_put(taken[--n]);
	assert_int_equal(probe_finish(p), 0);
	assert_int_equal(target.sectors[39][0], 3);
}

/* The wire's card takes less than the host's buffers hold. */
static void test_small_card(void **state)
{
	uint16_t was = wire_switch.uplink->frame_max;
	struct aoe_disk *other;

	assert_true(netbuf_frame_max() >= AOE_ATA_DATA + 2 * SECTOR_SIZE);
	wire_switch.uplink->frame_max = AOE_ATA_DATA + 2 * SECTOR_SIZE - 1;
	assert_int_equal(aoe_open(TARGET_SHELF, TARGET_SLOT, MAC_B, &other), 0);
	assert_int_equal(other->frame_sectors, 1);
	wire_switch.uplink->frame_max = 0;
	aoe_close(other);
	assert_int_equal(aoe_open(TARGET_SHELF, TARGET_SLOT, MAC_B, &other), 0);
	assert_int_equal(other->frame_sectors, 1);
	aoe_close(other);
	wire_switch.uplink->frame_max = was;
}

static void test_discovery(void **state)
{
	const struct aoe_target *t;

	assert_null(aoe_target_at(0));
	aoe_discover();
	run_for(10 * NS_PER_MS);
	t = aoe_target_at(0);
	assert_non_null(t);
	assert_int_equal(t->shelf, TARGET_SHELF);
	assert_int_equal(t->slot, TARGET_SLOT);
	assert_int_equal(t->sectors, 0);
	assert_memory_equal(t->mac, target.mac, ETH_ALEN);
	run_for(10 * NS_PER_MS);
	assert_int_equal(aoe_target_at(0)->sectors, TARGET_SECTORS);
	assert_null(aoe_target_at(1));
	/* A liar with many names does not fill memory. */
	for (unsigned i = 0; i < 200; i++) {
		target.mac[4] = (uint8_t)i;
		fake_target_restart(true);
		run_for(2 * NS_PER_MS);
	}
	assert_non_null(aoe_target_at(31));
	assert_null(aoe_target_at(32));
}

static void test_fresh_mac(void **state)
{
	uint8_t a[ETH_ALEN], b[ETH_ALEN];

	for (unsigned i = 0; i < 100; i++) {
		aoe_fresh_mac(a);
		aoe_fresh_mac(b);
		assert_int_equal(a[0] & 3, 2);
		assert_memory_not_equal(a, b, ETH_ALEN);
	}
}

static void test_rtt(void **state)
{
	struct aoe_rtt r = {0};

	assert_int_equal(aoe_rtt_timeout(&r), AOE_RTO_FIRST_NS);
	aoe_rtt_sample(&r, 100 * NS_PER_MS);
	assert_int_equal(aoe_rtt_timeout(&r), 300 * NS_PER_MS); /* RFC 6298 (2.2) */
	aoe_rtt_sample(&r, 200 * NS_PER_MS);
	/* (2.3): rttvar = 3/4 * 50 + 1/4 * 100 = 62.5; srtt = 7/8 * 100 + 1/8 * 200 = 112.5 */
	assert_int_equal(aoe_rtt_timeout(&r), 362500 * NS_PER_US);
	aoe_rtt_back_off(&r);
	assert_int_equal(aoe_rtt_timeout(&r), 725 * NS_PER_MS);
	for (unsigned i = 0; i < 100; i++)
		aoe_rtt_back_off(&r);
	assert_int_equal(aoe_rtt_timeout(&r), AOE_RTO_MAX_NS);
	for (unsigned i = 0; i < 200; i++)
		aoe_rtt_sample(&r, 1);
	assert_int_equal(aoe_rtt_timeout(&r), AOE_RTO_MIN_NS);
	aoe_rtt_sample(&r, UINT64_MAX);
	assert_int_equal(aoe_rtt_timeout(&r), AOE_RTO_MAX_NS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    AOE_TEST(test_open),
	    AOE_TEST(test_read_write_flush),
	    AOE_TEST(test_window),
	    AOE_TEST(test_errors),
	    AOE_TEST(test_unexpected_answers),
	    AOE_TEST(test_garbage_frames),
	    AOE_TEST(test_close_cancels),
	    AOE_TEST(test_close_under_a_waiter),
	    AOE_TEST(test_no_frame_buffers),
	    AOE_TEST(test_small_card),
	    AOE_TEST(test_discovery),
	    cmocka_unit_test(test_fresh_mac),
	    cmocka_unit_test(test_rtt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
