/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The datastore "main" around the receiver of moves, and disks in it as block devices. Objects are
 * in receive_store.c.
 */
#include <stdlib.h>
#include <string.h>

#include "kernel/store/ds_disk.h"
#include "kernel/store/stores.h"
#include "tests/fuzz/receive_world.h"
#include "vmm/vm_log.h"

struct datastore {
	int nothing;
};

struct disk {
	struct blkdev bd;
	struct ds_object *o;
	bool leave;
};

static struct datastore store;
static const struct store entry = {.name = "main", .ds = &store};
static unsigned holds;

unsigned world_holds(void)
{
	return holds;
}

/* ---- stores ---- */

const struct store *stores_at(unsigned index)
{
	return index ? NULL : &entry;
}

struct datastore *stores_find(const char *name)
{
	return strcmp(name, "main") ? NULL : &store;
}

struct datastore *stores_default(void)
{
	return &store;
}

struct datastore *stores_holding(const char *object)
{
	struct ds_info info;

	return ds_find(&store, object, &info) ? NULL : &store;
}

struct blkdev *stores_disk(const struct datastore *ds)
{
	return NULL;
}

void stores_hold(struct datastore *ds)
{
	holds++;
}

void stores_release(struct datastore *ds)
{
	assert_true(holds--);
}

const char *stores_name(const struct datastore *ds)
{
	return "main";
}

void ds_status(struct datastore *ds, struct ds_stat *out)
{
	memset(out, 0, sizeof(*out));
	memset(out->uuid, WORLD_STORE_UUID, sizeof(out->uuid));
	out->free = GiB;
}

/* ---- disks ---- */

int ds_disk_receive(struct ds_object *o, struct blkdev **out)
{
	struct disk *d = calloc(1, sizeof(*d));
	struct ds_info info;

	ds_object_info(o, &info);
	assert_int_equal(info.kind, DS_DISK);
	d->o = o;
	d->bd.sectors = info.size / SECTOR_SIZE;
	*out = &d->bd;
	return 0;
}

struct ds_object *ds_disk_object(struct blkdev *bd)
{
	return container_of(bd, struct disk, bd)->o;
}

int ds_disk_keep(struct blkdev *bd)
{
	return ds_keep_partial(ds_disk_object(bd));
}

void ds_disk_leave(struct blkdev *bd)
{
	container_of(bd, struct disk, bd)->leave = true;
}

int ds_disk_commit(struct blkdev *bd)
{
	ds_disk_leave(bd);
	return ds_commit(ds_disk_object(bd));
}

void ds_disk_close(struct blkdev *bd)
{
	struct disk *d = container_of(bd, struct disk, bd);

	if (d->leave)
		ds_put(d->o);
	else
		world_object_abandon(d->o);
	free(d);
}

/* What comes is received, not opened: vm_disks.c has these for a start. */
int ds_disk_open(struct datastore *ds, const char *object, bool readonly, struct blkdev **out)
{
	fail();
	return -E_NOENT;
}

struct blkdev *blkdev_find(const char *name)
{
	fail();
	return NULL;
}

bool stores_use_disk(const struct blkdev *bd)
{
	fail();
	return false;
}

int blkdev_read(struct blkdev *bd, uint64_t sector, uint32_t count, void *buf)
{
	return ds_read(ds_disk_object(bd), sector * SECTOR_SIZE, buf,
		       (uint64_t)count * SECTOR_SIZE);
}

int blkdev_flush(struct blkdev *bd)
{
	return 0;
}

/* A terminal obeys nothing of it. */
int vm_log_add(const char *vm, const void *text, size_t len)
{
	const char *p = text;

	assert_in_range(len, 1, STREAM_LOG_MAX);
	for (size_t i = 0; i < len; i++)
		assert_true(p[i] == '\n' || (p[i] >= ' ' && p[i] < 0x7f));
	return world_ask() > 250 ? -E_IO : 0;
}
