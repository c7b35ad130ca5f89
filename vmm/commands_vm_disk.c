/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * `disk-delete`: removes a disk, or an unfinished copy of one, from a datastore. Nothing
 * brings its bytes back, so whatever may still need it is asked first.
 */
#include "kernel/commands_stores.h"
#include "kernel/lib/format.h"
#include "kernel/lib/string.h"
#include "kernel/log.h"
#include "kernel/store/stores.h"
#include "vmm/commands_vm_inner.h"
#include "vmm/vm_store.h"

#define DISKS	  "disk/"
#define SNAPSHOTS "snap/"

/* Of "disk/web/vda" and "disk/web/vda.part": the VM's name. "" for other objects. */
static void owner_of(const char *object, char vm[VM_NAME_LEN])
{
	const char *name = object + strlen(DISKS), *slash;

	vm[0] = 0;
	if (strncmp(object, DISKS, strlen(DISKS)))
		return;
	slash = strchr(name, '/');
	if (!slash || slash - name >= VM_NAME_LEN)
		return;
	memcpy(vm, name, (size_t)(slash - name));
	vm[slash - name] = 0;
}

/* An unfinished copy is the disk's that it becomes. */
static bool is_object(const char *object, const char *disk)
{
	size_t len = strlen(disk);

	return !strncmp(object, disk, len) &&
	       (!object[len] || !strcmp(object + len, DS_PART_SUFFIX));
}

static const struct vm *find_user(const char *store, const char *object)
{
	const struct vm *vm;

	for (unsigned i = 0; (vm = vm_at(i)); i++)
		for (uint32_t k = 0; k < vm->cfg.disk_count; k++)
			if (vm->cfg.disks[k].in_store && !strcmp(vm->cfg.disks[k].local, store) &&
			    is_object(object, vm->cfg.disks[k].object))
				return vm;
	return NULL;
}

/* Where does the VM stand, whose disk it is by its name? Blocks. 0, or -E_BUSY with words. */
static int ask_owner(struct console *con, const char *object, const char *vm, bool force)
{
	char name[DS_NAME_LEN], why[120];

	ksnprintf(name, sizeof(name), LEAVING_PREFIX "%.31s", vm);
	if (stores_holding(name))
		return console_fail(con, -E_BUSY,
				    "'%.60s': a cold move of %s is not settled; it may need it",
				    object, vm);
	if (stores_default() &&
	    vm_store_check_arrival(stores_default(), vm, why, sizeof(why)) == -E_BUSY)
		return console_fail(con, -E_BUSY, "'%.60s': %s: %s", object, vm, why);
	if (stores_reverting(vm))
		return console_fail(con, -E_BUSY,
				    "'%.60s': a revert of %s was cut off: 'revert' again first",
				    object, vm);
	if (!force && stores_saved(vm))
		return console_fail(con, -E_BUSY,
				    "'%.60s': %s is saved and may need it: 'restore', "
				    "'saved-delete', or --force",
				    object, vm);
	return 0;
}

/* A snapshot's disks go with the snapshot. */
static bool is_disk(const struct ds_info *info)
{
	return info->kind == DS_DISK && strncmp(info->name, SNAPSHOTS, strlen(SNAPSHOTS)) != 0;
}

static int look(struct console *con, struct datastore *ds, const char *object, bool force)
{
	const struct vm *user = find_user(stores_name(ds), object);
	char vm[VM_NAME_LEN];
	struct ds_info info;

	if (ds_find(ds, object, &info))
		return console_fail(con, -E_NOENT,
				    "'%.60s' is not in store %s: 'store-list %s' shows what is",
				    object, stores_name(ds), stores_name(ds));
	if (!is_disk(&info))
		return console_fail(con, -E_INVAL,
				    "'%.60s' is no disk: 'undefine', 'saved-delete' and "
				    "'snapshot-delete' remove the rest",
				    object);
	if (user)
		return console_fail(con, -E_BUSY, "'%.60s' is a disk of VM %s: 'undefine' it first",
				    object, user->cfg.name);
	owner_of(object, vm);
	return vm[0] ? ask_owner(con, object, vm, force) : 0;
}

void commands_complete_disk(struct completion *c, int argc, char **argv)
{
	struct datastore *ds = argc == 2 ? stores_find(argv[1]) : NULL;
	unsigned cursor = 0;
	struct ds_info info;

	if (argc == 1)
		commands_complete_store(c, argc, argv);
	while (ds && !ds_next(ds, &cursor, &info))
		if (is_disk(&info))
			completion_add(c, info.name);
}

int commands_run_disk_delete(struct console *con, int argc, char **argv)
{
	bool force = argc > 3 && !strcmp(argv[3], "--force");
	struct datastore *ds = commands_find_store(con, argv[1]);
	int err;

	if (!ds)
		return -E_NOENT;
	if (argc > 3 && !force)
		return console_fail(con, -E_INVAL, "'%.20s': expected --force or nothing", argv[3]);
	stores_hold(ds); /* looking and removing block */
	err = look(con, ds, argv[2], force);
	if (!err) {
		err = ds_remove(ds, argv[2]);
		if (err)
			err = console_fail(con, err, "'%.60s': %s", argv[2],
					   err == -E_BUSY ? "a move or another command uses it"
							  : err_text(err));
		else
			log_info("store %s: %s was deleted on the console", stores_name(ds),
				 argv[2]);
	}
	stores_release(ds);
	return err;
}
