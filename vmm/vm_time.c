/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Guest time. One clock a VM: a TSC that runs while the VM runs. Devices count in
 * nanoseconds derived from it, so everything stands still and goes on together.
 */
#include "kernel/lib/muldiv.h"
#include "kernel/time.h"
#include "vmm/vcpu.h"

#define RATIO_SHIFT 48
#define PACE_NS	    (50 * NS_PER_US)
#define PACE_OUT_NS NS_PER_MS /* while it waits for a CPU: these interrupts meet others' guests */

static uint64_t scaled_host_tsc(const struct vm *vm)
{
	uint64_t host = time_ticks();

	return vm->clock.tsc_ratio ? mul_shift(host, vm->clock.tsc_ratio, RATIO_SHIFT) : host;
}

uint64_t vm_guest_tsc(const struct vm *vm)
{
	if (!vm->clock.running)
		return vm->clock.frozen_tsc;
	return scaled_host_tsc(vm) + vm->clock.tsc_offset;
}

uint64_t vcpu_guest_tsc(const struct vcpu *v)
{
	return vm_guest_tsc(v->vm) + v->state->msrs[CPU_MSR_TSC_ADJUST];
}

uint64_t vm_tsc_to_ns(const struct vm *vm, uint64_t guest_tsc)
{
	return mul_div(guest_tsc, 1000000, vm->clock.tsc_khz);
}

uint64_t vm_now_ns(const struct vm *vm)
{
	return vm_tsc_to_ns(vm, vm_guest_tsc(vm));
}

void vm_clock_set(struct vm *vm, uint64_t guest_tsc)
{
	vm->clock.running = false;
	vm->clock.frozen_tsc = guest_tsc;
}

void vm_clock_init(struct vm *vm)
{
	uint64_t host_khz = time_tsc_khz();

	vm->clock.tsc_khz = vm->cpuid.tsc_khz;
	/* Differences that are only measuring noise are not worth a multiplier. */
	vm->clock.tsc_ratio = cpuid_policy_same_tsc(vm->clock.tsc_khz, host_khz)
				  ? 0
				  : mul_div(vm->clock.tsc_khz, BIT(RATIO_SHIFT), host_khz);
	vm_clock_set(vm, 0);
}

void vm_clock_freeze(struct vm *vm)
{
	vm_clock_set(vm, vm_guest_tsc(vm));
	vm->clock.frozen_ns = time_ns();
}

void vm_clock_skip(struct vm *vm, uint64_t ns)
{
	vm->clock.frozen_tsc += mul_div(ns, vm->clock.tsc_khz, 1000000);
}

void vm_clock_run(struct vm *vm)
{
	vm->clock.tsc_offset = vm->clock.frozen_tsc - scaled_host_tsc(vm);
	vm->clock.running = true;
}

/* ---- timers ------------------------------------------------------------------------- */

static void vtimer_fire(struct timer *timer)
{
	struct vtimer *t = container_of(timer, struct vtimer, timer);

	t->fn(t);
}

void vtimer_init(struct vtimer *t, struct vm *vm, void (*fn)(struct vtimer *t))
{
	timer_init(&t->timer, vtimer_fire);
	t->vm = vm;
	t->fn = fn;
}

void vtimer_arm(struct vtimer *t, uint64_t guest_ns)
{
	uint64_t now;

	if (!t->vm->clock.running) {
		/* Time stands still: the device arms it again in its resume. */
		timer_cancel(&t->timer);
		return;
	}
	now = vm_now_ns(t->vm);
	timer_arm(&t->timer, time_ns() + (guest_ns > now ? guest_ns - now : 0));
}

void vtimer_cancel(struct vtimer *t)
{
	timer_cancel(&t->timer);
}

uint64_t vtimer_pace_ns(struct vtimer *t)
{
	bool ran = t->vm->stats.run_ticks != t->ran;

	t->ran = t->vm->stats.run_ticks;
	return ran ? PACE_NS : PACE_OUT_NS;
}
