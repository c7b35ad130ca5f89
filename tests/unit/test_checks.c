/* SPDX-License-Identifier: BSD-2-Clause */
/* Each check fails for its own reason and names both values. */
#include <stdio.h>
#include <string.h>

#include "migrate/audit.h"
#include "migrate/checks.h"
#include "tests/unit/fake_kernel.h"

static struct stream_hello source, target;
static struct stream_offer offer;
static struct stream_facts facts;
static struct check_list list;
static struct checks_input in = {
    .source = &source, .target = &target, .offer = &offer, .facts = &facts};
static unsigned differences;

unsigned cpuid_policy_compare(const struct cpuid_policy *guest, const struct cpuid_policy *host,
			      void (*differ)(void *ctx, const char *what, uint64_t guest_value,
					     uint64_t host_value),
			      void *ctx)
{
	for (unsigned i = 0; i < differences; i++)
		differ(ctx, "avx2", 1, 0);
	return differences;
}

const char *vm_state_name(enum vm_state s)
{
	return s == VM_RUNNING ? "running" : s == VM_PAUSED ? "paused" : "off";
}

static void good(void)
{
	memset(&source, 0, sizeof(source));
	memset(&offer, 0, sizeof(offer));
	memset(&facts, 0, sizeof(facts));
	memset(&list, 0, sizeof(list));
	differences = 0;
	in.state = VM_RUNNING;
	in.keeps_definitions = true;
	source.version = STREAM_VERSION;
	strcpy(source.pool, "lab");
	target = source;
	strcpy(offer.cfg.name, "web");
	offer.cfg.memory = 256 * MiB;
	offer.cfg.vcpus = 2;
	offer.cfg.disk_count = 1;
	offer.cfg.nic_count = 1;
	strcpy(offer.cfg.nics[0].name, "eth0");
	strcpy(offer.cfg.nics[0].network, "lan");
	offer.nics[0].mtu = facts.nics[0].mtu = 1500;
	strcpy(offer.disks[0].name, "vda");
	offer.disks[0].shared = offer.disks[0].deciding = 1;
	offer.disks[0].sectors = 1000;
	offer.cpuid.tsc_khz = facts.host.tsc_khz = 2000000;
	facts.free_bytes = GiB;
	facts.cpus = 4;
	facts.flags = FACT_RUNS_GUESTS;
	facts.disks[0].sectors = 1000;
	facts.disks[0].source_listed = 1;
	facts.store[0] = 1;
}

static void run(void)
{
	checks_hello(&list, &in);
	checks_run(&list, &in);
}

/* Exactly one failed, of that name, with these values. */
static void fails(const char *name, const char *here, const char *there)
{
	char line[200], why[160];
	unsigned n = 0;

	run();
	assert_int_equal(list.failed, 1);
	for (unsigned i = 0; i < list.count; i++) {
		const struct check *c = &list.list[i];

		if (c->result != CHECK_FAILED)
			continue;
		n++;
		assert_string_equal(c->name, name);
		assert_string_equal(c->source, here);
		assert_string_equal(c->target, there);
		assert_true(check_text(&list, i, line, sizeof(line)) > 0);
		assert_int_equal(strncmp(line, "FAIL ", 5), 0);
	}
	assert_int_equal(n, 1);
	check_reason(&list, why, sizeof(why));
	assert_non_null(strstr(why, name));
	good();
}

static void test_all_pass(void **state)
{
	char line[200];

	good();
	run();
	assert_int_equal(list.failed, 0);
	assert_true(list.count > 10);
	assert_true(check_text(&list, 0, line, sizeof(line)) > 0);
	assert_int_equal(strncmp(line, "pass stream version", 19), 0);
	assert_int_equal(check_text(&list, list.count, line, sizeof(line)), 0);
}

/* Fewer CPUs are slower, not wrong: said, and no reason to refuse. */
static void test_fewer_cpus_is_a_note(void **state)
{
	char line[200];
	unsigned notes = 0;

	good();
	facts.cpus = 1;
	run();
	assert_int_equal(list.failed, 0);
	for (unsigned i = 0; i < list.count; i++) {
		if (list.list[i].result != CHECK_NOTE)
			continue;
		notes++;
		assert_true(check_text(&list, i, line, sizeof(line)) > 0);
		assert_string_equal(line,
				    "note CPUs                         2                    1");
	}
	assert_int_equal(notes, 1);
}

static void test_each_fails_alone(void **state)
{
	good();
	target.version = STREAM_VERSION - 1;
	fails("stream version", "4", "3");
	strcpy(target.pool, "other");
	fails("pool", "lab", "other");
	in.state = VM_OFF;
	fails("power state", "off", "a --cold move only");
	facts.flags = 0;
	fails("virtualisation", "needed", "no VT-x there");
	facts.flags |= FACT_NAME_TAKEN;
	fails("VM name free", "web", "has a VM of that name");
	facts.flags |= FACT_MOVE_BUSY;
	fails("no other move", "none", "a move is under way");
	facts.free_bytes = 128 * MiB;
	fails("memory", "256 MiB", "128 MiB");
	differences = 1;
	fails("avx2", "0x1", "0x0");
	facts.host.tsc_khz = 2100000;
	fails("TSC kHz", "2000000", "2100000");
	facts.disks[0].err = -E_TIMEDOUT;
	fails("disk vda reachable", "yes", err_text(-E_TIMEDOUT));
	facts.disks[0].sectors = 999;
	fails("disk vda sectors", "1000", "999");
	facts.disks[0].source_listed = 0;
	fails("disk vda is the same", "reserved by us", "does not see our reservation");
	facts.disks[0].config_foreign = 1;
	fails("disk vda config string", "free for us", "in use by others");
	facts.nics[0].mtu = 0;
	fails("nic eth0 network", "lan", "no network of that name");
	facts.nics[0].mtu = 1496;
	fails("nic eth0 MTU", "1500", "1496");
	facts.nics[0].mac_taken = 1;
	fails("nic eth0 MAC free", "ours", "another VM has it");
}

/* Two disks that are not shared, of 3 MiB each. */
static void copied(void)
{
	good();
	offer.cfg.disk_count = 2;
	strcpy(offer.disks[1].name, "vdb");
	for (unsigned i = 0; i < 2; i++) {
		offer.disks[i].shared = offer.disks[i].deciding = 0;
		offer.disks[i].sectors = 8192;
		offer.disks[i].stored = 3 * MiB;
		facts.disks[i].free = 6 * MiB;
		strcpy(facts.disks[i].store, "main");
	}
}

static void test_disks_that_are_copied(void **state)
{
	unsigned notes = 0;

	copied();
	run();
	assert_int_equal(list.failed, 0);
	for (unsigned i = 0; i < list.count; i++)
		notes += list.list[i].result == CHECK_NOTE;
	assert_int_equal(notes, 2);
	copied();
	facts.disks[1].err = -E_NOENT;
	fails("disk vdb datastore", "the default one", "no such datastore is open");
	copied();
	strcpy(offer.disks[0].store, "fast");
	facts.disks[0].err = -E_NOENT;
	fails("disk vda datastore", "fast", "no such datastore is open");
	copied();
	offer.disks[0].stored++; /* each has room, both have not */
	fails("disk vdb room", "6 MiB", "6 MiB");
	copied();
	strcpy(facts.disks[1].store, "other");
	facts.disks[0].free = facts.disks[1].free = 3 * MiB;
	run();
	assert_int_equal(list.failed, 0);
	copied();
	facts.disks[0].taken = 1;
	fails("disk vda name free", "needed", "an object has it there");
}

static void test_tsc(void **state)
{
	good();
	facts.host.tsc_khz = 2000400; /* 200 ppm */
	run();
	assert_int_equal(list.failed, 0);
	good();
	facts.host.tsc_khz = 3000000;
	facts.host.tsc_scaling = 1;
	run();
	assert_int_equal(list.failed, 0);
}

/* The only one that is a note, and what it says of the target. */
static void only_note(const char *name, const char *there)
{
	unsigned notes = 0;

	run();
	assert_int_equal(list.failed, 0);
	for (unsigned i = 0; i < list.count; i++) {
		const struct check *c = &list.list[i];

		if (c->result != CHECK_NOTE)
			continue;
		notes++;
		assert_string_equal(c->name, name);
		assert_string_equal(c->target, there);
	}
	assert_int_equal(notes, 1);
	good();
}

static const struct check *find(const char *name)
{
	for (unsigned i = 0; i < list.count; i++)
		if (!strcmp(list.list[i].name, name))
			return &list.list[i];
	fail_msg("no check '%s'", name);
	return NULL;
}

static void test_identity(void **state)
{
	good();
	facts.flags |= FACT_UUID_TAKEN;
	only_note("identity: UUID", "stays; another VM there has it");
	facts.host.tsc_khz = 2000400;
	only_note("identity: TSC rate", "is off by 400 kHz, not scaled");
	memset(offer.cfg.uuid, 0xab, sizeof(offer.cfg.uuid));
	offer.cpuid.count = 2;
	offer.cpuid.entries[0] = (struct cpuid_entry){.leaf = 0x80000002};
	memcpy(&offer.cpuid.entries[0].eax, "  Crab\033 CPU     ", 16);
	offer.cpuid.entries[1] = (struct cpuid_entry){.leaf = 0x80000003};
	facts.host.tsc_khz = 3000000;
	facts.host.tsc_scaling = 1;
	run();
	assert_string_equal(find("identity: UUID")->source, "abababab-abab-abab-abab-abababababab");
	assert_string_equal(find("identity: CPU model")->source, "Crab? CPU     ");
	assert_string_equal(find("identity: TSC rate")->target, "stays: scaled");
	assert_string_equal(find("identity: disk vda")->target, "serial and size stay");
}

static struct audit audit;

/* A guest that asks for little of a link and disks that are fast. */
static void measured(void)
{
	good();
	audit = (struct audit){.rtt_ns = NS_PER_MS,
			       .rate = 10 * MiB,
			       .pages = 1000,
			       .used = 500,
			       .dirty_known = true,
			       .dirty_rate = 100,
			       .max_downtime_ns = 300 * NS_PER_MS};
	audit.disks[0] = (struct audit_disk){
	    .speed = {NS_PER_MS, 10 * MiB, NS_PER_MS}, .requests = 10, .bytes = 40960};
	audit.nics[0] = (struct audit_nic){.frames = 10, .bytes = 1000};
	audit.estimate = (struct estimate){
	    .total_ns = 70 * NS_PER_S, .blackout_ns = 12340 * NS_PER_US, .rounds = 2};
	facts.disks[0].speed = (struct stream_speed){2 * NS_PER_MS, 5 * MiB, 0};
	in.audit = &audit;
}

static void test_measured(void **state)
{
	measured();
	run();
	assert_int_equal(list.failed, 0);
	for (unsigned i = 0; i < list.count; i++)
		assert_int_equal(list.list[i].result, CHECK_PASSED);
	assert_string_equal(find("disk vda read")->source, "1.00 ms, 10 MiB/s");
	assert_string_equal(find("disk vda read")->target, "2.00 ms, 5 MiB/s");
	assert_string_equal(find("disk vda flush")->target, "not measured");
	assert_string_equal(find("estimate: time")->source, "70 s, 2 rounds");
	assert_string_equal(find("estimate: blackout")->source, "12.34 ms");
	assert_string_equal(find("estimate: blackout")->target, "300.00 ms allowed");
	in.audit = NULL;
}

static void test_measured_slow(void **state)
{
	measured();
	audit.dirty_rate = 2560; /* as many bytes as the link carries */
	only_note("link throughput", "carries 10 MiB/s");
	measured();
	audit.dirty_known = false;
	only_note("link throughput", "carries 10 MiB/s");
	measured();
	audit.nics[0].bytes = 11 * MiB;
	only_note("nic eth0 load", "the link carries 10 MiB/s");
	measured();
	audit.disks[0].bytes = 6 * MiB; /* of 5 there */
	run();
	assert_int_equal(list.failed, 0);
	assert_int_equal(find("disk vda load")->result, CHECK_NOTE);
	assert_int_equal(find("disk vda read")->result, CHECK_NOTE);
	measured();
	audit.disks[0].speed = (struct stream_speed){0}; /* it could not be read */
	run();
	assert_int_equal(find("disk vda read")->result, CHECK_NOTE);
	assert_int_equal(find("disk vda flush")->result, CHECK_NOTE);
	measured();
	facts.disks[0].speed.read_ns = 0; /* a rate without it is no measure */
	only_note("disk vda read", "not measured");
	measured();
	audit.disks[0].requests = 501; /* of 2 ms each */
	run();
	assert_int_equal(find("disk vda load")->result, CHECK_NOTE);
	measured();
	audit.estimate.gives_up = true;
	audit.estimate.total_ns = UINT64_MAX;
	audit.estimate.why = "the guest writes faster than the link carries it";
	run();
	assert_int_equal(list.failed, 0);
	assert_int_equal(find("estimate: time")->result, CHECK_NOTE);
	assert_int_equal(find("estimate: blackout")->result, CHECK_NOTE);
	assert_string_equal(find("estimate: time")->source, "without end, 2 rounds");
	in.audit = NULL;
}

/* A restart of the target forgets it, or one of this host brings it back: both are said. */
static void test_definition(void **state)
{
	good();
	facts.store[0] = 0;
	only_note("definition kept", "no datastore is open there");
	good();
	in.keeps_definitions = false;
	only_note("gone for good here", "-");
}

/* More failures than the list has room for are still failures. */
static void test_overflow(void **state)
{
	char line[200];

	good();
	differences = CHECKS_MAX * 2;
	run();
	assert_int_equal(list.count, CHECKS_MAX);
	assert_int_equal(list.failed, CHECKS_MAX * 2);
	assert_int_equal(check_text(&list, CHECKS_MAX, line, sizeof(line)), 0);
}

/* A hostile target's numbers do not lead outside the arrays. */
static void test_hostile_disk_count(void **state)
{
	good();
	offer.cfg.disk_count = 0xffffffff;
	offer.cfg.nic_count = 0xff;
	run();
	assert_true(list.count < CHECKS_MAX);
}

/* A disk that may have changed: failed, or a note when the operator insists. */
static void saved(enum check_result wanted, const char *there)
{
	const struct check *c;

	in.saved = true;
	for (in.force = false;; in.force = true) {
		memset(&list, 0, sizeof(list));
		run();
		c = NULL;
		for (unsigned i = 0; i < list.count; i++)
			if (!strcmp(list.list[i].name, "disk vda unchanged"))
				c = &list.list[i];
		assert_non_null(c);
		assert_non_null(strstr(c->target, there));
		if (wanted != CHECK_FAILED || in.force)
			break;
		assert_int_equal(c->result, CHECK_FAILED);
		assert_int_equal(list.failed, 1);
	}
	assert_int_equal(c->result, in.force ? CHECK_NOTE : wanted);
	assert_int_equal(list.failed, 0);
	in.saved = in.force = false;
}

static void test_saved_disks(void **state)
{
	good();
	offer.cfg.disks[0].shared = 1;
	facts.disks[0].list_count = 1;
	saved(CHECK_PASSED, "still");
	facts.disks[0].list_count = 2;
	saved(CHECK_FAILED, "another host took it");
	facts.disks[0].list_count = 1;
	facts.disks[0].source_listed = 0;
	saved(CHECK_FAILED, "another host took it");
	facts.disks[0].list_count = 0;
	saved(CHECK_FAILED, "its target restarted");
	offer.cfg.disks[0].shared = 0;
	offer.cfg.disks[0].in_store = 1;
	offer.disks[0].digest = facts.disks[0].digest = 0x1234;
	saved(CHECK_PASSED, "0000000000001234");
	facts.disks[0].digest++;
	saved(CHECK_FAILED, "0000000000001235");
	offer.cfg.disks[0].in_store = 0; /* a plain disk: only on its own host */
	memcpy(target.host, source.host, sizeof(target.host));
	saved(CHECK_NOTE, "cannot be told");
	strcpy(target.host, "elsewhere");
	in.saved = true;
	memset(&list, 0, sizeof(list));
	run();
	assert_int_equal(list.failed, 1);
	in.saved = false;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_all_pass),
	    cmocka_unit_test(test_each_fails_alone),
	    cmocka_unit_test(test_disks_that_are_copied),
	    cmocka_unit_test(test_tsc),
	    cmocka_unit_test(test_identity),
	    cmocka_unit_test(test_measured),
	    cmocka_unit_test(test_measured_slow),
	    cmocka_unit_test(test_fewer_cpus_is_a_note),
	    cmocka_unit_test(test_definition),
	    cmocka_unit_test(test_overflow),
	    cmocka_unit_test(test_hostile_disk_count),
	    cmocka_unit_test(test_saved_disks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
