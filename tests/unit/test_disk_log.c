/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The log of written disk blocks: harvest hands each over exactly once, and a copy
 * made by harvesting while a writer goes on becomes equal, whatever the order in which its
 * writes land, are read and end.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/unit/fake_kernel.h"
#include "vmm/disk_log.h"

#define BLOCKS 70
#define WORDS  2

static struct disk_log log_;
static uint64_t got[WORDS];

static void begin(uint64_t sectors)
{
	fake_kernel_reset();
	memset(&log_, 0, sizeof(log_));
	assert_int_equal(disk_log_start(&log_, sectors), 0);
}

static void finish(void)
{
	disk_log_stop(&log_);
	assert_int_equal(fake_alloc_live, 0);
}

static bool has(uint64_t block)
{
	return got[block / 64] >> block % 64 & 1;
}

static void test_starts_with_everything(void **state)
{
	begin(BLOCKS * DISK_LOG_SECTORS - 5); /* the last block is shorter */
	assert_int_equal(log_.blocks, BLOCKS);
	assert_int_equal(disk_log_harvest(&log_, got), BLOCKS);
	for (unsigned i = 0; i < BLOCKS; i++)
		assert_true(has(i));
	assert_int_equal(got[1] >> (BLOCKS - 64), 0);
	assert_int_equal(disk_log_harvest(&log_, got), 0);
	assert_int_equal(got[0] | got[1], 0);
	assert_int_equal(disk_log_start(&log_, 1), -E_BUSY);
	finish();
}

static void test_every_block_that_a_write_touches(void **state)
{
	static const struct {
		uint64_t sector, sectors;
		unsigned first, last;
	} cases[] = {
	    {0, 1, 0, 0},
	    {127, 1, 0, 0},
	    {127, 2, 0, 1},
	    {128, 128, 1, 1},
	    {255, 130, 1, 3},
	    {69 * 128, 128, 69, 69},
	    {63 * 128 + 1, 255, 63, 64},
	    {69 * 128 + 127, 9999, 69, 69}, /* past the end: cut */
	};

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		begin(BLOCKS * DISK_LOG_SECTORS);
		disk_log_harvest(&log_, got);
		disk_log_mark(&log_, cases[i].sector, cases[i].sectors);
		disk_log_mark(&log_, cases[i].sector, cases[i].sectors);
		assert_int_equal(log_.marked, cases[i].last - cases[i].first + 1);
		disk_log_harvest(&log_, got);
		for (unsigned b = 0; b < BLOCKS; b++)
			assert_int_equal(has(b), b >= cases[i].first && b <= cases[i].last);
		finish();
	}
}

static void test_given_back(void **state)
{
	begin(BLOCKS * DISK_LOG_SECTORS);
	disk_log_harvest(&log_, got);
	got[0] = 0x30;
	got[1] = 2;
	disk_log_mark(&log_, 4 * DISK_LOG_SECTORS, 1);
	disk_log_give_back(&log_, got);
	assert_int_equal(disk_log_harvest(&log_, got), 3);
	assert_true(has(4) && has(5) && has(65));
	finish();
}

static void test_off_is_silent(void **state)
{
	begin(BLOCKS * DISK_LOG_SECTORS);
	disk_log_stop(&log_);
	disk_log_mark(&log_, 0, 1);
	disk_log_give_back(&log_, got);
	fake_alloc_countdown = 0;
	assert_int_equal(disk_log_start(&log_, 1), -E_NOMEM);
	assert_false(log_.on);
	finish();
}

/*
 * A writer with up to four writes under way, each landing at some moment between its start and
 * its end; a copier that harvests, then reads block by block. Every interleaving drawn at random.
 */
struct write {
	bool busy, landed;
	uint8_t block, value;
};
static struct write out[4];
static uint8_t disk[BLOCKS], copy[BLOCKS];

static void writer_step(void)
{
	struct write *w = &out[rand() % 4];

	if (!w->busy) {
		*w = (struct write){true, false, (uint8_t)(rand() % BLOCKS), (uint8_t)rand()};
	} else if (!w->landed) {
		disk[w->block] = w->value;
		w->landed = true;
	} else {
		w->busy = false;
		disk_log_mark(&log_, w->block * DISK_LOG_SECTORS, 1);
	}
}

static void copy_round(unsigned steps)
{
	disk_log_harvest(&log_, got);
	for (unsigned b = 0; b < BLOCKS; b++) {
		for (unsigned i = 0; has(b) && i < steps; i++)
			writer_step();
		if (has(b))
			copy[b] = disk[b];
	}
}

static void test_copy_becomes_equal(void **state)
{
	for (unsigned seed = 0; seed < 300; seed++) {
		srand(seed);
		begin(BLOCKS * DISK_LOG_SECTORS);
		memset(out, 0, sizeof(out));
		for (unsigned b = 0; b < BLOCKS; b++)
			disk[b] = (uint8_t)rand();
		for (unsigned round = 0; round < 4; round++)
			copy_round((unsigned)rand() % 6);
		for (unsigned i = 0; i < 4; i++) /* the guest stands still: what is out ends */
			if (out[i].busy) {
				if (!out[i].landed)
					disk[out[i].block] = out[i].value;
				disk_log_mark(&log_, out[i].block * DISK_LOG_SECTORS, 1);
			}
		copy_round(0);
		assert_memory_equal(copy, disk, BLOCKS);
		finish();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_starts_with_everything),
	    cmocka_unit_test(test_every_block_that_a_write_touches),
	    cmocka_unit_test(test_given_back),
	    cmocka_unit_test(test_off_is_silent),
	    cmocka_unit_test(test_copy_becomes_equal),
	};

	return cmocka_run_group_tests_name("disk_log", tests, NULL, NULL);
}
