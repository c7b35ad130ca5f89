/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The AoE initiator against a target in memory, over a wire that loses, doubles
 * and delays frames.
 */
#include <stdlib.h>
#include <string.h>

#include "kernel/store/aoe.h"
#include "kernel/store/aoe_disk.h"
#include "tests/unit/fake_aoe_target.h"
#include "tests/unit/fake_task.h"

static const uint8_t MAC_A[ETH_ALEN] = {2, 0, 0, 0, 0, 0xa1};
static const uint8_t MAC_B[ETH_ALEN] = {2, 0, 0, 0, 0, 0xb2};
static const uint8_t MAC_C[ETH_ALEN] = {2, 0, 0, 0, 0, 0xa3};
static struct aoe_disk *disk;

/* A request whose outcome is remembered. */
struct probe {
	struct blk_request rq;
	bool done;
	int err;
	uint64_t done_ns;
	uint8_t data[64 * SECTOR_SIZE];
};

static void probe_done(struct blk_request *rq, int err)
{
	struct probe *p = rq->ctx;

	assert_false(p->done);
	p->done = true;
	p->err = err;
	p->done_ns = fake_time_ns;
}

static struct probe *probe_submit(enum blk_op op, uint64_t sector, uint32_t sectors, uint8_t fill)
{
	struct probe *p = calloc(1, sizeof(*p));
	uint32_t bytes = sectors * SECTOR_SIZE;

	memset(p->data, fill, sizeof(p->data));
	p->rq.op = op;
	p->rq.sector = sector;
	p->rq.sectors = sectors;
	p->rq.done = probe_done;
	p->rq.ctx = p;
	if (op != BLK_FLUSH) { /* three odd pieces */
		p->rq.frag_count = 3;
		p->rq.frags[0] = (struct blk_frag){p->data, 100};
		p->rq.frags[1] = (struct blk_frag){p->data + 100, 1};
		p->rq.frags[2] = (struct blk_frag){p->data + 101, bytes - 101};
	}
	assert_int_equal(aoe_blkdev(disk)->ops->submit(aoe_blkdev(disk), &p->rq), 0);
	return p;
}

static void run_for(uint64_t ns)
{
	fake_timers_run_until(fake_time_ns + ns);
}

/* The probe's result; it must be done within 60 s. Frees it. */
static int probe_finish(struct probe *p)
{
	uint64_t limit = fake_time_ns + 60 * NS_PER_S;
	int err;

	while (!p->done && fake_time_ns < limit)
		run_for(NS_PER_MS);
	assert_true(p->done);
	err = p->err;
	free(p);
	return err;
}

static uint64_t soon(void)
{
	return fake_time_ns + 2 * NS_PER_S;
}

static int setup(void **state)
{
	fake_kernel_reset();
	fake_tasks_reset();
	fake_time_ns = NS_PER_S;
	fake_target_reset();
	fake_alloc_live = 0;
	assert_int_equal(aoe_init(&wire_switch), 0);
	assert_int_equal(aoe_open(TARGET_SHELF, TARGET_SLOT, MAC_A, &disk), 0);
	return 0;
}

static int teardown(void **state)
{
	aoe_close(disk);
	wire_rule = NULL;
	run_for(20 * NS_PER_S); /* every frame arrives somewhere */
	assert_int_equal(fake_wire_frames(), 0);
	assert_int_equal(fake_timers_armed(), 0);
	assert_int_equal(fake_alloc_live, 0);
	return 0;
}

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

static unsigned in_flight, in_flight_max;

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

static uint32_t rule_seed;

static void rule_hostile(const uint8_t *f, size_t len, bool to_target, struct wire_fate *fate)
{
	rule_seed = rule_seed * 1664525 + 1013904223;
	fate->copies = (rule_seed >> 24) % 10 < 2 ? 0 : (rule_seed >> 24) % 10 > 7 ? 2 : 1;
	for (unsigned i = 0; i < fate->copies; i++)
		fate->delay_ns[i] = WIRE_DELAY_NS + (rule_seed >> (8 + i)) % (40 * NS_PER_MS);
}

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
	struct aoe_header bad[8];
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
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		aoe_encode_ata(f, &bad[i], &a);
		fake_wire_inject(f, sizeof(f), NS_PER_US);
		run_for(2 * NS_PER_US);
		assert_false(p->done);
	}
	aoe_get_stats(disk, &st);
	assert_int_equal(st.unexpected, 6); /* not the request, nor what never reached the port */
	aoe_encode_ata(f, &good, &a);
	fake_wire_inject(f, sizeof(f), NS_PER_US);
	fake_wire_inject(f, sizeof(f), NS_PER_US); /* twice: the second is too late */
	run_for(2 * NS_PER_US);
	assert_true(p->done);
	target.silent = false;
	assert_int_equal(probe_finish(p), 0);
	aoe_get_stats(disk, &st);
	assert_int_equal(st.unexpected, 7);
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

#define AOE_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    AOE_TEST(test_open),
	    AOE_TEST(test_read_write_flush),
	    AOE_TEST(test_window),
	    AOE_TEST(test_hostile_wire),
	    AOE_TEST(test_delayed_write_does_not_win),
	    AOE_TEST(test_lost_copy_is_waited_out),
	    AOE_TEST(test_overlap_is_serialised),
	    AOE_TEST(test_store_away_and_back),
	    AOE_TEST(test_reservation),
	    AOE_TEST(test_reserve_deadline),
	    AOE_TEST(test_forgotten_list_is_taken_again),
	    AOE_TEST(test_list_of_two_is_not_taken_again),
	    AOE_TEST(test_errors),
	    AOE_TEST(test_unexpected_answers),
	    AOE_TEST(test_garbage_frames),
	    AOE_TEST(test_close_cancels),
	    AOE_TEST(test_close_under_a_waiter),
	    AOE_TEST(test_no_frame_buffers),
	    AOE_TEST(test_discovery),
	    cmocka_unit_test(test_fresh_mac),
	    cmocka_unit_test(test_rtt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
