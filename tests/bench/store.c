/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How many operations of the device a datastore needs for each thing that its users do: writes,
 * flushes and sectors, on a disk in memory. Prints a line for each; tests/bench/disks.py reads it.
 */
#include <stdio.h>
#include <string.h>

#include "kernel/store/ds_inner.h"
#include "tests/unit/fake_disk.h"
#include "tests/unit/fake_task.h"

#define MIB	(1u << 20)
#define OBJECTS 16

static const uint8_t uuid[16] = {1, 2, 3};
static struct datastore *ds;
static uint8_t data[MIB];
static char name[32];

static void count_start(void)
{
	fake_trace_start();
	fake_disk_calls = 0;
}

/* What happened since count_start, divided by per. */
static void count_print(const char *what, unsigned per)
{
	unsigned flushes = 0;

	for (unsigned i = 0; i < fake_trace_count; i++)
		flushes += !fake_trace[i].data;
	printf("bench: %s: writes %u flushes %u sectors %u per %u\n", what,
	       fake_disk_calls - flushes, flushes, fake_trace_count - flushes, per);
	fake_trace_stop();
}

/* Created and committed, with len bytes of contents at its beginning. */
static void make(enum ds_kind kind, uint64_t size, uint64_t len)
{
	struct ds_object *o;

	assert_int_equal(ds_create(ds, name, kind, size, &o), 0);
	if (len)
		assert_int_equal(ds_write(o, 0, data, len), 0);
	assert_int_equal(ds_commit(o), 0);
	ds_put(o);
}

static void objects(const char *what, enum ds_kind kind, uint64_t size, uint64_t len)
{
	count_start();
	for (unsigned i = 0; i < OBJECTS; i++) {
		snprintf(name, sizeof(name), "bench/%c/%u", what[0], i);
		make(kind, size, len);
	}
	count_print(what, OBJECTS);
}

static void overwrite(void)
{
	struct ds_object *o;

	strcpy(name, "bench/disk");
	count_start();
	make(DS_DISK, MIB, MIB);
	count_print("disk of 1 MiB created and filled", 1);
	assert_int_equal(ds_get(ds, name, &o), 0);
	count_start();
	for (unsigned i = 0; i < OBJECTS; i++)
		assert_int_equal(ds_write(o, i * 4096, data, 4096), 0);
	assert_int_equal(ds_sync(ds), 0);
	count_print("4 KiB rewritten, one flush at the end", OBJECTS);
	ds_put(o);
}

static void test_counts(void **state)
{
	char why[200];

	fake_kernel_reset();
	fake_tasks_reset();
	fake_disk_reset(FAKE_DISK_MAX);
	memset(data, 0x5a, sizeof(data));
	assert_int_equal(ds_format(&fake_disk, "main", uuid), 0);
	assert_int_equal(ds_open(&fake_disk, "alpha", false, &ds, why, sizeof(why)), 0);
	objects("file of 4 KiB created", DS_FILE, 0, 4096);
	objects("sparse disk of 1 GiB created", DS_DISK, 1 << 30, 0);
	overwrite();
	count_start();
	for (unsigned i = 0; i < OBJECTS; i++) {
		snprintf(name, sizeof(name), "bench/f/%u", i);
		assert_int_equal(ds_remove(ds, name), 0);
	}
	count_print("file of 4 KiB removed", OBJECTS);
	assert_int_equal(ds_close(ds), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_counts)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
