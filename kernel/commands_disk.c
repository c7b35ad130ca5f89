/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * `store test`: does a disk keep what it is given? Writes a pattern at its end,
 * flushes, reads it back, and puts back what was there.
 */
#include "kernel/commands_host_inner.h"
#include "kernel/drivers/blkdev.h"
#include "kernel/lib/crc32c.h"
#include "kernel/lib/format.h"
#include "kernel/lib/string.h"
#include "kernel/mem.h"
#include "kernel/store/aoe.h"

#define TEST_SECTORS 600u /* no multiple of what drivers cut requests into */
#define TEST_ORDER   7

struct disk_test {
	struct blkdev *bd;
	struct aoe_disk *aoe; /* NULL: a local disk */
	uint64_t sector;
	uint32_t sectors;
	uint8_t *old, *data;
	bool leave; /* the pattern stays on the disk */
	const char *step;
};

/* What tests/e2e/test_drivers.py looks for in the image of the disk. */
static uint8_t pattern(uint64_t sector, unsigned i)
{
	return (uint8_t)(i * 13 + (i >> 8) + sector * 7);
}

static void pattern_fill(struct disk_test *t)
{
	for (uint32_t s = 0; s < t->sectors; s++)
		for (unsigned i = 0; i < SECTOR_SIZE; i++)
			t->data[s * SECTOR_SIZE + i] = pattern(t->sector + s, i);
}

static bool pattern_matches(const struct disk_test *t)
{
	for (uint32_t s = 0; s < t->sectors; s++)
		for (unsigned i = 0; i < SECTOR_SIZE; i++)
			if (t->data[s * SECTOR_SIZE + i] != pattern(t->sector + s, i))
				return false;
	return true;
}

static int write_and_read_back(struct disk_test *t)
{
	int err;

	pattern_fill(t);
	t->step = "writing";
	err = blkdev_write(t->bd, t->sector, t->sectors, t->data);
	if (err)
		return err;
	t->step = "flushing";
	err = blkdev_flush(t->bd);
	if (err)
		return err;
	memset(t->data, 0, (size_t)t->sectors * SECTOR_SIZE);
	t->step = "reading back";
	err = blkdev_read(t->bd, t->sector, t->sectors, t->data);
	if (err)
		return err;
	t->step = "comparing";
	return pattern_matches(t) ? 0 : -E_CHECKSUM;
}

/* What was there comes back also after a failure, as far as the disk lets us. */
static int disk_test_run(struct disk_test *t)
{
	int err, restore_err;

	t->step = "reading what is there";
	err = blkdev_read(t->bd, t->sector, t->sectors, t->old);
	if (err)
		return err;
	err = write_and_read_back(t);
	if (t->leave)
		return err;
	restore_err = blkdev_write(t->bd, t->sector, t->sectors, t->old);
	if (!restore_err)
		restore_err = blkdev_flush(t->bd);
	if (restore_err)
		t->step = "putting back what was there";
	return restore_err ? restore_err : err;
}

static int disk_test(struct console *con, struct disk_test *t)
{
	uint32_t bytes = t->sectors * SECTOR_SIZE;
	char size[16];
	int err = disk_test_run(t);

	if (err)
		return console_fail(con, err, "disk %s, %u sectors at %llu, %s: %s; see 'log'",
				    t->bd->name, t->sectors, (unsigned long long)t->sector, t->step,
				    err_text(err));
	console_printf(con, "%s: %s at sector %llu written, flushed and read back the same\n",
		       t->bd->name, format_size(size, bytes), (unsigned long long)t->sector);
	console_printf(con, "before: CRC-32C %08x%s\n", crc32c(0, t->old, bytes),
		       t->leave ? ", overwritten" : ", put back");
	return 0;
}

/* "e1.0": an AoE target. 0 and *out, or -E_INVAL: not such a name. */
static int parse_target(const char *name, uint64_t *shelf, uint64_t *slot)
{
	const char *dot = strchr(name, '.');
	char digits[8];

	if (name[0] != 'e' || !dot || (size_t)(dot - name) > sizeof(digits))
		return -E_INVAL;
	str_copy(digits, name + 1, dot - name);
	if (str_to_u64(digits, shelf) || str_to_u64(dot + 1, slot))
		return -E_INVAL;
	return *shelf < UINT16_MAX && *slot < UINT8_MAX ? 0 : -E_INVAL;
}

/*
 * A local disk, or a target on the wire under a MAC of its own: what another host
 * has reserved it can then not write to.
 */
static int disk_find(struct console *con, const char *name, struct disk_test *t)
{
	uint64_t shelf, slot;
	uint8_t mac[ETH_ALEN];
	int err;

	t->bd = blkdev_find(name);
	if (t->bd && t->bd->users)
		return console_fail(con, -E_BUSY,
				    "disk '%.23s' is in use by a VM that is not off: the test "
				    "would undo what the guest writes meanwhile",
				    name);
	if (t->bd)
		return 0;
	if (!host_facts->sw->uplink || parse_target(name, &shelf, &slot))
		return console_fail(con, -E_NOENT,
				    "disk '%.23s': not found; 'store' shows the disks", name);
	aoe_fresh_mac(mac);
	err = aoe_open(shelf, slot, mac, &t->aoe);
	if (err)
		return console_fail(con, err, "AoE target %.23s: %s", name, err_text(err));
	t->bd = aoe_blkdev(t->aoe);
	return 0;
}

static int disk_test_with_memory(struct console *con, struct disk_test *t)
{
	int err;

	t->sectors = MIN(t->bd->sectors, TEST_SECTORS);
	t->sector = t->bd->sectors - t->sectors;
	t->old = pages_alloc_raw(TEST_ORDER);
	t->data = pages_alloc_raw(TEST_ORDER);
	err = t->old && t->data ? disk_test(con, t) : -E_NOMEM;
	if (t->old)
		pages_free(t->old, TEST_ORDER);
	if (t->data)
		pages_free(t->data, TEST_ORDER);
	return err;
}

int commands_run_store_test(struct console *con, int argc, char **argv)
{
	struct disk_test t = {.leave = argc == 5 && strcmp(argv[4], "--leave") == 0};
	int err;

	if (strcmp(argv[1], "test") != 0 || argc < 3)
		return console_fail(con, -E_INVAL,
				    "'store %.20s': expected nothing, or 'test DISK --yes'",
				    argv[1]);
	if (argc < 4 || strcmp(argv[3], "--yes") != 0 || (argc == 5 && !t.leave))
		return console_fail(
		    con, -E_INVAL,
		    "it writes to the end of the disk and puts back what was there: say "
		    "'store test %.23s --yes', with no guest on this disk",
		    argv[2]);
	err = disk_find(con, argv[2], &t);
	if (err)
		return err;
	err = disk_test_with_memory(con, &t);
	if (t.aoe)
		aoe_close(t.aoe);
	return err;
}
