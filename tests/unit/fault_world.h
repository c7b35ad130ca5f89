/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two hosts with real datastores (cold_world.h) for the fault matrix: a running VM with a disk in
 * a datastore, faults that strike when a given line is logged, and a count of who has the VM
 * whole afterwards.
 */
#ifndef TESTS_UNIT_FAULT_WORLD_H
#define TESTS_UNIT_FAULT_WORLD_H

#include "migrate/save.h"
#include "tests/unit/cold_world.h"

#define FAULT_DISK "disk/web/vdb" /* of the running VM */

enum fault {
	FAULT_NONE,
	FAULT_SOURCE_DIES,
	FAULT_TARGET_DIES,
	FAULT_BOTH_DIE,
	FAULT_LINK_CUT,	  /* open links fall silent, new ones work */
	FAULT_LINK_PARTS, /* none works until it is mended */
	FAULT_SOURCE_FULL,
	FAULT_TARGET_FULL,
	FAULT_SOURCE_FAILS, /* every write, until mended */
	FAULT_TARGET_FAILS,
	FAULT_KINDS
};

/* Both hosts without a VM; then a running one there, its disk made first unless it is there. */
void fault_world_begin(void);
void fault_world_run_vm(int host, bool shared);
void fault_world_end(void);

/* Lines from now on are counted; fault strikes at line number at (0: the first). */
void fault_arm(enum fault fault, unsigned at);
extern unsigned fault_lines; /* since fault_arm */
extern char fault_line[256]; /* at which it struck; empty: not yet */
/* What broke works again: links, stores; hosts that were off are on. Then wait until all is idle.
 */
void fault_mend(void);

bool fault_defined(int host); /* the VM is listed there */
bool fault_lives(int host);   /* and is not off */
bool fault_runs(int host);    /* and runs or is paused, memory and disk as they should be */
bool fault_has_disk(int host);
bool fault_has(int host, const char *object);
/* An operator's: gone with it. */
void fault_remove(int host, const char *object);
void fault_forget_vm(int host); /* the VM that is off is no longer listed */

#endif
