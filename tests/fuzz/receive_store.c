/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Objects of the one datastore around the receiver of moves: their first 2 MiB are kept in
 * blocks, beyond it only bounds are looked at. Errors come as the script says, and change nothing.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/receive_world.h"
#include "kernel/store/datastore.h"

#define OBJECTS 32
#define BLOCKS	32
#define CONF	"/vm.conf"

enum state { FRESH, PART, WHOLE, GONE };

struct ds_object {
	char name[DS_NAME_LEN]; /* without .part */
	enum ds_kind kind;
	enum state state;
	unsigned handles;
	uint64_t size;
	uint8_t *blocks[BLOCKS];
};

static struct ds_object *table[OBJECTS];

static int script_err(void)
{
	uint8_t a = world_ask();

	if (world_is_tired()) /* in the end the store is well again */
		return 0;
	return a == 251 ? -E_NOSPC : a == 252 ? -E_IO : 0;
}

/* ---- names ---- */

static void visible_name(const struct ds_object *o, char out[DS_NAME_LEN])
{
	memcpy(out, o->name, DS_NAME_LEN);
	if (o->state == PART)
		strcat(out, DS_PART_SUFFIX);
}

static struct ds_object *find(const char *name)
{
	char mine[DS_NAME_LEN];

	for (unsigned i = 0; i < OBJECTS; i++) {
		if (!table[i] || table[i]->state == FRESH || table[i]->state == GONE)
			continue;
		visible_name(table[i], mine);
		if (!strcmp(mine, name))
			return table[i];
	}
	return NULL;
}

static void drop(struct ds_object *o)
{
	for (unsigned i = 0; i < OBJECTS; i++)
		if (table[i] == o)
			table[i] = NULL;
	for (unsigned i = 0; i < BLOCKS; i++)
		free(o->blocks[i]);
	free(o);
}

static void unlink_object(struct ds_object *o)
{
	o->state = GONE;
	if (!o->handles)
		drop(o);
}

/* It has another state, under which it takes the place of what is there. */
static void show(struct ds_object *o, enum state s)
{
	struct ds_object *older;
	char name[DS_NAME_LEN];

	o->state = FRESH;
	memcpy(name, o->name, sizeof(name));
	if (s == PART)
		strcat(name, DS_PART_SUFFIX);
	older = find(name);
	if (older)
		unlink_object(older);
	o->state = s;
}

bool ds_name_ok(const char *name, size_t room)
{
	return strnlen(name, room) < room;
}

int ds_create(struct datastore *ds, const char *name, enum ds_kind kind, uint64_t size,
	      struct ds_object **out)
{
	unsigned at = 0;
	int err = script_err();

	assert_true(size <= DS_SIZE_MAX && (kind != DS_DISK || (size && !(size % SECTOR_SIZE))));
	assert_true((kind == DS_DISK) == !strncmp(name, "disk/", 5));
	assert_true(strlen(name) < DS_NAME_LEN - sizeof(DS_PART_SUFFIX));
	while (at < OBJECTS && table[at])
		at++;
	if (!err && at == OBJECTS)
		err = -E_NOSPC;
	if (err)
		return err;
	*out = table[at] = calloc(1, sizeof(**out));
	**out = (struct ds_object){.kind = kind, .size = size, .handles = 1};
	strcpy((*out)->name, name);
	return 0;
}

int ds_get(struct datastore *ds, const char *name, struct ds_object **out)
{
	struct ds_object *o = find(name);

	if (!o)
		return -E_NOENT;
	o->handles++;
	*out = o;
	return 0;
}

void ds_put(struct ds_object *o)
{
	if (!o)
		return;
	assert_true(o->handles);
	if (!--o->handles && (o->state == FRESH || o->state == GONE))
		drop(o);
}

int ds_keep_partial(struct ds_object *o)
{
	int err = script_err();

	if (!err && (o->state == FRESH || o->state == PART))
		show(o, PART);
	return err;
}

int ds_commit(struct ds_object *o)
{
	size_t len = strlen(o->name), conf = strlen(CONF);
	bool defines = len > conf && !strcmp(o->name + len - conf, CONF);
	int err = script_err();

	if (defines)
		assert_true(world_may_define());
	if (defines && !err)
		world_defined();
	if (!err && (o->state == FRESH || o->state == PART))
		show(o, WHOLE);
	return err;
}

int ds_remove(struct datastore *ds, const char *name)
{
	struct ds_object *o = find(name);
	int err = script_err();

	if (!o || err || o->handles)
		return !o ? -E_NOENT : err ? err : -E_BUSY;
	unlink_object(o);
	return 0;
}

void world_object_abandon(struct ds_object *o)
{
	if (o->state == PART)
		o->state = GONE;
	ds_put(o);
}

static void tell(const struct ds_object *o, struct ds_info *out)
{
	memset(out, 0, sizeof(*out));
	visible_name(o, out->name);
	out->kind = o->kind;
	out->size = o->size;
}

void ds_object_info(struct ds_object *o, struct ds_info *out)
{
	tell(o, out);
}

int ds_find(struct datastore *ds, const char *name, struct ds_info *out)
{
	struct ds_object *o = find(name);

	if (!o)
		return -E_NOENT;
	tell(o, out);
	return 0;
}

int ds_next(struct datastore *ds, unsigned *cursor, struct ds_info *out)
{
	while (*cursor < OBJECTS) {
		struct ds_object *o = table[(*cursor)++];

		if (!o || o->state == FRESH || o->state == GONE)
			continue;
		tell(o, out);
		return 0;
	}
	return -E_NOENT;
}

int ds_sync(struct datastore *ds)
{
	return script_err();
}

/* ---- contents ---- */

static void copy(struct ds_object *o, uint64_t offset, uint8_t *to, const uint8_t *from,
		 uint64_t len)
{
	static uint8_t beyond[DS_CLUSTER]; /* so that ASan sees all of it */

	while (len) {
		uint64_t i = offset / DS_CLUSTER, at = offset % DS_CLUSTER;
		uint64_t n = MIN(len, DS_CLUSTER - at);

		if (from && i < BLOCKS && !o->blocks[i])
			o->blocks[i] = calloc(1, DS_CLUSTER);
		if (from)
			memcpy(i < BLOCKS ? o->blocks[i] + at : beyond, from, n);
		else if (i < BLOCKS && o->blocks[i])
			memcpy(to, o->blocks[i] + at, n);
		else
			memset(to, 0, n);
		offset += n;
		len -= n;
		from = from ? from + n : NULL;
		to = to ? to + n : NULL;
	}
}

int ds_read(struct ds_object *o, uint64_t offset, void *buf, uint64_t len)
{
	assert_true(offset <= o->size && len <= o->size - offset);
	copy(o, offset, buf, NULL, len);
	return script_err();
}

int ds_write(struct ds_object *o, uint64_t offset, const void *buf, uint64_t len)
{
	int err = script_err();

	assert_true(o->handles && o->state != GONE && len <= DS_SIZE_MAX - offset);
	if (o->kind == DS_FILE)
		o->size = MAX(o->size, offset + len);
	assert_true(offset < o->size && len <= o->size - offset);
	if (!err)
		copy(o, offset, NULL, buf, len);
	return err;
}

int ds_discard(struct ds_object *o, uint64_t offset, uint64_t len)
{
	int err = script_err();

	assert_true(offset < o->size && len && len <= o->size - offset);
	for (uint64_t i = offset / DS_CLUSTER; !err && i < BLOCKS && i * DS_CLUSTER < offset + len;
	     i++) {
		free(o->blocks[i]);
		o->blocks[i] = NULL;
	}
	return err;
}

int ds_next_data(struct ds_object *o, uint64_t from, uint64_t *start, uint64_t *len)
{
	uint64_t i = from / DS_CLUSTER;

	while (i < BLOCKS && i * DS_CLUSTER < o->size && !o->blocks[i])
		i++;
	if (from >= o->size || i >= BLOCKS || i * DS_CLUSTER >= o->size)
		return -E_NOENT;
	*start = MAX(from, i * DS_CLUSTER);
	*len = MIN((i + 1) * DS_CLUSTER, o->size) - *start;
	return 0;
}

/* ---- what the world wants to know ---- */

void world_store_put(const char *name, enum ds_kind kind, uint64_t size, uint64_t written)
{
	struct ds_object *o = calloc(1, sizeof(*o));
	static const uint8_t bytes[DS_CLUSTER] = "left";

	*o = (struct ds_object){.kind = kind, .size = size, .state = WHOLE};
	strcpy(o->name, name);
	if (strstr(name, DS_PART_SUFFIX)) {
		*strstr(o->name, DS_PART_SUFFIX) = 0;
		o->state = PART;
	}
	for (uint64_t at = 0; at < written; at += DS_CLUSTER)
		copy(o, at, NULL, bytes, DS_CLUSTER);
	for (unsigned i = 0; i < OBJECTS; i++) {
		if (table[i])
			continue;
		table[i] = o;
		return;
	}
}

unsigned world_objects_held(void)
{
	unsigned held = 0;

	for (unsigned i = 0; i < OBJECTS; i++)
		if (table[i])
			held += table[i]->handles + (table[i]->state == FRESH) +
				(table[i]->state == GONE);
	return held;
}

unsigned world_objects_named(const char *end)
{
	char name[DS_NAME_LEN];
	unsigned count = 0;

	for (unsigned i = 0; i < OBJECTS; i++) {
		if (!table[i])
			continue;
		visible_name(table[i], name);
		count +=
		    strlen(name) >= strlen(end) && !strcmp(name + strlen(name) - strlen(end), end);
	}
	return count;
}

void world_store_free(void)
{
	for (unsigned i = 0; i < OBJECTS; i++)
		if (table[i])
			drop(table[i]);
}
