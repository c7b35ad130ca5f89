/* SPDX-License-Identifier: BSD-2-Clause */
/* TSC calibration by PIT channel 2 (Intel 8254 data sheet, mode 0), and delays. */
#include "arch/x86/tsc.h"
#include "arch/x86/cpu.h"
#include "arch/x86/io.h"

#define PIT_HZ	   1193182ull
#define PIT_CH2	   0x42
#define PIT_MODE   0x43
#define PORT_B	   0x61
#define PORT_B_OUT 0x20	    /* output of channel 2 */
#define PATIENCE   10000000 /* port reads, about a microsecond each */

static uint64_t khz;

/* TSC ticks while channel 2 counts down `count`. 0 when the PIT does not move. */
static uint64_t measure(uint16_t count)
{
	uint64_t start, patience = 0;

	outb(PORT_B, (inb(PORT_B) & ~2u) | 1); /* gate on, speaker off */
	outb(PIT_MODE, 0xb0);		       /* channel 2, low then high byte, mode 0 */
	outb(PIT_CH2, count & 0xff);
	outb(PIT_CH2, count >> 8);
	start = rdtsc();
	while (!(inb(PORT_B) & PORT_B_OUT))
		if (++patience > PATIENCE)
			return 0;
	return rdtsc() - start;
}

void tsc_calibrate(void)
{
	uint16_t count = PIT_HZ / 20; /* 50 ms */
	uint64_t best = UINT64_MAX;

	/* The shortest of three: an SMI or a stall of the emulator only lengthens. */
	for (int i = 0; i < 3; i++) {
		uint64_t ticks = measure(count);

		if (!ticks)
			break;
		best = MIN(best, ticks);
	}
	if (best == UINT64_MAX) {
		arch.log("tsc: the PIT does not count; assuming 1 GHz");
		khz = 1000000;
		return;
	}
	khz = best * PIT_HZ / count / 1000;
	/* Round to 4 digits: boots of one machine should agree, and guests see this number. */
	uint64_t unit = 1;
	while (khz / unit >= 100000)
		unit *= 10;
	khz = (khz + unit / 2) / unit * unit;
}

uint64_t tsc_khz(void)
{
	return khz;
}

void delay_us(unsigned us)
{
	uint64_t end = rdtsc() + us * khz / 1000;

	while (rdtsc() < end)
		cpu_pause();
}
