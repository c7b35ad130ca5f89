/* SPDX-License-Identifier: BSD-2-Clause */
/* The script of datastore operations; see ds_script.h. */
#include <stdio.h>
#include <string.h>

#include "kernel/lib/string.h"
#include "tests/unit/ds_script.h"

#define C	       DS_CLUSTER
#define GUEST	       "disk/guest"
#define GUEST_CLUSTERS 6
#define GUEST_SECTORS  (GUEST_CLUSTERS * DS_CLUSTER_SECTORS)

struct datastore *script_ds;
struct script_table script_tables[SCRIPT_OPS_MAX];
unsigned script_ends[SCRIPT_OPS_MAX];
uint8_t script_buf[4 * C];

static const uint8_t uuid[16] = {7};
static struct ds_object *guest, *part;
static char why[200];

/* ---- the guest's disk: sectors full of one number each ---- */

struct guest_write {
	unsigned op, first, count;
	uint32_t stamp;
};
static struct guest_write writes[64];
static unsigned write_count, op_now;
unsigned script_directs;

static void note_write(unsigned first, unsigned count, uint32_t stamp)
{
	assert_in_range(write_count, 0, ARRAY_SIZE(writes) - 1);
	writes[write_count++] = (struct guest_write){op_now, first, count, stamp};
}

/* As a guest's disk does it: straight to the device where that is allowed. */
static int guest_put(unsigned first, unsigned count, bool direct)
{
	struct blk_request rq = {.op = BLK_WRITE, .sector = first, .sectors = count};
	uint64_t sector;
	int err;

	if (!direct || !ds_direct_begin(guest, &rq, &sector))
		return ds_write(guest, (uint64_t)first * SECTOR_SIZE, script_buf,
				(uint64_t)count * SECTOR_SIZE);
	err = blkdev_write(&fake_disk, sector, count, script_buf);
	ds_direct_end(guest, BLK_WRITE);
	script_directs++;
	return err;
}

static int guest_write(unsigned first, unsigned count, bool direct)
{
	uint32_t stamp = 1000 + op_now * 100 + first % 100, *word = (uint32_t *)script_buf;

	if (!guest)
		return -E_NOENT;
	for (unsigned i = 0; i < count * SECTOR_SIZE / 4; i++)
		word[i] = stamp;
	note_write(first, count, stamp);
	return guest_put(first, count, direct);
}

void script_disturb(unsigned i, void (*then)(unsigned i))
{
	static uint8_t before[5 * SECTOR_SIZE];
	const uint64_t at = 10 * SECTOR_SIZE;

	if (!guest || ds_refs(script_ds, ds_map_get(guest, 0)) != 1)
		return; /* it would take space that the script needs */
	assert_int_equal(ds_read(guest, at, before, sizeof(before)), 0);
	op_now = i + 1;
	assert_int_equal(guest_write(10, 5, true), 0);
	then(i);
	assert_int_equal(ds_write(guest, at, before, sizeof(before)), 0);
	write_count--;
}

/* May part of a sector hold this, when all up to operation lo is durable and hi may have begun? */
static bool guest_may_hold(unsigned sector, uint32_t value, unsigned lo, unsigned hi)
{
	uint32_t durable = 0;

	for (unsigned i = 0; i < write_count; i++) {
		const struct guest_write *w = &writes[i];

		if (sector < w->first || sector >= w->first + w->count)
			continue;
		if (w->op <= lo)
			durable = w->stamp;
		else if (w->op <= hi && w->stamp == value)
			return true;
	}
	return value == durable;
}

/* At most two writes have left something of a sector: one was torn. */
static void sector_verify(unsigned sector, const uint32_t *word, unsigned lo, unsigned hi)
{
	unsigned parts = 0;

	for (unsigned i = 0; i < SECTOR_SIZE / 4; i++) {
		if (i && word[i] == word[i - 1])
			continue;
		parts++;
		if (!guest_may_hold(sector, word[i], lo, hi))
			fail_msg("sector %u of the guest holds %u", sector, word[i]);
	}
	assert_in_range(parts, 1, 2);
}

void script_guest_verify(unsigned lo, unsigned hi)
{
	static uint32_t data[GUEST_SECTORS][SECTOR_SIZE / 4];
	struct ds_object *o;

	if (ds_get(script_ds, GUEST, &o))
		return;
	assert_int_equal(ds_read(o, 0, data, sizeof(data)), 0);
	ds_put(o);
	for (unsigned s = 0; s < GUEST_SECTORS; s++)
		sector_verify(s, data[s], lo, hi);
}

/* ---- the script ---- */

void script_fill(unsigned seed, uint64_t len)
{
	for (uint64_t i = 0; i < len; i++)
		script_buf[i] = (uint8_t)((i * 13 + i / 512 + seed) | 1);
}

int script_make(const char *name, enum ds_kind kind, uint64_t size, uint64_t len, unsigned seed)
{
	struct ds_object *o;
	int err = ds_create(script_ds, name, kind, size, &o);

	if (err)
		return err;
	script_fill(seed, len);
	if (len)
		err = ds_write(o, 0, script_buf, len);
	if (!err)
		err = ds_commit(o);
	ds_put(o);
	return err;
}

static int op_file(unsigned n)
{
	return script_make("file", DS_FILE, 0, 1000 + n, n);
}
static int op_saved(unsigned n)
{
	return script_make("saved", DS_SAVED, 0, 3 * C - 100, n);
}
/* All that is free, so that what comes next must take clusters that were just let go. */
static int op_big(unsigned n)
{
	struct ds_object *o;
	struct ds_stat st;
	int err = ds_create(script_ds, "big", DS_SAVED, 0, &o);

	if (err)
		return err;
	script_fill(n, C);
	ds_status(script_ds, &st);
	for (uint64_t at = 0; !err && at < st.free; at += C)
		err = ds_write(o, at, script_buf, C);
	if (!err)
		err = ds_commit(o);
	ds_put(o);
	return err;
}
static int op_remove_big(unsigned n)
{
	return ds_remove(script_ds, "big");
}
static int op_guest(unsigned n)
{
	int err = script_make(GUEST, DS_DISK, GUEST_CLUSTERS * C, 0, 0);

	return err ? err : ds_get(script_ds, GUEST, &guest);
}
static int op_write(unsigned n)
{
	return guest_write(n, 5, false);
}
static int op_direct(unsigned n)
{
	return guest_write(n, 5, true);
}
static int op_write_far(unsigned n) /* over a cluster's end */
{
	return guest_write(n * DS_CLUSTER_SECTORS - 3, 6, false);
}
static int op_direct_far(unsigned n)
{
	return guest_write(n * DS_CLUSTER_SECTORS - 3, 6, true);
}
static int op_sync(unsigned n)
{
	return ds_sync(script_ds);
}
static int op_snap(unsigned n)
{
	return ds_clone(script_ds, GUEST, "snap");
}
static int op_discard(unsigned n)
{
	if (!guest)
		return -E_NOENT;
	note_write(n * DS_CLUSTER_SECTORS, DS_CLUSTER_SECTORS, 0);
	return ds_discard(guest, n * C, C);
}
static int op_move(unsigned n)
{
	return ds_rename(script_ds, "saved", "saved2");
}
static int op_log(unsigned n)
{
	return script_make("log", DS_LOG, 0, 600, n);
}
static int op_append(unsigned n)
{
	struct ds_object *o;
	struct ds_info info;
	int err = ds_get(script_ds, "log", &o);

	if (err)
		return err;
	ds_object_info(o, &info);
	script_fill(n, 700);
	err = ds_write(o, info.size, script_buf, 700);
	ds_put(o);
	return err;
}
static int op_append_far(unsigned n) /* into another cluster */
{
	struct ds_object *o;
	int err = ds_get(script_ds, "log", &o);

	if (err)
		return err;
	script_fill(n, 100);
	err = ds_write(o, 2 * C, script_buf, 100);
	ds_put(o);
	return err;
}
static int op_part(unsigned n)
{
	int err = ds_create(script_ds, "moved", DS_DISK, 3 * C, &part);

	if (err)
		return err;
	script_fill(n, C);
	err = ds_write(part, 0, script_buf, C);
	if (!err)
		err = ds_keep_partial(part);
	if (err) {
		ds_put(part);
		part = NULL;
	}
	return err;
}
static int op_part_more(unsigned n)
{
	script_fill(n, C);
	return part ? ds_write(part, 2 * C, script_buf, C) : -E_NOENT;
}
static int op_part_done(unsigned n)
{
	return part ? ds_commit(part) : -E_NOENT;
}
static int op_remove_saved(unsigned n)
{
	return ds_remove(script_ds, "saved2");
}
static int op_remove_old(unsigned n)
{
	return ds_remove(script_ds, "old");
}
static int op_remove_snap(unsigned n)
{
	return ds_remove(script_ds, "snap");
}
static int op_rename(unsigned n)
{
	return n % 2 ? ds_rename(script_ds, "y", "x") : ds_rename(script_ds, "x", "y");
}
static int op_small(unsigned n)
{
	return script_make("x", DS_FILE, 0, 0, 0);
}

struct op {
	int (*run)(unsigned n);
	unsigned n;
	bool soft; /* durable with the next one that is not */
};

/* clang-format off */
#define HARD(f, n) {op_##f, n, false}
#define SOFT(f, n) {op_##f, n, true}
static const struct op script[] = {
	HARD(file, 1), HARD(remove_old, 0), HARD(saved, 2), HARD(guest, 0),
	SOFT(write, 10), HARD(sync, 0), SOFT(write, 12), SOFT(write_far, 3),
	SOFT(direct, 11), HARD(sync, 0), SOFT(direct, 10), SOFT(direct_far, 3), HARD(sync, 0),
	SOFT(direct_far, 3), HARD(file, 3), SOFT(direct, 12), HARD(snap, 0),
	SOFT(direct, 10), SOFT(write, 20), SOFT(direct, 24), HARD(sync, 0), SOFT(write, 21),
	SOFT(direct_far, 3), SOFT(direct, 25), HARD(sync, 0), SOFT(direct_far, 3),
	HARD(move, 0), HARD(log, 4), SOFT(append, 5), SOFT(append, 6), HARD(sync, 0),
	SOFT(append_far, 1), HARD(log, 6),
	SOFT(discard, 2), SOFT(write, 2 * DS_CLUSTER_SECTORS), HARD(sync, 0),
	HARD(part, 7), SOFT(part_more, 8), HARD(part_done, 0),
	HARD(remove_saved, 0), HARD(big, 9),
	SOFT(discard, 0), SOFT(write, 5 * DS_CLUSTER_SECTORS + 7), HARD(sync, 0),
	HARD(remove_big, 0), SOFT(discard, 1), HARD(remove_snap, 0), HARD(small, 0),
};
static const struct op ending[] = {
	SOFT(write, 14), SOFT(direct, 16), SOFT(write_far, 4), HARD(sync, 0),
	SOFT(direct, 15), HARD(sync, 0),
	SOFT(append, 1), SOFT(append, 2), HARD(sync, 0),
};
/* clang-format on */
#define FIRST	ARRAY_SIZE(script)
#define RENAMES 64 /* two sectors each: the log wraps */
#define OPS	(FIRST + RENAMES + ARRAY_SIZE(ending))
const unsigned script_ops = OPS, script_first = FIRST;

static struct op op_at(unsigned i)
{
	if (i < FIRST)
		return script[i];
	if (i < FIRST + RENAMES)
		return (struct op){op_rename, i - FIRST, false};
	return ending[i - FIRST - RENAMES];
}

int script_run_op(unsigned i)
{
	op_now = i + 1;
	return op_at(i).run(op_at(i).n);
}

/* ---- what a store holds, but for the guest's contents ---- */

void script_table_read(struct script_table *t)
{
	unsigned cursor = 0;
	struct ds_info info;

	memset(t, 0, sizeof(*t));
	while (!ds_next(script_ds, &cursor, &info)) {
		struct ds_object *o;

		assert_in_range(t->count, 0, ARRAY_SIZE(t->e) - 1);
		str_copy(t->e[t->count].name, info.name, sizeof(t->e[0].name));
		t->e[t->count].size = info.size;
		if (strcmp(info.name, GUEST)) {
			assert_int_equal(ds_get(script_ds, info.name, &o), 0);
			assert_int_equal(ds_digest(o, &t->e[t->count].digest), 0);
			ds_put(o);
		}
		t->count++;
	}
}

void script_check(void)
{
	if (ds_check(script_ds, why, sizeof(why)))
		fail_msg("%s", why);
}

void script_mount(void)
{
	if (ds_open(&fake_disk, "alpha", false, &script_ds, why, sizeof(why)))
		fail_msg("%s", why);
}

void script_unmount(void)
{
	ds_put(guest);
	ds_put(part);
	guest = part = NULL;
	assert_int_equal(ds_close(script_ds), 0);
	assert_int_equal(fake_alloc_live, 0);
}

int script_setup(void **state)
{
	assert_in_range(OPS, 1, SCRIPT_OPS_MAX - 1);
	fake_kernel_reset();
	fake_tasks_reset();
	fake_disk_reset(SCRIPT_CLUSTERS * DS_CLUSTER_SECTORS);
	assert_int_equal(ds_format(&fake_disk, "crash", uuid), 0);
	write_count = 0;
	guest = part = NULL;
	/* A checkpoint that holds something, for the next one to leave alone. */
	script_mount();
	assert_int_equal(script_make("old", DS_FILE, 0, 10, 1), 0);
	ds_abandon(script_ds);
	script_mount();
	return 0;
}
void script_run(bool trace)
{
	script_table_read(&script_tables[0]);
	if (trace)
		fake_trace_start();
	for (unsigned i = 0; i < OPS; i++) {
		int err = script_run_op(i);

		if (err)
			fail_msg("operation %u: %s", i, err_text(err));
		script_table_read(&script_tables[i + 1]);
		script_ends[i] = fake_trace_count;
	}
}

/* Everything up to operation lo is durable, hi may have begun (as indices into script_tables). */
void script_verify(unsigned lo, unsigned hi)
{
	static struct script_table now;
	unsigned i = lo;
	struct ds_stat st;
	uint64_t before;

	script_check();
	script_table_read(&now);
	while (i <= hi && memcmp(&now, &script_tables[i], sizeof(now)))
		i++;
	if (i > hi)
		fail_msg("neither old nor new");
	script_guest_verify(lo, hi);
	/* Work goes on, and no space was lost. */
	ds_status(script_ds, &st);
	before = st.free;
	if (before) {
		assert_int_equal(script_make("after", DS_FILE, 0, 10, 1), 0);
		assert_int_equal(ds_remove(script_ds, "after"), 0);
		ds_status(script_ds, &st);
		assert_int_equal(st.free, before);
		script_check();
	}
}

bool script_op_is_soft(unsigned i)
{
	return op_at(i).soft;
}

unsigned script_durable_before(unsigned i)
{
	while (i && op_at(i - 1).soft)
		i--;
	return i;
}
