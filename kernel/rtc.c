/* SPDX-License-Identifier: BSD-2-Clause */
/* The MC146818 clock of the host (Motorola data sheet; century in the usual CMOS byte). */
#include "kernel/rtc.h"
#include "arch/x86/io.h"
#include "kernel/time.h"

#define CMOS_INDEX    0x70
#define CMOS_DATA     0x71
#define REG_SECONDS   0
#define REG_MINUTES   2
#define REG_HOURS     4
#define REG_DAY	      7
#define REG_MONTH     8
#define REG_YEAR      9
#define REG_A	      10
#define REG_B	      11
#define A_UPDATING    0x80
#define B_BINARY      0x04
#define B_24_HOURS    0x02
#define HOURS_PM      0x80
#define SECONDS_A_DAY 86400

static uint64_t epoch_at_boot;

static uint8_t cmos(uint8_t reg)
{
	outb(CMOS_INDEX, reg);
	return inb(CMOS_DATA);
}

static unsigned number(uint8_t raw, bool binary)
{
	return binary ? raw : (raw >> 4) * 10u + (raw & 15u);
}

/* Days from 1970-01-01 to the first of March based years: the usual civil-date formula. */
static uint64_t days_from_civil(unsigned year, unsigned month, unsigned day)
{
	uint64_t y = month <= 2 ? year - 1 : year, m = month > 2 ? month - 3 : month + 9;
	uint64_t era = y / 400, yoe = y % 400;
	uint64_t doy = (153 * m + 2) / 5 + day - 1;

	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

void rtc_init(void)
{
	uint8_t regs[6], again[6];
	static const uint8_t which[6] = {REG_SECONDS, REG_MINUTES, REG_HOURS,
					 REG_DAY,     REG_MONTH,   REG_YEAR};
	bool binary, pm, same;
	unsigned hours;

	for (int attempt = 0; attempt < 1000; attempt++) {
		for (int i = 0; i < 100000 && (cmos(REG_A) & A_UPDATING); i++)
			;
		same = true;
		for (int i = 0; i < 6; i++)
			regs[i] = cmos(which[i]);
		for (int i = 0; i < 6; i++) {
			again[i] = cmos(which[i]);
			same &= again[i] == regs[i];
		}
		if (same)
			break;
	}
	binary = cmos(REG_B) & B_BINARY;
	pm = !(cmos(REG_B) & B_24_HOURS) && (regs[2] & HOURS_PM);
	hours = number(regs[2] & 0x7f, binary);
	if (!(cmos(REG_B) & B_24_HOURS))
		hours = hours % 12 + (pm ? 12 : 0);
	epoch_at_boot = days_from_civil(2000 + number(regs[5], binary), number(regs[4], binary),
					number(regs[3], binary)) *
			    SECONDS_A_DAY +
			hours * 3600ul + number(regs[1], binary) * 60ul + number(regs[0], binary) -
			time_ns() / NS_PER_S;
}

uint64_t rtc_now(void)
{
	return epoch_at_boot + time_ns() / NS_PER_S;
}
