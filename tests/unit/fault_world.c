/* SPDX-License-Identifier: BSD-2-Clause */
/* Faults that strike at a log line; see fault_world.h. */
#include <stdlib.h>
#include <string.h>

#include "kernel/store/ds_disk.h"
#include "tests/unit/fault_world.h"
#include "vmm/dev/vgenid.h"
#include "vmm/vm_store.h"

#define MEMORY SIZE_2M
#define CHUNK  (64 * KiB)

unsigned fault_lines;
char fault_line[256];

static enum fault armed;
static unsigned strikes_at;
static uint64_t last_ns;
static int last_host;
static uint8_t memory[MEMORY], disk[WORLD_DISK];
static struct ds_object *ballast[HOSTS];

void vgenid_renew(struct vgenid *g)
{
}

/* ---- the VM's disk ---- */

static void configure(struct vm_disk_config *cfg)
{
	cfg->in_store = 1;
	strcpy(cfg->local, "main");
	strcpy(cfg->object, FAULT_DISK);
}

static int open_disk(struct vm_disk *d, struct ds_object **received)
{
	int err;

	if (!received || !*received)
		return ds_disk_open(stores_find(d->cfg.local), d->cfg.object, false, &d->blk);
	err = ds_disk_receive(*received, &d->blk);
	if (!err)
		*received = NULL;
	return err;
}

static void close_disk(struct vm_disk *d)
{
	ds_disk_close(d->blk);
}

static void no_writes(struct vm *vm, bool stops)
{
}

static const struct fake_pair_disk store_disk = {configure, open_disk, close_disk, no_writes};

static void make_disk(void)
{
	struct ds_info info;
	struct ds_object *o;

	if (!ds_find(stores_default(), FAULT_DISK, &info))
		return;
	for (uint64_t at = 0; at < WORLD_DISK; at += 4 * DS_CLUSTER)
		memset(disk + at, (int)(at / DS_CLUSTER + 5), MIN(WORLD_DISK - at, DS_CLUSTER));
	assert_int_equal(ds_create(stores_default(), FAULT_DISK, DS_DISK, WORLD_DISK, &o), 0);
	for (uint64_t at = 0; at < WORLD_DISK; at += 4 * DS_CLUSTER)
		assert_int_equal(ds_write(o, at, disk + at, MIN(WORLD_DISK - at, DS_CLUSTER)), 0);
	assert_int_equal(ds_commit(o), 0);
	ds_put(o);
}

/* ---- faults ---- */

static void fill_store(int host, const char *store)
{
	static const uint8_t data[CHUNK] = {1};
	uint64_t at = 0;
	int was = fake_host;
	struct datastore *ds;

	fake_host = host;
	ds = stores_find(store);
	fake_host = was;
	if (!ds || ballast[host])
		return;
	assert_int_equal(ds_create(ds, "ballast", DS_FILE, 0, &ballast[host]), 0);
	while (!ds_write(ballast[host], at, data, sizeof(data)))
		at += sizeof(data);
}

static void power_off(int host)
{
	fake_pair_power_off(host);
	if (fake_host == host)
		task_sleep_until(TIME_NEVER);
}

static void strike(void)
{
	switch (armed) {
	case FAULT_SOURCE_DIES:
		power_off(0);
		break;
	case FAULT_TARGET_DIES:
		power_off(1);
		break;
	case FAULT_BOTH_DIE:
		fake_pair_power_off(0);
		fake_pair_power_off(1);
		task_sleep_until(TIME_NEVER);
		break;
	case FAULT_LINK_CUT:
		fake_pair_cut(false);
		break;
	case FAULT_LINK_PARTS:
		fake_pair_cut(true);
		break;
	case FAULT_SOURCE_FULL:
		fill_store(0, "main");
		break;
	case FAULT_TARGET_FULL:
		fill_store(1, "main");
		break;
	case FAULT_SOURCE_FAILS:
		world_hosts[0].fail_at = 0;
		break;
	case FAULT_TARGET_FAILS:
		world_hosts[1].fail_at = 0;
		break;
	default:
		break;
	}
}

/*
 * Every line that a move writes: those of both hosts, in their order. Lines of one host at one
 * moment are one step.
 */
static void on_line(const char *line)
{
	if (strncmp(line, "migrate: ", 9) && strncmp(line, "save: ", 6) &&
	    strncmp(line, "restore: ", 9))
		return;
	if (time_ns() == last_ns && fake_host == last_host)
		return;
	last_ns = time_ns();
	last_host = fake_host;
	if (fault_lines++ != strikes_at || armed == FAULT_NONE)
		return;
	strncpy(fault_line, line, sizeof(fault_line) - 1);
	strike();
}

void fault_arm(enum fault fault, unsigned at)
{
	armed = fault;
	strikes_at = at;
	fault_lines = 0;
	last_ns = TIME_NEVER;
	memset(fault_line, 0, sizeof(fault_line));
	fake_log_hook = on_line;
}

static int mended_host;

static void drop_ballast(void)
{
	ds_put(ballast[mended_host]);
	ballast[mended_host] = NULL;
}

void fault_mend(void)
{
	armed = FAULT_NONE;
	fake_faults.partition = false;
	for (int h = 0; h < HOSTS; h++) {
		world_hosts[h].fail_at = -1;
		mended_host = h;
		if (fake_hosts_down & (1u << h))
			ballast[h] = NULL; /* forgotten with the rest of its memory */
		else
			world_in_task(h, drop_ballast);
	}
	for (int h = 0; h < HOSTS; h++)
		if (fake_hosts_down & (1u << h))
			world_restart(h);
	world_settle(300 * NS_PER_S);
}

/* ---- begin and end ---- */

void fault_world_begin(void)
{
	world_no_vm = true;
	world_reset(false);
	world_no_vm = false;
	fake_pair_disk = &store_disk;
	fake_pair_rests = true; /* clocks are test_move.c's matter */
	memset(disk, 0, sizeof(disk));
	memset(ballast, 0, sizeof(ballast));
}

/* As if it had been defined on the console: a restart of the host defines it again. */
static void keep(void)
{
	char why[160];

	assert_int_equal(vm_store_keep(vm_find("web"), why, sizeof(why)), 0);
}

void fault_world_run_vm(int host, bool shared)
{
	struct vm *vm;

	fault_forget_vm(host);
	world_in_task(host, make_disk);
	fake_host = host;
	vm = fake_pair_vm(MEMORY, shared);
	fake_host = 0;
	for (uint64_t i = 0; i < MEMORY / PAGE_SIZE; i++)
		memcpy(memory + i * PAGE_SIZE, guest_mem_page(&vm->mem, i), PAGE_SIZE);
	world_in_task(host, keep);
}

static void forget(void)
{
	struct vm *vm = vm_find("web");

	if (!vm)
		return;
	vm->move_under_way = false;
	if (vm->state != VM_OFF)
		vm_destroy(vm);
	assert_int_equal(vm_undefine(vm), 0);
}

void fault_forget_vm(int host)
{
	world_in_task(host, forget);
}

void fault_world_end(void)
{
	fake_log_hook = NULL;
	for (int h = 0; h < HOSTS; h++)
		fault_forget_vm(h);
	world_settle(NS_PER_S);
	world_free();
}

/* ---- looking ---- */

static bool disk_whole;
static const char *disk_name;

static void look_at_disk(void)
{
	static uint8_t data[WORLD_DISK];
	struct ds_object *o;
	struct ds_info info;

	disk_whole = false;
	if (ds_get(stores_default(), disk_name, &o))
		return;
	ds_object_info(o, &info);
	assert_int_equal(info.size, WORLD_DISK);
	assert_int_equal(ds_read(o, 0, data, WORLD_DISK), 0);
	assert_true(!memcmp(data, disk, WORLD_DISK)); /* what has the name is whole */
	disk_whole = true;
	ds_put(o);
}

bool fault_lives(int host)
{
	struct vm *vm = fake_pair_find(host, "web");

	return vm && vm->state != VM_OFF;
}

bool fault_has_disk(int host)
{
	disk_name = FAULT_DISK;
	world_in_task(host, look_at_disk);
	if (disk_whole || !fault_lives(host))
		return disk_whole;
	/* one that could not get its name, but came before the VM runs: docs/local-disks.md */
	disk_name = FAULT_DISK DS_PART_SUFFIX;
	world_in_task(host, look_at_disk);
	return disk_whole;
}

bool fault_defined(int host)
{
	return fake_pair_find(host, "web") != NULL;
}

bool fault_has(int host, const char *object)
{
	return world_object(host, "main", object);
}

bool fault_runs(int host)
{
	struct vm *vm = fake_pair_find(host, "web");

	if (!vm || (vm->state != VM_RUNNING && vm->state != VM_PAUSED))
		return false;
	assert_false(vm->move_under_way);
	assert_true(fake_pair_same(memory, vm));
	return fault_has_disk(host);
}

static struct {
	const char *object;
} removed;

static void remove_object(void)
{
	(void)!ds_remove(stores_default(), removed.object);
	assert_int_equal(ds_sync(stores_default()), 0);
}

void fault_remove(int host, const char *object)
{
	removed.object = object;
	world_in_task(host, remove_object);
}
