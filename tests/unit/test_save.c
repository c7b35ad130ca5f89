/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * VMs saved in a real datastore on a disk in memory and restored, at either of two hosts
 * (fake_pair.h): whatever fails, the guest runs on or is whole in the store, never both.
 */
#include <stdlib.h>
#include <string.h>

#include "kernel/lib/format.h"
#include "kernel/rtc.h"
#include "kernel/store/ds_disk.h"
#include "kernel/store/stores.h"
#include "migrate/save.h"
#include "tests/unit/fake_disk.h"
#include "tests/unit/fake_pair.h"
#include "vmm/dev/vgenid.h"

#define MEMORY	(4 * MiB)
#define SECTORS 16384 /* 8 MiB */

static struct datastore *ds;
static struct vm *vm;
static uint8_t *before;
static uint32_t id;
static uint64_t wall;
static struct vgenid generation;
static unsigned renewed;
static uint64_t disk_digest;

/* ---- what the rest of a host would do ---- */

uint64_t rtc_now(void)
{
	return wall;
}

void vgenid_renew(struct vgenid *g)
{
	renewed++;
}

struct datastore *stores_find(const char *name)
{
	return strcmp(name, "main") ? NULL : ds;
}

struct datastore *stores_holding(const char *object)
{
	return NULL;
}

struct blkdev *stores_disk(const struct datastore *s)
{
	return NULL;
}

const char *stores_name(const struct datastore *s)
{
	return "main";
}

/* No disk is copied here. */
struct datastore *stores_default(void)
{
	return ds;
}

struct ds_object *ds_disk_object(struct blkdev *bd)
{
	return NULL;
}

int ds_disk_keep(struct blkdev *bd)
{
	return -E_NOTSUP;
}

int ds_disk_commit(struct blkdev *bd)
{
	return -E_NOTSUP;
}

void ds_disk_give_up(struct blkdev *bd)
{
}

static int holds;

void stores_hold(struct datastore *s)
{
	holds++;
}

void stores_release(struct datastore *s)
{
	holds--;
}

struct blkdev *blkdev_find(const char *name)
{
	return NULL;
}

/* ---- tasks: the store's calls block ---- */

static void (*job)(void);

static void job_task(void *arg)
{
	job();
}

static void in_task(void (*fn)(void))
{
	job = fn;
	assert_non_null(task_create("test", job_task, NULL));
	fake_fibers_run(time_ns() + 30 * NS_PER_S);
}

static void open_store(void)
{
	char why[160];

	assert_int_equal(ds_open(&fake_disk, "alpha", false, &ds, why, sizeof(why)), 0);
}

static void close_store(void)
{
	assert_int_equal(ds_close(ds), 0);
	ds = NULL;
}

static void make_store(void)
{
	static const uint8_t uuid[16] = {1};

	assert_int_equal(ds_format(&fake_disk, "main", uuid), 0);
	open_store();
}

static void check_store(void)
{
	char why[160];

	assert_int_equal(ds_check(ds, why, sizeof(why)), 0);
}

static void begin_on(uint64_t sectors, bool shared)
{
	fake_pair_reset();
	fake_pair_rests = true;
	fake_disk_reset(sectors);
	wall = 1000;
	renewed = 0;
	fake_pair_vgenid = &generation;
	in_task(make_store);
	vm = fake_pair_vm(MEMORY, shared);
	before = malloc(MEMORY);
	for (uint64_t i = 0; i < MEMORY / PAGE_SIZE; i++)
		memcpy(before + i * PAGE_SIZE, guest_mem_page(&vm->mem, i), PAGE_SIZE);
}

static void finish(void)
{
	assert_int_equal(holds, 0);
	if (ds)
		in_task(close_store);
	fake_fibers_reset();
	fake_pair_free();
	free(before);
	assert_int_equal(fake_alloc_live, 0);
}

static bool has(const char *object)
{
	struct ds_info info;

	return !ds_find(ds, object, &info);
}

static int save(void)
{
	assert_int_equal(save_start(vm, ds, &id), 0);
	fake_fibers_run(time_ns() + 60 * NS_PER_S);
	assert_true(migrate_progress(id)->done);
	assert_int_equal(fake_fibers_alive(), 0);
	return migrate_progress(id)->err;
}

static int restore(int host, struct restore_options opt)
{
	int err;

	fake_host = host;
	err = restore_start("web", ds, &opt, &id);
	if (!err) {
		fake_fibers_run(time_ns() + 60 * NS_PER_S);
		fake_host = host;
		assert_true(migrate_progress(id)->done);
		assert_int_equal(fake_fibers_alive(), 0);
		err = migrate_progress(id)->err;
	}
	fake_host = 0;
	return err;
}

static void assert_goes_on(void)
{
	assert_int_equal(vm->state, VM_RUNNING);
	assert_false(vm->move_under_way);
	assert_true(fake_pair_same(before, vm));
	if (vm->disk_count) {
		assert_int_equal(fake_storage.count, 1);
		assert_memory_equal(fake_storage.list[0], vm->disks[0].owner_mac, 6);
	}
}

static void assert_off(void)
{
	assert_ptr_equal(fake_pair_find(0, "web"), vm);
	assert_int_equal(vm->state, VM_OFF);
	assert_false(vm->move_under_way);
	assert_true(has("saved/web"));
}

static void assert_runs(int host)
{
	struct vm *there = fake_pair_find(host, "web");

	assert_non_null(there);
	assert_int_equal(there->state, VM_RUNNING);
	assert_false(there->move_under_way);
	assert_true(fake_pair_same(before, there));
	assert_int_equal(there->clock.frozen_tsc, 123456789);
	assert_true(fake_validated[host] > 0);
}

/* ---- it works ---- */

static void test_save_and_restore_here(void **state)
{
	char text[400];

	uint8_t own[6];

	begin_on(SECTORS, true);
	memcpy(own, vm->disks[0].owner_mac, sizeof(own));
	assert_int_equal(save(), 0);
	assert_off();
	move_summary_text(migrate_progress(id), text, sizeof(text));
	assert_non_null(strstr(text, "web: saved in store main"));
	/* parked: nobody's MAC */
	assert_int_equal(fake_storage.count, 1);
	assert_memory_not_equal(fake_storage.list[0], own, sizeof(own));
	wall += 3 * 86400;
	assert_int_equal(restore(0, (struct restore_options){.again = false}), 0);
	assert_runs(0);
	assert_int_equal(fake_skipped_ns, 3 * 86400 * NS_PER_S);
	assert_false(has("saved/web"));
	assert_true(has("used/web"));
	assert_memory_equal(fake_storage.list[0], fake_pair_find(0, "web")->disks[0].owner_mac, 6);
	assert_true(fake_pair_find(0, "web")->disks[0].owned);
	assert_int_equal(renewed, 0);
	in_task(check_store);
	finish();
}

static void test_restore_at_the_other_host(void **state)
{
	static const uint8_t kernel[] = "a kernel";

	begin_on(SECTORS, true);
	fake_pair_add_file(0, "vms/web/vmlinuz", kernel, sizeof(kernel));
	assert_int_equal(save(), 0);
	assert_int_equal(restore(1, (struct restore_options){.again = false}), 0);
	assert_runs(1);
	assert_int_equal(fake_pair_files(1), 1); /* its kernel came with it */
	finish();
}

/* A file that is here already is passed over, whole. */
static void test_files_that_are_here(void **state)
{
	static const uint8_t kernel[] = "a kernel";

	begin_on(SECTORS, false);
	fake_pair_add_file(0, "vms/web/vmlinuz", kernel, sizeof(kernel));
	assert_int_equal(save(), 0);
	assert_int_equal(restore(0, (struct restore_options){.again = false}), 0);
	assert_runs(0);
	assert_int_equal(fake_pair_files(0), 1);
	finish();
}

static void test_paused_stays_paused(void **state)
{
	begin_on(SECTORS, false);
	vm->state = VM_PAUSED;
	assert_int_equal(save(), 0);
	assert_int_equal(restore(0, (struct restore_options){.again = false}), 0);
	assert_int_equal(fake_pair_find(0, "web")->state, VM_PAUSED);
	finish();
}

/* ---- once ---- */

static void test_used_once(void **state)
{
	begin_on(SECTORS, false);
	assert_int_equal(save(), 0);
	assert_int_equal(restore(1, (struct restore_options){.again = false}), 0);
	assert_int_equal(restore(0, (struct restore_options){.again = false}), -E_EXIST);
	assert_int_equal(vm->state, VM_OFF);
	assert_int_equal(renewed, 0);
	fake_pair_find(1, "web")->state = VM_PAUSED; /* two at once are no matter here */
	assert_int_equal(restore(0, (struct restore_options){.again = true}), 0);
	assert_runs(0);
	assert_int_equal(renewed, 1);
	assert_true(has("used/web"));
	finish();
}

static void test_newer_state_goes_first(void **state)
{
	begin_on(SECTORS, false);
	assert_int_equal(save(), 0);
	assert_int_equal(restore(0, (struct restore_options){.again = false}), 0);
	vm = fake_pair_find(0, "web");
	assert_int_equal(save(), 0);
	assert_true(has("saved/web") && has("used/web"));
	assert_int_equal(restore(0, (struct restore_options){.again = true}), 0);
	assert_false(has("saved/web")); /* the one that waits, not the used one */
	assert_true(has("used/web"));
	finish();
}

/* ---- disks that changed ---- */

static void refused_unless_forced(void)
{
	struct vm *there;

	assert_int_equal(restore(1, (struct restore_options){.again = false}), -E_MISMATCH);
	fake_host = 1;
	assert_non_null(strstr(migrate_progress(id)->reason, "disk vda unchanged"));
	fake_host = 0;
	assert_null(fake_pair_find(1, "web"));
	assert_true(has("saved/web"));
	assert_int_equal(restore(1, (struct restore_options){.force = true}), 0);
	there = fake_pair_find(1, "web");
	assert_int_equal(there->state, VM_RUNNING);
	assert_memory_equal(fake_storage.list[0], there->disks[0].owner_mac, 6);
}

static void test_disk_taken_meanwhile(void **state)
{
	begin_on(SECTORS, true);
	assert_int_equal(save(), 0);
	memset(fake_storage.list[0], 0x22, 6);
	refused_unless_forced();
	finish();
}

static void test_second_owner_on_the_list(void **state)
{
	begin_on(SECTORS, true);
	assert_int_equal(save(), 0);
	fake_storage.count = 2;
	refused_unless_forced();
	finish();
}

static void test_storage_restarted(void **state)
{
	begin_on(SECTORS, true);
	assert_int_equal(save(), 0);
	fake_storage_restart();
	refused_unless_forced();
	finish();
}

static void make_disk(void)
{
	struct ds_object *o;

	assert_int_equal(ds_create(ds, "disk/web/vda", DS_DISK, 1 * MiB, &o), 0);
	assert_int_equal(ds_write(o, 5000, "contents", 8), 0);
	assert_int_equal(ds_commit(o), 0);
	ds_put(o);
}

static struct stream_offer offer;
static struct stream_facts facts;

static void look(void)
{
	uint64_t sectors;

	assert_int_equal(save_disk_digest(&offer.cfg.disks[0], &sectors, &disk_digest), 0);
	assert_int_equal(sectors, 2048);
	restore_look_at_disks(&offer, &facts, true);
}

static void write_disk(void)
{
	struct ds_object *o;

	assert_int_equal(ds_get(ds, "disk/web/vda", &o), 0);
	assert_int_equal(ds_write(o, 900000, "more", 4), 0);
	ds_put(o);
}

/* What a disk in the store contains is told by its digest. */
static void test_store_disk(void **state)
{
	uint64_t first;

	begin_on(SECTORS, false);
	in_task(make_disk);
	memset(&offer, 0, sizeof(offer));
	memset(&facts, 0, sizeof(facts));
	offer.cfg.disk_count = 1;
	offer.cfg.disks[0].in_store = 1;
	strcpy(offer.cfg.disks[0].local, "main");
	strcpy(offer.cfg.disks[0].object, "disk/web/vda");
	in_task(look);
	first = disk_digest;
	assert_int_equal(facts.disks[0].digest, first);
	assert_int_equal(facts.disks[0].sectors, 2048);
	in_task(write_disk);
	in_task(look);
	assert_int_not_equal(disk_digest, first);
	strcpy(offer.cfg.disks[0].local, "other");
	restore_look_at_disks(&offer, &facts, true);
	assert_int_equal(facts.disks[0].err, -E_NOENT);
	finish();
}

/* ---- it fails, and the guest goes on ---- */

static void test_store_full(void **state)
{
	struct ds_stat was, is;

	begin_on(2560, true); /* less than the guest's pages */
	ds_status(ds, &was);
	assert_int_equal(save(), -E_NOSPC);
	assert_non_null(strstr(migrate_progress(id)->reason, "store main has no room"));
	assert_goes_on();
	ds_status(ds, &is);
	assert_int_equal(is.free, was.free);
	assert_false(has("saved/web"));
	in_task(check_store);
	finish();
}

static void test_cancel(void **state)
{
	begin_on(SECTORS, true);
	assert_int_equal(save_start(vm, ds, &id), 0);
	assert_int_equal(migrate_cancel_id(id), 0);
	fake_fibers_run(time_ns() + 60 * NS_PER_S);
	assert_int_equal(migrate_progress(id)->err, -E_CANCELLED);
	assert_goes_on();
	assert_false(has("saved/web"));
	finish();
}

static void test_guest_ends_itself(void **state)
{
	begin_on(SECTORS, false);
	vm->poweroff_requested = true;
	assert_int_equal(save(), -E_STATE);
	assert_false(has("saved/web"));
	finish();
}

static void test_storage_silent(void **state)
{
	begin_on(SECTORS, true);
	fake_faults.storage_silent = true;
	assert_int_equal(save(), -E_TIMEDOUT);
	assert_int_equal(vm->state, VM_RUNNING);
	assert_false(has("saved/web"));
	fake_faults.storage_silent = false;
	assert_int_equal(save(), 0);
	finish();
}

/* A disk that fails at any of its writes or flushes: nobody has half a state. */
static void test_store_fails_at_each_step(void **state)
{
	unsigned n;

	for (n = 0;; n++) {
		int err;

		begin_on(SECTORS, true);
		fake_disk_fail = (int)n;
		err = save();
		fake_disk_fail = -1;
		if (!err)
			assert_off();
		else
			assert_goes_on();
		if (err)
			assert_false(has("saved/web"));
		finish();
		if (!err)
			break;
	}
	assert_true(n > 3);
}

/* The step that decides fails: the state waits as before, its disks are parked as before. */
static void test_restore_fails_at_each_step(void **state)
{
	struct vm *there;
	uint8_t parked[6];
	unsigned n;
	int err;

	for (n = 0;; n++) {
		begin_on(SECTORS, true);
		assert_int_equal(save(), 0);
		memcpy(parked, fake_storage.list[0], sizeof(parked));
		fake_disk_fail = (int)n;
		err = restore(0, (struct restore_options){.again = false});
		fake_disk_fail = -1;
		there = fake_pair_find(0, "web");
		if (!err)
			break;
		assert_int_equal(there->state, VM_OFF);
		assert_memory_equal(fake_storage.list[0], parked, sizeof(parked));
		in_task(close_store);
		in_task(open_store);
		assert_true(has("saved/web") || has("used/web"));
		finish();
	}
	assert_int_equal(there->state, VM_RUNNING);
	assert_true(n > 0);
	finish();
}

/* Power is lost at any write while a second state is saved: the first is there, or the second. */
static void test_power_cut(void **state)
{
	unsigned total;

	begin_on(SECTORS, false);
	assert_int_equal(save(), 0);
	assert_int_equal(restore(0, (struct restore_options){.again = false}), 0);
	vm = fake_pair_find(0, "web");
	assert_int_equal(save(), 0);
	assert_int_equal(restore(0, (struct restore_options){.again = false}), 0);
	vm = fake_pair_find(0, "web");
	in_task(close_store);
	in_task(open_store);
	fake_trace_start();
	assert_int_equal(save(), 0);
	total = fake_trace_count;
	in_task(close_store);
	assert_true(total > 100);
	for (unsigned cut = 0; cut <= total; cut += cut + 40 < total ? 37 : 1) {
		fake_disk_crash(cut, cut % 4, cut % 2);
		in_task(open_store);
		in_task(check_store);
		if (cut == total)
			assert_true(has("saved/web"));
		if (has("saved/web"))
			assert_int_equal(restore(0, (struct restore_options){.again = false}), 0);
		assert_true(has("used/web"));
		if (fake_pair_find(0, "web")->state == VM_RUNNING) {
			assert_runs(0);
			fake_pair_find(0, "web")->gave_away = true;
			vm_destroy(fake_pair_find(0, "web"));
		}
		in_task(close_store);
	}
	fake_trace_stop();
	finish();
}

/* ---- what comes out of a store is not believed ---- */

static uint64_t flip_at;

static void flip(void)
{
	struct ds_object *o;
	uint8_t b;

	assert_int_equal(ds_get(ds, "saved/web", &o), 0);
	assert_int_equal(ds_read(o, flip_at, &b, 1), 0);
	b ^= 0x40;
	assert_int_equal(ds_write(o, flip_at, &b, 1), 0);
	ds_put(o);
}

static uint64_t saved_size(void)
{
	struct ds_info info;

	assert_int_equal(ds_find(ds, "saved/web", &info), 0);
	return info.size;
}

static void test_damage(void **state)
{
	uint64_t size;

	begin_on(SECTORS, true);
	assert_int_equal(save(), 0);
	size = saved_size();
	for (uint64_t at = 0; at < size; at += size / 61) {
		flip_at = at;
		in_task(flip);
		assert_true(restore(0, (struct restore_options){.again = false}) < 0);
		vm = fake_pair_find(0, "web");
		assert_off();
		in_task(flip);
	}
	assert_int_equal(restore(0, (struct restore_options){.again = false}), 0);
	assert_runs(0);
	finish();
}

static uint64_t cut_size;

static void cut_object(void)
{
	uint8_t *all = malloc(cut_size);
	struct ds_object *from, *to;

	assert_int_equal(ds_get(ds, "saved/web", &from), 0);
	assert_int_equal(ds_read(from, 0, all, cut_size), 0);
	assert_int_equal(ds_create(ds, "saved/web", DS_SAVED, 0, &to), 0);
	assert_int_equal(ds_write(to, 0, all, cut_size), 0);
	assert_int_equal(ds_commit(to), 0);
	ds_put(to);
	ds_put(from);
	free(all);
}

static void test_truncated(void **state)
{
	begin_on(SECTORS, true);
	assert_int_equal(save(), 0);
	while ((cut_size = saved_size() * 3 / 4) > 10) {
		in_task(cut_object);
		assert_int_equal(restore(0, (struct restore_options){.again = false}), -E_CLOSED);
		vm = fake_pair_find(0, "web");
		assert_off();
	}
	finish();
}

static void rename_object(void)
{
	assert_int_equal(ds_rename(ds, "saved/web", "saved/db"), 0);
}

static void test_of_another_vm(void **state)
{
	struct restore_options opt = {.again = false};

	begin_on(SECTORS, false);
	assert_int_equal(save(), 0);
	in_task(rename_object);
	assert_int_equal(restore(0, opt), -E_NOENT);
	assert_int_equal(restore_start("db", ds, &opt, &id), 0);
	fake_fibers_run(time_ns() + 60 * NS_PER_S);
	assert_int_equal(migrate_progress(id)->err, -E_MISMATCH);
	assert_null(fake_pair_find(0, "db"));
	finish();
}

static void test_one_that_runs_here(void **state)
{
	begin_on(SECTORS, false);
	assert_int_equal(restore(0, (struct restore_options){.again = true}), -E_STATE);
	assert_int_equal(save(), 0);
	vm->move_under_way = true;
	assert_int_equal(restore(0, (struct restore_options){.again = true}), -E_BUSY);
	vm->move_under_way = false;
	finish();
}

/* A host's clock that is wrong must not throw the guest's centuries ahead, or back. */
static void test_wrong_clock(void **state)
{
	begin_on(SECTORS, false);
	assert_int_equal(save(), 0);
	fake_skipped_ns = 7;
	wall = 10;
	assert_int_equal(restore(0, (struct restore_options){.again = false}), 0);
	assert_int_equal(fake_skipped_ns, 7);
	fake_pair_find(0, "web")->state = VM_PAUSED; /* two at once are no matter here */
	wall = 1ull << 40;
	assert_int_equal(restore(1, (struct restore_options){.again = true}), 0);
	assert_int_equal(fake_skipped_ns, 7);
	finish();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_save_and_restore_here),
	    cmocka_unit_test(test_restore_at_the_other_host),
	    cmocka_unit_test(test_files_that_are_here),
	    cmocka_unit_test(test_paused_stays_paused),
	    cmocka_unit_test(test_used_once),
	    cmocka_unit_test(test_newer_state_goes_first),
	    cmocka_unit_test(test_disk_taken_meanwhile),
	    cmocka_unit_test(test_second_owner_on_the_list),
	    cmocka_unit_test(test_storage_restarted),
	    cmocka_unit_test(test_store_disk),
	    cmocka_unit_test(test_store_full),
	    cmocka_unit_test(test_cancel),
	    cmocka_unit_test(test_guest_ends_itself),
	    cmocka_unit_test(test_storage_silent),
	    cmocka_unit_test(test_store_fails_at_each_step),
	    cmocka_unit_test(test_restore_fails_at_each_step),
	    cmocka_unit_test(test_power_cut),
	    cmocka_unit_test(test_damage),
	    cmocka_unit_test(test_truncated),
	    cmocka_unit_test(test_of_another_vm),
	    cmocka_unit_test(test_one_that_runs_here),
	    cmocka_unit_test(test_wrong_clock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
