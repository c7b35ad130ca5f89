/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What changes names: create, commit, remove, rename, clone. Each changes memory, makes
 * it durable in one transaction, and takes it back when that fails.
 */
#include "kernel/lib/string.h"
#include "kernel/mem.h"
#include "kernel/store/ds_inner.h"

const char *ds_kind_text(enum ds_kind kind)
{
	static const char *const text[] = {
	    [DS_FILE] = "file", [DS_DISK] = "disk", [DS_SAVED] = "saved", [DS_LOG] = "log"};

	return (unsigned)kind < ARRAY_SIZE(text) && text[kind] ? text[kind] : "?";
}

static bool name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '.' || c == '_' || c == '-' || c == '/';
}

bool ds_name_ok(const char *name, size_t room)
{
	size_t len = strnlen(name, room);

	if (!len || len == room || name[len - 1] == '/')
		return false;
	for (size_t i = 0; i < len; i++) {
		if (!name_char(name[i]))
			return false;
		if (name[i] == '/' && (!i || name[i - 1] == '/'))
			return false;
	}
	return true;
}

static int create_locked(struct datastore *ds, const char *name, enum ds_kind kind, uint64_t size,
			 struct ds_object **out)
{
	struct ds_object *o;
	int err;

	if (ds->next_id >= UINT32_MAX - 1)
		return -E_NOSPC;
	err = ds_object_new(ds, ds->next_id, &o);
	if (err)
		return err;
	ds->next_id++;
	o->family = o->id;
	o->kind = kind;
	o->size = size;
	o->handles = 1;
	str_copy(o->name, name, sizeof(o->name));
	*out = o;
	return 0;
}

int ds_create(struct datastore *ds, const char *name, enum ds_kind kind, uint64_t size,
	      struct ds_object **out)
{
	int err;

	if (!ds_name_ok(name, DS_NAME_LEN) || kind < DS_FILE || kind > DS_LOG)
		return -E_INVAL;
	if (size > DS_SIZE_MAX)
		return -E_RANGE;
	if (ds->readonly)
		return -E_STATE;
	ds_lock(ds);
	err = create_locked(ds, name, kind, size, out);
	ds_unlock(ds);
	return err;
}

/* An object that is gone lives on while it is open. */
static void drop_if_closed(struct ds_object *o)
{
	if (o && !o->handles)
		ds_object_free(o);
}

/*
 * o becomes durable under the name target, in place of what has that name. Pending changes go
 * first, in a transaction of their own: they name objects that this one may remove.
 */
static int publish(struct ds_object *o, const char *target)
{
	struct datastore *ds = o->ds;
	struct ds_object *old = ds_live_find(ds, target);
	bool was_temp = o->state == DS_TEMP;
	struct ds_change ch = {.set = o, .with_map = was_temp};
	char before[DS_NAME_LEN];
	int err;

	if (old && old->handles && old->kind == DS_DISK)
		return -E_BUSY;
	err = ds_txn(ds, NULL);
	if (!err && was_temp)
		err = ds_room_for(ds, 1, o->runs);
	if (err)
		return err;
	str_copy(before, o->name, sizeof(before));
	str_copy(o->name, target, sizeof(o->name));
	if (old) {
		ch.del = old->id;
		ds_object_state(old, DS_GONE);
	}
	ds_object_state(o, DS_LIVE);
	err = ds_txn(ds, &ch);
	if (!err) {
		drop_if_closed(old);
		return 0;
	}
	str_copy(o->name, before, sizeof(o->name));
	if (was_temp)
		ds_object_state(o, DS_TEMP);
	if (old)
		ds_object_state(old, DS_LIVE);
	return err;
}

static size_t part_prefix(const char *name)
{
	size_t len = strlen(name), suffix = sizeof(DS_PART_SUFFIX) - 1;

	if (len <= suffix || strcmp(name + len - suffix, DS_PART_SUFFIX))
		return 0;
	return len - suffix;
}

static int commit_locked(struct ds_object *o)
{
	char target[DS_NAME_LEN];
	size_t len;

	if (o->state == DS_TEMP)
		return publish(o, o->name);
	len = part_prefix(o->name);
	if (o->state == DS_GONE)
		return -E_STATE;
	if (!len)
		return ds_txn(o->ds, NULL);
	memcpy(target, o->name, len);
	target[len] = '\0';
	return publish(o, target);
}

int ds_commit(struct ds_object *o)
{
	int err;

	ds_lock(o->ds);
	err = commit_locked(o);
	ds_unlock(o->ds);
	return err;
}

static int keep_locked(struct ds_object *o)
{
	char target[DS_NAME_LEN];
	size_t len = strlen(o->name);

	if (o->state == DS_LIVE && part_prefix(o->name))
		return ds_txn(o->ds, NULL);
	if (o->state != DS_TEMP)
		return -E_STATE;
	if (len + sizeof(DS_PART_SUFFIX) > sizeof(target))
		return -E_RANGE;
	memcpy(target, o->name, len);
	memcpy(target + len, DS_PART_SUFFIX, sizeof(DS_PART_SUFFIX));
	return publish(o, target);
}

int ds_keep_partial(struct ds_object *o)
{
	int err;

	ds_lock(o->ds);
	err = keep_locked(o);
	ds_unlock(o->ds);
	return err;
}

static int remove_locked(struct datastore *ds, const char *name)
{
	struct ds_object *o = ds_live_find(ds, name);
	struct ds_change ch = {0};
	int err;

	if (!o)
		return -E_NOENT;
	if (o->handles)
		return -E_BUSY;
	err = ds_txn(ds, NULL);
	if (err)
		return err;
	if (o->handles) /* opened while we waited? ds_get waits for us: cannot be */
		return -E_BUSY;
	ch.del = o->id;
	ds_object_state(o, DS_GONE);
	err = ds_txn(ds, &ch);
	if (err)
		ds_object_state(o, DS_LIVE);
	else
		drop_if_closed(o);
	return err;
}

int ds_remove(struct datastore *ds, const char *name)
{
	int err;

	ds_lock(ds);
	err = remove_locked(ds, name);
	ds_unlock(ds);
	return err;
}

static int rename_locked(struct datastore *ds, const char *from, const char *to)
{
	struct ds_object *o = ds_live_find(ds, from);

	if (!o)
		return -E_NOENT;
	if (ds_live_find(ds, to))
		return -E_EXIST;
	return publish(o, to);
}

int ds_rename(struct datastore *ds, const char *from, const char *to)
{
	int err;

	if (!ds_name_ok(to, DS_NAME_LEN))
		return -E_INVAL;
	ds_lock(ds);
	err = rename_locked(ds, from, to);
	ds_unlock(ds);
	return err;
}

static int map_copy(struct ds_object *to, const struct ds_object *from)
{
	uint32_t end = ds_clusters_of(from->size), cluster, n;

	for (uint32_t i = 0; i < end; i += n) {
		n = ds_map_run(from, i, end - i, &cluster);
		for (uint32_t j = 0; cluster && j < n; j++) {
			int err = ds_map_room(to, i + j);

			if (!err)
				err = ds_ref_add(to->ds, cluster + j);
			if (err)
				return err;
			ds_map_set(to, i + j, cluster + j);
		}
	}
	return 0;
}

/* All maps together stay within what a replay accepts. */
static bool share_full(const struct datastore *ds, uint32_t more)
{
	uint64_t entries = more;
	struct list *n;

	list_for_each (n, &ds->objects)
		entries += list_entry(n, struct ds_object, node)->stored;
	return entries > (uint64_t)DS_SHARE_MAX * ds->at.clusters;
}

static int clone_frozen(struct ds_object *from, const char *to)
{
	struct datastore *ds = from->ds;
	struct ds_object *o;
	int err;

	/* Its contents and the fact that they are shared become durable together. */
	err = ds_txn(ds, NULL);
	if (err)
		return err;
	if (share_full(ds, from->stored))
		return -E_NOSPC;
	err = create_locked(ds, to, from->kind, from->size, &o);
	if (err)
		return err;
	o->handles = 0;
	o->family = from->family;
	err = map_copy(o, from);
	if (!err)
		err = publish(o, to);
	if (err)
		ds_object_free(o);
	return err;
}

int ds_clone(struct datastore *ds, const char *from, const char *to)
{
	struct ds_object *o;
	int err;

	if (!ds_name_ok(to, DS_NAME_LEN))
		return -E_INVAL;
	err = ds_get(ds, from, &o);
	if (err)
		return err;
	ds_lock(ds);
	ds_freeze(o);
	if (ds->readonly)
		err = -E_STATE;
	else
		err = ds_live_find(ds, to) ? -E_EXIST : clone_frozen(o, to);
	ds_thaw(o);
	ds_unlock(ds);
	ds_put(o);
	return err;
}
