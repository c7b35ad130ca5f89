/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The objects of snapshots: snap/VM/NAME/... What is not complete has its configuration
 * under another name, so that it can be found and removed whole. Names are all
 * that decides; no object is believed to be whole because another one is.
 */
#include "kernel/lib/format.h"
#include "kernel/lib/string.h"
#include "kernel/mem.h"
#include "kernel/task.h"
#include "kernel/time.h"
#include "migrate/snapshot.h"

#define PREFIX	 "snap/"
#define HEAD	 "# taken "
#define AT	 " at "
#define CONF_MAX (16 * KiB)

static bool locked;
static struct waitq unlocked = {.waiters = LIST_INIT(unlocked.waiters)};

void snapshot_lock(void)
{
	while (locked)
		(void)waitq_wait(&unlocked, TIME_NEVER);
	locked = true;
}

bool snapshot_trylock(void)
{
	bool got = !locked;

	locked = true;
	return got;
}

void snapshot_unlock(void)
{
	locked = false;
	waitq_wake_all(&unlocked);
}

void snapshot_object(char out[DS_NAME_LEN], const char *vm, const char *name, const char *part)
{
	ksnprintf(out, DS_NAME_LEN, PREFIX "%.31s/%.31s/%s", vm, name, part);
}

struct datastore *snapshot_home(const char *vm, const char *name)
{
	char object[DS_NAME_LEN];

	snapshot_object(object, vm, name, SNAPSHOT_CONF);
	return stores_holding(object);
}

bool snapshot_has_disk(const struct vm_disk_config *d)
{
	return d->in_store && !d->readonly;
}

/* ---- the configuration -------------------------------------------------------------- */

/* The first line: "# taken SECONDS at HOST". Another one says neither. text ends. */
static void read_head(char *text, struct snapshot *s)
{
	size_t head = strlen(HEAD);
	char *end = strchr(text, '\n'), *at;

	if (!end || strncmp(text, HEAD, head))
		return;
	*end = 0;
	at = strchr(text + head, ' ');
	if (at && !strncmp(at, AT, strlen(AT)) && strlen(at + strlen(AT)) < sizeof(s->host)) {
		str_copy(s->host, at + strlen(AT), sizeof(s->host));
		*at = 0;
		if (str_to_u64(text + head, &s->taken_s))
			s->taken_s = 0;
		*at = ' ';
	}
	*end = '\n';
}

/* text: CONF_MAX zeros. */
static int read_conf(struct snapshot *s, const char *part, char *text, char *why, size_t why_size)
{
	char object[DS_NAME_LEN];
	struct config_error wrong;
	size_t len;
	int err;

	snapshot_object(object, s->vm, s->name, part);
	err = ds_read_whole(s->home, object, text, CONF_MAX - 1, &len);
	if (err) {
		ksnprintf(why, why_size, "%s in store %s: %s", object, stores_name(s->home),
			  err_text(err));
		return err;
	}
	read_head(text, s);
	err = vm_config_parse(s->vm, text, strlen(text), &s->cfg, &wrong);
	if (err)
		ksnprintf(why, why_size, "%s line %u: %s", object, wrong.line, wrong.text);
	return err;
}

int snapshot_read(struct datastore *home, const char *vm, const char *name, const char *part,
		  struct snapshot *out, char *why, size_t why_size)
{
	char *text = kzalloc(CONF_MAX);
	int err = -E_NOMEM;

	memset(out, 0, sizeof(*out));
	out->home = home;
	str_copy(out->vm, vm, sizeof(out->vm));
	str_copy(out->name, name, sizeof(out->name));
	if (text)
		err = read_conf(out, part, text, why, why_size);
	else
		ksnprintf(why, why_size, "out of memory");
	if (err)
		memset(&out->cfg, 0, sizeof(out->cfg));
	kfree(text);
	return err;
}

static int write_conf(const struct snapshot *s, char *text)
{
	char object[DS_NAME_LEN];
	int head, len;

	head = ksnprintf(text, CONF_MAX, HEAD "%llu" AT "%s\n", (unsigned long long)s->taken_s,
			 s->host);
	len = vm_config_text(&s->cfg, text + head, CONF_MAX - 1 - (size_t)head);
	if (len < 0)
		return len;
	snapshot_object(object, s->vm, s->name, SNAPSHOT_HALF);
	return ds_write_whole(s->home, object, text, (uint64_t)(head + len));
}

int snapshot_begin(const struct snapshot *s)
{
	char *text = kzalloc(CONF_MAX);
	int err = text ? write_conf(s, text) : -E_NOMEM;

	kfree(text);
	return err;
}

int snapshot_complete(const struct snapshot *s)
{
	char half[DS_NAME_LEN], conf[DS_NAME_LEN];

	snapshot_object(half, s->vm, s->name, SNAPSHOT_HALF);
	snapshot_object(conf, s->vm, s->name, SNAPSHOT_CONF);
	return ds_rename(s->home, half, conf);
}

/* ---- stores ------------------------------------------------------------------------- */

/* Stores of one name are at several hosts: what was put into another host's is not in ours. */
static bool can_reach(const struct snapshot *s, const struct vm_disk_config *d, char *why,
		      size_t why_size)
{
	struct datastore *ds = stores_find(d->local);

	if (!ds)
		ksnprintf(why, why_size,
			  "disk %s: datastore '%s' is not open here; 'stores' shows which are",
			  d->name, d->local);
	else if (ds != s->home && strcmp(s->host, peers_self()->name))
		ksnprintf(why, why_size,
			  "disk %s: it was taken at host '%s', in its datastore '%s'", d->name,
			  s->host, d->local);
	else
		return true;
	return false;
}

bool snapshot_hold(const struct snapshot *s, char *why, size_t why_size)
{
	for (unsigned i = 0; i < s->cfg.disk_count; i++)
		if (snapshot_has_disk(&s->cfg.disks[i]) &&
		    !can_reach(s, &s->cfg.disks[i], why, why_size))
			return false;
	stores_hold(s->home);
	for (unsigned i = 0; i < s->cfg.disk_count; i++)
		if (snapshot_has_disk(&s->cfg.disks[i]))
			stores_hold(stores_find(s->cfg.disks[i].local));
	return true;
}

void snapshot_release(const struct snapshot *s)
{
	for (unsigned i = 0; i < s->cfg.disk_count; i++)
		if (snapshot_has_disk(&s->cfg.disks[i]))
			stores_release(stores_find(s->cfg.disks[i].local));
	stores_release(s->home);
}
