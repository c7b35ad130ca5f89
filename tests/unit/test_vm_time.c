/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Guest time: it stands while the guest does, goes on without a jump, keeps its rate
 * on a host with another clock, and timers follow it.
 */
#include <string.h>

#include "tests/unit/fake_kernel.h"

#include "arch/x86/virt.h"
#include "vmm/vm.h"

/* What the policy's other half asks for; time does not. */
const struct virt_caps *virt_detect(void)
{
	static const struct virt_caps none;

	return &none;
}

static struct vm vm;
static unsigned fired;

static void begin(uint64_t guest_khz, uint64_t host_khz)
{
	fake_kernel_reset();
	fake_tsc_khz = host_khz;
	fake_time_ns = 77 * NS_PER_S;
	memset(&vm, 0, sizeof(vm));
	vm.cpuid.tsc_khz = guest_khz;
	vm_clock_init(&vm);
	fired = 0;
}

static void pass(uint64_t ns)
{
	fake_timers_run_until(fake_time_ns + ns);
}

static void assert_near(uint64_t value, uint64_t expected, uint64_t apart)
{
	if (value + apart < expected || value > expected + apart)
		fail_msg("%llu, expected %llu", (unsigned long long)value,
			 (unsigned long long)expected);
}

static void test_starts_at_zero_and_runs(void **state)
{
	begin(1000000, 1000000);
	assert_int_equal(vm_guest_tsc(&vm), 0);
	pass(NS_PER_S);
	assert_int_equal(vm_guest_tsc(&vm), 0);
	vm_clock_run(&vm);
	assert_int_equal(vm_guest_tsc(&vm), 0);
	pass(NS_PER_S);
	assert_int_equal(vm_guest_tsc(&vm), 1000000000);
	assert_int_equal(vm_now_ns(&vm), NS_PER_S);
}

/* A blackout: afterwards the guest's clock is where it would be without. */
static void test_catches_up(void **state)
{
	begin(3000000, 2000000);
	vm_clock_run(&vm);
	pass(NS_PER_S);
	vm_clock_freeze(&vm);
	assert_int_equal(vm.clock.frozen_ns, fake_time_ns);
	pass(300 * NS_PER_MS);
	vm_clock_skip(&vm, fake_time_ns - vm.clock.frozen_ns);
	vm_clock_run(&vm);
	assert_near(vm_now_ns(&vm), NS_PER_S + 300 * NS_PER_MS, 10);
	pass(NS_PER_S);
	assert_near(vm_now_ns(&vm), 2 * NS_PER_S + 300 * NS_PER_MS, 20);
}

static void test_stands_still_and_goes_on(void **state)
{
	begin(1000000, 1000000);
	vm_clock_run(&vm);
	for (uint64_t round = 1; round < 20; round++) {
		pass(NS_PER_S);
		vm_clock_freeze(&vm);
		assert_int_equal(vm_guest_tsc(&vm), round * 1000000000);
		pass(round * NS_PER_S);
		assert_int_equal(vm_guest_tsc(&vm), round * 1000000000);
		vm_clock_run(&vm);
		assert_int_equal(vm_guest_tsc(&vm), round * 1000000000);
	}
}

/* The other host's clock reads something else entirely: less, more, or faster. */
static void test_goes_on_at_another_host(void **state)
{
	static const struct {
		uint64_t host_khz, host_ns;
	} hosts[] = {{1000000, 0}, {1000000, 1ull << 60}, {2500000, 5}, {50000, 9 * NS_PER_S}};

	for (unsigned i = 0; i < ARRAY_SIZE(hosts); i++) {
		uint64_t tsc;

		begin(1000000, 1000000);
		vm_clock_run(&vm);
		pass(3 * NS_PER_S);
		vm_clock_freeze(&vm);
		tsc = vm_guest_tsc(&vm);

		begin(1000000, hosts[i].host_khz);
		fake_time_ns = hosts[i].host_ns;
		vm_clock_set(&vm, tsc);
		vm_clock_run(&vm);
		assert_int_equal(vm_guest_tsc(&vm), tsc);
		pass(NS_PER_S);
		assert_near(vm_guest_tsc(&vm), tsc + 1000000000, 50);
		assert_near(vm_now_ns(&vm), 4 * NS_PER_S, 50);
	}
}

static void test_noise_needs_no_multiplier(void **state)
{
	begin(1000000, 1000010);
	assert_int_equal(vm.clock.tsc_ratio, 0);
	begin(1000000, 2000000);
	assert_int_equal(vm.clock.tsc_ratio, 1ull << 47);
}

static void fire(struct vtimer *t)
{
	fired++;
}

static void test_timers_follow_guest_time(void **state)
{
	struct vtimer t;

	begin(1000000, 1000000);
	vtimer_init(&t, &vm, fire);
	vtimer_arm(&t, NS_PER_MS);
	assert_int_equal(fake_timers_armed(), 0); /* time stands: it could not come */
	vm_clock_run(&vm);
	vtimer_arm(&t, 10 * NS_PER_MS);
	pass(10 * NS_PER_MS - 1);
	assert_int_equal(fired, 0);
	pass(1);
	assert_int_equal(fired, 1);
	vtimer_arm(&t, NS_PER_MS); /* past: at once */
	pass(0);
	assert_int_equal(fired, 2);
	vtimer_arm(&t, 20 * NS_PER_MS);
	vtimer_cancel(&t);
	pass(NS_PER_S);
	assert_int_equal(fired, 2);
}

/* Interrupts that a guest cannot have taken yet are no reason to disturb the others again. */
static void test_timers_of_one_that_waits_are_slow(void **state)
{
	struct vtimer t = {.vm = &vm};

	begin(1000000, 1000000);
	vm.stats.run_ticks = 5;
	assert_int_equal(vtimer_pace_ns(&t), 50 * NS_PER_US);
	assert_int_equal(vtimer_pace_ns(&t), NS_PER_MS);
	assert_int_equal(vtimer_pace_ns(&t), NS_PER_MS);
	vm.stats.run_ticks++;
	assert_int_equal(vtimer_pace_ns(&t), 50 * NS_PER_US);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_starts_at_zero_and_runs),
	    cmocka_unit_test(test_catches_up),
	    cmocka_unit_test(test_stands_still_and_goes_on),
	    cmocka_unit_test(test_goes_on_at_another_host),
	    cmocka_unit_test(test_noise_needs_no_multiplier),
	    cmocka_unit_test(test_timers_follow_guest_time),
	    cmocka_unit_test(test_timers_of_one_that_waits_are_slow),
	};

	return cmocka_run_group_tests_name("vm_time", tests, NULL, NULL);
}
