/* SPDX-License-Identifier: BSD-2-Clause */
/* This host's one struct migrate_state. Apart, because tests have one for each of two hosts. */
#include "migrate/move.h"

static struct migrate_state the_state;

struct migrate_state *migrate_state(void)
{
	return &the_state;
}
