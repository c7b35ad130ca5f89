/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fake of kernel/task.h for host-compiled tests, in one thread. Blocking in the
 * test's own flow runs timers (and a hook, for real sockets) until woken or the
 * deadline. A created task runs only in fake_tasks_run, from its beginning each
 * time, until it blocks with nothing to do.
 */
#ifndef TESTS_UNIT_FAKE_TASK_H
#define TESTS_UNIT_FAKE_TASK_H

#include "kernel/task.h"
#include "tests/unit/fake_kernel.h"

/*
 * Called while something blocks, with the time until which it may sleep. True:
 * it did something (and may have moved fake_time_ns), false: let timers run.
 */
extern bool (*fake_wait_hook)(uint64_t until_ns);

void fake_tasks_reset(void);
unsigned fake_tasks_created(void);
void fake_tasks_run(void);

#endif
