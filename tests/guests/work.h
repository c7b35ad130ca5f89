/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the test guest's init and its workers share: counters in memory that
 * survives fork, and the pattern that tells every page and generation apart.
 */
#ifndef TESTS_GUESTS_WORK_H
#define TESTS_GUESTS_WORK_H

#include "tests/guests/sys.h"

#define WORK_PAGE  4096u
#define WORK_WORDS (WORK_PAGE / 8)
#define DISK_MAGIC 0x314b535255474150ull /* "PAGURSK1" */
#define DISK_BLOCK 4096u

struct work {
	/* from the kernel's command line */
	uint64_t mem_pages, mem_rate; /* pages; pages rewritten a second */
	uint64_t disk_blocks, disk_rate;
	uint64_t net_rate; /* blocks of WORK_PAGE bytes a second */
	/* progress, written by the workers, printed by init */
	volatile uint64_t mem_ok, disk_ok, disk_syncs, net_ok;
	volatile uint64_t corrupt; /* number of mismatches seen by anybody */
};

/* Fill and check forever; they do not return. */
void work_memory(struct work *w);
void work_disk(struct work *w, const char *path);
void work_net(struct work *w, const uint8_t ip[4]);
void work_vector(struct work *w, uint64_t number);

/* Word i of item n in generation gen: no two are equal by accident. */
static inline uint64_t work_word(uint64_t n, uint64_t gen, uint64_t i)
{
	return ((n << 32 | (gen & 0xffffffff)) + i) * 0x9e3779b97f4a7c15ull;
}

/*
 * Items are written in rounds, each item once a round; so one counter tells
 * which generation every item must hold, and an old copy of the counter's own
 * page cannot agree with old copies of all the others for longer than a round.
 */
static inline uint64_t work_generation(uint64_t item, uint64_t count, uint64_t written)
{
	return written / count + (item < written % count ? 1 : 0);
}

#endif
