/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Is a VM configuration sane? The same limits for files and for peers, both
 * hostile: each string ends inside its field, each number is inside its range.
 */
#include "kernel/lib/format.h"
#include "kernel/lib/string.h"
#include "vmm/vm_config_limits.h"

int config_refuse(struct config_parser *p, const char *fmt, ...)
{
	va_list ap;

	p->err->line = p->line;
	va_start(ap, fmt);
	kvsnprintf(p->err->text, sizeof(p->err->text), fmt, ap);
	va_end(ap);
	return -E_INVAL;
}

static bool is_word_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_' || c == '-' || c == '.';
}

/* A name of word characters that fits size with its NUL and does not start with a dot. */
bool config_is_name(const char *s, size_t size)
{
	size_t len = strnlen(s, size);

	if (!len || len == size || s[0] == '.')
		return false;
	for (size_t i = 0; i < len; i++) {
		if (!is_word_char(s[i]))
			return false;
	}
	return true;
}

/* Names joined by single slashes: a file-pool path. */
bool config_is_path(const char *s, size_t size)
{
	size_t len = strnlen(s, size);
	char last = '/';

	if (!len || len == size)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (s[i] != '/' && s[i] != '+' && !is_word_char(s[i]))
			return false;
		if (last == '/' && (s[i] == '/' || s[i] == '.'))
			return false;
		last = s[i];
	}
	return last != '/';
}

/* Printable text that ends inside its field. */
bool config_is_text(const char *s, size_t size)
{
	size_t len = strnlen(s, size);

	for (size_t i = 0; i < len; i++) {
		if (s[i] < ' ' || s[i] > '~')
			return false;
	}
	return len < size;
}

static int check_disk(struct config_parser *p, const struct vm_config *cfg, unsigned i)
{
	const struct vm_disk_config *d = &cfg->disks[i];

	if (!config_is_name(d->name, sizeof(d->name)))
		return config_refuse(p, "disk %u: its name is not one", i);
	if (strchr(d->name, '.')) /* NAME.part is an object's that is not whole */
		return config_refuse(p, "disk %s: a disk's name has no '.'", d->name);
	for (unsigned k = 0; k < i; k++) {
		if (!strcmp(cfg->disks[k].name, d->name))
			return config_refuse(p, "disk %u: has the name of disk %u, %s", i, k,
					     d->name);
	}
	if (d->used != 1 || d->shared > 1 || d->readonly > 1 || d->in_store > !d->shared)
		return config_refuse(p,
				     "disk %s: flags are %u %u %u %u, expected 1, then 0 or 1 and "
				     "not both shared and in a store",
				     d->name, d->used, d->shared, d->readonly, d->in_store);
	if (d->shared && (d->shelf > AOE_SHELF_MAX || d->slot > AOE_SLOT_MAX))
		return config_refuse(p, "disk %s: AoE address %u.%u is above %d.%d", d->name,
				     d->shelf, d->slot, AOE_SHELF_MAX, AOE_SLOT_MAX);
	if (!config_is_text(d->local, sizeof(d->local)))
		return config_refuse(p, "disk %s: its local name does not end", d->name);
	if (!d->shared && !config_is_name(d->local, sizeof(d->local)))
		return config_refuse(p, "disk %s: names no local disk", d->name);
	if (!config_is_text(d->object, sizeof(d->object)) ||
	    (d->in_store && !config_is_path(d->object, sizeof(d->object))))
		return config_refuse(p, "disk %s: names no object of a datastore", d->name);
	return 0;
}

bool config_is_mac(const uint8_t mac[6])
{
	static const uint8_t none[6];

	return !(mac[0] & 1) && memcmp(mac, none, sizeof(none));
}

static int check_nic(struct config_parser *p, const struct vm_config *cfg, unsigned i)
{
	const struct vm_nic_config *n = &cfg->nics[i];

	if (!config_is_name(n->name, sizeof(n->name)))
		return config_refuse(p, "nic %u: its name is not one", i);
	if (!config_is_name(n->network, sizeof(n->network)))
		return config_refuse(p, "nic %s: its network's name is not one", n->name);
	if (!config_is_mac(n->mac) || n->unfiltered > 1)
		return config_refuse(p, "nic %s: its MAC is zero or a group's", n->name);
	for (unsigned k = 0; k < i; k++) {
		const struct vm_nic_config *other = &cfg->nics[k];

		if (!strcmp(other->name, n->name))
			return config_refuse(p, "nic %s: this name was given before", n->name);
		if (!memcmp(other->mac, n->mac, sizeof(n->mac)))
			return config_refuse(p, "nic %s: has the MAC of %s", n->name, other->name);
	}
	return 0;
}

int vm_config_check(const struct vm_config *cfg, struct config_error *err)
{
	struct config_parser p = {.err = err};

	if (!config_is_name(cfg->name, sizeof(cfg->name)))
		return config_refuse(&p, "the VM's name is not one");
	if (cfg->memory < MEMORY_MIN || cfg->memory > MEMORY_MAX || cfg->memory % SIZE_2M)
		return config_refuse(
		    &p, "memory is %llu bytes, expected a multiple of 2M from 2M to 1024G",
		    (unsigned long long)cfg->memory);
	if (!cfg->vcpus || cfg->vcpus > VM_MAX_VCPUS)
		return config_refuse(&p, "vcpus is %u, expected 1 to %d", cfg->vcpus, VM_MAX_VCPUS);
	if (!cfg->weight || cfg->weight > WEIGHT_MAX)
		return config_refuse(&p, "weight is %u, expected 1 to %d", cfg->weight, WEIGHT_MAX);
	if (cfg->autostart > 1 || cfg->testdev > 1)
		return config_refuse(&p, "autostart and testdev are %u and %u, expected 0 or 1",
				     cfg->autostart, cfg->testdev);
	if (cfg->firmware > 1)
		return config_refuse(&p, "firmware is %u, expected 0 or 1", cfg->firmware);
	if (cfg->firmware && (cfg->initrd[0] || cfg->cmdline[0] || cfg->module_count))
		return config_refuse(
		    &p, "firmware boots from disk: initrd, modules and cmdline are for kernels");
	if (!config_is_path(cfg->kernel, sizeof(cfg->kernel)))
		return config_refuse(&p, "kernel is no path");
	if (cfg->initrd[0] && !config_is_path(cfg->initrd, sizeof(cfg->initrd)))
		return config_refuse(&p, "initrd is no path");
	if (!config_is_text(cfg->cmdline, sizeof(cfg->cmdline)))
		return config_refuse(&p, "cmdline is not printable text");
	if (!config_is_text(cfg->cpu_hide, sizeof(cfg->cpu_hide)))
		return config_refuse(&p, "cpu_hide is not printable text");
	if (cfg->module_count > VM_MAX_MODULES)
		return config_refuse(&p, "module_count is %u, at most %d", cfg->module_count,
				     VM_MAX_MODULES);
	for (unsigned i = 0; i < cfg->module_count; i++) {
		const struct vm_module_config *m = &cfg->modules[i];

		if (!config_is_path(m->path, sizeof(m->path)))
			return config_refuse(&p, "module %u is no path", i);
		if (!config_is_text(m->args, sizeof(m->args)))
			return config_refuse(&p, "module %u: arguments are not printable text", i);
	}
	if (cfg->disk_count > VM_MAX_DISKS)
		return config_refuse(&p, "disk_count is %u, at most %d", cfg->disk_count,
				     VM_MAX_DISKS);
	for (unsigned i = 0; i < cfg->disk_count; i++) {
		int bad = check_disk(&p, cfg, i);

		if (bad)
			return bad;
	}
	if (cfg->nic_count > VM_MAX_NICS)
		return config_refuse(&p, "nic_count is %u, at most %d", cfg->nic_count,
				     VM_MAX_NICS);
	for (unsigned i = 0; i < cfg->nic_count; i++) {
		int bad = check_nic(&p, cfg, i);

		if (bad)
			return bad;
	}
	return 0;
}
