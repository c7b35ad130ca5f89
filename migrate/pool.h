/* SPDX-License-Identifier: BSD-2-Clause */
/* What this host knows of the pool, as input for plans: all hosts, and its own VMs. */
#ifndef MIGRATE_POOL_H
#define MIGRATE_POOL_H

#include "migrate/plan.h"

/*
 * Fills in; hosts[0] is this host. VMs of other hosts are in their hosts' figures only. False
 * when this host has more VMs than a plan holds: the rest is left out. Does not block.
 */
bool pool_look(struct plan_input *in);

/* Targets whose checks refused a VM: plans leave them out until pool_forget. */
void pool_forget(void);
void pool_note_refusal(const char *vm, const char *host);

#endif
