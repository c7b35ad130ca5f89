/* SPDX-License-Identifier: BSD-2-Clause */
/* What plan.c and plan_balance.c share; see plan.h for what a plan is. */
#ifndef MIGRATE_PLAN_INNER_H
#define MIGRATE_PLAN_INNER_H

#include "migrate/plan.h"

/* Checks the input's counts and indices, empties out, sets out->after. 0 or -E_RANGE. */
int must_check plan_begin(const struct plan_input *in, struct plan *out);
/* One more move, accounted for. The caller knows that it fits and that there is room for it. */
void plan_add(struct plan *out, const struct plan_input *in, unsigned vm, unsigned from,
	      unsigned to);
/* Like strcmp for names of VMs and hosts, which end within their field or fill it. */
int plan_name_order(const char *a, const char *b);

#endif
