/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An hour of every clock that a guest can look at, with three moves in it: TSC, PIT,
 * local APIC timer, ACPI timer and real-time clock agree with each other and with wall
 * time to within one of their own ticks, and none owes or doubles an interrupt.
 */
#include <string.h>

#include "tests/unit/fake_vm.h"
#include "vmm/dev/vioapic.h"
#include "vmm/dev/vlapic.h"
#include "vmm/dev/vpit.h"
#include "vmm/dev/vpm.h"
#include "vmm/dev/vrtc.h"
#include "vmm/guest_map.h"

#define EPOCH	    1709164798ull /* 2024-02-28 23:59:58 UTC */
#define HOUR_NS	    (3600 * NS_PER_S)
#define STEP_NS	    (3 * NS_PER_MS)
#define PIT_COUNT   11932  /* some 100 Hz */
#define APIC_COUNT  250000 /* bus ticks: 10 ms */
#define APIC_VECTOR 0x40

struct machine {
	struct vm *vm;
	struct vpit *pit;
	struct vrtc *rtc;
	struct vpm *pm;
};

static struct machine here, there;

/* What the guest has seen so far. */
static uint64_t apic_ticks, pm_ticks;
static uint32_t pm_last;

void vioapic_eoi(struct vioapic *io, uint8_t vector)
{
}

static void machine_create(struct machine *m)
{
	m->vm = fake_vm_create(64 * MiB, 1);
	assert_int_equal(vlapic_create(m->vm, m->vm->vcpus[0], 0, &m->vm->vlapics[0]), 0);
	assert_int_equal(vpit_create(m->vm, &m->pit), 0);
	assert_int_equal(vrtc_create(m->vm, EPOCH, &m->rtc), 0);
	assert_int_equal(vpm_create(m->vm, &m->pm), 0);
}

static void guest_starts_timers(struct machine *m)
{
	struct vlapic *a = m->vm->vlapics[0];

	vlapic_mmio_write(a, 0xf0, 4, 0x1ff);
	vlapic_mmio_write(a, 0x3e0, 4, 0xb);		       /* divide by 1 */
	vlapic_mmio_write(a, 0x320, 4, BIT(17) | APIC_VECTOR); /* periodic */
	vlapic_mmio_write(a, 0x380, 4, APIC_COUNT);
	fake_out(m->vm, 0x43, 0x34);
	fake_out(m->vm, 0x40, (uint8_t)PIT_COUNT);
	fake_out(m->vm, 0x40, PIT_COUNT >> 8);
	pm_last = (uint32_t)iobus_read(&m->vm->ports, GUEST_PM_TMR, 4);
}

/* A guest that serves its interrupts, and adds up what the ACPI timer's 32 bits show. */
static void guest_step(struct machine *m)
{
	struct vlapic *a = m->vm->vlapics[0];
	uint32_t pm;

	fake_run(STEP_NS);
	while (vlapic_pending(a) >= 0) {
		assert_int_equal(vlapic_pending(a), APIC_VECTOR);
		vlapic_accept(a, APIC_VECTOR);
		vlapic_mmio_write(a, 0xb0, 4, 0);
		apic_ticks++;
	}
	pm = (uint32_t)iobus_read(&m->vm->ports, GUEST_PM_TMR, 4);
	pm_ticks += pm - pm_last;
	pm_last = pm;
}

/* To a host that has been up for another time; the guest's clock goes on through blackout_ns. */
static void move(struct machine *from, struct machine *to, uint64_t blackout_ns)
{
	uint64_t away = 7777 * NS_PER_S + 123456789;
	struct list *a = from->vm->devices.next, *b = to->vm->devices.next;

	for (; a != &from->vm->devices; a = a->next, b = b->next) {
		struct vdev *src = list_entry(a, struct vdev, node);

		src->ops->quiesce(src);
	}
	fake_time_ns += blackout_ns + away;
	fake_guest_base += away;
	for (a = from->vm->devices.next; a != &from->vm->devices; a = a->next, b = b->next) {
		if (b == &to->vm->devices)
			b = b->next;
		fake_move(list_entry(a, struct vdev, node), list_entry(b, struct vdev, node));
	}
}

static uint64_t rtc_seconds(struct machine *m)
{
	uint8_t cmos[128] = {0};

	for (unsigned reg = 0; reg < sizeof(cmos); reg++) {
		fake_out(m->vm, 0x70, (uint8_t)reg);
		cmos[reg] = fake_in(m->vm, 0x71);
	}
	return vrtc_decode_time(cmos);
}

static void assert_within(const char *what, uint64_t value, uint64_t expected, uint64_t apart)
{
	if (value + apart < expected || value > expected + apart)
		fail_msg("%s: %llu, expected %llu", what, (unsigned long long)value,
			 (unsigned long long)expected);
}

static void test_an_hour_with_moves(void **state)
{
	struct machine *m = &here, *other = &there, *swap;
	uint64_t begun, ns, blackouts = 0;
	unsigned moved = 0;

	machine_create(&here);
	machine_create(&there);
	fake_run(41 * NS_PER_MS);
	guest_starts_timers(m);
	begun = vm_now_ns(m->vm);
	while (vm_now_ns(m->vm) - begun < HOUR_NS) {
		guest_step(m);
		if (moved == 3 || vm_now_ns(m->vm) - begun < (moved + 1) * HOUR_NS / 4)
			continue;
		moved++;
		move(m, other, moved * 700 * NS_PER_MS);
		blackouts += moved * 700 * NS_PER_MS;
		swap = m;
		m = other;
		other = swap;
	}
	ns = vm_now_ns(m->vm) - begun;
	assert_int_equal(moved, 3);
	assert_within("TSC", vm_guest_tsc(m->vm), (begun + ns) * fake_guest_tsc_per_ns, 0);
	assert_within("ACPI timer", pm_ticks, ns / 1000 * VPM_TMR_HZ / 1000000, 4);
	assert_within("real-time clock", rtc_seconds(m), EPOCH + (begun + ns) / NS_PER_S, 1);
	/* periodic interrupts: one for each period that the guest ran, at most one for a blackout
	 */
	assert_within("PIT", fake_irq_edges[0],
		      (ns - blackouts) / 1000 * VPIT_HZ / 1000000 / PIT_COUNT, 4);
	assert_within("local APIC", apic_ticks,
		      (ns - blackouts) / (APIC_COUNT * (NS_PER_S / VLAPIC_BUS_HZ)), 4);
	fake_vm_destroy(there.vm);
	fake_vm_destroy(here.vm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_an_hour_with_moves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
