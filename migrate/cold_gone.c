/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The source of a cold move when the target has the VM: what went is removed here, in an
 * order in which it can be done again after any restart; or a copy of it stays.
 */
#include "kernel/lib/format.h"
#include "kernel/lib/string.h"
#include "kernel/log.h"
#include "kernel/mem.h"
#include "kernel/store/stores.h"
#include "kernel/time.h"
#include "migrate/cold.h"
#include "migrate/disks.h"
#include "vmm/vm_build.h"

#define BUSY_NS (5 * NS_PER_S) /* a disk that was closed is let go of within this */

int cold_remove_object(const char *store, const char *object)
{
	uint64_t deadline = time_ns() + BUSY_NS;
	struct datastore *ds = stores_find(store);
	int err = ds ? ds_remove(ds, object) : -E_NOENT;

	while (err == -E_BUSY && time_ns() < deadline) {
		task_sleep_until(time_ns() + BUSY_NS / 100);
		ds = stores_find(store);
		err = ds ? ds_remove(ds, object) : -E_NOENT;
	}
	return err == -E_NOENT ? 0 : err;
}

static int remove_disks(const struct move *m, const struct vm_config *cfg)
{
	int err = 0;

	for (uint32_t i = 0; !err && i < cfg->disk_count; i++) {
		const struct vm_disk_config *d = &cfg->disks[i];

		if (!(m->copied & (1u << i)))
			continue;
		if (disk_has_other_users(cfg, d))
			log_info("migrate: %s: disk %.7s: %s stays for another VM", cfg->name,
				 d->name, d->object);
		else if (d->in_store)
			err = cold_remove_object(d->local, d->object);
		else
			log_info("migrate: %s: disk %.7s: %s still holds what it held at the move",
				 cfg->name, d->name, d->shared ? "the shared one" : d->local);
	}
	return err;
}

/* Another VM that begins where the one that went stood: of its own name, UUID and MACs. */
static int keep_copy(const struct move *m, struct vm_config *cfg)
{
	char name[VM_NAME_LEN], why[120] = "";
	uint32_t count = 0;
	struct vm *copy;
	int err;

	ksnprintf(name, sizeof(name), COLD_COPY_NAME, cfg->name);
	str_copy(cfg->name, name, sizeof(cfg->name));
	memset(cfg->uuid, 0, sizeof(cfg->uuid)); /* vm_define makes one */
	for (unsigned i = 0; i < cfg->nic_count; i++)
		memset(cfg->nics[i].mac, 0, sizeof(cfg->nics[i].mac));
	for (uint32_t i = 0; i < cfg->disk_count; i++)
		if (!cfg->disks[i].shared || m->copied & (1u << i)) /* others went along */
			cfg->disks[count++] = cfg->disks[i];
	cfg->disk_count = count;
	cfg->autostart = 0;
	err = vm_define(cfg, &copy);
	if (!err) {
		vm_config_make_macs(&copy->cfg);
		err = vm_store_keep(copy, why, sizeof(why));
	}
	if (err)
		log_error("migrate: %s: %s is not kept after a restart: %s; its disks stay",
			  m->p.vm, name, why[0] ? why : err_text(err));
	else
		log_info("migrate: %s: a copy stays here as %s", m->p.vm, name);
	return err;
}

/* Disks, then the definition; leaving/VM goes last, so that all of it is done again if need be. */
static int forget_here(struct move *m, const struct vm_config *cfg)
{
	int err = 0;

	if (!m->opt.keep && m->confirmed)
		err = remove_disks(m, cfg);
	else if (!m->opt.keep)
		log_warn("migrate: %s: its disks stay here too: %s did not say that it has it",
			 cfg->name, m->p.peer);
	if (!err)
		err = vm_store_gone(cfg->name);
	return err;
}

/* While leaving/VM is there the name stays taken (receive_may_reserve): it goes before the VM. */
int cold_gone(struct move *m)
{
	struct vm_config *cfg = kzalloc(sizeof(*cfg));
	int err = -E_NOMEM;

	vm_close_disks(m->vm);
	if (cfg) {
		*cfg = m->vm->cfg;
		err = forget_here(m, cfg);
	}
	if (!err && m->opt.keep)
		(void)!keep_copy(m, cfg);
	if (!err) {
		err = cold_forget_leaving(m->p.vm);
		if (err == -E_NOENT && !m->noted) /* no datastore here */
			err = 0;
	}
	move_free_vm(m);
	kfree(cfg);
	if (err)
		log_warn("migrate: %s: it went, but could not be removed here: %s; tried again "
			 "when this host starts",
			 m->p.vm, err_text(err));
	return err;
}
