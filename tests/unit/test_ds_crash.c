/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the datastore promises when power is lost: a script of operations is run once
 * with a trace of its sector writes; then the medium is rebuilt as it may be after a cut at each
 * of them, opened, and compared with what was there before or after the operation that was cut.
 */
#include "tests/unit/ds_script.h"

static int teardown(void **state)
{
	fake_trace_stop();
	return 0;
}

static void cut(unsigned at, unsigned keep, unsigned torn)
{
	unsigned lo = 0, hi = 0;

	for (unsigned i = 0; i < script_ops; i++) {
		if (script_ends[i] <= at && !script_op_is_soft(i))
			lo = i + 1;
		if (script_ends[i] < at)
			hi = i + 1;
	}
	fake_disk_crash(at, keep, torn);
	script_mount();
	script_verify(lo, MIN(hi + 1, script_ops));
	ds_abandon(script_ds);
	assert_int_equal(fake_alloc_live, 0);
}

/* A data cluster is written sector by sector: the same as its neighbours but for their number. */
static bool inside_data(unsigned at)
{
	const struct fake_event *e = &fake_trace[at];

	return at && at + 1 < fake_trace_count && e->data && e[-1].data && e[1].data &&
	       e->sector >= 4 * DS_CLUSTER_SECTORS && e[-1].sector + 1 == e->sector &&
	       e->sector + 1 == e[1].sector;
}

/* Superblocks use their first bytes only: these are torn between any two of their fields. */
static bool after_super(unsigned at)
{
	return at && fake_trace[at - 1].data && fake_trace[at - 1].sector < DS_CLUSTER_SECTORS;
}

static void test_power(void **state)
{
	unsigned generation = (unsigned)script_ds->super.generation, cuts = 0;

	script_run(true);
	assert_int_not_equal(script_ds->super.generation, generation); /* the log wrapped */
	assert_in_range(script_directs, 10, UINT32_MAX);
	script_unmount();
	for (unsigned at = 0; at <= fake_trace_count; at++) {
		bool plain = at < fake_trace_count && inside_data(at);

		cut(at, 0, 0);
		cuts++;
		for (unsigned torn = 8; torn < 144 && after_super(at); torn += 8)
			cut(at, 0, torn);
		if (plain && at % 16)
			continue;
		cut(at, 0, 8 + at % 62 * 8);
		cut(at, 1, 0);
		cut(at, FAKE_KEEP_LAST, 0);
		for (unsigned seed = 2; seed < 5; seed++)
			cut(at, seed, seed & 1 ? 256 : 0);
		cuts += 6;
	}
	assert_in_range(cuts, fake_trace_count, UINT32_MAX);
}
int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_power, script_setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
