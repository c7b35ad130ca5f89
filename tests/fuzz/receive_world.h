/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The host around a receiver of moves, for its fuzz target: VMs with real memory
 * and devices, storage and peers that answer as a script from the input says.
 */
#ifndef TESTS_FUZZ_RECEIVE_WORLD_H
#define TESTS_FUZZ_RECEIVE_WORLD_H

#include "kernel/drivers/blkdev.h"
#include "migrate/move.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/fake_vm.h"

#define WORLD_SCRIPT 24
#define WORLD_MEMORY (4 * MiB) /* most that a VM gets */

struct aoe_disk {
	uint8_t mac[ETH_ALEN];
	struct blkdev bd;
};

struct world {
	uint8_t script[WORLD_SCRIPT];
	unsigned asked; /* answers taken from the script so far */
	struct vm *vm;	/* the VM that came, NULL for none */
	struct migrate_state state;
};
extern struct world world;

void world_reset(struct fuzz *f);
/* Next byte of the script, which repeats. When it has been asked too often, moves are ended. */
uint8_t world_ask(void);
/* After the inputs: nothing but a running VM may be left; looks at it and frees all. */
void world_check_and_free(void);
unsigned world_objects(void); /* in its datastores */

#endif
