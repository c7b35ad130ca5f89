/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A VM's disks: opening, and owning the shared ones by AoE reservation. Each
 * period of ownership has a fresh source MAC (docs/handover.md).
 */
#include "kernel/lib/format.h"
#include "kernel/lib/string.h"
#include "kernel/log.h"
#include "kernel/store/aoe.h"
#include "kernel/store/ds_disk.h"
#include "kernel/store/stores.h"
#include "kernel/time.h"
#include "vmm/vm_build.h"

#define CONTROL_PATIENCE_NS (5 * NS_PER_S)

/* One that a datastore lies on is not a guest's. */
static int open_local_disk(struct vm *vm, struct vm_disk *d)
{
	d->blk = blkdev_find(d->cfg.local);
	if (!d->blk) {
		log_error("vm %s: disk %s: this host has no disk '%s'", vm->cfg.name, d->cfg.name,
			  d->cfg.local);
		return -E_NOENT;
	}
	if (!stores_use_disk(d->blk)) {
		d->blk->users++;
		return 0;
	}
	log_error("vm %s: disk %s: '%s' holds a datastore; 'disk %s store STORE' in vm.conf uses a "
		  "disk in it",
		  vm->cfg.name, d->cfg.name, d->cfg.local, d->cfg.name);
	d->blk = NULL;
	return -E_BUSY;
}

static int open_store_disk(struct vm *vm, struct vm_disk *d)
{
	struct ds_object **received = vm->received ? &vm->received[d - vm->disks] : NULL;
	struct datastore *ds = stores_find(d->cfg.local);
	int err;

	if (received && *received) {
		err = ds_disk_receive(*received, &d->blk);
		if (!err)
			*received = NULL; /* the disk has it now */
		return err;
	}
	if (!ds) {
		log_error(
		    "vm %s: disk %s: datastore '%s' is not open here; 'stores' shows which are",
		    vm->cfg.name, d->cfg.name, d->cfg.local);
		return -E_NOENT;
	}
	err = ds_disk_open(ds, d->cfg.object, d->cfg.readonly, &d->blk);
	if (err)
		log_error("vm %s: disk %s: '%s' in datastore %s: %s%s", vm->cfg.name, d->cfg.name,
			  d->cfg.object, d->cfg.local, err_text(err),
			  err == -E_NOENT ? "; 'disk-create' makes one" : "");
	return err;
}

static int open_disk(struct vm *vm, struct vm_disk *d)
{
	int err;

	if (d->cfg.in_store)
		return open_store_disk(vm, d);
	if (!d->cfg.shared)
		return open_local_disk(vm, d);
	aoe_fresh_mac(d->owner_mac);
	err = aoe_open(d->cfg.shelf, d->cfg.slot, d->owner_mac, &d->aoe);
	if (err) {
		log_error("vm %s: disk %s: AoE target e%u.%u: %s", vm->cfg.name, d->cfg.name,
			  d->cfg.shelf, d->cfg.slot, err_text(err));
		return err;
	}
	d->blk = aoe_blkdev(d->aoe);
	return 0;
}

int vm_open_disks(struct vm *vm)
{
	bool decided = false;
	int err;

	vm->disk_count = 0;
	for (uint32_t i = 0; i < vm->cfg.disk_count; i++) {
		struct vm_disk *d = &vm->disks[i];

		memset(d, 0, sizeof(*d));
		d->cfg = vm->cfg.disks[i];
		err = open_disk(vm, d);
		if (err) {
			vm_close_disks(vm);
			return err;
		}
		d->deciding = d->cfg.shared && !decided;
		decided |= d->deciding;
		vm->disk_count = i + 1;
	}
	return 0;
}

void vm_close_disks(struct vm *vm)
{
	for (uint32_t i = 0; i < vm->disk_count; i++) {
		struct vm_disk *d = &vm->disks[i];

		disk_log_stop(&d->log);
		if (d->aoe)
			aoe_close(d->aoe);
		else if (d->blk && d->cfg.in_store)
			ds_disk_close(d->blk);
		else if (d->blk)
			d->blk->users--;
	}
	memset(vm->disks, 0, sizeof(vm->disks));
	vm->disk_count = 0;
}

int vm_open_received(struct vm *vm, struct ds_object *disks[VM_MAX_DISKS])
{
	vm->disk_count = 0;
	for (uint32_t i = 0; i < vm->cfg.disk_count; i++) {
		struct vm_disk *d = &vm->disks[i];
		int err;

		memset(d, 0, sizeof(*d));
		d->cfg = vm->cfg.disks[i];
		vm->disk_count = i + 1;
		if (!disks[i])
			continue;
		err = ds_disk_receive(disks[i], &d->blk);
		if (err) {
			vm_close_disks(vm);
			return err;
		}
		disks[i] = NULL; /* the disk has it now */
	}
	return 0;
}

static int own_disk(struct vm *vm, struct vm_disk *d)
{
	const uint8_t(*mac)[ETH_ALEN] = (const uint8_t(*)[ETH_ALEN])d->owner_mac;
	struct aoe_reservation held;
	char text[18];
	int err;

	err = aoe_reserve_read(d->aoe, &held, time_ns() + CONTROL_PATIENCE_NS);
	if (err)
		return err;
	if (held.count) {
		log_error("vm %s: disk %s (e%u.%u) is reserved by %s%s: another host runs this VM, "
			  "or ended without releasing it; 'start %s --force' takes it away",
			  vm->cfg.name, d->cfg.name, d->cfg.shelf, d->cfg.slot,
			  format_mac(text, held.macs[0]), held.count > 1 ? " and others" : "",
			  vm->cfg.name);
		if (!vm->force_disks)
			return -E_FENCED;
		return aoe_reserve_force(d->aoe, mac, 1, time_ns() + CONTROL_PATIENCE_NS);
	}
	return aoe_reserve_set(d->aoe, mac, 1, time_ns() + CONTROL_PATIENCE_NS);
}

int vm_own_disks(struct vm *vm)
{
	int err;

	for (uint32_t i = 0; i < vm->disk_count; i++) {
		if (!vm->disks[i].aoe)
			continue;
		err = own_disk(vm, &vm->disks[i]);
		if (err) {
			vm_release_disks(vm);
			return err;
		}
		vm->disks[i].owned = true;
	}
	return 0;
}

/*
 * The token of the latest move, before the list: a host that is still in doubt about that
 * move would take an empty list for one that the storage remembers (docs/handover.md).
 */
static int remove_token(struct vm_disk *d)
{
	uint64_t deadline = time_ns() + CONTROL_PATIENCE_NS;
	uint8_t text[64];
	size_t len;
	int err;

	err = aoe_config_read(d->aoe, text, sizeof(text), &len, deadline);
	if (err)
		return err;
	if (len < VM_DISK_MARK_LEN || memcmp(text, VM_DISK_MARK, VM_DISK_MARK_LEN))
		return 0; /* somebody else's string */
	err = aoe_config_force(d->aoe, "", 0, deadline);
	if (err)
		return err;
	err = aoe_config_read(d->aoe, text, sizeof(text), &len, deadline);
	return err ? err : len ? -E_STATE : 0;
}

static int release_disk(struct vm_disk *d)
{
	int err = d->deciding ? remove_token(d) : 0;

	return err ? err : aoe_reserve_set(d->aoe, NULL, 0, time_ns() + CONTROL_PATIENCE_NS);
}

void vm_release_disks(struct vm *vm)
{
	for (uint32_t i = 0; i < vm->disk_count; i++) {
		struct vm_disk *d = &vm->disks[i];

		if (!d->aoe || !d->owned)
			continue;
		d->owned = false;
		if (release_disk(d) != 0)
			log_warn("vm %s: disk %s: the reservation could not be released",
				 vm->cfg.name, d->cfg.name);
	}
}
