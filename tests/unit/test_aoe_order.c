/* SPDX-License-Identifier: BSD-2-Clause */
/* Order and patience of the AoE initiator: loss, delay, doubled frames, a store that goes away. */
#include <stdlib.h>
#include <string.h>

#include "tests/unit/aoe_fixture.h"

static void test_hostile_wire(void **state)
{
	struct probe *p[64];
	struct aoe_stats st;

	wire_rule = rule_hostile;
	rule_seed = 1;
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < 64; i++)
			p[i] = probe_submit(BLK_WRITE, i * 32, 32, (uint8_t)(round * 70 + i));
		for (unsigned i = 0; i < 64; i++)
			assert_int_equal(probe_finish(p[i]), 0);
		for (unsigned i = 0; i < 64; i++)
			p[i] = probe_submit(BLK_READ, i * 32, 32, 0);
		for (unsigned i = 0; i < 64; i++) {
			while (!p[i]->done)
				run_for(NS_PER_MS);
			for (unsigned b = 0; b < 32 * SECTOR_SIZE; b++)
				assert_int_equal(p[i]->data[b], (uint8_t)(round * 70 + i));
			assert_int_equal(probe_finish(p[i]), 0);
		}
	}
	aoe_get_stats(disk, &st);
	assert_true(st.retransmits > 50);
	assert_true(st.unexpected > 50);
}

static unsigned write_frames;

/* The first write's frame is held for 500 ms; its retransmission goes through at once. */
static void rule_delay_first_write(const uint8_t *f, size_t len, bool to_target,
				   struct wire_fate *fate)
{
	if (to_target && f[19] == AOE_CMD_ATA && f[27] == ATA_WRITE_SECTORS_EXT && !write_frames++)
		fate->delay_ns[0] = 500 * NS_PER_MS;
}

static void test_delayed_write_does_not_win(void **state)
{
	struct probe *old_write, *new_write, *elsewhere, *read;
	uint64_t start = fake_time_ns;

	write_frames = 0;
	wire_rule = rule_delay_first_write;
	old_write = probe_submit(BLK_WRITE, 10, 2, 0x11);
	while (!old_write->done)
		run_for(NS_PER_MS);
	/* Answered by the second copy, while the first is still on the wire. */
	assert_true(fake_time_ns - start < 400 * NS_PER_MS);
	new_write = probe_submit(BLK_WRITE, 11, 2, 0x22);
	elsewhere = probe_submit(BLK_WRITE, 40, 2, 0x33);
	read = probe_submit(BLK_READ, 10, 1, 0);
	run_for(20 * NS_PER_MS);
	assert_false(new_write->done);
	assert_true(elsewhere->done);
	assert_true(read->done); /* the same data, whichever copy */
	assert_int_equal(read->data[0], 0x11);
	while (!new_write->done)
		run_for(NS_PER_MS);
	/* As soon as the last copy is answered, not later. */
	assert_in_range(new_write->done_ns - start, 500 * NS_PER_MS, 520 * NS_PER_MS);
	run_for(3 * NS_PER_S);
	assert_int_equal(target.sectors[10][0], 0x11);
	assert_int_equal(target.sectors[11][0], 0x22);
	assert_int_equal(probe_finish(old_write), 0);
	assert_int_equal(probe_finish(new_write), 0);
	assert_int_equal(probe_finish(elsewhere), 0);
	assert_int_equal(probe_finish(read), 0);
}

static void rule_lose_first_write(const uint8_t *f, size_t len, bool to_target,
				  struct wire_fate *fate)
{
	if (to_target && f[27] == ATA_WRITE_SECTORS_EXT && !write_frames++)
		fate->copies = 0;
}

static void test_lost_copy_is_waited_out(void **state)
{
	struct probe *p, *q;

	write_frames = 0;
	wire_rule = rule_lose_first_write;
	p = probe_submit(BLK_WRITE, 10, 2, 0x11);
	while (!p->done)
		run_for(NS_PER_MS);
	q = probe_submit(BLK_WRITE, 10, 2, 0x22);
	run_for(AOE_FRAME_LIFE_NS / 2);
	assert_false(q->done);
	run_for(AOE_FRAME_LIFE_NS);
	assert_true(q->done);
	assert_int_equal(probe_finish(p), 0);
	assert_int_equal(probe_finish(q), 0);
}

static void test_overlap_is_serialised(void **state)
{
	struct probe *w1, *r, *w2, *far_write;

	w1 = probe_submit(BLK_WRITE, 10, 4, 0x11);
	r = probe_submit(BLK_READ, 13, 4, 0);
	w2 = probe_submit(BLK_WRITE, 12, 1, 0x22);
	far_write = probe_submit(BLK_WRITE, 14, 1, 0x44);
	run_for(2 * WIRE_DELAY_NS);
	assert_true(w1->done);
	assert_false(r->done || w2->done || far_write->done);
	assert_int_equal(probe_finish(far_write), 0); /* after the read, which overlaps it */
	assert_true(r->done && w2->done);
	assert_int_equal(r->data[0], 0x11);
	assert_int_equal(r->data[SECTOR_SIZE], 0);
	assert_true(r->done_ns <= fake_time_ns);
	assert_int_equal(target.sectors[12][0], 0x22);
	assert_int_equal(probe_finish(w1), 0);
	assert_int_equal(probe_finish(r), 0);
	assert_int_equal(probe_finish(w2), 0);
}

static void test_store_away_and_back(void **state)
{
	struct probe *p, *q;
	struct aoe_stats st;
	unsigned logs;

	target.silent = true;
	logs = fake_log_count;
	p = probe_submit(BLK_WRITE, 5, 16, 0x77);
	q = probe_submit(BLK_READ, 500, 2, 0);
	run_for(100 * NS_PER_S);
	assert_false(p->done || q->done);
	assert_int_equal(fake_log_count, logs + 1); /* "does not answer", once */
	assert_non_null(strstr(fake_log_last, "e7.3 does not answer"));
	assert_int_equal(aoe_drain(disk, soon()), -E_TIMEDOUT);
	aoe_get_stats(disk, &st);
	assert_in_range(st.tx_frames, 100, 300); /* about one a second, not a storm */
	target.silent = false;
	assert_int_equal(aoe_drain(disk, fake_time_ns + 10 * NS_PER_S), 0);
	assert_non_null(strstr(fake_log_last, "answers again"));
	assert_int_equal(fake_log_count, logs + 2);
	assert_int_equal(probe_finish(p), 0);
	assert_int_equal(probe_finish(q), 0);
	assert_int_equal(target.sectors[20][511], 0x77);
}

static void test_cancel_takes_back_what_is_out(void **state)
{
	struct probe *p, *q, *again;

	target.silent = true;
	p = probe_submit(BLK_WRITE, 5, 16, 0x77);
	q = probe_submit(BLK_WRITE, 5, 2, 0x78); /* waits for the first: they overlap */
	run_for(NS_PER_S);
	aoe_cancel(disk);
	assert_int_equal(probe_finish(p), -E_CANCELLED);
	assert_int_equal(probe_finish(q), -E_CANCELLED);
	assert_int_equal(aoe_drain(disk, soon()), 0);
	target.silent = false;
	again = probe_submit(BLK_WRITE, 5, 16, 0x79);
	run_for(10 * NS_PER_S);
	assert_int_equal(probe_finish(again), 0);
	assert_int_equal(target.sectors[20][511], 0x79);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    AOE_TEST(test_hostile_wire),
	    AOE_TEST(test_delayed_write_does_not_win),
	    AOE_TEST(test_lost_copy_is_waited_out),
	    AOE_TEST(test_overlap_is_serialised),
	    AOE_TEST(test_store_away_and_back),
	    AOE_TEST(test_cancel_takes_back_what_is_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
