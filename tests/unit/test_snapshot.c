/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Snapshots in a real datastore on a disk in memory: whatever fails, and whenever power is
 * lost, a snapshot is whole or not there, and a VM's disks are all of one moment or
 * refused until the same revert has run again.
 */
#include <stdlib.h>
#include <string.h>

#include "kernel/lib/format.h"
#include "kernel/rtc.h"
#include "kernel/store/ds_disk.h"
#include "migrate/save.h"
#include "migrate/snapshot.h"
#include "tests/unit/fake_disk.h"
#include "tests/unit/fake_pair.h"
#include "vmm/dev/vgenid.h"
#include "vmm/vm_store.h"

#define MEMORY	(4 * MiB)
#define SECTORS 16384 /* 8 MiB */
#define DISK	(1 * MiB)

static struct datastore *ds;
static struct vm *vm;
static uint8_t *before;
static uint32_t id;
static struct vgenid generation;
static unsigned renewed, kept;
static char why[160];

/* ---- what the rest of a host would do ---- */

uint64_t rtc_now(void)
{
	return 1764318000;
}

void vgenid_renew(struct vgenid *g)
{
	renewed++;
}

static struct store the_store = {.name = "main"};

const struct store *stores_at(unsigned index)
{
	the_store.ds = ds;
	return index ? NULL : &the_store;
}

struct datastore *stores_find(const char *name)
{
	if (!strcmp(name, "far0"))
		return (struct datastore *)&the_store; /* another than ds; not used */
	return strcmp(name, "main") ? NULL : ds;
}

struct blkdev *stores_disk(const struct datastore *s)
{
	return NULL;
}

const char *stores_name(const struct datastore *s)
{
	return "main";
}

static bool no_default;

struct datastore *stores_default(void)
{
	return no_default ? NULL : ds;
}

struct datastore *stores_holding(const char *object)
{
	struct ds_info info;

	return ds && !ds_find(ds, object, &info) ? ds : NULL;
}

bool stores_reverting(const char *name)
{
	char object[DS_NAME_LEN];

	ksnprintf(object, sizeof(object), REVERT_PREFIX "%s", name);
	return stores_holding(object);
}

static int holds;

void stores_hold(struct datastore *s)
{
	assert_ptr_equal(s, ds);
	holds++;
}

void stores_release(struct datastore *s)
{
	assert_ptr_equal(s, ds);
	holds--;
}

int vm_store_keep(const struct vm *v, char *w, size_t size)
{
	kept++;
	return 0;
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

struct blkdev *blkdev_find(const char *name)
{
	return NULL;
}

/* ---- the guest's disk: an object that is open while the VM is not off ---- */

#define OBJECT "disk/web/vdb"

static struct blkdev guest_disk = {.sectors = DISK / SECTOR_SIZE};
static struct ds_object *opened;

static void disk_configure(struct vm_disk_config *d)
{
	d->in_store = 1;
	strcpy(d->local, "main");
	strcpy(d->object, OBJECT);
}

static int disk_open(struct vm_disk *d, struct ds_object **received)
{
	assert_null(opened);
	d->blk = &guest_disk;
	return ds_get(ds, d->cfg.object, &opened);
}

static void disk_close(struct vm_disk *d)
{
	ds_put(opened);
	opened = NULL;
}

static void disk_guest(struct vm *v, bool stops)
{
}

static const struct fake_pair_disk store_disk = {disk_configure, disk_open, disk_close, disk_guest};

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
	assert_int_equal(fake_fibers_alive(), 0);
}

static void open_store(void)
{
	assert_int_equal(ds_open(&fake_disk, "alpha", false, &ds, why, sizeof(why)), 0);
}

static void close_store(void)
{
	assert_int_equal(ds_close(ds), 0);
	ds = NULL;
}

static void check_store(void)
{
	if (ds_check(ds, why, sizeof(why)))
		fail_msg("%s", why);
}

/* Each sector of a disk says which disk and which time. */
static const char *fill_object;
static uint8_t fill_with;

static void fill_disk(void)
{
	uint8_t *data = malloc(DISK);
	struct ds_object *o;
	struct ds_info info;

	if (ds_find(ds, fill_object, &info)) {
		assert_int_equal(ds_create(ds, fill_object, DS_DISK, DISK, &o), 0);
		assert_int_equal(ds_commit(o), 0);
		ds_put(o);
	}
	memset(data, fill_with, DISK);
	assert_int_equal(ds_get(ds, fill_object, &o), 0);
	assert_int_equal(ds_write(o, 0, data, DISK), 0);
	assert_int_equal(ds_sync(ds), 0);
	ds_put(o);
	free(data);
}

static void fill(const char *object, uint8_t with)
{
	fill_object = object;
	fill_with = with;
	in_task(fill_disk);
}

static int found;

static void read_disk(void)
{
	uint8_t *data = malloc(DISK);
	struct ds_object *o;

	found = -1;
	if (!ds_get(ds, fill_object, &o)) {
		assert_int_equal(ds_read(o, 0, data, DISK), 0);
		ds_put(o);
		found = data[0];
		for (unsigned i = 0; i < DISK; i++)
			assert_int_equal(data[i], data[0]);
	}
	free(data);
}

/* What the whole disk is filled with; -1: there is none. */
static int filled(const char *object)
{
	fill_object = object;
	in_task(read_disk);
	return found;
}

static void make_store(void)
{
	static const uint8_t uuid[16] = {1};

	assert_int_equal(ds_format(&fake_disk, "main", uuid), 0);
	open_store();
}

static void begin_on(uint64_t sectors)
{
	fake_pair_reset();
	fake_pair_rests = true;
	fake_disk_reset(sectors);
	renewed = kept = 0;
	no_default = false;
	fake_pair_vgenid = &generation;
	in_task(make_store);
}

static void note_memory(void)
{
	before = malloc(MEMORY);
	for (uint64_t i = 0; i < MEMORY / PAGE_SIZE; i++)
		memcpy(before + i * PAGE_SIZE, guest_mem_page(&vm->mem, i), PAGE_SIZE);
}

/* A guest that runs, with one disk full of 1. */
static void begin_running(void)
{
	begin_on(SECTORS);
	fill(OBJECT, 1);
	fake_pair_disk = &store_disk;
	vm = fake_pair_vm(MEMORY, false);
	note_memory();
}

static void add_disk(struct vm_config *c, const char *name, const char *object)
{
	struct vm_disk_config *d = &c->disks[c->disk_count++];

	strcpy(d->name, name);
	d->used = d->in_store = 1;
	strcpy(d->local, "main");
	strcpy(d->object, object);
}

static void define_off(void)
{
	struct vm_config c = {.memory = MEMORY, .vcpus = 1, .weight = 100};

	strcpy(c.name, "web");
	strcpy(c.kernel, "vms/web/vmlinuz");
	add_disk(&c, "vda", "disk/web/vda");
	add_disk(&c, "vdb", OBJECT);
	assert_int_equal(vm_define(&c, &vm), 0);
}

/* One that is off, with two disks full of 1. */
static void begin_off(void)
{
	begin_on(SECTORS);
	fill("disk/web/vda", 1);
	fill(OBJECT, 1);
	define_off();
}

static void finish(void)
{
	assert_int_equal(holds, 0);
	fake_pair_free();
	if (ds)
		in_task(close_store);
	fake_fibers_reset();
	fake_pair_disk = NULL;
	free(before);
	before = NULL;
	assert_int_equal(fake_alloc_live, 0);
}

static bool has(const char *object)
{
	return stores_holding(object);
}

/* Objects of snapshots, complete or not, and copies that a revert made. */
static unsigned leftovers(void)
{
	unsigned cursor = 0, n = 0;
	struct ds_info info;

	while (!ds_next(ds, &cursor, &info))
		n += !strncmp(info.name, "snap/", 5) || strstr(info.name, ".part");
	return n;
}

static int ended(void)
{
	fake_fibers_run(time_ns() + 60 * NS_PER_S);
	assert_true(migrate_progress(id)->done);
	assert_int_equal(fake_fibers_alive(), 0);
	return migrate_progress(id)->err;
}

static int take(const char *name, bool skip)
{
	int err;

	err = snapshot_start(vm, name, skip, &id, why, sizeof(why));
	return err ? err : ended();
}

static const char *revert_vm, *revert_name;
static bool revert_force;
static int revert_err;

static void revert_job(void)
{
	revert_err = revert_start(revert_vm, revert_name, revert_force, &id, why, sizeof(why));
}

static int revert(const char *name, bool force)
{
	revert_vm = "web";
	revert_name = name;
	revert_force = force;
	in_task(revert_job);
	if (!revert_err)
		revert_err = ended();
	vm = fake_pair_find(0, "web");
	return revert_err;
}

static const char *remove_name;
static int remove_err;

static void remove_job(void)
{
	remove_err = snapshot_remove("web", remove_name, why, sizeof(why));
}

static int remove_snapshot(const char *name)
{
	remove_name = name;
	in_task(remove_job);
	return remove_err;
}

/* ---- it works ---- */

static void change_guest(uint8_t with)
{
	*(uint64_t *)guest_mem_page(&vm->mem, 3) ^= with;
	fill(OBJECT, with);
}

static void test_of_a_running_guest(void **state)
{
	char text[400];

	begin_running();
	assert_int_equal(take("base", false), 0);
	move_summary_text(migrate_progress(id), text, sizeof(text));
	assert_non_null(strstr(text, "web: snapshot in store main"));
	assert_int_equal(vm->state, VM_RUNNING);
	assert_false(vm->move_under_way);
	assert_true(fake_pair_same(before, vm));
	assert_true(has("snap/web/base/vm.conf") && has("snap/web/base/vm.state"));
	assert_int_equal(leftovers(), 3);
	for (unsigned i = 0; i < 2; i++) {
		change_guest((uint8_t)(2 + i));
		assert_int_equal(filled("snap/web/base/vdb"), 1);
		vm_destroy(vm);
		assert_int_equal(revert("base", false), 0);
		assert_int_equal(vm->state, VM_RUNNING);
		assert_false(vm->serving || vm->move_under_way);
		assert_true(fake_pair_same(before, vm));
		assert_int_equal(filled(OBJECT), 1);
		assert_int_equal(renewed, i + 1);
		assert_int_equal(fake_validated[0], i + 1);
		assert_int_equal(leftovers(), 3);
		assert_false(stores_reverting("web"));
	}
	move_summary_text(migrate_progress(id), text, sizeof(text));
	assert_non_null(strstr(text, "web: reverted from store main"));
	in_task(check_store);
	finish();
}

static void test_force_takes_one_that_runs(void **state)
{
	begin_running();
	assert_int_equal(take("base", false), 0);
	change_guest(2);
	assert_int_equal(revert("base", false), -E_STATE);
	assert_non_null(strstr(why, "--force"));
	assert_int_equal(vm->state, VM_RUNNING);
	assert_int_equal(revert("base", true), 0);
	assert_true(fake_pair_same(before, vm));
	assert_int_equal(filled(OBJECT), 1);
	finish();
}

static void test_paused_stays_paused(void **state)
{
	begin_running();
	vm->state = VM_PAUSED;
	assert_int_equal(take("base", false), 0);
	assert_int_equal(vm->state, VM_PAUSED);
	change_guest(2);
	assert_int_equal(revert("base", true), 0);
	assert_int_equal(vm->state, VM_PAUSED);
	assert_true(fake_pair_same(before, vm));
	finish();
}

static void test_of_one_that_is_off(void **state)
{
	begin_off();
	assert_int_equal(take("base", false), 0);
	assert_int_equal(vm->state, VM_OFF);
	assert_int_equal(leftovers(), 3); /* two disks, no state */
	fill("disk/web/vda", 2);
	fill(OBJECT, 3);
	vm->cfg.memory = 2 * MEMORY;
	assert_int_equal(revert("base", false), 0);
	assert_int_equal(vm->state, VM_OFF);
	assert_false(vm->serving);
	assert_int_equal(vm->cfg.memory, MEMORY);
	assert_string_equal(vm->cfg.kernel, "vms/web/vmlinuz");
	assert_int_equal(filled("disk/web/vda"), 1);
	assert_int_equal(filled(OBJECT), 1);
	assert_int_equal(kept, 0);
	finish();
}

static void test_what_is_kept_is_kept_anew(void **state)
{
	begin_off();
	assert_int_equal(take("base", false), 0);
	fill("vm/web/vm.conf", 1);
	assert_int_equal(revert("base", false), 0);
	assert_int_equal(kept, 1);
	finish();
}

/* The VM went away, and its disks with it: what stayed is enough. */
static void test_back_from_nothing(void **state)
{
	begin_running();
	assert_int_equal(take("base", false), 0);
	vm_destroy(vm);
	assert_int_equal(vm_undefine(vm), 0);
	assert_int_equal(revert("base", false), -E_NOENT);
	assert_non_null(strstr(why, "not defined here"));
	assert_null(vm);
	assert_int_equal(revert("base", true), 0);
	assert_int_equal(vm->state, VM_RUNNING);
	assert_true(fake_pair_same(before, vm));
	finish();
}

/* ---- space ---- */

static uint64_t free_bytes(void)
{
	struct ds_stat st;

	ds_status(ds, &st);
	return st.free;
}

static struct snapshot listed;
static struct snapshot_size size;
static unsigned listed_count;

static void list_job(void)
{
	unsigned cursor = 0;

	listed_count = 0;
	snapshots_clean_if_idle();
	while (!snapshot_next(ds, &cursor, &listed)) {
		listed_count++;
		snapshot_measure(&listed, &size);
	}
}

static void test_space_is_shared(void **state)
{
	uint64_t at_first;

	begin_off();
	at_first = free_bytes();
	assert_int_equal(take("base", false), 0);
	assert_true(at_first - free_bytes() <= DS_CLUSTER); /* its configuration */
	in_task(list_job);
	assert_int_equal(listed_count, 1);
	assert_string_equal(listed.name, "base");
	assert_string_equal(listed.vm, "web");
	assert_string_equal(listed.host, "alpha");
	assert_int_equal(listed.taken_s, rtc_now());
	assert_int_equal(size.disks, 2);
	assert_int_equal(size.stored, 2 * DISK);
	assert_int_equal(size.own, 0);
	assert_false(size.state || size.lacking);
	fill("disk/web/vda", 2);
	in_task(list_job);
	assert_int_equal(size.own, DISK);
	assert_int_equal(remove_snapshot("base"), 0);
	assert_int_equal(free_bytes(), at_first);
	assert_int_equal(leftovers(), 0);
	assert_int_equal(remove_snapshot("base"), -E_NOENT);
	in_task(check_store);
	finish();
}

static void test_store_full(void **state)
{
	uint64_t was;

	begin_on(4096); /* less than memory and disk */
	fill(OBJECT, 1);
	fake_pair_disk = &store_disk;
	vm = fake_pair_vm(MEMORY, false);
	note_memory();
	was = free_bytes();
	assert_int_equal(take("base", false), -E_NOSPC);
	assert_non_null(strstr(migrate_progress(id)->reason, "store main has no room"));
	assert_int_equal(vm->state, VM_RUNNING);
	assert_int_equal(leftovers(), 0);
	assert_int_equal(free_bytes(), was);
	in_task(check_store);
	finish();
}

/* ---- it is refused ---- */

static void test_disks_elsewhere(void **state)
{
	begin_off();
	vm->cfg.disks[0].in_store = 0;
	strcpy(vm->cfg.disks[0].local, "ata0");
	assert_int_equal(take("base", false), -E_NOTSUP);
	assert_non_null(strstr(why, "disk vda is in no datastore (local disk ata0)"));
	assert_int_equal(take("base", true), 0);
	assert_int_equal(leftovers(), 2); /* the other disk */
	fill("disk/web/vda", 2);
	fill(OBJECT, 2);
	assert_int_equal(revert("base", false), 0);
	assert_int_equal(filled("disk/web/vda"), 2);
	assert_int_equal(filled(OBJECT), 1);
	finish();
}

/* Its memory would not fit the disk that is left out. */
static void test_no_memory_without_all_disks(void **state)
{
	begin_on(SECTORS);
	vm = fake_pair_vm(MEMORY, true);
	assert_int_equal(take("base", false), -E_NOTSUP);
	assert_non_null(strstr(why, "AoE target e1.0"));
	assert_int_equal(take("base", true), 0);
	assert_int_equal(vm->state, VM_RUNNING);
	assert_int_equal(leftovers(), 1);
	finish();
}

static void test_readonly_disk_is_shared_anyway(void **state)
{
	begin_off();
	vm->cfg.disks[0].readonly = 1;
	assert_int_equal(take("base", false), 0);
	assert_false(has("snap/web/base/vda"));
	assert_int_equal(revert("base", false), 0);
	finish();
}

static void test_names(void **state)
{
	begin_off();
	assert_int_equal(take("", false), -E_INVAL);
	assert_int_equal(take("a/b", false), -E_INVAL);
	assert_int_equal(take("a b", false), -E_INVAL);
	assert_int_equal(take("a123456789012345678901234567890x", false), -E_INVAL);
	assert_int_equal(take("a123456789012345678901234567890", false), 0);
	assert_int_equal(take("a123456789012345678901234567890", false), -E_EXIST);
	assert_int_equal(leftovers(), 3);
	assert_int_equal(take("b", false), 0);
	assert_int_equal(leftovers(), 6);
	assert_int_equal(revert("c", false), -E_NOENT);
	fill("leaving/web", 1);
	assert_int_equal(revert("b", true), -E_BUSY);
	finish();
}

/* What is snapshot, or moved, must be of one moment. */
static void test_half_reverted(void **state)
{
	struct migrate_options opt = {.backup = true, .cold = true};

	begin_off();
	fill("revert/web", 1);
	assert_int_equal(take("base", false), -E_STATE);
	assert_int_equal(migrate_start(vm, peers_find("beta"), &opt, &id), 0);
	assert_int_equal(ended(), -E_STATE);
	assert_non_null(strstr(migrate_progress(id)->reason, "'revert' again"));
	assert_int_equal(leftovers(), 0);
	finish();
}

static void test_states(void **state)
{
	begin_off();
	vm->serving = true;
	assert_int_equal(take("base", false), -E_BUSY);
	vm->serving = false;
	vm->state = VM_CRASHED;
	assert_int_equal(take("base", false), -E_STATE);
	vm->state = VM_OFF;
	no_default = true;
	assert_int_equal(take("base", false), -E_NOENT);
	no_default = false;
	assert_int_equal(leftovers(), 0);
	finish();
}

static void test_cancel(void **state)
{
	begin_running();
	assert_int_equal(snapshot_start(vm, "base", false, &id, why, sizeof(why)), 0);
	assert_int_equal(migrate_cancel_id(id), 0);
	assert_int_equal(ended(), -E_CANCELLED);
	assert_int_equal(vm->state, VM_RUNNING);
	assert_int_equal(leftovers(), 0);
	finish();
}

/* The disk is another VM's now, and in use: nothing changes, and no start is refused. */
static void test_disk_in_use(void **state)
{
	begin_off();
	assert_int_equal(take("base", false), 0);
	fill(OBJECT, 2);
	fill("disk/web/vda", 2);
	assert_int_equal(ds_get(ds, "disk/web/vda", &opened), 0);
	assert_int_equal(revert("base", false), -E_BUSY);
	assert_non_null(strstr(migrate_progress(id)->reason, "disk vda"));
	assert_false(stores_reverting("web"));
	fill("revert/web", 1); /* but one that was cut off before still must be run */
	assert_int_equal(revert("base", false), -E_BUSY);
	assert_true(stores_reverting("web"));
	disk_close(NULL);
	assert_int_equal(filled(OBJECT), 2);
	assert_int_equal(leftovers(), 3);
	assert_int_equal(revert("base", false), 0);
	finish();
}

static void remove_clone(void)
{
	assert_int_equal(ds_remove(ds, "snap/web/base/vdb"), 0);
}

static void test_lost_clone(void **state)
{
	begin_off();
	assert_int_equal(take("base", false), 0);
	in_task(remove_clone);
	fill("disk/web/vda", 2);
	in_task(list_job);
	assert_true(size.lacking);
	assert_int_equal(revert("base", false), -E_NOENT);
	assert_int_equal(filled("disk/web/vda"), 2);
	assert_false(stores_reverting("web"));
	finish();
}

/* ---- its configuration is not believed ---- */

static char conf[20 * KiB];
static size_t conf_len;

static void conf_read(void)
{
	struct ds_object *o;
	struct ds_info info;

	assert_int_equal(ds_get(ds, "snap/web/base/vm.conf", &o), 0);
	ds_object_info(o, &info);
	conf_len = info.size;
	assert_int_equal(ds_read(o, 0, conf, conf_len), 0);
	ds_put(o);
}

static void conf_write(void)
{
	struct ds_object *o;

	assert_int_equal(ds_create(ds, "snap/web/base/vm.conf", DS_FILE, 0, &o), 0);
	assert_int_equal(ds_write(o, 0, conf, conf_len), 0);
	assert_int_equal(ds_commit(o), 0);
	ds_put(o);
}

static void heads(const char *head, uint64_t taken_s, const char *host)
{
	char *rest = strdup(strchr(conf, '\n'));

	conf_len = (size_t)ksnprintf(conf, sizeof(conf), "%s%s", head, rest);
	free(rest);
	in_task(conf_write);
	in_task(list_job);
	assert_int_equal(listed_count, 1);
	assert_int_equal(listed.taken_s, taken_s);
	assert_string_equal(listed.host, host);
}

/* The store of that name here is not the one that the other host cloned the disk in. */
static void test_of_another_host(void **state)
{
	begin_off();
	assert_int_equal(take("base", false), 0);
	in_task(conf_read);
	memcpy(strstr(conf, "store main") + 6, "far0", 4);
	memcpy(strstr(conf, "at alpha"), "at alphb", 8);
	in_task(conf_write);
	assert_int_equal(revert("base", false), -E_NOENT);
	assert_non_null(strstr(migrate_progress(id)->reason, "it was taken at host 'alphb'"));
	assert_int_equal(remove_snapshot("base"), -E_NOENT);
	assert_int_equal(leftovers(), 3);
	finish();
}

/* Its copy's name would be too long: nothing is cut. */
static void test_long_object(void **state)
{
	begin_off();
	memset(vm->cfg.disks[0].object, 'a', 92);
	fill(vm->cfg.disks[0].object, 2);
	fill("snap/web/base/vda", 3); /* of one whose configuration was lost */
	assert_int_equal(take("base", false), 0);
	assert_int_equal(filled("snap/web/base/vda"), 2);
	assert_int_equal(revert("base", false), -E_RANGE);
	assert_int_equal(leftovers(), 3);
	finish();
}

static void make_half(void)
{
	assert_int_equal(ds_rename(ds, "snap/web/base/vm.conf", "snap/web/base/vm.conf.new"), 0);
}

static void test_half_ones_go_before_the_next(void **state)
{
	begin_off();
	assert_int_equal(take("base", false), 0);
	in_task(make_half);
	assert_int_equal(take("other", false), 0);
	assert_int_equal(leftovers(), 3);
	assert_true(has("snap/web/other/vm.conf"));
	finish();
}

static void test_strange_configurations(void **state)
{
	begin_off();
	assert_int_equal(take("base", false), 0);
	in_task(conf_read);
	heads("# taken 7 at beta", 7, "beta");
	assert_string_equal(listed.cfg.name, "web");
	assert_int_equal(revert("base", false), 0); /* all in its own store: any host may */
	heads("# taken 7x at beta", 0, "beta");
	heads("# taken 7 on beta", 0, "");
	heads("# taken 7 at a2345678901234567890123456789012", 0, "");
	heads("# taken", 0, "");
	heads("", 0, "");
	for (unsigned i = 0; i < conf_len; i++) {
		conf[i] ^= 0x15;
		in_task(conf_write);
		in_task(list_job);
		assert_int_equal(listed_count, 1);
		conf[i] ^= 0x15;
	}
	conf_len = sizeof(conf); /* with what is unread: longer than any */
	in_task(conf_write);
	in_task(list_job);
	assert_string_equal(listed.cfg.name, "");
	conf_len = 0;
	in_task(conf_write);
	in_task(list_job);
	assert_string_equal(listed.cfg.name, "");
	assert_true(revert("base", false) < 0);
	assert_int_equal(vm->state, VM_OFF);
	assert_false(vm->serving);
	finish();
}

/* ---- it fails, or power is lost ---- */

static void test_taking_fails_at_each_step(void **state)
{
	unsigned n;

	for (n = 0;; n++) {
		int err;

		begin_running();
		fake_disk_fail = (int)n;
		err = take("base", false);
		fake_disk_fail = -1;
		assert_int_equal(vm->state, VM_RUNNING);
		assert_true(fake_pair_same(before, vm));
		if (!err) {
			finish();
			break;
		}
		in_task(list_job);
		assert_int_equal(listed_count, 0);
		assert_int_equal(leftovers(), 0);
		assert_int_equal(take("base", false), 0);
		in_task(check_store);
		finish();
	}
	assert_true(n > 5);
}

static void reopen(void)
{
	in_task(open_store);
	in_task(check_store);
}

/* At each write: listed and whole, or nothing is left of it. */
static void test_power_cut_in_taking(void **state)
{
	unsigned total, whole = 0, none = 0;

	begin_running();
	fake_trace_start();
	assert_int_equal(take("base", false), 0);
	total = fake_trace_count;
	vm_destroy(vm);
	in_task(close_store);
	for (unsigned cut = 0; cut <= total; cut += cut > 80 && cut + 80 < total ? 37 : 1) {
		fake_disk_crash(cut, cut % 4, cut % 2);
		reopen();
		in_task(list_job);
		if (listed_count) {
			whole++;
			assert_false(size.lacking);
			fill(OBJECT, 2);
			assert_int_equal(revert("base", false), 0);
			assert_int_equal(vm->state, VM_RUNNING);
			assert_true(fake_pair_same(before, vm));
			vm_destroy(vm);
		} else {
			none++;
			assert_int_equal(leftovers(), 0);
		}
		assert_int_equal(filled(OBJECT), 1);
		in_task(check_store);
		in_task(close_store);
	}
	assert_true(whole > 0 && none > 10);
	fake_trace_stop();
	finish();
}

/* The disks are all old, or all new, or a start is refused; the same revert mends it. */
static void assert_one_moment(void)
{
	int a = filled("disk/web/vda"), b = filled(OBJECT);

	assert_true(a == 1 || a == 2);
	assert_true(b == 1 || b == 2);
	assert_true(a == b || stores_reverting("web"));
}

static void test_power_cut_in_reverting(void **state)
{
	unsigned total, refused = 0;

	begin_off();
	assert_int_equal(take("base", false), 0);
	fill("disk/web/vda", 2);
	fill(OBJECT, 2);
	in_task(close_store);
	in_task(open_store);
	fake_trace_start();
	assert_int_equal(revert("base", false), 0);
	total = fake_trace_count;
	in_task(close_store);
	for (unsigned cut = 0; cut <= total; cut++) {
		fake_disk_crash(cut, cut % 4, cut % 2);
		reopen();
		assert_one_moment();
		refused += stores_reverting("web");
		assert_int_equal(revert("base", false), 0);
		assert_int_equal(filled("disk/web/vda"), 1);
		assert_int_equal(filled(OBJECT), 1);
		assert_false(stores_reverting("web"));
		assert_int_equal(leftovers(), 3);
		in_task(check_store);
		in_task(close_store);
	}
	assert_true(refused > 0);
	fake_trace_stop();
	finish();
}

static void test_reverting_fails_at_each_step(void **state)
{
	unsigned n, refused = 0;

	for (n = 0;; n++) {
		int err;

		begin_off();
		assert_int_equal(take("base", false), 0);
		fill("disk/web/vda", 2);
		fill(OBJECT, 2);
		fake_disk_fail = (int)n;
		err = revert("base", false);
		fake_disk_fail = -1;
		assert_int_equal(vm->state, VM_OFF);
		assert_false(vm->serving);
		assert_one_moment();
		refused += stores_reverting("web");
		assert_int_equal(revert("base", false), 0);
		assert_int_equal(filled("disk/web/vda"), 1);
		assert_int_equal(filled(OBJECT), 1);
		assert_int_equal(leftovers(), 3);
		finish();
		if (!err)
			break;
	}
	assert_true(n > 5 && refused > 0);
}

static void test_power_cut_in_removing(void **state)
{
	unsigned total;

	begin_off();
	assert_int_equal(take("base", false), 0);
	in_task(close_store);
	in_task(open_store);
	fake_trace_start();
	assert_int_equal(remove_snapshot("base"), 0);
	total = fake_trace_count;
	in_task(close_store);
	for (unsigned cut = 0; cut <= total; cut++) {
		fake_disk_crash(cut, cut % 4, cut % 2);
		reopen();
		in_task(list_job);
		assert_int_equal(leftovers(), listed_count ? 3 : 0);
		assert_false(listed_count && size.lacking);
		in_task(close_store);
	}
	fake_trace_stop();
	finish();
}

/* ---- before a move ---- */

static int move_with_backup(void)
{
	struct migrate_options opt = {.backup = true, .dirty = DIRTY_AUTO};

	assert_int_equal(migrate_start(vm, peers_find("beta"), &opt, &id), 0);
	return ended();
}

static void test_backup_and_move(void **state)
{
	begin_on(SECTORS);
	vm = fake_pair_vm(MEMORY, false);
	note_memory();
	assert_int_equal(take("before-move-1", false), 0);
	assert_int_equal(move_with_backup(), 0);
	assert_null(fake_pair_find(0, "web"));
	assert_int_equal(fake_pair_find(1, "web")->state, VM_RUNNING);
	assert_true(has("snap/web/before-move-2/vm.state"));
	assert_int_equal(migrate_progress(id)->kind, MOVE_HOT);
	assert_string_equal(migrate_progress(id)->peer, "beta");
	fake_pair_find(1, "web")->state = VM_PAUSED; /* two at once are no matter here */
	assert_int_equal(revert("before-move-2", true), 0);
	assert_true(fake_pair_same(before, vm));
	finish();
}

static void test_no_backup_no_move(void **state)
{
	begin_on(2560); /* memory does not fit */
	vm = fake_pair_vm(MEMORY, false);
	note_memory();
	assert_int_equal(move_with_backup(), -E_NOSPC);
	assert_non_null(strstr(migrate_progress(id)->reason, "not backed up, so not moved: store"));
	assert_int_equal(vm->state, VM_RUNNING);
	assert_false(vm->move_under_way);
	assert_true(fake_pair_same(before, vm));
	assert_null(fake_pair_find(1, "web"));
	assert_int_equal(leftovers(), 0);
	finish();
}

static void test_dry_run_takes_none(void **state)
{
	struct migrate_options opt = {.backup = true, .dry_run = true, .dirty = DIRTY_AUTO};

	begin_on(SECTORS);
	vm = fake_pair_vm(MEMORY, false);
	assert_int_equal(migrate_start(vm, peers_find("beta"), &opt, &id), 0);
	assert_int_equal(ended(), 0);
	assert_int_equal(leftovers(), 0);
	finish();
}

static void test_backup_cancelled(void **state)
{
	struct migrate_options opt = {.backup = true, .dirty = DIRTY_AUTO};

	begin_on(SECTORS);
	vm = fake_pair_vm(MEMORY, false);
	assert_int_equal(migrate_start(vm, peers_find("beta"), &opt, &id), 0);
	assert_int_equal(migrate_cancel_id(id), 0);
	assert_int_equal(ended(), -E_CANCELLED);
	assert_int_equal(vm->state, VM_RUNNING);
	assert_int_equal(leftovers(), 0);
	finish();
}

/* The disk is the storage's business; the definition is there. */
static void test_backup_of_shared_disks(void **state)
{
	begin_on(SECTORS);
	vm = fake_pair_vm(MEMORY, true);
	assert_int_equal(move_with_backup(), 0);
	assert_int_equal(fake_pair_find(1, "web")->state, VM_RUNNING);
	assert_int_equal(leftovers(), 1);
	finish();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_of_a_running_guest),
	    cmocka_unit_test(test_force_takes_one_that_runs),
	    cmocka_unit_test(test_paused_stays_paused),
	    cmocka_unit_test(test_of_one_that_is_off),
	    cmocka_unit_test(test_what_is_kept_is_kept_anew),
	    cmocka_unit_test(test_back_from_nothing),
	    cmocka_unit_test(test_space_is_shared),
	    cmocka_unit_test(test_store_full),
	    cmocka_unit_test(test_disks_elsewhere),
	    cmocka_unit_test(test_no_memory_without_all_disks),
	    cmocka_unit_test(test_readonly_disk_is_shared_anyway),
	    cmocka_unit_test(test_names),
	    cmocka_unit_test(test_half_reverted),
	    cmocka_unit_test(test_states),
	    cmocka_unit_test(test_cancel),
	    cmocka_unit_test(test_disk_in_use),
	    cmocka_unit_test(test_lost_clone),
	    cmocka_unit_test(test_of_another_host),
	    cmocka_unit_test(test_half_ones_go_before_the_next),
	    cmocka_unit_test(test_long_object),
	    cmocka_unit_test(test_strange_configurations),
	    cmocka_unit_test(test_taking_fails_at_each_step),
	    cmocka_unit_test(test_power_cut_in_taking),
	    cmocka_unit_test(test_power_cut_in_reverting),
	    cmocka_unit_test(test_reverting_fails_at_each_step),
	    cmocka_unit_test(test_power_cut_in_removing),
	    cmocka_unit_test(test_backup_and_move),
	    cmocka_unit_test(test_no_backup_no_move),
	    cmocka_unit_test(test_dry_run_takes_none),
	    cmocka_unit_test(test_backup_cancelled),
	    cmocka_unit_test(test_backup_of_shared_disks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
