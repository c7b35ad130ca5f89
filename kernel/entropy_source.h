/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where fresh entropy comes from: RDSEED, else RDRAND, else the jitter of short
 * pieces of work. Each is watched by the health tests of NIST SP 800-90B, 4.4, from
 * its start on; one that fails is given up for the next, and the log says so.
 */
#ifndef KERNEL_ENTROPY_SOURCE_H
#define KERNEL_ENTROPY_SOURCE_H

#include "kernel/lib/base.h"

#define ENTROPY_WINDOW	512  /* of the adaptive proportion test: 4.4.2, not binary */
#define ENTROPY_STARTUP 1024 /* samples that must pass before any is used: 4.3 */

/* One run of the two continuous tests. */
struct entropy_health {
	unsigned repeats_max;	 /* so many equal samples in a row: failed (4.4.1) */
	unsigned proportion_max; /* so many of a window equal to its first: failed (4.4.2) */
	uint64_t last;
	unsigned repeats, seen, equal;
	uint8_t first; /* the proportion is of the low byte */
};

/* Take in a sample. false: the source must not be used any more. */
bool must_check entropy_health_pass(struct entropy_health *h, uint64_t sample);

struct entropy_source {
	const char *name;
	bool (*sample)(uint64_t *v); /* false: absent, or ran dry */
	unsigned per_word;	     /* samples that make 64 bits */
	unsigned repeats_max, proportion_max;
};

/* Choose the first source that passes its start-up test. Logs nothing: it is too early. */
void entropy_source_start(void);
/* The same with other sources, for the unit test. */
void entropy_source_use(const struct entropy_source *list, unsigned count);
/* 64 bits; false when no source is left (the log said so): *v is then 0. */
bool entropy_source_word(uint64_t *v);
/* Say in the log what random numbers rest on. Once, when the log is up. */
void entropy_source_report(void);

#endif
