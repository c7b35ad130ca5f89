/* SPDX-License-Identifier: BSD-2-Clause */
/* Host time: nanoseconds since boot, from the TSC, never stepping back. */
#ifndef KERNEL_TIME_H
#define KERNEL_TIME_H

#include "kernel/lib/base.h"

#define TIME_NEVER UINT64_MAX

uint64_t time_ns(void);
/* Raw TSC ticks and their frequency, measured against the PIT at boot. */
uint64_t time_ticks(void);
uint64_t time_tsc_khz(void);
uint64_t time_ns_to_ticks(uint64_t ns);
uint64_t time_ticks_to_ns(uint64_t ticks);

#endif
