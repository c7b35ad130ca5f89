/* SPDX-License-Identifier: BSD-2-Clause */
/* From vms/NAME/vm.conf in the file pool to a defined VM; by command and at boot. */
#include "vmm/commands_vm_inner.h"

#include "kernel/files.h"
#include "kernel/lib/format.h"
#include "kernel/lib/string.h"
#include "kernel/mem.h"
#include "kernel/store/stores.h"
#include "vmm/vm_store.h"

#define CONF_PREFIX "vms/"
#define CONF_SUFFIX "/vm.conf"

/* If path is vms/NAME/vm.conf: NAME into name, true. */
static bool conf_name(const char *path, char name[VM_NAME_LEN])
{
	size_t prefix = strlen(CONF_PREFIX), len;
	const char *slash;

	if (strncmp(path, CONF_PREFIX, prefix) != 0)
		return false;
	slash = strchr(path + prefix, '/');
	if (!slash || strcmp(slash, CONF_SUFFIX) != 0)
		return false;
	len = (size_t)(slash - path) - prefix;
	if (!len || len >= VM_NAME_LEN)
		return false;
	memcpy(name, path + prefix, len);
	name[len] = '\0';
	return true;
}

/* 0 and *out; or the error, with words in why. */
static int define_named(const char *name, struct vm **out, char *why, size_t why_size)
{
	struct config_error wrong;
	struct vm_config *cfg;
	const struct file *f;
	char path[128];
	int err;

	ksnprintf(path, sizeof(path), CONF_PREFIX "%.31s" CONF_SUFFIX, name);
	f = files_find(path);
	if (!f) {
		ksnprintf(why, why_size, "%s is not on the boot volume", path);
		return -E_NOENT;
	}
	cfg = kzalloc(sizeof(*cfg));
	if (!cfg) {
		ksnprintf(why, why_size, "out of memory");
		return -E_NOMEM;
	}
	err = vm_config_parse(name, (const char *)f->data, f->size, cfg, &wrong);
	if (err) {
		ksnprintf(why, why_size, "%s line %u: %s", path, wrong.line, wrong.text);
	} else {
		err = vm_define(cfg, out);
		if (err)
			ksnprintf(why, why_size, "%s", err_text(err));
	}
	kfree(cfg);
	return err;
}

/* What is kept counts before what is on the boot volume. */
static int define_any(const char *name, struct vm **out, char *why, size_t why_size)
{
	int err = vm_store_define(name, out, why, why_size);

	return err == -E_NOENT ? define_named(name, out, why, why_size) : err;
}

int commands_run_define(struct console *con, int argc, char **argv)
{
	char why[192], leaving[DS_NAME_LEN];
	struct vm *vm;
	int err;

	ksnprintf(leaving, sizeof(leaving), LEAVING_PREFIX "%.31s", argv[1]);
	if (stores_holding(leaving))
		return console_fail(con, -E_BUSY,
				    "vm '%.31s': a cold move of it is not settled; it may be "
				    "another host's; restart this host to have that asked",
				    argv[1]);
	err = define_any(argv[1], &vm, why, sizeof(why));

	if (!err && vm_store_mark(argv[1], false))
		console_printf(con, "the datastore failed: it is off again after a restart\n");

	if (err)
		return console_fail(con, err, "vm '%.31s': %s", argv[1], why);
	return 0;
}

int commands_run_keep(struct console *con, int argc, char **argv)
{
	struct vm *vm = commands_find_vm(con, argv[1]);
	char why[160];
	int err;

	if (!vm)
		return -E_NOENT;
	if (vm->move_under_way || vm->serving || vm->state == VM_IN_DOUBT)
		return console_fail(con, -E_BUSY, "vm '%.31s' is %s, and on a move or the like",
				    argv[1], vm_state_name(vm->state));
	vm->serving = true; /* writing blocks: no move may begin */
	err = vm_store_keep(vm, why, sizeof(why));
	vm->serving = false;
	if (err)
		return console_fail(con, err, "vm '%.31s': not kept: %s", argv[1], why);
	return 0;
}

void commands_complete_undefined(struct completion *c, int argc, char **argv)
{
	char name[VM_NAME_LEN];
	const struct file *f;

	for (unsigned i = 0; argc == 1 && (f = files_at(i)); i++) {
		if (conf_name(f->path, name) && !vm_find(name))
			completion_add(c, name);
	}
}

static void start_if_wanted(struct vm *vm)
{
	const char *name = vm->cfg.name;
	char leaving[DS_NAME_LEN];
	int err;

	log_info("vm %s: defined", name);
	ksnprintf(leaving, sizeof(leaving), LEAVING_PREFIX "%s", name);
	if (!vm->cfg.autostart || stores_holding(leaving))
		return; /* who has one that is leaving is asked soon */
	if (stores_saved(name)) {
		log_info("vm %s: is saved, not started: 'restore %s'", name, name);
		return;
	}
	if (stores_reverting(name)) {
		log_error("vm %s: its revert was cut off, not started: 'revert' again", name);
		return;
	}
	err = vm_start(vm);
	if (err)
		log_error("vm %s: autostart failed: %s", name, err_text(err));
}

static void define_kept(void)
{
	struct datastore *ds = stores_default();
	char name[VM_NAME_LEN], why[192] = "";
	unsigned cursor = 0;
	struct vm *vm;

	while (ds && !vm_store_next(ds, &cursor, name)) {
		if (vm_find(name))
			continue;
		if (vm_store_undefined(name))
			log_info("vm %s: kept, but it was undefined or left: 'define %s'", name,
				 name);
		else if (vm_store_define(name, &vm, why, sizeof(why)))
			log_error("vm %s: not defined: %s", name, why);
		else
			start_if_wanted(vm);
	}
}

void vm_define_all(void)
{
	char name[VM_NAME_LEN], why[192];
	const struct file *f;
	struct vm *vm;

	define_kept();
	for (unsigned i = 0; (f = files_at(i)); i++) {
		if (!conf_name(f->path, name) || vm_find(name) || vm_store_undefined(name))
			continue;
		if (define_named(name, &vm, why, sizeof(why)) != 0)
			log_error("vm %s: not defined: %s", name, why);
		else
			start_if_wanted(vm);
	}
}
