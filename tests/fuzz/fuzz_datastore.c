/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A hostile datastore: a small valid one, changed as the input says, with checksums put
 * right again so that the search gets behind them. It is opened, walked, written and closed;
 * whatever was accepted must pass its own check and be accepted again.
 */
#include <stdio.h>
#include <string.h>

#include "kernel/lib/crc32c.h"
#include "kernel/store/ds_inner.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/fake_disk.h"
#include "tests/unit/fake_task.h"

#define CLUSTERS 16
#define SECTORS	 (CLUSTERS * DS_CLUSTER_SECTORS)

static uint8_t valid[SECTORS][SECTOR_SIZE];
static struct datastore *ds;
static char why[200];

static void make_object(const char *name, enum ds_kind kind, uint64_t size)
{
	struct ds_object *o;

	assert_int_equal(ds_create(ds, name, kind, size, &o), 0);
	assert_int_equal(ds_write(o, 0, name, strlen(name)), 0);
	assert_int_equal(ds_commit(o), 0);
	ds_put(o);
}

/* Once: two objects in the checkpoint, two more and a clone in the log. */
static void make_valid(void)
{
	static const uint8_t uuid[16] = {1};

	fake_disk_reset(SECTORS);
	assert_int_equal(ds_format(&fake_disk, "fuzz", uuid), 0);
	assert_int_equal(ds_open(&fake_disk, "a", false, &ds, why, sizeof(why)), 0);
	make_object("vm/a", DS_FILE, 0);
	make_object("disk/a", DS_DISK, 3 * DS_CLUSTER);
	ds_abandon(ds); /* the log becomes a checkpoint when it is opened again */
	assert_int_equal(ds_open(&fake_disk, "a", false, &ds, why, sizeof(why)), 0);
	make_object("log/a", DS_LOG, 0);
	assert_int_equal(ds_clone(ds, "disk/a", "snap/a"), 0);
	ds_abandon(ds);
	memcpy(valid, fake_disk_data, sizeof(valid));
}

/* Where a change goes: 0 and 1 the superblocks, 2 the log, 3 and 4 the areas. */
static uint8_t *place(unsigned which, unsigned offset)
{
	static const unsigned sectors[] = {DS_SUPER_SECTOR_A, DS_SUPER_SECTOR_B, DS_CLUSTER_SECTORS,
					   2 * DS_CLUSTER_SECTORS, 3 * DS_CLUSTER_SECTORS};

	return (uint8_t *)fake_disk_data[sectors[which % 5]] +
	       offset % (which % 5 < 2 ? SECTOR_SIZE : 4096);
}

static void change(struct fuzz *in)
{
	unsigned which = fuzz_u8(in), offset = fuzz_u16(in), len = fuzz_u8(in) % 33;
	uint8_t bytes[32];

	fuzz_bytes(in, bytes, len);
	memcpy(place(which, offset), bytes, len); /* data follows the areas: no overrun */
}

static void mend_log(const struct ds_super *s)
{
	uint32_t at = DS_CLUSTER_SECTORS, end = 2 * DS_CLUSTER_SECTORS;
	uint64_t seq = 0;

	while (at < end) {
		struct ds_batch *b = (void *)fake_disk_data[at];

		if (b->magic != DS_BATCH_MAGIC)
			return;
		b->bytes = MIN(b->bytes, (uint64_t)(end - at - 1) * SECTOR_SIZE);
		b->generation = s->generation;
		b->seq = seq++;
		b->records_crc = crc32c(0, fake_disk_data[at + 1], b->bytes);
		b->crc = ds_batch_crc(s, b);
		at += 1 + (uint32_t)((b->bytes + SECTOR_SIZE - 1) / SECTOR_SIZE);
	}
}

static void mend(void)
{
	struct ds_super *a = (void *)fake_disk_data[DS_SUPER_SECTOR_A];
	struct ds_super *b = (void *)fake_disk_data[DS_SUPER_SECTOR_B];

	a->bytes = MIN(a->bytes, DS_CLUSTER);
	a->checkpoint_crc =
	    crc32c(0, fake_disk_data[(2 + (a->area & 1)) * DS_CLUSTER_SECTORS], a->bytes);
	mend_log(a);
	ds_super_seal(a);
	*b = *a;
}

static void use_object(struct ds_object *o, uint8_t how)
{
	static uint8_t buf[3000];
	struct ds_info info;
	uint64_t at = 0, len, digest;
	unsigned runs = 0;
	int err;

	ds_object_info(o, &info);
	assert_true(info.size <= DS_SIZE_MAX);
	assert_true(ds_name_ok(info.name, sizeof(info.name)));
	while (!ds_next_data(o, at, &at, &len)) {
		assert_in_range(++runs, 0, CLUSTERS);
		assert_true(len && at + len <= info.size);
		at += len;
	}
	err = ds_digest(o, &digest);
	assert_int_equal(err, 0);
	memset(buf, how, sizeof(buf));
	err = ds_write(o, how * 1000ull, buf, how * 10u);
	assert_true(!err || err == -E_RANGE || err == -E_NOSPC || err == -E_STATE);
	if (how & 1)
		err = ds_discard(o, 0, MIN(info.size, 2 * DS_CLUSTER));
	assert_true(!err || err == -E_RANGE || err == -E_NOSPC || err == -E_STATE);
}

static void use(uint8_t how)
{
	struct ds_info info;
	unsigned cursor = 0, count = 0;

	while (!ds_next(ds, &cursor, &info)) {
		struct ds_object *o;

		assert_in_range(++count, 0, DS_OBJECTS_MAX + 1);
		assert_int_equal(ds_get(ds, info.name, &o), 0);
		use_object(o, (uint8_t)(how + count));
		ds_put(o);
		if (how & 2 && count == 1)
			(void)!ds_clone(ds, info.name, "new");
		if (how & 4 && count == 2)
			(void)!ds_remove(ds, info.name);
	}
	(void)!ds_sync(ds);
	if (ds_check(ds, why, sizeof(why)))
		fail_msg("%s", why);
}

static void open_and_use(uint8_t how)
{
	bool readonly = how & 8;

	why[0] = '\0';
	if (ds_open(&fake_disk, "h", readonly, &ds, why, sizeof(why))) {
		assert_int_not_equal(why[0], 0);
		return;
	}
	if (ds_check(ds, why, sizeof(why)))
		fail_msg("%s", why);
	use(how);
	assert_int_equal(ds_close(ds), 0);
	assert_int_equal(fake_alloc_live, 0);
	if (ds_open(&fake_disk, "h", false, &ds, why, sizeof(why)))
		fail_msg("not accepted again: %s", why);
	assert_int_equal(ds_close(ds), 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz in = {data, size};
	uint8_t how;

	fake_kernel_reset();
	fake_tasks_reset();
	if (!fake_disk.sectors)
		make_valid();
	memcpy(fake_disk_data, valid, sizeof(valid));
	fake_disk.sectors = SECTORS;
	how = fuzz_u8(&in);
	while (in.left)
		change(&in);
	if (!(how & 16))
		mend();
	open_and_use(how);
	assert_int_equal(fake_alloc_live, 0);
	return 0;
}
