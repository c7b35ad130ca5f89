/* SPDX-License-Identifier: BSD-2-Clause */
/* Datastores in memory; see fake_ds.h. */
#include <stdlib.h>
#include <string.h>

#include "kernel/store/ds_disk.h"
#include "kernel/store/stores.h"
#include "tests/unit/fake_ds.h"

#define OBJECTS 4
#define BLOCKS	((FAKE_DS_SIZE + DS_CLUSTER - 1) / DS_CLUSTER)
#define PENDING 8

enum state { GONE, TEMP, PART, LIVE };

struct ds_object {
	char name[DS_NAME_LEN];
	enum state state;
	int host;
	unsigned handles;
	bool stored[BLOCKS];
	_Alignas(8) uint8_t data[FAKE_DS_SIZE];
};

struct datastore {
	int host;
};

struct disk {
	struct blkdev bd;
	struct ds_object *o;
	bool received, kept, given_up;
};

struct fake_ds_faults fake_ds_faults;
uint8_t fake_ds_plain[FAKE_DS_SIZE];
unsigned fake_ds_guest_writes;
bool fake_ds_from_store;
unsigned fake_ds_data_reads;

static struct datastore stores[HOSTS] = {{0}, {1}};
static struct ds_object objects[HOSTS][OBJECTS];
static struct blkdev plain = {.name = "ata0", .sectors = FAKE_DS_SIZE / SECTOR_SIZE};

static bool fails(int *after)
{
	return *after >= 0 && (*after)-- == 0;
}

/* ---- stores and objects ---- */

struct datastore *stores_find(const char *name)
{
	if (strcmp(name, "main") || (fake_ds_faults.no_store && fake_host))
		return NULL;
	return &stores[fake_host];
}

struct datastore *stores_default(void)
{
	return stores_find("main");
}

struct datastore *stores_holding(const char *object)
{
	return NULL;
}

struct blkdev *stores_disk(const struct datastore *ds)
{
	return NULL;
}

void stores_hold(struct datastore *ds)
{
}

void stores_release(struct datastore *ds)
{
}

const char *stores_name(const struct datastore *ds)
{
	return "main";
}

void ds_status(struct datastore *ds, struct ds_stat *out)
{
	memset(out, 0, sizeof(*out));
	out->free = fake_ds_faults.free;
}

static struct ds_object *find(int host, const char *name)
{
	for (unsigned i = 0; i < OBJECTS; i++)
		if (objects[host][i].state == LIVE && !strcmp(objects[host][i].name, name))
			return &objects[host][i];
	return NULL;
}

int ds_find(struct datastore *ds, const char *name, struct ds_info *out)
{
	return find(ds->host, name) ? 0 : -E_NOENT;
}

struct ds_object *fake_ds_make(int host, const char *name)
{
	struct ds_object *o = NULL;

	for (unsigned i = 0; i < OBJECTS && !o; i++)
		if (objects[host][i].state == GONE)
			o = &objects[host][i];
	assert_non_null(o);
	memset(o, 0, sizeof(*o));
	strcpy(o->name, name);
	o->state = LIVE;
	o->host = host;
	return o;
}

void fake_ds_fill(struct ds_object *o)
{
	memcpy(o->data, fake_ds_plain, sizeof(o->data));
	for (unsigned b = 0; b < BLOCKS; b++)
		o->stored[b] = o->data[b * DS_CLUSTER];
}

int ds_create(struct datastore *ds, const char *name, enum ds_kind kind, uint64_t size,
	      struct ds_object **out)
{
	if (fake_ds_faults.create)
		return fake_ds_faults.create;
	assert_int_equal(kind, DS_DISK);
	assert_int_equal(size, FAKE_DS_SIZE);
	*out = fake_ds_make(ds->host, name);
	(*out)->state = TEMP;
	(*out)->handles = 1;
	return 0;
}

void ds_put(struct ds_object *o)
{
	if (!o)
		return;
	assert_int_equal(o->handles, 1);
	o->handles = 0;
	if (o->state == TEMP)
		o->state = GONE;
}

void ds_object_info(struct ds_object *o, struct ds_info *out)
{
	memset(out, 0, sizeof(*out));
	strcpy(out->name, o->name);
	out->size = FAKE_DS_SIZE;
	for (unsigned i = 0; i < BLOCKS; i++)
		out->stored += o->stored[i] ? DS_CLUSTER : 0;
}

int ds_next_data(struct ds_object *o, uint64_t from, uint64_t *start, uint64_t *len)
{
	uint64_t b = from / DS_CLUSTER, end;

	while (b < BLOCKS && !o->stored[b])
		b++;
	if (b == BLOCKS)
		return -E_NOENT;
	*start = MAX(from, b * DS_CLUSTER);
	for (end = b; end < BLOCKS && o->stored[end]; end++)
		;
	*len = MIN(end * DS_CLUSTER, FAKE_DS_SIZE) - *start;
	return 0;
}

int ds_write(struct ds_object *o, uint64_t offset, const void *buf, uint64_t len)
{
	task_yield();
	if (fails(&fake_ds_faults.write_after))
		return -E_NOSPC;
	assert_true(offset + len <= FAKE_DS_SIZE);
	assert_int_not_equal(o->state, GONE);
	memcpy(o->data + offset, buf, len);
	for (uint64_t b = offset / DS_CLUSTER; b <= (offset + len - 1) / DS_CLUSTER; b++)
		o->stored[b] = true;
	return 0;
}

int ds_discard(struct ds_object *o, uint64_t offset, uint64_t len)
{
	task_yield();
	assert_int_equal(offset % DS_CLUSTER, 0);
	assert_true(offset + len <= FAKE_DS_SIZE);
	memset(o->data + offset, 0, len);
	for (uint64_t b = offset / DS_CLUSTER; b * DS_CLUSTER < offset + len; b++)
		o->stored[b] = false;
	return 0;
}

const uint8_t *fake_ds_content(int host, const char *name)
{
	struct ds_object *o = find(host, name);

	return o ? o->data : NULL;
}

unsigned fake_ds_objects(int host)
{
	unsigned n = 0;

	for (unsigned i = 0; i < OBJECTS; i++)
		n += objects[host][i].state != GONE;
	return n;
}

/* ---- disks ---- */

static struct disk *disk_of(struct blkdev *bd)
{
	return container_of(bd, struct disk, bd);
}

static int disk_new(struct ds_object *o, bool received, struct blkdev **out)
{
	struct disk *d = kzalloc(sizeof(*d));

	if (!d)
		return -E_NOMEM;
	d->o = o;
	d->received = received;
	d->bd.sectors = FAKE_DS_SIZE / SECTOR_SIZE;
	*out = &d->bd;
	return 0;
}

struct ds_object *ds_disk_object(struct blkdev *bd)
{
	return disk_of(bd)->o;
}

int ds_disk_keep(struct blkdev *bd)
{
	if (fake_ds_faults.keep)
		return fake_ds_faults.keep;
	disk_of(bd)->kept = true;
	disk_of(bd)->o->state = PART;
	task_yield();
	return 0;
}

int ds_disk_commit(struct blkdev *bd)
{
	struct disk *d = disk_of(bd);

	assert_true(d->kept); /* durable before anybody is told that it is complete */
	d->received = false;
	task_yield();
	if (fake_ds_faults.commit)
		return fake_ds_faults.commit;
	d->o->state = LIVE;
	return 0;
}

void ds_disk_give_up(struct blkdev *bd)
{
	disk_of(bd)->given_up = true;
}

int blkdev_read(struct blkdev *bd, uint64_t sector, uint32_t count, void *buf)
{
	const uint8_t *from;

	if (!strcmp(bd->name, "e1.0")) { /* on the fake storage: it has no bytes, it takes time */
		task_sleep_until(time_ns() + NS_PER_MS);
		return 0;
	}
	from = bd == &plain ? fake_ds_plain : disk_of(bd)->o->data;
	fake_ds_data_reads++;
	task_yield();
	if (fails(&fake_ds_faults.read_after))
		return -E_IO;
	memcpy(buf, from + sector * SECTOR_SIZE, (size_t)count * SECTOR_SIZE);
	task_yield();
	return 0;
}

static void configure(struct vm_disk_config *cfg)
{
	cfg->in_store = fake_ds_from_store;
	strcpy(cfg->local, fake_ds_from_store ? "main" : "ata0");
	if (fake_ds_from_store)
		strcpy(cfg->object, "disk/web/vdb");
}

static int open_disk(struct vm_disk *d, struct ds_object **received)
{
	struct ds_object *o;
	int err;

	if (!d->cfg.in_store) {
		assert_int_equal(fake_host, 0);
		d->blk = &plain;
		return 0;
	}
	if (received && *received) {
		err = disk_new(*received, true, &d->blk);
		if (!err)
			*received = NULL;
		return err;
	}
	o = find(fake_host, d->cfg.object);
	assert_non_null(o);
	assert_int_equal(o->handles, 0);
	o->handles = 1;
	return disk_new(o, false, &d->blk);
}

static void close_disk(struct vm_disk *vd)
{
	struct disk *d;

	if (vd->blk == &plain)
		return;
	d = disk_of(vd->blk);
	ds_put(d->o);
	if (d->given_up || d->received)
		d->o->state = GONE;
	kfree(d);
}

/* ---- the guest ---- */

static struct pending {
	bool busy, landed;
	uint64_t sector;
	uint8_t value;
} pending[PENDING];

static void land(struct vm_disk *d, struct pending *p)
{
	uint8_t *data = d->blk == &plain ? fake_ds_plain : disk_of(d->blk)->o->data;

	memset(data + p->sector * SECTOR_SIZE, p->value, SECTOR_SIZE);
	if (d->blk != &plain)
		disk_of(d->blk)->o->stored[p->sector * SECTOR_SIZE / DS_CLUSTER] = true;
	p->landed = true;
}

static void step(struct vm_disk *d, struct pending *p, bool stops)
{
	if (!p->busy && !stops)
		*p = (struct pending){true, false, (uint64_t)rand() % d->blk->sectors,
				      (uint8_t)(rand() % 3)}; /* often zeros */
	else if (p->busy && !p->landed)
		land(d, p);
	else if (p->busy) {
		disk_log_mark(&d->log, p->sector, 1);
		p->busy = false;
	}
}

static void guest(struct vm *vm, bool stops)
{
	struct vm_disk *d = &vm->disks[vm->disk_count - 1];

	for (unsigned i = 0; !stops && i < fake_ds_guest_writes; i++)
		step(d, &pending[rand() % PENDING], false);
	for (unsigned i = 0; stops && i < 3 * PENDING; i++)
		step(d, &pending[i % PENDING], true);
}

const struct fake_pair_disk fake_ds_disk = {configure, open_disk, close_disk, guest};

void fake_ds_reset(void)
{
	fake_ds_faults = (struct fake_ds_faults){.write_after = -1, .read_after = -1, .free = GiB};
	fake_ds_guest_writes = 0;
	fake_ds_from_store = false;
	fake_ds_data_reads = 0;
	memset(objects, 0, sizeof(objects));
	memset(pending, 0, sizeof(pending));
	/* every third block has content, the last one too */
	memset(fake_ds_plain, 0, sizeof(fake_ds_plain));
	for (unsigned b = 2; b < BLOCKS; b += 3)
		memset(fake_ds_plain + b * DS_CLUSTER, (int)b,
		       MIN(FAKE_DS_SIZE - b * DS_CLUSTER, DS_CLUSTER));
	fake_pair_disk = &fake_ds_disk;
}

int blkdev_flush(struct blkdev *bd)
{
	task_sleep_until(time_ns() + 3 * NS_PER_MS);
	return 0;
}
