/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The few objects from which both hosts of a cold move know, after any restart, who has
 * the VM (tests/model/cold.pml): leaving/VM at the source; at the target the definition
 * itself, whose first line names the move, and moved/ID once that line may vanish.
 */
#include "kernel/lib/format.h"
#include "kernel/lib/string.h"
#include "kernel/log.h"
#include "kernel/store/stores.h"
#include "migrate/cold.h"
#include "vmm/vm_store.h"

#define MAGIC "LEAVING1"

/* ---- source ------------------------------------------------------------------------- */

static void leaving_name(const char *vm, char out[DS_NAME_LEN])
{
	ksnprintf(out, DS_NAME_LEN, LEAVING_PREFIX "%.31s", vm);
}

int cold_note_leaving(const char *vm, const struct cold_leaving *l)
{
	struct datastore *ds = stores_default();
	struct cold_leaving whole = *l;
	char name[DS_NAME_LEN];

	if (!ds)
		return -E_NOENT;
	memcpy(whole.magic, MAGIC, sizeof(whole.magic));
	leaving_name(vm, name);
	return ds_write_whole(ds, name, &whole, sizeof(whole));
}

int cold_forget_leaving(const char *vm)
{
	struct datastore *ds = stores_default();
	char name[DS_NAME_LEN];

	leaving_name(vm, name);
	return ds ? ds_remove(ds, name) : -E_NOENT;
}

int cold_read_leaving(const char *vm, struct cold_leaving *out)
{
	struct datastore *ds = stores_default();
	char name[DS_NAME_LEN];
	size_t len;
	int err;

	if (!ds)
		return -E_NOENT;
	leaving_name(vm, name);
	err = ds_read_whole(ds, name, out, sizeof(*out), &len);
	if (err)
		return err == -E_RANGE ? -E_PROTO : err;
	if (len != sizeof(*out) || memcmp(out->magic, MAGIC, sizeof(out->magic)) ||
	    strnlen(out->peer, sizeof(out->peer)) == sizeof(out->peer))
		return -E_PROTO;
	return 0;
}

int cold_next_leaving(unsigned *cursor, char name[VM_NAME_LEN])
{
	struct datastore *ds = stores_default();
	size_t prefix = strlen(LEAVING_PREFIX);
	struct ds_info info;

	while (ds && !ds_next(ds, cursor, &info)) {
		if (!strncmp(info.name, LEAVING_PREFIX, prefix) &&
		    str_copy(name, info.name + prefix, VM_NAME_LEN))
			return 0;
	}
	return -E_NOENT;
}

/* ---- target ------------------------------------------------------------------------- */

void cold_put_id(char out[COLD_ID_LEN], const uint8_t id[16])
{
	for (unsigned i = 0; i < 16; i++)
		ksnprintf(out + 2 * i, 3, "%02x", id[i]);
}

static void moved_name(const char *id, char out[DS_NAME_LEN])
{
	ksnprintf(out, DS_NAME_LEN, VM_STORE_MOVED "%s", id);
}

int cold_arrive(struct datastore *ds, const struct vm_config *cfg, const char *id, bool *sure)
{
	char head[sizeof(VM_STORE_ARRIVED) + COLD_ID_LEN];
	int err;

	ksnprintf(head, sizeof(head), VM_STORE_ARRIVED "%s\n", id);
	err = vm_store_take_conf(ds, cfg, head);
	/* a write that failed may be there after a restart, unless the next one undoes it */
	*sure = !err || !ds_sync(ds);
	return err;
}

/* What was received has its own name from now on; another one of that name was refused before. */
static int name_disk(const struct vm_disk_config *d)
{
	struct datastore *ds = d->in_store ? stores_find(d->local) : NULL;
	char part[DS_NAME_LEN + sizeof(DS_PART_SUFFIX)];
	struct ds_object *o;
	struct ds_info info;
	int err;

	if (d->in_store && !ds)
		return -E_NOENT; /* not open now: is it named or not? */
	if (!ds || !ds_find(ds, d->object, &info))
		return 0;
	ksnprintf(part, sizeof(part), "%s%s", d->object, DS_PART_SUFFIX);
	err = ds_get(ds, part, &o);
	if (err)
		return err == -E_NOENT ? 0 : err;
	err = ds_commit(o);
	ds_put(o);
	return err;
}

int cold_finish(struct datastore *ds, const struct vm_config *cfg, const char *id)
{
	char name[DS_NAME_LEN];
	int err = 0;

	for (uint32_t i = 0; !err && i < cfg->disk_count; i++)
		err = name_disk(&cfg->disks[i]);
	if (!err)
		err = vm_store_mark(cfg->name, false);
	moved_name(id, name);
	return err ? err : ds_write_whole(ds, name, NULL, 0);
}

void cold_settled(struct datastore *ds, const struct vm_config *cfg, const char *id)
{
	char name[DS_NAME_LEN];
	int err;

	err = vm_store_take_conf(ds, cfg, "");
	moved_name(id, name);
	if (!err)
		err = ds_remove(ds, name);
	if (err)
		log_debug("migrate: %s: its arrival stays on record: %s", cfg->name, err_text(err));
}

int cold_arrived_by(struct datastore *ds, const char *vm, char id[COLD_ID_LEN])
{
	char text[sizeof(VM_STORE_ARRIVED) - 1 + COLD_ID_LEN - 1];
	int err;

	err = vm_store_head(ds, vm, text, sizeof(text));
	if (err)
		return err;
	if (memcmp(text, VM_STORE_ARRIVED, strlen(VM_STORE_ARRIVED)))
		return -E_NOENT;
	memcpy(id, text + strlen(VM_STORE_ARRIVED), COLD_ID_LEN - 1);
	id[COLD_ID_LEN - 1] = 0;
	return ds_name_ok(id, COLD_ID_LEN) ? 0 : -E_NOENT;
}

bool cold_is_finished(struct datastore *ds, const char *id)
{
	char name[DS_NAME_LEN];
	struct ds_info info;

	moved_name(id, name);
	return !ds_find(ds, name, &info);
}

static enum handover_answer look_in(struct datastore *ds, const char *id)
{
	char vm[VM_NAME_LEN], by[COLD_ID_LEN];
	unsigned cursor = 0;

	while (!cold_is_finished(ds, id) && !vm_store_next(ds, &cursor, vm)) {
		int err = cold_arrived_by(ds, vm, by);

		if (!err && !strcmp(by, id))
			return ANSWER_COMMITTED;
		if (err && err != -E_NOENT)
			return ANSWER_UNKNOWN; /* it may be that one */
	}
	return cold_is_finished(ds, id) ? ANSWER_COMMITTED : ANSWER_NEVER;
}

enum handover_answer cold_answer(const uint8_t id[16], const uint8_t store[16])
{
	enum handover_answer a;
	const struct store *s;
	char hex[COLD_ID_LEN];
	struct ds_stat st;

	cold_put_id(hex, id);
	for (unsigned i = 0; (s = stores_at(i)); i++) {
		struct datastore *ds = s->ds;

		if (!ds)
			continue;
		ds_status(ds, &st);
		if (memcmp(st.uuid, store, sizeof(st.uuid)))
			continue;
		stores_hold(ds);
		a = look_in(ds, hex);
		stores_release(ds);
		return a;
	}
	return ANSWER_UNKNOWN;
}
