/* SPDX-License-Identifier: BSD-2-Clause */
/* The real-time clock: formats, calendar, update cycle, interrupts, moves. */
#include <string.h>

#include "tests/unit/fake_vm.h"
#include "vmm/dev/vrtc.h"

/* 2024-02-28 23:59:58 UTC, a Wednesday */
#define EPOCH 1709164798ull

static struct vm *vm;
static struct vrtc *r;

static int setup(void **ctx)
{
	vm = fake_vm_create(5 * GiB, 2);
	assert_int_equal(vrtc_create(vm, EPOCH, &r), 0);
	return 0;
}

static int teardown(void **ctx)
{
	fake_vm_destroy(vm);
	return 0;
}

static uint8_t rd(uint8_t reg)
{
	fake_out(vm, 0x70, reg | 0x80); /* the NMI mask bit is ignored */
	return fake_in(vm, 0x71);
}

static void wr(uint8_t reg, uint8_t value)
{
	fake_out(vm, 0x70, reg);
	fake_out(vm, 0x71, value);
}

static void assert_time(uint8_t year, uint8_t month, uint8_t day, uint8_t hour, uint8_t minute,
			uint8_t second)
{
	assert_int_equal(rd(9), year);
	assert_int_equal(rd(8), month);
	assert_int_equal(rd(7), day);
	assert_int_equal(rd(4), hour);
	assert_int_equal(rd(2), minute);
	assert_int_equal(rd(0), second);
}

static void test_time_runs(void **ctx)
{
	assert_time(0x24, 0x02, 0x28, 0x23, 0x59, 0x58);
	assert_int_equal(rd(0x32), 0x20);
	assert_int_equal(rd(6), 4);
	fake_run(2 * NS_PER_S);
	assert_time(0x24, 0x02, 0x29, 0, 0, 0);
	assert_int_equal(rd(6), 5);
	fake_run(86400 * NS_PER_S);
	assert_time(0x24, 0x03, 0x01, 0, 0, 0);
	fake_run((365 - 60) * 86400 * NS_PER_S);
	assert_time(0x24, 0x12, 0x31, 0, 0, 0);
	assert_int_equal(fake_timers_armed(), 0); /* an idle guest costs nothing */
	assert_int_equal(rd(0x0d), 0x80);
}

static void test_formats(void **ctx)
{
	wr(0x0b, 0x06); /* binary, 24 h */
	assert_time(24, 2, 28, 23, 59, 58);
	assert_int_equal(rd(0x32), 20);
	wr(0x0b, 0x04); /* binary, 12 h */
	assert_int_equal(rd(4), 0x80 | 11);
	wr(0x0b, 0x00); /* BCD, 12 h */
	assert_int_equal(rd(4), 0x91);
	fake_run(2 * NS_PER_S);
	assert_int_equal(rd(4), 0x12); /* midnight is 12 AM */
	fake_run(12 * 3600 * NS_PER_S);
	assert_int_equal(rd(4), 0x92);
	fake_run(3600 * NS_PER_S);
	assert_int_equal(rd(4), 0x81);
}

static void test_calendar_round_trip(void **ctx)
{
	uint8_t cmos[128] = {0};

	for (unsigned b = 0; b <= 6; b += 2) {
		cmos[0x0b] = (uint8_t)b;
		for (uint64_t t = 0; t < VRTC_MAX_SECONDS; t += 40001) {
			vrtc_encode_time(cmos, t);
			if (vrtc_decode_time(cmos) != t)
				fail_msg("second %llu, format %u", (unsigned long long)t, b);
		}
	}
	/* no bytes are out of the calendar's reach */
	for (unsigned v = 0; v < 256; v++) {
		memset(cmos, (int)v, sizeof(cmos));
		assert_true(vrtc_decode_time(cmos) <= VRTC_MAX_SECONDS);
		vrtc_next_alarm(cmos, 1);
	}
}

/* Linux' mc146818_set_time: SET, divider reset, bytes, SET off, divider on */
static void test_set_time(void **ctx)
{
	fake_run(300 * NS_PER_MS);
	wr(0x0b, 0x82);
	wr(0x0a, 0x76);
	assert_int_equal(rd(0x0a), 0x76);
	wr(9, 0x30);
	wr(8, 0x12);
	wr(7, 0x31);
	wr(4, 0x23);
	wr(2, 0x59);
	wr(0, 0x59);
	wr(0x32, 0x20);
	fake_run(3 * NS_PER_S);
	assert_time(0x30, 0x12, 0x31, 0x23, 0x59, 0x59);
	wr(0x0b, 0x02);
	fake_run(3 * NS_PER_S);
	assert_time(0x30, 0x12, 0x31, 0x23, 0x59, 0x59);
	wr(0x0a, 0x26);
	fake_run(499 * NS_PER_MS); /* half a second to the first update */
	assert_int_equal(rd(0), 0x59);
	fake_run(NS_PER_MS);
	assert_time(0x31, 0x01, 0x01, 0, 0, 0);
	wr(2, 0x30); /* without SET: the rest goes on */
	assert_time(0x31, 0x01, 0x01, 0, 0x30, 0);
	/* before 1970 and nonsense stay in range */
	wr(0x32, 0x19);
	wr(9, 0x10);
	assert_int_equal(rd(9), 0x70);
	wr(8, 0xff);
	assert_int_equal(rd(8), 0x12);
}

static void test_update_in_progress(void **ctx)
{
	assert_int_equal(rd(0x0a), 0x26);
	fake_run(NS_PER_S - 245 * NS_PER_US);
	assert_int_equal(rd(0x0a), 0x26);
	fake_run(NS_PER_US);
	assert_int_equal(rd(0x0a), 0xa6);
	wr(0x0b, 0x82);
	assert_int_equal(rd(0x0a), 0x26);
	wr(0x0b, 0x02);
	assert_int_equal(rd(0x0a), 0xa6);
	fake_run(244 * NS_PER_US);
	assert_int_equal(rd(0x0a), 0x26);
	wr(0x0a, 0xff);
	assert_int_equal(rd(0x0a), 0x7f); /* UIP is read-only */
}

static void test_update_interrupt(void **ctx)
{
	wr(5, 0x99); /* no alarm at midnight */
	rd(0x0c);
	wr(0x0b, 0x12);
	fake_run(NS_PER_S - 1);
	assert_false(fake_irq_level[8]);
	fake_run(1);
	assert_true(fake_irq_level[8]);
	assert_int_equal(fake_timers_armed(), 0); /* until register C is read */
	fake_run(5 * NS_PER_S);
	assert_int_equal(fake_irq_edges[8], 1);
	assert_int_equal(rd(0x0c), 0xd0); /* PF is set too: it just was not enabled */
	assert_false(fake_irq_level[8]);
	assert_int_equal(rd(0x0c), 0);
	fake_run(NS_PER_S);
	assert_int_equal(fake_irq_edges[8], 2);
	wr(0x0b, 0x92); /* SET clears UIE */
	assert_int_equal(rd(0x0b), 0x82);
	assert_false(fake_irq_level[8]);
}

static void test_flags_without_enable(void **ctx)
{
	fake_run(NS_PER_S);
	assert_int_equal(rd(0x0c), 0x50);
	fake_run(NS_PER_S);
	wr(0x0b, 0x12); /* the flag stands already: at once */
	assert_true(fake_irq_level[8]);
}

static void test_periodic(void **ctx)
{
	unsigned ticks = 0;

	wr(0x0a, 0x2f); /* 2 Hz */
	rd(0x0c);
	wr(0x0b, 0x42);
	fake_run(500 * NS_PER_MS - 1);
	assert_false(fake_irq_level[8]);
	fake_run(1);
	assert_int_equal(rd(0x0c), 0xc0);
	wr(0x0a, 0x26); /* 1024 Hz */
	for (unsigned i = 0; i < 1000; i++) {
		fake_run(NS_PER_MS);
		ticks += (rd(0x0c) & 0x40) != 0;
	}
	assert_in_range(ticks, 999, 1000);
	fake_run(NS_PER_S); /* nobody answers: one request, no burst */
	assert_int_equal(fake_irq_edges[8], ticks + 2);
	wr(0x0a, 0x20);
	rd(0x0c);
	fake_run(NS_PER_S);
	assert_int_equal(rd(0x0c) & 0x40, 0);
}

static void test_alarm(void **ctx)
{
	wr(5, 0x00);
	wr(3, 0x01);
	wr(1, 0x30);
	rd(0x0c);
	wr(0x0b, 0x22);
	fake_run(92 * NS_PER_S - 1);
	assert_false(fake_irq_level[8]);
	fake_run(1);
	assert_true(fake_irq_level[8]);
	assert_time(0x24, 0x02, 0x29, 0x00, 0x01, 0x30);
	assert_int_equal(rd(0x0c), 0xf0);
	fake_run(86399 * NS_PER_S);
	assert_false(fake_irq_level[8]);
	fake_run(NS_PER_S); /* daily */
	assert_true(fake_irq_level[8]);
	wr(5, 0xff); /* every hour, every minute at :30 */
	wr(3, 0xc0);
	rd(0x0c);
	fake_run(60 * NS_PER_S);
	assert_int_equal(rd(0x0c) & 0xa0, 0xa0);
	wr(1, 0x77); /* never */
	fake_run(3 * 86400 * NS_PER_S);
	assert_false(fake_irq_level[8]);
	assert_int_equal(rd(0x0c) & 0x20, 0);
}

static void test_alarm_12h(void **ctx)
{
	uint8_t cmos[128] = {[RTC_HOURS_ALARM] = 0x81, [RTC_MINUTES_ALARM] = 0xff};

	/* BCD, 1 PM, every minute at :00 */
	assert_int_equal(vrtc_next_alarm(cmos, 86400), 86400 + 13 * 3600);
	assert_int_equal(vrtc_next_alarm(cmos, 86400 + 13 * 3600), 86400 + 13 * 3600 + 60);
	assert_int_equal(vrtc_next_alarm(cmos, 86400 + 14 * 3600), 2 * 86400 + 13 * 3600);
}

static void test_memory_sizes(void **ctx)
{
	unsigned sum = 0;

	assert_int_equal(rd(0x15) | rd(0x16) << 8, 640);
	assert_int_equal(rd(0x17) | rd(0x18) << 8, 0xffff);
	assert_int_equal(rd(0x34) | rd(0x35) << 8, (3 * GiB - 16 * MiB) / 65536);
	assert_int_equal(rd(0x5b) | rd(0x5c) << 8 | rd(0x5d) << 16, 2 * GiB / 65536);
	assert_int_equal(rd(0x5f), 1);
	for (uint8_t i = 0x10; i < 0x2e; i++)
		sum += rd(i);
	assert_int_equal(rd(0x2e) << 8 | rd(0x2f), sum);
	wr(0x7f, 0x5a);
	assert_int_equal(rd(0x7f), 0x5a);
	assert_int_equal(fake_in(vm, 0x70), 0xff);
	/* index and data in one word write */
	iobus_write(&vm->ports, 0x70, 2, 0x667f);
	assert_int_equal(rd(0x7f), 0x66);
}

static void test_reset_keeps_time(void **ctx)
{
	wr(0x40, 0x77);
	wr(0x0b, 0x12);
	fake_run(3 * NS_PER_S);
	assert_true(fake_irq_level[8]);
	r->vdev.ops->reset(&r->vdev);
	assert_false(fake_irq_level[8]);
	assert_time(0x24, 0x02, 0x29, 0, 0, 1);
	assert_int_equal(rd(0x40), 0x77);
	assert_int_equal(rd(0x0b), 0x02);
	wr(0x0b, 0x82); /* stopped in the middle of a setting: it goes on from there */
	fake_run(NS_PER_S);
	r->vdev.ops->reset(&r->vdev);
	fake_run(NS_PER_S);
	assert_time(0x24, 0x02, 0x29, 0, 0, 2);
}

static void test_move(void **ctx)
{
	struct vm *src = vm, *dst = fake_vm_create(5 * GiB, 2);
	struct vrtc *to;

	assert_int_equal(vrtc_create(dst, 12345, &to), 0);
	wr(0x0b, 0x12);
	rd(0x0c);
	fake_run(700 * NS_PER_MS);
	r->vdev.ops->quiesce(&r->vdev);
	assert_int_equal(fake_timers_armed(), 0);
	fake_time_ns += 9 * NS_PER_S; /* the other host's clock differs, the guest's stood still */
	fake_guest_base += 9 * NS_PER_S;
	fake_move(&r->vdev, &to->vdev);
	vm = dst;
	fake_run(300 * NS_PER_MS - 1);
	assert_false(fake_irq_level[8]);
	fake_run(1);
	assert_true(fake_irq_level[8]);
	assert_time(0x24, 0x02, 0x28, 0x23, 0x59, 0x59);
	vm = src;
	fake_vm_destroy(dst);
}

static void refused(struct vrtc_state *s, const char *word)
{
	assert_int_equal(r->vdev.ops->check(&r->vdev, s), -E_INVAL);
	assert_non_null(strstr(fake_log_last, word));
	*s = r->s;
}

static void test_check(void **ctx)
{
	struct vrtc_state s = r->s;
	struct vrtc *other;

	assert_int_equal(r->vdev.ops->check(&r->vdev, &s), 0);
	s.index = 128;
	refused(&s, "index");
	s.halted = 1;
	refused(&s, "halted");
	s.wall_ns = UINT64_MAX;
	refused(&s, "wall_ns");
	s.guest_ns = 5;
	refused(&s, "last_ns");
	s.line = 1;
	refused(&s, "cmos[C]");
	s.cmos[0x0c] = 1;
	refused(&s, "cmos[C]");
	s.cmos[0x0d] = 0;
	refused(&s, "cmos[D]");
	s.cmos[0x0a] |= 0x80;
	refused(&s, "cmos[A]");
	assert_int_equal(vrtc_create(vm, EPOCH, &other), -E_EXIST);
	assert_int_equal(vrtc_create(vm, VRTC_MAX_SECONDS, &other), -E_RANGE);
	fake_alloc_countdown = 0;
	assert_int_equal(vrtc_create(vm, EPOCH, &other), -E_NOMEM);
}

static void test_any_bytes(void **ctx)
{
	uint32_t seed = 3;

	for (unsigned i = 0; i < 100000; i++) {
		uint8_t reg;

		seed = seed * 1664525 + 1013904223;
		reg = (seed >> 8) % 16 ? (seed >> 8) % 14 : 0x32;
		if (seed >> 31)
			wr(reg, (uint8_t)(seed >> 16));
		else
			rd(reg);
		fake_run((uint64_t)(seed % 1000) * NS_PER_MS);
		assert_int_equal(r->vdev.ops->check(&r->vdev, &r->s), 0);
	}
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_time_runs),
	    T(test_formats),
	    T(test_calendar_round_trip),
	    T(test_set_time),
	    T(test_update_in_progress),
	    T(test_update_interrupt),
	    T(test_flags_without_enable),
	    T(test_periodic),
	    T(test_alarm),
	    T(test_alarm_12h),
	    T(test_memory_sizes),
	    T(test_reset_keeps_time),
	    T(test_move),
	    T(test_check),
	    T(test_any_bytes),
	};

	return cmocka_run_group_tests_name("vrtc", tests, NULL, NULL);
}
