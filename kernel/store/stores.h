/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The datastores that this host has open, by name: those on its own disks (found at
 * boot) and those on shared storage that host.conf names. On shared storage one host
 * at a time has a store open, by AoE reservation (docs/datastore.md).
 */
#ifndef KERNEL_STORE_STORES_H
#define KERNEL_STORE_STORES_H

#include "kernel/host_config.h"
#include "kernel/store/datastore.h"

#define STORES_MAX 8

#define SAVED_PREFIX "saved/" /* + VM: a state that waits to be restored (docs/save.md) */
#define USED_PREFIX  "used/"  /* + VM: the last one that was */
/* + VM: a cold move of it was not finished, it may be another host's (migrate/cold.h) */
#define LEAVING_PREFIX "leaving/"
#define REVERT_PREFIX  "revert/" /* + VM: its disks are being put back to a snapshot's */

struct store {
	char name[32];
	struct datastore *ds; /* NULL: not open here; why says the reason */
	struct blkdev *bd;    /* while open */
	struct blkdev *part;  /* bd, when it is a partition */
	struct aoe_disk *aoe; /* shared storage, while open */
	uint16_t shelf;	      /* shared storage */
	uint8_t slot;
	bool shared;
	bool format; /* the next opening makes it anew */
	unsigned holds;
	char why[160];
};

/*
 * At boot, in a task: look at every disk of this host and at each `store` line of host.conf,
 * open what can be opened. Failures go to the log and into store.why. Blocks. config must stay.
 */
void stores_init(const struct host_config *config);
/* For tests: none is known any more. All are closed. */
void stores_forget(void);
const struct store *stores_at(unsigned index);	 /* NULL past the end; also those not open */
struct datastore *stores_find(const char *name); /* open ones; NULL: none of that name */
const char *stores_name(const struct datastore *ds);
/* What an open store is on, for measuring; NULL: it is not open any more. */
struct blkdev *stores_disk(const struct datastore *ds);
/* host.conf's default_store, else the first on a local disk, else the first; NULL: none is open. */
struct datastore *stores_default(void);
/* The open store that has an object of this name, NULL: none. Does not block. */
struct datastore *stores_holding(const char *object);
/* The open store in which that VM rests, saved; NULL: none. Does not block. */
struct datastore *stores_saved(const char *vm);
/* Was a revert of that VM cut off: are its disks of several moments? Does not block. */
bool stores_reverting(const char *vm);
/* For tasks: it is not closed until it is released as often. */
void stores_hold(struct datastore *ds); /* NULL, here and below: nothing to hold */
void stores_release(struct datastore *ds);
/* Is this local disk (or a part of it) an open store's? */
bool stores_use_disk(const struct blkdev *bd);

/*
 * Open one that host.conf names, or one that is on a local disk by now. force: take shared
 * storage away from the host that has it. Blocks. 0, -E_NOENT (no store of that name), -E_EXIST
 * (open already), -E_FENCED (another host has it), and what ds_open says; why is filled.
 */
int must_check stores_open(const char *name, bool force, char *why, size_t why_size);
/*
 * Make a datastore and open it; what was there is lost. disk: a local one (its partition for
 * datastores, if it has one); NULL: on shared storage, as host.conf names it. Blocks. -E_NOENT (no
 * such disk or store), -E_BUSY (a store on it is open), -E_INVAL (name), what the disk says.
 */
int must_check stores_format(const char *name, const char *disk, char *why, size_t why_size);
/* So that another host may open it. Blocks. 0, -E_NOENT, -E_BUSY (it is in use). */
int must_check stores_close(const char *name, char *why, size_t why_size);

#endif
