/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The target before memory comes: takes in the offer, answers with facts, takes boot
 * files, and on RESERVE builds the inert VM. The source judges; what an attacker
 * could do with a false judgement is checked here again.
 */
#include "kernel/lib/format.h"
#include "kernel/lib/string.h"
#include "kernel/mem.h"
#include "kernel/store/stores.h"
#include "migrate/disks.h"
#include "migrate/receive.h"
#include "vmm/vm_store.h"

static bool names_file(const struct vm_config *cfg, const char *path)
{
	if (!strncmp(path, cfg->kernel, VM_PATH_LEN) || !strncmp(path, cfg->initrd, VM_PATH_LEN))
		return true;
	for (unsigned i = 0; i < cfg->module_count; i++) {
		if (!strncmp(path, cfg->modules[i].path, VM_PATH_LEN))
			return true;
	}
	return false;
}

/* Only what the (checked) configuration names can be a boot file. */
static int check_files(struct move *m)
{
	const struct vm_config *cfg = &m->offer->cfg;

	for (unsigned i = 0; i < m->offer->file_count; i++) {
		const struct stream_file *f = &m->offer->files[i];

		if (!names_file(cfg, f->path))
			return stream_fail(&m->st, -E_INVAL,
					   "a boot file is offered that the VM does not name");
		if (!f->path[0] || !f->size)
			return stream_fail(&m->st, -E_INVAL, "an empty boot file is offered");
	}
	return 0;
}

/* A hostile config must not even reach the checks. */
int receive_offer(struct receiver *rx, const struct stream_record *r)
{
	struct move *m = rx->m;
	struct config_error why;
	int err;

	m->offer = kzalloc(sizeof(*m->offer));
	m->facts = kzalloc(sizeof(*m->facts));
	if (!m->offer || !m->facts)
		return stream_fail(&m->st, -E_NOMEM, "no host memory for the move's own tables");
	memcpy(m->offer, r->payload, sizeof(*m->offer));
	err = vm_config_check(&m->offer->cfg, &why);
	if (err)
		return stream_fail(&m->st, err, "the VM's configuration: %s", why.text);
	if (m->offer->file_count > STREAM_FILES_MAX || m->offer->cfg.disk_count > VM_MAX_DISKS)
		return stream_fail(&m->st, -E_RANGE, "the offer has more files or disks than fit");
	err = check_files(m);
	if (err)
		return err;
	str_copy(m->p.vm, m->offer->cfg.name, sizeof(m->p.vm));
	m->cold = (m->offer->flags & OFFER_COLD) && !m->from_store;
	if (m->cold)
		m->p.kind = MOVE_COLD;
	move_set_stage(m, STAGE_PRE_MIGRATION);
	facts_gather(m->offer, m->facts);
	if (rx->busy)
		m->facts->flags |= FACT_MOVE_BUSY;
	rx->phase = PHASE_RESERVE;
	if (rx->judge)
		return rx->judge(rx);
	return stream_send(&m->st, STREAM_FACTS, m->facts, sizeof(*m->facts));
}

int receive_file_data(struct receiver *rx, const struct stream_record *r)
{
	struct received_file *f = &rx->file;
	int err;

	err = received_file_data(rx->m, f, r);
	if (err)
		return err;
	if (f->data || !f->path[0] || rx->file_count == STREAM_FILES_MAX)
		return 0;
	memcpy(rx->files[rx->file_count++], f->path, sizeof(f->path));
	return 0;
}

static void note_difference(void *ctx, const char *what, uint64_t guest, uint64_t host)
{
	*(const char **)ctx = what;
}

/* The source judged by our facts; an attacker would not have. */
static int check_cpuid(struct move *m)
{
	const struct cpuid_policy *guest = &m->offer->cpuid;
	const char *bad = NULL;

	if (guest->count > CPUID_MAX_ENTRIES)
		return stream_fail(&m->st, -E_RANGE, "the CPUID policy has %u entries, at most %u",
				   guest->count, CPUID_MAX_ENTRIES);
	if (cpuid_policy_compare(guest, &m->facts->host, note_difference, &bad))
		return stream_fail(&m->st, -E_MISMATCH, "this host's CPU cannot run the VM: %s",
				   bad ? bad : "CPUID");
	return 0;
}

int receive_may_reserve(struct receiver *rx)
{
	char leaving[DS_NAME_LEN], why[120];
	struct move *m = rx->m;

	if (rx->file.data || rx->file.skip || m->facts->files_missing)
		return stream_fail(&m->st, -E_PROTO, "RESERVE came before every boot file had");
	/* it blocks: what may change meanwhile is looked at after it */
	if (stores_default() && vm_store_check_arrival(stores_default(), m->offer->cfg.name, why,
						       sizeof(why)) == -E_BUSY)
		return stream_fail(&m->st, -E_BUSY, "a VM of that name is kept here: %s", why);
	if (rx->busy)
		return stream_fail(&m->st, -E_BUSY, "another move is under way here");
	if (migrate_state()->drained)
		return stream_fail(&m->st, -E_STATE, "this host is drained, it takes no VMs");
	ksnprintf(leaving, sizeof(leaving), LEAVING_PREFIX "%s", m->offer->cfg.name);
	if (stores_holding(leaving))
		return stream_fail(&m->st, -E_BUSY,
				   "a VM of that name left here, which is not settled yet; restart "
				   "this host when its datastore is well");
	return m->from_store ? 0 : receive_disks_placed(rx);
}

static int build_vm(struct receiver *rx)
{
	struct move *m = rx->m;
	int err;

	err = receive_may_reserve(rx);
	if (!err)
		err = check_cpuid(m);
	if (err)
		return err;
	move_set_stage(m, STAGE_RESERVATION);
	received_files_rename(m);
	err = vm_create_incoming(&m->offer->cfg, &m->offer->cpuid, rx->disks, &m->vm);
	if (err) {
		m->vm = NULL;
		return move_fail(m, err, "building the VM here");
	}
	m->vm->move = m;
	m->vm->move_under_way = true;
	m->ho.vm = m->vm;
	m->p.pages_total = guest_mem_pages(&m->vm->mem);
	err = received_state_create(m->vm, &rx->state);
	if (err)
		return move_fail(m, err, "making room for the VM's state");
	return 0;
}

int receive_reserve(struct receiver *rx)
{
	struct stream_reserved mine;
	struct move *m = rx->m;
	int err;

	err = build_vm(rx);
	if (err)
		return err;
	memset(&mine, 0, sizeof(mine));
	for (unsigned i = 0; i < m->vm->disk_count; i++) {
		if (!m->vm->disks[i].aoe)
			continue;
		memcpy(mine.macs[i], aoe_mac(m->vm->disks[i].aoe), ETH_ALEN);
		memcpy(m->ho.new_macs[i], mine.macs[i], ETH_ALEN);
		memcpy(m->ho.old_macs[i], m->offer->disks[i].mac, ETH_ALEN);
	}
	rx->phase = PHASE_PRE_COPY;
	if (m->from_store)
		return 0;
	return stream_send(&m->st, STREAM_RESERVED, &mine, sizeof(mine));
}
