/* SPDX-License-Identifier: BSD-2-Clause */
/* The two 8259As; other: an input line, or the processor's acknowledge. */
#include "tests/fuzz/device.h"
#include "vmm/dev/vpic.h"

static struct vpic *pic;

static void create(struct vm *vm)
{
	assert_int_equal(vpic_create(vm, &pic), 0);
}

static void other(struct vm *vm, struct fuzz *f)
{
	uint8_t what = fuzz_u8(f);

	if (what & 0x80)
		(void)vpic_ack(pic); /* also when nothing asks */
	else
		vpic_set_line(pic, what & 0x1f, what & 0x40);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct fuzz_window windows[] = {
	    {false, 0x20, 2}, {false, 0xa0, 2}, {false, 0x4d0, 2}};
	static const struct fuzz_device fd = {windows, 3, 1, create, other, NULL};

	return fuzz_device_run(&fd, data, size);
}
