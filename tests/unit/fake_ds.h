/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two hosts' datastores of the name "main", in memory, and a plain disk "ata0": as far as
 * copying a disk uses them. Each call may fail; a guest writes to its disk, with requests that
 * land and end some time after they were made.
 */
#ifndef TESTS_UNIT_FAKE_DS_H
#define TESTS_UNIT_FAKE_DS_H

#include "kernel/store/datastore.h"
#include "tests/unit/fake_pair.h"

#define FAKE_DS_SIZE                                                                               \
	(20 * DS_CLUSTER + 3 * SECTOR_SIZE) /* of the disk; the last block is short                \
					     */

struct fake_ds_faults {
	int write_after, read_after; /* calls until one fails; -1: none */
	int keep, commit, create;    /* errors; 0: none */
	uint64_t free;		     /* of each store */
	bool no_store;		     /* at the target */
};
extern struct fake_ds_faults fake_ds_faults;
extern uint8_t fake_ds_plain[FAKE_DS_SIZE];
extern unsigned fake_ds_guest_writes; /* requests begun between two records; 0: none */
extern bool fake_ds_from_store;	      /* the source's disk is an object, not ata0 */
extern unsigned fake_ds_data_reads;   /* blocks read at the source */
extern const struct fake_pair_disk fake_ds_disk;

void fake_ds_reset(void); /* before fake_pair_vm, after fake_pair_reset */
/* Contents of a committed object, NULL: none of that name. */
const uint8_t *fake_ds_content(int host, const char *name);
unsigned fake_ds_objects(int host); /* of any kind, also those that are not committed */
struct ds_object *fake_ds_make(int host, const char *name);
void fake_ds_fill(struct ds_object *o); /* with what ata0 has */

#endif
