/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Calendar of the real-time clock: seconds since 1970 to and from its bytes (BCD
 * or binary, 12 or 24 hours), and when an alarm comes.
 */
#include "vmm/dev/vrtc.h"

#define DAY_S  86400u
#define HOUR_S 3600u
#define PM     0x80
#define ANY    (-1) /* alarm byte 11xxxxxx: any value matches */

static bool is_leap(unsigned year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static unsigned month_days(unsigned year, unsigned month)
{
	static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

	return days[month - 1] + (month == 2 && is_leap(year));
}

static uint8_t encode(const uint8_t *cmos, unsigned value)
{
	if (cmos[RTC_B] & RTC_B_BINARY)
		return (uint8_t)value;
	return (uint8_t)(value / 10 << 4 | value % 10);
}

static unsigned decode(const uint8_t *cmos, uint8_t byte)
{
	if (cmos[RTC_B] & RTC_B_BINARY)
		return byte;
	return (byte >> 4) * 10u + (byte & 15);
}

static uint8_t encode_hour(const uint8_t *cmos, unsigned hour)
{
	if (cmos[RTC_B] & RTC_B_24H)
		return encode(cmos, hour);
	return encode(cmos, hour % 12 ? hour % 12 : 12) | (hour >= 12 ? PM : 0);
}

static unsigned decode_hour(const uint8_t *cmos, uint8_t byte)
{
	if (cmos[RTC_B] & RTC_B_24H)
		return decode(cmos, byte);
	return decode(cmos, byte & ~PM) % 12 + (byte & PM ? 12 : 0);
}

void vrtc_encode_time(uint8_t cmos[128], uint64_t seconds)
{
	unsigned days = (unsigned)(seconds / DAY_S), in_day = (unsigned)(seconds % DAY_S);
	unsigned year = 1970, month = 1;

	cmos[RTC_WEEKDAY] = encode(cmos, (days + 4) % 7 + 1); /* 1970 began on a Thursday */
	for (; days >= 365u + is_leap(year); year++)
		days -= 365u + is_leap(year);
	for (; days >= month_days(year, month); month++)
		days -= month_days(year, month);
	cmos[RTC_SECONDS] = encode(cmos, in_day % 60);
	cmos[RTC_MINUTES] = encode(cmos, in_day / 60 % 60);
	cmos[RTC_HOURS] = encode_hour(cmos, in_day / HOUR_S);
	cmos[RTC_DAY] = encode(cmos, days + 1);
	cmos[RTC_MONTH] = encode(cmos, month);
	cmos[RTC_YEAR] = encode(cmos, year % 100);
	cmos[RTC_CENTURY] = encode(cmos, year / 100);
}

static unsigned clamp(unsigned value, unsigned low, unsigned high)
{
	return MIN(MAX(value, low), high);
}

uint64_t vrtc_decode_time(const uint8_t cmos[128])
{
	unsigned year = decode(cmos, cmos[RTC_CENTURY]) * 100 + decode(cmos, cmos[RTC_YEAR]) % 100;
	unsigned month = clamp(decode(cmos, cmos[RTC_MONTH]), 1, 12);
	uint64_t days = clamp(decode(cmos, cmos[RTC_DAY]), 1, 31) - 1;

	year = clamp(year, 1970, 2099);
	for (unsigned y = 1970; y < year; y++)
		days += 365u + is_leap(y);
	for (unsigned m = 1; m < month; m++)
		days += month_days(year, m);
	return days * DAY_S + clamp(decode_hour(cmos, cmos[RTC_HOURS]), 0, 23) * HOUR_S +
	       clamp(decode(cmos, cmos[RTC_MINUTES]), 0, 59) * 60 +
	       clamp(decode(cmos, cmos[RTC_SECONDS]), 0, 59);
}

static bool matches(int want, unsigned value)
{
	return want == ANY || (unsigned)want == value;
}

uint64_t vrtc_next_alarm(const uint8_t cmos[128], uint64_t after)
{
	uint8_t h = cmos[RTC_HOURS_ALARM], m = cmos[RTC_MINUTES_ALARM], s = cmos[RTC_SECONDS_ALARM];
	int hour = h >= 0xc0 ? ANY : (int)decode_hour(cmos, h);
	int minute = m >= 0xc0 ? ANY : (int)decode(cmos, m);
	int second = s >= 0xc0 ? ANY : (int)decode(cmos, s);
	uint64_t midnight = after - after % DAY_S;

	for (unsigned i = 0; i < 48 * 60; i++) {
		uint64_t start = midnight + i * 60;

		if (!matches(hour, i / 60 % 24)) {
			i += 59; /* on to the next hour */
			continue;
		}
		if (start + 59 <= after || !matches(minute, i % 60))
			continue;
		for (unsigned t = 0; t < 60; t++) {
			if (start + t > after && matches(second, t))
				return start + t;
		}
	}
	return 0;
}
