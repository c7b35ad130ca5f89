/* SPDX-License-Identifier: BSD-2-Clause */
/* The datastore as its users see it. What a loss of power does is in test_ds_crash.c. */
#include <stdio.h>
#include <string.h>

#include "kernel/lib/crc32c.h"
#include "kernel/lib/string.h"
#include "kernel/store/ds_inner.h"
#include "tests/unit/fake_disk.h"
#include "tests/unit/fake_task.h"

#define C DS_CLUSTER

static const uint8_t uuid[16] = {1, 2, 3};
static struct datastore *ds;
static char why[200];

static void mount(void)
{
	int err = ds_open(&fake_disk, "alpha", false, &ds, why, sizeof(why));

	if (err)
		fail_msg("%s", why);
}

static void check(void)
{
	if (ds_check(ds, why, sizeof(why)))
		fail_msg("%s", why);
}

static int setup(void **state)
{
	fake_kernel_reset();
	fake_tasks_reset();
	fake_disk_reset(64 * DS_CLUSTER_SECTORS);
	assert_int_equal(ds_format(&fake_disk, "main", uuid), 0);
	mount();
	return 0;
}

static int teardown(void **state)
{
	check();
	assert_int_equal(ds_close(ds), 0);
	assert_int_equal(fake_alloc_live, 0);
	return 0;
}

static void remount(void)
{
	check();
	assert_int_equal(ds_close(ds), 0);
	assert_int_equal(fake_alloc_live, 0);
	mount();
	check();
}

static uint64_t free_now(void)
{
	struct ds_stat st;

	ds_status(ds, &st);
	return st.free;
}

static struct ds_object *create(const char *name, enum ds_kind kind, uint64_t size)
{
	struct ds_object *o;

	assert_int_equal(ds_create(ds, name, kind, size, &o), 0);
	return o;
}

static struct ds_object *get(const char *name)
{
	struct ds_object *o;

	assert_int_equal(ds_get(ds, name, &o), 0);
	return o;
}

static void put_text(const char *name, const char *text)
{
	struct ds_object *o = create(name, DS_FILE, 0);

	assert_int_equal(ds_write(o, 0, text, strlen(text)), 0);
	assert_int_equal(ds_commit(o), 0);
	ds_put(o);
}

static void expect_text(const char *name, const char *text)
{
	struct ds_object *o = get(name);
	struct ds_info info;
	char buf[256] = {0};

	ds_object_info(o, &info);
	assert_int_equal(info.size, strlen(text));
	assert_int_equal(ds_read(o, 0, buf, info.size), 0);
	assert_string_equal(buf, text);
	ds_put(o);
}

static uint64_t digest(const char *name)
{
	struct ds_object *o = get(name);
	uint64_t h;

	assert_int_equal(ds_digest(o, &h), 0);
	ds_put(o);
	return h;
}

static void fill(uint8_t *buf, size_t len, unsigned seed)
{
	for (size_t i = 0; i < len; i++)
		buf[i] = (uint8_t)((i * 31 + i / 512 + seed) | 1);
}

static void test_files(void **state)
{
	struct ds_info info;
	struct ds_stat st;
	unsigned cursor = 0;

	put_text("vm/web/vm.conf", "memory 64M\n");
	put_text("vm/db/vm.conf", "memory 32M\n");
	put_text("vm/web/vm.conf", "memory 128M\n");
	remount();
	expect_text("vm/web/vm.conf", "memory 128M\n");
	expect_text("vm/db/vm.conf", "memory 32M\n");
	assert_int_equal(ds_find(ds, "vm/web", &info), -E_NOENT);
	assert_int_equal(ds_find(ds, "vm/web/vm.conf", &info), 0);
	assert_int_equal(info.kind, DS_FILE);
	assert_int_equal(info.stored, C);
	assert_int_equal(ds_next(ds, &cursor, &info), 0);
	assert_string_equal(info.name, "vm/db/vm.conf");
	assert_int_equal(ds_next(ds, &cursor, &info), 0);
	assert_string_equal(info.name, "vm/web/vm.conf");
	assert_int_equal(ds_next(ds, &cursor, &info), -E_NOENT);
	ds_status(ds, &st);
	assert_string_equal(st.name, "main");
	assert_string_equal(st.opened_by, "alpha");
	assert_memory_equal(st.uuid, uuid, 16);
	assert_int_equal(st.objects, 2);
	assert_int_equal(st.fragments, 2);
	assert_int_equal(st.size - st.free, 2 * C);
}

static void test_names(void **state)
{
	static const char *const bad[] = {"", "/", "a/", "/a", "a//b", "a b", "a\n", "\xc3\xa4"};
	char longest[DS_NAME_LEN + 1];
	struct ds_object *o;

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(ds_create(ds, bad[i], DS_FILE, 0, &o), -E_INVAL);
	memset(longest, 'a', sizeof(longest));
	longest[DS_NAME_LEN] = '\0';
	assert_int_equal(ds_create(ds, longest, DS_FILE, 0, &o), -E_INVAL);
	longest[DS_NAME_LEN - 1] = '\0';
	put_text(longest, "x");
	assert_int_equal(ds_create(ds, "a", (enum ds_kind)5, 0, &o), -E_INVAL);
	assert_int_equal(ds_create(ds, "a", DS_FILE, DS_SIZE_MAX + 1, &o), -E_RANGE);
	assert_int_equal(ds_get(ds, "a", &o), -E_NOENT);
	assert_int_equal(ds_remove(ds, "a"), -E_NOENT);
	assert_string_equal(ds_kind_text(DS_SAVED), "saved");
	assert_string_equal(ds_kind_text((enum ds_kind)9), "?");
}

static void test_uncommitted(void **state)
{
	uint64_t before = free_now();
	struct ds_object *o = create("saved/web", DS_SAVED, 0);
	struct ds_info info;
	static uint8_t buf[3 * C];

	fill(buf, sizeof(buf), 1);
	assert_int_equal(ds_write(o, 0, buf, sizeof(buf)), 0);
	assert_int_equal(ds_find(ds, "saved/web", &info), -E_NOENT);
	assert_int_equal(ds_close(ds), -E_BUSY);
	assert_int_equal(before - free_now(), 3 * C);
	ds_put(o);
	assert_int_equal(free_now(), before);
	remount();
	assert_int_equal(free_now(), before);
}

/* Any offsets and lengths against a plain array. */
static void test_random_io(void **state)
{
	static uint8_t model[6 * C], buf[6 * C];
	struct ds_object *o = create("disk/web/vda", DS_DISK, sizeof(model));
	unsigned seed = 1;

	assert_int_equal(ds_commit(o), 0);
	for (unsigned i = 0; i < 400; i++) {
		uint64_t at, len;

		seed = seed * 1103515245 + 12345;
		at = (seed >> 8) % sizeof(model);
		seed = seed * 1103515245 + 12345;
		len = (seed >> 8) % (i % 3 ? 3000 : 2 * C);
		len = MIN(len, sizeof(model) - at);
		fill(buf, len, i);
		if (i % 7 == 0)
			memset(buf, 0, len);
		memcpy(model + at, buf, len);
		assert_int_equal(ds_write(o, at, buf, len), 0);
		if (i % 50 == 0)
			assert_int_equal(ds_sync(ds), 0);
		if (i % 97 == 0) {
			assert_int_equal(ds_remove(ds, "snap"), i ? 0 : -E_NOENT);
			assert_int_equal(ds_clone(ds, "disk/web/vda", "snap"), 0);
		}
		assert_int_equal(ds_read(o, 0, buf, sizeof(model)), 0);
		assert_memory_equal(buf, model, sizeof(model));
	}
	ds_put(o);
	remount();
	o = get("disk/web/vda");
	assert_int_equal(ds_read(o, 0, buf, sizeof(model)), 0);
	assert_memory_equal(buf, model, sizeof(model));
	assert_int_equal(ds_write(o, sizeof(model) - 1, buf, 2), -E_RANGE);
	assert_int_equal(ds_write(o, UINT64_MAX, buf, 2), -E_RANGE);
	assert_int_equal(ds_read(o, sizeof(model), buf, 1), -E_RANGE);
	ds_put(o);
}

static void test_holes(void **state)
{
	struct ds_object *o = create("disk/a", DS_DISK, 1000 * GiB);
	uint64_t at, len, before = free_now();
	static uint8_t buf[4 * C];

	fill(buf, sizeof(buf), 3);
	assert_int_equal(ds_next_data(o, 0, &at, &len), -E_NOENT);
	assert_int_equal(ds_write(o, 900 * GiB + 5, buf, 10), 0);
	assert_int_equal(ds_write(o, 20 * C, buf, 4 * C), 0);
	memset(buf, 0, sizeof(buf));
	assert_int_equal(ds_write(o, 40 * C, buf, 4 * C), 0); /* zeros into a hole */
	assert_int_equal(before - free_now(), 5 * C);
	assert_int_equal(ds_next_data(o, 0, &at, &len), 0);
	assert_int_equal(at, 20 * C);
	assert_int_equal(len, 4 * C);
	assert_int_equal(ds_next_data(o, 21 * C + 7, &at, &len), 0);
	assert_int_equal(at, 21 * C + 7);
	assert_int_equal(len, 3 * C - 7);
	assert_int_equal(ds_next_data(o, 24 * C, &at, &len), 0);
	assert_int_equal(at, 900 * GiB);
	assert_int_equal(ds_next_data(o, at + len, &at, &len), -E_NOENT);
	assert_int_equal(ds_commit(o), 0);
	assert_int_equal(ds_discard(o, 20 * C + 1, 3 * C - 1), 0);
	assert_int_equal(before - free_now(), 5 * C); /* until it is durable */
	assert_int_equal(ds_sync(ds), 0);
	assert_int_equal(before - free_now(), 3 * C);
	assert_int_equal(ds_read(o, 21 * C, buf, 2 * C), 0);
	assert_true(page_is_zero(buf));
	ds_put(o);
	remount();
	assert_int_equal(before - free_now(), 3 * C);
}

static void test_growth(void **state)
{
	struct ds_object *o = create("log/web", DS_LOG, 0);
	char buf[16], zero[16] = {0};
	struct ds_info info;

	assert_int_equal(ds_commit(o), 0);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(ds_write(o, i * 5, "line\n", 5), 0);
	assert_int_equal(ds_sync(ds), 0);
	/* Bytes beyond the end that a lost write left: not seen when the object grows past them. */
	memset(fake_disk_data[ds_sector_of(ds_map_get(o, 0))] + 15, 'x', 400);
	assert_int_equal(ds_write(o, 100, "end", 3), 0);
	ds_put(o);
	remount();
	o = get("log/web");
	ds_object_info(o, &info);
	assert_int_equal(info.size, 103);
	assert_int_equal(ds_read(o, 10, buf, 5), 0);
	assert_memory_equal(buf, "line\n", 5);
	assert_int_equal(ds_read(o, 80, buf, 16), 0);
	assert_memory_equal(buf, zero, 16);
	ds_put(o);
}

static void test_clone(void **state)
{
	static uint8_t buf[8 * C], back[8 * C];
	struct ds_object *o = create("disk/a", DS_DISK, sizeof(buf));
	uint64_t before, old;

	fill(buf, sizeof(buf), 9);
	assert_int_equal(ds_write(o, 0, buf, sizeof(buf)), 0);
	assert_int_equal(ds_commit(o), 0);
	old = digest("disk/a");
	before = free_now();
	assert_int_equal(ds_clone(ds, "disk/a", "snap/a"), 0);
	assert_int_equal(ds_clone(ds, "disk/a", "snap/a"), -E_EXIST);
	assert_int_equal(free_now(), before);
	assert_int_equal(digest("snap/a"), old);
	assert_int_equal(ds_write(o, C + 100, "changed", 7), 0);
	assert_int_equal(before - free_now(), C);
	assert_int_equal(digest("snap/a"), old);
	assert_int_not_equal(digest("disk/a"), old);
	ds_put(o);
	remount();
	assert_int_equal(digest("snap/a"), old);
	o = get("disk/a");
	memcpy(buf + C + 100, "changed", 7);
	assert_int_equal(ds_read(o, 0, back, sizeof(back)), 0);
	assert_memory_equal(buf, back, sizeof(back));
	assert_int_equal(ds_remove(ds, "disk/a"), -E_BUSY);
	ds_put(o);
	assert_int_equal(ds_remove(ds, "disk/a"), 0);
	assert_int_equal(free_now(), before);
	assert_int_equal(digest("snap/a"), old);
	assert_int_equal(ds_rename(ds, "snap/a", "disk/a"), 0);
	remount();
	assert_int_equal(digest("disk/a"), old);
	assert_int_equal(ds_remove(ds, "disk/a"), 0);
	assert_int_equal(free_now(), before + sizeof(buf));
}

static void test_replace_open(void **state)
{
	uint64_t before = free_now();
	struct ds_object *old, *disk, *other;
	char buf[4] = {0};

	put_text("f", "old");
	old = get("f");
	put_text("f", "new");
	assert_int_equal(ds_read(old, 0, buf, 3), 0);
	assert_string_equal(buf, "old");
	assert_int_equal(ds_commit(old), -E_STATE);
	assert_int_equal(ds_write(old, 0, "OLD", 3), 0);
	assert_int_equal(before - free_now(), 2 * C);
	ds_put(old);
	assert_int_equal(before - free_now(), C);
	expect_text("f", "new");
	disk = create("d", DS_DISK, C);
	assert_int_equal(ds_commit(disk), 0);
	other = create("d", DS_DISK, C);
	assert_int_equal(ds_commit(other), -E_BUSY);
	ds_put(other);
	ds_put(disk);
}

static void test_partial(void **state)
{
	struct ds_object *o = create("disk/a", DS_DISK, 4 * C), *again;
	static uint8_t buf[C];
	struct ds_info info;
	uint64_t at, len;

	put_text("disk/a", "older");
	fill(buf, sizeof(buf), 5);
	assert_int_equal(ds_write(o, 0, buf, C), 0);
	assert_int_equal(ds_keep_partial(o), 0);
	assert_int_equal(ds_write(o, C, buf, C), 0);
	assert_int_equal(ds_keep_partial(o), 0);
	ds_put(o);
	remount();
	expect_text("disk/a", "older");
	again = get("disk/a.part");
	assert_int_equal(ds_next_data(again, 0, &at, &len), 0);
	assert_int_equal(len, 2 * C);
	assert_int_equal(ds_write(again, 3 * C, buf, C), 0);
	assert_int_equal(ds_commit(again), 0);
	ds_put(again);
	assert_int_equal(ds_find(ds, "disk/a.part", &info), -E_NOENT);
	remount();
	assert_int_equal(ds_find(ds, "disk/a", &info), 0);
	assert_int_equal(info.stored, 3 * C);
}

static void test_digest_layout(void **state)
{
	struct ds_object *a = create("a", DS_DISK, 3 * C + 512),
			 *b = create("b", DS_DISK, 3 * C + 512);
	static uint8_t buf[C];
	uint64_t da, db;

	fill(buf, C, 1);
	assert_int_equal(ds_write(a, C, buf, C), 0);
	assert_int_equal(ds_write(b, 0, "x", 1), 0); /* stored zeros */
	assert_int_equal(ds_write(b, 3 * C + 511, "x", 1), 0);
	assert_int_equal(ds_write(b, C, buf, C), 0);
	assert_int_equal(ds_digest(a, &da), 0);
	assert_int_equal(ds_digest(b, &db), 0);
	assert_int_not_equal(da, db);
	assert_int_equal(ds_write(b, 0, "", 1), 0);
	assert_int_equal(ds_write(b, 3 * C + 511, "", 1), 0);
	assert_int_equal(ds_digest(b, &db), 0);
	assert_int_equal(da, db);
	ds_put(b);
	b = create("b", DS_DISK, 3 * C + 1024);
	assert_int_equal(ds_write(b, C, buf, C), 0);
	assert_int_equal(ds_digest(b, &db), 0);
	assert_int_not_equal(da, db); /* the size counts */
	ds_put(a);
	ds_put(b);
}

static void test_full(void **state)
{
	struct ds_object *o = create("big", DS_SAVED, 0), *small;
	static uint8_t buf[8 * C];
	uint64_t at = 0, before;
	struct ds_info info;
	int err;

	put_text("keep", "kept");
	fill(buf, sizeof(buf), 2);
	while (!(err = ds_write(o, at, buf, sizeof(buf))))
		at += sizeof(buf);
	assert_int_equal(err, -E_NOSPC);
	ds_object_info(o, &info);
	assert_int_equal(info.size, at);
	while (free_now()) {
		assert_int_equal(ds_write(o, at, buf, C), 0);
		at += C;
	}
	assert_int_equal(ds_commit(o), 0);
	small = create("small", DS_FILE, 0);
	before = fake_disk_calls;
	assert_int_equal(ds_write(small, 0, "x", 1), -E_NOSPC);
	assert_int_equal(fake_disk_calls, before);
	ds_put(small);
	assert_int_equal(ds_write(o, 5, buf, C), 0); /* in place */
	ds_put(o);
	expect_text("keep", "kept");
	assert_int_equal(ds_remove(ds, "big"), 0);
	put_text("small", "x");
	/* Discarded clusters serve again although nobody synced. */
	o = create("d", DS_DISK, free_now());
	ds_object_info(o, &info);
	for (at = 0; at < info.size; at += C)
		assert_int_equal(ds_write(o, at, buf, C), 0);
	assert_int_equal(ds_commit(o), 0);
	assert_int_equal(free_now(), 0);
	assert_int_equal(ds_discard(o, 0, 2 * C), 0);
	assert_int_equal(ds_write(o, C, buf, C), 0);
	ds_put(o);
}

/* Many objects: the log wraps into checkpoints, the table is limited by the area. */
static void test_many(void **state)
{
	char name[32];
	unsigned made = 0;
	struct ds_object *o;
	int err = 0;

	for (; made < 1000 && !err; made++) {
		snprintf(name, sizeof(name), "empty/%u", made);
		o = create(name, DS_FILE, 0);
		err = ds_commit(o);
		ds_put(o);
	}
	assert_int_equal(err, -E_NOSPC);
	assert_in_range(made, 500, 600); /* 64 KiB of SET records */
	remount();
	for (unsigned i = 0; i < made - 1; i++) {
		snprintf(name, sizeof(name), "empty/%u", i);
		assert_int_equal(ds_remove(ds, name), 0);
	}
	remount();
	put_text("a", "b");
}

static void test_foreign(void **state)
{
	static uint8_t saved[2][SECTOR_SIZE];
	struct ds_super *a = (void *)fake_disk_data[DS_SUPER_SECTOR_A];
	struct ds_super *b = (void *)fake_disk_data[DS_SUPER_SECTOR_B];
	struct datastore *other;
	struct ds_stat st;

	assert_int_equal(ds_close(ds), 0);
	memcpy(saved[0], a, SECTOR_SIZE);
	memcpy(saved[1], b, SECTOR_SIZE);
	assert_int_equal(ds_probe(&fake_disk, &st, why, sizeof(why)), 0);
	assert_string_equal(st.name, "main");
	assert_string_equal(st.opened_by, "");
	a->serial ^= 1; /* one bad copy */
	assert_int_equal(ds_probe(&fake_disk, &st, why, sizeof(why)), 0);
	b->name[3] ^= 1;
	assert_int_equal(ds_open(&fake_disk, "x", false, &other, why, sizeof(why)), -E_CHECKSUM);
	assert_non_null(strstr(why, "damaged"));
	a->version = b->version = 2;
	assert_int_equal(ds_open(&fake_disk, "x", false, &other, why, sizeof(why)), -E_VERSION);
	assert_non_null(strstr(why, "format 2"));
	memset(a, 0, SECTOR_SIZE);
	memset(b, 0, SECTOR_SIZE);
	assert_int_equal(ds_open(&fake_disk, "x", false, &other, why, sizeof(why)), -E_NOENT);
	assert_non_null(strstr(why, "zeros"));
	memcpy(fake_disk_data[1], "EFI PART", 8);
	assert_int_equal(ds_open(&fake_disk, "x", false, &other, why, sizeof(why)), -E_NOENT);
	assert_non_null(strstr(why, "GPT"));
	memcpy(a, saved[0], SECTOR_SIZE);
	memcpy(b, saved[1], SECTOR_SIZE);
	fake_disk.sectors -= DS_CLUSTER_SECTORS;
	assert_int_equal(ds_open(&fake_disk, "x", false, &other, why, sizeof(why)), -E_RANGE);
	assert_non_null(strstr(why, "4 MiB"));
	fake_disk.sectors = 2047;
	assert_int_equal(ds_open(&fake_disk, "x", false, &other, why, sizeof(why)), -E_RANGE);
	assert_int_equal(ds_format(&fake_disk, "x", uuid), -E_RANGE);
	fake_disk.sectors = 64 * DS_CLUSTER_SECTORS;
	assert_int_equal(ds_format(&fake_disk, "a/b", uuid), -E_INVAL);
	assert_int_equal(ds_format(&fake_disk, "", uuid), -E_INVAL);
	mount();
}

static void test_readonly(void **state)
{
	unsigned before;
	struct ds_object *o;
	struct datastore *ro;
	struct ds_stat st;
	char buf[4];

	put_text("a", "abc");
	before = fake_disk_calls;
	assert_int_equal(ds_open(&fake_disk, "beta", true, &ro, why, sizeof(why)), 0);
	ds_status(ro, &st);
	assert_string_equal(st.opened_by, "alpha");
	assert_true(st.readonly);
	assert_int_equal(ds_get(ro, "a", &o), 0);
	assert_int_equal(ds_read(o, 0, buf, 3), 0);
	assert_int_equal(ds_write(o, 0, buf, 3), -E_STATE);
	assert_int_equal(ds_discard(o, 0, 3), -E_STATE);
	ds_put(o);
	assert_int_equal(ds_create(ro, "b", DS_FILE, 0, &o), -E_STATE);
	assert_int_equal(ds_remove(ro, "a"), -E_STATE);
	assert_int_equal(ds_rename(ro, "a", "b"), -E_STATE);
	assert_int_equal(ds_clone(ro, "a", "b"), -E_STATE);
	assert_int_equal(ds_sync(ro), 0);
	assert_int_equal(ds_check(ro, why, sizeof(why)), 0);
	assert_int_equal(ds_close(ro), 0);
	assert_int_equal(fake_disk_calls, before);
}

/* Damage of each byte of the metadata in use is found, or changes nothing. */
static void test_damage(void **state)
{
	static uint8_t image[64 * DS_CLUSTER_SECTORS][SECTOR_SIZE];
	uint32_t log = DS_CLUSTER_SECTORS;
	uint64_t want;

	put_text("a", "abc");
	put_text("b", "abcd");
	want = digest("a");
	assert_int_equal(ds_check(ds, why, sizeof(why)), 0);
	fake_disk_data[log + 1][9] ^= 1;
	assert_int_equal(ds_check(ds, why, sizeof(why)), -E_CHECKSUM);
	fake_disk_data[log + 1][9] ^= 1;
	memcpy(image, fake_disk_data, sizeof(image));
	for (unsigned at = 0; at < 40; at++) { /* the first of two batches */
		struct datastore *other;

		fake_disk_data[log][at] ^= 0x10;
		assert_int_equal(ds_open(&fake_disk, "x", false, &other, why, sizeof(why)),
				 -E_CHECKSUM);
		assert_memory_not_equal(image, fake_disk_data, sizeof(image));
		fake_disk_data[log][at] ^= 0x10;
	}
	assert_memory_equal(image, fake_disk_data, sizeof(image));
	assert_int_equal(digest("a"), want);
	ds_abandon(ds); /* the log into a checkpoint, which is damaged then */
	mount();
	for (unsigned at = 0; at < ds->super.bytes; at++) {
		struct datastore *other;
		uint8_t *area = fake_disk_data[ds_sector_of(ds->at.area[ds->super.area])];

		area[at] ^= 4;
		assert_int_equal(ds_open(&fake_disk, "x", false, &other, why, sizeof(why)),
				 -E_CHECKSUM);
		area[at] ^= 4;
	}
	assert_int_equal(digest("a"), want);
}

/* Clones up to the limit, and writes after them: still accepted when opened again. */
static void test_many_clones(void **state)
{
	struct ds_object *o = create("disk", DS_DISK, 20 * C);
	static uint8_t buf[20 * C];
	char name[16];
	int err = 0;

	fill(buf, sizeof(buf), 1);
	assert_int_equal(ds_write(o, 0, buf, 18 * C), 0);
	assert_int_equal(ds_commit(o), 0);
	for (unsigned i = 0; !err; i++) {
		assert_in_range(i, 0, 64 * 64 / 18);
		snprintf(name, sizeof(name), "clone/%u", i);
		err = ds_clone(ds, "disk", name);
		if (i % 3 == 0 && !err) { /* the log is made of work, too */
			assert_int_equal(ds_remove(ds, name), 0);
			assert_int_equal(ds_clone(ds, "disk", name), 0);
		}
	}
	assert_int_equal(err, -E_NOSPC);
	assert_int_equal(ds_write(o, 0, buf, sizeof(buf)), 0);
	ds_put(o);
	remount();
}

/* Good checksums, but two objects claim one cluster; or an object one outside the data. */
static void test_overlap(void **state)
{
	struct ds_super *a = (void *)fake_disk_data[DS_SUPER_SECTOR_A];
	struct ds_super *b = (void *)fake_disk_data[DS_SUPER_SECTOR_B];
	static const struct {
		uint32_t cluster;
		const char *words;
	} cases[] = {{4, "another place"}, {3, "a record"}, {0x80000000, "a record"}, {5, NULL}};
	struct datastore *other;
	struct ds_rec_map *map;
	uint8_t *area;

	put_text("a", "abc");
	put_text("b", "abcd");
	ds_abandon(ds);
	mount();
	area = fake_disk_data[ds_sector_of(ds->at.area[ds->super.area])];
	map = (void *)(area + 2 * sizeof(struct ds_rec_set) + sizeof(*map));
	assert_int_equal(map->cluster, 5);
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		int err;

		map->cluster = cases[i].cluster;
		a->checkpoint_crc = crc32c(0, area, a->bytes);
		ds_super_seal(a);
		*b = *a;
		err = ds_open(&fake_disk, "x", true, &other, why, sizeof(why));
		if (!cases[i].words) {
			assert_int_equal(err, 0);
			assert_int_equal(ds_close(other), 0);
			continue;
		}
		assert_int_equal(err, -E_CHECKSUM);
		assert_non_null(strstr(why, cases[i].words));
	}
}

/* Each allocation that fails is an error, and nothing is lost by it. */
static void test_no_memory(void **state)
{
	static uint8_t buf[2 * C];
	struct datastore *other;

	put_text("a", "abc");
	assert_int_equal(ds_clone(ds, "a", "b"), 0);
	assert_int_equal(ds_close(ds), 0);
	for (int i = 0;; i++) {
		fake_alloc_countdown = i;
		if (!ds_open(&fake_disk, "x", false, &other, why, sizeof(why)))
			break;
		assert_string_equal(why[0] ? "words" : "", "words");
		assert_int_equal(fake_alloc_live, 0);
	}
	fake_alloc_countdown = -1;
	ds = other;
	fill(buf, sizeof(buf), 1);
	for (int i = 0;; i++) {
		struct ds_object *o;
		int err;

		fake_alloc_countdown = i;
		err = ds_create(ds, "c", DS_FILE, 0, &o);
		if (!err) {
			err = ds_write(o, 0, buf, sizeof(buf));
			if (!err)
				err = ds_commit(o);
			if (!err)
				err = ds_clone(ds, "c", "d");
			ds_put(o);
		}
		fake_alloc_countdown = -1;
		check();
		if (!err)
			break;
		assert_int_equal(err, -E_NOMEM);
	}
}

static void test_abandon(void **state)
{
	struct ds_object *o;

	put_text("a", "abc");
	o = create("b", DS_FILE, 0);
	assert_int_equal(ds_write(o, 0, "x", 1), 0);
	fake_disk_calls = 0;
	ds_abandon(ds);
	assert_int_equal(fake_disk_calls, 0);
	assert_int_equal(fake_alloc_live, 0);
	mount();
	expect_text("a", "abc");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	    T(test_files),	 T(test_names),		T(test_uncommitted), T(test_random_io),
	    T(test_holes),	 T(test_growth),	T(test_clone),	     T(test_replace_open),
	    T(test_partial),	 T(test_digest_layout), T(test_full),	     T(test_many),
	    T(test_foreign),	 T(test_readonly),	T(test_damage),	     T(test_overlap),
	    T(test_many_clones), T(test_no_memory),	T(test_abandon),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
