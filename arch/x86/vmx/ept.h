/* SPDX-License-Identifier: BSD-2-Clause */
/* The inside of struct slat for Intel EPT, shared by ept.c and the VMCS set-up. */
#ifndef ARCH_X86_VMX_EPT_H
#define ARCH_X86_VMX_EPT_H

#include "arch/x86/layout.h"
#include "arch/x86/virt.h"

/* EPT entry bits (SDM vol. 3, "The Extended Page Table Mechanism") */
#define EPT_R	  BIT(0)
#define EPT_W	  BIT(1)
#define EPT_X	  BIT(2)
#define EPT_RWX	  (EPT_R | EPT_W | EPT_X)
#define EPT_WB	  (6ull << 3)
#define EPT_LARGE BIT(7)
#define EPT_A	  BIT(8)
#define EPT_D	  BIT(9)
#define EPT_ADDR  0x000ffffffffff000ull
/* Ours, ignored by the processor: not RAM, the dirty log leaves it alone; ROM, when not writable */
#define EPT_DEVICE BIT(52)
#define EPTP_WALK4 (3ull << 3)
#define EPTP_AD	   BIT(6)

struct slat {
	uint64_t *root;
	uint64_t table_pages;
	enum slat_log log;
	/* Counts changes that take rights away: a vCPU that saw an older number must
	 * INVEPT before it enters. */
	uint64_t generation;
	/* Where local APICs are accessed by MMIO: mapped while a vCPU does that in hardware. */
	uint64_t *apic_entry;
	void *apic_page;
	unsigned apic_users;
};
#define EPT_APIC_GPA 0xfee00000ull

/* Levels count from 0, the table of 4 KiB leaves, up to 3, the root. */
#define EPT_LEVELS  4
#define EPT_ENTRIES 512u

static inline uint64_t *ept_table_of(uint64_t entry)
{
	return (uint64_t *)(DIRECT_MAP + (entry & EPT_ADDR));
}

static inline unsigned ept_index(gpa_t gpa, int level)
{
	return gpa >> (PAGE_SHIFT + 9 * level) & (EPT_ENTRIES - 1);
}

static inline uint64_t ept_level_size(int level)
{
	return PAGE_SIZE << (9 * level);
}

static inline bool ept_is_leaf(uint64_t entry, int level)
{
	return level == 0 || (entry & EPT_LARGE);
}

uint64_t *ept_table_new(struct slat *s);
void ept_table_free(struct slat *s, uint64_t *table);
/* The leaf that maps gpa, and its level; NULL for none. */
uint64_t *ept_find(const struct slat *s, gpa_t gpa, int *level);

uint64_t ept_pointer(const struct slat *s);
void ept_invalidate(const struct slat *s);

/* The page and the tables above it, not mapped yet. Again is harmless. -E_NOMEM. */
int must_check ept_apic_prepare(struct slat *s);
/* change -1, 0, 1 vCPUs need the page mapped. */
void ept_apic_use(struct slat *s, int change);

#endif
