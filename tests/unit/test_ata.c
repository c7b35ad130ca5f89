/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ATA driver against a model of a channel's registers: a disk as master, a
 * packet device as slave, no second channel.
 */
#include <stdlib.h>
#include <string.h>

#include "kernel/drivers/ata.h"
#include "kernel/drivers/ata_identify.h"
#include "kernel/drivers/ata_port.h"
#include "kernel/drivers/blkdev.h"
#include "tests/unit/fake_task.h"

#define SECTORS	  (ATA_LBA28_LIMIT + 1000) /* so that both kinds of address are used */
#define LOW_COUNT 2000

static struct {
	uint8_t low[LOW_COUNT][SECTOR_SIZE]; /* the first sectors */
	uint8_t high[1000][SECTOR_SIZE];     /* those past 28 bits */
	uint8_t regs[8], previous[8], control;
	uint8_t status, error, unit;
	uint8_t buffer[SECTOR_SIZE];
	unsigned pos, busy_polls;
	uint64_t lba;
	uint32_t left;
	bool writing, ext, pending;
	/* faults */
	unsigned fail_after, stuck; /* sectors until ERR; commands that never end */
	unsigned resets, flushes, ext_commands;
} hd;

static uint8_t *model_sector(uint64_t lba)
{
	if (lba < LOW_COUNT)
		return hd.low[lba];
	assert_in_range(lba, ATA_LBA28_LIMIT, SECTORS - 1);
	return hd.high[lba - ATA_LBA28_LIMIT];
}

static void set_word(uint8_t *d, unsigned i, uint64_t v)
{
	d[2 * i] = (uint8_t)v;
	d[2 * i + 1] = (uint8_t)(v >> 8);
}

static void model_identify(void)
{
	memset(hd.buffer, 0, SECTOR_SIZE);
	memcpy(hd.buffer + 54, "omed lidks", 10);
	set_word(hd.buffer, 49, 0x0200);
	set_word(hd.buffer, 60, 0xffff);
	set_word(hd.buffer, 61, 0x0fff);
	set_word(hd.buffer, 83, 0x7400);
	set_word(hd.buffer, 100, SECTORS & 0xffff);
	set_word(hd.buffer, 101, SECTORS >> 16);
}

/* The next sector of a transfer, or its end. */
static void model_next(void)
{
	hd.status = ATA_STATUS_RDY;
	hd.busy_polls = 5;
	hd.pos = 0;
	if (!hd.left)
		return;
	if (hd.fail_after && !--hd.fail_after) {
		hd.status |= ATA_STATUS_ERR;
		hd.error = 0x40;
		hd.left = 0;
		return;
	}
	hd.status |= ATA_STATUS_DRQ;
	if (!hd.writing)
		memcpy(hd.buffer, model_sector(hd.lba), SECTOR_SIZE);
}

static void model_rw(bool writing, bool ext)
{
	const uint8_t *r = hd.regs, *p = hd.previous;

	hd.writing = writing;
	hd.ext_commands += ext;
	hd.lba = r[3] | r[4] << 8 | (uint64_t)r[5] << 16;
	hd.left = r[2];
	if (ext) {
		hd.lba |= (uint64_t)p[3] << 24 | (uint64_t)p[4] << 32 | (uint64_t)p[5] << 40;
		hd.left |= (uint32_t)p[2] << 8;
	} else {
		hd.lba |= (uint64_t)(r[6] & 0xf) << 24;
		if (!hd.left)
			hd.left = 256;
	}
	assert_true(r[6] & 0x40); /* LBA, not CHS */
	model_next();
}

static void model_command(uint8_t command)
{
	assert_false(hd.status & (ATA_STATUS_BSY | ATA_STATUS_DRQ));
	assert_int_equal(hd.control & 2, 2); /* no interrupts */
	if (hd.stuck) {
		hd.stuck--;
		hd.status = ATA_STATUS_BSY;
		hd.busy_polls = UINT32_MAX;
		return;
	}
	if (hd.unit == 1) { /* the packet device aborts */
		hd.status = ATA_STATUS_ERR;
		hd.regs[4] = 0x14;
		hd.regs[5] = 0xeb;
		return;
	}
	hd.status = ATA_STATUS_RDY;
	switch (command) {
	case ATA_IDENTIFY_DEVICE:
		model_identify();
		hd.writing = false;
		hd.status |= ATA_STATUS_DRQ;
		hd.pos = 0;
		hd.left = 0;
		break;
	case ATA_READ_SECTORS:
	case ATA_WRITE_SECTORS:
		model_rw(command == ATA_WRITE_SECTORS, false);
		break;
	case ATA_READ_SECTORS_EXT:
	case ATA_WRITE_SECTORS_EXT:
		model_rw(command == ATA_WRITE_SECTORS_EXT, true);
		break;
	case ATA_FLUSH_CACHE_EXT:
		hd.flushes++;
		hd.busy_polls = 1000;
		break;
	default:
		fail_msg("command 0x%02x", command);
	}
}

void outb(uint16_t port, uint8_t v)
{
	fake_time_ns += 100;
	if (port == 0x3f6) {
		if ((v & 4) && !(hd.control & 4)) {
			hd.resets++;
			hd.status = ATA_STATUS_RDY;
			hd.busy_polls = 20;
			hd.left = 0;
		}
		hd.control = v;
		return;
	}
	assert_in_range(port, 0x1f1, 0x1f7);
	if (port == 0x1f7) {
		model_command(v);
		return;
	}
	hd.previous[port - 0x1f0] = hd.regs[port - 0x1f0];
	hd.regs[port - 0x1f0] = v;
	if (port == 0x1f6) {
		hd.unit = v >> 4 & 1;
		hd.status = hd.unit ? 0 : ATA_STATUS_RDY;
		hd.regs[4] = hd.unit ? 0x14 : 0;
		hd.regs[5] = hd.unit ? 0xeb : 0;
	}
}

uint8_t inb(uint16_t port)
{
	fake_time_ns += 100;
	if (port == 0x376)
		return 0xff;
	if (port == 0x3f6) {
		if (hd.busy_polls) {
			hd.busy_polls--;
			return ATA_STATUS_BSY;
		}
		return hd.status;
	}
	assert_in_range(port, 0x1f1, 0x1f7);
	return port == 0x1f1 ? hd.error : hd.regs[port - 0x1f0];
}

static void model_sector_moved(void)
{
	if (hd.writing)
		memcpy(model_sector(hd.lba), hd.buffer, SECTOR_SIZE);
	if (hd.left) {
		hd.left--;
		hd.lba++;
	}
	model_next();
}

uint16_t inw(uint16_t port)
{
	uint16_t v;

	assert_int_equal(port, 0x1f0);
	assert_true(hd.status & ATA_STATUS_DRQ && !hd.writing && !hd.busy_polls);
	v = (uint16_t)(hd.buffer[hd.pos] | hd.buffer[hd.pos + 1] << 8);
	hd.pos += 2;
	if (hd.pos == SECTOR_SIZE)
		model_sector_moved();
	return v;
}

void outw(uint16_t port, uint16_t v)
{
	assert_int_equal(port, 0x1f0);
	assert_true(hd.status & ATA_STATUS_DRQ && hd.writing && !hd.busy_polls);
	hd.buffer[hd.pos] = (uint8_t)v;
	hd.buffer[hd.pos + 1] = (uint8_t)(v >> 8);
	hd.pos += 2;
	if (hd.pos == SECTOR_SIZE)
		model_sector_moved();
}

void cpu_pause(void)
{
	fake_time_ns += 1000;
}

struct probe {
	struct blk_request rq;
	bool done;
	int err;
	uint8_t data[600 * SECTOR_SIZE];
};

static void probe_done(struct blk_request *rq, int err)
{
	struct probe *p = container_of(rq, struct probe, rq);

	assert_false(p->done);
	p->done = true;
	p->err = err;
}

static struct probe *probe_submit(enum blk_op op, uint64_t sector, uint32_t sectors)
{
	struct blkdev *bd = blkdev_find("ata0");
	struct probe *p = calloc(1, sizeof(*p));

	for (unsigned i = 0; i < sizeof(p->data); i++)
		p->data[i] = op == BLK_WRITE ? (uint8_t)(i * 13 + i / SECTOR_SIZE) : 0;
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

static int probe_finish(struct probe *p)
{
	int err;

	fake_tasks_run();
	assert_true(p->done);
	err = p->err;
	free(p);
	return err;
}

static int group_setup(void **state)
{
	fake_kernel_reset();
	fake_tasks_reset();
	hd.status = ATA_STATUS_RDY;
	return ata_init();
}

static void test_probe(void **state)
{
	struct blkdev *bd = blkdev_find("ata0");

	assert_non_null(bd);
	assert_string_equal(bd->model, "model disk");
	assert_int_equal(bd->sectors, SECTORS);
	assert_null(blkdev_at(1)); /* neither the packet device nor the empty channel */
	assert_int_equal(fake_tasks_created(), 1);
}

static void test_read_write(void **state)
{
	struct probe *w = probe_submit(BLK_WRITE, 3, 600), *r;

	fake_tasks_run();
	assert_memory_equal(hd.low[3], w->data, 600 * SECTOR_SIZE);
	assert_int_equal(hd.low[2][511], 0);
	assert_int_equal(hd.low[603][0], 0);
	r = probe_submit(BLK_READ, 3, 600);
	fake_tasks_run();
	assert_memory_equal(r->data, w->data, 600 * SECTOR_SIZE);
	assert_int_equal(probe_finish(w), 0);
	assert_int_equal(probe_finish(r), 0);
	assert_int_equal(hd.ext_commands, 0);
}

static void test_48_bit(void **state)
{
	struct probe *w = probe_submit(BLK_WRITE, ATA_LBA28_LIMIT + 400, 600), *r;

	fake_tasks_run();
	assert_memory_equal(hd.high[400], w->data, 600 * SECTOR_SIZE);
	assert_int_equal(hd.ext_commands, 3);
	r = probe_submit(BLK_READ, SECTORS - 1, 1);
	fake_tasks_run();
	assert_memory_equal(r->data, hd.high[999], SECTOR_SIZE);
	assert_int_equal(probe_finish(w), 0);
	assert_int_equal(probe_finish(r), 0);
}

static void test_queue_and_flush(void **state)
{
	struct probe *p[8], *f;

	for (unsigned i = 0; i < 8; i++)
		p[i] = probe_submit(BLK_READ, i, 1);
	f = probe_submit(BLK_FLUSH, 0, 0);
	assert_int_equal(blkdev_find("ata0")->inflight, 9);
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(probe_finish(p[i]), 0);
	assert_int_equal(probe_finish(f), 0);
	assert_int_equal(hd.flushes, 1);
	assert_int_equal(blkdev_find("ata0")->inflight, 0);
}

static void test_drive_error(void **state)
{
	hd.fail_after = 4;
	assert_int_equal(probe_finish(probe_submit(BLK_READ, 3, 10)), -E_IO);
	assert_non_null(strstr(fake_log_last, "ata0: 10 sectors at 3"));
	assert_non_null(strstr(fake_log_last, "error 0x40"));
	assert_int_equal(probe_finish(probe_submit(BLK_READ, 3, 10)), 0);
}

static void test_stuck_drive_is_reset(void **state)
{
	unsigned resets = hd.resets;

	hd.stuck = 1;
	assert_int_equal(probe_finish(probe_submit(BLK_WRITE, 3, 1)), 0);
	assert_int_equal(hd.resets, resets + 1);
	hd.stuck = 2;
	assert_int_equal(probe_finish(probe_submit(BLK_WRITE, 3, 1)), -E_IO);
	hd.stuck = 0;
	/* It is still busy; the next request begins with a reset. */
	assert_int_equal(probe_finish(probe_submit(BLK_READ, 3, 1)), 0);
	assert_int_equal(hd.resets, resets + 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_probe),	cmocka_unit_test(test_read_write),
	    cmocka_unit_test(test_48_bit),	cmocka_unit_test(test_queue_and_flush),
	    cmocka_unit_test(test_drive_error), cmocka_unit_test(test_stuck_drive_is_reset),
	};

	return cmocka_run_group_tests(tests, group_setup, NULL);
}
