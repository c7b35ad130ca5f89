/* SPDX-License-Identifier: BSD-2-Clause */
/* The bare guest's work on its first disk: blocks as tests/guests/worker.c writes them. */
#ifndef TESTS_GUESTS_TICKER_DISK_H
#define TESTS_GUESTS_TICKER_DISK_H

#include <stdbool.h>
#include <stdint.h>

#define DISK_ROOM_PAGES 5

/* room: DISK_ROOM_PAGES zero pages for queue and data. false: no virtio disk. */
bool disk_start(uint8_t *room);
/*
 * If the request under way is done, look at it and make the next one: a write of the next
 * block, then a read of another one. Adds to *ok and *corrupt.
 */
void disk_step(uint64_t *ok, uint64_t *corrupt);

#endif
