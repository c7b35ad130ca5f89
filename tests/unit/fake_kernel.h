/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fakes of the kernel services for host-compiled unit tests: memory from the
 * C library (so ASan watches it), a clock that stands where the test puts it,
 * timers that run when told, a log that tests can read.
 */
#ifndef TESTS_UNIT_FAKE_KERNEL_H
#define TESTS_UNIT_FAKE_KERNEL_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "kernel/log.h"
#include "kernel/mem.h"
#include "kernel/time.h"
#include "kernel/timer.h"

/* What time_ns() returns. */
extern uint64_t fake_time_ns;
/* Host TSC frequency that the tick conversions use; 1 GHz unless set. */
extern uint64_t fake_tsc_khz;
/* Allocations until one fails: 0 fails the next one, negative never fails. */
extern int fake_alloc_countdown;
/* kzalloc + pages_alloc blocks that were not freed: for leak tests. */
extern int fake_alloc_live;
/* The last log line, and how many were written. */
extern char fake_log_last[512];
extern unsigned fake_log_count;
/* Called with each line, if set, in the task that wrote it. */
extern void (*fake_log_hook)(const char *line);

/* Start of a test: clock 0, no timers, no failing allocations, empty log. */
void fake_kernel_reset(void);
/* Fire every timer due up to ns, earliest first, moving the clock along; ends at ns. */
void fake_timers_run_until(uint64_t ns);
/* Timers armed now, and the earliest deadline (TIME_NEVER for none). */
unsigned fake_timers_armed(void);
uint64_t fake_timers_next(void);

#endif
