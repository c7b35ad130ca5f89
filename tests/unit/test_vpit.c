/* SPDX-License-Identifier: BSD-2-Clause */
/* The 8254: modes, latches, drift, channel 2 through port 61H, moves. */
#include <string.h>

#include "tests/unit/fake_vm.h"
#include "vmm/dev/vpit.h"

static struct vm *vm;
static struct vpit *p;

static int setup(void **ctx)
{
	vm = fake_vm_create(64 * MiB, 1);
	assert_int_equal(vpit_create(vm, &p), 0);
	return 0;
}

static int teardown(void **ctx)
{
	fake_vm_destroy(vm);
	return 0;
}

static void program(unsigned chan, uint8_t mode, uint16_t count)
{
	fake_out(vm, 0x43, (uint8_t)(chan << 6 | 0x30 | mode << 1));
	fake_out(vm, (uint16_t)(0x40 + chan), (uint8_t)count);
	fake_out(vm, (uint16_t)(0x40 + chan), (uint8_t)(count >> 8));
}

static unsigned latched(unsigned chan)
{
	unsigned low;

	fake_out(vm, 0x43, (uint8_t)(chan << 6));
	low = fake_in(vm, (uint16_t)(0x40 + chan));
	return low | fake_in(vm, (uint16_t)(0x40 + chan)) << 8;
}

/* The time at which tick n has happened, seen from 0. */
static uint64_t tick(uint64_t n)
{
	return (n * NS_PER_S + VPIT_HZ - 1) / VPIT_HZ;
}

static void run_to(uint64_t ns)
{
	fake_timers_run_until(ns + fake_guest_base);
}

static uint8_t status(unsigned chan)
{
	fake_out(vm, 0x43, (uint8_t)(0xe0 | 2 << chan));
	return fake_in(vm, (uint16_t)(0x40 + chan));
}

static void test_rate_generator_does_not_drift(void **ctx)
{
	uint64_t start;

	run_to(777);
	start = 777;
	program(0, 2, 1193); /* about 1 ms */
	run_to(start + tick(1193) - 1);
	assert_int_equal(fake_irq_edges[0], 0);
	run_to(start + tick(1193));
	assert_int_equal(fake_irq_edges[0], 1);
	for (unsigned n = 2; n <= 100000; n++) {
		run_to(start + tick(1193ull * n) - 1);
		assert_int_equal(fake_irq_edges[0], n - 1);
		run_to(start + tick(1193ull * n));
		assert_int_equal(fake_irq_edges[0], n);
	}
}

static void test_no_burst(void **ctx)
{
	program(0, 3, 11932);
	fake_time_ns += NS_PER_S; /* the host was away for 100 periods */
	fake_run(0);
	assert_int_equal(fake_irq_edges[0], 1);
	run_to(tick(11932ull * 101) - 1);
	assert_int_equal(fake_irq_edges[0], 1 + (tick(11932ull * 100) > NS_PER_S));
	/* the shortest period does not eat the host: the fake gives up at 10 million calls */
	program(0, 2, 1);
	fake_run(10 * NS_PER_S);
}

static void test_one_shot_modes(void **ctx)
{
	program(0, 0, 1000);
	assert_false(fake_irq_level[0]);
	run_to(tick(1000) - 1);
	assert_int_equal(status(0) & 0x80, 0);
	assert_int_equal(fake_irq_edges[0], 0);
	run_to(tick(1000));
	assert_int_equal(status(0) & 0x80, 0x80);
	assert_int_equal(fake_irq_edges[0], 1);
	assert_true(fake_irq_level[0]);
	fake_run(NS_PER_S);
	assert_int_equal(fake_irq_edges[0], 1);
	assert_int_equal(fake_timers_armed(), 0);
	program(0, 0, 1000);
	assert_false(fake_irq_level[0]);
	program(0, 4, 1000); /* Linux' one-shot: the strobe ends a tick later */
	run_to(fake_time_ns + tick(1001));
	assert_int_equal(fake_irq_edges[0], 2);
	program(0, 1, 1000); /* needs a gate edge that channel 0 never gets */
	program(0, 5, 1000);
	fake_run(NS_PER_S);
	assert_int_equal(fake_irq_edges[0], 2);
}

static void test_counting_and_latch(void **ctx)
{
	program(0, 2, 1000);
	assert_int_equal(latched(0), 1000);
	run_to(tick(1));
	assert_int_equal(latched(0), 999);
	run_to(tick(999));
	assert_int_equal(latched(0), 1);
	run_to(tick(1000));
	assert_int_equal(latched(0), 1000);
	/* a latched count stands still until it is read, whatever else is latched */
	fake_out(vm, 0x43, 0);
	run_to(tick(1500));
	fake_out(vm, 0x43, 0);
	assert_int_equal(fake_in(vm, 0x40), 1000 & 0xff);
	run_to(tick(1600));
	assert_int_equal(fake_in(vm, 0x40), 1000 >> 8);
	assert_int_equal(latched(0), 400);
	program(0, 0, 10); /* goes on below zero */
	fake_run(tick(15));
	assert_int_equal(latched(0), 0x10000 - 5);
}

static void test_square_wave(void **ctx)
{
	program(2, 3, 9);
	fake_out(vm, 0x61, 1); /* the gate starts it */
	for (unsigned t = 0; t < 27; t++) {
		unsigned in = t % 9;

		run_to(tick(t));
		assert_int_equal(!!(fake_in(vm, 0x61) & 0x20), in < 5);
		assert_int_equal(latched(2), in < 5 ? 8 - 2 * in : 8 - 2 * (in - 5));
	}
}

static void test_byte_modes(void **ctx)
{
	fake_out(vm, 0x43, 0x14); /* low byte only, mode 2 */
	fake_out(vm, 0x40, 100);
	assert_int_equal(p->s.chan[0].count, 100);
	assert_int_equal(fake_in(vm, 0x40), 100);
	assert_int_equal(fake_in(vm, 0x40), 100);
	fake_out(vm, 0x43, 0x24); /* high byte only */
	fake_out(vm, 0x40, 2);
	assert_int_equal(p->s.chan[0].count, 512);
	assert_int_equal(fake_in(vm, 0x40), 2);
	program(0, 2, 0);
	assert_int_equal(p->s.chan[0].count, 65536);
	assert_int_equal(latched(0), 0);
	run_to(fake_time_ns + tick(1));
	assert_int_equal(latched(0), 0xffff);
	assert_int_equal(fake_in(vm, 0x43), 0xff);
}

static void test_bcd(void **ctx)
{
	fake_out(vm, 0x43, 0x35);
	fake_out(vm, 0x40, 0x34);
	fake_out(vm, 0x40, 0x12);
	assert_int_equal(p->s.chan[0].count, 1234);
	assert_int_equal(latched(0), 0x1234);
	run_to(tick(35));
	assert_int_equal(latched(0), 0x1199);
	fake_out(vm, 0x40, 0xff); /* not digits */
	fake_out(vm, 0x40, 0xff);
	assert_in_range(p->s.chan[0].next_count, 1, 10000);
}

static void test_new_count_at_end_of_period(void **ctx)
{
	program(0, 2, 1000);
	run_to(tick(300));
	fake_out(vm, 0x40, 500 & 0xff);
	fake_out(vm, 0x40, 500 >> 8);
	assert_int_equal(status(0) & 0x40, 0x40); /* null count: not loaded yet */
	assert_int_equal(latched(0), 700);
	run_to(tick(1000));
	assert_int_equal(fake_irq_edges[0], 1);
	assert_int_equal(status(0) & 0x40, 0);
	assert_int_equal(latched(0), 500);
	run_to(tick(1500) + 1);
	assert_int_equal(fake_irq_edges[0], 2);
}

static void test_read_back(void **ctx)
{
	program(0, 2, 1000);
	program(1, 3, 18);
	run_to(tick(10));
	fake_out(vm, 0x43, 0xc2 | 0x04); /* count and status of 0 and 1 */
	run_to(tick(15));
	assert_int_equal(fake_in(vm, 0x40), 0xb4); /* out high, both bytes, mode 2 */
	assert_int_equal(fake_in(vm, 0x40), 990 & 0xff);
	assert_int_equal(fake_in(vm, 0x40), 990 >> 8);
	assert_int_equal(fake_in(vm, 0x41), 0x36); /* out low: second half */
	assert_int_equal(fake_in(vm, 0x41), 16);   /* 18 - 2 * (10 - 9) */
	assert_int_equal(fake_in(vm, 0x41), 0);
	fake_out(vm, 0x43, 0x36);
	assert_int_equal(status(0), 0xf6); /* null count: none written */
}

/* Linux' pit_calibrate_tsc: channel 2, mode 0, gate on, wait for the output */
static void test_channel2_calibration(void **ctx)
{
	uint64_t start;

	fake_out(vm, 0x61, (uint8_t)((fake_in(vm, 0x61) & ~2) | 1));
	program(2, 0, 59659);
	start = fake_time_ns;
	assert_int_equal(fake_in(vm, 0x61) & 0x20, 0);
	run_to(start + tick(59659) - 1);
	assert_int_equal(fake_in(vm, 0x61) & 0x21, 1);
	run_to(start + tick(59659));
	assert_int_equal(fake_in(vm, 0x61) & 0x21, 0x21);
	assert_int_equal(fake_irq_edges[0], 0);
	assert_int_equal(fake_timers_armed(), 0);
}

static void test_gate_pauses(void **ctx)
{
	fake_out(vm, 0x61, 1);
	program(2, 0, 1000);
	run_to(tick(400));
	fake_out(vm, 0x61, 0);
	fake_run(NS_PER_S);
	assert_int_equal(latched(2), 600);
	fake_out(vm, 0x61, 1);
	assert_int_equal(latched(2), 600);
	fake_run(tick(600) - 2);
	assert_int_equal(fake_in(vm, 0x61) & 0x20, 0);
	fake_run(2);
	assert_int_equal(fake_in(vm, 0x61) & 0x20, 0x20);
	/* mode 1: the rising gate triggers, again and again */
	fake_out(vm, 0x61, 0);
	program(2, 1, 100);
	assert_int_equal(fake_in(vm, 0x61) & 0x20, 0x20);
	fake_out(vm, 0x61, 1);
	assert_int_equal(fake_in(vm, 0x61) & 0x20, 0);
	fake_run(tick(60));
	fake_out(vm, 0x61, 0);
	fake_out(vm, 0x61, 1);
	fake_run(tick(60));
	assert_int_equal(fake_in(vm, 0x61) & 0x20, 0);
	fake_run(tick(40));
	assert_int_equal(fake_in(vm, 0x61) & 0x20, 0x20);
}

static void test_refresh_toggles(void **ctx)
{
	uint8_t first = fake_in(vm, 0x61) & 0x10;

	fake_run(15085);
	assert_int_not_equal(fake_in(vm, 0x61) & 0x10, first);
	fake_run(15085);
	assert_int_equal(fake_in(vm, 0x61) & 0x10, first);
	fake_out(vm, 0x61, 0xfc);
	assert_int_equal(fake_in(vm, 0x61) & 0xcf, 0x0c);
}

static void test_move(void **ctx)
{
	struct vm *src = vm, *dst = fake_vm_create(64 * MiB, 1);
	struct vpit *to;

	assert_int_equal(vpit_create(dst, &to), 0);
	program(0, 2, 11932);
	fake_out(vm, 0x61, 1);
	program(2, 0, 50000);
	run_to(tick(11932) + 100);
	assert_int_equal(fake_irq_edges[0], 1);
	fake_out(vm, 0x43, 0);
	p->vdev.ops->quiesce(&p->vdev);
	assert_int_equal(fake_timers_armed(), 0);
	fake_time_ns += 5 * NS_PER_S; /* the guest's clock stood still meanwhile */
	fake_guest_base += 5 * NS_PER_S;
	fake_move(&p->vdev, &to->vdev);
	run_to(tick(2 * 11932) - 1);
	assert_int_equal(fake_irq_edges[0], 1);
	run_to(tick(2 * 11932));
	assert_int_equal(fake_irq_edges[0], 2);
	vm = dst;
	assert_int_equal(fake_in(vm, 0x40), 11932 & 0xff);
	assert_int_equal(fake_in(vm, 0x40), 11932 >> 8);
	run_to(tick(50000));
	assert_int_equal(fake_in(vm, 0x61) & 0x20, 0x20);
	vm = src;
	fake_vm_destroy(dst);
}

static void refused(struct vpit_state *s, const char *word)
{
	assert_int_equal(p->vdev.ops->check(&p->vdev, s), -E_INVAL);
	assert_non_null(strstr(fake_log_last, word));
	*s = p->s;
}

static void test_check(void **ctx)
{
	struct vpit_state s = p->s;
	struct vpit *other;

	assert_int_equal(p->vdev.ops->check(&p->vdev, &s), 0);
	s.chan[1].mode = 6;
	refused(&s, "chan[1].mode");
	s.chan[0].running = 1; /* would divide by the count */
	refused(&s, "running");
	s.chan[2].count = 65537;
	refused(&s, "chan[2].count");
	s.chan[0].rw = 0;
	refused(&s, "rw");
	s.chan[0].gate = 0;
	refused(&s, "gate");
	s.chan[2].gate = 1;
	refused(&s, "gate");
	s.next_irq_ns = UINT64_MAX;
	refused(&s, "next_irq_ns");
	s.port61 = 0x10;
	refused(&s, "port61");
	assert_int_equal(vpit_create(vm, &other), -E_EXIST);
	fake_alloc_countdown = 0;
	assert_int_equal(vpit_create(vm, &other), -E_NOMEM);
}

static void test_any_bytes(void **ctx)
{
	static const uint16_t ports[] = {0x40, 0x41, 0x42, 0x43, 0x43, 0x61};
	uint32_t seed = 7;

	for (unsigned i = 0; i < 100000; i++) {
		uint16_t port;

		seed = seed * 1664525 + 1013904223;
		port = ports[(seed >> 8) % 6];
		if (seed >> 31)
			fake_out(vm, port, (uint8_t)(seed >> 16));
		else
			fake_in(vm, port);
		fake_run(seed % 60000);
		assert_int_equal(p->vdev.ops->check(&p->vdev, &p->s), 0);
	}
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_rate_generator_does_not_drift),
	    T(test_no_burst),
	    T(test_one_shot_modes),
	    T(test_counting_and_latch),
	    T(test_square_wave),
	    T(test_byte_modes),
	    T(test_bcd),
	    T(test_new_count_at_end_of_period),
	    T(test_read_back),
	    T(test_channel2_calibration),
	    T(test_gate_pauses),
	    T(test_refresh_toggles),
	    T(test_move),
	    T(test_check),
	    T(test_any_bytes),
	};

	return cmocka_run_group_tests_name("vpit", tests, NULL, NULL);
}
