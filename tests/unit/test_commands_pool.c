/* SPDX-License-Identifier: BSD-2-Clause */
/* drain, undrain, balance and migrate --all, with real moves between two hosts in one process. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/lib/format.h"
#include "migrate/commands_move.h"
#include "migrate/commands_pool.h"
#include "migrate/commands_queue.h"
#include "kernel/store/stores.h"
#include "migrate/validate.h"
#include "tests/unit/fake_pair.h"
#include "vmm/commands_vm.h"
#include "vmm/vm_use.h"

#define MEMORY (4 * MiB)

/* ---- what fake_pair does not have ---- */

static uint32_t use_permille;

uint32_t vm_use_permille(const struct vm *vm)
{
	return use_permille;
}

const char *log_level_name(enum log_level level)
{
	return "level";
}

struct vm *commands_find_vm(struct console *c, const char *name)
{
	return vm_find(name);
}

void commands_complete_vm(struct completion *c, int argc, char **argv)
{
}

int validate_vm(const char *name, struct validate_list *out)
{
	*out = (struct validate_list){
	    .count = 1,
	    .failed = 1,
	    .list[0] = {.name = "console", .words = "\"BUG: x\"", .result = CHECK_FAILED}};
	return 0;
}

/* What is off here is saved. */
struct datastore *stores_saved(const char *vm)
{
	return strcmp(vm, "off") ? NULL : stores_default();
}

const struct peer *peers_at(unsigned index)
{
	return index == 0 ? peers_find(fake_host ? "alpha" : "beta") : NULL;
}

struct vm *vm_at(unsigned index)
{
	static const char *const names[] = {"vm0", "vm1", "vm2", "off"};

	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		struct vm *vm = vm_find(names[i]);

		if (vm && index-- == 0)
			return vm;
	}
	return NULL;
}

static struct peer *peer(int host)
{
	struct peer *p;

	fake_host = host;
	p = (struct peer *)peers_self();
	fake_host = 0;
	return p;
}

/* ---- the console: a fiber that runs one line ---- */

static char screen[16384];
static uint64_t ctrl_c_at;
static struct console con;
static char line[100];
static int result;
static bool over;

static void term_write(void *ctx, const char *text, size_t n)
{
	size_t len = strlen(screen);

	snprintf(screen + len, sizeof(screen) - len, "%.*s", (int)n, text);
}

static size_t term_room(void *ctx)
{
	return 4096;
}

static int term_read(void *ctx, uint64_t deadline_ns)
{
	if (time_ns() < MIN(ctrl_c_at, deadline_ns))
		task_sleep_until(MIN(ctrl_c_at, deadline_ns));
	if (time_ns() < ctrl_c_at)
		return -E_TIMEDOUT;
	ctrl_c_at = UINT64_MAX;
	return CONSOLE_CTRL_C;
}

static const struct console_io io = {term_write, term_room, term_read, NULL};

static void console_task(void *arg)
{
	result = console_execute(&con, line);
	over = true;
}

static void begin(const char *text)
{
	screen[0] = 0;
	over = false;
	strcpy(line, text);
	assert_non_null(task_create("console", console_task, NULL));
}

static int run(const char *text)
{
	begin(text);
	for (unsigned i = 0; i < 1200 && !over; i++)
		fake_fibers_run(fake_time_ns + NS_PER_S / 10);
	assert_true(over);
	return result;
}

static void assert_shown(const char *words)
{
	if (!strstr(screen, words))
		fail_msg("no '%s' in:\n%s", words, screen);
}

static bool runs(int host, const char *name)
{
	struct vm *v = fake_pair_find(host, name);

	return v && v->state == VM_RUNNING;
}

static int migrate_all(struct console *c, int argc, char **argv)
{
	struct migrate_options opt = {.dry_run = argc > 2};

	return commands_migrate_all(c, argv[1], &opt);
}

static const struct command all[] = {{.name = "all", .max_args = 2, .run = migrate_all}};
static const struct command_group all_group = {"All", all, 1};

static int setup(void **state)
{
	fake_pair_reset();
	use_permille = 0;
	ctrl_c_at = UINT64_MAX;
	for (int i = 0; i < HOSTS; i++) {
		peer(i)->total_bytes = 2048 * MiB;
		peer(i)->free_bytes = 1024 * MiB;
		peer(i)->cpu_permille = 0;
		peer(i)->drained = false;
	}
	for (unsigned i = 0; i < 3; i++)
		ksnprintf(fake_pair_vm(MEMORY, false)->cfg.name, VM_NAME_LEN, "vm%u", i);
	console_init(&con, &io, "alpha> ", 0x1d);
	console_add_group(&con, &commands_pool_group);
	console_add_group(&con, &all_group);
	console_add_group(&con, &commands_audit_group);
	return 0;
}

static int teardown(void **state)
{
	fake_fibers_reset();
	fake_pair_free();
	assert_int_equal(fake_alloc_live, 0);
	return 0;
}

static void test_drain(void **state)
{
	struct vm *off = fake_pair_vm(MEMORY, false);

	strcpy(off->cfg.name, "off");
	off->state = VM_OFF;
	assert_int_equal(run("drain --dry-run"), 0);
	assert_shown("vm1  beta  hot");
	assert_false(migrate_drained());
	assert_true(runs(0, "vm1"));
	assert_int_equal(run("drain"), 0); /* what is off does not count as left over */
	assert_true(migrate_drained());
	assert_true(runs(1, "vm0") && runs(1, "vm1") && runs(1, "vm2"));
	assert_shown("vm2: moved to beta");
	assert_shown("off stays: it is saved");
	assert_shown("3 VMs moved");
	assert_int_equal(run("undrain"), 0);
	assert_false(migrate_drained());
}

static void test_what_cannot_move_is_an_error(void **state)
{
	struct vm *vm = fake_pair_find(0, "vm1");

	vm->serving = true;
	assert_int_equal(run("drain"), -E_STATE);
	vm->serving = false;
	assert_shown("vm1 stays: it is on a move, or just being reset");
	assert_shown("1 VMs that are not off stay here");
	assert_true(runs(1, "vm0") && runs(0, "vm1") && runs(1, "vm2"));
}

/* Its disk goes along; whether there is room for it is the target's to say. */
static void test_a_local_disk_is_no_obstacle(void **state)
{
	struct vm *vm = fake_pair_find(0, "vm1");

	vm->cfg.disk_count = 1;
	strcpy(vm->cfg.disks[0].name, "vda");
	vm->cfg.disks[0].used = 1;
	assert_int_equal(run("drain --dry-run"), 0);
	assert_shown("vm1  beta  hot");
	vm->cfg.disk_count = 0;
}

static void test_a_target_that_refuses_is_left_out(void **state)
{
	fake_states[1].drained = true; /* not heard yet */
	assert_int_equal(run("drain"), -E_STATE);
	assert_shown("vm0: not moved to beta: check failed: takes VMs");
	assert_shown("vm0 stays: beta: the checks of the move fail there");
	assert_shown("3 VMs that are not off stay here");
	fake_states[1].drained = false;
	assert_int_equal(run("drain"), 0); /* asked anew */
	assert_true(runs(1, "vm0"));
}

static void test_ctrl_c(void **state)
{
	fake_faults.rate = MiB;
	ctrl_c_at = fake_time_ns + NS_PER_S;
	assert_int_equal(run("drain"), -E_CANCELLED);
	assert_true(runs(0, "vm0") && runs(0, "vm1") && runs(0, "vm2"));
	assert_true(migrate_drained());
	assert_shown("the queue is dropped");
}

static void test_waiting_is_told(void **state)
{
	struct move *other;

	fake_host = 1;
	other = move_create(MOVE_TARGET);
	fake_host = 0;
	ctrl_c_at = fake_time_ns + 40 * NS_PER_S;
	assert_int_equal(run("drain"), -E_CANCELLED);
	assert_shown("vm0 waits to go to beta: the other host is busy with another move");
	assert_true(runs(0, "vm0"));
	fake_host = 1;
	move_end(other, -E_CANCELLED);
	fake_host = 0;
}

static void test_background(void **state)
{
	fake_faults.rate = 4 * MiB;
	begin("drain --background");
	fake_fibers_run(fake_time_ns + 1000);
	assert_true(over && !result);
	assert_true(runs(0, "vm0"));
	screen[0] = 0;
	assert_true(queue_show(&con, NULL));
	assert_shown("vm2    beta  waits");
	fake_fibers_run(fake_time_ns + 60 * NS_PER_S);
	assert_true(runs(1, "vm0") && runs(1, "vm1") && runs(1, "vm2"));
	screen[0] = 0;
	assert_true(queue_show(&con, "vm2"));
	assert_shown("vm2    beta  moved");
	assert_null(strstr(screen, "vm1"));
	assert_false(queue_show(&con, "nosuch"));
	queue_show_json(&con, "vm0");
	assert_shown("\"vm\": \"vm0\", \"to\": \"beta\", \"state\": \"ended\", \"error\": \"\"");
}

/* `drain` again, to see the end of what an earlier one left in the background. */
static void test_drain_waits_for_the_background(void **state)
{
	fake_faults.rate = 4 * MiB;
	assert_int_equal(run("drain --background"), 0);
	assert_true(runs(0, "vm2"));
	assert_int_equal(run("drain"), 0);
	assert_shown("vm2 waits in the queue already");
	assert_true(runs(1, "vm0") && runs(1, "vm1") && runs(1, "vm2"));
}

/* The operator's word may be what settles it, and there is one console. */
static void test_doubt_frees_the_console(void **state)
{
	struct vm *vm = fake_pair_find(0, "vm0");

	fake_faults.rate = 20 * MiB;
	begin("drain");
	while (!vm->move || ((struct move *)vm->move)->p.handover != HANDOVER_WAIT_COMMITTED)
		fake_fibers_run(fake_time_ns + NS_PER_US);
	fake_faults.partition = true;
	for (unsigned i = 0; i < 1200 && !over; i++)
		fake_fibers_run(fake_time_ns + NS_PER_S / 10);
	assert_true(over);
	assert_int_equal(result, -E_STATE);
	assert_shown("vm0 is in doubt and paused");
	assert_int_equal(vm->state, VM_IN_DOUBT);
	assert_int_equal(migrate_decide(vm, false), 0);
	fake_fibers_run(fake_time_ns + 60 * NS_PER_S);
	assert_true(runs(1, "vm0"));
}

static void test_balance(void **state)
{
	use_permille = 600;
	peer(0)->cpu_permille = 1800;
	assert_int_equal(run("balance"), 0);
	assert_shown("alpha   90.0 %  60.0 %");
	assert_shown("beta     0.0 %  30.0 %");
	assert_true(runs(0, "vm0"));
	assert_int_equal(run("balance --do"), 0);
	assert_shown("vm0: moved to beta");
	assert_true(runs(1, "vm0") && runs(0, "vm1") && runs(0, "vm2"));
	peer(0)->cpu_permille = 1200;
	peer(1)->cpu_permille = 600;
	assert_int_equal(run("balance --do"), 0);
	assert_shown("no move of a VM of this host");
	assert_true(runs(0, "vm1"));
}

static void test_migrate_all(void **state)
{
	assert_int_equal(run("all nowhere"), -E_NOENT);
	assert_int_equal(run("all alpha"), -E_NOENT);
	peer(1)->free_bytes = 9 * MiB;
	assert_int_equal(run("all beta --dry-run"), 0);
	assert_shown("vm2 stays: beta: needs 4 MiB of memory, 1 MiB free");
	assert_true(runs(0, "vm0"));
	peer(1)->free_bytes = GiB;
	assert_int_equal(run("all beta"), 0);
	assert_false(migrate_drained());
	assert_true(runs(1, "vm0") && runs(1, "vm1") && runs(1, "vm2"));
	assert_int_equal(run("drain --backgruond"), -E_INVAL);
	assert_int_equal(run("balance --go"), -E_INVAL);
	assert_false(migrate_drained());
}

static void test_a_host_of_another_pool_or_version(void **state)
{
	strcpy(peer(1)->pool, "other");
	assert_int_equal(run("drain"), -E_STATE);
	assert_shown("vm0 stays: there is no other host");
	strcpy(peer(1)->pool, "lab");
	peer(1)->total_bytes = 0;
	assert_int_equal(run("drain"), -E_STATE);
	assert_shown("vm0 stays: beta: does not say how much room it has");
	assert_true(runs(0, "vm0"));
}

/* An array and no other words; a failed check is the command's error all the same. */
static void test_json_of_audit_and_validate(void **state)
{
	assert_int_equal(run("audit vm0 beta --json"), 0);
	assert_int_equal(strncmp(screen, "[\r\n{\"result\": ", 13), 0);
	assert_shown("{\"result\": \"pass\", \"check\": \"power state\", \"here\": \"running\", "
		     "\"there\": ");
	assert_shown("\"check\": \"estimate: blackout\"");
	assert_null(strstr(screen, "RESULT"));
	assert_null(strstr(screen, "dry run"));
	assert_true(runs(0, "vm0"));
	assert_int_equal(run("validate vm0 --json"), -E_STATE);
	assert_int_equal(strncmp(screen, "[\r\n", 3), 0);
	assert_shown(
	    "{\"result\": \"FAIL\", \"check\": \"console\", \"seen\": \"\\\"BUG: x\\\"\"}");
	assert_int_equal(run("validate vm0"), -E_STATE);
	assert_shown("RESULT");
	assert_int_equal(run("validate vm0 --jsn"), -E_INVAL);
	assert_int_equal(run("audit vm0 --json"), -E_INVAL);
	assert_int_equal(run("audit vm0 beta"), 0);
	assert_shown("dry run: every check passed");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_json_of_audit_and_validate, setup, teardown),
	    T(test_drain),
	    T(test_what_cannot_move_is_an_error),
	    T(test_a_local_disk_is_no_obstacle),
	    T(test_a_target_that_refuses_is_left_out),
	    T(test_ctrl_c),
	    T(test_waiting_is_told),
	    T(test_drain_waits_for_the_background),
	    T(test_doubt_frees_the_console),
	    T(test_background),
	    T(test_balance),
	    T(test_migrate_all),
	    T(test_a_host_of_another_pool_or_version),
	};

	return cmocka_run_group_tests_name("commands_pool", tests, NULL, NULL);
}
