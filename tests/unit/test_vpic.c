/* SPDX-License-Identifier: BSD-2-Clause */
/* The two 8259As: initialisation, priorities, EOIs, modes, cascade, moves. */
#include <string.h>

#include "tests/unit/fake_vm.h"
#include "vmm/dev/vlapic.h"
#include "vmm/dev/vpic.h"

static struct vm *vm;
static struct vpic *p;

static void out(uint16_t port, uint8_t value)
{
	fake_out(vm, port, value);
}

/* As Linux does: vectors 0x30 and 0x38, normal EOI, all unmasked. */
static void init_pair(uint8_t icw4)
{
	out(0x20, 0x11);
	out(0x21, 0x30);
	out(0x21, 0x04);
	out(0x21, icw4);
	out(0xa0, 0x11);
	out(0xa1, 0x38);
	out(0xa1, 0x02);
	out(0xa1, icw4);
	out(0x21, 0x00);
	out(0xa1, 0x00);
}

static int setup(void **ctx)
{
	vm = fake_vm_create(64 * MiB, 2);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(vlapic_create(vm, vm->vcpus[i], i, &vm->vlapics[i]), 0);
	vlapic_set_virtual_wire(vm->vlapics[0]);
	assert_int_equal(vpic_create(vm, &p), 0);
	init_pair(1);
	fake_kicks = 0;
	return 0;
}

static int teardown(void **ctx)
{
	fake_vm_destroy(vm);
	return 0;
}

static void pulse(unsigned line)
{
	vpic_set_line(p, line, false);
	vpic_set_line(p, line, true);
}

static int ack(void)
{
	return vpic_pending(p) ? vpic_ack(p) : -1;
}

static uint8_t isr(uint16_t port)
{
	out(port, 0x0b);
	return fake_in(vm, port);
}

static uint8_t irr(uint16_t port)
{
	out(port, 0x0a);
	return fake_in(vm, port);
}

static void test_edge(void **ctx)
{
	assert_int_equal(ack(), -1);
	vpic_set_line(p, 4, true);
	assert_int_equal(fake_kicks, 1);
	assert_int_equal(irr(0x20), 0x10);
	assert_int_equal(ack(), 0x34);
	assert_int_equal(irr(0x20), 0);
	assert_int_equal(isr(0x20), 0x10);
	assert_int_equal(ack(), -1);
	out(0x20, 0x20);
	assert_int_equal(ack(), -1); /* still high: no new edge */
	pulse(4);
	assert_int_equal(ack(), 0x34);
}

static void test_level(void **ctx)
{
	out(0x4d0, 0xff);
	out(0x4d1, 0xff);
	assert_int_equal(fake_in(vm, 0x4d0), 0xf8);
	assert_int_equal(fake_in(vm, 0x4d1), 0xde);
	vpic_set_line(p, 5, true);
	assert_int_equal(ack(), 0x35);
	assert_int_equal(ack(), -1);
	out(0x20, 0x20);
	assert_int_equal(ack(), 0x35); /* still high: again */
	vpic_set_line(p, 5, false);
	out(0x20, 0x20);
	assert_int_equal(ack(), -1);
}

/* A guest may take the 8259s' interrupts on another CPU: that one is woken. */
static void test_other_cpu(void **ctx)
{
	struct vlapic *other = vm->vlapics[1];

	vlapic_mmio_write(vm->vlapics[0], 0x350, 4, 0x10700); /* LINT0 masked */
	vpic_set_line(p, 4, true);
	assert_int_equal(fake_kicks, 0);
	vpic_set_line(p, 4, false);
	vlapic_mmio_write(other, 0xf0, 4, 0x1ff);
	vlapic_mmio_write(other, 0x350, 4, 0x700);
	vpic_set_line(p, 4, true);
	assert_int_equal(fake_kicks, 1);
	assert_ptr_equal(fake_kicked, vm->vcpus[1]);
}

static void test_mask(void **ctx)
{
	out(0x21, 0x10);
	assert_int_equal(fake_in(vm, 0x21), 0x10);
	vpic_set_line(p, 4, true);
	assert_int_equal(ack(), -1);
	assert_int_equal(irr(0x20), 0x10);
	out(0x21, 0);
	assert_int_equal(ack(), 0x34);
}

static void test_nesting(void **ctx)
{
	pulse(4);
	pulse(6);
	assert_int_equal(ack(), 0x34);
	assert_int_equal(ack(), -1);
	pulse(1);
	assert_int_equal(ack(), 0x31);
	assert_int_equal(isr(0x20), 0x12);
	out(0x20, 0x20); /* ends 1, the highest in service */
	assert_int_equal(isr(0x20), 0x10);
	out(0x20, 0x64); /* specific: 4 */
	assert_int_equal(ack(), 0x36);
}

static void test_cascade(void **ctx)
{
	pulse(12);
	assert_int_equal(irr(0x20), 4);
	assert_int_equal(ack(), 0x3c);
	assert_int_equal(isr(0x20), 4);
	assert_int_equal(isr(0xa0), 0x10);
	pulse(9); /* higher on the slave, but the master serves the cascade */
	assert_int_equal(ack(), -1);
	out(0x20, 0x20);
	assert_int_equal(ack(), 0x39);
	out(0xa0, 0x20);
	out(0x20, 0x20);
	assert_int_equal(isr(0xa0), 0x10);
	vpic_set_line(p, 2, true); /* there is no line 2 */
	vpic_set_line(p, 16, true);
	vpic_set_line(p, 0xffffffff, true);
	assert_int_equal(ack(), -1);
}

static void test_special_fully_nested(void **ctx)
{
	init_pair(0x11);
	pulse(12);
	assert_int_equal(ack(), 0x3c);
	pulse(9);
	assert_int_equal(ack(), 0x39);
}

static void test_auto_eoi(void **ctx)
{
	init_pair(3);
	pulse(12);
	pulse(13);
	assert_int_equal(ack(), 0x3c);
	assert_int_equal(isr(0xa0), 0);
	assert_int_equal(ack(), 0x3d); /* the cascade gave a second edge */
	assert_int_equal(ack(), -1);
	out(0x20, 0x80); /* rotate in automatic EOI */
	pulse(3);
	assert_int_equal(ack(), 0x33);
	pulse(3);
	pulse(4);
	assert_int_equal(ack(), 0x34);
	assert_int_equal(ack(), 0x33);
}

static void test_rotation(void **ctx)
{
	out(0x20, 0xc3); /* set priority: 3 lowest, 4 highest */
	pulse(1);
	pulse(4);
	assert_int_equal(ack(), 0x34);
	out(0x20, 0xa0); /* rotate on non-specific EOI: 4 lowest */
	pulse(4);
	pulse(5);
	assert_int_equal(ack(), 0x35);
	out(0x20, 0xe5); /* rotate on specific EOI: 5 lowest */
	pulse(7);
	assert_int_equal(ack(), 0x37);
	out(0x20, 0x67);
	assert_int_equal(ack(), 0x31);
	out(0x20, 0x20);
	assert_int_equal(ack(), 0x34);
}

static void test_special_mask(void **ctx)
{
	pulse(1);
	assert_int_equal(ack(), 0x31);
	pulse(5);
	assert_int_equal(ack(), -1);
	out(0x21, 0x02);
	out(0x20, 0x68);
	assert_int_equal(ack(), 0x35);
	out(0x20, 0x20); /* ends 5: the masked one is not the non-specific EOI's */
	assert_int_equal(isr(0x20), 2);
	out(0x20, 0x48);
	pulse(5);
	assert_int_equal(ack(), -1);
}

static void test_spurious(void **ctx)
{
	assert_int_equal(vpic_ack(p), 0x37);
	assert_int_equal(isr(0x20), 0);
	vpic_set_line(p, 5, true);
	vpic_set_line(p, 5, false); /* gone before the acknowledge */
	assert_false(vpic_pending(p));
	assert_int_equal(vpic_ack(p), 0x37);
	assert_int_equal(isr(0x20), 0);
}

static void test_poll(void **ctx)
{
	out(0x20, 0x0c);
	assert_int_equal(fake_in(vm, 0x20), 0);
	pulse(6);
	out(0x20, 0x0c);
	assert_int_equal(fake_in(vm, 0x20), 0x86);
	assert_int_equal(isr(0x20), 0x40);
	assert_int_equal(ack(), -1);
	pulse(11);
	out(0xa0, 0x0c);
	assert_int_equal(fake_in(vm, 0xa1), 0x83);
	assert_int_equal(fake_in(vm, 0xa1), 0); /* the mask again */
}

static void test_init_clears(void **ctx)
{
	out(0x21, 0xff);
	vpic_set_line(p, 3, true);
	out(0x20, 0x13); /* single: no ICW3 */
	assert_int_equal(ack(), -1);
	out(0x21, 0x57);
	out(0x21, 0x01);
	assert_int_equal(fake_in(vm, 0x21), 0);
	assert_int_equal(irr(0x20), 0); /* the edge must come again */
	pulse(3);
	assert_int_equal(ack(), 0x53);
	out(0x20, 0x12); /* without ICW4 */
	out(0x21, 0x40);
	pulse(3);
	assert_int_equal(ack(), 0x43);
}

static void test_move(void **ctx)
{
	struct vm *dst = fake_vm_create(64 * MiB, 1);
	struct vpic *to;

	assert_int_equal(vpic_create(dst, &to), 0);
	out(0x20, 0xc3);
	out(0x21, 0x20);
	pulse(12);
	pulse(4);
	assert_int_equal(ack(), 0x34);
	fake_move(&p->vdev, &to->vdev);
	assert_int_equal(fake_in(dst, 0x21), 0x20);
	assert_false(vpic_pending(to));
	fake_out(dst, 0x20, 0x20);
	assert_true(vpic_pending(to));
	assert_int_equal(vpic_ack(to), 0x3c);
	fake_vm_destroy(dst);
}

static void refused(struct vpic_state *s, const char *word)
{
	assert_int_equal(p->vdev.ops->check(&p->vdev, s), -E_INVAL);
	assert_non_null(strstr(fake_log_last, word));
	*s = p->s;
}

static void test_check(void **ctx)
{
	struct vpic_state s = p->s;
	struct vpic *other;
	int live = fake_alloc_live;

	assert_int_equal(p->vdev.ops->check(&p->vdev, &s), 0);
	s.chip[1].lowest = 8;
	refused(&s, "chip[1].lowest");
	s.chip[0].init_step = 1;
	refused(&s, "init_step");
	s.chip[0].init_step = 5;
	refused(&s, "init_step");
	s.chip[1].elcr = 1;
	refused(&s, "elcr");
	s.chip[0].base = 0x31;
	refused(&s, "base");
	s.chip[0].irr = 1;
	refused(&s, "irr");
	s.chip[0].poll = 2;
	refused(&s, "poll");
	assert_int_equal(vpic_create(vm, &other), -E_EXIST);
	fake_alloc_countdown = 0;
	assert_int_equal(vpic_create(vm, &other), -E_NOMEM);
	assert_int_equal(fake_alloc_live, live);
}

static void test_create_undoes(void **ctx)
{
	struct vm *other_vm = fake_vm_create(64 * MiB, 1);
	struct io_region taken = {.base = 0x4d1, .len = 1, .enabled = true};
	struct vpic *other;

	assert_int_equal(iobus_add(&other_vm->ports, &taken), 0);
	assert_int_equal(vpic_create(other_vm, &other), -E_EXIST);
	iobus_remove(&other_vm->ports, &taken);
	assert_true(list_empty(&other_vm->ports.regions));
	fake_vm_destroy(other_vm);
}

static void test_any_bytes(void **ctx)
{
	static const uint16_t ports[] = {0x20, 0x21, 0xa0, 0xa1, 0x4d0, 0x4d1};
	uint32_t seed = 1;

	for (unsigned i = 0; i < 200000; i++) {
		uint16_t port;

		seed = seed * 1664525 + 1013904223;
		port = ports[(seed >> 8) % 6];
		if (seed >> 31)
			out(port, (uint8_t)(seed >> 16));
		else
			fake_in(vm, port);
		vpic_set_line(p, (seed >> 20) & 15, seed & 0x100);
		if (seed & 0x200)
			ack();
		assert_int_equal(p->vdev.ops->check(&p->vdev, &p->s), 0);
	}
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_edge),
	    T(test_other_cpu),
	    T(test_level),
	    T(test_mask),
	    T(test_nesting),
	    T(test_cascade),
	    T(test_special_fully_nested),
	    T(test_auto_eoi),
	    T(test_rotation),
	    T(test_special_mask),
	    T(test_spurious),
	    T(test_poll),
	    T(test_init_clears),
	    T(test_move),
	    T(test_check),
	    T(test_create_undoes),
	    T(test_any_bytes),
	};

	return cmocka_run_group_tests_name("vpic", tests, NULL, NULL);
}
