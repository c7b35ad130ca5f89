/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which snapshots there are, how large, and removing them. The first step of a removal
 * makes a snapshot one that is not complete; the rest can be done again, and is done by
 * whoever looks next when power was lost in between.
 */
#include "kernel/lib/format.h"
#include "kernel/lib/string.h"
#include "kernel/log.h"
#include "kernel/mem.h"
#include "migrate/snapshot.h"

#define PREFIX "snap/"

static int remove_part(const struct snapshot *s, struct datastore *ds, const char *part)
{
	char object[DS_NAME_LEN];
	int err;

	snapshot_object(object, s->vm, s->name, part);
	err = ds_remove(ds, object);
	return err == -E_NOENT ? 0 : err;
}

/* What says that there is something to remove goes last. */
static int remove_parts(const struct snapshot *s)
{
	int err = 0;

	for (unsigned i = 0; !err && i < s->cfg.disk_count; i++) {
		const struct vm_disk_config *d = &s->cfg.disks[i];

		if (snapshot_has_disk(d))
			err = remove_part(s, stores_find(d->local), d->name);
	}
	if (!err)
		err = remove_part(s, s->home, SNAPSHOT_STATE);
	return err ? err : remove_part(s, s->home, SNAPSHOT_HALF);
}

int snapshot_discard(const struct snapshot *s)
{
	char why[160];
	int err;

	if (!snapshot_hold(s, why, sizeof(why)))
		return -E_NOENT; /* later, when that store is open */
	err = remove_parts(s);
	snapshot_release(s);
	return err;
}

static int remove_whole(struct datastore *home, const char *vm, const char *name,
			struct snapshot *s, char *why, size_t why_size)
{
	char half[DS_NAME_LEN], conf[DS_NAME_LEN];
	int err;

	err = snapshot_read(home, vm, name, SNAPSHOT_CONF, s, why, why_size);
	if (err)
		return err;
	if (!snapshot_hold(s, why, why_size))
		return -E_NOENT;
	snapshot_object(half, s->vm, s->name, SNAPSHOT_HALF);
	snapshot_object(conf, s->vm, s->name, SNAPSHOT_CONF);
	err = ds_rename(s->home, conf, half);
	if (!err)
		err = remove_parts(s);
	if (err)
		ksnprintf(why, why_size, "%s", err_text(err));
	snapshot_release(s);
	return err;
}

int snapshot_remove(const char *vm, const char *name, char *why, size_t why_size)
{
	struct snapshot *s = kzalloc(sizeof(*s));
	struct datastore *home;
	int err = -E_NOMEM;

	ksnprintf(why, why_size, "%s", err_text(err));
	if (!s)
		return err;
	snapshot_lock();
	home = snapshot_home(vm, name);
	if (home) {
		err = remove_whole(home, vm, name, s, why, why_size);
	} else {
		err = -E_NOENT;
		ksnprintf(why, why_size, "no open datastore has it; 'snapshots' lists them");
	}
	snapshot_unlock();
	kfree(s);
	return err;
}

/* ---- listing ------------------------------------------------------------------------ */

/* Up to the next slash into word; what follows it, or NULL. */
static const char *take_word(const char *text, char *word, size_t size)
{
	const char *slash = strchr(text, '/');
	size_t len = slash ? (size_t)(slash - text) : size;

	if (!len || len >= size)
		return NULL;
	memcpy(word, text, len);
	word[len] = 0;
	return slash + 1;
}

/* snap/VM/NAME/part? */
static bool names_snapshot(const struct ds_info *i, const char *part, char vm[VM_NAME_LEN],
			   char name[SNAPSHOT_NAME_LEN])
{
	const char *rest;

	if (i->kind != DS_FILE || strncmp(i->name, PREFIX, strlen(PREFIX)))
		return false;
	rest = take_word(i->name + strlen(PREFIX), vm, VM_NAME_LEN);
	if (rest)
		rest = take_word(rest, name, SNAPSHOT_NAME_LEN);
	return rest && !strcmp(rest, part);
}

static int next_name(struct datastore *ds, unsigned *cursor, const char *part, char vm[VM_NAME_LEN],
		     char name[SNAPSHOT_NAME_LEN])
{
	struct ds_info info;

	while (!ds_next(ds, cursor, &info))
		if (names_snapshot(&info, part, vm, name))
			return 0;
	return -E_NOENT;
}

int snapshot_next_name(struct datastore *ds, unsigned *cursor, char vm[VM_NAME_LEN],
		       char name[SNAPSHOT_NAME_LEN])
{
	return next_name(ds, cursor, SNAPSHOT_CONF, vm, name);
}

static int next(struct datastore *ds, unsigned *cursor, const char *part, struct snapshot *out)
{
	char vm[VM_NAME_LEN], name[SNAPSHOT_NAME_LEN], why[160];
	int err;

	err = next_name(ds, cursor, part, vm, name);
	if (!err && snapshot_read(ds, vm, name, part, out, why, sizeof(why)))
		log_warn("snapshot: %s: %s: %s", vm, name, why);
	return err;
}

int snapshot_next(struct datastore *ds, unsigned *cursor, struct snapshot *out)
{
	return next(ds, cursor, SNAPSHOT_CONF, out);
}

void snapshot_measure(const struct snapshot *s, struct snapshot_size *out)
{
	char object[DS_NAME_LEN];
	struct datastore *ds;
	struct ds_info info;

	memset(out, 0, sizeof(*out));
	snapshot_object(object, s->vm, s->name, SNAPSHOT_STATE);
	if (!ds_find(s->home, object, &info)) {
		out->state = true;
		out->stored = info.stored;
		out->own = ds_own_bytes(s->home, object);
	}
	for (unsigned i = 0; i < s->cfg.disk_count; i++) {
		if (!snapshot_has_disk(&s->cfg.disks[i]))
			continue;
		out->disks++;
		ds = stores_find(s->cfg.disks[i].local);
		snapshot_object(object, s->vm, s->name, s->cfg.disks[i].name);
		if (!ds || ds_find(ds, object, &info)) {
			out->lacking = true;
			continue;
		}
		out->stored += info.stored;
		out->own += ds_own_bytes(ds, object);
	}
}

/* ---- what was left behind ----------------------------------------------------------- */

static void clean_store(struct datastore *ds, struct snapshot *s)
{
	unsigned cursor = 0;

	while (!next(ds, &cursor, SNAPSHOT_HALF, s)) {
		if (!s->cfg.name[0])
			continue;
		if (snapshot_discard(s))
			log_warn("snapshot: %s: what is left of %s could not be removed", s->vm,
				 s->name);
		else
			log_info("snapshot: %s: %s was not complete: removed", s->vm, s->name);
	}
}

void snapshots_clean_if_idle(void)
{
	if (!snapshot_trylock())
		return;
	snapshots_clean();
	snapshot_unlock();
}

void snapshots_clean(void)
{
	struct snapshot *s = kzalloc(sizeof(*s));
	const struct store *store;

	for (unsigned i = 0; s && (store = stores_at(i)); i++) {
		struct datastore *ds = store->ds;

		if (!ds)
			continue;
		stores_hold(ds);
		clean_store(ds, s);
		stores_release(ds);
	}
	kfree(s);
}

void snapshots_stay(const char *vm)
{
	char of[VM_NAME_LEN], name[SNAPSHOT_NAME_LEN];
	const struct store *store;
	unsigned count = 0;

	for (unsigned i = 0; !vm_find(vm) && (store = stores_at(i)); i++) {
		unsigned cursor = 0;

		while (store->ds && !snapshot_next_name(store->ds, &cursor, of, name))
			count += !strcmp(of, vm);
	}
	if (count)
		log_info("snapshot: %s: %u of it stay here: 'snapshots %s'", vm, count, vm);
}
