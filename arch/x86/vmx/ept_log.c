/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Dirty logging on EPT: split to 4 KiB leaves, notice writes, join again. In three
 * ways: write-protection, dirty flags, and PML (which is dirty flags plus a buffer
 * that the processor fills; run.c drains it).
 */
#include "arch/x86/vmx/ept.h"
#include "arch/x86/vmx/caps.h"
#include "arch/x86/cpu.h"

/* The bit whose absence in a leaf means "the next write will be noticed". */
static uint64_t written_bit(enum slat_log how)
{
	return how == SLAT_LOG_WP ? EPT_W : EPT_D;
}

/* Replace one large leaf by a table of smaller ones with the same rights. */
static int split(struct slat *s, uint64_t *entry, int level)
{
	uint64_t *below = ept_table_new(s);
	uint64_t leaf = *entry & ~(level == 1 ? EPT_LARGE : 0);

	if (!below)
		return -E_NOMEM;
	for (unsigned i = 0; i < EPT_ENTRIES; i++)
		below[i] = leaf + i * ept_level_size(level - 1);
	*entry = ((uint64_t)below - DIRECT_MAP) | EPT_RWX;
	return 0;
}

static int split_tree(struct slat *s, uint64_t *table, int level)
{
	int err;

	for (unsigned i = 0; i < EPT_ENTRIES; i++) {
		if (!table[i])
			continue;
		if (ept_is_leaf(table[i], level)) {
			err = split(s, &table[i], level);
			if (err)
				return err;
		}
		if (level > 1) {
			err = split_tree(s, ept_table_of(table[i]), level - 1);
			if (err)
				return err;
		}
	}
	return 0;
}

/* Every 4 KiB leaf: clean. Upper levels: not accessed, so that a scan may skip them. */
static void clean_tree(uint64_t *table, int level, enum slat_log how)
{
	for (unsigned i = 0; i < EPT_ENTRIES; i++) {
		if (!table[i] || (table[i] & EPT_DEVICE))
			continue;
		if (level > 0) {
			table[i] &= ~EPT_A;
			clean_tree(ept_table_of(table[i]), level - 1, how);
		} else {
			table[i] = (table[i] & ~EPT_D) | EPT_W;
			table[i] &= ~written_bit(how);
		}
	}
}

/* One larger leaf for a table whose leaves are contiguous and aligned; 0 when they are not. */
static uint64_t joined(const uint64_t *table, int level)
{
	hpa_t first = table[0] & EPT_ADDR;

	if (first & (ept_level_size(level + 1) - 1))
		return 0;
	for (unsigned i = 0; i < EPT_ENTRIES; i++)
		if (!table[i] || !ept_is_leaf(table[i], level) || (table[i] & EPT_DEVICE) ||
		    (table[i] & EPT_ADDR) != first + i * ept_level_size(level))
			return 0;
	return first | EPT_RWX | EPT_WB | EPT_LARGE;
}

/* Make leaves writable and as large as the memory behind them allows, from the bottom up. */
static void join_tree(struct slat *s, uint64_t *table, int level)
{
	int largest = vmx_caps.virt.page_1g ? 2 : 1;

	for (unsigned i = 0; i < EPT_ENTRIES; i++) {
		uint64_t leaf, *below;

		if (!table[i])
			continue;
		if (ept_is_leaf(table[i], level)) {
			table[i] |= table[i] & EPT_DEVICE ? 0 : EPT_W;
			continue;
		}
		below = ept_table_of(table[i]);
		join_tree(s, below, level - 1);
		leaf = level <= largest ? joined(below, level - 1) : 0;
		if (leaf) {
			table[i] = leaf;
			ept_table_free(s, below);
		}
	}
}

int slat_log_start(struct slat *s, enum slat_log how)
{
	int err = split_tree(s, s->root, EPT_LEVELS - 1);

	s->generation++;
	if (err) {
		join_tree(s, s->root, EPT_LEVELS - 1);
		return err;
	}
	clean_tree(s->root, EPT_LEVELS - 1, how);
	s->log = how;
	return 0;
}

void slat_log_stop(struct slat *s)
{
	s->log = SLAT_LOG_OFF;
	join_tree(s, s->root, EPT_LEVELS - 1);
	s->generation++;
}

void slat_log_rearm(struct slat *s, gpa_t gpa)
{
	int level;
	uint64_t *entry = ept_find(s, gpa, &level);

	if (!entry || level != 0 || (*entry & EPT_DEVICE) || !(*entry & written_bit(s->log)))
		return;
	*entry &= ~written_bit(s->log);
	s->generation++;
}

bool slat_log_fault(struct slat *s, gpa_t gpa)
{
	int level;
	uint64_t *entry = ept_find(s, gpa, &level);

	if (!entry || s->log != SLAT_LOG_WP || level != 0 || (*entry & EPT_DEVICE))
		return false;
	/* More rights need no invalidation: the fault itself dropped the old translation. */
	*entry |= EPT_W;
	return true;
}

static bool scan_tree(uint64_t *table, int level, gpa_t base, void (*dirty)(void *, gpa_t),
		      void *ctx)
{
	bool found = false;

	for (unsigned i = 0; i < EPT_ENTRIES; i++) {
		gpa_t gpa = base + i * ept_level_size(level);

		if (level == 0) {
			if (!(table[i] & EPT_D) || (table[i] & EPT_DEVICE))
				continue;
			table[i] &= ~EPT_D;
			dirty(ctx, gpa);
			found = true;
		} else if (table[i] & EPT_A) {
			/* The processor sets A on the way to every access: without it
			 * nothing below was written since the last scan. */
			table[i] &= ~EPT_A;
			found |= scan_tree(ept_table_of(table[i]), level - 1, gpa, dirty, ctx);
		}
	}
	return found;
}

void slat_log_scan(struct slat *s, void (*dirty)(void *ctx, gpa_t gpa), void *ctx)
{
	if (s->log != SLAT_LOG_AD)
		return;
	scan_tree(s->root, EPT_LEVELS - 1, 0, dirty, ctx);
	/* Always: A flags were cleared, and cached translations would not set them again. */
	s->generation++;
}
