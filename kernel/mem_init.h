/* SPDX-License-Identifier: BSD-2-Clause */
/* Start of the page allocator, for kernel/main.c and the unit test. */
#ifndef KERNEL_MEM_INIT_H
#define KERNEL_MEM_INIT_H

#include "boot/handoff.h"
#include "kernel/lib/base.h"

/* RAM below is never handed out: the start-up page of other CPUs lies there. */
#define MEM_LOW_RESERVED MiB

/* Take over all RAM that the handoff calls free. Needs the loader's direct map. */
void mem_init(const struct handoff *ho);

#endif
