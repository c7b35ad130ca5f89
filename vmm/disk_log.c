/* SPDX-License-Identifier: BSD-2-Clause */
/* The log of a disk's written blocks; see disk_log.h. Nothing in here blocks. */
#include "vmm/disk_log.h"

#include "kernel/lib/string.h"
#include "kernel/mem.h"

#define WORD_BITS 64

static size_t bitmap_words(const struct disk_log *log)
{
	return (log->blocks + WORD_BITS - 1) / WORD_BITS;
}

static void mark_block(struct disk_log *log, uint64_t block)
{
	uint64_t *word = &log->bits[block / WORD_BITS], bit = BIT(block % WORD_BITS);

	log->marked += !(*word & bit);
	*word |= bit;
}

int disk_log_start(struct disk_log *log, uint64_t sectors)
{
	if (log->on)
		return -E_BUSY;
	log->blocks = (sectors + DISK_LOG_SECTORS - 1) / DISK_LOG_SECTORS;
	log->bits = kzalloc(bitmap_words(log) * sizeof(*log->bits));
	if (!log->bits)
		return -E_NOMEM;
	log->marked = 0;
	for (uint64_t i = 0; i < log->blocks; i++)
		mark_block(log, i);
	log->on = true;
	return 0;
}

void disk_log_stop(struct disk_log *log)
{
	kfree(log->bits);
	memset(log, 0, sizeof(*log));
}

void disk_log_mark(struct disk_log *log, uint64_t sector, uint64_t sectors)
{
	if (!log->on || !sectors)
		return;
	for (uint64_t b = sector / DISK_LOG_SECTORS; b <= (sector + sectors - 1) / DISK_LOG_SECTORS;
	     b++)
		if (b < log->blocks)
			mark_block(log, b);
}

void disk_log_unmark(struct disk_log *log, uint64_t block)
{
	uint64_t bit = BIT(block % WORD_BITS);

	if (!log->on || block >= log->blocks || !(log->bits[block / WORD_BITS] & bit))
		return;
	log->bits[block / WORD_BITS] &= ~bit;
	log->marked--;
}

uint64_t disk_log_harvest(struct disk_log *log, uint64_t *out)
{
	uint64_t taken = log->marked;

	memcpy(out, log->bits, bitmap_words(log) * sizeof(*out));
	memset(log->bits, 0, bitmap_words(log) * sizeof(*log->bits));
	log->marked = 0;
	return taken;
}

void disk_log_give_back(struct disk_log *log, const uint64_t *bits)
{
	if (!log->on)
		return;
	for (uint64_t w = 0; w < bitmap_words(log); w++)
		for (uint64_t left = bits[w]; left; left &= left - 1)
			mark_block(log, w * WORD_BITS + (uint64_t)__builtin_ctzll(left));
}
