/* SPDX-License-Identifier: BSD-2-Clause */
/* The I/O APIC: registers, edge and level pins, EOI both ways. */
#include <string.h>

#include "tests/unit/fake_vm.h"
#include "vmm/dev/vioapic.h"
#include "vmm/dev/vlapic.h"

static struct vm *vm;
static struct vioapic *io;

static unsigned takers = 1;

static struct {
	unsigned count;
	uint8_t dest, vector;
	bool logical, level;
	enum apic_delivery mode;
} sent;

unsigned vlapic_deliver(struct vm *to, uint8_t dest, bool logical, enum apic_delivery mode,
			uint8_t vector, bool level)
{
	sent.count++;
	sent.dest = dest;
	sent.logical = logical;
	sent.mode = mode;
	sent.vector = vector;
	sent.level = level;
	return takers;
}

static int setup(void **ctx)
{
	vm = fake_vm_create(64 * MiB, 1);
	assert_int_equal(vioapic_create(vm, &io), 0);
	memset(&sent, 0, sizeof(sent));
	takers = 1;
	return 0;
}

static int teardown(void **ctx)
{
	fake_vm_destroy(vm);
	return 0;
}

static uint32_t rd(unsigned reg)
{
	iobus_write(&vm->mmio, VIOAPIC_BASE, 4, reg);
	return (uint32_t)iobus_read(&vm->mmio, VIOAPIC_BASE + 0x10, 4);
}

static void wr(unsigned reg, uint32_t value)
{
	iobus_write(&vm->mmio, VIOAPIC_BASE, 4, reg);
	iobus_write(&vm->mmio, VIOAPIC_BASE + 0x10, 4, value);
}

static void eoi_register(uint8_t vector)
{
	iobus_write(&vm->mmio, VIOAPIC_BASE + 0x40, 4, vector);
}

static void test_registers(void **ctx)
{
	assert_int_equal(rd(1), 0x170020);
	wr(0, 0xff000000);
	assert_int_equal(rd(0), 0x0f000000);
	assert_int_equal(rd(2), 0x0f000000);
	assert_int_equal(rd(0x10), 0x10000);
	wr(0x3f, 0x12345678);
	assert_int_equal(rd(0x3f), 0x12000000);
	wr(0x3e, 0xffffffff);
	assert_int_equal(rd(0x3e), 0x1afff); /* delivery status and remote IRR are read-only */
	wr(0x40, 0);
	assert_int_equal(rd(0x40), 0xffffffff);
	assert_int_equal(rd(0xff), 0xffffffff);
	assert_int_equal(iobus_read(&vm->mmio, VIOAPIC_BASE + 0x20, 4), 0);
	assert_int_equal(sent.count, 0);
}

static void test_edge(void **ctx)
{
	wr(0x10 + 2 * 4 + 1, 3u << 24);
	wr(0x10 + 2 * 4, 0x834);
	vioapic_set_line(io, 4, true);
	assert_int_equal(sent.count, 1);
	assert_int_equal(sent.dest, 3);
	assert_int_equal(sent.vector, 0x34);
	assert_true(sent.logical);
	assert_false(sent.level);
	vioapic_set_line(io, 4, true);
	assert_int_equal(sent.count, 1);
	vioapic_set_line(io, 4, false);
	vioapic_set_line(io, 4, true);
	assert_int_equal(sent.count, 2);
	assert_int_equal(rd(0x10 + 2 * 4) & 0x4000, 0);
}

static void test_masked_edge_is_lost(void **ctx)
{
	wr(0x10 + 2 * 4, 0x10034);
	vioapic_set_line(io, 4, true);
	vioapic_set_line(io, 4, false);
	wr(0x10 + 2 * 4, 0x34);
	assert_int_equal(sent.count, 0);
	vioapic_set_line(io, 4, true);
	assert_int_equal(sent.count, 1);
}

static void test_level(void **ctx)
{
	unsigned reg = 0x10 + 2 * 10;

	wr(reg, 0x8055);
	vioapic_set_line(io, 10, true);
	assert_int_equal(sent.count, 1);
	assert_true(sent.level);
	assert_int_equal(rd(reg), 0xc055);
	vioapic_set_line(io, 10, false);
	vioapic_set_line(io, 10, true);
	assert_int_equal(sent.count, 1); /* remote IRR holds it back */
	vioapic_eoi(io, 0x54);
	assert_int_equal(sent.count, 1);
	vioapic_eoi(io, 0x55); /* still asserted: again */
	assert_int_equal(sent.count, 2);
	vioapic_set_line(io, 10, false);
	vioapic_eoi(io, 0x55);
	assert_int_equal(sent.count, 2);
	assert_int_equal(rd(reg), 0x8055);
}

static void test_level_masked(void **ctx)
{
	unsigned reg = 0x10 + 2 * 10;

	wr(reg, 0x18055);
	vioapic_set_line(io, 10, true);
	assert_int_equal(sent.count, 0);
	wr(reg, 0x8055);
	assert_int_equal(sent.count, 1);
	wr(reg, 0x18055); /* masking keeps remote IRR */
	assert_int_equal(rd(reg), 0x1c055);
	eoi_register(0x55);
	assert_int_equal(rd(reg), 0x18055);
	assert_int_equal(sent.count, 1);
}

/* Linux without the EOI register: mask and edge, then level again */
static void test_eoi_by_trigger_switch(void **ctx)
{
	unsigned reg = 0x10 + 2 * 10;

	wr(reg, 0x8055);
	vioapic_set_line(io, 10, true);
	vioapic_set_line(io, 10, false);
	wr(reg, 0x10055);
	assert_int_equal(rd(reg), 0x10055);
	wr(reg, 0x8055);
	assert_int_equal(rd(reg), 0x8055);
	assert_int_equal(sent.count, 1);
}

static void test_two_pins_one_vector(void **ctx)
{
	wr(0x10 + 2 * 10, 0x8055);
	wr(0x10 + 2 * 11, 0x8055);
	vioapic_set_line(io, 10, true);
	vioapic_set_line(io, 11, true);
	vioapic_set_line(io, 10, false);
	assert_int_equal(sent.count, 2);
	vioapic_eoi(io, 0x55);
	assert_int_equal(sent.count, 3);
	assert_int_equal(rd(0x10 + 2 * 10), 0x8055);
	assert_int_equal(rd(0x10 + 2 * 11), 0xc055);
}

static void test_level_nmi_does_not_stick(void **ctx)
{
	wr(0x10 + 2 * 10, 0x8400);
	vioapic_set_line(io, 10, true);
	vioapic_set_line(io, 10, false);
	vioapic_set_line(io, 10, true);
	assert_int_equal(sent.count, 2);
	assert_int_equal(sent.mode, APIC_NMI);
}

static void test_nobody_takes_it(void **ctx)
{
	wr(0x10 + 2 * 10, 0x8055);
	takers = 0;
	vioapic_set_line(io, 10, true);
	assert_int_equal(rd(0x10 + 2 * 10), 0x8055);
	takers = 1;
	wr(0x10 + 2 * 10, 0x8056);
	assert_int_equal(rd(0x10 + 2 * 10), 0xc056);
}

static void test_bad_pin(void **ctx)
{
	vioapic_set_line(io, 24, true);
	vioapic_set_line(io, 0xffffffff, true);
	assert_int_equal(io->s.lines, 0);
}

static void test_move(void **ctx)
{
	struct vm *dst = fake_vm_create(64 * MiB, 1);
	struct vioapic *to;

	assert_int_equal(vioapic_create(dst, &to), 0);
	wr(0x10 + 2 * 10, 0x8055);
	vioapic_set_line(io, 10, true);
	wr(0x10 + 2 * 4, 0x34);
	fake_move(&io->vdev, &to->vdev);
	assert_int_equal(sent.count, 1); /* resume touches no other device */
	vioapic_set_line(to, 10, true);
	assert_int_equal(sent.count, 1);
	vioapic_eoi(to, 0x55);
	assert_int_equal(sent.count, 2);
	vioapic_set_line(to, 4, true);
	assert_int_equal(sent.count, 3);
	fake_vm_destroy(dst);
}

static void test_check_and_reset(void **ctx)
{
	struct vioapic_state s = io->s;
	struct vioapic *other;

	assert_int_equal(io->vdev.ops->check(&io->vdev, &s), 0);
	s.lines = BIT(24);
	assert_int_equal(io->vdev.ops->check(&io->vdev, &s), -E_INVAL);
	assert_non_null(strstr(fake_log_last, "lines"));
	s = io->s;
	s.redir[5] = BIT(17);
	assert_int_equal(io->vdev.ops->check(&io->vdev, &s), -E_INVAL);
	s.redir[5] = 0x4000;
	assert_int_equal(io->vdev.ops->check(&io->vdev, &s), -E_INVAL);
	assert_non_null(strstr(fake_log_last, "remote IRR"));
	s.redir[5] = 0xc000;
	assert_int_equal(io->vdev.ops->check(&io->vdev, &s), 0);
	s.id = 16;
	assert_int_equal(io->vdev.ops->check(&io->vdev, &s), -E_INVAL);
	wr(0x10 + 2 * 10, 0x8055);
	io->vdev.ops->reset(&io->vdev);
	assert_int_equal(rd(0x10 + 2 * 10), 0x10000);
	assert_int_equal(vioapic_create(vm, &other), -E_EXIST);
	fake_alloc_countdown = 0;
	assert_int_equal(vioapic_create(vm, &other), -E_NOMEM);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_registers),
	    T(test_edge),
	    T(test_masked_edge_is_lost),
	    T(test_level),
	    T(test_level_masked),
	    T(test_eoi_by_trigger_switch),
	    T(test_two_pins_one_vector),
	    T(test_level_nmi_does_not_stick),
	    T(test_nobody_takes_it),
	    T(test_bad_pin),
	    T(test_move),
	    T(test_check_and_reset),
	};

	return cmocka_run_group_tests_name("vioapic", tests, NULL, NULL);
}
