/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fake of kernel/task.h with real switching: each task is a fiber with a stack, in
 * one thread. When all wait, the fake clock moves to the earliest deadline. Each
 * fiber belongs to a host, so that a test can play two machines.
 */
#ifndef TESTS_UNIT_FAKE_FIBER_H
#define TESTS_UNIT_FAKE_FIBER_H

#include "kernel/task.h"
#include "tests/unit/fake_kernel.h"

/* The host on whose behalf code runs now: inherited by tasks that it creates. */
extern int fake_host;

/* Bit per host whose fibers do not run: its power is off. */
extern unsigned fake_hosts_down;

void fake_fibers_reset(void);
/* Run until no fiber can run any more, or the clock passes until_ns. */
void fake_fibers_run(uint64_t until_ns);
/* Fibers that have not ended. */
unsigned fake_fibers_alive(void);
/* All fibers of a host vanish where they stand (a crash); their memory leaks on purpose. */
void fake_fibers_kill(int host);

#endif
