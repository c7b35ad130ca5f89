/* SPDX-License-Identifier: BSD-2-Clause */
/* A disk open on the fake target; see aoe_fixture.h. */
#include <stdlib.h>
#include <string.h>

#include "tests/unit/aoe_fixture.h"

const uint8_t MAC_A[ETH_ALEN] = {2, 0, 0, 0, 0, 0xa1};
const uint8_t MAC_B[ETH_ALEN] = {2, 0, 0, 0, 0, 0xb2};
const uint8_t MAC_C[ETH_ALEN] = {2, 0, 0, 0, 0, 0xa3};
struct aoe_disk *disk;

static void probe_done(struct blk_request *rq, int err)
{
	struct probe *p = rq->ctx;

	assert_false(p->done);
	p->done = true;
	p->err = err;
	p->done_ns = fake_time_ns;
}

struct probe *probe_submit(enum blk_op op, uint64_t sector, uint32_t sectors, uint8_t fill)
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

void run_for(uint64_t ns)
{
	fake_timers_run_until(fake_time_ns + ns);
}

int probe_finish(struct probe *p)
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

uint64_t soon(void)
{
	return fake_time_ns + 2 * NS_PER_S;
}

int aoe_setup(void **state)
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

int aoe_teardown(void **state)
{
	aoe_close(disk);
	wire_rule = NULL;
	run_for(20 * NS_PER_S); /* every frame arrives somewhere */
	assert_int_equal(fake_wire_frames(), 0);
	assert_int_equal(fake_timers_armed(), 0);
	assert_int_equal(fake_alloc_live, 0);
	return 0;
}

uint32_t rule_seed;

void rule_hostile(const uint8_t *f, size_t len, bool to_target, struct wire_fate *fate)
{
	rule_seed = rule_seed * 1664525 + 1013904223;
	fate->copies = (rule_seed >> 24) % 10 < 2 ? 0 : (rule_seed >> 24) % 10 > 7 ? 2 : 1;
	for (unsigned i = 0; i < fate->copies; i++)
		fate->delay_ns[i] = WIRE_DELAY_NS + (rule_seed >> (8 + i)) % (40 * NS_PER_MS);
}
