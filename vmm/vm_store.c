/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Keeps VMs' definitions in the default datastore. Boot files get the names of what
 * they are (kernel, initrd, module0): in the file pool they are store/VM/kernel.
 */
#include "vmm/vm_store.h"

#include "kernel/files.h"
#include "kernel/lib/format.h"
#include "kernel/lib/string.h"
#include "kernel/log.h"
#include "kernel/mem.h"
#include "kernel/store/stores.h"

#define PREFIX	  "vm/"
#define CONF	  "/vm.conf"
#define UNDEFINED "/undefined"
#define CONF_MAX  (16 * KiB)

/* ---- keeping ------------------------------------------------------------------------ */

/*
 * One boot file; path becomes that under which it is found after a restart. Unless it must be
 * there, a path that names none stays, to say where it was.
 */
static int keep_file(struct datastore *ds, const char *vm, char *path, const char *as, bool must)
{
	const struct file *f = path[0] ? files_find(path) : NULL;
	char object[DS_NAME_LEN];

	if (!f)
		return path[0] && must ? -E_NOENT : 0;
	ksnprintf(object, sizeof(object), PREFIX "%s/%s", vm, as);
	ksnprintf(path, VM_PATH_LEN, "store/%s/%s", vm, as);
	return ds_write_whole(ds, object, f->data, f->size);
}

static int keep_files(struct datastore *ds, struct vm_config *c, bool all)
{
	char as[16];
	int err;

	err = keep_file(ds, c->name, c->kernel, "kernel", all);
	if (!err)
		err = keep_file(ds, c->name, c->initrd, "initrd", all);
	for (uint32_t i = 0; !err && i < c->module_count; i++) {
		ksnprintf(as, sizeof(as), "module%u", i);
		err = keep_file(ds, c->name, c->modules[i].path, as, all);
	}
	return err;
}

static int write_conf(struct datastore *ds, const struct vm_config *c, const char *head, char *text)
{
	size_t before = strlen(head);
	char object[DS_NAME_LEN];
	int len;

	(void)str_copy(text, head, CONF_MAX);
	len = vm_config_text(c, text + before, CONF_MAX - before);
	if (len < 0)
		return len;
	ksnprintf(object, sizeof(object), PREFIX "%.31s" CONF, c->name);
	return ds_write_whole(ds, object, text, before + (size_t)len);
}

/* Files first: a definition never names one that is not there. */
static int keep(struct datastore *ds, struct vm_config *c, char *text)
{
	int err;

	err = keep_files(ds, c, true);
	if (!err)
		err = write_conf(ds, c, "", text);
	return err ? err : vm_store_mark(c->name, false);
}

int vm_store_take_files(struct datastore *ds, struct vm_config *c)
{
	return keep_files(ds, c, false);
}

int vm_store_take_conf(struct datastore *ds, const struct vm_config *c, const char *head)
{
	char *text = kzalloc(CONF_MAX);
	int err = text ? write_conf(ds, c, head, text) : -E_NOMEM;

	kfree(text);
	return err;
}

int vm_store_keep(const struct vm *vm, char *why, size_t why_size)
{
	struct datastore *ds = stores_default();
	struct vm_config *c = kzalloc(sizeof(*c)); /* blocking: the VM may go meanwhile */
	char *text = kzalloc(CONF_MAX);
	int err = -E_NOMEM;

	if (c && text && !ds) {
		err = -E_NOENT;
		ksnprintf(why, why_size, "no datastore is open here; 'stores' shows why");
	} else if (c && text) {
		*c = vm->cfg;
		stores_hold(ds);
		err = keep(ds, c, text);
		stores_release(ds);
		if (err)
			ksnprintf(why, why_size, "%s%s", err_text(err),
				  err == -E_NOENT ? " (a boot file)" : "");
	}
	kfree(text);
	kfree(c);
	return err;
}

/* ---- defining ----------------------------------------------------------------------- */

/* A boot file into the pool, unless it is there since an earlier call. */
static int load_file(struct datastore *ds, const char *vm, const char *path)
{
	const char *as = path[0] ? path + strlen("store/") + strlen(vm) + 1 : "";
	char object[DS_NAME_LEN];
	struct ds_object *o;
	struct ds_info info;
	uint8_t *data;
	int err;

	if (!path[0] || files_find(path))
		return 0;
	ksnprintf(object, sizeof(object), PREFIX "%s/%s", vm, as);
	err = ds_get(ds, object, &o);
	if (err)
		return err;
	ds_object_info(o, &info);
	err = files_create(path, info.size, &data);
	if (!err) {
		err = ds_read(o, 0, data, info.size);
		if (err)
			files_discard(path);
		else
			files_commit(path);
	}
	ds_put(o);
	return err;
}

/* Only files of this VM's own: others are the boot volume's business. */
static int load_files(struct datastore *ds, const struct vm_config *c)
{
	const char *paths[2 + VM_MAX_MODULES] = {c->kernel, c->initrd};
	char own[VM_PATH_LEN];
	unsigned count = 2;
	int err = 0;

	ksnprintf(own, sizeof(own), "store/%s/", c->name);
	for (uint32_t i = 0; i < c->module_count; i++)
		paths[count++] = c->modules[i].path;
	for (unsigned i = 0; !err && i < count; i++)
		if (!strncmp(paths[i], own, strlen(own)))
			err = load_file(ds, c->name, paths[i]);
	return err;
}

static int read_config(struct datastore *ds, const char *name, struct vm_config *c, char *text,
		       char *why, size_t why_size)
{
	char object[DS_NAME_LEN];
	struct config_error wrong;
	size_t len = 0;
	int err;

	ksnprintf(object, sizeof(object), PREFIX "%.31s" CONF, name);
	err = ds_read_whole(ds, object, text, CONF_MAX, &len);
	if (err) {
		ksnprintf(why, why_size, "%s: %s", object, err_text(err));
		return err;
	}
	err = vm_config_parse(name, text, len, c, &wrong);
	if (err)
		ksnprintf(why, why_size, "%s line %u: %s", object, wrong.line, wrong.text);
	return err;
}

int vm_store_read(struct datastore *ds, const char *name, struct vm_config *out, char *why,
		  size_t why_size)
{
	char *text = kzalloc(CONF_MAX);
	int err = -E_NOMEM;

	if (text)
		err = read_config(ds, name, out, text, why, why_size);
	else
		ksnprintf(why, why_size, "out of memory");
	kfree(text);
	return err;
}

/* A start of the host finishes it (cold_finish_arrivals), if the datastore was open by then. */
int vm_store_check_arrival(struct datastore *ds, const char *name, char *why, size_t why_size)
{
	char head[sizeof(VM_STORE_ARRIVED) - 1 + VM_STORE_ID_LEN], object[DS_NAME_LEN];
	size_t word = strlen(VM_STORE_ARRIVED);
	struct ds_info info;
	int err;

	stores_hold(ds);
	err = vm_store_head(ds, name, head, sizeof(head) - 1);
	stores_release(ds);
	if (err || memcmp(head, VM_STORE_ARRIVED, word))
		return err;
	head[sizeof(head) - 1] = '\0';
	ksnprintf(object, sizeof(object), VM_STORE_MOVED "%s", head + word);
	if (!ds_find(ds, object, &info))
		return 0;
	ksnprintf(why, why_size,
		  "it came by a cold move that is not finished here: restart this host");
	return -E_BUSY;
}

int vm_store_define(const char *name, struct vm **out, char *why, size_t why_size)
{
	struct datastore *ds = stores_default();
	struct vm_config *c;
	int err;

	if (!ds)
		return -E_NOENT;
	c = kzalloc(sizeof(*c));
	if (!c) {
		ksnprintf(why, why_size, "out of memory");
		return -E_NOMEM;
	}
	err = vm_store_read(ds, name, c, why, why_size);
	if (!err)
		err = vm_store_check_arrival(ds, name, why, why_size);
	if (!err) {
		err = load_files(ds, c);
		if (!err)
			err = vm_define(c, out);
		if (err)
			ksnprintf(why, why_size, "vm/%.31s/vm.conf: %s", name, err_text(err));
	}
	kfree(c);
	return err;
}

int vm_store_head(struct datastore *ds, const char *name, char *buf, size_t size)
{
	char object[DS_NAME_LEN];
	struct ds_object *o;
	struct ds_info info;
	int err;

	memset(buf, 0, size);
	ksnprintf(object, sizeof(object), PREFIX "%.31s" CONF, name);
	err = ds_get(ds, object, &o);
	if (err)
		return err;
	ds_object_info(o, &info);
	err = ds_read(o, 0, buf, MIN(info.size, (uint64_t)size));
	ds_put(o);
	return err;
}

/* The configuration first: what is left without it is no VM. */
int vm_store_remove(struct datastore *ds, const char *name)
{
	static const char *const parts[] = {"vm.conf", "kernel",  "initrd", "module0",
					    "module1", "module2", "module3"};
	char object[DS_NAME_LEN];
	int err = 0;

	_Static_assert(ARRAY_SIZE(parts) == 3 + VM_MAX_MODULES, "one name each");
	for (unsigned i = 0; !err && i < ARRAY_SIZE(parts); i++) {
		ksnprintf(object, sizeof(object), PREFIX "%.31s/%s", name, parts[i]);
		err = ds_remove(ds, object);
		if (err == -E_NOENT)
			err = 0;
	}
	return err;
}

int vm_store_next(struct datastore *ds, unsigned *cursor, char name[VM_NAME_LEN])
{
	struct ds_info info;
	const char *slash;

	while (!ds_next(ds, cursor, &info)) {
		size_t prefix = strlen(PREFIX), len;

		if (strncmp(info.name, PREFIX, prefix))
			continue;
		slash = strchr(info.name + prefix, '/');
		len = slash ? (size_t)(slash - info.name) - prefix : 0;
		if (!len || len >= VM_NAME_LEN || strcmp(slash, CONF))
			continue;
		memcpy(name, info.name + prefix, len);
		name[len] = 0;
		return 0;
	}
	return -E_NOENT;
}

bool vm_store_undefined(const char *name)
{
	struct datastore *ds = stores_default();
	char object[DS_NAME_LEN];
	struct ds_info info;

	ksnprintf(object, sizeof(object), PREFIX "%.31s" UNDEFINED, name);
	return ds && !ds_find(ds, object, &info);
}

int vm_store_mark(const char *name, bool undefined)
{
	struct datastore *ds = stores_default();
	char object[DS_NAME_LEN];
	int err;

	if (!ds)
		return 0;
	ksnprintf(object, sizeof(object), PREFIX "%.31s" UNDEFINED, name);
	stores_hold(ds);
	err = undefined ? ds_write_whole(ds, object, NULL, 0) : ds_remove(ds, object);
	stores_release(ds);
	return err == -E_NOENT ? 0 : err;
}

int vm_store_gone(const char *name)
{
	struct datastore *ds = stores_default();
	int err;

	if (!ds)
		return 0;
	stores_hold(ds);
	err = vm_store_mark(name, true);
	if (!err)
		err = vm_store_remove(ds, name);
	stores_release(ds);
	return err;
}
