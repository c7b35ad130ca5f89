/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A VM's configuration as the text of a vm.conf: what the parser reads from it is the
 * configuration again, the UUID and the cards' MACs included.
 */
#include "vmm/vm_config.h"

#include "kernel/lib/format.h"
#include "kernel/lib/string.h"

struct text {
	char *buf;
	size_t size, len;
};

static void put(struct text *t, const char *fmt, ...) printf_like(2, 3);
static void put(struct text *t, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (t->len >= t->size)
		return;
	va_start(ap, fmt);
	n = kvsnprintf(t->buf + t->len, t->size - t->len, fmt, ap);
	va_end(ap);
	t->len += (size_t)MAX(n, 0);
}

static void put_uuid(struct text *t, const uint8_t u[16])
{
	put(t, "uuid ");
	for (unsigned i = 0; i < 16; i++)
		put(t, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", u[i]);
	put(t, "\n");
}

static void put_disk(struct text *t, const struct vm_disk_config *d)
{
	put(t, "disk %s ", d->name);
	if (d->shared)
		put(t, "aoe %u.%u", d->shelf, d->slot);
	else if (d->in_store)
		put(t, "store %s %s", d->local, d->object);
	else
		put(t, "local %s", d->local);
	put(t, "%s\n", d->readonly ? " readonly" : "");
}

static void put_nic(struct text *t, const struct vm_nic_config *n)
{
	char mac[18];

	put(t, "nic %s %s %s%s\n", n->name, n->network, format_mac(mac, n->mac),
	    n->unfiltered ? " unfiltered" : "");
}

int vm_config_text(const struct vm_config *c, char *buf, size_t size)
{
	static const uint8_t none[16];
	struct text t = {buf, size, 0};

	put(&t, "memory %lu\nvcpus %u\nweight %u\n", (unsigned long)c->memory, c->vcpus, c->weight);
	if (memcmp(c->uuid, none, sizeof(none)))
		put_uuid(&t, c->uuid);
	put(&t, "%s %s\n", c->firmware ? "firmware" : "kernel", c->kernel);
	if (c->initrd[0])
		put(&t, "initrd %s\n", c->initrd);
	if (c->cmdline[0])
		put(&t, "cmdline %s\n", c->cmdline);
	if (c->cpu_hide[0])
		put(&t, "cpu_hide %s\n", c->cpu_hide);
	if (c->autostart)
		put(&t, "autostart yes\n");
	if (c->testdev)
		put(&t, "testdev on\n");
	for (uint32_t i = 0; i < c->module_count; i++)
		put(&t, "module %s %s\n", c->modules[i].path, c->modules[i].args);
	for (uint32_t i = 0; i < c->disk_count; i++)
		put_disk(&t, &c->disks[i]);
	for (uint32_t i = 0; i < c->nic_count; i++)
		put_nic(&t, &c->nics[i]);
	return t.len < size ? (int)t.len : -E_NOSPC;
}
