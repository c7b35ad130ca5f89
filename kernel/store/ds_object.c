/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Objects in memory: handles, finding, listing, and the lock that lets one caller at
 * a time into a store. What changes names is in ds_names.c.
 */
#include "kernel/lib/string.h"
#include "kernel/mem.h"
#include "kernel/store/ds_inner.h"
#include "kernel/time.h"

void ds_lock(struct datastore *ds)
{
	while (ds->locked)
		(void)waitq_wait(&ds->unlocked, TIME_NEVER);
	ds->locked = true;
}

/* Frees what was put while somebody walked the list. */
static void objects_reap(struct datastore *ds)
{
	struct list *n, *tmp;

	ds->reap = false;
	list_for_each_safe (n, tmp, &ds->objects) {
		struct ds_object *o = list_entry(n, struct ds_object, node);

		if (!o->handles && o->state != DS_LIVE)
			ds_object_free(o);
	}
}

void ds_unlock(struct datastore *ds)
{
	if (ds->reap)
		objects_reap(ds);
	ds->locked = false;
	waitq_wake_all(&ds->unlocked);
}

struct ds_object *ds_live_find(struct datastore *ds, const char *name)
{
	struct list *n;

	list_for_each (n, &ds->objects) {
		struct ds_object *o = list_entry(n, struct ds_object, node);

		if (o->state == DS_LIVE && !strcmp(o->name, name))
			return o;
	}
	return NULL;
}

/* From the end: the newest object is asked for most. */
struct ds_object *ds_by_id(struct datastore *ds, uint32_t id)
{
	for (struct list *n = ds->objects.prev; n != &ds->objects; n = n->prev) {
		struct ds_object *o = list_entry(n, struct ds_object, node);

		if (o->id == id)
			return o;
	}
	return NULL;
}

/* Keeps ids ascending, also when a replay brings an object whose id is not the highest. */
int ds_object_new(struct datastore *ds, uint32_t id, struct ds_object **out)
{
	struct list *n = ds->objects.prev;
	struct ds_object *o;

	if (ds->object_count == DS_OBJECTS_MAX)
		return -E_NOSPC;
	o = kzalloc(sizeof(*o));
	if (!o)
		return -E_NOMEM;
	o->ds = ds;
	o->id = id;
	o->state = DS_TEMP;
	while (n != &ds->objects && list_entry(n, struct ds_object, node)->id > id)
		n = n->prev;
	list_insert_before(n->next, &o->node);
	ds->object_count++;
	*out = o;
	return 0;
}

void ds_object_free(struct ds_object *o)
{
	ds_object_state(o, DS_GONE);
	ds_map_free(o);
	list_remove(&o->node);
	o->ds->object_count--;
	kfree(o);
}

void ds_object_state(struct ds_object *o, enum ds_state state)
{
	if (o->state == DS_LIVE) {
		o->ds->live--;
		o->ds->live_runs -= o->runs;
	}
	o->state = state;
	if (o->state == DS_LIVE) {
		o->ds->live++;
		o->ds->live_runs += o->runs;
	}
}

int ds_get(struct datastore *ds, const char *name, struct ds_object **out)
{
	struct ds_object *o;
	int err = 0;

	ds_lock(ds);
	o = ds_live_find(ds, name);
	if (o)
		o->handles++;
	else
		err = -E_NOENT;
	ds_unlock(ds);
	*out = o;
	return err;
}

void ds_put(struct ds_object *o)
{
	struct datastore *ds;

	if (!o || --o->handles || o->state == DS_LIVE)
		return;
	ds = o->ds;
	if (ds->locked)
		ds->reap = true;
	else
		ds_object_free(o);
}

void ds_object_info(struct ds_object *o, struct ds_info *out)
{
	str_copy(out->name, o->name, sizeof(out->name));
	out->kind = o->kind;
	out->size = o->size;
	out->stored = (uint64_t)o->stored << DS_CLUSTER_SHIFT;
}

struct datastore *ds_object_store(struct ds_object *o)
{
	return o->ds;
}

int ds_find(struct datastore *ds, const char *name, struct ds_info *out)
{
	struct ds_object *o = ds_live_find(ds, name);

	if (!o)
		return -E_NOENT;
	ds_object_info(o, out);
	return 0;
}

/* The cursor is the id of the object that was returned last. */
int ds_next(struct datastore *ds, unsigned *cursor, struct ds_info *out)
{
	struct list *n;

	list_for_each (n, &ds->objects) {
		struct ds_object *o = list_entry(n, struct ds_object, node);

		if (o->state != DS_LIVE || o->id <= *cursor)
			continue;
		*cursor = o->id;
		ds_object_info(o, out);
		return 0;
	}
	return -E_NOENT;
}

void ds_status(struct datastore *ds, struct ds_stat *out)
{
	memset(out, 0, sizeof(*out));
	str_copy(out->name, ds->super.name, sizeof(out->name));
	str_copy(out->opened_by, ds->super.opened_by, sizeof(out->opened_by));
	memcpy(out->uuid, ds->super.uuid, sizeof(out->uuid));
	out->readonly = ds->readonly;
	out->size = (uint64_t)(ds->at.clusters - ds->at.data) << DS_CLUSTER_SHIFT;
	out->free = (uint64_t)ds->free << DS_CLUSTER_SHIFT;
	out->objects = ds->live;
	out->fragments = (unsigned)ds->live_runs;
}

struct blkdev *ds_device(struct datastore *ds)
{
	return ds->bd;
}
