/* SPDX-License-Identifier: BSD-2-Clause */
/* From vms/NAME/vm.conf in the file pool to a defined VM; by command and at boot. */
#include "vmm/commands_vm_inner.h"

#include "kernel/files.h"
#include "kernel/lib/format.h"
#include "kernel/lib/string.h"
#include "kernel/mem.h"

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

int commands_run_define(struct console *con, int argc, char **argv)
{
	char why[192];
	struct vm *vm;
	int err = define_named(argv[1], &vm, why, sizeof(why));

	if (err)
		return console_fail(con, err, "vm '%.31s': %s", argv[1], why);
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

void vm_define_all(void)
{
	char name[VM_NAME_LEN], why[192];
	const struct file *f;
	struct vm *vm;
	int err;

	for (unsigned i = 0; (f = files_at(i)); i++) {
		if (!conf_name(f->path, name) || vm_find(name))
			continue;
		if (define_named(name, &vm, why, sizeof(why)) != 0) {
			log_error("vm %s: not defined: %s", name, why);
			continue;
		}
		log_info("vm %s: defined", name);
		if (!vm->cfg.autostart)
			continue;
		err = vm_start(vm);
		if (err)
			log_error("vm %s: autostart failed: %s", name, err_text(err));
	}
}
