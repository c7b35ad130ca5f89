/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two hosts (fake_pair.h), each with two real datastores on disks in memory and a raw disk,
 * for tests of cold moves: writes can be counted, fail, or cut the host's power, and a host
 * can be started again with what its disks hold.
 */
#ifndef TESTS_UNIT_COLD_WORLD_H
#define TESTS_UNIT_COLD_WORLD_H

#include "kernel/store/stores.h"
#include "migrate/cold.h"
#include "tests/unit/fake_pair.h"

#define WORLD_DISK (MiB + 3 * SECTOR_SIZE) /* of the VM's disks: the last block is not whole */

struct world_host {
	unsigned writes; /* and flushes, of both datastores */
	int off_at;	 /* power is lost at that one; -1: never */
	int fail_at;	 /* it and all later ones fail, until healed; -1: never */
	bool fail_lands; /* although its bytes reach the medium */
	int slow_at;	 /* it takes a minute; -1: none */
	int flip_after;	 /* clusters until one reaches the medium with a bit changed; -1: none */
};
extern struct world_host world_hosts[HOSTS];
extern unsigned world_holds[HOSTS]; /* of the default store: it cannot be closed meanwhile */
extern bool world_started[HOSTS];   /* vm_start was called there */
extern bool world_no_store;	    /* beta has none */
extern bool world_no_vm;	    /* the next world begins without one */

/* "web" on alpha, off and kept: vda in datastore main, vdb raw, perhaps vdc shared; its log. */
void world_reset(bool shared);
void world_free(void);
/* As a host starts: datastores, arrivals, definitions, questions. */
void world_boot(int host);
/* Off and on again, both, one after the other. */
void world_restart(int host);
/* migrate_start, and run to its end (or until nothing happens any more). Its error. */
int world_move(int from, const char *to, struct migrate_options opt);
int world_wait(void); /* for that move */
const struct move_progress *world_progress(void);
/* Run until all is idle, at most so long. */
void world_settle(uint64_t ns);
/* Run fn in a task of that host. */
void world_in_task(int host, void (*fn)(void));

/* Is the VM there, whole, and free to be started? Its disks' contents are compared. */
bool world_has(int host, const char *vm);
bool world_object(int host, const char *store, const char *object);
uint64_t world_stored(int host, const char *store);
/* Change bytes of the VM's disk where it is. */
void world_write(int host, unsigned disk, uint64_t at, uint8_t value);
/* The text of an object; "" when there is none. */
const char *world_text(int host, const char *store, const char *object);
void world_check_stores(void);

#endif
