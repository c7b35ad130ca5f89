/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A small disk in memory behind kernel/drivers/blkdev.h's blocking calls. It keeps a
 * trace of sector writes and flushes, from which the medium can be rebuilt as it may be after
 * power was lost at any moment; and it can fail the call with a given number.
 */
#ifndef TESTS_UNIT_FAKE_DISK_H
#define TESTS_UNIT_FAKE_DISK_H

#include "kernel/drivers/blkdev.h"
#include "tests/unit/fake_kernel.h"

#define FAKE_DISK_MAX (4096 * 8) /* sectors */

extern struct blkdev fake_disk;
extern uint8_t fake_disk_data[FAKE_DISK_MAX][SECTOR_SIZE];
/* Writes and flushes until one fails with -E_IO; negative: none does. */
extern int fake_disk_fail;
/* What reaches the medium of a write that fails: 0 nothing, 1 all, 2 the first half. */
extern int fake_disk_fail_keeps;
extern unsigned fake_disk_calls;    /* writes and flushes */
extern unsigned fake_disk_low_call; /* the last of them into the first 64 KiB */

/* Zeros, no trace, no failures. */
void fake_disk_reset(uint64_t sectors);

/* The trace: a write of one sector, or a flush (data NULL). */
struct fake_event {
	uint64_t sector;
	uint8_t *data;
};
extern struct fake_event *fake_trace;
extern unsigned fake_trace_count;
void fake_trace_start(void); /* from the present contents on */
void fake_trace_stop(void);

#define FAKE_KEEP_LAST UINT32_MAX
/*
 * The medium after power was lost before event number count: what was flushed, and of the
 * writes since then all (keep 0), none (1), the last one alone, which overtook the others
 * (FAKE_KEEP_LAST), or some by the seed in keep (2..). torn: of the last write that is there only
 * so many bytes are (0: all).
 */
void fake_disk_crash(unsigned count, unsigned keep, unsigned torn);

#endif
