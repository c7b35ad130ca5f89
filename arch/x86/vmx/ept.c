/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * EPT: map with large pages, split for dirty logging, join again. Logging works
 * on 4 KiB leaves in three ways: write-protection, dirty flags, and PML (which
 * is dirty flags plus a buffer that the processor fills).
 */
#include "arch/x86/vmx/ept.h"
#include "arch/x86/vmx/caps.h"
#include "arch/x86/cpu.h"
#include "arch/x86/layout.h"

#define LEVELS	   4
#define INDEX_MASK 511u

static uint64_t *table_of(uint64_t entry)
{
	return (uint64_t *)(DIRECT_MAP + (entry & EPT_ADDR));
}

static unsigned index_at(gpa_t gpa, int level)
{
	return gpa >> (PAGE_SHIFT + 9 * level) & INDEX_MASK;
}

static uint64_t level_size(int level)
{
	return PAGE_SIZE << (9 * level);
}

static bool is_leaf(uint64_t entry, int level)
{
	return level == 0 || (entry & EPT_LARGE);
}

static uint64_t *table_new(struct slat *s)
{
	uint64_t *table = arch.page_alloc();

	if (table)
		s->table_pages++;
	return table;
}

static void table_free(struct slat *s, uint64_t *table)
{
	s->table_pages--;
	arch.page_free(table);
}

struct slat *slat_create(void)
{
	/* A page for the struct itself: it is small, and arch has no other allocator. */
	struct slat *s = arch.page_alloc();

	if (!s)
		return NULL;
	s->root = table_new(s);
	if (!s->root) {
		arch.page_free(s);
		return NULL;
	}
	return s;
}

static void tree_free(struct slat *s, uint64_t *table, int level)
{
	for (unsigned i = 0; level > 0 && i <= INDEX_MASK; i++)
		if (table[i] && !is_leaf(table[i], level))
			tree_free(s, table_of(table[i]), level - 1);
	table_free(s, table);
}

void slat_destroy(struct slat *s)
{
	if (!s)
		return;
	tree_free(s, s->root, LEVELS - 1);
	arch.page_free(s);
}

/* The entry for gpa at level; makes the tables above it. NULL: out of memory or in a larger page.
 */
static uint64_t *entry_make(struct slat *s, gpa_t gpa, int level)
{
	uint64_t *table = s->root;

	for (int l = LEVELS - 1; l > level; l--) {
		uint64_t *entry = &table[index_at(gpa, l)];

		if (!*entry) {
			uint64_t *below = table_new(s);

			if (!below)
				return NULL;
			*entry = ((uint64_t)below - DIRECT_MAP) | EPT_RWX;
		} else if (is_leaf(*entry, l)) {
			return NULL;
		}
		table = table_of(*entry);
	}
	return &table[index_at(gpa, level)];
}

int slat_map(struct slat *s, gpa_t gpa, hpa_t hpa, uint64_t size)
{
	while (size) {
		int level = vmx_caps.virt.page_1g ? 2 : 1;
		uint64_t *entry;

		while (level > 0 &&
		       (((gpa | hpa) & (level_size(level) - 1)) || size < level_size(level)))
			level--;
		entry = entry_make(s, gpa, level);
		if (!entry)
			return -E_NOMEM;
		if (*entry)
			return -E_EXIST;
		*entry = hpa | EPT_RWX | EPT_WB | (level ? EPT_LARGE : 0);
		gpa += level_size(level);
		hpa += level_size(level);
		size -= level_size(level);
	}
	return 0;
}

/* The lowest existing entry on the way to gpa. */
static uint64_t *entry_find(const struct slat *s, gpa_t gpa, int *level)
{
	uint64_t *table = s->root;
	int l = LEVELS - 1;

	if (gpa >> 48)
		return NULL;
	for (;; l--) {
		uint64_t *entry = &table[index_at(gpa, l)];

		if (!*entry)
			return NULL;
		if (is_leaf(*entry, l)) {
			*level = l;
			return entry;
		}
		table = table_of(*entry);
	}
}

hpa_t slat_lookup(const struct slat *s, gpa_t gpa, int *level, bool *writable)
{
	int l;
	uint64_t *entry = entry_find(s, gpa, &l);

	if (!entry)
		return UINT64_MAX;
	if (level)
		*level = l;
	if (writable)
		*writable = *entry & EPT_W;
	return (*entry & EPT_ADDR & ~(level_size(l) - 1)) | (gpa & (level_size(l) - 1));
}

uint64_t slat_table_pages(const struct slat *s)
{
	return s->table_pages;
}

/* ---- dirty logging ------------------------------------------------------------------ */

/* The bit whose absence in a leaf means "the next write will be noticed". */
static uint64_t written_bit(enum slat_log how)
{
	return how == SLAT_LOG_WP ? EPT_W : EPT_D;
}

/* Replace one large leaf by a table of smaller ones with the same rights. */
static int split(struct slat *s, uint64_t *entry, int level)
{
	uint64_t *below = table_new(s);
	uint64_t leaf = *entry & ~(level == 1 ? EPT_LARGE : 0);

	if (!below)
		return -E_NOMEM;
	for (unsigned i = 0; i <= INDEX_MASK; i++)
		below[i] = leaf + i * level_size(level - 1);
	*entry = ((uint64_t)below - DIRECT_MAP) | EPT_RWX;
	return 0;
}

static int split_tree(struct slat *s, uint64_t *table, int level)
{
	int err;

	for (unsigned i = 0; i <= INDEX_MASK; i++) {
		if (!table[i])
			continue;
		if (is_leaf(table[i], level)) {
			err = split(s, &table[i], level);
			if (err)
				return err;
		}
		if (level > 1) {
			err = split_tree(s, table_of(table[i]), level - 1);
			if (err)
				return err;
		}
	}
	return 0;
}

/* Every 4 KiB leaf: clean. Upper levels: not accessed, so that a scan may skip them. */
static void clean_tree(uint64_t *table, int level, enum slat_log how)
{
	for (unsigned i = 0; i <= INDEX_MASK; i++) {
		if (!table[i])
			continue;
		if (level > 0) {
			table[i] &= ~EPT_A;
			clean_tree(table_of(table[i]), level - 1, how);
		} else {
			table[i] = (table[i] & ~EPT_D) | EPT_W;
			table[i] &= ~written_bit(how);
		}
	}
}

/* Join tables of 4 KiB leaves back into 2 MiB leaves where memory is contiguous, as mapped. */
static void join_tables(struct slat *s, uint64_t *table, int level)
{
	for (unsigned i = 0; i <= INDEX_MASK; i++) {
		uint64_t *below;
		bool whole = true;

		if (!table[i] || is_leaf(table[i], level))
			continue;
		below = table_of(table[i]);
		if (level > 1) {
			join_tables(s, below, level - 1);
			continue;
		}
		for (unsigned j = 0; j <= INDEX_MASK; j++)
			if (below[j])
				below[j] |= EPT_W;
		for (unsigned j = 0; whole && j <= INDEX_MASK; j++)
			whole = below[j] &&
				(below[j] & EPT_ADDR) == (below[0] & EPT_ADDR) + j * PAGE_SIZE;
		if (!whole || (below[0] & EPT_ADDR & (SIZE_2M - 1)))
			continue;
		table[i] = (below[0] & EPT_ADDR) | EPT_RWX | EPT_WB | EPT_LARGE;
		table_free(s, below);
	}
}

int slat_log_start(struct slat *s, enum slat_log how)
{
	int err = split_tree(s, s->root, LEVELS - 1);

	s->generation++;
	if (err) {
		join_tables(s, s->root, LEVELS - 1);
		return err;
	}
	clean_tree(s->root, LEVELS - 1, how);
	s->log = how;
	return 0;
}

void slat_log_stop(struct slat *s)
{
	s->log = SLAT_LOG_OFF;
	join_tables(s, s->root, LEVELS - 1);
	s->generation++;
}

void slat_log_rearm(struct slat *s, gpa_t gpa)
{
	int level;
	uint64_t *entry = entry_find(s, gpa, &level);

	if (!entry || level != 0 || !(*entry & written_bit(s->log)))
		return;
	*entry &= ~written_bit(s->log);
	s->generation++;
}

bool slat_log_fault(struct slat *s, gpa_t gpa)
{
	int level;
	uint64_t *entry = entry_find(s, gpa, &level);

	if (!entry || s->log != SLAT_LOG_WP || level != 0)
		return false;
	/* More rights need no invalidation: the fault itself dropped the old translation. */
	*entry |= EPT_W;
	return true;
}

static bool scan_tree(uint64_t *table, int level, gpa_t base, void (*dirty)(void *, gpa_t),
		      void *ctx)
{
	bool found = false;

	for (unsigned i = 0; i <= INDEX_MASK; i++) {
		gpa_t gpa = base + i * level_size(level);

		if (level == 0) {
			if (!(table[i] & EPT_D))
				continue;
			table[i] &= ~EPT_D;
			dirty(ctx, gpa);
			found = true;
		} else if (table[i] & EPT_A) {
			/* The processor sets A on the way to every access: without it
			 * nothing below was written since the last scan. */
			table[i] &= ~EPT_A;
			found |= scan_tree(table_of(table[i]), level - 1, gpa, dirty, ctx);
		}
	}
	return found;
}

void slat_log_scan(struct slat *s, void (*dirty)(void *ctx, gpa_t gpa), void *ctx)
{
	if (s->log != SLAT_LOG_AD)
		return;
	scan_tree(s->root, LEVELS - 1, 0, dirty, ctx);
	/* Always: A flags were cleared, and cached translations would not set them again. */
	s->generation++;
}

/* ---- the processor's side ----------------------------------------------------------- */

uint64_t ept_pointer(const struct slat *s)
{
	uint64_t eptp = ((uint64_t)s->root - DIRECT_MAP) | EPTP_WALK4 | 6;

	/* A/D flags always on where they exist: switching them with the log would need
	 * another VMCS write and saves nothing. */
	return vmx_caps.virt.ad_bits ? eptp | EPTP_AD : eptp;
}

void ept_invalidate(const struct slat *s)
{
	struct {
		uint64_t eptp, reserved;
	} descriptor = {ept_pointer(s), 0};
	uint64_t type = vmx_caps.invept_single ? 1 : 2;

	asm volatile("invept %0, %1" ::"m"(descriptor), "r"(type) : "cc", "memory");
}
