/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table of this host's datastores: finding those on its own disks, opening,
 * closing, making. What is particular about shared storage is in stores_shared.c.
 */
#include "kernel/store/stores_inner.h"

#include "kernel/entropy.h"
#include "kernel/lib/format.h"
#include "kernel/lib/string.h"
#include "kernel/log.h"
#include "kernel/store/partition.h"

static struct store stores[STORES_MAX];
static unsigned store_count;
const struct host_config *stores_host;

const struct store *stores_at(unsigned index)
{
	return index < store_count ? &stores[index] : NULL;
}

static struct store *find(const char *name)
{
	for (unsigned i = 0; i < store_count; i++)
		if (!strcmp(stores[i].name, name))
			return &stores[i];
	return NULL;
}

struct datastore *stores_find(const char *name)
{
	const struct store *s = find(name);

	return s ? s->ds : NULL;
}

const char *stores_name(const struct datastore *ds)
{
	for (unsigned i = 0; i < store_count; i++)
		if (stores[i].ds == ds)
			return stores[i].name;
	return "?";
}

struct blkdev *stores_disk(const struct datastore *ds)
{
	for (unsigned i = 0; i < store_count; i++)
		if (stores[i].ds == ds)
			return stores[i].part ? stores[i].part : stores[i].bd;
	return NULL;
}

static void count_hold(const struct datastore *ds, int by)
{
	for (unsigned i = 0; i < store_count; i++)
		if (ds && stores[i].ds == ds)
			stores[i].holds += (unsigned)by;
}

void stores_hold(struct datastore *ds)
{
	count_hold(ds, 1);
}

void stores_release(struct datastore *ds)
{
	count_hold(ds, -1);
}

struct datastore *stores_default(void)
{
	struct datastore *first = NULL;

	if (stores_host && stores_host->default_store[0])
		return stores_find(stores_host->default_store);
	for (unsigned i = 0; i < store_count; i++) {
		if (!stores[i].ds)
			continue;
		if (!stores[i].shared)
			return stores[i].ds;
		first = first ? first : stores[i].ds;
	}
	return first;
}

struct datastore *stores_holding(const char *object)
{
	struct ds_info info;

	for (unsigned i = 0; i < store_count; i++)
		if (stores[i].ds && !ds_find(stores[i].ds, object, &info))
			return stores[i].ds;
	return NULL;
}

struct datastore *stores_saved(const char *vm)
{
	char name[DS_NAME_LEN];

	ksnprintf(name, sizeof(name), SAVED_PREFIX "%.31s", vm);
	return stores_holding(name);
}

bool stores_reverting(const char *vm)
{
	char name[DS_NAME_LEN];

	ksnprintf(name, sizeof(name), REVERT_PREFIX "%.31s", vm);
	return stores_holding(name);
}

bool stores_use_disk(const struct blkdev *bd)
{
	size_t len = strlen(bd->name);

	for (unsigned i = 0; i < store_count; i++) {
		const struct store *s = &stores[i];

		if (s->ds && (s->bd == bd || (s->part && !strncmp(s->bd->name, bd->name, len) &&
					      s->bd->name[len] == 'p')))
			return true;
	}
	return false;
}

static struct store *add(const char *name)
{
	struct store *s;

	if (store_count == STORES_MAX)
		return NULL;
	s = &stores[store_count++];
	memset(s, 0, sizeof(*s));
	str_copy(s->name, name, sizeof(s->name));
	return s;
}

int stores_make(struct blkdev *bd, const char *name)
{
	uint8_t uuid[16];

	entropy_fill(uuid, sizeof(uuid));
	return ds_format(bd, name, uuid);
}

/* ---- local disks -------------------------------------------------------------------- */

/* bd holds a datastore as its superblock says: open it under its own name. */
static int open_local(struct blkdev *bd, bool is_part, const struct ds_stat *stat)
{
	struct store *s = find(stat->name);
	int err;

	if (s && (s->ds || s->shared)) {
		log_error("store %s: also on %s: two of one name, that one is not opened",
			  stat->name, bd->name);
		return -E_EXIST;
	}
	s = s ? s : add(stat->name);
	if (!s) {
		log_error("store %s on %s: this host opens at most %d", stat->name, bd->name,
			  STORES_MAX);
		return -E_NOSPC;
	}
	s->why[0] = 0;
	err = ds_open(bd, stores_host->name, false, &s->ds, s->why, sizeof(s->why));
	if (err) {
		s->ds = NULL;
		log_error("store %s on %s: %s", s->name, bd->name, s->why);
		return err;
	}
	s->bd = bd;
	s->part = is_part ? bd : NULL;
	log_info("store %s: on %s", s->name, bd->name);
	return 0;
}

/* The whole disk, or its partition. 0 when a store was opened. */
static int look_at_disk(struct blkdev *disk)
{
	struct blkdev *bd = disk;
	struct ds_stat stat;
	char why[160];
	int err;

	err = ds_probe(disk, &stat, why, sizeof(why));
	if (err == -E_NOENT) {
		err = partition_find(disk, &bd);
		if (err)
			return err;
		err = ds_probe(bd, &stat, why, sizeof(why));
	}
	if (!err)
		err = open_local(bd, bd != disk, &stat);
	else
		log_error("store: %s: %s", bd->name, why);
	if (err && bd != disk)
		partition_free(bd);
	return err;
}

static void look_at_disks(void)
{
	struct blkdev *disk;

	for (unsigned i = 0; (disk = blkdev_at(i)); i++)
		if (!stores_use_disk(disk))
			(void)look_at_disk(disk);
}

/* ---- the host's ---------------------------------------------------------------------- */

void stores_init(const struct host_config *config)
{
	stores_host = config;
	for (unsigned i = 0; i < config->store_count; i++) {
		const struct host_store *c = &config->stores[i];
		struct store *s = add(c->name);

		if (!s)
			break;
		s->shared = true;
		s->shelf = c->shelf;
		s->slot = c->slot;
		if (stores_open_shared(s, false))
			log_error("store %s: %s", s->name, s->why);
		else
			log_info("store %s: on e%u.%u", s->name, s->shelf, s->slot);
	}
	look_at_disks();
	if (config->default_store[0] && !stores_find(config->default_store))
		log_error("store %s: is the default_store of host.conf but is not open",
			  config->default_store);
}

void stores_forget(void)
{
	store_count = 0;
}

int stores_open(const char *name, bool force, char *why, size_t why_size)
{
	struct store *s = find(name);
	int err;

	if (s && s->ds) {
		ksnprintf(why, why_size, "is open already");
		return -E_EXIST;
	}
	if (!s || !s->shared) {
		look_at_disks();
		s = find(name);
		if (s && s->ds)
			return 0;
		ksnprintf(why, why_size, "%s",
			  s ? s->why
			    : "no disk of this host holds it and host.conf does not name it");
		return -E_NOENT;
	}
	s->why[0] = 0;
	err = stores_open_shared(s, force);
	if (err)
		ksnprintf(why, why_size, "%s", s->why);
	return err;
}

static int format_local(const char *name, const char *disk, char *why, size_t why_size)
{
	struct blkdev *whole = blkdev_find(disk), *part = NULL;
	int err;

	if (!whole) {
		ksnprintf(why, why_size, "this host has no disk '%.23s'; 'store' shows them", disk);
		return -E_NOENT;
	}
	if (stores_use_disk(whole)) {
		ksnprintf(why, why_size, "%.23s holds a datastore that is open", disk);
		return -E_BUSY;
	}
	if (partition_find(whole, &part))
		part = NULL;
	err = stores_make(part ? part : whole, name);
	if (part)
		partition_free(part);
	return err ? err : stores_open(name, false, why, why_size);
}

int stores_format(const char *name, const char *disk, char *why, size_t why_size)
{
	struct store *s = find(name);
	int err;

	if (s && s->ds) {
		ksnprintf(why, why_size, "is open; 'store-close' it first");
		return -E_BUSY;
	}
	if (disk)
		return format_local(name, disk, why, why_size);
	if (!s || !s->shared) {
		ksnprintf(why, why_size,
			  "host.conf does not name it; for a local disk give its name, like ata1");
		return -E_NOENT;
	}
	s->format = true;
	err = stores_open(name, false, why, why_size);
	s->format = false;
	return err;
}

int stores_close(const char *name, char *why, size_t why_size)
{
	struct store *s = find(name);
	struct datastore *ds = s ? s->ds : NULL;
	int err = -E_BUSY;

	if (!ds) {
		ksnprintf(why, why_size, "is not open");
		return -E_NOENT;
	}
	if (!s->holds) {
		/* It blocks; whoever found it would wait for the lock of what is freed. */
		s->ds = NULL;
		err = ds_close(ds);
	}
	if (err == -E_BUSY) {
		s->ds = ds;
		ksnprintf(why, why_size, "objects of it are in use, by VMs or a save");
		return err;
	}
	if (err)
		log_error("store %s: closing: %s", name, err_text(err));
	str_copy(s->why, "closed by the operator", sizeof(s->why));
	if (s->aoe)
		stores_let_go(s);
	if (s->part)
		partition_free(s->part);
	s->part = s->bd = NULL;
	return 0;
}
