/* SPDX-License-Identifier: BSD-2-Clause */
/* fw_cfg under hostile firmware; other: a DMA request anywhere, of any length and kind. */
#include "tests/fuzz/device.h"
#include "tests/unit/fake_guest.h"
#include "vmm/dev/vfwcfg.h"

#define KEYS 0x30

static void create(struct vm *vm)
{
	struct vfwcfg *fw;

	fake_guest_create(vm);
	vm->cfg.disk_count = 1;
	assert_int_equal(vfwcfg_create(vm, &fw), 0);
}

/* Mostly addresses in RAM or around its end, mostly keys of items, at times anything. */
static void other(struct vm *vm, struct fuzz *f)
{
	uint8_t how = fuzz_u8(f);
	uint64_t at = how & 1 ? fuzz_u64(f) : fuzz_u32(f) % (SIZE_2M + 64);
	uint64_t to = how & 2 ? fuzz_u64(f) : fuzz_u32(f) % (SIZE_2M + 64);
	uint32_t len = how & 4 ? fuzz_u32(f) : fuzz_u16(f);
	uint32_t control = how & 8 ? fuzz_u32(f) : (fuzz_u8(f) % KEYS + 0u) << 16 | fuzz_u8(f);
	uint32_t q[4] = {__builtin_bswap32(control), __builtin_bswap32(len),
			 __builtin_bswap32(to >> 32), __builtin_bswap32(to)};

	bool heard = guest_mem_write(vm, at, q, sizeof(q)) == 0;

	iobus_write(&vm->ports, VFWCFG_DMA, 4, __builtin_bswap32(at >> 32));
	iobus_write(&vm->ports, VFWCFG_DMA + 4, 4, __builtin_bswap32(at));
	if (!heard)
		return;
	/* the answer comes last, whatever the data went over */
	assert_int_equal(guest_mem_read(vm, at, q, 4), 0);
	assert_true(q[0] == 0 || q[0] == __builtin_bswap32(1));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct fuzz_window windows[] = {{false, VFWCFG_SELECT, 2},
						     {false, VFWCFG_DMA, 8}};
	static const struct fuzz_device fd = {windows, 2, 2, create, other, NULL};

	return fuzz_device_run(&fd, data, size);
}
