/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The local APIC with a processor that carries it out: what is given and taken back,
 * requests and INITs that come in between, modes, and moves from and to software.
 */
#include <string.h>

#include "tests/unit/fake_vm.h"
#include "vmm/dev/vioapic.h"
#include "vmm/dev/vlapic.h"

static struct vm *vm;
static struct vlapic *v;
static unsigned eois;

/* ---- the processor ---- */

static uint32_t held_irr[8], held_isr[8], held_tmr[8];
static struct hw_apic held = {.irr = held_irr, .isr = held_isr};
static enum hw_apic_mode mode;
static uint32_t page[256];
static unsigned gives, told;

void hw_vcpu_apic_mode(struct hw_vcpu *h, enum hw_apic_mode m)
{
	mode = m;
}

void hw_vcpu_apic_give(struct hw_vcpu *h, const struct hw_apic *a)
{
	held.icr = a->icr;
	held.tpr = a->tpr;
	memcpy(held_isr, a->isr, sizeof(held_isr));
	memcpy(held_irr, a->irr, sizeof(held_irr));
	memset(a->irr, 0, sizeof(held_irr));
	gives++;
}

void hw_vcpu_apic_take(struct hw_vcpu *h, struct hw_apic *a)
{
	a->icr = held.icr;
	a->tpr = held.tpr;
	memcpy(a->isr, held_isr, sizeof(held_isr));
	for (unsigned i = 0; i < 8; i++)
		a->irr[i] |= held_irr[i];
}

void hw_vcpu_apic_tmr(struct hw_vcpu *h, const uint32_t tmr[8])
{
	memcpy(held_tmr, tmr, sizeof(held_tmr));
}

void hw_vcpu_apic_register(struct hw_vcpu *h, unsigned reg, uint32_t value)
{
	page[reg / 4] = value;
	told++;
}

void vioapic_eoi(struct vioapic *io, uint8_t vector)
{
	eois = eois << 8 | vector;
}

static void deliver(unsigned vector)
{
	assert_true(held.irr[vector / 32] & 1u << vector % 32);
	held.irr[vector / 32] &= ~(1u << vector % 32);
	held.isr[vector / 32] |= 1u << vector % 32;
}

/* ---- */

static void wr(struct vlapic *a, unsigned reg, uint32_t value)
{
	vlapic_mmio_write(a, reg, 4, value);
}

static int set_up(void **ctx)
{
	vm = fake_vm_create(64 * MiB, 2);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(vlapic_create(vm, vm->vcpus[i], i, &vm->vlapics[i]), 0);
		wr(vm->vlapics[i], 0xf0, 0x1ff);
		vm->vlapics[i]->in_hardware = true;
	}
	v = vm->vlapics[1];
	vm->vioapic = (struct vioapic *)vm; /* only passed on to the fake above */
	eois = gives = told = 0;
	mode = HW_APIC_OFF;
	memset(page, 0, sizeof(page));
	return 0;
}

static int tear_down(void **ctx)
{
	fake_vm_destroy(vm);
	return 0;
}

static void test_delivery(void **ctx)
{
	vlapic_set_irq(v, 0x51, false);
	vlapic_set_irq(v, 0x62, true);
	assert_int_equal(vlapic_pending(v), 0x62); /* what wakes it from HLT */
	vlapic_give(v);
	assert_int_equal(mode, HW_APIC_XAPIC);
	assert_int_equal(held.irr[2], 1u << 0x11);
	assert_int_equal(held.irr[3], 1u << 2);
	assert_int_equal(held_tmr[3], 1u << 2);
	deliver(0x62);
	held.tpr = 0x20;
	vlapic_take(v);
	assert_int_equal(v->s.isr[3], 1u << 2);
	assert_int_equal(v->s.irr[2], 1u << 0x11);
	assert_int_equal(vlapic_get_cr8(v), 2);
	assert_int_equal(vlapic_pending(v), -1); /* 62h is in service */
	vlapic_hw_eoi(v, 0x62);
	assert_int_equal(eois, 0x62);
	vlapic_set_irq(v, 0x62, false); /* the same vector, as an edge now */
	vlapic_give(v);
	assert_int_equal(held_tmr[3], 0);
	vlapic_take(v);
}

/* A request while the guest runs is neither lost nor hidden by one that was delivered. */
static void test_request_meanwhile(void **ctx)
{
	unsigned kicks;

	vlapic_set_irq(v, 0x51, false);
	vlapic_give(v);
	deliver(0x51);
	kicks = fake_kicks;
	vlapic_set_irq(v, 0x51, false);
	vlapic_set_irq(v, 0x41, false);
	assert_int_equal(fake_kicks, kicks + 2);
	vlapic_take(v);
	assert_int_equal(v->s.isr[2], 1u << 0x11);
	assert_int_equal(v->s.irr[2], 1u << 0x11 | 1u << 1);
	vlapic_give(v);
	assert_int_equal(held.irr[2], 1u << 0x11 | 1u << 1);
	vlapic_take(v);
}

static void test_init_meanwhile(void **ctx)
{
	vlapic_set_irq(v, 0x51, false);
	vlapic_give(v);
	deliver(0x51);
	vlapic_init_reset(v);
	vlapic_take(v);
	assert_int_equal(v->s.isr[2] | v->s.irr[2], 0);
	assert_int_equal(v->s.svr, 0xff);
	vlapic_give(v); /* disabled: what is pending is held back by software */
	assert_int_equal(mode, HW_APIC_OFF);
	assert_false(v->given);
}

static void test_modes(void **ctx)
{
	uint64_t base = 0;

	vlapic_give(v);
	vlapic_take(v);
	assert_int_equal(mode, HW_APIC_XAPIC);
	assert_int_equal(page[0x20 / 4], 1u << 24);
	assert_int_equal(page[0xf0 / 4], 0x1ff);
	assert_int_equal(page[0xe0 / 4], 0xffffffff);
	assert_int_equal(page[0x350 / 4], 0x10000);
	assert_int_equal(vlapic_msr_read(v, 0x1b, &base), 0);
	assert_int_equal(vlapic_msr_write(v, 0x1b, base + 0x1000), 0);
	vlapic_give(v);
	assert_int_equal(mode, HW_APIC_OFF); /* at another address: in software */
	assert_int_equal(vlapic_msr_write(v, 0x1b, base | 0x400), 0);
	vlapic_give(v);
	vlapic_take(v);
	assert_int_equal(mode, HW_APIC_X2APIC);
	assert_int_equal(page[0x20 / 4], 1);
	assert_int_equal(page[0xd0 / 4], 2);
}

/* Only news are told: the page is not filled anew at each entry. */
static void test_registers_told_once(void **ctx)
{
	unsigned before;

	vlapic_give(v);
	vlapic_take(v);
	before = told;
	vlapic_give(v);
	vlapic_take(v);
	assert_int_equal(told, before);
	vlapic_hw_write(v, 0x350, 0xffffffff); /* LINT0; software is enabled */
	vlapic_give(v);
	vlapic_take(v);
	assert_true(told > before);
	assert_int_equal(page[0x350 / 4], 0x1a7ff);
	assert_int_equal(gives, 3);
}

static void test_writes(void **ctx)
{
	vlapic_give(v);
	held.icr = 0x0000000000040051ull | 0xffull << 56; /* self IPI: done by the processor */
	vlapic_take(v);
	assert_true(v->s.icr == (0xff00000000040051ull));
	vlapic_hw_write(v, 0x310, 0);
	vlapic_hw_write(v, 0x300, 0x4061);
	assert_int_equal(vm->vlapics[0]->s.irr[3], 1u << 1);
	assert_int_equal(vlapic_msr_write(v, 0x1b, v->s.apic_base | 0x400), 0);
	vlapic_hw_write(v, 0x3f0, 5); /* an illegal vector */
	assert_int_equal(v->s.esr_pending, 0x20);
}

/* The state between two runs is that of the software: to a host without, and back. */
static void test_move(void **ctx)
{
	struct vm *other = fake_vm_create(64 * MiB, 1);
	struct vlapic *soft;

	vm->vlapics[0]->in_hardware = true;
	assert_int_equal(vlapic_create(other, other->vcpus[0], 0, &soft), 0);
	v = vm->vlapics[0];
	vlapic_set_irq(v, 0x51, false);
	vlapic_set_irq(v, 0x72, false);
	vlapic_give(v);
	deliver(0x72);
	vlapic_take(v);
	fake_move(&v->vdev, &soft->vdev);
	vlapic_give(soft);
	assert_false(soft->given);
	assert_int_equal(vlapic_pending(soft), -1);
	wr(soft, 0xb0, 0);
	assert_int_equal(vlapic_pending(soft), 0x51);
	vlapic_accept(soft, 0x51);
	fake_move(&soft->vdev, &v->vdev);
	vlapic_give(v);
	assert_int_equal(held.isr[2], 1u << 0x11);
	assert_int_equal(held.irr[2] | held.irr[3] | held.isr[3], 0);
	vlapic_take(v);
	fake_vm_destroy(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_delivery, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_request_meanwhile, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_init_meanwhile, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_modes, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_registers_told_once, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_writes, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_move, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
