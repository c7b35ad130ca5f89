/* SPDX-License-Identifier: BSD-2-Clause */
/* Random bytes for MACs, ids and session keys, seeded by the loader and the CPU. */
#ifndef KERNEL_ENTROPY_H
#define KERNEL_ENTROPY_H

#include "kernel/lib/base.h"

void entropy_fill(void *buf, size_t len);

#endif
