/* SPDX-License-Identifier: BSD-2-Clause */
/* After a move: each thing that is wrong with the guest gives a line, and only that line. */
#include <stdio.h>
#include <string.h>

#include "migrate/validate.h"
#include "tests/unit/fake_kernel.h"

static struct validate_facts facts;
static struct validate_list list;

const char *vm_state_name(enum vm_state s)
{
	return s == VM_RUNNING ? "running" : s == VM_PAUSED ? "paused" : "crashed";
}

static void good(void)
{
	memset(&facts, 0, sizeof(facts));
	facts.state = VM_RUNNING;
	facts.moved = true;
	facts.look_ns = 2 * NS_PER_S;
	facts.disk_count = facts.nic_count = 1;
	facts.cpu_count = 2;
	strcpy(facts.disks[0].name, "vda");
	facts.disks[0] = (struct validate_disk){
	    .name = "vda", .shared = true, .owned = true, .listed = true, .count = 1};
	facts.nics[0] =
	    (struct validate_nic){.name = "eth0", .attached = true, .to_guest = 3, .from_guest = 4};
	facts.cpus[0] = (struct validate_cpu){.exits = 100, .exits_now = 10};
	facts.cpus[1] = (struct validate_cpu){.halted = true};
	facts.timer_irqs = 50;
	facts.timer_irqs_now = 5;
	facts.console_bytes = facts.console_kept = 1000;
}

/* Exactly one line is not a pass: this one, and it says so. */
static void only(enum check_result r, const char *name, const char *words)
{
	unsigned others = 0, found = 0;
	char text[200];

	validate_judge(&facts, &list);
	for (unsigned i = 0; i < list.count; i++) {
		const struct validate_line *v = &list.list[i];

		if (v->result == CHECK_PASSED)
			continue;
		others += strcmp(v->name, name) != 0;
		if (strcmp(v->name, name))
			continue;
		found++;
		assert_int_equal(v->result, r);
		assert_non_null(strstr(v->words, words));
	}
	assert_int_equal(others, 0);
	assert_int_equal(found, 1);
	assert_int_equal(list.failed, r == CHECK_FAILED);
	assert_int_equal(list.notes, r == CHECK_NOTE);
	validate_summary(&list, text, sizeof(text));
	if (r == CHECK_FAILED)
		assert_int_equal(strncmp(text, "FAIL ", 5), 0);
	if (r == CHECK_FAILED)
		assert_non_null(strstr(text, words));
	else
		assert_int_equal(strncmp(text, "pass, ", 6), 0);
	good();
}

static void test_all_pass(void **state)
{
	char text[80];

	good();
	facts.verified = true;
	validate_judge(&facts, &list);
	for (unsigned i = 0; i < list.count; i++)
		assert_int_equal(list.list[i].result, CHECK_PASSED);
	assert_int_equal(list.count, 7);
	assert_string_equal(list.list[6].name, "memory");
	validate_summary(&list, text, sizeof(text));
	assert_string_equal(text, "pass, 7 checks, 0 with a note");
}

static void test_each_alone(void **state)
{
	good();
	facts.state = VM_CRASHED;
	facts.cpus[0].exits_now = 0;
	validate_judge(&facts, &list);
	assert_int_equal(list.failed, 1);
	good();
	facts.disks[0].err = -E_TIMEDOUT;
	only(CHECK_FAILED, "disk vda", "its target does not answer");
	facts.disks[0].count = 0;
	facts.disks[0].listed = false;
	only(CHECK_NOTE, "disk vda", "its target restarted");
	facts.disks[0].listed = false;
	only(CHECK_FAILED, "disk vda", "NOT reserved by this host");
	facts.disks[0].owned = false;
	only(CHECK_FAILED, "disk vda", "NOT reserved by this host");
	facts.disks[0].count = 2;
	only(CHECK_NOTE, "disk vda", "and another");
	facts.disks[0].requests = 9;
	facts.disks[0].errors = 2;
	only(CHECK_NOTE, "disk vda", "9 requests, 2 of them failed");
	facts.disks[0] = (struct validate_disk){.name = "vda", .err = -E_STATE};
	only(CHECK_FAILED, "disk vda", "not open");
	facts.nics[0].attached = false;
	only(CHECK_FAILED, "nic eth0", "not on its network");
	facts.nics[0].to_guest = 0;
	only(CHECK_NOTE, "nic eth0", "silent");
	facts.nics[0].from_guest = 0;
	only(CHECK_NOTE, "nic eth0", "silent");
	facts.nics[0].elsewhere = 1;
	only(CHECK_NOTE, "nic eth0", "somebody else");
	facts.cpus[1].halted = false;
	only(CHECK_FAILED, "vCPUs", "1 stuck");
	facts.cpus[0].exits_now = 0;
	only(CHECK_NOTE, "vCPUs", "1 of 2 ran here, 0 in the last 2000 ms");
	facts.overdue_ns = 2 * NS_PER_S;
	only(CHECK_FAILED, "timers", "overdue");
	facts.timer_irqs_now = 0;
	only(CHECK_NOTE, "timers", "none fired");
	facts.console_kept = 900;
	only(CHECK_NOTE, "console", "900 bytes; older ones");
	facts.console = CHECK_FAILED;
	strcpy(facts.quote, "Kernel panic - not syncing");
	only(CHECK_FAILED, "console", "\"Kernel panic - not syncing\"");
}

/* A vCPU that waits for its start-up is as it should be; so is all of a paused VM. */
static void test_not_started_and_paused(void **state)
{
	good();
	facts.cpus[1] = (struct validate_cpu){.waits_sipi = true};
	validate_judge(&facts, &list);
	assert_int_equal(list.failed + list.notes, 0);
	good();
	facts.state = VM_PAUSED;
	memset(facts.cpus, 0, sizeof(facts.cpus));
	facts.overdue_ns = 100 * NS_PER_S;
	validate_judge(&facts, &list);
	assert_int_equal(list.failed, 0);
	assert_true(list.notes > 0);
}

static enum check_result scan(const char *text, const char *wanted)
{
	char quote[VALIDATE_QUOTE_LEN];
	enum check_result r = validate_scan(text, strlen(text), quote);

	assert_string_equal(quote, wanted);
	return r;
}

static void test_scan(void **state)
{
	static const char *const bad[] = {"Kernel panic - not syncing: x",
					  "BUG: unable to handle",
					  "soft lockup - CPU#0",
					  "hung task",
					  "task a:1 blocked for more than 120 seconds.",
					  "vda: I/O error, dev",
					  "Call Trace:",
					  "Oops: 0002 [#1] PREEMPT SMP",
					  "NMI watchdog: Watchdog detected hard LOCKUP on cpu 0",
					  "rcu: INFO: rcu_sched self-detected stall on CPU",
					  "EXT4-fs error (device vda1): x",
					  "x: hung_task: blocked tasks",
					  "Marking clocksource 'tsc' as unstable"};

	assert_int_equal(scan("", ""), CHECK_PASSED);
	assert_int_equal(scan("login: \r\nwork: tick 1\n", ""), CHECK_PASSED);
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		char text[200];

		snprintf(text, sizeof(text), "a line\n%s\r\nlast", bad[i]);
		assert_int_equal(scan(text, bad[i]), CHECK_FAILED);
		assert_int_equal(scan(bad[i], bad[i]), CHECK_FAILED);
	}
	/* a name that ends like one, and a command line that only names the watchdog */
	assert_int_equal(scan("app DEBUG: started", ""), CHECK_PASSED);
	assert_int_equal(scan("Command line: hung_task_panic=1", ""), CHECK_PASSED);
	assert_int_equal(scan("clocksource: tsc\nx", "clocksource: tsc"), CHECK_NOTE);
	/* the worst, and of these the first */
	assert_int_equal(scan("clocksource: a\nBUG: b\nBUG: c\n", "BUG: b"), CHECK_FAILED);
	assert_int_equal(scan("\033[31mBUG: \x80\n", "?[31mBUG: ?"), CHECK_FAILED);
	assert_int_equal(scan("Kernel pani", ""), CHECK_PASSED);
}

/* A guest's longest line, and bytes after the end, which are not its output. */
static void test_scan_bounds(void **state)
{
	char quote[VALIDATE_QUOTE_LEN], text[500];

	memset(text, 'x', sizeof(text));
	memcpy(text + 399, " BUG:", 5);
	assert_int_equal(validate_scan(text, sizeof(text), quote), CHECK_FAILED);
	assert_int_equal(strlen(quote), VALIDATE_QUOTE_LEN - 1);
	assert_int_equal(validate_scan(text, 403, quote), CHECK_PASSED);
}

/* Counts beyond the arrays do not lead outside, and no line is lost in silence. */
static void test_many(void **state)
{
	good();
	facts.disk_count = facts.nic_count = 1000;
	validate_judge(&facts, &list);
	assert_in_range(list.count, 1, VALIDATE_LINES_MAX);
	assert_true(list.failed > 0); /* nics that are not attached */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_all_pass),
	    cmocka_unit_test(test_each_alone),
	    cmocka_unit_test(test_not_started_and_paused),
	    cmocka_unit_test(test_scan),
	    cmocka_unit_test(test_scan_bounds),
	    cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
