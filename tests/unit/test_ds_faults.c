/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The datastore when each write and flush fails in turn, with a loss of power after it,
 * and when space script_ends at each step: operations happen as a whole or not at all.
 */
#include <string.h>

#include "tests/unit/ds_script.h"

#define C DS_CLUSTER

/* ---- writes and flushes that fail ---- */

/* What is on the medium now, opened as after a loss of power, is old or new. */
static void cut_now(unsigned i)
{
	static uint8_t image[SCRIPT_CLUSTERS * DS_CLUSTER_SECTORS][SECTOR_SIZE];
	struct datastore *mine = script_ds;
	int live = fake_alloc_live;

	memcpy(image, fake_disk_data, sizeof(image));
	script_mount();
	script_verify(script_durable_before(i), i + 1);
	ds_abandon(script_ds);
	assert_int_equal(fake_alloc_live, live);
	memcpy(fake_disk_data, image, sizeof(image));
	script_ds = mine;
}

/*
 * Operation i has failed, and its record may be on the medium all the same. Power is lost right
 * then, or after the space that it had taken serves something else.
 */
static void failed_then_cut(unsigned i)
{
	struct ds_object *o;
	struct ds_stat st;

	cut_now(i);
	script_disturb(i, cut_now);
	ds_status(script_ds, &st);
	assert_int_equal(ds_create(script_ds, "temp", DS_SAVED, 0, &o), 0);
	script_fill(99, C);
	for (uint64_t at = 0; at < st.free; at += C)
		assert_int_equal(ds_write(o, at, script_buf, C), 0);
	cut_now(i);
	ds_put(o);
}

static void fail_once(unsigned call, int keeps)
{
	static struct script_table now;
	bool failed = false;

	script_setup(NULL);
	fake_disk_fail = (int)call;
	fake_disk_fail_keeps = keeps;
	for (unsigned i = 0; i < script_ops; i++) {
		int err = script_run_op(i);

		if (err) {
			assert_int_equal(err, -E_IO);
			assert_false(failed);
			failed = true;
			script_table_read(&now);
			if (!script_op_is_soft(i))
				assert_memory_equal(&now, &script_tables[i], sizeof(now));
			failed_then_cut(i);
			script_check();
			err = script_run_op(i);
		}
		assert_int_equal(err, 0);
	}
	script_table_read(&now);
	assert_memory_equal(&now, &script_tables[script_ops], sizeof(now));
	script_guest_verify(script_ops, script_ops);
	script_check();
	script_unmount();
	script_mount();
	script_table_read(&now);
	assert_memory_equal(&now, &script_tables[script_ops], sizeof(now));
	script_guest_verify(script_ops, script_ops);
	script_check();
	script_unmount();
}

/* The renames are all alike, but for the one that finds the log full and writes superblocks. */
static unsigned next_call(unsigned call, unsigned renames, unsigned super)
{
	if (call < renames || (call + 22 > super && call < super + 8))
		return call + 1;
	return call + 11;
}

static void test_errors(void **state)
{
	unsigned calls, renames, super;

	script_run(false);
	script_unmount();
	script_setup(NULL);
	fake_disk_calls = 0;
	for (unsigned i = 0; i < script_first; i++)
		assert_int_equal(script_run_op(i), 0);
	renames = fake_disk_calls;
	for (unsigned i = script_first; i < script_ops; i++)
		assert_int_equal(script_run_op(i), 0);
	calls = fake_disk_calls;
	super = fake_disk_low_call;
	assert_in_range(super, renames, calls);
	script_unmount();
	for (unsigned call = 0; call < calls; call = next_call(call, renames, super))
		for (int keeps = 0; keeps < 3; keeps++)
			fail_once(call, keeps);
}

/* ---- no space ---- */

/* All but spare clusters are taken: each operation happens as a whole or not at all. */
static void run_full(unsigned spare)
{
	static struct script_table before, after;
	struct ds_stat st;
	struct ds_object *o;

	script_setup(NULL);
	ds_status(script_ds, &st);
	assert_int_equal(ds_create(script_ds, "filler", DS_SAVED, 0, &o), 0);
	script_fill(1, C);
	for (uint64_t at = 0; at + spare * C < st.free; at += C)
		assert_int_equal(ds_write(o, at, script_buf, C), 0);
	assert_int_equal(ds_commit(o), 0);
	ds_put(o);
	for (unsigned i = 0; i < script_first; i++) {
		int err;

		script_table_read(&before);
		err = script_run_op(i);
		if (err) {
			assert_true(err == -E_NOSPC || err == -E_NOENT);
			script_table_read(&after);
			assert_memory_equal(&before, &after, sizeof(before));
		}
		script_check();
	}
	script_table_read(&before);
	script_unmount();
	script_mount();
	script_table_read(&after);
	assert_memory_equal(&before, &after, sizeof(before));
	script_check();
	script_unmount();
}

static void test_space(void **state)
{
	script_unmount();
	for (unsigned spare = 0; spare < 16; spare++)
		run_full(spare);
}
int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_errors, script_setup),
	    cmocka_unit_test_setup(test_space, script_setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
