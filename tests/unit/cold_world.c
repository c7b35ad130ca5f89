/* SPDX-License-Identifier: BSD-2-Clause */
/* Two hosts with datastores; see cold_world.h. */
#include <stdlib.h>
#include <string.h>

#include "kernel/rtc.h"
#include "kernel/lib/format.h"
#include "kernel/log.h"
#include "kernel/store/ds_disk.h"
#include "tests/unit/cold_world.h"
#include "vmm/vm_build.h"
#include "vmm/vm_log.h"
#include "vmm/vm_store.h"

#define SECTORS 8192 /* 4 MiB */
#define STORES	2
#define WORLD_HOST                                                                                 \
	(struct world_host)                                                                        \
	{                                                                                          \
		.off_at = -1, .fail_at = -1, .slow_at = -1, .flip_after = -1                       \
	}

struct world_host world_hosts[HOSTS];
bool world_started[HOSTS], world_no_store, world_no_vm;

static const char *const store_names[STORES] = {"main", "other"};
static uint8_t *media[HOSTS][STORES];
static uint8_t *raw_media[HOSTS];
static struct blkdev disks[HOSTS][STORES], raws[HOSTS];
static struct datastore *open_stores[HOSTS][STORES];
static struct store entries[HOSTS][STORES];
static uint8_t content[3][WORLD_DISK];
static uint32_t move_id;
static int move_from;
static struct datastore *old_stores[8192]; /* of hosts that were switched off */
static unsigned old_count, old_here;

/* ---- disks ---- */

static int write_now(struct world_host *h, int host, int *err)
{
	unsigned n = h->writes++;

	*err = 0;
	if (h->off_at >= 0 && n == (unsigned)h->off_at) {
		fake_pair_power_off(host);
		task_sleep_until(TIME_NEVER);
	}
	if (h->slow_at >= 0 && n == (unsigned)h->slow_at)
		task_sleep_until(time_ns() + 60 * NS_PER_S);
	if (h->fail_at >= 0 && n >= (unsigned)h->fail_at) {
		*err = -E_IO;
		return h->fail_lands;
	}
	return true;
}

static int ram(struct blkdev *bd, struct blk_request *rq, uint8_t *data, struct world_host *h,
	       int host)
{
	int err = blkdev_begin(bd, rq);
	bool lands = true;

	if (err)
		return err;
	if (h && rq->op != BLK_READ)
		lands = write_now(h, host, &err);
	if (rq->op == BLK_READ)
		blk_frags_write(rq, 0, data + rq->sector * SECTOR_SIZE, rq->sectors * SECTOR_SIZE);
	else if (rq->op == BLK_WRITE && lands)
		blk_frags_read(rq, 0, data + rq->sector * SECTOR_SIZE, rq->sectors * SECTOR_SIZE);
	if (h && rq->op == BLK_WRITE && rq->sectors == DS_CLUSTER / SECTOR_SIZE &&
	    h->flip_after >= 0 && !h->flip_after--)
		data[rq->sector * SECTOR_SIZE + 9] ^= 4;
	blkdev_end(bd, rq, err);
	return 0;
}

static int submit(struct blkdev *bd, struct blk_request *rq)
{
	for (int h = 0; h < HOSTS; h++) {
		if (bd == &raws[h])
			return ram(bd, rq, raw_media[h], NULL, h);
		for (int s = 0; s < STORES; s++)
			if (bd == &disks[h][s])
				return ram(bd, rq, media[h][s], &world_hosts[h], h);
	}
	return -E_INVAL;
}

static const struct blkdev_ops ops = {.submit = submit};

/* ---- what the rest of a host would do ---- */

uint64_t rtc_now(void)
{
	return 1000;
}

struct datastore *stores_find(const char *name)
{
	for (int s = 0; s < STORES; s++)
		if (!strcmp(name, store_names[s]))
			return open_stores[fake_host][s];
	return NULL;
}

struct datastore *stores_default(void)
{
	return open_stores[fake_host][0];
}

const struct store *stores_at(unsigned index)
{
	if (index >= STORES)
		return NULL;
	entries[fake_host][index].ds = open_stores[fake_host][index];
	return &entries[fake_host][index];
}

const char *stores_name(const struct datastore *ds)
{
	for (int s = 0; s < STORES; s++)
		if (ds == open_stores[fake_host][s])
			return store_names[s];
	return "?";
}

struct datastore *stores_holding(const char *object)
{
	struct ds_info info;

	for (int s = 0; s < STORES; s++)
		if (open_stores[fake_host][s] && !ds_find(open_stores[fake_host][s], object, &info))
			return open_stores[fake_host][s];
	return NULL;
}

struct datastore *stores_saved(const char *vm)
{
	return NULL;
}

struct blkdev *stores_disk(const struct datastore *ds)
{
	return NULL;
}

bool stores_use_disk(const struct blkdev *bd)
{
	return false;
}

unsigned world_holds[HOSTS];

void stores_hold(struct datastore *ds)
{
	world_holds[fake_host] += ds == stores_default();
}

void stores_release(struct datastore *ds)
{
	world_holds[fake_host] -= ds == stores_default();
}

bool log_next(uint64_t *cursor, struct log_line *out)
{
	return false;
}

const char *log_level_name(enum log_level level)
{
	return "info";
}

void console_printf(struct console *con, const char *fmt, ...)
{
}

int cpuid_policy_build(const char *hide, struct cpuid_policy *out, const char **bad)
{
	cpuid_policy_host(out);
	return 0;
}

int vm_start(struct vm *vm)
{
	assert_int_equal(vm->state, VM_OFF);
	world_started[fake_host] = true;
	return 0;
}

/* ---- tasks ---- */

static void (*job)(void);
static bool job_done;

static void job_task(void *arg)
{
	job();
	job_done = true;
}

void world_in_task(int host, void (*fn)(void))
{
	int was = fake_host;

	job = fn;
	job_done = false;
	fake_host = host;
	assert_non_null(task_create("test", job_task, NULL));
	fake_host = was;
	fake_fibers_run(time_ns() + 60 * NS_PER_S);
	assert_true(job_done);
}

void world_settle(uint64_t ns)
{
	fake_fibers_run(time_ns() + ns);
}

/* ---- starting ---- */

static void open_all(void)
{
	char why[160];

	for (int s = 0; s < STORES; s++) {
		if (world_no_store && fake_host)
			continue;
		assert_int_equal(ds_open(&disks[fake_host][s], fake_host ? "beta" : "alpha", false,
					 &open_stores[fake_host][s], why, sizeof(why)),
				 0);
	}
}

static void define_all(void)
{
	struct datastore *ds = stores_default();
	char name[VM_NAME_LEN], why[160];
	unsigned cursor = 0;
	struct vm *vm;

	while (ds && !vm_store_next(ds, &cursor, name))
		if (!vm_store_undefined(name))
			assert_int_equal(vm_store_define(name, &vm, why, sizeof(why)), 0);
}

static void boot(void)
{
	migrate_init();
	open_all();
	cold_finish_arrivals();
	define_all();
	cold_ask_about_leaving();
}

void world_boot(int host)
{
	world_in_task(host, boot);
}

void world_restart(int host)
{
	if (!(fake_hosts_down & (1u << host)))
		fake_pair_power_off(host);
	for (int s = 0; s < STORES; s++) {
		assert_true(old_count < ARRAY_SIZE(old_stores));
		old_stores[old_count++] = open_stores[host][s];
		open_stores[host][s] = NULL;
	}
	world_hosts[host] = WORLD_HOST;
	fake_pair_power_on(host);
	world_boot(host);
}

/* ---- the VM ---- */

static void fill(uint8_t *data, unsigned seed)
{
	memset(data, 0, WORLD_DISK);
	for (unsigned b = 0; b * DS_CLUSTER < WORLD_DISK; b += 2) /* every other block is a hole */
		memset(data + b * DS_CLUSTER, (int)(b + seed),
		       MIN(WORLD_DISK - b * DS_CLUSTER, DS_CLUSTER));
}

static void make_disk(void)
{
	struct ds_object *o;

	assert_int_equal(ds_create(stores_default(), "disk/web/vda", DS_DISK, WORLD_DISK, &o), 0);
	for (uint64_t at = 0; at < WORLD_DISK; at += 2 * DS_CLUSTER)
		assert_int_equal(ds_write(o, at, content[0] + at, MIN(WORLD_DISK - at, DS_CLUSTER)),
				 0);
	assert_int_equal(ds_commit(o), 0);
	ds_put(o);
	memcpy(raw_media[0], content[1], WORLD_DISK);
}

static bool with_shared;

static void make_vm(void)
{
	static struct vm_config cfg;
	char why[160];
	struct vm *vm;

	memset(&cfg, 0, sizeof(cfg));
	strcpy(cfg.name, "web");
	strcpy(cfg.kernel, "vms/web/vmlinuz");
	cfg.memory = SIZE_2M;
	cfg.vcpus = 1;
	cfg.weight = 100;
	cfg.uuid[0] = 9;
	cfg.disk_count = 2;
	strcpy(cfg.disks[0].name, "vda");
	strcpy(cfg.disks[0].local, "main");
	strcpy(cfg.disks[0].object, "disk/web/vda");
	cfg.disks[0].used = cfg.disks[0].in_store = 1;
	strcpy(cfg.disks[1].name, "vdb");
	strcpy(cfg.disks[1].local, "raw0");
	cfg.disks[1].used = 1;
	if (with_shared) {
		strcpy(cfg.disks[2].name, "vdc");
		cfg.disks[2].used = cfg.disks[2].shared = 1;
		cfg.disks[2].shelf = 1;
		cfg.disk_count = 3;
	}
	make_disk();
	assert_int_equal(vm_define(&cfg, &vm), 0);
	assert_int_equal(vm_store_keep(vm, why, sizeof(why)), 0);
	assert_int_equal(vm_log_add("web", "a line of its log\n", 18), 0);
}

static void format_all(void)
{
	for (int s = 0; s < STORES; s++) {
		uint8_t uuid[16] = {1, (uint8_t)fake_host, (uint8_t)s};

		assert_int_equal(ds_format(&disks[fake_host][s], store_names[s], uuid), 0);
	}
}

void world_reset(bool shared)
{
	static const uint8_t kernel[3000] = "kernel";

	fake_pair_reset();
	memset(world_holds, 0, sizeof(world_holds));
	with_shared = shared;
	world_no_store = false;
	for (int h = 0; h < HOSTS; h++) {
		world_hosts[h] = WORLD_HOST;
		world_started[h] = false;
		raw_media[h] = realloc(raw_media[h], WORLD_DISK);
		raws[h] = (struct blkdev){.ops = &ops, .sectors = WORLD_DISK / SECTOR_SIZE};
		strcpy(raws[h].name, h ? "raw1" : "raw0");
		if (!blkdev_find(raws[h].name))
			assert_int_equal(blkdev_register(&raws[h]), 0);
		for (int s = 0; s < STORES; s++) {
			media[h][s] = realloc(media[h][s], SECTORS * SECTOR_SIZE);
			memset(media[h][s], 0, SECTORS * SECTOR_SIZE);
			disks[h][s] = (struct blkdev){.ops = &ops, .sectors = SECTORS};
			open_stores[h][s] = NULL;
		}
	}
	for (unsigned d = 0; d < 3; d++)
		fill(content[d], 3 + 40 * d);
	for (int h = 0; h < HOSTS; h++) {
		world_in_task(h, format_all);
		world_boot(h);
	}
	fake_pair_add_file(0, "vms/web/vmlinuz", kernel, sizeof(kernel));
	if (!world_no_vm)
		world_in_task(0, make_vm);
	for (int h = 0; h < HOSTS; h++)
		world_hosts[h].writes = 0;
}

static void close_all(void)
{
	for (int s = 0; s < STORES; s++)
		if (open_stores[fake_host][s])
			assert_int_equal(ds_close(open_stores[fake_host][s]), 0);
}

/* Hosts that were switched off leave their memory behind. */
void world_free(void)
{
	for (int h = 0; h < HOSTS; h++)
		world_in_task(h, close_all);
	memset(open_stores, 0, sizeof(open_stores));
	fake_fibers_reset();
	fake_pair_free();
	if (old_count == old_here)
		assert_int_equal(fake_alloc_live, 0);
	old_here = old_count;
}

/* ---- moves ---- */

int world_wait(void)
{
	int was = fake_host, err;
	const struct move_progress *p;

	world_settle(60 * NS_PER_S);
	fake_host = move_from;
	p = migrate_progress(move_id);
	err = p && p->done ? p->err : -E_TIMEDOUT;
	fake_host = was;
	return err;
}

int world_move(int from, const char *to, struct migrate_options opt)
{
	struct peer peer = *peers_find(to);
	int was = fake_host, err;

	opt.cold = true;
	fake_host = move_from = from;
	err = migrate_start(fake_pair_find(from, "web"), &peer, &opt, &move_id);
	fake_host = was;
	return err ? err : world_wait();
}

const struct move_progress *world_progress(void)
{
	const struct move_progress *p;
	int was = fake_host;

	fake_host = move_from;
	p = migrate_progress(move_id);
	fake_host = was;
	return p;
}

/* ---- looking ---- */

static struct {
	const struct vm *vm;
	const char *store, *object;
	bool whole;
	uint64_t stored;
	char text[4096];
} look;

static bool same_disk(const struct vm_disk_config *d, unsigned index)
{
	static uint8_t data[WORLD_DISK];
	struct datastore *ds;
	struct ds_object *o;
	struct ds_info info;
	bool same;

	if (d->shared)
		return true;
	if (!d->in_store)
		return fake_host == (strcmp(d->local, "raw0") != 0) &&
		       !memcmp(raw_media[fake_host], content[index], WORLD_DISK);
	ds = stores_find(d->local);
	if (!ds || ds_get(ds, d->object, &o))
		return false;
	ds_object_info(o, &info);
	same = info.size == WORLD_DISK && !ds_read(o, 0, data, WORLD_DISK) &&
	       !memcmp(data, content[index], WORLD_DISK);
	ds_put(o);
	return same;
}

static void look_at_vm(void)
{
	look.whole = true;
	for (uint32_t i = 0; i < look.vm->cfg.disk_count; i++)
		look.whole &= same_disk(&look.vm->cfg.disks[i],
					(unsigned)(look.vm->cfg.disks[i].name[2] - 'a'));
}

bool world_has(int host, const char *vm)
{
	look.vm = fake_pair_find(host, vm);
	if (!look.vm || look.vm->state != VM_OFF || look.vm->move_under_way)
		return false;
	world_in_task(host, look_at_vm);
	return look.whole;
}

static void look_at_object(void)
{
	struct ds_object *o;
	struct ds_info info;

	look.text[0] = 0;
	look.whole = !ds_get(stores_find(look.store), look.object, &o);
	if (!look.whole)
		return;
	ds_object_info(o, &info);
	look.stored = info.stored;
	memset(look.text, 0, sizeof(look.text));
	assert_int_equal(ds_read(o, 0, look.text, MIN(info.size, sizeof(look.text) - 1)), 0);
	ds_put(o);
}

bool world_object(int host, const char *store, const char *object)
{
	look.store = store;
	look.object = object;
	world_in_task(host, look_at_object);
	return look.whole;
}

const char *world_text(int host, const char *store, const char *object)
{
	(void)world_object(host, store, object);
	return look.text;
}

uint64_t world_stored(int host, const char *store)
{
	struct ds_stat st;
	int was = fake_host;

	fake_host = host;
	ds_status(stores_find(store), &st);
	fake_host = was;
	return st.size - st.free;
}

static struct {
	unsigned disk;
	uint64_t at;
	uint8_t value;
} change;

static void write_byte(void)
{
	struct ds_object *o;

	content[change.disk][change.at] = change.value;
	if (change.disk) {
		raw_media[fake_host][change.at] = change.value;
		return;
	}
	assert_int_equal(ds_get(stores_default(), "disk/web/vda", &o), 0);
	assert_int_equal(ds_write(o, change.at, &change.value, 1), 0);
	ds_put(o);
	assert_int_equal(ds_sync(stores_default()), 0);
}

void world_write(int host, unsigned disk, uint64_t at, uint8_t value)
{
	change.disk = disk;
	change.at = at;
	change.value = value;
	world_in_task(host, write_byte);
}

static void check_all(void)
{
	char why[160] = "";

	for (int s = 0; s < STORES; s++)
		if (open_stores[fake_host][s] &&
		    ds_check(open_stores[fake_host][s], why, sizeof(why)))
			fail_msg("host %d store %d: %s", fake_host, s, why);
}

void world_check_stores(void)
{
	for (int h = 0; h < HOSTS; h++)
		world_in_task(h, check_all);
}
