/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * PCI configuration space under a hostile guest: two functions with BARs, capabilities
 * and MSI-X, registers of any width at any offset, BARs moved onto each other and onto
 * other devices, accesses to wherever they then lie, states that travel.
 */
#include <string.h>

#include "kernel/entropy.h"
#include "tests/fuzz/device.h"
#include "tests/unit/fake_guest.h"
#include "vmm/dev/vrng.h"

#define ADDRESS 0xcf8
#define DATA	0xcfc

static const uint8_t slots[] = {VRNG_SLOT, VRNG_SLOT + 1};

void entropy_fill(void *buf, size_t len)
{
	memset(buf, 0x77, len);
}

static void create(struct vm *vm)
{
	struct vrng *d;

	fake_guest_create(vm);
	assert_int_equal(vpci_create(vm), 0);
	for (unsigned i = 0; i < sizeof(slots); i++)
		assert_int_equal(vrng_create(vm, slots[i], &d), 0);
	vpci_assign(vm->vpci);
}

static uint32_t bar(struct vm *vm, unsigned i, unsigned n)
{
	iobus_write(&vm->ports, ADDRESS, 4, 0x80000000 | (uint32_t)slots[i] << 11 | (0x10 + 4 * n));
	return (uint32_t)iobus_read(&vm->ports, DATA, 4);
}

static void other(struct vm *vm, struct fuzz *f)
{
	uint8_t how = fuzz_u8(f), reg = fuzz_u8(f);
	unsigned size = 1u << how % 3, i = how >> 7;
	uint32_t ids;

	switch (how >> 3 & 3) {
	case 0: /* where a BAR says that it is, or nearly */
		iobus_write(&vm->mmio, (bar(vm, i, reg & 1) & ~0xfu) + fuzz_u16(f), size,
			    fuzz_u32(f));
		break;
	case 1:
		(void)iobus_read(&vm->mmio, (bar(vm, i, reg & 1) & ~0xfu) + fuzz_u16(f), size);
		break;
	default:
		iobus_write(&vm->ports, ADDRESS, 4, 0x80000000 | (uint32_t)slots[i] << 11 | reg);
		iobus_write(&vm->ports, DATA + (reg & 3), size, fuzz_u32(f));
		break;
	}
	/* whatever was written: vendor and device are what they were */
	iobus_write(&vm->ports, ADDRESS, 4, 0x80000000 | (uint32_t)slots[i] << 11);
	ids = (uint32_t)iobus_read(&vm->ports, DATA, 4);
	assert_int_equal(ids & 0xffff, PCI_VENDOR_REDHAT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct fuzz_window windows[] = {
	    {false, ADDRESS, 8}, {true, 0xc0000000, 0x8000}, {true, 0xfee00000, 0x1000}};
	static const struct fuzz_device fd = {windows, 3, 1, create, other, NULL};

	return fuzz_device_run(&fd, data, size);
}
