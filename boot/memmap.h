/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From the firmware's memory map to the handoff's: sorted, merged, five types.
 * Knows the descriptor's layout, but calls no firmware.
 */
#ifndef BOOT_MEMMAP_H
#define BOOT_MEMMAP_H

#include "boot/handoff.h"
#include "kernel/lib/base.h"

/* UEFI specification, "EFI_BOOT_SERVICES.GetMemoryMap()" */
struct memmap_desc {
	uint32_t type, pad;
	uint64_t phys, virt, pages, attribute;
};

/* A map as the firmware hands it out; desc_size may exceed sizeof(struct memmap_desc). */
struct memmap {
	const void *descs;
	uint64_t size, desc_size; /* bytes */
};

/*
 * Addresses from here on have no place in the identity half of 4-level paging:
 * its 256th root entry, mirrored at DIRECT_MAP, is where KERNEL_BASE lives.
 */
#define MEMMAP_LIMIT (255ull << 39)

unsigned memmap_count(const struct memmap *map);

/*
 * One descriptor as a region, clipped to whole pages below MEMMAP_LIMIT; the
 * region is empty (size 0) if nothing is left. index < memmap_count.
 */
struct handoff_mem memmap_region(const struct memmap *map, unsigned index);

/*
 * Must the loader's page tables reach this descriptor? RAM of any use, and what
 * firmware tables live in; not MMIO, nor holes that firmware merely reserves.
 */
bool memmap_is_mapped(const struct memmap *map, unsigned index);

/*
 * Fills out[0..max) from the map. edges is scratch for 2 * memmap_count
 * numbers. Where descriptors overlap the more careful type wins. Returns how
 * many regions there are, which may exceed max: those left out are the highest
 * ones, and memory that is not listed is not used.
 */
unsigned memmap_convert(const struct memmap *map, uint64_t *edges, struct handoff_mem *out,
			unsigned max);

#endif
