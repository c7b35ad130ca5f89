/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The host around a receiver of moves, for its fuzz target: VMs with real memory
 * and devices, storage and peers that answer as a script from the input says.
 */
#ifndef TESTS_FUZZ_RECEIVE_WORLD_H
#define TESTS_FUZZ_RECEIVE_WORLD_H

#include "kernel/drivers/blkdev.h"
#include "kernel/store/datastore.h"
#include "migrate/move.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/fake_vm.h"

#define WORLD_SCRIPT	24
#define WORLD_ASKED_MAX 200	  /* questions before world_is_tired */
#define WORLD_MEMORY	(4 * MiB) /* most that a VM gets */

#define WORLD_STORE_UUID 0x77 /* each byte of it */
#define WORLD_SECTORS	 4096 /* of a disk, unless its number is spoilt */

struct aoe_disk {
	uint8_t mac[ETH_ALEN];
	struct blkdev bd;
};

struct world {
	uint8_t script[WORLD_SCRIPT];
	unsigned asked; /* answers taken from the script so far */
	struct vm *vm;	/* the VM that came, NULL for none */
	struct migrate_state state;
	bool cold;	  /* vm was defined, not built */
	bool parts;	  /* some may be left: by a cold move, or from the start */
	bool commit_came; /* whole, by this link */
	bool must_know;	  /* arrived_id came, and its source may still ask */
	uint8_t arrived_id[16];
	uint8_t commit_id[16]; /* the latest of them */
};
extern struct world world;

void world_reset(struct fuzz *f);
/* Next byte of the script, which repeats. When it has been asked too often, moves are ended. */
uint8_t world_ask(void);
/* After the inputs: nothing but a running VM may be left; looks at it and frees all. */
void world_check_and_free(void);
/* receive_records.c: the payload of a good record of that type, or what stands for it. */
size_t good_record(struct fuzz *input, uint32_t type, uint8_t *p);
uint32_t good_record_type(uint32_t type);
bool world_is_tired(void); /* of being asked */
/* Is there a cold move that got its COMMIT? */
bool world_may_define(void);
/* A definition is there: the first time it decides, the second time nobody asks any more. */
void world_defined(void);

/* ---- receive_store.c, receive_disks.c ---- */

void world_store_put(const char *name, enum ds_kind kind, uint64_t size, uint64_t written);
void world_store_free(void);
/* Put it; nobody will find what it kept as NAME.part. */
void world_object_abandon(struct ds_object *o);
unsigned world_objects_held(void);	       /* handles, and objects that only these keep */
unsigned world_objects_named(const char *end); /* whose names end so */
unsigned world_holds(void);

#endif
