/* SPDX-License-Identifier: BSD-2-Clause */
/* What source and target of a copied disk share: holes, zeros, digests, names. */
#include "migrate/disks.h"

#include "kernel/lib/crc32c.h"
#include "kernel/lib/format.h"
#include "kernel/lib/string.h"
#include "kernel/store/ds_disk.h"

bool disk_zeros(const void *data, uint64_t len)
{
	const uint64_t *p = data;

	for (uint64_t i = 0; i < len / sizeof(*p); i++)
		if (p[i])
			return false;
	return true;
}

/* Asking costs a walk over the object's map: once for each run, not for each block. */
bool disk_hole_at(const struct vm_disk *d, struct disk_extent *e, uint64_t offset, uint64_t length)
{
	uint64_t len;

	if (!d->cfg.in_store)
		return false;
	if (offset < e->from || offset >= e->end) {
		e->from = offset;
		if (ds_next_data(ds_disk_object(d->blk), offset, &e->start, &len))
			e->start = e->end = UINT64_MAX;
		else
			e->end = e->start + len;
	}
	return e->start >= offset + length;
}

/* 64 bits of CRC and index, mixed so that blocks cannot stand for each other. */
static uint64_t mix(uint64_t sum, uint64_t index, uint32_t crc)
{
	sum = (sum ^ index) * 0x9e3779b97f4a7c15ull;
	sum = (sum ^ (sum >> 29) ^ crc) * 0xbf58476d1ce4e5b9ull;
	return sum ^ (sum >> 32);
}

int disk_digest(struct move *m, struct vm_disk *d, void *buf, uint64_t *out)
{
	uint64_t size = d->blk->sectors * SECTOR_SIZE, sum = size;
	struct disk_extent e = {.from = 0};
	int err;

	for (uint64_t at = 0; at < size; at += DISK_LOG_BLOCK) {
		uint64_t len = MIN(size - at, DISK_LOG_BLOCK);

		if (m->stop)
			return stream_fail(&m->st, -E_CANCELLED, "cancelled by the operator");
		if (disk_hole_at(d, &e, at, len))
			continue;
		err = blkdev_read(d->blk, at / SECTOR_SIZE, (uint32_t)(len / SECTOR_SIZE), buf);
		if (err)
			return stream_fail(&m->st, err, "disk %.7s: comparing it: %s", d->cfg.name,
					   err_text(err));
		if (!disk_zeros(buf, len))
			sum = mix(sum, at / DISK_LOG_BLOCK, crc32c(0, buf, len));
		task_yield();
	}
	*out = sum;
	return 0;
}

bool disk_has_other_users(const struct vm_config *cfg, const struct vm_disk_config *d)
{
	const struct vm *vm;

	for (unsigned i = 0; (vm = vm_at(i)); i++) {
		for (uint32_t k = 0; k < MIN(vm->cfg.disk_count, VM_MAX_DISKS); k++) {
			const struct vm_disk_config *o = &vm->cfg.disks[k];

			if (strcmp(vm->cfg.name, cfg->name) && o->in_store && d->in_store &&
			    !strcmp(o->local, d->local) && !strcmp(o->object, d->object))
				return true;
		}
	}
	return false;
}

void disk_object_name(const struct vm_config *cfg, unsigned disk, char out[DS_NAME_LEN])
{
	ksnprintf(out, DS_NAME_LEN, "disk/%.31s/%.7s", cfg->name, cfg->disks[disk].name);
}

const char *disk_names(const struct vm *vm, uint32_t disks, char out[72])
{
	size_t at = 0;

	out[0] = 0;
	for (unsigned i = 0; i < vm->disk_count; i++)
		if (disks & (1u << i))
			at += (size_t)ksnprintf(out + at, 72 - at, "%s%.7s", at ? " " : "",
						vm->disks[i].cfg.name);
	return out;
}
