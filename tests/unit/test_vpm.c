/* SPDX-License-Identifier: BSD-2-Clause */
/* ACPI fixed hardware: soft-off, power button, PM timer, and the keyboard controller's reset. */
#include <string.h>
#include "tests/unit/fake_guest.h"
#include "tests/unit/fake_vm.h"
#include "vmm/dev/vpm.h"

static struct vm *vm;
static struct vpm *pm;

static int setup(void **state)
{
	vm = fake_vm_create(2 * MiB, 1);
	fake_poweroffs = fake_resets = 0;
	assert_int_equal(vpm_create(vm, &pm), 0);
	return 0;
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

static void soft_off(void **state)
{
	assert_int_equal(in(0x604, 2), 1); /* SCI_EN */
	out(0x604, 2, 0x1401);		   /* SLP_TYP 5 alone does nothing */
	out(0x604, 2, 0x3001);		   /* SLP_EN with SLP_TYP 4 neither */
	assert_int_equal(fake_poweroffs, 0);
	out(0x604, 2, 0x3401);
	assert_int_equal(fake_poweroffs, 1);
	assert_int_equal(in(0x604, 2), 0x1401);
	out(0x605, 1, 0x34);
	assert_int_equal(fake_poweroffs, 2);
}

static void power_button(void **state)
{
	vpm_press_button(pm);
	assert_int_equal(in(0x600, 2), 0x100);
	assert_false(fake_irq_level[9]); /* not enabled */
	out(0x602, 2, 0x0100);
	assert_true(fake_irq_level[9]);
	assert_int_equal(in(0x600, 4), 0x01000100);
	out(0x600, 2, 0x8000); /* another bit: stays */
	assert_true(fake_irq_level[9]);
	out(0x601, 1, 0x01);
	assert_false(fake_irq_level[9]);
	assert_int_equal(in(0x600, 2), 0);
	vpm_press_button(pm);
	assert_int_equal(fake_irq_edges[9], 2);
}

static void timer_counts(void **state)
{
	assert_int_equal(in(0x608, 4), 0);
	fake_run(NS_PER_S);
	assert_int_equal(in(0x608, 4), 3579545);
	fake_run(10 * 3600 * NS_PER_S); /* 128-bit country for a naive product */
	assert_int_equal(in(0x608, 4), (uint32_t)(36001ull * 3579545));
	assert_int_equal(in(0x609, 1), (uint32_t)(36001ull * 3579545) >> 8 & 0xff);
	fake_run(NS_PER_MS);
	assert_int_equal(in(0x608, 4), (uint32_t)(36001ull * 3579545 + 3579));
}

static void timer_interrupt(void **state)
{
	uint64_t flip = (BIT(31) * NS_PER_S + VPM_TMR_HZ - 1) / VPM_TMR_HZ; /* 600 s */

	assert_int_equal(fake_timers_armed(), 0); /* an idle guest costs nothing */
	out(0x602, 2, 1);
	fake_run(flip - 1);
	assert_false(fake_irq_level[9]);
	fake_run(1);
	assert_true(fake_irq_level[9]);
	assert_int_equal(in(0x600, 2), 1);
	out(0x600, 2, 1);
	assert_false(fake_irq_level[9]);
	fake_run(flip);
	assert_true(fake_irq_level[9]);
}

static void general_purpose_event(void **state)
{
	out(0x60d, 1, 0xff);
	assert_int_equal(in(0x60c, 2), 0x100); /* one event is there */
	vpm_raise_gpe(pm, VPM_GPE_GENERATION);
	assert_true(fake_irq_level[9]);
	assert_int_equal(in(0x60c, 1), 1);
	out(0x60c, 1, 2); /* another bit: stays */
	assert_true(fake_irq_level[9]);
	out(0x602, 2, 0x100); /* the power button shares the line */
	vpm_press_button(pm);
	out(0x60c, 1, 1);
	assert_true(fake_irq_level[9]);
	out(0x600, 2, 0x100);
	assert_false(fake_irq_level[9]);
	out(0x60c, 2, 0x0001); /* disabled, an event only waits */
	vpm_raise_gpe(pm, VPM_GPE_GENERATION);
	assert_false(fake_irq_level[9]);
}

static void keyboard_controller_resets(void **state)
{
	assert_int_equal(fake_in(vm, 0x64), 0xff);
	assert_int_equal(fake_in(vm, 0x60), 0xff);
	fake_out(vm, 0x64, 0xd1);
	assert_int_equal(fake_resets, 0);
	fake_out(vm, 0x64, 0xfe);
	assert_int_equal(fake_resets, 1);
}

static void moves(void **state)
{
	struct vm *vm2;
	struct vpm *pm2;

	out(0x602, 2, 0x101);
	fake_run(200 * NS_PER_S);
	vpm_press_button(pm);
	pm->vdev.ops->quiesce(&pm->vdev);
	struct vpm_state s = pm->s;

	assert_int_equal(state_table_gap(pm->vdev.ops->table), 0);
	vm2 = vm;
	vm = fake_vm_create(2 * MiB, 1);
	assert_int_equal(vpm_create(vm, &pm2), 0);
	pm2->s = s;
	fake_time_ns = 5;
	fake_guest_base = 5 - 200 * NS_PER_S; /* guest time goes on here */
	assert_int_equal(pm2->vdev.ops->check(&pm2->vdev, &s), 0);
	pm2->vdev.ops->resume(&pm2->vdev);
	assert_int_equal(in(0x600, 4), 0x01010100);
	assert_int_equal(in(0x608, 4), 200 * 3579545);
	assert_int_equal(fake_timers_armed(), 1);
	fake_run(400 * NS_PER_S);
	assert_int_equal(in(0x600, 2), 0x101);

	s.pm1_sts = 2;
	assert_int_equal(pm2->vdev.ops->check(&pm2->vdev, &s), -E_INVAL);
	s.pm1_sts = 0;
	s.gpe_en = 2;
	assert_int_equal(pm2->vdev.ops->check(&pm2->vdev, &s), -E_INVAL);
	s.gpe_en = 1;
	assert_int_equal(pm2->vdev.ops->check(&pm2->vdev, &s), 0);
	s.pm1_cnt = 0x2000;
	assert_int_equal(pm2->vdev.ops->check(&pm2->vdev, &s), -E_INVAL);
	fake_vm_destroy(vm);
	vm = vm2;
	fake_alloc_live = 1; /* fake_vm_create forgot the first one */
}

static void creation_undoes(void **state)
{
	struct vpm *second;

	assert_int_equal(vpm_create(vm, &second), -E_EXIST);
	fake_alloc_countdown = 0;
	assert_int_equal(vpm_create(vm, &second), -E_NOMEM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(soft_off, setup, teardown),
	    cmocka_unit_test_setup_teardown(power_button, setup, teardown),
	    cmocka_unit_test_setup_teardown(timer_counts, setup, teardown),
	    cmocka_unit_test_setup_teardown(timer_interrupt, setup, teardown),
	    cmocka_unit_test_setup_teardown(general_purpose_event, setup, teardown),
	    cmocka_unit_test_setup_teardown(keyboard_controller_resets, setup, teardown),
	    cmocka_unit_test_setup_teardown(moves, setup, teardown),
	    cmocka_unit_test_setup_teardown(creation_undoes, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
