/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The inside of a datastore, shared by its ds_*.c files and nobody else: what is in
 * memory, and which file does what.
 */
#ifndef KERNEL_STORE_DS_INNER_H
#define KERNEL_STORE_DS_INNER_H

#include "kernel/store/ds_format.h"
#include "kernel/task.h"

/*
 *   ds_super.c   superblocks, layout, what is on a foreign device
 *   ds_open.c    format, open, close; ds_replay.c: checkpoint and log into memory
 *   ds_txn.c     making changes durable: log batch or checkpoint; ds_emit.c: their records
 *   ds_object.c  handles and lists; ds_names.c: create, commit, remove, rename, clone
 *   ds_map.c     an object's clusters; ds_space.c: who uses a cluster, free ones
 *   ds_io.c      reading and writing; ds_discard.c: holes, stored runs, digest
 *   ds_direct.c  requests that go past the store straight to the device
 *   ds_check.c   everything against everything
 */
#define DS_LEAF	     1024 /* clusters in a leaf of a map: 64 MiB */
#define DS_CHUNK     4096 /* clusters in a chunk of counts: 256 MiB */
#define DS_REFS_MAX  UINT16_MAX
#define DS_SHARE_MAX 64 /* entries in all maps, as a multiple of the device's clusters */
#define DS_PENDING   2048
#define DS_IO_ORDER  4 /* pages_alloc order of a buffer of one cluster */

enum ds_state {
	DS_TEMP, /* not committed: only in memory */
	DS_LIVE, /* in the checkpoint or the log, or about to be */
	DS_GONE, /* removed or replaced while open */
};

struct ds_object {
	struct list node; /* in ds->objects, ids ascending */
	struct datastore *ds;
	uint32_t id, family;
	enum ds_kind kind;
	enum ds_state state;
	char name[DS_NAME_LEN];
	uint64_t size;
	unsigned handles;
	bool dirty; /* its size is not durable */
	/* the map: cluster numbers, 0 for a hole */
	uint32_t **leaves;
	uint32_t leaf_count;
	uint32_t stored; /* entries that are not holes */
	uint32_t runs;	 /* of consecutive clusters: its MAP records in a checkpoint */
	/* ds_direct.c */
	unsigned direct; /* requests at the device */
	unsigned frozen; /* new ones must wait */
};

struct ds_chunk {
	uint32_t used;
	uint16_t refs[DS_CHUNK];
};

struct ds_run {
	uint32_t cluster, count;
};

struct datastore {
	struct blkdev *bd;
	bool readonly;
	bool locked, reap;
	struct waitq unlocked, drained;
	struct ds_super super; /* as it is durable */
	uint64_t serial;       /* highest that may be on the device */
	struct ds_layout at;
	/* the log */
	uint32_t log_head; /* sectors used */
	uint64_t log_seq;  /* of the next batch */
	uint64_t log_work; /* map entries that a replay sets */
	/* A write that failed may be there after all: undo it before anything else (ds_settle). */
	bool unsure_super, unsure_log;
	bool data_dirty; /* data was written since the last flush */
	/* objects */
	struct list objects;
	uint32_t next_id;
	unsigned object_count, live; /* all; those in state DS_LIVE */
	uint64_t live_runs;
	/* clusters */
	struct ds_chunk **chunks;
	uint32_t chunk_count;
	uint32_t free;	/* clusters */
	uint32_t rover; /* where the search for a free one goes on */
	/* Changed in memory, not durable yet. */
	bool dirty; /* some object is */
	uint32_t batch_count, limbo_count;
	struct ds_rec_map *batch; /* DS_PENDING of them */
	struct ds_run *limbo;	  /* clusters that lose a user once the batch is durable */
	uint8_t *bounce;	  /* one cluster, for data */
	uint8_t *meta;		  /* one cluster, for records */
	uint8_t sector[SECTOR_SIZE], zero[SECTOR_SIZE];
};

static inline uint32_t ds_clusters_of(uint64_t bytes)
{
	return (uint32_t)((bytes + DS_CLUSTER - 1) >> DS_CLUSTER_SHIFT);
}

static inline uint64_t ds_sector_of(uint32_t cluster)
{
	return (uint64_t)cluster * DS_CLUSTER_SECTORS;
}

/* ds_object.c */
void ds_lock(struct datastore *ds); /* blocks */
void ds_unlock(struct datastore *ds);
struct ds_object *ds_live_find(struct datastore *ds, const char *name);
struct ds_object *ds_by_id(struct datastore *ds, uint32_t id);
int must_check ds_object_new(struct datastore *ds, uint32_t id, struct ds_object **out);
void ds_object_free(struct ds_object *o); /* with its clusters */
void ds_object_state(struct ds_object *o, enum ds_state state);

/* ds_space.c */
int must_check ds_space_init(struct datastore *ds);
void ds_space_free(struct datastore *ds);
unsigned ds_refs(const struct datastore *ds, uint32_t cluster);
int must_check ds_ref_add(struct datastore *ds, uint32_t cluster); /* -E_NOMEM, -E_NOSPC */
void ds_ref_drop(struct datastore *ds, uint32_t cluster);
/* A free cluster with one user, hint if it is free. -E_NOSPC, -E_NOMEM. */
int must_check ds_space_alloc(struct datastore *ds, uint32_t hint, uint32_t *out);

/* ds_map.c */
uint32_t ds_map_get(const struct ds_object *o, uint32_t index);
/* How many entries from index on (at most max) are holes or consecutive clusters. */
uint32_t ds_map_run(const struct ds_object *o, uint32_t index, uint32_t max, uint32_t *cluster);
int must_check ds_map_room(struct ds_object *o, uint32_t index);
/* After ds_map_room unless it becomes a hole. Counts of users are the caller's. */
void ds_map_set(struct ds_object *o, uint32_t index, uint32_t cluster);
void ds_map_free(struct ds_object *o); /* drops the clusters too */

/* ds_super.c */
int must_check ds_layout_of(uint64_t sectors, struct ds_layout *out);
int must_check ds_super_read(struct blkdev *bd, struct ds_super *out, bool *both, char *why,
			     size_t why_size);
void ds_super_seal(struct ds_super *s);
/* -E_NOENT, -E_CHECKSUM, -E_VERSION: one copy alone. */
int must_check ds_super_judge(const struct ds_super *s);

/* ds_emit.c: records to the device, one after the other */
struct ds_writer {
	struct datastore *ds;
	uint64_t sector, end; /* next; past the last */
	uint32_t fill;	      /* bytes in ds->meta */
	uint32_t crc;
	uint64_t bytes;
	int err; /* the first */
};
/* What a transaction does besides what is pending. */
struct ds_change {
	uint32_t del;	       /* object id; 0: none */
	struct ds_object *set; /* NULL: none */
	bool with_map;	       /* its map too */
};
void ds_writer_begin(struct ds_writer *w, struct datastore *ds, uint64_t sector, uint64_t end);
void ds_emit_all(struct ds_writer *w);
void ds_emit_batch(struct ds_writer *w, const struct ds_change *ch);
int must_check ds_writer_end(struct ds_writer *w); /* not flushed to the medium */
uint64_t ds_bytes_of(uint64_t objects, uint64_t runs);
uint64_t ds_batch_bytes(struct datastore *ds, const struct ds_change *ch);

/* ds_txn.c */
uint32_t ds_batch_crc(const struct ds_super *s, const struct ds_batch *b);
int must_check ds_super_write(struct datastore *ds, struct ds_super *next);
int must_check ds_settle(struct datastore *ds);
int must_check ds_flush_data(struct datastore *ds);
int must_check ds_checkpoint(struct datastore *ds);
/* What is pending and ch (or NULL) become durable in one step. On error neither has. */
int must_check ds_txn(struct datastore *ds, const struct ds_change *ch);
/* Room for objects and runs more in a checkpoint? -E_NOSPC. */
int must_check ds_room_for(const struct datastore *ds, uint64_t objects, uint64_t runs);
/* Before a change of o's map: room for its record. May write. */
int must_check ds_pending_reserve(struct datastore *ds);
/* o's entries from index on were changed from old to cluster (0: holes). */
void ds_pending_add(struct ds_object *o, uint32_t index, uint32_t cluster, uint32_t old,
		    uint32_t count);

/* ds_replay.c */
int must_check ds_replay(struct datastore *ds, char *why, size_t why_size);
/* The log as the device has it: its batches must be those that made ds. */
int must_check ds_log_verify(struct datastore *ds, char *why, size_t why_size);
int must_check ds_records_crc(struct datastore *ds, uint64_t sector, uint64_t bytes, uint32_t *crc);

/* ds_check.c */
int must_check ds_maps_verify(struct datastore *ds, char *why, size_t why_size);

/* ds_open.c */
void ds_free(struct datastore *ds);

/* ds_io.c: bytes of the device */
int must_check ds_dev_read(struct datastore *ds, uint64_t at, void *buf, uint64_t len);

/*
 * ds_direct.c. Does not block: may rq go straight to the device? Then true, with the first sector
 * there; ds_direct_end when it has completed, whether or not it worked, before anybody
 * hears of that. What is refused is for ds_read, ds_write and ds_sync. A direct flush leaves
 * data_dirty alone: a write of ds_write's may be under way.
 */
bool ds_direct_begin(struct ds_object *o, const struct blk_request *rq, uint64_t *sector);
void ds_direct_end(struct ds_object *o, enum blk_op op);
/* Blocks until no direct request of o is at the device; with the store locked. No new ones begin
 * until ds_thaw. Who changes o's map or how many use its clusters does so in between. */
void ds_freeze(struct ds_object *o);
void ds_thaw(struct ds_object *o);

#endif
