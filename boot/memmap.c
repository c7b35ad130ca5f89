/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The firmware's memory map is neither sorted nor, on some machines, free of
 * overlaps. All region edges are sorted, and each stretch between two edges
 * takes the most careful type that covers it; equal neighbours are merged.
 */
#include "boot/memmap.h"
#include "kernel/lib/string.h"

/* UEFI specification, "EFI_MEMORY_TYPE" and memory attribute definitions */
enum efi_memory_type {
	EFI_RESERVED,
	EFI_LOADER_CODE,
	EFI_LOADER_DATA,
	EFI_BOOT_SERVICES_CODE,
	EFI_BOOT_SERVICES_DATA,
	EFI_RUNTIME_SERVICES_CODE,
	EFI_RUNTIME_SERVICES_DATA,
	EFI_CONVENTIONAL,
	EFI_UNUSABLE,
	EFI_ACPI_RECLAIM,
	EFI_ACPI_NVS,
	EFI_MMIO,
	EFI_MMIO_PORT_SPACE,
};
#define EFI_ATTR_RUNTIME (1ull << 63)

static struct memmap_desc memmap_desc_at(const struct memmap *map, unsigned index)
{
	struct memmap_desc desc;

	memcpy(&desc, (const uint8_t *)map->descs + index * map->desc_size, sizeof(desc));
	return desc;
}

unsigned memmap_count(const struct memmap *map)
{
	if (map->desc_size < sizeof(struct memmap_desc))
		return 0;
	return (unsigned)(map->size / map->desc_size);
}

/* Types that are not listed (persistent, unaccepted, vendor's own) are not ours to use. */
static uint32_t memmap_type(const struct memmap_desc *desc)
{
	if (desc->attribute & EFI_ATTR_RUNTIME && desc->type != EFI_MMIO &&
	    desc->type != EFI_MMIO_PORT_SPACE)
		return HANDOFF_MEM_RESERVED;
	switch (desc->type) {
	case EFI_LOADER_CODE:
	case EFI_LOADER_DATA:
		return HANDOFF_MEM_LOADER;
	case EFI_BOOT_SERVICES_CODE:
	case EFI_BOOT_SERVICES_DATA:
	case EFI_CONVENTIONAL:
		return HANDOFF_MEM_RAM;
	case EFI_ACPI_RECLAIM:
		return HANDOFF_MEM_ACPI;
	case EFI_MMIO:
	case EFI_MMIO_PORT_SPACE:
		return HANDOFF_MEM_MMIO;
	default:
		return HANDOFF_MEM_RESERVED;
	}
}

bool memmap_is_mapped(const struct memmap *map, unsigned index)
{
	struct memmap_desc desc = memmap_desc_at(map, index);

	return desc.type >= EFI_LOADER_CODE && desc.type <= EFI_ACPI_NVS &&
	       desc.type != EFI_UNUSABLE;
}

struct handoff_mem memmap_region(const struct memmap *map, unsigned index)
{
	struct memmap_desc desc = memmap_desc_at(map, index);
	struct handoff_mem region = {.type = memmap_type(&desc)};

	/* shifts before sums: a broken count must not wrap around */
	if (desc.phys >= MEMMAP_LIMIT)
		return region;
	region.base = ALIGN_DOWN(desc.phys, PAGE_SIZE);
	region.size = MIN(desc.pages, (MEMMAP_LIMIT - region.base) >> PAGE_SHIFT) << PAGE_SHIFT;
	return region;
}

/* Of two types for one page the one that promises least is right. */
static unsigned memmap_care(uint32_t type)
{
	switch (type) {
	case HANDOFF_MEM_RAM:
		return 1;
	case HANDOFF_MEM_LOADER:
		return 2;
	case HANDOFF_MEM_ACPI:
		return 3;
	case HANDOFF_MEM_MMIO:
		return 4;
	case HANDOFF_MEM_RESERVED:
		return 5;
	default:
		return 0;
	}
}

static unsigned memmap_edges_sort(const struct memmap *map, uint64_t *edges)
{
	unsigned count = memmap_count(map), used = 0;

	for (unsigned i = 0; i < 2 * count; i++) {
		struct handoff_mem region = memmap_region(map, i / 2);
		uint64_t edge = region.base + (i & 1 ? region.size : 0);
		unsigned at = used;

		if (region.size == 0)
			continue;
		/* maps come nearly sorted, so this moves little */
		while (at > 0 && edges[at - 1] > edge)
			at--;
		if (at > 0 && edges[at - 1] == edge)
			continue;
		memmove(&edges[at + 1], &edges[at], (used - at) * sizeof(edges[0]));
		edges[at] = edge;
		used++;
	}
	return used;
}

static uint32_t memmap_type_of(const struct memmap *map, uint64_t addr)
{
	unsigned count = memmap_count(map);
	uint32_t best = 0;

	for (unsigned i = 0; i < count; i++) {
		struct handoff_mem region = memmap_region(map, i);

		if (addr - region.base < region.size && addr >= region.base &&
		    memmap_care(region.type) > memmap_care(best))
			best = region.type;
	}
	return best;
}

unsigned memmap_convert(const struct memmap *map, uint64_t *edges, struct handoff_mem *out,
			unsigned max)
{
	unsigned edge_count = memmap_edges_sort(map, edges), total = 0;
	struct handoff_mem cur = {0};

	for (unsigned i = 0; i + 1 < edge_count; i++) {
		uint32_t type = memmap_type_of(map, edges[i]);

		if (type == 0)
			continue;
		if (cur.size && cur.type == type && cur.base + cur.size == edges[i]) {
			cur.size = edges[i + 1] - cur.base;
		} else {
			cur = (struct handoff_mem){.base = edges[i], .type = type};
			cur.size = edges[i + 1] - edges[i];
			total++;
		}
		if (total <= max)
			out[total - 1] = cur;
	}
	return total;
}
