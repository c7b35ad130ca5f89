/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The virtio entropy device under a hostile driver: configuration space, common
 * registers, rings and descriptors of any kind. No turn makes more than its share
 * of random bytes, and states travel.
 */
#include <string.h>

#include "kernel/entropy.h"
#include "tests/fuzz/device.h"
#include "tests/unit/fake_guest.h"
#include "vmm/dev/vrng.h"

#define QSIZE 16
#define RING  0x10000
#define AVAIL (RING + 0x1000)
#define USED  (RING + 0x2000)
#define DATA  (RING + 0x3000)

static gpa_t common, notify;
static size_t made;

void entropy_fill(void *buf, size_t len)
{
	memset(buf, 0x77, len);
	made += len;
}

static void out(struct vm *vm, gpa_t gpa, unsigned size, uint64_t value)
{
	iobus_write(&vm->mmio, gpa, size, value);
}

static uint32_t config(struct vm *vm, unsigned reg)
{
	iobus_write(&vm->ports, 0xcf8, 4, 0x80000000 | VRNG_SLOT << 11 | reg);
	return (uint32_t)iobus_read(&vm->ports, 0xcfc, 4);
}

static void start(struct vm *vm, uint8_t how)
{
	for (unsigned s = 0; s <= 3; s += s ? 2 : 1)
		out(vm, common + 20, 1, s);
	out(vm, common + 8, 4, 0);
	out(vm, common + 12, 4, (how & 1 ? BIT(28) : 0) | (how & 2 ? BIT(29) : 0));
	out(vm, common + 8, 4, 1);
	out(vm, common + 12, 4, 1);
	out(vm, common + 20, 1, 11);
	out(vm, common + 22, 2, 0);
	out(vm, common + 24, 2, QSIZE);
	out(vm, common + 32, 8, RING);
	out(vm, common + 40, 8, AVAIL);
	out(vm, common + 48, 8, USED);
	out(vm, common + 28, 2, 1);
	out(vm, common + 20, 1, 15);
}

static void create(struct vm *vm)
{
	struct vrng *d;

	fake_guest_create(vm);
	assert_int_equal(vpci_create(vm), 0);
	assert_int_equal(vrng_create(vm, VRNG_SLOT, &d), 0);
	vpci_assign(vm->vpci);
	common = notify = config(vm, 0x10) & ~0xful;
	for (unsigned at = config(vm, 0x34) & 0xff; at; at = config(vm, at) >> 8 & 0xff)
		if (config(vm, at) >> 24 == 2)
			notify += config(vm, at + 8);
}

static void request(struct vm *vm, struct fuzz *f)
{
	uint16_t head = fuzz_u8(f) % (QSIZE - 1), idx;
	struct {
		uint64_t addr;
		uint32_t len;
		uint16_t flags, next;
	} d[2] = {{DATA + fuzz_u16(f), fuzz_u16(f), 3, head + 1}, {DATA, fuzz_u8(f), 2, 0}};

	fuzz_spoil(f, d, sizeof(d));
	fake_guest_put(vm, RING + 16 * head, d, sizeof(d));
	fake_guest_get(vm, AVAIL + 2, &idx, 2);
	fake_guest_put(vm, AVAIL + 4 + 2 * (idx % QSIZE), &head, 2);
	idx++;
	fake_guest_put(vm, AVAIL + 2, &idx, 2);
}

static void other(struct vm *vm, struct fuzz *f)
{
	uint8_t how = fuzz_u8(f), bytes[16];

	switch (how % 5) {
	case 0:
		start(vm, how >> 4);
		break;
	case 1:
		made = 0;
		out(vm, notify, 2, how >> 7);
		assert_true(made <= VRNG_TURN_MAX);
		break;
	case 2:
		fuzz_bytes(f, bytes, sizeof(bytes));
		fake_guest_put(vm, RING + fuzz_u16(f) % 0x4000, bytes, how >> 4);
		break;
	case 3:
		out(vm, common + fuzz_u8(f) % 64, 1u << (how >> 6), fuzz_u32(f));
		break;
	default:
		request(vm, f);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct fuzz_window windows[] = {{false, 0xcf8, 8}, {true, 0xc0000000, 0x4000}};
	static const struct fuzz_device fd = {windows, 2, 1, create, other, NULL};

	return fuzz_device_run(&fd, data, size);
}
