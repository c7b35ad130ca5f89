/* SPDX-License-Identifier: BSD-2-Clause */
/* Host time from the TSC. The 128-bit product keeps every bit for centuries. */
#include "kernel/time.h"
#include "arch/x86/io.h"
#include "arch/x86/tsc.h"

uint64_t time_ticks(void)
{
	return rdtsc();
}

uint64_t time_tsc_khz(void)
{
	return tsc_khz();
}

/* 64x64 -> 128 multiply, then divide: no library call. Quotient must fit 64 bits. */
static uint64_t mul_div(uint64_t a, uint64_t b, uint64_t c)
{
	uint64_t lo, hi, quotient;

	asm("mulq %3" : "=a"(lo), "=d"(hi) : "a"(a), "r"(b) : "cc");
	if (hi >= c)
		return UINT64_MAX;
	asm("divq %3" : "=a"(quotient), "+d"(hi) : "a"(lo), "r"(c) : "cc");
	return quotient;
}

uint64_t time_ticks_to_ns(uint64_t ticks)
{
	return mul_div(ticks, 1000000, tsc_khz());
}

uint64_t time_ns_to_ticks(uint64_t ns)
{
	return mul_div(ns, tsc_khz(), 1000000);
}

uint64_t time_ns(void)
{
	return time_ticks_to_ns(rdtsc());
}
