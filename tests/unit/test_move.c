/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whole moves between two hosts in one process (fake_pair.h): they succeed, and
 * whatever is cut, damaged, cancelled or restarted, exactly one copy runs at the end.
 */
#include <stdlib.h>
#include <string.h>

#include "kernel/lib/format.h"
#include "tests/unit/fake_pair.h"
#include "vmm/vm_store.h"

#define MEMORY (4 * MiB)

static struct vm *vm;
static uint8_t *before; /* the guest's memory when it last stood at the source */
static uint32_t id;

/* Notes that the VM is not to be defined at the next start of a host. */
static bool marked[HOSTS];
static unsigned marks;

bool vm_store_undefined(const char *name)
{
	return marked[fake_host];
}

int vm_store_mark(const char *name, bool undefined)
{
	assert_string_equal(name, "web");
	marked[fake_host] = undefined;
	marks++;
	return 0;
}

static void begin(bool shared)
{
	memset(marked, 0, sizeof(marked));
	marks = 0;
	fake_pair_reset();
	vm = fake_pair_vm(MEMORY, shared);
	before = NULL;
}

static void keep_memory_of(const struct vm *v)
{
	before = malloc(MEMORY);
	for (uint64_t i = 0; i < MEMORY / PAGE_SIZE; i++)
		memcpy(before + i * PAGE_SIZE, guest_mem_page(&v->mem, i), PAGE_SIZE);
}

static void keep_memory(void)
{
	keep_memory_of(vm);
}

static void start(struct migrate_options opt)
{
	struct peer to = *peers_find("beta");

	assert_int_equal(migrate_start(vm, &to, &opt, &id), 0);
}

static const struct move_progress *progress(void)
{
	return migrate_progress(id);
}

static bool runs(int host)
{
	struct vm *v = fake_pair_find(host, "web");

	return v && v->state == VM_RUNNING;
}

static void finish(void)
{
	fake_fibers_reset();
	fake_pair_free();
	free(before);
	assert_int_equal(fake_alloc_live, 0);
}

/* The source goes on as if nothing had been, the target has nothing left. */
static void assert_unmoved(void)
{
	assert_true(runs(0));
	assert_null(fake_pair_find(1, "web"));
	assert_int_equal(fake_validated[0] + fake_validated[1], 0);
	assert_false(vm->move_under_way);
	assert_false(vm->dirty.on);
	assert_true(progress()->done);
	assert_true(progress()->err < 0);
	assert_true(progress()->reason[0]);
	assert_int_equal(fake_fibers_alive(), 0);
}

static void assert_moved(void)
{
	struct vm *there = fake_pair_find(1, "web");

	assert_null(fake_pair_find(0, "web"));
	assert_non_null(there);
	assert_int_equal(there->state, VM_RUNNING);
	assert_false(there->move_under_way);
	assert_true(fake_pair_same(before, there));
	assert_int_equal(there->clock.frozen_tsc, 123456789);
	assert_int_equal(fake_validated[1], 1);
	assert_int_equal(fake_validated[0], 0);
}

/* ---- it works ---- */

static void test_moves(void **state)
{
	char text[320];

	begin(true);
	fake_faults.rate = 8 * MiB;
	keep_memory();
	start((struct migrate_options){.verify = true});
	fake_fibers_run(30 * NS_PER_S);
	assert_moved();
	assert_true(fake_skipped_ns > 0); /* vm_clock_skip compared it */
	assert_true(progress()->done);
	assert_int_equal(progress()->err, 0);
	assert_true(progress()->verified);
	assert_int_equal(progress()->pages_sent, 342);
	assert_int_equal(progress()->zero_pages, 682);
	assert_int_equal(fake_fibers_alive(), 0);
	/* the storage names the target alone */
	assert_int_equal(fake_storage.count, 1);
	assert_memory_equal(fake_storage.list[0], fake_pair_find(1, "web")->disks[0].owner_mac, 6);
	move_summary_text(progress(), text, sizeof(text));
	assert_non_null(strstr(text, "every page compared"));
	assert_non_null(strstr(text, "web: moved to "));
	/* what the target's `migrate-status` shows */
	move_summary_text(&fake_states[1].moves[0]->p, text, sizeof(text));
	assert_non_null(strstr(text, "web: moved here from "));
	finish();
}

/* The guest stands still first; all else is a hot move. */
static void test_suspend_move(void **state)
{
	begin(true);
	fake_guest_writes = 1000; /* it would never settle */
	fake_faults.rate = 8 * MiB;
	start((struct migrate_options){.suspend = true, .verify = true});
	fake_fibers_run(time_ns() + 10 * NS_PER_MS);
	fake_guest_writes = 0;
	fake_fibers_run(30 * NS_PER_S);
	keep_memory_of(fake_pair_find(1, "web"));
	assert_moved();
	assert_int_equal(progress()->round, 0);
	assert_true(progress()->verified);
	assert_int_equal(progress()->err, 0);
	finish();
}

/* Frames that come to the old host meanwhile reach the guest, in their order; then the link closes.
 */
static void test_frames_follow(void **state)
{
	char text[512];

	fake_pair_reset();
	fake_pair_nic = true;
	vm = fake_pair_vm(MEMORY, true);
	before = NULL;
	keep_memory();
	start((struct migrate_options){0});
	while (!runs(1)) {
		fake_nics[0].waiting = runs(0) ? 0 : 3;
		fake_fibers_run(time_ns() + NS_PER_MS);
	}
	fake_fibers_run(time_ns() + NS_PER_S / 2);
	assert_int_equal(fake_nics[1].given, 3);
	assert_int_equal(fake_nics[1].bytes, 60 + 61 + 62);
	assert_int_equal(fake_nics[1].last, 0x40);
	assert_non_null(fake_pair_find(0, "web")); /* the network may not have learned yet */
	fake_nics[0].waiting = 2;
	fake_fibers_run(time_ns() + 30 * NS_PER_S);
	assert_int_equal(fake_nics[1].given, 5);
	assert_moved();
	assert_int_equal(progress()->frames, 5);
	move_summary_text(progress(), text, sizeof(text));
	assert_non_null(strstr(text, "5 frames sent on to the guest"));
	assert_int_equal(fake_fibers_alive(), 0);
	finish();
}

static void test_no_such_network_there(void **state)
{
	fake_pair_reset();
	fake_pair_nic = true;
	vm = fake_pair_vm(MEMORY, true);
	before = NULL;
	strcpy(vm->cfg.nics[0].network, "dmz");
	start((struct migrate_options){0});
	fake_fibers_run(30 * NS_PER_S);
	assert_unmoved();
	assert_non_null(strstr(progress()->reason, "nic eth0 network"));
	finish();
}

static void test_verify_finds_a_difference(void **state)
{
	begin(true);
	fake_faults.rate = 8 * MiB;
	start((struct migrate_options){.verify = true});
	while (fake_stream_bytes[0] < MiB) /* page 0 is long there */
		fake_fibers_run(time_ns() + NS_PER_MS);
	*(uint8_t *)guest_mem_page(&fake_pair_find(1, "web")->mem, 0) ^= 1;
	fake_fibers_run(60 * NS_PER_S);
	assert_unmoved();
	assert_int_equal(progress()->err, -E_MISMATCH);
	assert_non_null(strstr(progress()->reason, "1 pages differ, the first is gfn 0x0"));
	assert_true(fake_skipped_ns > 0);
	finish();
}

static const struct check *find_check(const char *name)
{
	const struct check_list *l = migrate_checks(id);

	for (unsigned i = 0; l && i < l->count; i++)
		if (!strcmp(l->list[i].name, name))
			return &l->list[i];
	fail_msg("no check '%s'", name);
	return NULL;
}

/* Nothing moves, and the numbers are those of the fakes: 8 MiB/s, 1 ms a read, ten frames. */
static void test_audit(void **state)
{
	fake_pair_reset();
	fake_pair_nic = true;
	vm = fake_pair_vm(MEMORY, true);
	before = NULL;
	keep_memory();
	fake_faults.rate = 8 * MiB;
	start((struct migrate_options){.audit = true});
	fake_fibers_run(time_ns() + NS_PER_MS);
	assert_null(migrate_checks(id)); /* a list that is not complete is not shown */
	fake_fibers_run(30 * NS_PER_S);
	assert_true(progress()->done);
	assert_int_equal(progress()->err, 0);
	assert_true(runs(0));
	assert_null(fake_pair_find(1, "web"));
	assert_false(vm->dirty.on);
	assert_int_equal(fake_validated[0] + fake_validated[1], 0);
	assert_int_equal(migrate_checks(id)->failed, 0);
	assert_string_equal(find_check("link throughput")->target, "carries 8 MiB/s");
	assert_string_equal(find_check("disk vda read")->source, "1.00 ms, 62.5 MiB/s");
	assert_string_equal(find_check("disk vda read")->target, "0.10 ms to answer");
	assert_string_equal(find_check("disk vda flush")->source, "3.00 ms");
	assert_string_equal(find_check("nic eth0 load")->source, "10 frames/s, 1000 B/s");
	assert_string_equal(find_check("memory to send")->source, "1.3 MiB of 4 MiB are not zero");
	assert_string_equal(find_check("estimate: time")->target, "-");
	assert_int_equal(fake_fibers_alive(), 0);
	finish();
}

/* What --verify adds to the blackout is told, and allowed, as the move itself does. */
static void test_audit_with_verify(void **state)
{
	char plain[CHECK_VALUE_LEN];

	for (unsigned i = 0; i < 2; i++) {
		begin(true);
		fake_faults.rate = 8 * MiB;
		start((struct migrate_options){.audit = true, .verify = i});
		fake_fibers_run(30 * NS_PER_S);
		assert_int_equal(progress()->err, 0);
		if (i) {
			assert_string_not_equal(find_check("estimate: blackout")->source, plain);
			assert_string_not_equal(find_check("estimate: blackout")->target,
						"300.00 ms allowed");
		}
		strcpy(plain, find_check("estimate: blackout")->source);
		finish();
	}
}

/* A link that is faster than the clock tells: as many probes as the target takes, no more. */
static void test_audit_of_a_fast_link(void **state)
{
	begin(true);
	start((struct migrate_options){.audit = true});
	fake_fibers_run(30 * NS_PER_S);
	assert_true(progress()->done);
	assert_int_equal(progress()->err, 0);
	assert_true(fake_stream_bytes[0] < (STREAM_PROBES_MAX + 1) * STREAM_CHUNK);
	assert_true(fake_stream_bytes[0] > STREAM_PROBES_MAX * STREAM_CHUNK);
	finish();
}

static void test_audit_cancelled(void **state)
{
	begin(true);
	fake_faults.rate = 8 * MiB;
	start((struct migrate_options){.audit = true});
	fake_fibers_run(time_ns() + NS_PER_S / 2); /* it watches the guest */
	assert_true(vm->dirty.on);
	assert_int_equal(migrate_cancel_id(id), 0);
	fake_fibers_run(30 * NS_PER_S);
	assert_unmoved();
	finish();
}

static void test_wire_bytes(void **state)
{
	begin(false);
	keep_memory();
	start((struct migrate_options){0});
	fake_fibers_run(30 * NS_PER_S);
	assert_moved();
	/* 342 pages, VM description and CPU state aside, at 16 bytes a page or less */
	assert_true(fake_stream_bytes[0] < 342 * (PAGE_SIZE + 16) + 16 * KiB);
	finish();
}

static void test_moves_while_the_guest_writes(void **state)
{
	begin(true);
	fake_guest_writes = 3;
	fake_faults.rate = 20 * MiB;
	start((struct migrate_options){.verify = true, .max_downtime_ns = 15 * NS_PER_MS});
	fake_fibers_run(60 * NS_PER_S);
	assert_true(runs(1));
	assert_false(runs(0));
	assert_true(progress()->verified);
	assert_true(progress()->round > 1);
	finish();
}

static void test_gives_up_on_a_busy_guest(void **state)
{
	begin(true);
	fake_guest_writes = 40;
	fake_faults.rate = 1 * MiB;
	start((struct migrate_options){.max_downtime_ns = 40 * NS_PER_MS});
	fake_fibers_run(600 * NS_PER_S);
	assert_unmoved();
	assert_int_equal(progress()->err, -E_TIMEDOUT);
	finish();
}

static void test_paused_stays_paused(void **state)
{
	begin(true);
	vm->state = VM_PAUSED;
	start((struct migrate_options){0});
	fake_fibers_run(30 * NS_PER_S);
	assert_int_equal(fake_pair_find(1, "web")->state, VM_PAUSED);
	assert_null(fake_pair_find(0, "web"));
	finish();
}

static void test_boot_files_come_along(void **state)
{
	static uint8_t content[100000];

	begin(true);
	memset(content, 7, sizeof(content));
	fake_pair_add_file(0, "vms/web/vmlinuz", content, sizeof(content));
	keep_memory();
	start((struct migrate_options){0});
	fake_fibers_run(30 * NS_PER_S);
	assert_moved();
	assert_int_equal(fake_pair_files(1), 1);
	finish();
}

static void test_boot_file_under_another_name(void **state)
{
	static const uint8_t content[100] = "kernel", other[100] = "another";

	begin(true);
	fake_pair_add_file(0, "vms/web/vmlinuz", content, sizeof(content));
	fake_pair_add_file(1, "vms/web/vmlinuz", other, sizeof(other));
	fake_pair_add_file(1, "common/vmlinuz", content, sizeof(content));
	start((struct migrate_options){0});
	fake_fibers_run(30 * NS_PER_S);
	assert_string_equal(fake_pair_find(1, "web")->cfg.kernel, "common/vmlinuz");
	finish();
}

/* Kernel, initrd and modules; one file that is named twice goes once. */
static void test_modules_come_along(void **state)
{
	static uint8_t content[3][100] = {"kernel", "rd", "module"};
	const struct vm_config *cfg;

	begin(true);
	strcpy(vm->cfg.initrd, "vms/web/rd");
	vm->cfg.module_count = 3;
	strcpy(vm->cfg.modules[0].path, "vms/web/module");
	strcpy(vm->cfg.modules[0].args, "some args");
	strcpy(vm->cfg.modules[1].path, "vms/web/rd");
	strcpy(vm->cfg.modules[2].path, "vms/web/none");
	fake_pair_add_file(0, "vms/web/vmlinuz", content[0], 100);
	fake_pair_add_file(0, "vms/web/rd", content[1], 100);
	fake_pair_add_file(0, "vms/web/module", content[2], 100);
	start((struct migrate_options){0});
	fake_fibers_run(30 * NS_PER_S);
	assert_int_equal(fake_pair_files(1), 3);
	cfg = &fake_pair_find(1, "web")->cfg;
	assert_string_equal(cfg->modules[0].path, "vms/web/module");
	assert_string_equal(cfg->modules[0].args, "some args");
	assert_string_equal(cfg->modules[1].path, "vms/web/rd");
	finish();
}

/* A file here has the name of another there, and that one's content a third name. */
static void test_boot_files_with_names_exchanged(void **state)
{
	static const uint8_t kernel[100] = "kernel", rd[100] = "rd";
	const struct vm_config *cfg;

	begin(true);
	strcpy(vm->cfg.initrd, "vms/web/rd");
	vm->cfg.module_count = 1;
	strcpy(vm->cfg.modules[0].path, "vms/web/rd");
	fake_pair_add_file(0, "vms/web/vmlinuz", kernel, sizeof(kernel));
	fake_pair_add_file(0, "vms/web/rd", rd, sizeof(rd));
	fake_pair_add_file(1, "vms/web/rd", kernel, sizeof(kernel));
	fake_pair_add_file(1, "vms/web/vmlinuz", rd, sizeof(rd));
	start((struct migrate_options){0});
	fake_fibers_run(30 * NS_PER_S);
	cfg = &fake_pair_find(1, "web")->cfg;
	assert_string_equal(cfg->kernel, "vms/web/rd");
	assert_string_equal(cfg->initrd, "vms/web/vmlinuz");
	assert_string_equal(cfg->modules[0].path, "vms/web/vmlinuz");
	finish();
}

static void test_there_and_back(void **state)
{
	struct migrate_options opt = {.verify = true};

	begin(true);
	keep_memory();
	start(opt);
	fake_fibers_run(30 * NS_PER_S);
	assert_moved();
	fake_host = 1;
	assert_int_equal(migrate_start(fake_pair_find(1, "web"), peers_find("alpha"), &opt, &id),
			 0);
	fake_fibers_run(60 * NS_PER_S);
	assert_int_equal(migrate_progress(id)->err, 0);
	fake_host = 0;
	assert_true(runs(0));
	assert_null(fake_pair_find(1, "web"));
	assert_true(fake_pair_same(before, fake_pair_find(0, "web")));
	finish();
}

static void test_dry_run(void **state)
{
	begin(true);
	start((struct migrate_options){.dry_run = true});
	fake_fibers_run(30 * NS_PER_S);
	assert_true(runs(0));
	assert_null(fake_pair_find(1, "web"));
	assert_int_equal(progress()->err, 0);
	assert_int_equal(migrate_checks(id)->failed, 0);
	finish();
}

/* ---- it is refused ---- */

static void test_checks_refuse(void **state)
{
	begin(true);
	vm->cpuid.count = 2; /* shown a feature that beta lacks */
	start((struct migrate_options){0});
	fake_fibers_run(30 * NS_PER_S);
	assert_unmoved();
	assert_int_equal(progress()->err, -E_MISMATCH);
	assert_non_null(strstr(progress()->reason, "avx2"));
	finish();
}

static void test_another_storage_is_refused(void **state)
{
	begin(true);
	fake_storage.list[0][5] ^= 1; /* beta sees a list without our MAC */
	start((struct migrate_options){0});
	fake_fibers_run(30 * NS_PER_S);
	assert_unmoved();
	assert_non_null(strstr(progress()->reason, "disk vda is the same"));
	finish();
}

static void test_one_at_a_time(void **state)
{
	struct migrate_options opt = {0};
	uint32_t second;

	begin(true);
	vm->serving = true; /* it is being reset, which blocks */
	assert_int_equal(migrate_start(vm, peers_find("beta"), &opt, &second), -E_BUSY);
	vm->serving = false;
	start(opt);
	assert_int_equal(migrate_start(vm, peers_find("beta"), &opt, &second), -E_BUSY);
	fake_fibers_run(30 * NS_PER_S);
	finish();
}

static void test_bad_device_state_is_refused(void **state)
{
	begin(true);
	((uint32_t *)list_entry(vm->devices.next, struct vdev, node)->state)[0] = 1000001;
	start((struct migrate_options){0});
	fake_fibers_run(30 * NS_PER_S);
	assert_unmoved();
	assert_non_null(strstr(progress()->reason, "vtest 0 refuses"));
	finish();
}

/* ---- it is cancelled ---- */

static uint64_t cancel_at;

static void cancel_task(void *arg)
{
	struct vm *v;

	task_sleep_until(cancel_at);
	v = fake_pair_find(fake_host, "web");
	if (v)
		(void)!migrate_cancel(v);
}

static void cancel_by(int host)
{
	unsigned unmoved = 0, moved = 0;

	for (uint64_t at = 1; at < 400; at += 2) {
		begin(true);
		fake_faults.rate = 8 * MiB;
		cancel_at = time_ns() + at * 10 * NS_PER_MS;
		fake_host = host;
		assert_non_null(task_create("cancel", cancel_task, NULL));
		fake_host = 0;
		start((struct migrate_options){0});
		fake_fibers_run(60 * NS_PER_S);
		assert_int_equal(runs(0) + runs(1), 1);
		if (runs(0)) {
			assert_unmoved();
			unmoved++;
		} else {
			assert_null(fake_pair_find(0, "web"));
			moved++;
		}
		finish();
	}
	assert_true(unmoved > 20);
	assert_true(moved > 20);
}

static void test_cancel_at_the_source(void **state)
{
	cancel_by(0);
}

static void test_cancel_at_the_target(void **state)
{
	cancel_by(1);
}

/* ---- it is cut or damaged ---- */

/* Ends of alpha's records in an undisturbed move. */
/* Where the source's records end: COMMIT's is the last one counted, SETTLED's comes after it. */
static unsigned learn(bool shared, uint64_t *ends, unsigned room)
{
	unsigned n;

	begin(shared);
	start((struct migrate_options){.verify = true});
	fake_fibers_run(30 * NS_PER_S);
	n = MIN(fake_record_count, room);
	memcpy(ends, fake_record_ends, n * sizeof(*ends));
	finish();
	return n - 1;
}

static void one_copy(void)
{
	assert_int_equal(runs(0) + runs(1), 1);
	if (runs(0))
		assert_unmoved();
	else
		assert_null(fake_pair_find(0, "web"));
}

static void cut_everywhere(bool shared, bool partition)
{
	static uint64_t ends[4096];
	unsigned n = learn(shared, ends, ARRAY_SIZE(ends)), doubts = 0;
	struct vm *there;

	for (unsigned i = 0; i < 2 * (n + 1); i++) {
		begin(shared);
		/* at the boundary, and in the middle of the next record's header */
		fake_faults.cut_at = ends[i / 2] + (i & 1) * 5;
		start((struct migrate_options){.verify = true});
		fake_faults.cut_parts = partition;
		fake_fibers_run(120 * NS_PER_S);
		there = fake_pair_find(0, "web");
		if (there && there->state == VM_IN_DOUBT) {
			assert_true(partition && !shared);
			doubts++;
			fake_faults.partition = false; /* the target can be asked again */
			fake_fibers_run(240 * NS_PER_S);
		}
		one_copy();
		finish();
	}
	assert_int_equal(doubts > 0, partition && !shared);
}

static void test_cut_everywhere(void **state)
{
	cut_everywhere(true, false);
}

static void test_cut_without_arbiter(void **state)
{
	cut_everywhere(false, false);
}

static void test_partition(void **state)
{
	cut_everywhere(true, true);
}

static void test_partition_without_arbiter(void **state)
{
	cut_everywhere(false, true);
}

/* COMMITTED itself is lost: the storage says that the target has it. */
static void test_cut_the_answers(void **state)
{
	uint64_t total;

	begin(true);
	start((struct migrate_options){0});
	fake_fibers_run(30 * NS_PER_S);
	total = fake_stream_bytes[1];
	finish();
	for (uint64_t at = 0; at < total; at += at + 100 < total ? 97 : 1) {
		begin(true);
		fake_faults.cut_back_at = at;
		start((struct migrate_options){0});
		fake_fibers_run(120 * NS_PER_S);
		one_copy();
		finish();
	}
}

static void test_damage_everywhere(void **state)
{
	static uint64_t ends[4096];
	unsigned n = learn(true, ends, ARRAY_SIZE(ends));
	uint64_t start_of = 0;

	for (unsigned i = 0; i + 1 < n; start_of = ends[i++])
		for (unsigned where = 0; where < 20; where += 3) {
			uint64_t at = start_of + where;

			if (where >= 16) /* somewhere in the payload */
				at = start_of + 16 + (ends[i] - start_of - 16) / 2;
			if (at >= ends[i])
				continue;
			begin(true);
			fake_faults.flip_at = at;
			start((struct migrate_options){.verify = true});
			fake_fibers_run(120 * NS_PER_S);
			assert_unmoved();
			finish();
		}
}

/* ---- storage and hosts fail during commitment ---- */

/*
 * COMMIT arrives, nothing comes back, and the storage is away for so long; both hosts
 * ask it in turns. It hears one of them a while before the other, and that is enough
 * for both: they never hear each other again.
 */
static void storage_away_for(uint64_t ns, int first, const uint64_t *commit)
{
	begin(true);
	fake_faults.cut_at = commit[0];
	start((struct migrate_options){.verify = true});
	while (fake_stream_bytes[0] < commit[-1])
		fake_fibers_run(time_ns() + 50 * NS_PER_US);
	fake_faults.storage_silent_to = 1; /* before it can take the VM */
	while (fake_stream_bytes[0] < commit[0])
		fake_fibers_run(time_ns() + 50 * NS_PER_US);
	fake_faults.storage_silent = fake_faults.partition = true;
	fake_fibers_run(time_ns() + ns);
	assert_int_equal(runs(0) + runs(1), 0);
	assert_int_equal(vm->state, VM_IN_DOUBT);
	fake_faults.storage_silent = false;
	fake_faults.storage_silent_to = !first;
	fake_fibers_run(time_ns() + 2 * NS_PER_S);
	assert_true(runs(0) + runs(1) <= 1);
	fake_faults.storage_silent_to = -1;
	fake_fibers_run(time_ns() + 120 * NS_PER_S);
	one_copy(); /* and the other host has nothing left, in doubt or not */
}

/* It may return between any command and the look at the list. */
static void test_storage_silent_then_answers(void **state)
{
	static uint64_t ends[4096];
	unsigned n = learn(true, ends, ARRAY_SIZE(ends)), taken_back = 0;

	for (unsigned i = 0; i < 60; i++) {
		storage_away_for((30000 + 83 * i) * NS_PER_MS, i & 1, &ends[n - 1]);
		taken_back += runs(0);
		finish();
	}
	/* whoever is heard first has it, if he asks again while the other is not heard */
	assert_true(taken_back > 20 && taken_back < 40);
}

/*
 * The target runs the VM and switches it off again while the source hears nothing. An
 * empty list would accept the source's command: it must ask, and never run what is over.
 */
static void test_switched_off_before_the_source_knows(void **state)
{
	static uint64_t ends[4096];
	unsigned n = learn(true, ends, ARRAY_SIZE(ends));

	for (unsigned i = 0; i < 40; i++) { /* it hears again at any point of its attempts */
		begin(true);
		fake_faults.cut_at = ends[n - 1];
		start((struct migrate_options){.verify = true});
		while (fake_stream_bytes[0] < ends[n - 1])
			fake_fibers_run(time_ns() + 50 * NS_PER_US);
		fake_faults.partition = true;
		fake_faults.storage_silent_to = 0;
		fake_fibers_run(time_ns() + (30000 + 83 * i) * NS_PER_MS);
		assert_true(runs(1) && !runs(0));
		fake_pair_find(1, "web")->state = VM_OFF;
		fake_storage.count = 0;
		if (i & 1) /* as it must; else the token wrongly vouches for the list */
			fake_storage.config_len = 0;
		fake_faults.storage_silent_to = -1;
		fake_fibers_run(time_ns() + 30 * NS_PER_S);
		assert_false(runs(0));
		assert_int_equal(fake_storage.count, 0); /* nor was the list taken */
		fake_faults.partition = false;
		fake_fibers_run(time_ns() + 30 * NS_PER_S);
		assert_null(fake_pair_find(0, "web"));
		finish();
	}
}

/* Until COMMIT is with the target, which the storage does not hear yet; then the link is cut. */
static void run_to_commit(const uint64_t *commit)
{
	begin(true);
	fake_faults.cut_at = commit[0];
	start((struct migrate_options){.verify = true});
	while (fake_stream_bytes[0] < commit[-1])
		fake_fibers_run(time_ns() + 50 * NS_PER_US);
	fake_faults.storage_silent_to = 1;
	while (fake_stream_bytes[0] < commit[0])
		fake_fibers_run(time_ns() + 50 * NS_PER_US);
	assert_int_equal(fake_storage.count, 2);
}

/*
 * The target's commands are carried out, but the answers travel; at some point between, the
 * storage restarts, the source sees that it forgot, asks, and is promised the VM.
 */
static bool promise_after(uint64_t ns, const uint64_t *commit)
{
	run_to_commit(commit);
	fake_faults.storage_lag[1] = 10 * NS_PER_S;
	fake_faults.storage_silent_to = 0;
	fake_fibers_run(time_ns() + ns);
	fake_storage_restart();
	fake_faults.storage_silent_to = -1;
	fake_fibers_run(time_ns() + 120 * NS_PER_S);
	one_copy();
	return runs(0);
}

static void test_promise_is_kept(void **state)
{
	static uint64_t ends[4096];
	unsigned n = learn(true, ends, ARRAY_SIZE(ends)), promised = 0;

	for (uint64_t s = 0; s < 70; s++) { /* it looks, takes, looks: five answers */
		promised += promise_after(s * NS_PER_S, &ends[n - 1]);
		finish();
	}
	assert_true(promised > 40 && promised < 70); /* at last it runs there before that */
}

/* The list names both for ever, since the target's command is lost: it waits, and is fenced. */
static void test_command_that_takes_is_lost(void **state)
{
	static uint64_t ends[4096];
	unsigned n = learn(true, ends, ARRAY_SIZE(ends));

	run_to_commit(&ends[n - 1]);
	fake_faults.partition = true;
	fake_faults.storage_loses_sets_of = 1;
	fake_faults.storage_silent_to = 0;
	fake_fibers_run(time_ns() + 30 * NS_PER_S);
	assert_int_equal(runs(0) + runs(1), 0);
	fake_faults.storage_silent_to = -1;
	fake_fibers_run(time_ns() + 60 * NS_PER_S);
	assert_unmoved();
	finish();
}

/*
 * The target runs, the storage restarts, and a late frame of the source's names both on the list
 * again. Without the token that list says nothing: nobody takes the VM back by it.
 */
static void test_late_list_without_token(void **state)
{
	static uint64_t ends[4096];
	unsigned n = learn(true, ends, ARRAY_SIZE(ends));
	uint8_t both[2][ETH_ALEN];

	run_to_commit(&ends[n - 1]);
	memcpy(both, fake_storage.list, sizeof(both));
	fake_faults.partition = true;
	fake_faults.storage_silent_to = 0;
	fake_fibers_run(time_ns() + 30 * NS_PER_S);
	assert_true(runs(1) && !runs(0));
	fake_storage_restart();
	fake_storage.count = 2;
	memcpy(fake_storage.list, both, sizeof(both));
	fake_faults.storage_silent_to = 1;
	fake_fibers_run(time_ns() + 60 * NS_PER_S);
	assert_true(runs(1) && !runs(0));
	assert_int_equal(progress()->handover, HANDOVER_FORGOTTEN);
	fake_faults.partition = false;
	fake_fibers_run(time_ns() + 60 * NS_PER_S);
	one_copy();
	assert_true(runs(1));
	finish();
}

/* No shared disk would keep its source from starting it again after a restart: a note does. */
static void test_leaving_is_noted_before_commit(void **state)
{
	static uint64_t ends[4096];
	unsigned n = learn(false, ends, ARRAY_SIZE(ends));

	for (unsigned heard = 0; heard < 2; heard++) {
		begin(false);
		fake_faults.cut_at = ends[n - 1] - !heard; /* COMMIT arrives, or not wholly */
		fake_faults.cut_parts = true;
		start((struct migrate_options){.verify = true});
		fake_fibers_run(60 * NS_PER_S);
		assert_int_equal(vm->state, VM_IN_DOUBT);
		assert_true(marked[0]);
		fake_faults.partition = false;
		fake_fibers_run(120 * NS_PER_S);
		assert_int_equal(runs(1), heard);
		assert_int_equal(marked[0], heard); /* it is here again: so is its definition */
		finish();
	}
	begin(true);
	start((struct migrate_options){.verify = true});
	fake_fibers_run(60 * NS_PER_S);
	assert_true(runs(1));
	assert_int_equal(marks, 0); /* the storage decides: nothing is written while it stands */
	finish();
}

/* The frame that takes the VM back was doubled: carried out, then refused. Only the list counts. */
static void test_storage_doubles_commands(void **state)
{
	static uint64_t ends[4096];
	unsigned n = learn(true, ends, ARRAY_SIZE(ends));

	begin(true);
	fake_faults.storage_doubles = true;
	fake_faults.cut_at = ends[n - 1] - 1; /* COMMIT is not whole: the target discards */
	start((struct migrate_options){.verify = true});
	fake_faults.cut_parts = true;
	fake_fibers_run(120 * NS_PER_S);
	assert_unmoved();
	finish();
}

/*
 * After COMMIT the hosts never hear each other again, and one of them hears the storage
 * before the other does: its word is enough for both.
 */
static void storage_answers_first_to(int host)
{
	static uint64_t ends[4096];
	unsigned n = learn(true, ends, ARRAY_SIZE(ends));

	begin(true);
	fake_faults.cut_at = ends[n - 1];
	start((struct migrate_options){.verify = true});
	/* the target must not have taken it yet; the source must have offered it */
	while (fake_stream_bytes[0] < ends[host ? n - 1 : n - 2])
		fake_fibers_run(time_ns() + 50 * NS_PER_US);
	fake_faults.storage_silent_to = !host;
	while (fake_stream_bytes[0] < ends[n - 1])
		fake_fibers_run(time_ns() + 50 * NS_PER_US);
	fake_faults.partition = true;
	fake_fibers_run(120 * NS_PER_S);
	assert_true(runs(host));
	fake_faults.storage_silent_to = -1;
	fake_fibers_run(180 * NS_PER_S);
	assert_true(runs(host));
	one_copy(); /* and the other host has nothing left, in doubt or not */
	finish();
}

static void test_storage_answers_and_hosts_stay_apart(void **state)
{
	storage_answers_first_to(0);
	storage_answers_first_to(1);
}

/* The storage restarts after every number of commands; hosts can talk, the link was cut. */
static void restart_everywhere(bool cut)
{
	static uint64_t ends[4096];
	unsigned n = learn(true, ends, ARRAY_SIZE(ends)), commands;

	begin(true);
	start((struct migrate_options){.verify = true});
	fake_fibers_run(30 * NS_PER_S);
	commands = fake_storage.commands;
	finish();
	for (unsigned i = 0; i < commands + 4; i++) {
		begin(true);
		fake_faults.storage_restart_after = (int)i;
		if (cut)
			fake_faults.cut_at = ends[n - 1];
		start((struct migrate_options){.verify = true});
		fake_fibers_run(240 * NS_PER_S);
		one_copy();
		finish();
	}
}

static void test_storage_restarts(void **state)
{
	restart_everywhere(false);
}

static void test_storage_restarts_and_link_is_cut(void **state)
{
	restart_everywhere(true);
}

/* Neither host answers and the storage forgot: stays paused until the operator says. */
static void test_operator_decides(void **state)
{
	static uint64_t ends[4096];
	unsigned n = learn(true, ends, ARRAY_SIZE(ends));

	begin(true);
	fake_faults.cut_at = ends[n - 1] - 1; /* COMMIT is not whole: the target discards */
	start((struct migrate_options){.verify = true});
	while (fake_stream_bytes[0] < ends[n - 1] - 1)
		fake_fibers_run(time_ns() + 50 * NS_PER_US);
	fake_faults.partition = true;
	fake_storage_restart();
	fake_fibers_run(120 * NS_PER_S);
	assert_int_equal(runs(0) + runs(1), 0);
	assert_int_equal(progress()->handover, HANDOVER_FORGOTTEN);
	assert_int_equal(migrate_cancel(vm), -E_STATE);
	assert_int_equal(migrate_decide(vm, true), 0);
	fake_fibers_run(150 * NS_PER_S);
	assert_unmoved();
	finish();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_moves),
	    cmocka_unit_test(test_suspend_move),
	    cmocka_unit_test(test_audit),
	    cmocka_unit_test(test_audit_with_verify),
	    cmocka_unit_test(test_audit_cancelled),
	    cmocka_unit_test(test_audit_of_a_fast_link),
	    cmocka_unit_test(test_frames_follow),
	    cmocka_unit_test(test_no_such_network_there),
	    cmocka_unit_test(test_verify_finds_a_difference),
	    cmocka_unit_test(test_wire_bytes),
	    cmocka_unit_test(test_moves_while_the_guest_writes),
	    cmocka_unit_test(test_gives_up_on_a_busy_guest),
	    cmocka_unit_test(test_paused_stays_paused),
	    cmocka_unit_test(test_boot_files_come_along),
	    cmocka_unit_test(test_boot_file_under_another_name),
	    cmocka_unit_test(test_modules_come_along),
	    cmocka_unit_test(test_boot_files_with_names_exchanged),
	    cmocka_unit_test(test_there_and_back),
	    cmocka_unit_test(test_dry_run),
	    cmocka_unit_test(test_checks_refuse),
	    cmocka_unit_test(test_another_storage_is_refused),
	    cmocka_unit_test(test_one_at_a_time),
	    cmocka_unit_test(test_bad_device_state_is_refused),
	    cmocka_unit_test(test_cancel_at_the_source),
	    cmocka_unit_test(test_cancel_at_the_target),
	    cmocka_unit_test(test_cut_everywhere),
	    cmocka_unit_test(test_cut_without_arbiter),
	    cmocka_unit_test(test_partition),
	    cmocka_unit_test(test_partition_without_arbiter),
	    cmocka_unit_test(test_cut_the_answers),
	    cmocka_unit_test(test_damage_everywhere),
	    cmocka_unit_test(test_storage_silent_then_answers),
	    cmocka_unit_test(test_storage_answers_and_hosts_stay_apart),
	    cmocka_unit_test(test_switched_off_before_the_source_knows),
	    cmocka_unit_test(test_promise_is_kept),
	    cmocka_unit_test(test_command_that_takes_is_lost),
	    cmocka_unit_test(test_late_list_without_token),
	    cmocka_unit_test(test_storage_doubles_commands),
	    cmocka_unit_test(test_storage_restarts),
	    cmocka_unit_test(test_storage_restarts_and_link_is_cut),
	    cmocka_unit_test(test_leaving_is_noted_before_commit),
	    cmocka_unit_test(test_operator_decides),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
