/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A datastore: a formatted block device that holds named objects (configurations,
 * disks, saved VMs, logs). Power lost at any write leaves each object old or new
 * (docs/datastore.md). Calls block unless they say otherwise; one store serves one
 * caller at a time, the others wait (guests' disks mostly go past it: ds_disk.h). Who may write
 * to shared storage is decided by the caller (AoE reservation) before ds_open.
 */
#ifndef KERNEL_STORE_DATASTORE_H
#define KERNEL_STORE_DATASTORE_H

#include "kernel/drivers/blkdev.h"

#define DS_CLUSTER	(64 * KiB) /* bytes: unit of space, of sharing and of holes */
#define DS_NAME_LEN	96	   /* "vm/web/vm.conf": [a-zA-Z0-9._-/], no empty part, ends in 0 */
#define DS_OBJECTS_MAX	4096	   /* objects of one store */
#define DS_CLUSTERS_MAX (1u << 26) /* of one store: 4 TiB */
#define DS_SIZE_MAX	(4096ull * GiB) /* bytes of one object, holes included */
#define DS_PART_SUFFIX	".part"		/* of an object that is not complete: ds_keep_partial */

enum ds_kind { DS_FILE = 1, DS_DISK, DS_SAVED, DS_LOG };

struct datastore;
struct ds_object; /* an open handle, counted */

struct ds_info {
	char name[DS_NAME_LEN];
	enum ds_kind kind;
	uint64_t size;	 /* bytes */
	uint64_t stored; /* bytes of clusters, without holes; clones count shared ones each */
};

struct ds_stat {
	char name[32];
	uint8_t uuid[16];
	char opened_by[32]; /* the host that has it open for writing; "" for none */
	bool readonly;
	uint64_t size, free; /* bytes for objects */
	unsigned objects;
	unsigned fragments; /* runs of consecutive clusters; as many as objects at best */
};

const char *ds_kind_text(enum ds_kind kind);	/* "disk"; "?" for an unknown one */
bool ds_name_ok(const char *name, size_t room); /* terminated inside room, and as above */

/*
 * Destroys what is on bd. name: 1..31 of [a-zA-Z0-9._-]. 0, -E_INVAL (name),
 * -E_RANGE (device under 1 MiB), -E_IO and what else the device says.
 */
int must_check ds_format(struct blkdev *bd, const char *name, const uint8_t uuid[16]);
/*
 * What is on bd, in words for the operator, whether or not it is a datastore; out is filled
 * when it is (0; objects and free are 0). -E_NOENT (something else), -E_CHECKSUM (damaged),
 * -E_VERSION, -E_RANGE (device smaller than its datastore), -E_IO.
 */
int must_check ds_probe(struct blkdev *bd, struct ds_stat *out, char *why, size_t why_size);
/*
 * host: written on the device as its opener (not when readonly). Errors as ds_probe, -E_NOMEM;
 * why says what is wrong in words. bd must stay until ds_close.
 */
int must_check ds_open(struct blkdev *bd, const char *host, bool readonly, struct datastore **out,
		       char *why, size_t why_size);
/* -E_BUSY while objects are open; on any other error it is closed all the same. */
int must_check ds_close(struct datastore *ds);
/* Let go of it with nothing written, open objects too (no other call may use them any more, no
 * disk in it has a request in flight): the device belongs to another host now. Does not block. */
void ds_abandon(struct datastore *ds);
void ds_status(struct datastore *ds, struct ds_stat *out); /* does not block */
struct blkdev *ds_device(struct datastore *ds);

/* Does not block. -E_NOENT. Objects that are not committed are not found. */
int must_check ds_find(struct datastore *ds, const char *name, struct ds_info *out);
/* Does not block. *cursor is 0 at first. -E_NOENT past the end. Objects may come and go. */
int must_check ds_next(struct datastore *ds, unsigned *cursor, struct ds_info *out);

/*
 * A new object of size bytes (all holes), invisible until ds_commit; a restart of the host
 * discards it. -E_INVAL (name, kind), -E_RANGE (size), -E_NOSPC (objects), -E_NOMEM,
 * -E_STATE (store is read-only).
 */
int must_check ds_create(struct datastore *ds, const char *name, enum ds_kind kind, uint64_t size,
			 struct ds_object **out);
int must_check ds_get(struct datastore *ds, const char *name, struct ds_object **out);
/* Does not block. The last put of an uncommitted object discards it and its space. NULL is fine. */
void ds_put(struct ds_object *o);
void ds_object_info(struct ds_object *o, struct ds_info *out); /* does not block */
struct datastore *ds_object_store(struct ds_object *o);

/* Any alignment; holes read as zeros. -E_RANGE past the end. */
int must_check ds_read(struct ds_object *o, uint64_t offset, void *buf, uint64_t len);
/*
 * Any alignment. Grows DS_SAVED, DS_LOG and DS_FILE; past the end of a DS_DISK -E_RANGE.
 * -E_NOSPC: nothing was changed. Other errors: each sector of the range is old or new. Durable
 * with the next ds_sync or ds_commit.
 */
int must_check ds_write(struct ds_object *o, uint64_t offset, const void *buf, uint64_t len);
/* Bytes of clusters that no other object shares. Does not block. 0: no object of that name. */
uint64_t ds_own_bytes(struct datastore *ds, const char *name);
/*
 * The next run of stored clusters that ends after byte from, cut to the object's size, as
 * lseek's SEEK_DATA: *start >= from. Does not block. -E_NOENT: only holes follow.
 */
int must_check ds_next_data(struct ds_object *o, uint64_t from, uint64_t *start, uint64_t *len);
/* Whole clusters within the range become holes; what else the range covers stays. */
int must_check ds_discard(struct ds_object *o, uint64_t offset, uint64_t len);
/*
 * Makes data and then the object durable and visible, in place of an older object of that name
 * (open handles on the older one go on reading it until they are put). An object NAME.part
 * (ds_keep_partial) becomes NAME. Committed already: as ds_sync. On error nothing was replaced.
 */
int must_check ds_commit(struct ds_object *o);
/*
 * Makes an uncommitted object durable under its name + ".part", so that it survives a restart
 * and an interrupted move can ds_get it and go on. Replaces an older NAME.part. The handle
 * stays good; ds_commit then completes it. -E_RANGE: name too long.
 */
int must_check ds_keep_partial(struct ds_object *o);
/* Everything written so far to committed objects is durable (a guest's flush). */
int must_check ds_sync(struct datastore *ds);

/* ds_whole.c: a DS_FILE in one commit, in place of an older one; errors of its steps. Blocks. */
int must_check ds_write_whole(struct datastore *ds, const char *name, const void *data,
			      uint64_t len);
/* -E_NOENT; -E_RANGE: it is longer than room. Blocks. */
int must_check ds_read_whole(struct datastore *ds, const char *name, void *buf, size_t room,
			     size_t *len);

int must_check ds_remove(struct datastore *ds, const char *name); /* -E_BUSY while it is open */
int must_check ds_rename(struct datastore *ds, const char *from, const char *to); /* -E_EXIST */
/* A copy that shares its clusters with from until either is written. -E_EXIST, -E_NOSPC. */
int must_check ds_clone(struct datastore *ds, const char *from, const char *to);
/*
 * A digest of size and contents, the same wherever and however (holes or zeros) they are
 * stored: over the index and bytes of each 4 KiB block that is not zero.
 */
int must_check ds_digest(struct ds_object *o, uint64_t *out);

/*
 * Everything that the store says of itself: superblocks, checkpoint and log read again, maps
 * against each other, counters against maps. 0, or -E_CHECKSUM with the first fault in why.
 */
int must_check ds_check(struct datastore *ds, char *why, size_t why_size);

#endif
