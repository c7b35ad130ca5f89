/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The digest of a page in a DIGESTS record and of a disk's block in DISK_DIGESTS: finds what
 * a fault of ours would do, at a word a clock. No checksum of a wire (crc32c.h) and no help against
 * an attacker, who would send fitting digests anyway.
 */
#ifndef MIGRATE_PAGE_DIGEST_H
#define MIGRATE_PAGE_DIGEST_H

#include "kernel/lib/base.h"

#define PAGE_DIGEST_LANES  4 /* a multiplication's latency is hidden behind the others' */
#define PAGE_DIGEST_FACTOR 0x9e3779b97f4a7c15ull /* 2^64 / golden ratio, odd */

/*
 * Each step is one-to-one in the word and in what came before, so pages that differ in one
 * word always leave another lane; the rotation keeps high bits of two words from meeting.
 */
static inline uint64_t page_digest_step(uint64_t lane, uint64_t word)
{
	lane = (lane ^ word) * PAGE_DIGEST_FACTOR;
	return lane << 29 | lane >> 35;
}

/* len: bytes, a multiple of 32; data 8-byte aligned. */
static inline uint64_t digest_words(const void *data, size_t len)
{
	const uint64_t *word = data;
	uint64_t lanes[PAGE_DIGEST_LANES] = {1, 2, 3, 4}, sum = 0;

	for (size_t i = 0; i < len / sizeof(*word); i += PAGE_DIGEST_LANES)
		for (unsigned n = 0; n < PAGE_DIGEST_LANES; n++)
			lanes[n] = page_digest_step(lanes[n], word[i + n]);
	for (unsigned n = 0; n < PAGE_DIGEST_LANES; n++)
		sum = page_digest_step(sum, lanes[n]);
	return (sum ^ sum >> 32) * PAGE_DIGEST_FACTOR;
}

/* page: PAGE_SIZE bytes, 8-byte aligned. */
static inline uint32_t page_digest(const void *page)
{
	return (uint32_t)(digest_words(page, PAGE_SIZE) >> 32);
}

#endif
