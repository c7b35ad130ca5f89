/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Superblocks: reading, judging and sealing them, the layout that follows from the
 * device's size, and words for devices that hold something else.
 */
#include "kernel/lib/crc32c.h"
#include "kernel/lib/format.h"
#include "kernel/lib/string.h"
#include "kernel/mem.h"
#include "kernel/store/ds_inner.h"

static uint32_t clamp(uint32_t value, uint32_t low, uint32_t high)
{
	return MAX(low, MIN(value, high));
}

int ds_layout_of(uint64_t sectors, struct ds_layout *out)
{
	uint64_t clusters = MIN(sectors / DS_CLUSTER_SECTORS, (uint64_t)DS_CLUSTERS_MAX);

	if (clusters < DS_CLUSTERS_MIN)
		return -E_RANGE;
	out->clusters = (uint32_t)clusters;
	out->log = 1;
	out->log_count = clamp(out->clusters / 256, 1, 128);
	/* A thousandth of the device: 2.7 MAP records for each of its clusters. */
	out->area_count = clamp(out->clusters / 1024, 1, UINT32_MAX);
	out->area[0] = out->log + out->log_count;
	out->area[1] = out->area[0] + out->area_count;
	out->data = out->area[1] + out->area_count;
	return 0;
}

static uint32_t super_crc(const struct ds_super *s)
{
	struct ds_super copy = *s;

	copy.crc = 0;
	return crc32c(0, &copy, sizeof(copy));
}

void ds_super_seal(struct ds_super *s)
{
	s->magic = DS_MAGIC;
	s->version = DS_VERSION;
	s->crc = super_crc(s);
}

static bool super_sane(const struct ds_super *s)
{
	struct ds_layout at;

	if (s->clusters > DS_CLUSTERS_MAX)
		return false;
	if (ds_layout_of((uint64_t)s->clusters * DS_CLUSTER_SECTORS, &at))
		return false;
	return s->area < 2 && s->serial < UINT64_MAX / 2 &&
	       s->bytes <= (uint64_t)at.area_count << DS_CLUSTER_SHIFT &&
	       ds_name_ok(s->name, sizeof(s->name)) &&
	       strnlen(s->opened_by, sizeof(s->opened_by)) < sizeof(s->opened_by);
}

int ds_super_judge(const struct ds_super *s)
{
	if (s->magic != DS_MAGIC)
		return -E_NOENT;
	if (s->version > DS_VERSION)
		return -E_VERSION;
	return s->crc == super_crc(s) && super_sane(s) ? 0 : -E_CHECKSUM;
}

/* What the first sectors of a device say of it. */
static const char *foreign_text(const uint8_t *head)
{
	static const struct {
		unsigned at;
		const char *magic;
		unsigned len;
		const char *text;
	} known[] = {
	    {512, "EFI PART", 8, "a GPT partition table"},
	    {1080, "\x53\xef", 2, "an ext file system"},
	    {3, "NTFS", 4, "an NTFS file system"},
	    {0, "XFSB", 4, "an XFS file system"},
	    {0, "QFI\xfb", 4, "a qcow2 image"},
	    {0, "KDMV", 4, "a VMDK image"},
	    {0, "vhdxfile", 8, "a VHDX image"},
	    {512, "LABELONE", 8, "an LVM volume"},
	    {82, "FAT32", 5, "a FAT file system"},
	    {54, "FAT1", 4, "a FAT file system"},
	    {510, "\x55\xaa", 2, "a boot sector or MBR partition table"},
	};

	for (unsigned i = 0; i < ARRAY_SIZE(known); i++)
		if (!memcmp(head + known[i].at, known[i].magic, known[i].len))
			return known[i].text;
	for (unsigned i = 0; i < 8 * SECTOR_SIZE; i++)
		if (head[i])
			return "something that is not known here";
	return "nothing (it begins with zeros)";
}

static int super_fault(struct blkdev *bd, int a, int b, const struct ds_super copy[2],
		       const uint8_t *head, char *why, size_t size)
{
	unsigned newer = a == -E_VERSION ? 0 : 1;

	if (a == -E_NOENT && b == -E_NOENT) {
		ksnprintf(why, size, "no datastore: %s holds %s", bd->name, foreign_text(head));
		return -E_NOENT;
	}
	if (a == -E_VERSION || b == -E_VERSION) {
		ksnprintf(why, size,
			  "%s has datastore format %u, this host knows %u: use a newer Pagurus",
			  bd->name, copy[newer].version, DS_VERSION);
		return -E_VERSION;
	}
	ksnprintf(why, size, "the datastore on %s is damaged: both superblocks are bad", bd->name);
	return -E_CHECKSUM;
}

static int super_choose(struct blkdev *bd, const uint8_t *head, struct ds_super *out, bool *both,
			char *why, size_t size)
{
	struct ds_super copy[2];
	int a, b;

	memcpy(&copy[0], head + DS_SUPER_SECTOR_A * SECTOR_SIZE, sizeof(copy[0]));
	memcpy(&copy[1], head + DS_SUPER_SECTOR_B * SECTOR_SIZE, sizeof(copy[1]));
	a = ds_super_judge(&copy[0]);
	b = ds_super_judge(&copy[1]);
	if (a && b)
		return super_fault(bd, a, b, copy, head, why, size);
	*out = a || (!b && copy[1].serial > copy[0].serial) ? copy[1] : copy[0];
	*both = !a && !b && copy[0].serial == copy[1].serial;
	if (bd->sectors < ds_sector_of(out->clusters)) {
		ksnprintf(
		    why, size,
		    "datastore '%s' was made on a device of %u MiB, %s has %lu MiB: it was cut",
		    out->name, out->clusters / 16, bd->name, (unsigned long)(bd->sectors / 2048));
		return -E_RANGE;
	}
	return 0;
}

int ds_super_read(struct blkdev *bd, struct ds_super *out, bool *both, char *why, size_t why_size)
{
	uint8_t *head;
	int err;

	if (bd->sectors < ds_sector_of(DS_CLUSTERS_MIN)) {
		ksnprintf(why, why_size, "%s has %lu KiB, a datastore needs 1024", bd->name,
			  (unsigned long)(bd->sectors / 2));
		return -E_RANGE;
	}
	head = pages_alloc(DS_IO_ORDER);
	if (!head) {
		ksnprintf(why, why_size, "out of memory");
		return -E_NOMEM;
	}
	err = blkdev_read(bd, 0, DS_CLUSTER_SECTORS, head);
	if (err)
		ksnprintf(why, why_size, "cannot read %s: %s", bd->name, err_text(err));
	else
		err = super_choose(bd, head, out, both, why, why_size);
	pages_free(head, DS_IO_ORDER);
	return err;
}

int ds_probe(struct blkdev *bd, struct ds_stat *out, char *why, size_t why_size)
{
	struct ds_super super;
	struct ds_layout at;
	bool both;
	int err;

	memset(out, 0, sizeof(*out));
	if (why_size)
		why[0] = '\0';
	err = ds_super_read(bd, &super, &both, why, why_size);
	if (err)
		return err;
	err = ds_layout_of(ds_sector_of(super.clusters), &at);
	if (err)
		return err;
	str_copy(out->name, super.name, sizeof(out->name));
	str_copy(out->opened_by, super.opened_by, sizeof(out->opened_by));
	memcpy(out->uuid, super.uuid, sizeof(out->uuid));
	out->size = (uint64_t)(at.clusters - at.data) << DS_CLUSTER_SHIFT;
	return 0;
}
