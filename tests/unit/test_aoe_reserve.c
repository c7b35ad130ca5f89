/* SPDX-License-Identifier: BSD-2-Clause */
/* The reservation list as the AoE initiator reads, sets and keeps it. */
#include <stdlib.h>
#include <string.h>

#include "tests/unit/aoe_fixture.h"

static void test_reservation(void **state)
{
	const uint8_t both[2][ETH_ALEN] = {{2, 0, 0, 0, 0, 0xa1}, {2, 0, 0, 0, 0, 0xb2}};
	struct aoe_reservation r;
	struct aoe_disk *b;

	assert_int_equal(aoe_open(TARGET_SHELF, TARGET_SLOT, MAC_B, &b), 0);
	assert_int_equal(aoe_reserve_read(disk, &r, soon()), 0);
	assert_int_equal(r.count, 0);
	assert_int_equal(aoe_reserve_set(disk, both, 1, soon()), 0);
	assert_int_equal(aoe_reserve_set(b, both + 1, 1, soon()), -E_FENCED);
	assert_int_equal(blkdev_write(aoe_blkdev(b), 1, 1, target.sectors[9]), -E_FENCED);
	assert_int_equal(aoe_reserve_set(disk, both, 2, soon()), 0);
	assert_int_equal(aoe_reserve_read(b, &r, soon()), 0);
	assert_int_equal(r.count, 2);
	assert_memory_equal(r.macs, both, sizeof(both));
	assert_int_equal(aoe_reserve_set(b, both + 1, 1, soon()), 0);
	assert_int_equal(aoe_reserve_set(disk, both, 1, soon()), -E_FENCED);
	assert_int_equal(probe_finish(probe_submit(BLK_WRITE, 1, 4, 9)), -E_FENCED);
	assert_int_equal(probe_finish(probe_submit(BLK_FLUSH, 0, 0, 0)), -E_FENCED);
	assert_int_equal(target.sectors[1][0], 0);
	aoe_set_mac(disk, MAC_C);
	assert_int_equal(aoe_reserve_force(disk, both, 2, soon()), 0);
	assert_int_equal(target.list_count, 2);
	assert_int_equal(aoe_reserve_set(disk, both, 256, soon()), -E_RANGE);
	aoe_close(b);
}

static void test_reserve_deadline(void **state)
{
	uint64_t deadline = fake_time_ns + 300 * NS_PER_MS;
	struct aoe_reservation r;

	target.silent = true;
	assert_int_equal(aoe_reserve_set(disk, &MAC_A, 1, deadline), -E_TIMEDOUT);
	assert_int_equal(fake_time_ns, deadline);
	target.silent = false;
	run_for(NS_PER_S);
	assert_int_equal(target.list_count, 0); /* nothing is sent after the deadline */
	wire_rule = rule_hostile;
	rule_seed = 42;
	assert_int_equal(aoe_reserve_read(disk, &r, fake_time_ns + 10 * NS_PER_S), 0);
}

static unsigned data_frames;

static void rule_count_data(const uint8_t *f, size_t len, bool to_target, struct wire_fate *fate)
{
	data_frames += to_target && f[19] == AOE_CMD_ATA;
}

static void test_forgotten_list_is_taken_again(void **state)
{
	struct probe *p, *q;

	assert_int_equal(aoe_reserve_set(disk, &MAC_A, 1, soon()), 0);
	/* It says that it starts. */
	fake_target_restart(true);
	run_for(20 * NS_PER_MS);
	assert_int_equal(target.list_count, 1);
	assert_memory_equal(target.list[0], MAC_A, ETH_ALEN);
	/* What is submitted while it asks waits as well. */
	fake_target_restart(true);
	run_for(WIRE_DELAY_NS + 1);
	wire_rule = rule_count_data;
	data_frames = 0;
	p = probe_submit(BLK_WRITE, 1, 1, 0x44);
	run_for(2 * WIRE_DELAY_NS);
	assert_int_equal(data_frames, 0);
	wire_rule = NULL;
	assert_int_equal(probe_finish(p), 0);
	assert_int_equal(target.list_count, 1);
	target.writes = 0;
	/* It is away for a while and says nothing: no write reaches it before the list does. */
	target.silent = true;
	p = probe_submit(BLK_WRITE, 1, 8, 0x55);
	run_for(NS_PER_S);
	wire_rule = rule_count_data;
	data_frames = 0;
	q = probe_submit(BLK_WRITE, 100, 8, 0x55);
	run_for(5 * NS_PER_S);
	assert_int_equal(data_frames, 0);
	wire_rule = NULL;
	fake_target_restart(false);
	target.silent = false;
	while (!target.list_count) {
		assert_int_equal(target.writes, 0);
		run_for(NS_PER_MS / 2);
	}
	assert_int_equal(probe_finish(p), 0);
	assert_int_equal(probe_finish(q), 0);
	/* Another owner meanwhile: the data is refused, the list left alone. */
	target.list_count = 1;
	memcpy(target.list[0], MAC_B, ETH_ALEN);
	fake_target_restart(false);
	target.list_count = 1;
	target.silent = true;
	p = probe_submit(BLK_WRITE, 1, 8, 0x66);
	run_for(5 * NS_PER_S);
	target.silent = false;
	assert_int_equal(probe_finish(p), -E_FENCED);
	assert_memory_equal(target.list[0], MAC_B, ETH_ALEN);
}

static void test_list_of_two_is_not_taken_again(void **state)
{
	const uint8_t both[2][ETH_ALEN] = {{2, 0, 0, 0, 0, 0xa1}, {2, 0, 0, 0, 0, 0xb2}};

	assert_int_equal(aoe_reserve_set(disk, both, 1, soon()), 0);
	assert_int_equal(aoe_reserve_set(disk, both, 2, soon()), 0);
	fake_target_restart(true);
	run_for(NS_PER_S);
	assert_int_equal(target.list_count, 0);
	/* Nor when the last change has an unknown outcome. */
	assert_int_equal(aoe_reserve_set(disk, both, 1, soon()), 0);
	target.silent = true;
	assert_int_equal(aoe_reserve_set(disk, both, 1, soon()), -E_TIMEDOUT);
	target.silent = false;
	fake_target_restart(true);
	run_for(NS_PER_S);
	assert_int_equal(target.list_count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    AOE_TEST(test_reservation),
	    AOE_TEST(test_reserve_deadline),
	    AOE_TEST(test_forgotten_list_is_taken_again),
	    AOE_TEST(test_list_of_two_is_not_taken_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
