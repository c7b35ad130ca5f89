/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The disks of a saved VM. A shared one stays reserved, for a MAC that no host uses:
 * whoever writes to it must take it away first, and a restore sees that. A disk in a
 * datastore is known by a digest of what it contains.
 */
#include "kernel/lib/string.h"
#include "kernel/log.h"
#include "kernel/time.h"
#include "migrate/save.h"

#define CONTROL_NS (5 * NS_PER_S)
#define FLUSH_NS   (30 * NS_PER_S)

int save_disk_digest(const struct vm_disk_config *cfg, uint64_t *sectors, uint64_t *digest)
{
	struct datastore *ds = stores_find(cfg->local);
	struct ds_object *o;
	struct ds_info info;
	int err;

	if (!ds)
		return -E_NOENT;
	err = ds_get(ds, cfg->object, &o);
	if (err)
		return err;
	ds_object_info(o, &info);
	*sectors = info.size / SECTOR_SIZE;
	err = digest ? ds_digest(o, digest) : 0;
	ds_put(o);
	return err;
}

int save_describe_disks(struct vm *vm, struct stream_offer *o, bool digests)
{
	uint64_t sectors;
	int err = 0;

	for (unsigned i = 0; !err && i < vm->disk_count; i++) {
		struct vm_disk *d = &vm->disks[i];

		if (d->aoe) {
			aoe_fresh_mac(o->disks[i].mac);
			err = aoe_drain(d->aoe, time_ns() + FLUSH_NS);
			if (!err && !d->cfg.readonly)
				err = aoe_flush(d->aoe, time_ns() + FLUSH_NS);
			continue;
		}
		if (!d->cfg.readonly)
			err = blkdev_flush(d->blk);
		if (!err && digests && d->cfg.in_store)
			err = save_disk_digest(&d->cfg, &sectors, &o->disks[i].digest);
	}
	return err;
}

/* The answer is not believed: a repeated command is refused although it was carried out. */
static int give(struct aoe_disk *d, const uint8_t to[ETH_ALEN], bool force)
{
	struct aoe_reservation r;
	uint8_t mac[1][ETH_ALEN];
	int err;

	memcpy(mac[0], to, ETH_ALEN);
	err = force ? aoe_reserve_force(d, mac, 1, time_ns() + CONTROL_NS)
		    : aoe_reserve_set(d, mac, 1, time_ns() + CONTROL_NS);
	if (err && err != -E_FENCED)
		return err;
	err = aoe_reserve_read(d, &r, time_ns() + CONTROL_NS);
	if (err)
		return err;
	return r.count == 1 && !memcmp(r.macs[0], to, ETH_ALEN) ? 0 : -E_FENCED;
}

int save_park_disks(struct vm *vm, const struct stream_offer *o)
{
	int err = 0;

	for (unsigned i = 0; !err && i < vm->disk_count; i++)
		if (vm->disks[i].aoe)
			err = give(vm->disks[i].aoe, o->disks[i].mac, false);
	return err;
}

/* By force where it is parked; a disk that somebody else took meanwhile stays theirs. */
static void unpark(struct vm *vm, struct vm_disk *d)
{
	int err = give(d->aoe, d->owner_mac, true);

	if (err)
		log_error("save: %s: disk %s could not be taken back: %s; the guest's requests to "
			  "it may hang: 'destroy' and 'start --force'",
			  vm->cfg.name, d->cfg.name, err_text(err));
}

void save_unpark_disks(struct vm *vm)
{
	for (unsigned i = 0; i < vm->disk_count; i++)
		if (vm->disks[i].aoe)
			unpark(vm, &vm->disks[i]);
}

/* ---- restoring ---------------------------------------------------------------------- */

void restore_look_at_disks(const struct stream_offer *o, struct stream_facts *f, bool digests)
{
	for (unsigned i = 0; i < o->cfg.disk_count; i++) {
		const struct vm_disk_config *c = &o->cfg.disks[i];
		const struct blkdev *bd;

		if (c->shared)
			continue; /* facts.c did */
		if (c->in_store) {
			f->disks[i].err = save_disk_digest(c, &f->disks[i].sectors,
							   digests ? &f->disks[i].digest : NULL);
			continue;
		}
		bd = blkdev_find(c->local);
		f->disks[i].err = bd ? 0 : -E_NOENT;
		f->disks[i].sectors = bd ? bd->sectors : 0;
	}
}

int restore_own_disks(struct vm *vm, const struct stream_offer *o)
{
	int err;

	for (unsigned i = 0; i < vm->disk_count; i++) {
		struct vm_disk *d = &vm->disks[i];

		if (!d->aoe)
			continue;
		err = give(d->aoe, d->owner_mac, true);
		if (err) {
			restore_disown_disks(vm, o);
			return err;
		}
		d->owned = true;
	}
	return 0;
}

void restore_disown_disks(struct vm *vm, const struct stream_offer *o)
{
	for (unsigned i = 0; i < vm->disk_count; i++) {
		struct vm_disk *d = &vm->disks[i];

		if (!d->owned)
			continue;
		d->owned = false;
		if (give(d->aoe, o->disks[i].mac, true))
			log_error("restore: %s: disk %s could not be given back: 'restore --force'",
				  vm->cfg.name, d->cfg.name);
	}
}
