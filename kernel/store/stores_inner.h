/* SPDX-License-Identifier: BSD-2-Clause */
/* Between stores.c and stores_shared.c. */
#ifndef KERNEL_STORE_STORES_INNER_H
#define KERNEL_STORE_STORES_INNER_H

#include "kernel/store/stores.h"

extern const struct host_config *stores_host;

/* ds_format with a fresh UUID. */
int must_check stores_make(struct blkdev *bd, const char *name);
/* Reserve and open s, on error with s->why and nothing left open. */
int must_check stores_open_shared(struct store *s, bool force);
/* Its datastore is closed: release and close the target. */
void stores_let_go(struct store *s);

#endif
