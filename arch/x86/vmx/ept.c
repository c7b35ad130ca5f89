/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * EPT: tables, mapping with the largest pages that fit, and what the processor
 * is told of them. Dirty logging is in ept_log.c.
 */
#include "arch/x86/vmx/ept.h"
#include "arch/x86/vmx/caps.h"
#include "arch/x86/cpu.h"
#include "arch/x86/layout.h"

uint64_t *ept_table_new(struct slat *s)
{
	uint64_t *table = arch.page_alloc();

	if (table)
		s->table_pages++;
	return table;
}

void ept_table_free(struct slat *s, uint64_t *table)
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
	s->root = ept_table_new(s);
	if (!s->root) {
		arch.page_free(s);
		return NULL;
	}
	return s;
}

static void tree_free(struct slat *s, uint64_t *table, int level)
{
	for (unsigned i = 0; level > 0 && i < EPT_ENTRIES; i++)
		if (table[i] && !ept_is_leaf(table[i], level))
			tree_free(s, ept_table_of(table[i]), level - 1);
	ept_table_free(s, table);
}

void slat_destroy(struct slat *s)
{
	if (!s)
		return;
	tree_free(s, s->root, EPT_LEVELS - 1);
	if (s->apic_page)
		arch.page_free(s->apic_page);
	arch.page_free(s);
}

/* The entry for gpa at level; makes the tables above it. NULL: out of memory or in a larger page.
 */
static uint64_t *entry_make(struct slat *s, gpa_t gpa, int level)
{
	uint64_t *table = s->root;

	for (int l = EPT_LEVELS - 1; l > level; l--) {
		uint64_t *entry = &table[ept_index(gpa, l)];

		if (!*entry) {
			uint64_t *below = ept_table_new(s);

			if (!below)
				return NULL;
			*entry = ((uint64_t)below - DIRECT_MAP) | EPT_RWX;
		} else if (ept_is_leaf(*entry, l)) {
			return NULL;
		}
		table = ept_table_of(*entry);
	}
	return &table[ept_index(gpa, level)];
}

static int map(struct slat *s, gpa_t gpa, hpa_t hpa, uint64_t size, uint64_t rights)
{
	while (size) {
		int level = vmx_caps.virt.page_1g ? 2 : 1;
		uint64_t *entry;

		while (level > 0 && (((gpa | hpa) & (ept_level_size(level) - 1)) ||
				     size < ept_level_size(level)))
			level--;
		entry = entry_make(s, gpa, level);
		if (!entry)
			return -E_NOMEM;
		if (*entry)
			return -E_EXIST;
		*entry = hpa | rights | EPT_WB | (level ? EPT_LARGE : 0);
		gpa += ept_level_size(level);
		hpa += ept_level_size(level);
		size -= ept_level_size(level);
	}
	return 0;
}

int slat_map(struct slat *s, gpa_t gpa, hpa_t hpa, uint64_t size)
{
	return map(s, gpa, hpa, size, EPT_RWX);
}

int slat_map_rom(struct slat *s, gpa_t gpa, hpa_t hpa, uint64_t size)
{
	return map(s, gpa, hpa, size, EPT_R | EPT_X | EPT_DEVICE);
}

bool slat_is_rom(const struct slat *s, gpa_t gpa)
{
	int level;
	const uint64_t *entry = ept_find(s, gpa, &level);

	return entry && (*entry & (EPT_DEVICE | EPT_W)) == EPT_DEVICE;
}

int ept_apic_prepare(struct slat *s)
{
	if (!s->apic_page)
		s->apic_page = arch.page_alloc();
	if (!s->apic_page)
		return -E_NOMEM;
	if (!s->apic_entry)
		s->apic_entry = entry_make(s, EPT_APIC_GPA, 0);
	return s->apic_entry ? 0 : -E_NOMEM;
}

/* No right to execute: code there would run from a page that is not the guest's. */
void ept_apic_use(struct slat *s, int change)
{
	unsigned before = s->apic_users;

	s->apic_users += (unsigned)change;
	if (!before == !s->apic_users)
		return;
	*s->apic_entry = s->apic_users ? ((uint64_t)s->apic_page - DIRECT_MAP) | EPT_R | EPT_W |
					     EPT_WB | EPT_DEVICE
				       : 0;
	s->generation++;
}

/* The lowest existing entry on the way to gpa. */
uint64_t *ept_find(const struct slat *s, gpa_t gpa, int *level)
{
	uint64_t *table = s->root;
	int l = EPT_LEVELS - 1;

	if (gpa >> 48)
		return NULL;
	for (;; l--) {
		uint64_t *entry = &table[ept_index(gpa, l)];

		if (!*entry)
			return NULL;
		if (ept_is_leaf(*entry, l)) {
			*level = l;
			return entry;
		}
		table = ept_table_of(*entry);
	}
}

hpa_t slat_lookup(const struct slat *s, gpa_t gpa, int *level, bool *writable)
{
	int l;
	uint64_t *entry = ept_find(s, gpa, &l);

	if (!entry)
		return UINT64_MAX;
	if (level)
		*level = l;
	if (writable)
		*writable = *entry & EPT_W;
	return (*entry & EPT_ADDR & ~(ept_level_size(l) - 1)) | (gpa & (ept_level_size(l) - 1));
}

uint64_t slat_table_pages(const struct slat *s)
{
	return s->table_pages;
}

/* ---- the processor's side ----------------------------------------------------------- */

uint64_t ept_pointer(const struct slat *s)
{
	uint64_t eptp = ((uint64_t)s->root - DIRECT_MAP) | EPTP_WALK4 | 6;

	/* A/D flags always on where they exist: switching them with the log would need
	 * another VMCS write and saves nothing. */
	return vmx_caps.virt.ad_bits ? eptp | EPTP_AD : eptp;
}
