/* SPDX-License-Identifier: BSD-2-Clause */
/* The test device: what its ports and memory keep, lines, the end of the VM, a move. */
#include <stdlib.h>
#include "migrate/stream.h"
#include "tests/unit/fake_vm.h"
#include "vmm/dev/vioapic.h"
#include "vmm/dev/vtestdev.h"
#include "vmm/guest_map.h"

static struct vm *vm;
static struct vtestdev *dev;
static unsigned ends;
static uint32_t end_status;
static uint32_t pins; /* as the I/O APIC was told */

void vm_guest_test_end(struct vm *which, uint32_t status)
{
	assert_ptr_equal(which, vm);
	ends++;
	end_status = status;
}

void vioapic_set_line(struct vioapic *io, unsigned pin, bool level)
{
	assert_true(pin < VIOAPIC_PINS);
	pins = (pins & ~(uint32_t)BIT(pin)) | (uint32_t)level << pin;
}

static int setup(void **state)
{
	vm = fake_vm_create(2 * MiB, 1);
	ends = end_status = pins = 0;
	return vtestdev_create(vm, &dev);
}

static int teardown(void **state)
{
	fake_vm_destroy(vm);
	return 0;
}

static uint64_t in(uint16_t port, unsigned size)
{
	return iobus_read(&vm->ports, port, size);
}

static void out(uint16_t port, unsigned size, uint64_t value)
{
	iobus_write(&vm->ports, port, size, value);
}

static void ends_with_a_status(void **state)
{
	out(0xf4, 4, 0);
	assert_int_equal(ends, 1);
	assert_int_equal(end_status, 1);
	out(0xf4, 4, 17);
	assert_int_equal(end_status, 35);
	out(0xf4, 1, 0x85);
	assert_int_equal(end_status, 0x10b);
	out(0xf4, 2, 0x1234);
	assert_int_equal(end_status, 0x2469);
	assert_int_equal(ends, 4);
}

static void data_reads_back(void **state)
{
	out(0xe0, 4, 0x12345678);
	assert_int_equal(in(0xe0, 4), 0x12345678);
	assert_int_equal(in(0xe2, 2), 0x1234);
	assert_int_equal(in(0xe1, 1), 0x56);
	out(0xe1, 1, 0xab);
	out(0xe2, 2, 0xcdef);
	assert_int_equal(in(0xe0, 4), 0xcdefab78);
	out(0xe2, 4, 0x44332211); /* over the end: the rest falls off the bus */
	assert_int_equal(in(0xe0, 4), 0x2211ab78);
	assert_int_equal(in(0xe4, 1), 0xff);
}

static void lines_follow(void **state)
{
	out(0x2000 + 14, 1, 1);
	assert_int_equal(pins, BIT(14));
	assert_int_equal(in(0x2000 + 14, 1), 1);
	out(0x2000, 4, 1); /* a wide write is about one line, and line 0 is pin 0 */
	assert_int_equal(pins, BIT(14) | BIT(0));
	out(0x2000 + 23, 1, 0x80);
	assert_int_equal(pins, BIT(23) | BIT(14) | BIT(0));
	out(0x2000 + 14, 1, 0);
	assert_int_equal(pins, BIT(23) | BIT(0));
	out(0x2000 + 24, 1, 1);
	assert_int_equal(pins, BIT(23) | BIT(0));
	dev->vdev.ops->reset(&dev->vdev);
	assert_int_equal(pins, 0);
}

static void ram_is_bytes(void **state)
{
	static const gpa_t base = GUEST_TEST_RAM;

	assert_int_equal(base, 0xff000000);
	iobus_write(&vm->mmio, base, 8, 0x1122334455667788);
	assert_int_equal(iobus_read(&vm->mmio, base + 3, 4), 0x22334455);
	iobus_write(&vm->mmio, base + 5, 1, 0xee);
	assert_int_equal(iobus_read(&vm->mmio, base, 8), 0x1122ee4455667788);
	iobus_write(&vm->mmio, base + 64 * KiB - 4, 4, 0xcafe);
	assert_int_equal(iobus_read(&vm->mmio, base + 64 * KiB - 4, 4), 0xcafe);
	assert_int_equal(iobus_read(&vm->mmio, base + 64 * KiB - 4, 8), 0xffffffff0000cafe);
	assert_int_equal(iobus_read(&vm->mmio, base + 64 * KiB, 4), 0xffffffff);
}

static void moves(void **state)
{
	struct vm *here = vm, *there = fake_vm_create(2 * MiB, 1);
	struct vtestdev *twin;

	assert_int_equal(vtestdev_create(there, &twin), 0);
	out(0xe0, 4, 0x600df00d);
	out(0x2003, 1, 1);
	iobus_write(&vm->mmio, GUEST_TEST_RAM + 0xfff9, 4, 0x01020304);
	assert_true(state_wire_size(dev->vdev.ops->table) + sizeof(struct stream_device) <=
		    STREAM_STATE_MAX);
	fake_move(&dev->vdev, &twin->vdev);
	assert_int_equal(iobus_read(&there->ports, 0xe0, 4), 0x600df00d);
	assert_int_equal(iobus_read(&there->ports, 0x2003, 1), 1);
	assert_int_equal(iobus_read(&there->mmio, GUEST_TEST_RAM + 0xfff9, 4), 0x01020304);
	assert_int_equal(pins, BIT(3)); /* the I/O APIC has its own state */
	vm = here;
	fake_vm_destroy(there);
}

static void damaged_state_is_refused(void **state)
{
	struct vtestdev_state *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	assert_int_equal(dev->vdev.ops->check(&dev->vdev, s), 0);
	s->lines = BIT(24);
	assert_int_equal(dev->vdev.ops->check(&dev->vdev, s), -E_INVAL);
	free(s);
}

static void needs_its_ports(void **state)
{
	struct vtestdev *second;

	assert_int_equal(vtestdev_create(vm, &second), -E_EXIST);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(ends_with_a_status, setup, teardown),
	    cmocka_unit_test_setup_teardown(data_reads_back, setup, teardown),
	    cmocka_unit_test_setup_teardown(lines_follow, setup, teardown),
	    cmocka_unit_test_setup_teardown(ram_is_bytes, setup, teardown),
	    cmocka_unit_test_setup_teardown(moves, setup, teardown),
	    cmocka_unit_test_setup_teardown(damaged_state_is_refused, setup, teardown),
	    cmocka_unit_test_setup_teardown(needs_its_ports, setup, teardown),
	};

	return cmocka_run_group_tests_name("vtestdev", tests, NULL, NULL);
}
