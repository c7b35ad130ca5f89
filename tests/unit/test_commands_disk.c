/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * `store test`: what was on the disk is there again, whatever fails on the way; and
 * nothing is written without --yes.
 */
#include <stdio.h>
#include <string.h>

#include "tests/unit/fake_task.h"
#include "kernel/commands_host_inner.h"
#include "kernel/drivers/blkdev.h"
#include "kernel/store/aoe.h"

#define SECTORS 1000
#define AREA	600

static struct {
	uint8_t data[SECTORS][SECTOR_SIZE];
	unsigned requests, writes, flushes;
	unsigned fail_at; /* this request fails; 0 none */
	bool damages;	  /* a byte of what is written is lost */
} hd;

static struct blkdev bd, target;
static char final_words[256], shown[512];
static int open_result;
static unsigned closed;
static struct net_switch sw;
static const struct host_facts facts = {.sw = &sw};
const struct host_facts *host_facts = &facts;

static int submit(struct blkdev *d, struct blk_request *rq);
static const struct blkdev_ops ops = {.submit = submit};

static struct blk_request *waiting;

/* A request ends only when its task waits. */
static bool complete(uint64_t until_ns)
{
	struct blk_request *rq = waiting;
	int err = hd.fail_at && ++hd.requests == hd.fail_at ? -E_IO : 0;

	if (!rq)
		return false;
	waiting = NULL;
	for (uint32_t i = 0; !err && i < rq->sectors; i++) {
		uint8_t *sector = hd.data[rq->sector + i];

		if (rq->op == BLK_READ)
			blk_frags_write(rq, i * SECTOR_SIZE, sector, SECTOR_SIZE);
		else
			blk_frags_read(rq, i * SECTOR_SIZE, sector, SECTOR_SIZE);
	}
	hd.writes += rq->op == BLK_WRITE;
	hd.flushes += rq->op == BLK_FLUSH;
	if (hd.damages && rq->op == BLK_WRITE && hd.writes == 1)
		hd.data[SECTORS - 1][511] ^= 1;
	blkdev_end(&bd, rq, err);
	return true;
}

static int submit(struct blkdev *d, struct blk_request *rq)
{
	int err = blkdev_begin(&bd, rq);

	if (!err)
		waiting = rq;
	return err;
}

void console_printf(struct console *con, const char *fmt, ...)
{
	size_t len = strlen(shown);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(shown + len, sizeof(shown) - len, fmt, ap);
	va_end(ap);
}

int console_fail(struct console *con, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(final_words, sizeof(final_words), fmt, ap);
	va_end(ap);
	return err;
}

void aoe_fresh_mac(uint8_t mac[ETH_ALEN])
{
	memset(mac, 2, ETH_ALEN);
}

int aoe_open(uint16_t shelf, uint8_t slot, const uint8_t mac[ETH_ALEN], struct aoe_disk **out)
{
	assert_true(shelf == 12 && slot == 3);
	*out = (struct aoe_disk *)&target;
	return open_result;
}

struct blkdev *aoe_blkdev(struct aoe_disk *d)
{
	return &bd;
}

void aoe_close(struct aoe_disk *d)
{
	closed++;
}

static uint8_t before(unsigned sector, unsigned i)
{
	return (uint8_t)(sector * 3 + i);
}

static int setup(void **state)
{
	static bool registered;
	static struct netdev nic;

	fake_kernel_reset();
	fake_tasks_reset();
	fake_wait_hook = complete;
	memset(&hd, 0, sizeof(hd));
	for (unsigned s = 0; s < SECTORS; s++)
		for (unsigned i = 0; i < SECTOR_SIZE; i++)
			hd.data[s][i] = before(s, i);
	bd.ops = &ops;
	bd.sectors = SECTORS;
	strcpy(bd.name, "ahci0");
	final_words[0] = '\0';
	shown[0] = '\0';
	open_result = 0;
	closed = 0;
	sw.uplink = &nic;
	if (!registered && blkdev_register(&bd))
		return -1;
	registered = true;
	return 0;
}

static int run(const char *line)
{
	char copy[80], *argv[8], *word;
	int argc = 0;

	strcpy(copy, line);
	for (word = strtok(copy, " "); word; word = strtok(NULL, " "))
		argv[argc++] = word;
	return commands_run_store_test(NULL, argc, argv);
}

static bool is_as_before(void)
{
	for (unsigned s = 0; s < SECTORS; s++)
		for (unsigned i = 0; i < SECTOR_SIZE; i++)
			if (hd.data[s][i] != before(s, i))
				return false;
	return true;
}

static void test_sound_disk(void **state)
{
	assert_int_equal(run("store test ahci0 --yes"), 0);
	assert_true(is_as_before());
	assert_int_equal(hd.writes, 2);
	assert_int_equal(hd.flushes, 2);
	assert_non_null(strstr(shown, "ahci0: 300 KiB at sector 400"));
	assert_int_equal(run("store test ahci0 --yes --leave"), 0);
	assert_int_equal(hd.writes, 3);
	for (unsigned s = 0; s < SECTORS - AREA; s++)
		assert_int_equal(hd.data[s][7], before(s, 7));
	assert_int_equal(hd.data[SECTORS - AREA][1], (uint8_t)(13 + (SECTORS - AREA) * 7));
	assert_int_equal(fake_alloc_live, 0);
}

static void test_small_disk(void **state)
{
	bd.sectors = 10;
	assert_int_equal(run("store test ahci0 --yes"), 0);
	assert_non_null(strstr(shown, "at sector 0"));
	assert_true(is_as_before());
}

static void test_failures_put_back(void **state)
{
	static const char *const steps[] = {
	    "reading what is there", "writing",	     "flushing",
	    "reading back",	     "putting back", "putting back"};

	for (unsigned i = 0; i < ARRAY_SIZE(steps); i++) {
		setup(state);
		hd.fail_at = i + 1;
		assert_int_equal(run("store test ahci0 --yes"), -E_IO);
		assert_non_null(strstr(final_words, steps[i]));
		if (i != 4) /* the one that puts back */
			assert_true(is_as_before());
		assert_int_equal(fake_alloc_live, 0);
	}
	setup(state);
	hd.damages = true;
	assert_int_equal(run("store test ahci0 --yes"), -E_CHECKSUM);
	assert_true(is_as_before());
	fake_alloc_countdown = 1;
	assert_int_equal(run("store test ahci0 --yes"), -E_NOMEM);
	assert_int_equal(fake_alloc_live, 0);
}

static void test_words(void **state)
{
	assert_int_equal(run("store test ahci0"), -E_INVAL);
	assert_non_null(strstr(final_words, "'store test ahci0 --yes'"));
	assert_int_equal(run("store test ahci0 --no"), -E_INVAL);
	assert_int_equal(run("store test ahci0 --yes --left"), -E_INVAL);
	assert_int_equal(run("store tests ahci0 --yes"), -E_INVAL);
	assert_int_equal(run("store test"), -E_INVAL);
	assert_int_equal(run("store test ata7 --yes"), -E_NOENT);
	assert_int_equal(run("store test e1 --yes"), -E_NOENT);
	assert_int_equal(run("store test e.1 --yes"), -E_NOENT);
	assert_int_equal(run("store test e1. --yes"), -E_NOENT);
	assert_int_equal(run("store test e65535.1 --yes"), -E_NOENT);
	assert_int_equal(run("store test e12345678901234.1 --yes"), -E_NOENT);
	assert_int_equal(hd.writes, 0);
}

static void test_target_on_the_wire(void **state)
{
	assert_int_equal(run("store test e12.3 --yes"), 0);
	assert_int_equal(closed, 1);
	assert_true(is_as_before());
	hd.fail_at = 1;
	assert_int_equal(run("store test e12.3 --yes"), -E_IO);
	assert_int_equal(closed, 2);
	open_result = -E_TIMEDOUT;
	assert_int_equal(run("store test e12.3 --yes"), -E_TIMEDOUT);
	assert_int_equal(closed, 2);
	sw.uplink = NULL;
	assert_int_equal(run("store test e12.3 --yes"), -E_NOENT);
}

#define T(f) cmocka_unit_test_setup(f, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_sound_disk), T(test_small_disk),	    T(test_failures_put_back),
	    T(test_words),	T(test_target_on_the_wire),
	};

	return cmocka_run_group_tests_name("commands_disk", tests, NULL, NULL);
}
