/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest's disk in a datastore: which requests go straight to the device, who waits for
 * them, what a flush covers. The device has a cache that a cut loses, and completes requests
 * when the test wants.
 */
#include <string.h>

#include "kernel/lib/string.h"
#include "kernel/store/ds_disk.h"
#include "kernel/store/ds_inner.h"
#include "kernel/time.h"
#include "tests/unit/fake_fiber.h"

#define C	 DS_CLUSTER
#define CS	 DS_CLUSTER_SECTORS
#define SECTORS	 (64 * CS)
#define CLUSTERS 8	  /* of the guest's disk */
#define DATA	 (4 * CS) /* the store's first sector of objects */
#define OPS_MAX	 64
#define PIECE	 1024 /* bytes of a fragment */
#define DEEP	 40   /* more than the disk has at the device */

/* ---- the device ---- */

static uint8_t medium[SECTORS][SECTOR_SIZE], cache[SECTORS][SECTOR_SIZE];
static struct blk_request *queue[OPS_MAX];
static unsigned queued, peak, ops_count, data_ops, flushes;
static bool hold; /* requests for objects stay in the queue */
static int fail_with, refuse_with;
static struct timer work;

static bool is_held(const struct blk_request *rq)
{
	return hold && rq->op != BLK_FLUSH && rq->sector >= DATA;
}

static unsigned held(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < queued; i++)
		n += is_held(queue[i]);
	return n;
}

static void carry_out(struct blkdev *bd, struct blk_request *rq)
{
	int err = rq->op != BLK_FLUSH && rq->sector >= DATA ? fail_with : 0;

	if (!err && rq->op == BLK_READ)
		blk_frags_write(rq, 0, cache[rq->sector], rq->sectors * SECTOR_SIZE);
	else if (!err && rq->op == BLK_WRITE)
		blk_frags_read(rq, 0, cache[rq->sector], rq->sectors * SECTOR_SIZE);
	else if (rq->op == BLK_FLUSH)
		memcpy(medium, cache, sizeof(medium));
	blkdev_end(bd, rq, err);
}

static int submit(struct blkdev *bd, struct blk_request *rq)
{
	int err = blkdev_begin(bd, rq);

	if (err)
		return err;
	if (refuse_with && rq->op != BLK_FLUSH && rq->sector >= DATA) {
		bd->inflight--;
		return refuse_with;
	}
	assert_in_range(queued, 0, OPS_MAX - 1);
	queue[queued++] = rq;
	peak = MAX(peak, queued);
	ops_count++;
	data_ops += rq->op != BLK_FLUSH && rq->sector >= DATA;
	flushes += rq->op == BLK_FLUSH;
	timer_arm(&work, time_ns() + 1000);
	return 0;
}

static const struct blkdev_ops device_ops = {.submit = submit};
static struct blkdev device = {.ops = &device_ops, .name = "ram0", .sectors = SECTORS};

/* The last one first: order is nobody's right. */
static void device_works(struct timer *t)
{
	unsigned i = queued;

	while (i--) {
		struct blk_request *rq = queue[i];

		if (is_held(rq))
			continue;
		memmove(&queue[i], &queue[i + 1], (queued - i - 1) * sizeof(queue[0]));
		queued--;
		carry_out(&device, rq);
	}
	if (queued > held())
		timer_arm(&work, time_ns() + 1000);
}

static void release(void)
{
	hold = false;
	timer_arm(&work, time_ns());
}

static void counts_reset(void)
{
	ops_count = data_ops = flushes = peak = 0;
}

/* ---- the store, and a disk in it ---- */

static struct datastore *ds;
static struct blkdev *disk;
static uint8_t buf[DEEP][4 * PIECE], in[CLUSTERS * C];
static struct blk_request rqs[DEEP];
static int results[DEEP];

static void mount(bool readonly)
{
	char why[200];

	assert_int_equal(ds_open(&device, "alpha", readonly, &ds, why, sizeof(why)), 0);
}

static void pattern(uint8_t *p, size_t len, unsigned seed)
{
	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)((i * 7 + i / 512 + seed) | 1);
}

static void make_disk(void)
{
	static const uint8_t uuid[16] = {7};
	struct ds_object *o;

	assert_int_equal(ds_format(&device, "main", uuid), 0);
	mount(false);
	assert_int_equal(ds_create(ds, "disk/web", DS_DISK, CLUSTERS * C, &o), 0);
	pattern(in, CLUSTERS * C, 1);
	assert_int_equal(ds_write(o, 0, in, CLUSTERS * C), 0);
	assert_int_equal(ds_commit(o), 0);
	ds_put(o);
	assert_int_equal(ds_disk_open(ds, "disk/web", false, &disk), 0);
}

static void close_disk(void)
{
	char why[200];

	if (disk)
		ds_disk_close(disk);
	disk = NULL;
	task_yield();
	if (ds_check(ds, why, sizeof(why)))
		fail_msg("%s", why);
	assert_int_equal(ds_close(ds), 0);
}

/* The host is gone, and the device's cache with it. */
static void cut_power(void)
{
	ds_disk_close(disk);
	task_yield();
	ds_abandon(ds);
	memcpy(cache, medium, sizeof(cache));
	mount(false);
	assert_int_equal(ds_disk_open(ds, "disk/web", false, &disk), 0);
}

static struct ds_object *object(void)
{
	return ds_disk_object(disk);
}

static void done(struct blk_request *rq, int err)
{
	int *result = rq->ctx;

	assert_int_equal(*result, 1); /* once, and never before submit has returned */
	*result = err;
}

/* Request i of len bytes in four fragments, at a byte of the disk. */
static void start(unsigned i, enum blk_op op, uint64_t at, uint32_t len)
{
	struct blk_request *rq = &rqs[i];

	memset(rq, 0, sizeof(*rq));
	rq->op = op;
	rq->sector = at / SECTOR_SIZE;
	rq->sectors = len / SECTOR_SIZE;
	rq->frag_count = op == BLK_FLUSH ? 0 : 4;
	for (unsigned f = 0; f < rq->frag_count; f++)
		rq->frags[f] = (struct blk_frag){buf[i] + f * PIECE, len / 4};
	rq->done = done;
	rq->ctx = &results[i];
	results[i] = 1;
	assert_int_equal(disk->ops->submit(disk, rq), 0);
	assert_int_equal(results[i], 1);
}

static void finish(unsigned i, int err)
{
	for (unsigned n = 0; results[i] == 1 && n < 1000; n++)
		task_sleep_until(time_ns() + 1000);
	assert_int_equal(results[i], err);
}

static void wait_a_while(void)
{
	task_sleep_until(time_ns() + NS_PER_S);
}

/* Filled with one byte. */
static void write_byte(unsigned i, uint64_t at, uint8_t byte)
{
	memset(buf[i], byte, sizeof(buf[i]));
	start(i, BLK_WRITE, at, sizeof(buf[i]));
}

static void flush(unsigned i)
{
	start(i, BLK_FLUSH, 0, 0);
	finish(i, 0);
}

static void expect(const char *name, uint64_t at, uint8_t byte)
{
	struct ds_object *o;
	uint8_t data[SECTOR_SIZE];

	assert_int_equal(ds_get(ds, name, &o), 0);
	assert_int_equal(ds_read(o, at, data, sizeof(data)), 0);
	assert_int_equal(data[0], byte);
	assert_int_equal(data[SECTOR_SIZE - 1], byte);
	ds_put(o);
}

/* ---- what goes straight to the device ---- */

static void side_by_side(void)
{
	uint64_t from = DATA;

	counts_reset();
	hold = true;
	for (unsigned i = 0; i < DEEP; i++)
		start(i, BLK_READ, i * 4 * PIECE, 4 * PIECE);
	assert_int_equal(held(), 32);
	for (unsigned i = 0; i < 32; i++) {
		assert_int_equal(queue[i]->sectors, 8); /* one command */
		assert_int_equal(queue[i]->sector, from + i * 8);
		assert_int_equal(queue[i]->frag_count, 4);
		assert_ptr_equal(queue[i]->frags[3].data, buf[i] + 3 * PIECE); /* no copy */
	}
	release();
	for (unsigned i = 0; i < DEEP; i++)
		finish(i, 0);
	assert_memory_equal(in, buf, sizeof(buf));
	assert_int_equal(disk->reads, DEEP);
	assert_int_equal(disk->inflight, 0);
	counts_reset();
	for (unsigned i = 0; i < DEEP; i++)
		write_byte(i, i * 4 * PIECE, (uint8_t)(i + 1));
	for (unsigned i = 0; i < DEEP; i++)
		finish(i, 0);
	for (unsigned i = 0; i < DEEP; i++)
		expect("disk/web", i * 4 * PIECE + 3 * PIECE, (uint8_t)(i + 1));
}

/* Across clusters that lie apart, into holes, past the end. */
static void not_in_one_run(void)
{
	struct blk_request far = {.op = BLK_READ, .sector = CLUSTERS * CS - 1, .sectors = 2};

	assert_int_equal(ds_discard(object(), 2 * C, C), 0);
	assert_int_equal(ds_sync(ds), 0);
	counts_reset();
	start(0, BLK_READ, 2 * C, 4 * PIECE);
	finish(0, 0);
	assert_int_equal(ops_count, 0);
	for (unsigned i = 0; i < sizeof(buf[0]); i++)
		assert_int_equal(buf[0][i], 0);
	start(0, BLK_READ, C - 2 * PIECE, 4 * PIECE); /* two clusters side by side */
	finish(0, 0);
	assert_int_equal(data_ops, 1);
	assert_memory_equal(buf[0], in + C - 2 * PIECE, 4 * PIECE);
	start(0, BLK_READ, 2 * C - 2 * PIECE, 4 * PIECE);
	finish(0, 0);
	assert_memory_equal(buf[0], in + 2 * C - 2 * PIECE, 2 * PIECE);
	assert_int_equal(buf[0][2 * PIECE], 0);
	write_byte(0, 3 * C - 2 * PIECE, 9);
	finish(0, 0);
	expect("disk/web", 2 * C, 0);
	expect("disk/web", 3 * C - PIECE, 9);
	expect("disk/web", 3 * C + PIECE, 9);
	far.frag_count = 1;
	far.frags[0] = (struct blk_frag){buf[0], 2 * SECTOR_SIZE};
	assert_int_equal(disk->ops->submit(disk, &far), -E_RANGE);
	assert_int_equal(disk->inflight, 0);
}

/* The store itself knows where an object ends, whoever asks. */
static void end_of_object(void)
{
	struct blk_request rq = {.op = BLK_READ, .sector = CLUSTERS * CS - 1, .sectors = 1};
	struct ds_object *o;
	uint64_t sector;

	assert_true(ds_direct_begin(object(), &rq, &sector));
	assert_int_equal(sector, DATA + CLUSTERS * CS - 1);
	ds_direct_end(object(), rq.op);
	assert_int_equal(ds_create(ds, "short", DS_DISK, C - SECTOR_SIZE, &o), 0);
	assert_int_equal(ds_write(o, 0, in, C - SECTOR_SIZE), 0);
	rq.sector = CS - 1;
	assert_false(ds_direct_begin(o, &rq, &sector));
	rq.sector = CS - 2;
	assert_true(ds_direct_begin(o, &rq, &sector));
	ds_direct_end(o, rq.op);
	ds_put(o);
}

static void readonly_store(void)
{
	struct blk_request rq = {.op = BLK_WRITE, .sectors = 1};
	uint64_t sector;

	close_disk();
	mount(true);
	assert_int_equal(ds_disk_open(ds, "disk/web", true, &disk), 0);
	counts_reset();
	start(0, BLK_READ, 0, 4 * PIECE);
	assert_int_equal(queued, 1);
	finish(0, 0);
	flush(0);
	assert_int_equal(flushes, 0);
	assert_false(ds_direct_begin(object(), &rq, &sector));
}

/* ---- what a flush covers ---- */

static void flushes_cover(void)
{
	assert_int_equal(ds_sync(ds), 0);
	counts_reset();
	write_byte(0, 0, 11);
	finish(0, 0);
	start(0, BLK_FLUSH, 0, 0);
	assert_int_equal(queued, 1); /* nothing of the store is pending */
	finish(0, 0);
	assert_int_equal(ops_count, 2);
	cut_power();
	expect("disk/web", 0, 11);
	/* The store's own flush knows of direct writes. */
	write_byte(0, C, 12);
	finish(0, 0);
	counts_reset();
	assert_int_equal(ds_sync(ds), 0);
	assert_int_equal(ops_count, 1);
	cut_power();
	expect("disk/web", C, 12);
	/* The map is pending: the store's transaction is the flush. */
	assert_int_equal(ds_clone(ds, "disk/web", "snap"), 0);
	write_byte(0, 2 * C, 13);
	finish(0, 0);
	flush(0);
	cut_power();
	expect("disk/web", 2 * C, 13);
}

static int change_result;

/* As what a move brings. */
static void write_task(void *arg)
{
	static uint8_t data[C];

	memset(data, 33, sizeof(data));
	change_result = ds_write(object(), 0, data, sizeof(data));
}

/* A flush that came too early for a write under way: its flush stays to be done. */
static void flush_beside_write(void)
{
	struct blkdev *first = disk, *second;
	struct ds_object *o;

	assert_int_equal(ds_create(ds, "disk/db", DS_DISK, C, &o), 0);
	assert_int_equal(ds_commit(o), 0);
	ds_put(o);
	assert_int_equal(ds_disk_open(ds, "disk/db", false, &second), 0);
	assert_int_equal(ds_sync(ds), 0);
	hold = true;
	assert_non_null(task_create("changer", write_task, NULL));
	wait_a_while();
	assert_int_equal(held(), 1);
	disk = second; /* for it nothing is pending */
	counts_reset();
	flush(1);
	assert_int_equal(flushes, 1);
	disk = first;
	release();
	wait_a_while();
	assert_int_equal(ds_sync(ds), 0);
	ds_disk_close(second);
	cut_power();
	expect("disk/web", 0, 33);
	/* The same beside a direct write. */
	hold = true;
	write_byte(0, 0, 21);
	assert_int_equal(ds_sync(ds), 0);
	flush(1);
	release();
	finish(0, 0);
	assert_int_equal(ds_sync(ds), 0);
	cut_power();
	expect("disk/web", 0, 21);
}

/* ---- who changes the map ---- */

static void clone_task(void *arg)
{
	change_result = ds_clone(ds, "disk/web", "snap");
}

static void discard_task(void *arg)
{
	change_result = ds_discard(object(), 0, C);
}

static void meets(void (*changer)(void *arg), uint8_t at_last)
{
	hold = true;
	write_byte(0, 0, 31);
	assert_int_equal(held(), 1);
	change_result = 1;
	assert_non_null(task_create("changer", changer, NULL));
	wait_a_while();
	assert_int_equal(change_result, 1); /* it waits for the write */
	start(1, BLK_READ, 0, 4 * PIECE);
	start(2, BLK_READ, C, 4 * PIECE);
	wait_a_while();
	assert_int_equal(held(), 1); /* and others for it */
	release();
	finish(0, 0);
	finish(1, 0);
	finish(2, 0);
	wait_a_while();
	assert_int_equal(change_result, 0);
	assert_int_equal(buf[1][0], at_last);
	expect("disk/web", 0, at_last);
}

static void changers_wait(void)
{
	meets(discard_task, 0);
	write_byte(0, 0, 30); /* into the hole */
	finish(0, 0);
	meets(write_task, 33);
	meets(clone_task, 31);
	expect("snap", 0, 31);
}

/* A write that came while a snapshot was made is not in it. */
static void snapshot(void)
{
	hold = true;
	write_byte(0, 0, 41);
	change_result = 1;
	assert_non_null(task_create("changer", clone_task, NULL));
	wait_a_while();
	write_byte(1, 0, 42);
	for (unsigned i = 2; i < 8; i++)
		start(i, BLK_READ, 2 * C, 4 * PIECE);
	assert_int_equal(held(), 1);
	counts_reset();
	release();
	for (unsigned i = 0; i < 8; i++)
		finish(i, 0);
	assert_in_range(peak, 6, OPS_MAX); /* once it is over they go side by side */
	assert_int_equal(change_result, 0);
	expect("snap", 0, 41);
	expect("disk/web", 0, 42);
	start(2, BLK_READ, 4 * PIECE, 4 * PIECE); /* what the copy has from before */
	finish(2, 0);
	assert_memory_equal(buf[2], in + 4 * PIECE, 4 * PIECE);
}

/* Shared clusters are read where they are, and written elsewhere. */
static void shared(void)
{
	struct ds_object *snap;

	assert_int_equal(ds_clone(ds, "disk/web", "snap"), 0);
	memset(buf[3], 0, sizeof(buf[3]));
	start(3, BLK_READ, 0, 4 * PIECE);
	assert_int_equal(queued, 1);
	finish(3, 0);
	write_byte(0, C, 51);
	assert_int_equal(queued, 0);
	finish(0, 0);
	write_byte(1, C + 4 * PIECE, 52); /* its own now */
	assert_int_equal(queued, 1);
	finish(1, 0);
	expect("disk/web", C, 51);
	expect("disk/web", C + 4 * PIECE, 52);
	flush(0);
	/* Of two clusters side by side one is shared. */
	assert_int_equal(ds_get(ds, "snap", &snap), 0);
	assert_int_equal(ds_discard(snap, 3 * C, C), 0);
	ds_put(snap);
	assert_int_equal(ds_sync(ds), 0);
	write_byte(0, 4 * C - 2 * PIECE, 54);
	assert_int_equal(queued, 0);
	finish(0, 0);
	expect("disk/web", 4 * C - PIECE, 54);
	expect("disk/web", 4 * C + PIECE, 54);
	flush(0);
	assert_int_equal(ds_remove(ds, "snap"), 0);
	write_byte(0, 0, 53);
	assert_int_equal(queued, 1);
	finish(0, 0);
	expect("disk/web", 0, 53);
}

/* A record that may say that a cluster is shared is on the device: nothing in place until then. */
static void unsure(void)
{
	ds->unsure_log = true;
	write_byte(0, 0, 61);
	assert_int_equal(queued, 0);
	finish(0, 0);
	assert_false(ds->unsure_log);
	ds->unsure_log = true;
	counts_reset();
	flush(0);
	assert_int_equal(ops_count, 3); /* the batch's place is cleared, before anything else */
	assert_false(ds->unsure_log);
}

/* ---- failures ---- */

static void device_fails(void)
{
	fail_with = -E_IO;
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < DEEP; i++)
			start(i, round == 1 ? BLK_READ : BLK_WRITE, i * 4 * PIECE, 4 * PIECE);
		for (unsigned i = 0; i < DEEP; i++)
			finish(i, -E_IO);
	}
	fail_with = 0;
	assert_int_equal(disk->errors, 3 * DEEP);
	assert_int_equal(object()->direct, 0);
	assert_int_equal(ds_discard(object(), 0, C), 0); /* nobody is waited for */
	refuse_with = -E_CANCELLED;
	write_byte(0, C, 71);
	finish(0, -E_CANCELLED);
	refuse_with = 0;
	assert_int_equal(object()->direct, 0);
	write_byte(0, C, 72);
	assert_int_equal(queued, 1);
	finish(0, 0);
	expect("disk/web", C, 72);
	/* Who waits for a write that fails does not wait for ever. */
	hold = true;
	write_byte(0, C, 74);
	change_result = 1;
	assert_non_null(task_create("changer", discard_task, NULL));
	wait_a_while();
	assert_int_equal(change_result, 1);
	fail_with = -E_IO;
	release();
	finish(0, -E_IO);
	wait_a_while();
	assert_int_equal(change_result, 0);
	fail_with = 0;
	/* Part of a write that failed may have arrived: the next flush covers it. */
	assert_int_equal(ds_sync(ds), 0);
	fail_with = -E_IO;
	write_byte(0, C, 73);
	finish(0, -E_IO);
	fail_with = 0;
	counts_reset();
	assert_int_equal(ds_sync(ds), 0);
	assert_int_equal(flushes, 1);
}

static void closed_in_flight(void)
{
	hold = true;
	write_byte(0, 0, 81);
	ds_disk_close(disk);
	wait_a_while();
	assert_int_equal(results[0], 1);
	assert_int_equal(ds_close(ds), -E_BUSY); /* it has its object still */
	release();
	finish(0, 0);
	wait_a_while();
	disk = NULL;
	expect("disk/web", 0, 81);
}

/* ---- */

static void (*job)(void);
static bool job_done;

static void job_task(void *arg)
{
	make_disk();
	job();
	close_disk();
	job_done = true;
}

static int setup(void **state)
{
	fake_kernel_reset();
	fake_fibers_reset();
	memset(medium, 0, sizeof(medium));
	memset(cache, 0, sizeof(cache));
	timer_init(&work, device_works);
	queued = 0;
	hold = false;
	fail_with = refuse_with = 0;
	return 0;
}

static void in_task(void (*fn)(void))
{
	job = fn;
	job_done = false;
	assert_non_null(task_create("test", job_task, NULL));
	fake_fibers_run(60 * NS_PER_S);
	assert_true(job_done);
	assert_int_equal(fake_fibers_alive(), 0);
	assert_int_equal(fake_alloc_live, 0);
}

#define TESTS(X)                                                                                   \
	X(side_by_side)                                                                            \
	X(not_in_one_run)                                                                          \
	X(end_of_object)                                                                           \
	X(readonly_store)                                                                          \
	X(flushes_cover)                                                                           \
	X(flush_beside_write)                                                                      \
	X(changers_wait) X(snapshot) X(shared) X(unsure) X(device_fails) X(closed_in_flight)

#define DEFINE(name)                                                                               \
	static void test_##name(void **state)                                                      \
	{                                                                                          \
		in_task(name);                                                                     \
	}
TESTS(DEFINE)

int main(void)
{
#define ENTRY(name) cmocka_unit_test_setup(test_##name, setup),
	const struct CMUnitTest tests[] = {TESTS(ENTRY)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
