/* SPDX-License-Identifier: BSD-2-Clause */
/* ACPI power management and the keyboard controller's reset; other: the power button. */
#include "tests/fuzz/device.h"
#include "vmm/dev/vpm.h"

static struct vpm *pm;

static void create(struct vm *vm)
{
	assert_int_equal(vpm_create(vm, &pm), 0);
}

static void other(struct vm *vm, struct fuzz *f)
{
	vpm_press_button(pm);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct fuzz_window windows[] = {
	    {false, 0x600, 12}, {false, 0x60, 1}, {false, 0x64, 1}};
	static const struct fuzz_device fd = {windows, 3, 1, create, other, NULL};

	return fuzz_device_run(&fd, data, size);
}
