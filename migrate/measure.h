/* SPDX-License-Identifier: BSD-2-Clause */
/* How fast a disk is, without harm: it is read in small and in large pieces, and flushed. */
#ifndef MIGRATE_MEASURE_H
#define MIGRATE_MEASURE_H

#include "kernel/drivers/blkdev.h"
#include "migrate/stream.h"

struct datastore;

/* Blocks, well below a second on a disk that is well; numbers that cannot be had stay 0. */
void measure_disk(struct blkdev *bd, struct stream_speed *out);
/* The disk that a datastore is on. */
void measure_store(struct datastore *ds, struct stream_speed *out);

#endif
