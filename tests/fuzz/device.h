/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A virtual device under a hostile guest and a hostile stream: accesses of every
 * size anywhere in its windows, time, resets, pauses, moves, and states that no
 * device would have saved. Properties: an own state is accepted anywhere, and what
 * grows out of an accepted state is accepted again.
 */
#ifndef TESTS_FUZZ_DEVICE_H
#define TESTS_FUZZ_DEVICE_H

#include "tests/fuzz/fuzz.h"
#include "tests/unit/fake_vm.h"

struct fuzz_window {
	bool mmio;
	uint64_t base, len;
};

struct fuzz_device {
	const struct fuzz_window *windows;
	unsigned window_count;
	unsigned vcpus;
	/* Make the devices; which of them an input means is chosen from vm->devices. */
	void (*create)(struct vm *vm);
	/* Something that is this device's own: an input line, an acknowledge, typed text. */
	void (*other)(struct vm *vm, struct fuzz *f);
	/* Host work that is to end before the devices go; may be NULL. */
	void (*settle)(void);
};

/* As fake_move to itself, without the look at the whole table: that one takes long. */
void fuzz_device_move(struct vdev *d);

int fuzz_device_run(const struct fuzz_device *fd, const uint8_t *data, size_t size);

#endif
