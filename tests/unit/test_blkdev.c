/* SPDX-License-Identifier: BSD-2-Clause */
/* The block layer with a driver that keeps its sectors in an array. */
#include <string.h>

#include "kernel/drivers/blkdev.h"
#include "tests/unit/fake_task.h"

#define DISK_SECTORS 5000

static uint8_t disk[DISK_SECTORS][SECTOR_SIZE];
static struct blk_request *pending;
static struct timer answer;
static int answer_err;
static unsigned submits;

static void answer_fired(struct timer *t)
{
	struct blk_request *rq = pending;
	struct blkdev *bd = blkdev_find("ram0");

	pending = NULL;
	if (!answer_err && rq->op == BLK_READ)
		blk_frags_write(rq, 0, disk[rq->sector], rq->sectors * SECTOR_SIZE);
	if (!answer_err && rq->op == BLK_WRITE)
		blk_frags_read(rq, 0, disk[rq->sector], rq->sectors * SECTOR_SIZE);
	blkdev_end(bd, rq, answer_err);
}

static int ram_submit(struct blkdev *bd, struct blk_request *rq)
{
	int err = blkdev_begin(bd, rq);

	if (err)
		return err;
	submits++;
	pending = rq;
	timer_arm(&answer, fake_time_ns + 1000);
	return 0;
}

static const struct blkdev_ops ram_ops = {.submit = ram_submit};
static struct blkdev ram = {.ops = &ram_ops, .name = "ram0", .sectors = DISK_SECTORS};

static int setup(void **state)
{
	fake_kernel_reset();
	fake_tasks_reset();
	timer_init(&answer, answer_fired);
	answer_err = 0;
	submits = 0;
	return 0;
}

static void test_registry(void **state)
{
	struct blkdev other = {.name = "ram0"};

	assert_null(blkdev_find("ram0"));
	assert_int_equal(blkdev_register(&ram), 0);
	assert_int_equal(blkdev_register(&other), -E_EXIST);
	assert_ptr_equal(blkdev_find("ram0"), &ram);
	assert_ptr_equal(blkdev_at(0), &ram);
	assert_null(blkdev_at(1));
	assert_null(blkdev_find("ram"));
}

static void test_blocking(void **state)
{
	static uint8_t out[3000 * SECTOR_SIZE], in[3000 * SECTOR_SIZE];

	for (unsigned i = 0; i < sizeof(out); i++)
		out[i] = (uint8_t)(i * 7 + i / 512);
	assert_int_equal(blkdev_write(&ram, 10, 3000, out), 0);
	assert_int_equal(submits, 2); /* BLK_MAX_SECTORS a request */
	assert_int_equal(blkdev_read(&ram, 10, 3000, in), 0);
	assert_memory_equal(in, out, sizeof(out));
	assert_int_equal(blkdev_flush(&ram), 0);
	assert_int_equal(ram.inflight, 0);
	assert_int_equal(ram.write_bytes, sizeof(out));
	assert_int_equal(ram.reads, 2);
	answer_err = -E_IO;
	assert_int_equal(blkdev_read(&ram, 0, 1, in), -E_IO);
	assert_int_equal(ram.errors, 1);
}

static void test_bounds(void **state)
{
	static uint8_t buf[SECTOR_SIZE];

	assert_int_equal(blkdev_read(&ram, DISK_SECTORS, 1, buf), -E_RANGE);
	assert_int_equal(blkdev_read(&ram, UINT64_MAX, 1, buf), -E_RANGE);
	assert_int_equal(blkdev_read(&ram, DISK_SECTORS - 1, 2, buf), -E_RANGE);
	assert_int_equal(blkdev_read(&ram, DISK_SECTORS - 1, 1, buf), 0);
	assert_int_equal(ram.inflight, 0);
}

static void test_request_checks(void **state)
{
	static uint8_t buf[2 * SECTOR_SIZE];
	struct blk_request rq = {.op = BLK_READ, .sectors = 2, .frag_count = 1};

	rq.frags[0] = (struct blk_frag){buf, 1023};
	assert_int_equal(blkdev_begin(&ram, &rq), -E_INVAL);
	rq.frags[0].len = 1024;
	rq.frag_count = 0;
	assert_int_equal(blkdev_begin(&ram, &rq), -E_INVAL);
	rq.frag_count = BLK_MAX_FRAGS + 1;
	assert_int_equal(blkdev_begin(&ram, &rq), -E_INVAL);
	rq.frag_count = 1;
	rq.sectors = BLK_MAX_SECTORS + 1;
	assert_int_equal(blkdev_begin(&ram, &rq), -E_RANGE);
	rq.sectors = 0;
	assert_int_equal(blkdev_begin(&ram, &rq), -E_RANGE);
	rq.op = (enum blk_op)7;
	assert_int_equal(blkdev_begin(&ram, &rq), -E_INVAL);
	assert_int_equal(ram.inflight, 0);
}

static void test_frags(void **state)
{
	uint8_t a[5], b[1], c[10], all[16], out[16];
	struct blk_request rq = {.frag_count = 4};

	for (unsigned i = 0; i < 16; i++)
		all[i] = (uint8_t)(i + 1);
	rq.frags[0] = (struct blk_frag){a, 5};
	rq.frags[1] = (struct blk_frag){NULL, 0};
	rq.frags[2] = (struct blk_frag){b, 1};
	rq.frags[3] = (struct blk_frag){c, 10};
	for (uint32_t from = 0; from < 16; from++)
		for (uint32_t len = 0; len <= 16 - from; len++) {
			memset(a, 0, 5);
			memset(b, 0, 1);
			memset(c, 0, 10);
			blk_frags_write(&rq, from, all + from, len);
			blk_frags_read(&rq, 0, out, 16);
			for (uint32_t i = 0; i < 16; i++)
				assert_int_equal(out[i], i >= from && i < from + len ? all[i] : 0);
			memset(out, 0xee, sizeof(out));
			blk_frags_read(&rq, from, out, len);
			assert_memory_equal(out, all + from, len);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_registry, setup),
	    cmocka_unit_test_setup(test_blocking, setup),
	    cmocka_unit_test_setup(test_bounds, setup),
	    cmocka_unit_test_setup(test_request_checks, setup),
	    cmocka_unit_test_setup(test_frags, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
