/* SPDX-License-Identifier: BSD-2-Clause */
/* What panic (kernel/log.h) needs from below: how to stop the other CPUs. */
#ifndef KERNEL_PANIC_H
#define KERNEL_PANIC_H

/* stop halts every other CPU, without taking the host lock; it may return. */
void panic_set_stop(void (*stop)(void));

#endif
