/* SPDX-License-Identifier: BSD-2-Clause */
/* Disks are measured by reading alone, and a disk in trouble is left alone. */
#include <string.h>

#include "kernel/store/stores.h"
#include "migrate/measure.h"
#include "tests/unit/fake_kernel.h"

#define READ_NS	  NS_PER_MS /* each, and as much for 64 KiB */
#define DISK_SIZE 16384	    /* sectors */

static unsigned reads, flushes, held;
static int fail_at; /* the read that fails; -1: none */
static uint64_t last;
static struct blkdev disk = {.sectors = DISK_SIZE};

int blkdev_read(struct blkdev *bd, uint64_t sector, uint32_t count, void *buf)
{
	assert_true(sector + count <= bd->sectors);
	last = sector;
	fake_time_ns += READ_NS;
	return (int)reads++ == fail_at ? -E_IO : 0;
}

int blkdev_flush(struct blkdev *bd)
{
	flushes++;
	fake_time_ns += 3 * NS_PER_MS;
	return 0;
}

struct blkdev *stores_disk(const struct datastore *ds)
{
	return ds ? &disk : NULL;
}

void stores_hold(struct datastore *ds)
{
	held++;
}

void stores_release(struct datastore *ds)
{
	assert_int_equal(held--, 1);
}

static struct stream_speed measure(int fails)
{
	struct stream_speed s = {0};

	fake_kernel_reset();
	reads = flushes = 0;
	fail_at = fails;
	measure_disk(&disk, &s);
	assert_int_equal(fake_alloc_live, 0);
	return s;
}

static void test_measures(void **state)
{
	struct stream_speed s = measure(-1);

	assert_int_equal(s.read_ns, READ_NS);
	assert_int_equal(s.rate, 64 * KiB * 1000);
	assert_int_equal(s.flush_ns, 3 * NS_PER_MS);
	assert_int_equal(flushes, 1);
	assert_true(reads <= 8 + 16); /* a MiB at most */
}

static void test_trouble(void **state)
{
	struct stream_speed s = measure(3);

	assert_int_equal(reads, 4);
	assert_int_equal(s.read_ns + s.rate + s.flush_ns, 0);
	s = measure(9);
	assert_int_equal(reads, 10);
	assert_int_equal(s.read_ns, READ_NS);
	assert_int_equal(s.rate + s.flush_ns, 0);
	fake_kernel_reset();
	fake_alloc_countdown = 0;
	reads = 0;
	measure_disk(&disk, &s);
	assert_int_equal(reads, 0);
}

/* Smaller than what is read. */
static void test_tiny(void **state)
{
	struct stream_speed s;

	disk.sectors = 8;
	s = measure(-1);
	assert_int_equal(reads, 0);
	assert_int_equal(s.read_ns, 0);
	disk.sectors = 64; /* eight times 4 KiB, but not 64 KiB */
	s = measure(-1);
	assert_int_equal(s.read_ns, READ_NS);
	assert_int_equal(s.rate, 0);
	disk.sectors = DISK_SIZE;
}

static void test_store(void **state)
{
	struct stream_speed s = {0};

	fake_kernel_reset();
	fail_at = -1;
	measure_store(NULL, &s);
	assert_int_equal(s.read_ns, 0);
	measure_store((struct datastore *)&disk, &s);
	assert_int_equal(s.read_ns, READ_NS);
	assert_int_equal(held, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_measures),
	    cmocka_unit_test(test_trouble),
	    cmocka_unit_test(test_tiny),
	    cmocka_unit_test(test_store),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
