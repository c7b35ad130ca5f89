/* SPDX-License-Identifier: BSD-2-Clause */
/* The real-time clock; other: an indexed write, or seconds that pass. */
#include "tests/fuzz/device.h"
#include "vmm/dev/vrtc.h"

static struct vrtc *rtc;

static void create(struct vm *vm)
{
	assert_int_equal(vrtc_create(vm, 1709164798ull, &rtc), 0);
}

static void other(struct vm *vm, struct fuzz *f)
{
	uint8_t what = fuzz_u8(f);

	if (what & 0x80) {
		fake_run(fuzz_u32(f) % (3 * NS_PER_S));
		return;
	}
	fake_out(vm, 0x70, what);
	fake_out(vm, 0x71, fuzz_u8(f));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct fuzz_window windows[] = {{false, 0x70, 2}};
	static const struct fuzz_device fd = {windows, 1, 1, create, other, NULL};

	return fuzz_device_run(&fd, data, size);
}
