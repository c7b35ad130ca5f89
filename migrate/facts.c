/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Gathers what the checks compare: the source describes the VM, the target looks at
 * itself and at the VM's disks with its own eyes. No judgement here.
 */
#include "kernel/files.h"
#include "kernel/lib/string.h"
#include "kernel/log.h"
#include "kernel/mem.h"
#include "kernel/store/stores.h"
#include "kernel/time.h"
#include "migrate/disks.h"
#include "vmm/vm_nics.h"

#define LOOK_NS (3 * NS_PER_S)

static void offer_file(struct stream_offer *o, const char *path)
{
	const struct file *f = path[0] ? files_find(path) : NULL;
	struct stream_file *out = &o->files[o->file_count];

	if (!f || !f->size || o->file_count == STREAM_FILES_MAX)
		return; /* the guest runs on without; it cannot reboot here either */
	for (unsigned i = 0; i < o->file_count; i++) {
		if (!strcmp(o->files[i].path, path))
			return; /* one file twice: it goes once */
	}
	str_copy(out->path, path, sizeof(out->path));
	out->size = f->size;
	out->crc = f->crc;
	o->file_count++;
}

int facts_offer(const struct vm *vm, struct stream_offer *o)
{
	memset(o, 0, sizeof(*o));
	o->cfg = vm->cfg;
	o->cpuid = vm->cpuid;
	if (vm->disk_count != vm->cfg.disk_count || vm->disk_count > VM_MAX_DISKS)
		return -E_STATE;
	for (unsigned i = 0; i < vm->disk_count; i++) {
		const struct vm_disk *d = &vm->disks[i];
		struct stream_disk *out = &o->disks[i];

		memcpy(out->name, d->cfg.name, sizeof(out->name));
		out->shared = d->aoe != NULL;
		out->deciding = d->aoe && d->deciding;
		out->sectors = d->blk ? d->blk->sectors : 0;
		if (d->aoe)
			memcpy(out->mac, aoe_mac(d->aoe), sizeof(out->mac));
	}
	for (unsigned i = 0; i < vm->nic_count; i++)
		o->nics[i].mtu = vm_nic_mtu(vm, i);
	offer_file(o, vm->cfg.kernel);
	offer_file(o, vm->cfg.initrd);
	for (unsigned i = 0; i < vm->cfg.module_count; i++)
		offer_file(o, vm->cfg.modules[i].path);
	return 0;
}

static int look_at_reservation(struct aoe_disk *d, const struct stream_disk *sd,
			       struct stream_disk_fact *f)
{
	uint64_t asked_ns = time_ns();
	struct aoe_reservation r;
	int err;

	err = aoe_reserve_read(d, &r, time_ns() + LOOK_NS);
	if (err)
		return err;
	f->speed.read_ns = MAX(time_ns() - asked_ns, 1ull);
	f->list_count = (uint8_t)MIN(r.count, 255);
	for (unsigned i = 0; i < MIN(r.count, ARRAY_SIZE(r.macs)); i++)
		if (!memcmp(r.macs[i], sd->mac, sizeof(sd->mac)))
			f->source_listed = 1;
	return 0;
}

static int look_at_config(struct aoe_disk *d, struct stream_disk_fact *f)
{
	uint8_t text[AOE_CONFIG_SHORT];
	size_t len;
	int err;

	err = aoe_config_read(d, text, sizeof(text), &len, time_ns() + LOOK_NS);
	if (!err)
		f->config_foreign = len && !handover_token_is_ours(text, len);
	return err;
}

static int look_at_disk(const struct vm_disk_config *cfg, const struct stream_disk *sd,
			struct stream_disk_fact *f)
{
	uint8_t mac[ETH_ALEN];
	struct aoe_disk *d;
	int err;

	aoe_fresh_mac(mac);
	err = aoe_open(cfg->shelf, cfg->slot, mac, &d);
	if (err)
		return err;
	f->sectors = aoe_blkdev(d)->sectors;
	err = look_at_reservation(d, sd, f);
	if (!err)
		err = look_at_config(d, f);
	aoe_close(d);
	return err;
}

static void look_at_network(const struct vm_nic_config *cfg, struct stream_nic_fact *f)
{
	bool taken;

	f->mtu = vm_nic_look(cfg, &taken);
	f->mac_taken = taken;
}

/* The same content under two names: once is enough. */
static bool offered_before(const struct stream_offer *o, unsigned i)
{
	for (unsigned j = 0; j < i; j++)
		if (o->files[j].size == o->files[i].size && o->files[j].crc == o->files[i].crc)
			return true;
	return false;
}

/* One of the same name is another question. */
static bool uuid_taken(const struct vm_config *cfg)
{
	const struct vm *vm;

	for (unsigned i = 0; (vm = vm_at(i)); i++)
		if (!memcmp(vm->cfg.uuid, cfg->uuid, sizeof(cfg->uuid)) &&
		    strcmp(vm->cfg.name, cfg->name))
			return true;
	return false;
}

void facts_gather(const struct stream_offer *o, struct stream_facts *f)
{
	struct mem_stats mem;

	memset(f, 0, sizeof(*f));
	cpuid_policy_host(&f->host);
	mem_get_stats(&mem);
	f->free_bytes = mem.free_2m * SIZE_2M;
	f->cpus = peers_self()->cpus;
	if (peers_self()->can_run_guests)
		f->flags |= FACT_RUNS_GUESTS;
	if (migrate_state()->drained)
		f->flags |= FACT_DRAINED;
	if (vm_find(o->cfg.name))
		f->flags |= FACT_NAME_TAKEN;
	if (uuid_taken(&o->cfg))
		f->flags |= FACT_UUID_TAKEN;
	if (stores_default()) {
		struct ds_stat st;

		ds_status(stores_default(), &st);
		memcpy(f->store, st.uuid, sizeof(f->store));
	}
	for (unsigned i = 0; i < o->cfg.disk_count; i++)
		if (o->cfg.disks[i].shared)
			f->disks[i].err =
			    look_at_disk(&o->cfg.disks[i], &o->disks[i], &f->disks[i]);
		else
			receive_disk_fact(o, i, &f->disks[i]);
	for (unsigned i = 0; i < o->cfg.nic_count; i++)
		look_at_network(&o->cfg.nics[i], &f->nics[i]);
	for (unsigned i = 0; i < o->file_count; i++)
		if (!files_find_content(o->files[i].size, o->files[i].crc) && !offered_before(o, i))
			f->files_missing |= 1u << i;
}

void facts_hello(const struct move *m, enum stream_purpose why, struct stream_hello *h)
{
	const struct peer *self = peers_self();

	memset(h, 0, sizeof(*h));
	memcpy(h->magic, STREAM_MAGIC, sizeof(h->magic));
	h->version = STREAM_VERSION;
	h->purpose = why;
	if (m)
		memcpy(h->move_id, m->uuid, sizeof(h->move_id));
	h->boot_id = self->boot_id;
	str_copy(h->host, self->name, sizeof(h->host));
	str_copy(h->pool, self->pool, sizeof(h->pool));
}

int facts_check_hello(struct stream *s, const struct stream_hello *h)
{
	if (memcmp(h->magic, STREAM_MAGIC, sizeof(h->magic)))
		return stream_fail(s, -E_PROTO, "the peer does not speak the stream format");
	if (h->purpose != STREAM_FOR_MOVE && h->purpose != STREAM_FOR_QUERY)
		return stream_fail(s, -E_PROTO, "HELLO has purpose %u, expected 1 or 2",
				   h->purpose);
	if (strnlen(h->host, sizeof(h->host)) == sizeof(h->host) ||
	    strnlen(h->pool, sizeof(h->pool)) == sizeof(h->pool))
		return stream_fail(s, -E_PROTO, "HELLO has a name without end");
	return 0;
}
