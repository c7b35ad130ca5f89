/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Guest memory, wait queues and power switches for tests: RAM in separate 2 MiB
 * blocks as the real one has it, so that ASan sees every step beyond a block,
 * and a record of which pages were marked dirty.
 */
#ifndef TESTS_UNIT_FAKE_GUEST_H
#define TESTS_UNIT_FAKE_GUEST_H

#include "tests/unit/fake_kernel.h"
#include "vmm/vm.h"

extern unsigned fake_poweroffs, fake_resets;
/* Runs whenever a task would block; must make progress or the test fails. */
extern void (*fake_wait_hook)(void);

/* Gives vm->mem its blocks for vm->mem.size (a multiple of 2 MiB, below 3 GiB). */
void fake_guest_create(struct vm *vm);
void fake_guest_destroy(struct vm *vm);
/* Was any byte of the page marked dirty since fake_guest_clean? */
bool fake_guest_is_dirty(gpa_t gpa);
void fake_guest_clean(void);

/* Shorthands that must succeed. */
void fake_guest_put(struct vm *vm, gpa_t gpa, const void *data, size_t len);
void fake_guest_get(struct vm *vm, gpa_t gpa, void *data, size_t len);

#endif
