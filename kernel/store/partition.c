/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Finds a datastore's partition in a GUID partition table and offers it as a blkdev:
 * requests go to the disk with their sector moved. Only the first table is read: a
 * damaged one is for other tools to mend.
 */
#include "kernel/store/partition.h"

#include "kernel/lib/format.h"
#include "kernel/lib/string.h"
#include "kernel/mem.h"

#define GPT_SIGNATURE	 "EFI PART"
#define GPT_HEADER_LEN	 92
#define GPT_ENTRY_LEN	 128
#define GPT_ENTRIES_MAX	 128
#define SECTOR_OF_HEADER 1

struct gpt_header {
	char signature[8];
	uint32_t revision, header_len, header_crc, reserved;
	uint64_t my_lba, other_lba, first_usable, last_usable;
	uint8_t disk_guid[16];
	uint64_t entries_lba;
	uint32_t entry_count, entry_len, entries_crc;
};

struct gpt_entry {
	uint8_t type[16], id[16];
	uint64_t first, last, attributes;
	uint16_t name[36];
};
_Static_assert(sizeof(struct gpt_entry) == GPT_ENTRY_LEN, "UEFI 2.9, 5.3.3");

struct partition {
	struct blkdev bd;
	struct blkdev *disk;
	uint64_t first;
};

/* Its bytes on disk: the first three groups are little-endian. */
static const uint8_t type[16] = {0x55, 0x47, 0x41, 0x50, 0x55, 0x52, 0x44, 0x53,
				 0xa7, 0x5c, 0x6d, 0x6f, 0x76, 0x65, 0x73, 0x21};

/* CRC-32 of IEEE 802.3, which the table uses; the house's own is CRC-32C. */
static uint32_t crc32(const uint8_t *data, size_t len)
{
	uint32_t crc = ~0u;

	for (size_t i = 0; i < len; i++) {
		crc ^= data[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
	}
	return ~crc;
}

static int partition_submit(struct blkdev *bd, struct blk_request *rq)
{
	struct partition *p = container_of(bd, struct partition, bd);
	int err;

	if (rq->op != BLK_FLUSH) {
		if (rq->sector >= bd->sectors || bd->sectors - rq->sector < rq->sectors)
			return -E_RANGE;
		rq->sector += p->first;
	}
	err = p->disk->ops->submit(p->disk, rq);
	if (err && rq->op != BLK_FLUSH)
		rq->sector -= p->first;
	return err;
}

static const struct blkdev_ops partition_ops = {.submit = partition_submit};

static int read_header(struct blkdev *disk, uint8_t sector[SECTOR_SIZE], struct gpt_header *h)
{
	uint32_t crc;
	int err;

	if (disk->sectors < 3)
		return -E_NOENT;
	err = blkdev_read(disk, SECTOR_OF_HEADER, 1, sector);
	if (err)
		return err;
	memcpy(h, sector, sizeof(*h));
	if (memcmp(h->signature, GPT_SIGNATURE, sizeof(h->signature)))
		return -E_NOENT;
	if (h->header_len != GPT_HEADER_LEN || h->entry_len != GPT_ENTRY_LEN || !h->entry_count ||
	    h->entry_count > GPT_ENTRIES_MAX)
		return -E_CHECKSUM;
	crc = h->header_crc;
	memset(sector + offsetof(struct gpt_header, header_crc), 0, sizeof(crc));
	return crc32(sector, GPT_HEADER_LEN) == crc ? 0 : -E_CHECKSUM;
}

/* All entries into table, which has room for GPT_ENTRIES_MAX. */
static int read_entries(struct blkdev *disk, const struct gpt_header *h, uint8_t *table)
{
	uint32_t len = h->entry_count * GPT_ENTRY_LEN;
	uint32_t sectors = (len + SECTOR_SIZE - 1) / SECTOR_SIZE;
	int err;

	if (h->entries_lba >= disk->sectors || disk->sectors - h->entries_lba < sectors)
		return -E_CHECKSUM;
	err = blkdev_read(disk, h->entries_lba, sectors, table);
	if (err)
		return err;
	return crc32(table, len) == h->entries_crc ? 0 : -E_CHECKSUM;
}

static int make(struct blkdev *disk, const struct gpt_entry *e, unsigned number,
		struct blkdev **out)
{
	struct partition *p;

	if (e->first >= disk->sectors || e->last < e->first || e->last >= disk->sectors)
		return -E_RANGE;
	p = kzalloc(sizeof(*p));
	if (!p)
		return -E_NOMEM;
	p->disk = disk;
	p->first = e->first;
	p->bd.ops = &partition_ops;
	p->bd.model = disk->model;
	p->bd.sectors = e->last - e->first + 1;
	ksnprintf(p->bd.name, sizeof(p->bd.name), "%.16sp%u", disk->name, number);
	*out = &p->bd;
	return 0;
}

static int find(struct blkdev *disk, uint8_t *room, struct blkdev **out)
{
	struct gpt_header h;
	struct gpt_entry e;
	int err;

	err = read_header(disk, room, &h);
	if (err)
		return err;
	err = read_entries(disk, &h, room);
	if (err)
		return err;
	for (unsigned i = 0; i < h.entry_count; i++) {
		memcpy(&e, room + i * GPT_ENTRY_LEN, sizeof(e));
		if (!memcmp(e.type, type, sizeof(type)))
			return make(disk, &e, i + 1, out);
	}
	return -E_NOENT;
}

int partition_find(struct blkdev *disk, struct blkdev **out)
{
	uint8_t *room = kzalloc(GPT_ENTRIES_MAX * GPT_ENTRY_LEN);
	int err;

	if (!room)
		return -E_NOMEM;
	err = find(disk, room, out);
	kfree(room);
	return err;
}

void partition_free(struct blkdev *part)
{
	kfree(container_of(part, struct partition, bd));
}
