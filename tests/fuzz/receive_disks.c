/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Datastores around the receiver of moves: objects without contents, which see to it that
 * nothing outside them is written and that none is left over. Answers as the script says.
 */
#include <stdlib.h>
#include <string.h>

#include "kernel/store/ds_disk.h"
#include "kernel/store/stores.h"
#include "tests/fuzz/receive_world.h"
#include "vmm/vm_store.h"

struct ds_object {
	uint64_t size;
	char name[DS_NAME_LEN];
};

struct datastore {
	int nothing;
};

struct disk {
	struct blkdev bd;
	struct ds_object *o;
};

static struct datastore store;
static unsigned objects;

unsigned world_objects(void)
{
	return objects;
}

static int ds_err(void)
{
	uint8_t a = world_ask();

	return a == 251 ? -E_NOSPC : a == 252 ? -E_IO : 0;
}

struct datastore *stores_find(const char *name)
{
	return strcmp(name, "main") ? NULL : &store;
}

struct datastore *stores_default(void)
{
	return &store;
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

int blkdev_flush(struct blkdev *bd)
{
	return 0;
}

const char *stores_name(const struct datastore *ds)
{
	return "main";
}

void ds_status(struct datastore *ds, struct ds_stat *out)
{
	memset(out, 0, sizeof(*out));
	out->free = GiB;
}

int ds_find(struct datastore *ds, const char *name, struct ds_info *out)
{
	return world_ask() == 253 ? 0 : -E_NOENT;
}

int ds_create(struct datastore *ds, const char *name, enum ds_kind kind, uint64_t size,
	      struct ds_object **out)
{
	int err = ds_err();

	assert_true(size && size % SECTOR_SIZE == 0 && size <= DS_SIZE_MAX);
	assert_int_equal(strncmp(name, "disk/", 5), 0);
	if (err)
		return err;
	*out = calloc(1, sizeof(**out));
	(*out)->size = size;
	strcpy((*out)->name, name);
	objects++;
	return 0;
}

void ds_put(struct ds_object *o)
{
	if (!o)
		return;
	objects--;
	free(o);
}

void ds_object_info(struct ds_object *o, struct ds_info *out)
{
	memset(out, 0, sizeof(*out));
	out->size = o->size;
}

int ds_write(struct ds_object *o, uint64_t offset, const void *buf, uint64_t len)
{
	static uint8_t copy[STREAM_BLOCK];

	assert_true(offset < o->size && len <= o->size - offset && len <= sizeof(copy));
	memcpy(copy, buf, len); /* so that ASan sees it read */
	return ds_err();
}

int ds_discard(struct ds_object *o, uint64_t offset, uint64_t len)
{
	assert_true(offset < o->size && len && len <= o->size - offset);
	return ds_err();
}

int ds_next_data(struct ds_object *o, uint64_t from, uint64_t *start, uint64_t *len)
{
	return -E_NOENT;
}

int blkdev_read(struct blkdev *bd, uint64_t sector, uint32_t count, void *buf)
{
	memset(buf, 0, (size_t)count * SECTOR_SIZE);
	return ds_err();
}

int ds_disk_receive(struct ds_object *o, struct blkdev **out)
{
	struct disk *d = calloc(1, sizeof(*d));

	d->o = o;
	d->bd.sectors = o->size / SECTOR_SIZE;
	*out = &d->bd;
	return 0;
}

struct ds_object *ds_disk_object(struct blkdev *bd)
{
	return container_of(bd, struct disk, bd)->o;
}

int ds_disk_keep(struct blkdev *bd)
{
	return ds_err();
}

int ds_disk_commit(struct blkdev *bd)
{
	return ds_err();
}

void ds_disk_close(struct blkdev *bd)
{
	struct disk *d = container_of(bd, struct disk, bd);

	ds_put(d->o);
	free(d);
}

/* No VM has left this host. */
bool vm_store_undefined(const char *name)
{
	return false;
}

int vm_store_mark(const char *name, bool undefined)
{
	return 0;
}
