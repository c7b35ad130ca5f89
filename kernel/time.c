/* SPDX-License-Identifier: BSD-2-Clause */
/* Host time from the TSC. */
#include "kernel/time.h"
#include "arch/x86/io.h"
#include "arch/x86/tsc.h"
#include "kernel/lib/muldiv.h"

uint64_t time_ticks(void)
{
	return rdtsc();
}

uint64_t time_tsc_khz(void)
{
	return tsc_khz();
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
