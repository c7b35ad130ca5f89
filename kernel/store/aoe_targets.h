/* SPDX-License-Identifier: BSD-2-Clause */
/* The list of AoE targets on the wire; its users' face is in aoe.h. */
#ifndef KERNEL_STORE_AOE_TARGETS_H
#define KERNEL_STORE_AOE_TARGETS_H

#include "kernel/net/switch.h"

#define AOE_TARGETS_MAX 32

void aoe_targets_init(struct net_switch *sw);

#endif
