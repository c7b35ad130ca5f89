/* SPDX-License-Identifier: BSD-2-Clause */
/* Requests of tests on a disk driver: odd fragments, a pattern, what became of them. */
#ifndef TESTS_UNIT_BLK_PROBE_H
#define TESTS_UNIT_BLK_PROBE_H

#include <stdlib.h>

#include "kernel/drivers/blkdev.h"
#include "tests/unit/fake_task.h"

#define PROBE_SECTORS 600

struct probe {
	struct blk_request rq;
	bool done;
	int err;
	uint8_t data[PROBE_SECTORS * SECTOR_SIZE];
};

static inline void probe_done(struct blk_request *rq, int err)
{
	struct probe *p = container_of(rq, struct probe, rq);

	assert_false(p->done);
	p->done = true;
	p->err = err;
}

static inline struct probe *probe_submit(struct blkdev *bd, enum blk_op op, uint64_t sector,
					 uint32_t sectors)
{
	struct probe *p = calloc(1, sizeof(*p));

	for (unsigned i = 0; i < sizeof(p->data); i++)
		p->data[i] = op == BLK_WRITE ? (uint8_t)(i * 13 + i / SECTOR_SIZE) : 0xee;
	p->rq = (struct blk_request){.op = op, .sector = sector, .sectors = sectors};
	p->rq.done = probe_done;
	if (sectors) {
		p->rq.frag_count = 2;
		p->rq.frags[0] = (struct blk_frag){p->data, 77};
		p->rq.frags[1] = (struct blk_frag){p->data + 77, sectors * SECTOR_SIZE - 77};
	}
	assert_int_equal(bd->ops->submit(bd, &p->rq), 0);
	assert_false(p->done);
	return p;
}

/* Let the driver's tasks run, a millisecond at a time: as one whose interrupts are lost. */
static inline void probe_turns(unsigned turns)
{
	while (turns--) {
		fake_tasks_run();
		fake_timers_run_until(fake_time_ns + NS_PER_MS);
	}
}

/* Its result; it must have ended after what a request takes without interrupts. */
static inline int probe_finish(struct probe *p)
{
	int err;

	for (unsigned i = 0; i < 100 && !p->done; i++)
		probe_turns(1);
	assert_true(p->done);
	err = p->err;
	free(p);
	return err;
}

static inline int probe_run(struct blkdev *bd, enum blk_op op, uint64_t sector, uint32_t sectors)
{
	return probe_finish(probe_submit(bd, op, sector, sectors));
}

#endif
