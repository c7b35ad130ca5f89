/* SPDX-License-Identifier: BSD-2-Clause */
/* Wall-clock time of the host: its CMOS clock, read once, carried on by the TSC. */
#ifndef KERNEL_RTC_H
#define KERNEL_RTC_H

#include "kernel/lib/base.h"

/* Read the CMOS clock (taken as UTC). Once, at boot. */
void rtc_init(void);
/* Seconds since 1970-01-01 00:00 UTC. */
uint64_t rtc_now(void);

#endif
