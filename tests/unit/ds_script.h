/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A script of datastore operations on a small faked disk, and what the store may hold
 * when it was cut off somewhere in it: for tests that lose power, space or writes.
 */
#ifndef TESTS_UNIT_DS_SCRIPT_H
#define TESTS_UNIT_DS_SCRIPT_H

#include "kernel/store/ds_inner.h"
#include "tests/unit/fake_disk.h"
#include "tests/unit/fake_task.h"

#define SCRIPT_CLUSTERS 24
#define SCRIPT_OPS_MAX	200

/* What a store holds, but for the contents of the guest's disk. */
struct script_table {
	unsigned count;
	struct {
		char name[24];
		uint64_t size, digest;
	} e[16];
};

extern struct datastore *script_ds;
/* After operation i - 1; 0: before the first. */
extern struct script_table script_tables[SCRIPT_OPS_MAX];
extern unsigned script_ends[SCRIPT_OPS_MAX]; /* of operation i in the disk's trace */
extern const unsigned script_ops;	     /* how many */
extern const unsigned script_first;	     /* of those that are one long row of renames */

int script_setup(void **state); /* a store that holds one old object, open */
void script_mount(void);
void script_unmount(void);     /* lets go of open objects; no memory is left */
void script_check(void);       /* ds_check finds nothing */
int script_run_op(unsigned i); /* its error */
/* Is operation i durable only with a later one? */
bool script_op_is_soft(unsigned i);
void script_run(bool trace); /* all of them, none fails; fills tables and ends */

void script_table_read(struct script_table *t);
/* The guest's disk, when all up to operation lo is durable and hi may have begun. */
void script_guest_verify(unsigned lo, unsigned hi);
/* The same for everything; then works on in the store, and nothing of its space is lost. */
void script_verify(unsigned lo, unsigned hi);
/* All operations before i that must be durable when i begins (an index for the above). */
unsigned script_durable_before(unsigned i);
/* A file of len bytes, committed. */
int script_make(const char *name, enum ds_kind kind, uint64_t size, uint64_t len, unsigned seed);
void script_fill(unsigned seed, uint64_t len); /* script_buf */
extern unsigned script_directs; /* writes of the guest that went straight to the device */
/*
 * After operation i has failed: the guest writes, straight to the device if it may, then is
 * called, and what was there before is put back.
 */
void script_disturb(unsigned i, void (*then)(unsigned i));
extern uint8_t script_buf[4 * DS_CLUSTER];

#endif
