/* SPDX-License-Identifier: BSD-2-Clause */
/* The local APIC: priorities, modes, timer, IPIs, errors, moves. */
#include <string.h>

#include "tests/unit/fake_vm.h"
#include "vmm/dev/vioapic.h"
#include "vmm/dev/vlapic.h"

#define CPUS 4

static struct vm *vm;
static struct vlapic *v; /* CPU 0 */
static unsigned eois;
static uint8_t eoi_vector;

void vioapic_eoi(struct vioapic *io, uint8_t vector)
{
	eois++;
	eoi_vector = vector;
}

static uint32_t rd(struct vlapic *a, unsigned reg)
{
	return (uint32_t)vlapic_mmio_read(a, reg, 4);
}

static void wr(struct vlapic *a, unsigned reg, uint32_t value)
{
	vlapic_mmio_write(a, reg, 4, value);
}

static int setup(void **ctx)
{
	vm = fake_vm_create(64 * MiB, CPUS);
	for (unsigned i = 0; i < CPUS; i++) {
		assert_int_equal(vlapic_create(vm, vm->vcpus[i], i, &vm->vlapics[i]), 0);
		wr(vm->vlapics[i], 0xf0, 0x1ff);
	}
	v = vm->vlapics[0];
	vm->vioapic = (struct vioapic *)vm; /* only passed on to the fake above */
	eois = 0;
	return 0;
}

static int teardown(void **ctx)
{
	fake_vm_destroy(vm);
	return 0;
}

/* Take what is pending, as the vCPU loop does. */
static int take(struct vlapic *a)
{
	int vector = vlapic_pending(a);

	if (vector >= 0)
		vlapic_accept(a, (uint8_t)vector);
	return vector;
}

static uint64_t msr(struct vlapic *a, uint32_t index)
{
	uint64_t value = 0;

	assert_int_equal(vlapic_msr_read(a, index, &value), 0);
	return value;
}

static void set_msr(struct vlapic *a, uint32_t index, uint64_t value)
{
	assert_int_equal(vlapic_msr_write(a, index, value), 0);
}

static void go_x2apic(struct vlapic *a)
{
	set_msr(a, 0x1b, msr(a, 0x1b) | 0xc00);
}

static void test_power_on(void **ctx)
{
	v->vdev.ops->reset(&v->vdev);
	assert_int_equal(msr(v, 0x1b), 0xfee00900);
	assert_int_equal(msr(vm->vlapics[1], 0x1b), 0xfee00800);
	assert_int_equal(vlapic_mmio_gpa(v), 0xfee00000);
	assert_int_equal(rd(vm->vlapics[3], 0x20), 3u << 24);
	assert_int_equal(rd(v, 0x30), 0x50014);
	assert_int_equal(rd(v, 0xf0), 0xff);
	assert_int_equal(rd(v, 0xe0), 0xffffffff);
	for (unsigned reg = 0x320; reg <= 0x370; reg += 0x10)
		assert_int_equal(rd(v, reg), 0x10000);
	assert_false(vlapic_lint0_extint(v));
	vlapic_set_virtual_wire(v);
	assert_true(vlapic_lint0_extint(v));
	assert_int_equal(rd(v, 0x360), 0x400);
}

static void test_priorities(void **ctx)
{
	assert_int_equal(vlapic_pending(v), -1);
	vlapic_set_irq(v, 0x31, false);
	vlapic_set_irq(v, 0x52, false);
	assert_int_equal(fake_kicks, 2);
	vlapic_set_irq(v, 0x52, false);
	assert_int_equal(fake_kicks, 2);
	assert_int_equal(rd(v, 0x220), 1u << 18);
	assert_int_equal(take(v), 0x52);
	assert_int_equal(rd(v, 0xa0), 0x50);
	assert_int_equal(vlapic_pending(v), -1); /* 0x31 waits behind 0x52 */
	vlapic_set_irq(v, 0x5f, false);
	assert_int_equal(vlapic_pending(v), -1); /* same class */
	vlapic_set_irq(v, 0x61, false);
	assert_int_equal(take(v), 0x61);
	wr(v, 0xb0, 0);
	wr(v, 0xb0, 0);
	assert_int_equal(take(v), 0x5f);
	wr(v, 0xb0, 0);
	assert_int_equal(take(v), 0x31);
	wr(v, 0xb0, 0);
	assert_int_equal(vlapic_pending(v), -1);
	assert_int_equal(eois, 0);
	wr(v, 0xb0, 0); /* an EOI too many is harmless */
}

static void test_tpr(void **ctx)
{
	vlapic_set_cr8(v, 5);
	assert_int_equal(rd(v, 0x80), 0x50);
	assert_int_equal(rd(v, 0xa0), 0x50);
	vlapic_set_irq(v, 0x58, false);
	assert_int_equal(vlapic_pending(v), -1);
	wr(v, 0x80, 0x4f);
	assert_int_equal(vlapic_get_cr8(v), 4);
	assert_int_equal(vlapic_pending(v), 0x58);
	assert_int_equal(rd(v, 0xa0), 0x4f);
}

static void test_level_eoi_broadcast(void **ctx)
{
	vlapic_set_irq(v, 0x41, true);
	assert_int_equal(rd(v, 0x1a0), 2);
	assert_int_equal(take(v), 0x41);
	wr(v, 0xb0, 0);
	assert_int_equal(eois, 1);
	assert_int_equal(eoi_vector, 0x41);
	vlapic_set_irq(v, 0x41, false);
	assert_int_equal(rd(v, 0x1a0), 0);
	take(v);
	wr(v, 0xb0, 0);
	assert_int_equal(eois, 1);
}

static void test_software_disable(void **ctx)
{
	wr(v, 0x350, 0x700);
	wr(v, 0x320, 0x40);
	vlapic_set_irq(v, 0x30, false);
	wr(v, 0xf0, 0xff);
	assert_int_equal(rd(v, 0x350), 0x10700);
	assert_int_equal(vlapic_pending(v), -1);
	vlapic_set_irq(v, 0x44, false);
	wr(v, 0x320, 0x40);
	assert_int_equal(rd(v, 0x320), 0x10040);
	wr(v, 0xf0, 0x1ff);
	assert_int_equal(take(v), 0x30); /* held, not lost */
	assert_int_equal(vlapic_pending(v), -1);
}

static void test_error_register(void **ctx)
{
	wr(v, 0x370, 0xe1);
	wr(v, 0x300, 0x0000f); /* fixed IPI with vector 15 */
	assert_int_equal(rd(v, 0x280), 0);
	wr(v, 0x280, 0);
	assert_int_equal(rd(v, 0x280), 0x20);
	assert_int_equal(take(v), 0xe1);
	vlapic_set_irq(v, 5, false);
	rd(v, 0x3f0);
	wr(v, 0x400, 1);
	wr(v, 0x280, 0);
	assert_int_equal(rd(v, 0x280), 0xc0);
	wr(v, 0x280, 0);
	assert_int_equal(rd(v, 0x280), 0);
	/* read-only registers are not illegal addresses; an illegal error vector does not loop */
	wr(v, 0x370, 3);
	wr(v, 0x30, 1);
	wr(v, 0x100, 1);
	vlapic_set_irq(v, 5, false);
	wr(v, 0x280, 0);
	assert_int_equal(rd(v, 0x280), 0x40);
}

static void test_mmio_manners(void **ctx)
{
	assert_int_equal(vlapic_mmio_read(v, 0x31, 1) & 0xff, 0);
	assert_int_equal(vlapic_mmio_read(v, 0x32, 2) & 0xffff, 5);
	assert_int_equal(vlapic_mmio_read(v, 0x34, 4), 0);
	vlapic_mmio_write(v, 0x80, 1, 0x20);
	vlapic_mmio_write(v, 0x84, 4, 0x20);
	assert_int_equal(rd(v, 0x80), 0);
	/* every register survives any write, here and in x2APIC mode */
	for (unsigned reg = 0; reg < 0x1000; reg += 4) {
		vlapic_mmio_write(v, reg, 4, 0xffffffff);
		vlapic_mmio_read(v, reg, 4);
	}
	go_x2apic(v);
	for (uint32_t index = 0x800; index < 0x900; index++) {
		uint64_t value;

		(void)!vlapic_msr_write(v, index, UINT64_MAX);
		(void)!vlapic_msr_read(v, index, &value);
	}
}

static void test_base_transitions(void **ctx)
{
	uint64_t bsp = 0xfee00100;
	struct vlapic *a = vm->vlapics[2];

	assert_int_equal(vlapic_msr_write(v, 0x1b, bsp | 0x400), -E_INVAL); /* EXTD without EN */
	assert_int_equal(vlapic_msr_write(v, 0x1b, bsp | 0x801), -E_INVAL);
	assert_int_equal(vlapic_msr_write(v, 0x1b, bsp | 0x800 | BIT(40)), -E_INVAL);
	set_msr(v, 0x1b, 0xfed00000 | BIT(39) | 0x900);
	assert_int_equal(vlapic_mmio_gpa(v), 0xfed00000 | BIT(39));
	go_x2apic(v);
	assert_int_equal(vlapic_mmio_gpa(v), UINT64_MAX);
	assert_int_equal(vlapic_mmio_read(v, 0x30, 4), UINT64_MAX);
	assert_int_equal(vlapic_msr_write(v, 0x1b, bsp | 0x800), -E_INVAL); /* back to xAPIC */
	set_msr(v, 0x1b, bsp);						    /* off */
	assert_true(vlapic_lint0_extint(v));
	assert_int_equal(vlapic_mmio_read(v, 0x30, 4), UINT64_MAX);
	assert_int_equal(vlapic_msr_write(v, 0x1b, bsp | 0xc00), -E_INVAL); /* off to x2APIC */
	set_msr(v, 0x1b, bsp | 0x800);
	assert_int_equal(rd(v, 0xf0), 0xff); /* fresh again */
	/* the BSP flag is not the guest's to change */
	set_msr(a, 0x1b, 0xfee00900);
	assert_int_equal(msr(a, 0x1b), 0xfee00800);
	a->x2apic = false;
	assert_int_equal(vlapic_msr_write(a, 0x1b, 0xfee00c00), -E_INVAL);
}

static void test_x2apic_registers(void **ctx)
{
	struct vlapic *a = vm->vlapics[3];
	uint64_t value;

	assert_int_equal(vlapic_msr_read(a, 0x802, &value), -E_INVAL);
	wr(a, 0x80, 0x30);
	go_x2apic(a);
	assert_int_equal(msr(a, 0x802), 3);
	assert_int_equal(msr(a, 0x80d), 8);
	assert_int_equal(msr(a, 0x808), 0x30); /* kept across the switch */
	assert_int_equal(vlapic_msr_read(a, 0x80e, &value), -E_INVAL);
	assert_int_equal(vlapic_msr_read(a, 0x80b, &value), -E_INVAL);
	assert_int_equal(vlapic_msr_read(a, 0x831, &value), -E_INVAL);
	assert_int_equal(vlapic_msr_read(a, 0x83f, &value), -E_INVAL);
	assert_int_equal(vlapic_msr_write(a, 0x802, 0), -E_INVAL);
	assert_int_equal(vlapic_msr_write(a, 0x80d, 0), -E_INVAL);
	assert_int_equal(vlapic_msr_write(a, 0x808, 0x100), -E_INVAL);
	assert_int_equal(vlapic_msr_write(a, 0x80b, 1), -E_INVAL);
	assert_int_equal(vlapic_msr_write(a, 0x828, 1), -E_INVAL);
	assert_int_equal(vlapic_msr_write(a, 0x830, 0x1000), -E_INVAL);
	assert_int_equal(vlapic_msr_write(a, 0x832, BIT(20)), -E_INVAL);
	assert_int_equal(vlapic_msr_write(a, 0x840, 0), -E_INVAL);
	set_msr(a, 0x808, 0);
	set_msr(a, 0x83f, 0x77);
	assert_int_equal(take(a), 0x77);
	set_msr(a, 0x80b, 0);
	assert_int_equal(vlapic_pending(a), -1);
}

static void test_one_shot(void **ctx)
{
	wr(v, 0x3e0, 0xb); /* divide by 1: 40 ns */
	wr(v, 0x320, 0x40);
	wr(v, 0x380, 1000);
	assert_int_equal(rd(v, 0x390), 1000);
	fake_run(20000);
	assert_int_equal(rd(v, 0x390), 500);
	fake_run(19999);
	assert_int_equal(rd(v, 0x390), 1);
	assert_int_equal(vlapic_pending(v), -1);
	fake_run(1);
	assert_int_equal(take(v), 0x40);
	assert_int_equal(rd(v, 0x390), 0);
	fake_run(NS_PER_S);
	assert_int_equal(fake_timers_armed(), 0);
	wr(v, 0xb0, 0);
	assert_int_equal(vlapic_pending(v), -1);
	wr(v, 0x380, 1000);
	wr(v, 0x380, 0);
	fake_run(NS_PER_S);
	assert_int_equal(vlapic_pending(v), -1);
}

static void test_divider(void **ctx)
{
	static const struct {
		uint32_t tdcr, divide;
	} rates[] = {{0, 2}, {1, 4}, {2, 8}, {3, 16}, {8, 32}, {9, 64}, {10, 128}, {11, 1}};

	wr(v, 0x320, 0x10040);
	for (unsigned i = 0; i < ARRAY_SIZE(rates); i++) {
		wr(v, 0x3e0, rates[i].tdcr);
		wr(v, 0x380, 100000);
		fake_run(40ull * 1000 * rates[i].divide);
		assert_int_equal(rd(v, 0x390), 99000);
	}
	wr(v, 0x3e0, 0); /* what is left goes on slower */
	fake_run(80ull * 1000);
	assert_int_equal(rd(v, 0x390), 98000);
}

static void test_periodic_without_burst(void **ctx)
{
	unsigned ticks = 0;

	wr(v, 0x3e0, 0xb);
	wr(v, 0x320, 0x20040);
	wr(v, 0x380, 25000); /* 1 ms */
	for (unsigned i = 0; i < 10; i++) {
		fake_run(NS_PER_MS);
		ticks += take(v) == 0x40;
		wr(v, 0xb0, 0);
	}
	assert_int_equal(ticks, 10);
	/* the host was late by 3.5 periods: one tick, and the phase stays */
	fake_time_ns += 3500 * NS_PER_US;
	fake_run(0);
	assert_int_equal(take(v), 0x40);
	wr(v, 0xb0, 0);
	assert_int_equal(rd(v, 0x390), 12500);
	fake_run(499 * NS_PER_US);
	assert_int_equal(vlapic_pending(v), -1);
	fake_run(NS_PER_US);
	assert_int_equal(take(v), 0x40);
	/* masked: no host timer, but the count goes on and unmasking joins in */
	wr(v, 0xb0, 0);
	wr(v, 0x320, 0x30040);
	assert_int_equal(fake_timers_armed(), 0);
	assert_int_equal(vlapic_timer_due(v), 0);
	fake_run(2750 * NS_PER_US);
	assert_int_equal(rd(v, 0x390), 6250);
	wr(v, 0x320, 0x20040);
	assert_int_equal(vlapic_pending(v), -1);
	assert_int_equal(vlapic_timer_due(v), vm_now_ns(v->vdev.vm) + 250 * NS_PER_US);
	fake_run(250 * NS_PER_US);
	assert_int_equal(take(v), 0x40);
	/* what was due while it was masked was no interrupt */
	assert_int_equal(v->vdev.vm->stats.timer_irqs, 13);
}

static void test_short_period_is_bounded(void **ctx)
{
	wr(v, 0x3e0, 0xb);
	wr(v, 0x320, 0x20040);
	wr(v, 0x380, 1);
	/* the fake dies of 10 million callbacks: 1 s of 40 ns ticks would be 25 million */
	fake_run(NS_PER_S);
	assert_int_equal(take(v), 0x40);
}

static void test_tsc_deadline(void **ctx)
{
	wr(v, 0x320, 0x40);
	set_msr(v, 0x6e0, 1000); /* not in that mode: ignored */
	assert_int_equal(msr(v, 0x6e0), 0);
	wr(v, 0x320, 0x40040);
	set_msr(v, 0x6e0, 20001); /* 2 ticks a ns */
	assert_int_equal(msr(v, 0x6e0), 20001);
	assert_int_equal(rd(v, 0x390), 0);
	fake_run(10000);
	assert_int_equal(vlapic_pending(v), -1);
	fake_run(1);
	assert_int_equal(take(v), 0x40);
	wr(v, 0xb0, 0);
	assert_int_equal(msr(v, 0x6e0), 0);
	set_msr(v, 0x6e0, 5); /* in the past: at once */
	assert_int_equal(take(v), 0x40);
	wr(v, 0xb0, 0);
	set_msr(v, 0x6e0, vm_guest_tsc(vm) + 1000);
	set_msr(v, 0x6e0, 0); /* disarm */
	fake_run(NS_PER_S);
	assert_int_equal(vlapic_pending(v), -1);
	set_msr(v, 0x6e0, UINT64_MAX); /* never, without overflow */
	assert_int_equal(fake_timers_armed(), 0);
	wr(v, 0x320, 0x40); /* leaving the mode disarms */
	wr(v, 0x320, 0x40040);
	assert_int_equal(msr(v, 0x6e0), 0);
}

static void test_tsc_write_moves_deadline(void **ctx)
{
	wr(v, 0x320, 0x40040);
	set_msr(v, 0x6e0, 2000);
	fake_guest_tsc_per_ns = 4; /* as if the guest had set its TSC ahead */
	vlapic_tsc_changed(v);
	fake_run(501);
	assert_int_equal(take(v), 0x40);
}

/* The deadline is compared with this CPU's TSC, not with the VM's clock. */
static void test_tsc_adjust(void **ctx)
{
	uint64_t *adjust = &vm->vcpus[0]->state->msrs[CPU_MSR_TSC_ADJUST];

	wr(v, 0x320, 0x40040);
	*adjust = 1000000;
	vlapic_tsc_changed(v);
	set_msr(v, 0x6e0, 1000000 + 2000); /* 2 ticks a ns: due at 1000 ns */
	fake_run(1000);
	assert_int_equal(vlapic_pending(v), -1);
	fake_run(1);
	assert_int_equal(take(v), 0x40);
	wr(v, 0xb0, 0);
	/* the TSC goes back: it takes longer */
	*adjust = -(uint64_t)2000;
	set_msr(v, 0x6e0, 2002);
	fake_run(1000);
	assert_int_equal(vlapic_pending(v), -1);
	/* and ahead: it is past */
	*adjust = 1ull << 40;
	vlapic_tsc_changed(v);
	assert_int_equal(take(v), 0x40);
}

static void icr(struct vlapic *from, uint32_t dest, uint32_t low)
{
	wr(from, 0x310, dest << 24);
	wr(from, 0x300, low);
}

/* Which CPUs have vector pending, as a bit mask; takes and ends it. */
static unsigned who(int vector)
{
	unsigned mask = 0;

	for (unsigned i = 0; i < CPUS; i++) {
		if (take(vm->vlapics[i]) != vector)
			continue;
		mask |= 1u << i;
		if (vlapic_mmio_gpa(vm->vlapics[i]) != UINT64_MAX)
			wr(vm->vlapics[i], 0xb0, 0);
		else
			set_msr(vm->vlapics[i], 0x80b, 0);
	}
	return mask;
}

static void test_ipi_destinations(void **ctx)
{
	icr(v, 2, 0x4031);
	assert_int_equal(who(0x31), 4);
	assert_int_equal(rd(v, 0x310), 2u << 24);
	assert_int_equal(rd(v, 0x300), 0x4031);
	icr(v, 0xff, 0x4032);
	assert_int_equal(who(0x32), 0xf);
	icr(v, 9, 0x4033);
	assert_int_equal(who(0x33), 0);
	wr(v, 0x300, 0x44034);
	assert_int_equal(who(0x34), 1);
	wr(v, 0x300, 0x84035);
	assert_int_equal(who(0x35), 0xf);
	wr(v, 0x300, 0xc4036);
	assert_int_equal(who(0x36), 0xe);
	/* flat logical */
	for (unsigned i = 0; i < CPUS; i++)
		wr(vm->vlapics[i], 0xd0, 1u << (24 + i));
	icr(v, 0xa, 0x4837);
	assert_int_equal(who(0x37), 0xa);
	/* cluster: CPUs 0, 1 in cluster 0, CPUs 2, 3 in cluster 1 */
	for (unsigned i = 0; i < CPUS; i++) {
		wr(vm->vlapics[i], 0xe0, 0x0fffffff);
		wr(vm->vlapics[i], 0xd0, (i / 2 << 28) | 1u << (24 + i % 2));
	}
	icr(v, 0x12, 0x4838);
	assert_int_equal(who(0x38), 8);
	icr(v, 0xf1, 0x4839);
	assert_int_equal(who(0x39), 5);
}

static void test_x2apic_destinations(void **ctx)
{
	for (unsigned i = 0; i < CPUS; i++)
		go_x2apic(vm->vlapics[i]);
	set_msr(v, 0x830, 3ull << 32 | 0x4041);
	assert_int_equal(who(0x41), 8);
	set_msr(v, 0x830, 0xffffffffull << 32 | 0x4042);
	assert_int_equal(who(0x42), 0xf);
	set_msr(v, 0x830, 0xffull << 32 | 0x4043); /* id 255, not everybody */
	assert_int_equal(who(0x43), 0);
	set_msr(v, 0x830, 6ull << 32 | 0x4844);
	assert_int_equal(who(0x44), 6);
	set_msr(v, 0x830, 0x10001ull << 32 | 0x4845); /* another cluster */
	assert_int_equal(who(0x45), 0);
	/* an I/O APIC's 8 bits: 0xff is everybody even here */
	assert_int_equal(vlapic_deliver(vm, 0xff, false, APIC_FIXED, 0x46, false), 4);
	assert_int_equal(who(0x46), 0xf);
}

static void test_lowest_priority(void **ctx)
{
	for (unsigned i = 0; i < CPUS; i++)
		wr(vm->vlapics[i], 0x80, i == 2 ? 0x10 : 0x20);
	assert_int_equal(vlapic_deliver(vm, 0xff, false, APIC_LOWEST, 0x51, false), 1);
	assert_int_equal(who(0x51), 4);
	wr(vm->vlapics[2], 0xf0, 0xff);
	assert_int_equal(vlapic_deliver(vm, 0xff, false, APIC_LOWEST, 0x52, false), 1);
	assert_int_equal(who(0x52), 1);
}

static void test_special_ipis(void **ctx)
{
	icr(v, 1, 0x4400);
	assert_int_equal(fake_nmis[1], 1);
	wr(vm->vlapics[1], 0x80, 0x70);
	icr(v, 1, 0xc500); /* INIT assert, then de-assert as Linux does */
	assert_int_equal(fake_inits[1], 1);
	assert_int_equal(rd(vm->vlapics[1], 0x80), 0);
	assert_int_equal(rd(vm->vlapics[1], 0xf0), 0xff);
	icr(v, 1, 0x8500);
	assert_int_equal(fake_inits[1], 1);
	icr(v, 1, 0x4699);
	assert_int_equal(fake_sipis[1], 1);
	assert_int_equal(fake_sipi_vector, 0x99);
	wr(v, 0x300, 0xc4500); /* everybody else */
	assert_int_equal(fake_inits[0], 0);
	assert_int_equal(fake_inits[3], 1);
	icr(v, 1, 0x4200); /* SMI, reserved, ExtINT: nothing */
	icr(v, 1, 0x4300);
	icr(v, 1, 0x4700);
	assert_int_equal(fake_nmis[1], 1);
}

static void test_move_keeps_phase(void **ctx)
{
	struct vm *dst;
	struct vlapic *to;

	wr(v, 0x3e0, 0xb);
	wr(v, 0x320, 0x20040);
	wr(v, 0x380, 25000);
	fake_run(1300 * NS_PER_US);
	assert_int_equal(take(v), 0x40);
	vlapic_set_irq(v, 0x33, true);
	dst = fake_vm_create(64 * MiB, 1);
	assert_int_equal(vlapic_create(dst, dst->vcpus[0], 0, &to), 0);
	v->vdev.ops->quiesce(&v->vdev);
	assert_int_equal(fake_timers_armed(), 0);
	/* the other host's clock reads something else, the guest's goes on */
	fake_guest_base += 1234567;
	fake_time_ns += 1234567;
	fake_move(&v->vdev, &to->vdev);
	wr(to, 0xb0, 0);
	assert_int_equal(take(to), 0x33);
	wr(to, 0xb0, 0);
	assert_int_equal(rd(to, 0x390), 17500);
	fake_run(699 * NS_PER_US);
	assert_int_equal(vlapic_pending(to), -1);
	fake_run(NS_PER_US);
	assert_int_equal(take(to), 0x40);
	fake_vm_destroy(dst);
}

static void refused(struct vlapic_state *s, const char *word)
{
	assert_int_equal(v->vdev.ops->check(&v->vdev, s), -E_INVAL);
	assert_non_null(strstr(fake_log_last, word));
	*s = v->s;
}

static void test_check(void **ctx)
{
	struct vlapic_state s = v->s;

	assert_int_equal(v->vdev.ops->check(&v->vdev, &s), 0);
	s.apic_base |= 1;
	refused(&s, "apic_base");
	s.apic_base &= ~0x100ull;
	refused(&s, "apic_base");
	s.apic_base ^= 0xc00;
	refused(&s, "apic_base");
	s.apic_base |= 0x400;
	refused(&s, "ldr");
	s.irr[0] = 0x8000;
	refused(&s, "irr");
	s.tpr = 0x100;
	refused(&s, "tpr");
	s.dfr = 0;
	refused(&s, "dfr");
	s.tdcr = 4;
	refused(&s, "tdcr");
	s.lvt[2] = BIT(19);
	refused(&s, "lvt[2]");
	s.timer_deadline_ns = 5;
	refused(&s, "timer_deadline_ns");
	s.tmict = 1;
	s.timer_deadline_ns = VDEV_NS_MAX + 1;
	refused(&s, "timer_deadline_ns");
}

static void test_create_fails_cleanly(void **ctx)
{
	struct vlapic *other;

	assert_int_equal(vlapic_create(vm, vm->vcpus[0], VM_MAX_VCPUS, &other), -E_RANGE);
	fake_alloc_countdown = 0;
	assert_int_equal(vlapic_create(vm, vm->vcpus[0], 0, &other), -E_NOMEM);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_power_on),
	    T(test_priorities),
	    T(test_tpr),
	    T(test_level_eoi_broadcast),
	    T(test_software_disable),
	    T(test_error_register),
	    T(test_mmio_manners),
	    T(test_base_transitions),
	    T(test_x2apic_registers),
	    T(test_one_shot),
	    T(test_divider),
	    T(test_periodic_without_burst),
	    T(test_short_period_is_bounded),
	    T(test_tsc_deadline),
	    T(test_tsc_write_moves_deadline),
	    T(test_tsc_adjust),
	    T(test_ipi_destinations),
	    T(test_x2apic_destinations),
	    T(test_lowest_priority),
	    T(test_special_ipis),
	    T(test_move_keeps_phase),
	    T(test_check),
	    T(test_create_fails_cleanly),
	};

	return cmocka_run_group_tests_name("vlapic", tests, NULL, NULL);
}
