/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * MC146818 real-time clock with 128 bytes of CMOS memory at ports 70H and 71H,
 * gsi 8. The time of day follows guest time; a host timer runs only for
 * interrupts that the guest enabled. Bit 7 of port 70H (NMI mask) is ignored.
 */
#ifndef VMM_DEV_VRTC_H
#define VMM_DEV_VRTC_H

#include "vmm/vm.h"

#define VRTC_GSI 8

enum vrtc_reg {
	RTC_SECONDS = 0x00,
	RTC_SECONDS_ALARM = 0x01,
	RTC_MINUTES = 0x02,
	RTC_MINUTES_ALARM = 0x03,
	RTC_HOURS = 0x04,
	RTC_HOURS_ALARM = 0x05,
	RTC_WEEKDAY = 0x06, /* 1 is Sunday */
	RTC_DAY = 0x07,
	RTC_MONTH = 0x08,
	RTC_YEAR = 0x09,
	RTC_A = 0x0a,
	RTC_B = 0x0b,
	RTC_C = 0x0c,
	RTC_D = 0x0d,
	RTC_CENTURY = 0x32, /* as the FADT says */
};

#define RTC_B_SET    0x80
#define RTC_B_PIE    0x40
#define RTC_B_AIE    0x20
#define RTC_B_UIE    0x10
#define RTC_B_SQWE   0x08
#define RTC_B_BINARY 0x04
#define RTC_B_24H    0x02

struct vrtc_state {
	/* the time of day was wall_ns (since 1970, UTC) at the guest time guest_ns */
	uint64_t wall_ns, guest_ns;
	uint64_t last_ns; /* guest time up to which the flags in register C are true */
	uint8_t index;	  /* port 70H */
	uint8_t halted;	  /* SET or divider reset: the time bytes are what cmos holds */
	uint8_t line;	  /* our level on gsi 8 */
	uint8_t pad[5];	  /* zero */
	uint8_t cmos[128];
};

struct vrtc {
	struct vdev vdev;
	struct vrtc_state s;
	struct io_region region;
	struct vtimer timer;
};

/*
 * epoch_seconds: the wall time (UTC, since 1970) at guest time now. 0, -E_NOMEM,
 * -E_EXIST (ports taken), -E_RANGE (a time after the year 2100).
 */
int must_check vrtc_create(struct vm *vm, uint64_t epoch_seconds, struct vrtc **out);

/* ---- for vrtc.c: time in the clock's bytes, in the format that register B chose ---- */

#define VRTC_MAX_SECONDS 4102444800ull /* 2100-01-01 */

void vrtc_encode_time(uint8_t cmos[128], uint64_t seconds);
/* Seconds since 1970; bytes that are no time are brought into range. */
uint64_t vrtc_decode_time(const uint8_t cmos[128]);
/* The first second after `after` that the alarm bytes match; 0: they match none. */
uint64_t vrtc_next_alarm(const uint8_t cmos[128], uint64_t after);

#endif
