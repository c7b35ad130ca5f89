/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Cold moves between two hosts with real datastores (cold_world.h): whatever is cut, fails
 * or loses power, at every write and every record, exactly one host has the VM, whole, in the
 * end and after any restart, and the same move once more succeeds.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/unit/cold_world.h"
#include "vmm/vm_store.h"

static const struct migrate_options plain;

/* Nothing of it is left at the source but its log, and the word that it is not to be defined. */
static void assert_gone_from(int host)
{
	assert_null(fake_pair_find(host, "web"));
	assert_false(world_object(host, "main", "vm/web/vm.conf"));
	assert_false(world_object(host, "main", "vm/web/kernel"));
	assert_false(world_object(host, "main", "disk/web/vda"));
	assert_false(world_object(host, "main", "leaving/web"));
	assert_true(world_object(host, "main", "vm/web/undefined"));
}

static void assert_at(int host)
{
	assert_true(world_has(host, "web"));
	assert_true(world_object(host, "main", "vm/web/vm.conf"));
	assert_false(world_object(host, "main", "vm/web/undefined"));
	assert_null(strstr(world_text(host, "main", "vm/web/vm.conf"), "arrived"));
	assert_non_null(strstr(world_text(host, "main", "log/web"), "a line of its log\n"));
	world_check_stores();
}

static void test_there_and_back(void **state)
{
	world_reset(false);
	assert_true(world_has(0, "web"));
	assert_int_equal(world_move(0, "beta", plain), 0);
	assert_gone_from(0);
	assert_at(1);
	assert_int_equal(world_progress()->disk_total, 2 * WORLD_DISK);
	/* sparse stays sparse: half of each disk is holes */
	assert_in_range(world_progress()->disk_sent, 1, WORLD_DISK + 2 * DS_CLUSTER);
	assert_int_equal(world_move(1, "alpha", plain), 0);
	assert_gone_from(1);
	assert_at(0);
	world_free();
}

static void test_after_restarts(void **state)
{
	world_reset(false);
	assert_int_equal(world_move(0, "beta", plain), 0);
	world_restart(0);
	world_restart(1);
	assert_null(fake_pair_find(0, "web"));
	assert_at(1);
	world_free();
}

static void test_dry_run(void **state)
{
	struct migrate_options opt = {.dry_run = true};

	world_reset(false);
	assert_int_equal(world_move(0, "beta", opt), 0);
	assert_true(world_has(0, "web"));
	assert_null(fake_pair_find(1, "web"));
	assert_int_equal(world_hosts[1].writes, 0);
	world_free();
}

/* There is no guest to watch; what its disks and the link would do is told. */
static void test_audit(void **state)
{
	struct migrate_options opt = {.audit = true};
	const struct check_list *l;
	unsigned estimates = 0, reads = 0;

	world_reset(false);
	assert_int_equal(world_move(0, "beta", opt), 0);
	l = migrate_checks(migrate_id_at(0));
	assert_non_null(l);
	for (unsigned i = 0; i < l->count; i++) {
		const struct check *c = &l->list[i];

		assert_int_not_equal(strcmp(c->name, "memory to send"), 0);
		assert_null(strstr(c->name, "load"));
		assert_null(strstr(c->name, "blackout"));
		estimates +=
		    !strcmp(c->name, "estimate: time") && strstr(c->source, "MiB of disks");
		reads += !strncmp(c->name, "disk vd", 7) && strstr(c->name, " read");
	}
	assert_int_equal(estimates, 1);
	assert_int_equal(reads, 2);
	/* nor was a second waited for its writes, which are none */
	assert_true(world_progress()->finished_ns - world_progress()->started_ns < NS_PER_S);
	assert_true(world_has(0, "web"));
	assert_null(fake_pair_find(1, "web"));
	world_free();
}

static void test_start(void **state)
{
	struct migrate_options opt = {.start = true};

	world_reset(false);
	assert_int_equal(world_move(0, "beta", opt), 0);
	assert_true(world_started[1]);
	assert_false(world_started[0]);
	world_free();
}

static void test_keeps_a_copy(void **state)
{
	struct migrate_options opt = {.keep = true};

	world_reset(true);
	assert_int_equal(world_move(0, "beta", opt), 0);
	assert_true(world_has(0, "web-copy"));
	assert_int_equal(fake_pair_find(0, "web-copy")->cfg.disk_count, 2); /* not the shared one */
	assert_null(fake_pair_find(0, "web"));
	assert_true(world_has(1, "web"));
	world_restart(0);
	assert_true(world_has(0, "web-copy"));
	assert_null(fake_pair_find(0, "web"));
	world_free();
}

static void test_shared_disk_stays(void **state)
{
	world_reset(true);
	assert_int_equal(world_move(0, "beta", plain), 0);
	assert_true(fake_pair_find(1, "web")->cfg.disks[2].shared);
	assert_int_equal(fake_storage.count, 0); /* nobody's: the VM is off */
	world_free();
}

/* Another host has it: the VM may run there. */
static void test_shared_disk_in_use(void **state)
{
	world_reset(true);
	fake_storage.count = 1;
	assert_true(world_move(0, "beta", plain) < 0);
	assert_true(world_has(0, "web"));
	assert_int_equal(fake_storage.count, 1);
	world_free();
}

static void test_no_store_there(void **state)
{
	world_reset(false);
	world_no_store = true;
	world_restart(1);
	assert_int_equal(world_move(0, "beta", plain), -E_MISMATCH);
	assert_non_null(strstr(world_progress()->reason, "no datastore is open there"));
	assert_true(world_has(0, "web"));
	world_free();
}

static void test_other_store(void **state)
{
	struct migrate_options opt = {.disk_count = 1, .disks = {{"vdb", "other"}}};

	world_reset(false);
	assert_int_equal(world_move(0, "beta", opt), 0);
	assert_true(world_object(1, "main", "disk/web/vda"));
	assert_true(world_object(1, "other", "disk/web/vdb"));
	assert_at(1);
	world_free();
}

/* ---- interrupted -------------------------------------------------------------------- */

/* Exactly one host has it. A source in doubt is one that has not. */
static int owner(void)
{
	bool a = world_has(0, "web"), b = world_has(1, "web");

	assert_true(a != b);
	return b;
}

/* In the end, and after restarts, the same one; from there the move succeeds. */
static void assert_one_and_again(void)
{
	int who;

	world_settle(120 * NS_PER_S);
	who = owner();
	world_restart(0);
	world_restart(1);
	world_settle(60 * NS_PER_S);
	assert_int_equal(owner(), who);
	fake_faults.cut_at = fake_faults.cut_back_at = UINT64_MAX;
	assert_int_equal(world_move(who, who ? "alpha" : "beta", plain), 0);
	assert_gone_from(who);
	assert_at(!who);
}

static void test_cut_at_every_record(void **state)
{
	static uint64_t ends[ARRAY_SIZE(fake_record_ends)];
	unsigned count, moved = 0;

	world_reset(false);
	assert_int_equal(world_move(0, "beta", plain), 0);
	count = fake_record_count;
	memcpy(ends, fake_record_ends, sizeof(ends));
	world_free();
	assert_in_range(count, 20, ARRAY_SIZE(ends) - 1);
	for (unsigned i = 0; i < count; i++) {
		world_reset(false);
		fake_faults.cut_at = ends[i] - (i % 2); /* between records, or within one */
		(void)!world_move(0, "beta", plain);
		moved += fake_pair_find(1, "web") != NULL;
		assert_one_and_again();
		world_free();
	}
	assert_in_range(moved, 1, count - 1);
}

static void test_answers_cut(void **state)
{
	uint64_t all;

	world_reset(false);
	assert_int_equal(world_move(0, "beta", plain), 0);
	all = fake_stream_bytes[1];
	world_free();
	for (uint64_t at = 40; at <= all; at += all / 60) {
		world_reset(false);
		fake_faults.cut_back_at = at;
		(void)!world_move(0, "beta", plain);
		assert_one_and_again();
		world_free();
	}
}

/* The host that loses power starts again at once, or long after the other one gave up. */
static void power_lost(int host, unsigned write, bool late)
{
	world_reset(false);
	world_hosts[host].off_at = (int)write;
	(void)!world_move(0, "beta", plain);
	assert_true(fake_hosts_down & (1u << host));
	if (late)
		world_settle(300 * NS_PER_S);
	world_restart(host);
	assert_one_and_again();
	world_free();
}

static void at_every_write(int host, void (*fault)(int host, unsigned write, bool flag))
{
	unsigned writes;

	world_reset(false);
	assert_int_equal(world_move(0, "beta", plain), 0);
	writes = world_hosts[host].writes;
	world_free();
	assert_in_range(writes, 5, 1000);
	for (unsigned i = 0; i < writes; i++)
		fault(host, i, i % 2);
}

static void test_source_loses_power(void **state)
{
	at_every_write(0, power_lost);
}

static void test_target_loses_power(void **state)
{
	at_every_write(1, power_lost);
}

/* From that write on all fail, until the host is started again. */
static void store_fails(int host, unsigned write, bool lands)
{
	world_reset(false);
	world_hosts[host].fail_at = (int)write;
	world_hosts[host].fail_lands = lands;
	(void)!world_move(0, "beta", plain);
	if (write % 3) /* what it knows is what its datastore knows */
		world_restart(!host);
	world_restart(host);
	assert_one_and_again();
	world_free();
}

static void test_source_store_fails(void **state)
{
	at_every_write(0, store_fails);
}

static void test_target_store_fails(void **state)
{
	at_every_write(1, store_fails);
}

/* It fails for a while, and is well again. */
static void store_recovers(int host, unsigned write, bool lands)
{
	world_reset(false);
	world_hosts[host].fail_at = (int)write;
	world_hosts[host].fail_lands = lands;
	(void)!world_move(0, "beta", plain);
	world_hosts[host].fail_at = -1;
	assert_one_and_again();
	world_free();
}

static void test_target_store_recovers(void **state)
{
	at_every_write(1, store_recovers);
}

/* One write takes longer than anybody waits for an answer. */
static void store_is_slow(int host, unsigned write, bool unused)
{
	world_reset(false);
	world_hosts[host].slow_at = (int)write;
	(void)!world_move(0, "beta", plain);
	assert_one_and_again();
	world_free();
}

static void test_target_store_is_slow(void **state)
{
	at_every_write(1, store_is_slow);
}

static void test_damaged_copy(void **state)
{
	world_reset(false);
	world_hosts[1].flip_after = 3;
	assert_int_equal(world_move(0, "beta", plain), -E_MISMATCH);
	assert_non_null(strstr(world_progress()->reason, "disks differ: vda"));
	assert_true(world_has(0, "web"));
	assert_null(fake_pair_find(1, "web"));
	assert_int_equal(world_move(0, "beta", plain), 0); /* it is compared again, and mended */
	assert_int_equal(world_progress()->disk_sent, DS_CLUSTER);
	assert_at(1);
	world_free();
}

/* ---- what is remembered --------------------------------------------------------------- */

static const uint8_t beta_main[16] = {1, 1, 0}, other_uuid[16] = {5};
static struct vm_config arrived;

static enum handover_answer answer(uint8_t id, const uint8_t *store)
{
	uint8_t uuid[16] = {id};

	return cold_answer(uuid, store);
}

static void remember(void)
{
	const uint8_t id[16] = {7};
	char hex[COLD_ID_LEN], by[COLD_ID_LEN];
	bool sure;

	assert_int_equal(answer(7, beta_main), ANSWER_NEVER);
	cold_put_id(hex, id);
	assert_int_equal(cold_arrive(stores_default(), &arrived, hex, &sure), 0);
	assert_int_equal(answer(7, beta_main), ANSWER_COMMITTED);
	assert_int_equal(answer(8, beta_main), ANSWER_NEVER);
	assert_int_equal(answer(7, other_uuid), ANSWER_UNKNOWN); /* that store is not open */
	assert_int_equal(cold_arrived_by(stores_default(), "web", by), 0);
	assert_string_equal(by, hex);
	assert_int_equal(cold_finish(stores_default(), &arrived, hex), 0);
	assert_int_equal(vm_store_remove(stores_default(), "web"), 0); /* it went on */
	assert_int_equal(answer(7, beta_main), ANSWER_COMMITTED);
	cold_settled(stores_default(), &arrived, hex);
	assert_int_equal(answer(7, beta_main), ANSWER_NEVER); /* nobody asks any more */
}

static void test_what_the_target_remembers(void **state)
{
	world_reset(false);
	arrived = fake_pair_find(0, "web")->cfg;
	arrived.disk_count = 0;
	world_in_task(1, remember);
	world_free();
}

/* The name is taken until all of it is settled. */
static void test_name_of_one_that_left(void **state)
{
	unsigned writes;

	world_reset(false);
	assert_int_equal(world_move(0, "beta", plain), 0);
	writes = world_hosts[0].writes;
	world_free();
	world_reset(false);
	world_hosts[0].fail_at = (int)writes - 1; /* it cannot be forgotten that it leaves */
	assert_int_equal(world_move(0, "beta", plain), 0);
	world_hosts[0].fail_at = -1;
	assert_true(world_has(1, "web"));
	assert_true(world_move(1, "alpha", plain) < 0);
	assert_non_null(strstr(world_progress()->reason, "left here, which is not settled"));
	world_restart(0);
	assert_int_equal(world_move(1, "alpha", plain), 0);
	assert_at(0);
	world_free();
}

static unsigned held[HOSTS];

static void note_holds(const char *line)
{
	if (strstr(line, "stage 4") || strstr(line, "stage 5"))
		held[fake_host] += world_holds[fake_host] > 0;
}

/* What is noted in a default datastore must be found again: it cannot be closed meanwhile. */
static void test_store_is_held(void **state)
{
	world_reset(false);
	fake_log_hook = note_holds;
	assert_int_equal(world_move(0, "beta", plain), 0);
	fake_log_hook = NULL;
	assert_int_equal(held[0], 2);
	assert_int_equal(held[1], 2);
	assert_int_equal(world_holds[0] + world_holds[1], 0);
	world_free();
}

static void arrive_unfinished(void)
{
	bool sure;

	assert_int_equal(cold_arrive(stores_default(), &arrived, "07", &sure), 0);
}

/* The name is taken as well by one that came, until that is finished. */
static void test_name_of_one_that_came(void **state)
{
	world_reset(false);
	arrived = fake_pair_find(0, "web")->cfg;
	world_in_task(1, arrive_unfinished);
	assert_true(world_move(0, "beta", plain) < 0);
	assert_non_null(strstr(world_progress()->reason, "a VM of that name is kept here"));
	assert_true(world_has(0, "web"));
	assert_non_null(strstr(world_text(1, "main", "vm/web/vm.conf"), "# arrived 07"));
	world_free();
}

static void test_resume_sends_the_rest(void **state)
{
	uint64_t first, all;

	world_reset(false);
	assert_int_equal(world_move(0, "beta", plain), 0);
	all = world_progress()->disk_sent;
	world_free();
	world_reset(false);
	fake_faults.cut_at = 700 * KiB;
	assert_true(world_move(0, "beta", plain) < 0);
	first = world_progress()->disk_sent;
	assert_true(world_object(1, "main", "disk/web/vda.part"));
	world_write(0, 0, 5, 99); /* the VM ran meanwhile */
	fake_faults.cut_at = UINT64_MAX;
	assert_int_equal(world_move(0, "beta", plain), 0);
	assert_true(world_progress()->disk_there > 0);
	assert_in_range(world_progress()->disk_sent, all - first, all - first + 3 * DS_CLUSTER);
	assert_at(1);
	world_free();
}

/* ---- within one host ------------------------------------------------------------------ */

static const struct migrate_options to_other = {.disk_count = 2,
						.disks = {{"vda", "other"}, {"vdb", "other"}}};

static void assert_in_other(void)
{
	assert_true(world_has(0, "web"));
	assert_true(world_object(0, "other", "disk/web/vda"));
	assert_true(world_object(0, "other", "disk/web/vdb"));
	assert_false(world_object(0, "main", "disk/web/vda"));
	world_check_stores();
}

static void test_here(void **state)
{
	world_reset(false);
	assert_int_equal(world_move(0, "alpha", to_other), 0);
	assert_in_other();
	world_restart(0);
	assert_in_other();
	world_free();
}

static void test_here_needs_a_disk(void **state)
{
	world_reset(false);
	assert_int_equal(world_move(0, "alpha", plain), -E_INVAL);
	assert_true(world_has(0, "web"));
	world_free();
}

static void test_here_loses_power(void **state)
{
	unsigned writes;

	world_reset(false);
	assert_int_equal(world_move(0, "alpha", to_other), 0);
	writes = world_hosts[0].writes;
	world_free();
	for (unsigned i = 0; i < writes; i++) {
		world_reset(false);
		world_hosts[0].off_at = (int)i;
		(void)!world_move(0, "alpha", to_other);
		world_restart(0);
		assert_true(world_has(0, "web"));
		if (strcmp(fake_pair_find(0, "web")->cfg.disks[0].local, "other"))
			assert_int_equal(world_move(0, "alpha", to_other), 0);
		assert_true(world_has(0, "web"));
		assert_true(world_object(0, "other", "disk/web/vda"));
		world_check_stores();
		world_free();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_there_and_back),
	    cmocka_unit_test(test_after_restarts),
	    cmocka_unit_test(test_dry_run),
	    cmocka_unit_test(test_audit),
	    cmocka_unit_test(test_start),
	    cmocka_unit_test(test_keeps_a_copy),
	    cmocka_unit_test(test_shared_disk_stays),
	    cmocka_unit_test(test_shared_disk_in_use),
	    cmocka_unit_test(test_no_store_there),
	    cmocka_unit_test(test_other_store),
	    cmocka_unit_test(test_cut_at_every_record),
	    cmocka_unit_test(test_answers_cut),
	    cmocka_unit_test(test_source_loses_power),
	    cmocka_unit_test(test_target_loses_power),
	    cmocka_unit_test(test_source_store_fails),
	    cmocka_unit_test(test_target_store_fails),
	    cmocka_unit_test(test_target_store_recovers),
	    cmocka_unit_test(test_resume_sends_the_rest),
	    cmocka_unit_test(test_target_store_is_slow),
	    cmocka_unit_test(test_damaged_copy),
	    cmocka_unit_test(test_what_the_target_remembers),
	    cmocka_unit_test(test_name_of_one_that_left),
	    cmocka_unit_test(test_name_of_one_that_came),
	    cmocka_unit_test(test_store_is_held),
	    cmocka_unit_test(test_here),
	    cmocka_unit_test(test_here_needs_a_disk),
	    cmocka_unit_test(test_here_loses_power),
	};

	cmocka_set_test_filter(getenv("UNIT_TEST"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
