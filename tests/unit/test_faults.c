/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The fault matrix: every kind of move, every line that it logs, every fault at that
 * line (fault_world.h). After each, once what broke is mended, exactly one host has the VM and
 * its disk whole, and the same move once more succeeds.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/unit/fault_world.h"

/* A host that dies forgets what it allocated; world_free() counts for those that do not. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_leaks=0:quarantine_size_mb=1"; /* big blocks come and go all the time */
}

/* A kind of move: a row of the matrix. */
struct kind {
	const char *name;
	bool shared;   /* the VM has a shared disk as well */
	bool one_host; /* faults of the link and of the second host cannot be */
	void (*prepare)(const struct kind *k);
	int (*begin)(int host); /* start the move from there, and *id is its */
	void (*check)(const struct kind *k, enum fault f);
	void (*again)(const struct kind *k);
};

#define CONF "vm/web/vm.conf"

static uint32_t id;

static int wait(int host)
{
	const struct move_progress *p;
	int err;

	world_settle(120 * NS_PER_S);
	fake_host = host;
	p = migrate_progress(id);
	err = p && p->done ? p->err : -E_TIMEDOUT;
	fake_host = 0;
	return err;
}

/* ---- between hosts ------------------------------------------------------------------- */

static int begin_options(int host, struct migrate_options opt)
{
	struct peer to = *peers_find(host ? "alpha" : "beta");
	int err;

	fake_host = host;
	err = migrate_start(fake_pair_find(host, "web"), &to, &opt, &id);
	fake_host = 0;
	return err;
}

static int begin_hot(int host)
{
	return begin_options(host, (struct migrate_options){.verify = true});
}

static int begin_suspend(int host)
{
	return begin_options(host, (struct migrate_options){.suspend = true, .verify = true});
}

static void prepare_running(const struct kind *k)
{
	fault_world_run_vm(0, k->shared);
}

/*
 * A VM without a shared disk is in doubt when the target, started again, knows nothing of it: the
 * operator looks whether the disk has its name there, and decides.
 */
static void operator_decides(void)
{
	struct vm *vm = fake_pair_find(0, "web");

	if (!vm || vm->state != VM_IN_DOUBT)
		return;
	assert_int_equal(migrate_decide(vm, !fault_has_disk(1)), 0);
	world_settle(60 * NS_PER_S);
}

/*
 * The source's disk is left over when it could not hear that the VM went, or not write: a log
 * line says so, or the host was off. The operator removes it (docs/local-disks.md). Nothing of
 * the kind may be after any other fault.
 */
static void operator_tidies_up(enum fault f)
{
	if (!fault_has_disk(0) || !fault_has_disk(1))
		return;
	assert_false(fault_defined(0)); /* nobody starts a VM that has gone */
	assert_true(f == FAULT_SOURCE_DIES || f == FAULT_TARGET_DIES || f == FAULT_BOTH_DIE ||
		    f == FAULT_LINK_PARTS || f == FAULT_SOURCE_FAILS);
	fault_remove(0, FAULT_DISK);
}

static int owner(void)
{
	bool a = fault_has_disk(0), b = fault_has_disk(1);

	assert_true(a != b);
	assert_false(fault_lives(a ? 1 : 0));
	return b;
}

static void check_two(const struct kind *k, enum fault f)
{
	int who;

	operator_decides();
	operator_tidies_up(f);
	who = owner();
	assert_true(fault_has(0, CONF) || fault_has(1, CONF)); /* 'define' finds it */
	if (fault_lives(who))
		assert_true(fault_runs(who));
	if (fault_lives(who) && f != FAULT_TARGET_FULL && f != FAULT_TARGET_FAILS) {
		assert_true(fault_has(who, CONF));
		assert_false(fault_has(who, "vm/web/undefined"));
	}
	world_check_stores();
}

/* The one that has it defines it at its next start, the other one does not. */
static void check_definitions(int who)
{
	assert_true(fault_has(who, CONF));
	assert_false(fault_has(who, "vm/web/undefined"));
	assert_false(fault_has(!who, CONF));
	assert_true(fault_has(!who, "vm/web/undefined"));
}

static void again_two(const struct kind *k)
{
	int who = owner();

	if (!fault_lives(who))
		fault_world_run_vm(who, k->shared);
	assert_int_equal(k->begin(who), 0);
	assert_int_equal(wait(who), 0);
	assert_true(fault_runs(!who));
	assert_int_equal(owner(), !who);
	check_definitions(!who);
}

/* ---- off ----------------------------------------------------------------------------- */

static void switch_off(void)
{
	vm_destroy(vm_find("web"));
}

static void prepare_off(const struct kind *k)
{
	fault_world_run_vm(0, k->shared);
	world_in_task(0, switch_off);
}

static int begin_cold(int host)
{
	return begin_options(host, (struct migrate_options){.cold = true});
}

static bool off_at(int host)
{
	const struct vm *vm = fake_pair_find(host, "web");

	return vm && vm->state == VM_OFF && !vm->move_under_way;
}

/* No operator is needed: the hosts ask each other, and what is left over goes. */
static int owner_off(void)
{
	bool a = off_at(0), b = off_at(1);

	assert_true(a != b);
	assert_true(fault_has_disk(b));
	assert_false(fault_has_disk(a));
	return b;
}

static void check_cold(const struct kind *k, enum fault f)
{
	int who;

	if (f == FAULT_SOURCE_FAILS) { /* what could not be removed goes when the host starts */
		world_restart(0);
		world_settle(60 * NS_PER_S);
	}
	who = owner_off();
	assert_true(fault_has(who, "vm/web/vm.conf"));
	assert_false(fault_has(who, "vm/web/undefined"));
	assert_false(fault_defined(!who));
	world_check_stores();
}

static void again_cold(const struct kind *k)
{
	int who = owner_off();

	assert_int_equal(begin_cold(who), 0);
	assert_int_equal(wait(who), 0);
	assert_int_equal(owner_off(), !who);
}

/* ---- into a datastore and out of it ---------------------------------------------------- */

static int begin_save(int host)
{
	return save_start(fake_pair_find(0, "web"), stores_default(), &id);
}

static int begin_restore(int host)
{
	struct restore_options opt = {.again = false};

	return restore_start("web", stores_default(), &opt, &id);
}

static void prepare_saved(const struct kind *k)
{
	fault_world_run_vm(0, k->shared);
	assert_int_equal(begin_save(0), 0);
	assert_int_equal(wait(0), 0);
	assert_true(fault_has(0, "saved/web"));
}

/* It runs, or its state waits, not both; a host that died has its disk whole at least. */
static void check_one(const struct kind *k, enum fault f)
{
	assert_true(fault_has_disk(0));
	if (fault_lives(0)) {
		assert_true(fault_runs(0));
		assert_false(fault_has(0, "saved/web"));
	}
	world_check_stores();
}

static void again_save(const struct kind *k)
{
	if (fault_has(0, "saved/web")) {
		assert_int_equal(begin_restore(0), 0);
		assert_int_equal(wait(0), 0);
		assert_true(fault_runs(0));
	}
	if (!fault_lives(0))
		fault_world_run_vm(0, k->shared);
	assert_int_equal(begin_save(0), 0);
	assert_int_equal(wait(0), 0);
	assert_true(fault_has(0, "saved/web"));
	assert_false(fault_lives(0));
}

/* A host that died after the state was used up has it as used, and its disks have been taken. */
static void again_restore(const struct kind *k)
{
	bool used = !fault_has(0, "saved/web");
	struct restore_options opt = {.again = used, .force = used};

	assert_true(fault_lives(0) || fault_has(0, "saved/web") || fault_has(0, "used/web"));
	if (fault_lives(0))
		return;
	assert_int_equal(restore_start("web", stores_default(), &opt, &id), 0);
	assert_int_equal(wait(0), 0);
	assert_true(fault_runs(0));
	assert_false(fault_has(0, "saved/web"));
}

static const struct kind kinds[] = {
    {"hot with a local disk", false, false, prepare_running, begin_hot, check_two, again_two},
    {"hot with local and shared", true, false, prepare_running, begin_hot, check_two, again_two},
    {"suspended move", false, false, prepare_running, begin_suspend, check_two, again_two},
    {"cold", false, false, prepare_off, begin_cold, check_cold, again_cold},
    {"save", true, true, prepare_running, begin_save, check_one, again_save},
    {"restore", true, true, prepare_saved, begin_restore, check_one, again_restore},
};

/* ---- the matrix ------------------------------------------------------------------------ */

static const char *const fault_names[FAULT_KINDS] = {
    "none",	  "source dies", "target dies", "both die",	"link cut",
    "link parts", "source full", "target full", "source fails", "target fails"};

static bool possible(const struct kind *k, enum fault f)
{
	if (!k->one_host)
		return f != FAULT_SOURCE_FULL; /* nothing is written there */
	return f == FAULT_NONE || f == FAULT_SOURCE_DIES || f == FAULT_SOURCE_FULL ||
	       f == FAULT_SOURCE_FAILS;
}

/* The move with this fault at that line. Lines it wrote; 0 when the fault did not strike. */
static unsigned try_fault(const struct kind *k, enum fault f, unsigned at)
{
	unsigned lines;

	fault_world_begin();
	k->prepare(k);
	fault_arm(f, at);
	assert_int_equal(k->begin(0), 0);
	(void)!wait(0);
	lines = fault_line[0] || f == FAULT_NONE ? fault_lines : 0;
	if (getenv("UNIT_VERBOSE"))
		print_message("%s: %s at %u '%s'\n", k->name, fault_names[f], at, fault_line);
	fault_mend();
	k->check(k, f);
	k->again(k);
	fault_world_end();
	return lines;
}

static void run(const struct kind *k)
{
	unsigned lines = try_fault(k, FAULT_NONE, 0);

	assert_in_range(lines, 4, 100);
	for (unsigned f = FAULT_NONE + 1; f < FAULT_KINDS; f++)
		for (unsigned at = 0; possible(k, f) && at < lines; at++)
			assert_int_not_equal(try_fault(k, f, at), 0);
}

static void test_hot_local(void **state)
{
	run(&kinds[0]);
}

static void test_hot_local_and_shared(void **state)
{
	run(&kinds[1]);
}

static void test_suspended(void **state)
{
	run(&kinds[2]);
}

static void test_cold(void **state)
{
	run(&kinds[3]);
}

static void test_save(void **state)
{
	run(&kinds[4]);
}

static void test_restore(void **state)
{
	run(&kinds[5]);
}

/* ---- definitions ---------------------------------------------------------------------- */

static void sleep_at_the_end(const char *line)
{
	if (fake_host == 0 && strstr(line, "stage 5"))
		task_sleep_until(time_ns() + 5 * NS_PER_S);
}

/* The target has said all, and closed, before the source comes to it. */
static void test_settled_came_first(void **state)
{
	fault_world_begin();
	prepare_running(&kinds[0]);
	fake_log_hook = sleep_at_the_end;
	assert_int_equal(begin_hot(0), 0);
	assert_int_equal(wait(0), 0);
	assert_true(fault_runs(1));
	check_definitions(1);
	fault_world_end();
}

static struct vm_config other;

static void keep_other(void)
{
	assert_int_equal(vm_store_take_conf(stores_default(), &other, ""), 0);
}

/* Another VM of that name is kept at the target, not defined: its definition is not written over.
 */
static void test_other_one_is_kept_there(void **state)
{
	fault_world_begin();
	prepare_running(&kinds[0]);
	other = fake_pair_find(0, "web")->cfg;
	other.uuid[0] ^= 1;
	other.vcpus = 7;
	other.disk_count = 0;
	world_in_task(1, keep_other);
	assert_int_equal(begin_hot(0), 0);
	assert_int_equal(wait(0), 0);
	assert_true(fault_runs(1));
	assert_non_null(strstr(world_text(1, "main", CONF), "vcpus 7"));
	assert_true(fault_has(0, CONF));
	fault_world_end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_hot_local),
	    cmocka_unit_test(test_hot_local_and_shared),
	    cmocka_unit_test(test_suspended),
	    cmocka_unit_test(test_cold),
	    cmocka_unit_test(test_save),
	    cmocka_unit_test(test_restore),
	    cmocka_unit_test(test_settled_came_first),
	    cmocka_unit_test(test_other_one_is_kept_there),
	};

	return cmocka_run_group_tests_name("faults", tests, NULL, NULL);
}
