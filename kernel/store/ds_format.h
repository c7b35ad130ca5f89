/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A datastore's bytes on the device, little-endian; docs/datastore.md draws them.
 * Checkpoint and log hold the same records: applied in order to an empty store, the
 * checkpoint and then the log's batches give the store's present state.
 */
#ifndef KERNEL_STORE_DS_FORMAT_H
#define KERNEL_STORE_DS_FORMAT_H

#include "kernel/store/datastore.h"

#define DS_MAGIC       0x3145524f54534750ull /* "PGSTORE1" */
#define DS_BATCH_MAGIC 0x31474f4c53445047ull /* "GPDSLOG1" */
#define DS_VERSION     1

#define DS_CLUSTER_SHIFT   16
#define DS_CLUSTER_SECTORS ((uint32_t)(DS_CLUSTER / SECTOR_SIZE))
#define DS_CLUSTERS_MIN	   16 /* 1 MiB */
#define DS_SUPER_SECTOR_A  8
#define DS_SUPER_SECTOR_B  64

/* One sector, two copies; the valid one with the higher serial counts. */
struct ds_super {
	uint64_t magic;
	uint32_t version;
	uint32_t crc; /* of this sector, taken as 0 in it */
	uint64_t serial;
	uint64_t generation; /* of the checkpoint; the log's batches carry it too */
	uint32_t clusters;   /* of the device, when formatted */
	uint32_t area;	     /* of the checkpoint: 0 or 1 */
	uint64_t bytes;	     /* of the checkpoint */
	uint32_t checkpoint_crc;
	uint32_t next_id;
	char name[32];
	uint8_t uuid[16];
	char opened_by[32];
	uint8_t zero[376];
};
_Static_assert(sizeof(struct ds_super) == SECTOR_SIZE, "disk format");

/* The sector in front of a batch's records. */
struct ds_batch {
	uint64_t magic;
	uint64_t generation;
	uint64_t seq;	/* 0 in an empty log */
	uint64_t bytes; /* of the records that follow, in whole sectors */
	uint32_t records_crc;
	uint32_t crc; /* of the store's uuid and this struct, taken as 0 in it */
};
_Static_assert(sizeof(struct ds_batch) == 40, "disk format");

enum ds_record_type { DS_REC_SET = 1, DS_REC_DEL, DS_REC_MAP };

struct ds_record {
	uint16_t type;
	uint16_t len; /* bytes, this header included */
	uint32_t id;
};

/* An object is new, or has this name and size from now on. */
struct ds_rec_set {
	struct ds_record h;
	uint32_t kind;
	uint32_t family; /* clones of each other, and only they, share clusters */
	uint64_t size;
	char name[DS_NAME_LEN];
};
_Static_assert(sizeof(struct ds_rec_set) == 120, "disk format");

/* Clusters index .. index + count of the object are cluster .. cluster + count; 0: holes. */
struct ds_rec_map {
	struct ds_record h;
	uint32_t index, cluster, count, zero;
};
_Static_assert(sizeof(struct ds_rec_map) == 24, "disk format");

/* Where things are, in clusters. Follows from the device's size alone. */
struct ds_layout {
	uint32_t clusters;
	uint32_t log, log_count;
	uint32_t area[2], area_count;
	uint32_t data; /* first; up to clusters */
};

#endif
