/* SPDX-License-Identifier: BSD-2-Clause */
/* The 8254 and port 61H. */
#include "tests/fuzz/device.h"
#include "vmm/dev/vpit.h"

static struct vpit *pit;

static void create(struct vm *vm)
{
	assert_int_equal(vpit_create(vm, &pit), 0);
}

static void other(struct vm *vm, struct fuzz *f)
{
	fake_run(fuzz_u32(f) % (100 * NS_PER_MS));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct fuzz_window windows[] = {{false, 0x40, 4}, {false, 0x61, 1}};
	static const struct fuzz_device fd = {windows, 2, 1, create, other, NULL};

	return fuzz_device_run(&fd, data, size);
}
