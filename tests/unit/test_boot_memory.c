/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * boot/memmap.c on maps as firmware makes them (unsorted, overlapping, absurd),
 * and boot/paging.c by walking its tables as the processor would.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "boot/memmap.h"
#include "boot/paging.h"

#define RUNTIME (1ull << 63)
#define MAX_OUT 16

/* Firmware's own descriptors are longer than the specification's, and tools must step by theirs. */
struct long_desc {
	struct memmap_desc desc;
	uint64_t more;
};

static struct handoff_mem out[MAX_OUT];

static unsigned convert(const struct long_desc *descs, unsigned count, unsigned max)
{
	struct memmap map = {descs, count * sizeof(*descs), sizeof(*descs)};
	uint64_t *edges = calloc(2 * count, sizeof(*edges));
	unsigned total;

	memset(out, 0, sizeof(out));
	total = memmap_convert(&map, edges, out, max);
	free(edges);
	return total;
}

static void assert_region(unsigned i, uint64_t base, uint64_t end, uint32_t type)
{
	assert_int_equal(out[i].base, base);
	assert_int_equal(out[i].base + out[i].size, end);
	assert_int_equal(out[i].type, type);
}

#define DESC(t, base, end, attr)                                                                   \
	{                                                                                          \
		{.type = (t),                                                                      \
		 .phys = (base),                                                                   \
		 .pages = ((end) - (base)) / 4096,                                                 \
		 .attribute = (attr)},                                                             \
		    0                                                                              \
	}

static void types_are_sorted_and_merged(void **state)
{
	static const struct long_desc descs[] = {
	    DESC(7, 0x100000, 0x200000, 0xf), /* conventional */
	    DESC(3, 0x0, 0xa0000, 0xf),	      /* boot services code */
	    DESC(2, 0x200000, 0x300000, 0xf), /* loader data */
	    DESC(1, 0x300000, 0x301000, 0xf), /* loader code */
	    DESC(4, 0x301000, 0x400000, 0xf), /* boot services data */
	    DESC(9, 0x400000, 0x401000, 0xf),
	    DESC(10, 0x401000, 0x402000, 0xf),
	    DESC(6, 0x402000, 0x403000, 0xf | RUNTIME),
	    DESC(0, 0x403000, 0x404000, 0xf),
	    DESC(11, 0xfee00000, 0xfee01000, 1 | RUNTIME),
	    DESC(14, 0x100000000, 0x100001000, 0xf), /* persistent: not RAM for us */
	    DESC(99, 0x100001000, 0x100002000, 0xf), /* unknown */
	    DESC(7, 0x100002000, 0x140000000, 0xf | RUNTIME),
	};

	assert_int_equal(convert(descs, ARRAY_SIZE(descs), MAX_OUT), 8);
	assert_region(0, 0x0, 0xa0000, HANDOFF_MEM_RAM);
	assert_region(1, 0x100000, 0x200000, HANDOFF_MEM_RAM);
	assert_region(2, 0x200000, 0x301000, HANDOFF_MEM_LOADER);
	assert_region(3, 0x301000, 0x400000, HANDOFF_MEM_RAM);
	assert_region(4, 0x400000, 0x401000, HANDOFF_MEM_ACPI);
	assert_region(5, 0x401000, 0x404000, HANDOFF_MEM_RESERVED);
	assert_region(6, 0xfee00000, 0xfee01000, HANDOFF_MEM_MMIO);
	assert_region(7, 0x100000000, 0x140000000, HANDOFF_MEM_RESERVED);
}

static void overlaps_take_the_careful_type(void **state)
{
	/* neither the first nor the last descriptor wins, the most careful does */
	static const struct long_desc descs[] = {
	    DESC(0, 0x118000, 0x130000, 0),
	    DESC(7, 0x100000, 0x200000, 0),
	    DESC(2, 0x110000, 0x120000, 0),
	    DESC(7, 0x1f0000, 0x210000, 0),
	};

	assert_int_equal(convert(descs, ARRAY_SIZE(descs), MAX_OUT), 4);
	assert_region(0, 0x100000, 0x110000, HANDOFF_MEM_RAM);
	assert_region(1, 0x110000, 0x118000, HANDOFF_MEM_LOADER);
	assert_region(2, 0x118000, 0x130000, HANDOFF_MEM_RESERVED);
	assert_region(3, 0x130000, 0x210000, HANDOFF_MEM_RAM);
}

static void absurd_sizes_are_clipped(void **state)
{
	struct long_desc descs[] = {
	    DESC(7, 0x1000, 0x2000, 0),
	    DESC(7, 0x1000, 0x2000, 0),
	    DESC(7, 0x3000, 0x4000, 0),
	    DESC(7, 0x5000, 0x5000, 0),
	    DESC(0, MEMMAP_LIMIT, MEMMAP_LIMIT + 0x1000, 0),
	};

	descs[2].desc.pages = UINT64_MAX;
	assert_int_equal(convert(descs, ARRAY_SIZE(descs), MAX_OUT), 2);
	assert_region(0, 0x1000, 0x2000, HANDOFF_MEM_RAM);
	assert_region(1, 0x3000, MEMMAP_LIMIT, HANDOFF_MEM_RAM);
	assert_int_equal(convert(descs, 0, MAX_OUT), 0);
}

static void too_many_regions_stay_inside(void **state)
{
	static const struct long_desc descs[] = {
	    DESC(7, 0x1000, 0x2000, 0),
	    DESC(0, 0x2000, 0x3000, 0),
	    DESC(7, 0x3000, 0x4000, 0),
	};

	assert_int_equal(convert(descs, ARRAY_SIZE(descs), 2), 3);
	assert_region(1, 0x2000, 0x3000, HANDOFF_MEM_RESERVED);
	assert_int_equal(out[2].size, 0);
}

static void short_descriptors_are_no_map(void **state)
{
	static const uint64_t some[8];
	struct memmap map = {some, sizeof(some), 8};

	assert_int_equal(memmap_count(&map), 0);
}

/* ---- paging ------------------------------------------------------------------ */

static void *pages[64];
static unsigned page_count, page_limit;

static void *page_new(void)
{
	if (page_count == page_limit)
		return NULL;
	pages[page_count] = aligned_alloc(4096, 4096);
	assert_non_null(pages[page_count]);
	memset(pages[page_count], 0, 4096);
	return pages[page_count++];
}

static int setup(void **state)
{
	page_count = 0;
	page_limit = ARRAY_SIZE(pages);
	return 0;
}

static int teardown(void **state)
{
	while (page_count)
		free(pages[--page_count]);
	return 0;
}

/* SDM volume 3, "4-Level Paging": the physical address, or UINT64_MAX for a page fault. */
static uint64_t walk(const uint64_t *table, uint64_t virt)
{
	for (unsigned shift = 39;; shift -= 9) {
		uint64_t entry = table[virt >> shift & 511];

		if (!(entry & 1) || !(entry & 2))
			return UINT64_MAX;
		if (shift < 39 && entry & 0x80) {
			assert_int_equal(entry & ((1ull << shift) - 1) & ~0xfffull, 0);
			return (entry & 0x000fffffffffffffull & ~((1ull << shift) - 1)) |
			       (virt & ((1ull << shift) - 1));
		}
		table = (const uint64_t *)(uintptr_t)(entry & 0x000ffffffffff000ull);
	}
}

static void assert_direct(const struct paging *pg, uint64_t phys, bool mapped)
{
	assert_int_equal(walk(pg->pml4, phys), mapped ? phys : UINT64_MAX);
	assert_int_equal(walk(pg->pml4, DIRECT_MAP + phys), mapped ? phys : UINT64_MAX);
}

static void check_maps(bool gib_pages)
{
	struct paging pg;

	assert_int_equal(paging_init(&pg, page_new, gib_pages), 0);
	assert_int_equal(paging_map_direct(&pg, 0, 4 * GiB), 0);
	assert_int_equal(paging_map_direct(&pg, 6 * GiB - 0x5000, 3 * GiB + 0x6000), 0);
	assert_int_equal(paging_map_direct(&pg, 7 * GiB + 0x3000, 0x1000), 0); /* again */
	assert_int_equal(paging_map_direct(&pg, 10ull << 39, 0x1000), 0);
	assert_int_equal(paging_map_kernel(&pg, 0x1dc00000, 2 * SIZE_2M), 0);
	assert_direct(&pg, 0, true);
	assert_direct(&pg, 4 * GiB - 1, true);
	assert_direct(&pg, 4 * GiB, false);
	assert_direct(&pg, 6 * GiB - SIZE_2M - 1, false);
	assert_direct(&pg, 6 * GiB - 0x5000, true);
	assert_direct(&pg, 7 * GiB + 0x3123, true);
	assert_direct(&pg, 9 * GiB + 0xfff, true);
	assert_direct(&pg, 9 * GiB + SIZE_2M, false);
	assert_direct(&pg, (10ull << 39) + 12, true);
	assert_int_equal(walk(pg.pml4, KERNEL_BASE + 0x3fffff), 0x1dc00000 + 0x3fffff);
	assert_int_equal(walk(pg.pml4, KERNEL_BASE + 0x400000), UINT64_MAX);
	assert_int_equal(walk(pg.pml4, KERNEL_BASE - 1), UINT64_MAX);
}

static void maps_with_2m_pages(void **state)
{
	check_maps(false);
}

static void maps_with_1g_pages(void **state)
{
	unsigned with_2m;

	check_maps(false);
	with_2m = page_count;
	teardown(NULL);
	check_maps(true);
	assert_true(page_count < with_2m);
}

static void short_memory_is_an_error(void **state)
{
	struct paging pg;

	page_limit = 0;
	assert_int_equal(paging_init(&pg, page_new, false), -E_NOMEM);
	page_limit = 3; /* root, PDPT, one PD: enough for 1 GiB */
	assert_int_equal(paging_init(&pg, page_new, false), 0);
	assert_int_equal(paging_map_direct(&pg, 0, 4 * GiB), -E_NOMEM);
	assert_int_equal(paging_map_kernel(&pg, 0, SIZE_2M), -E_NOMEM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(types_are_sorted_and_merged),
	    cmocka_unit_test(overlaps_take_the_careful_type),
	    cmocka_unit_test(absurd_sizes_are_clipped),
	    cmocka_unit_test(too_many_regions_stay_inside),
	    cmocka_unit_test(short_descriptors_are_no_map),
	    cmocka_unit_test_setup_teardown(maps_with_2m_pages, setup, teardown),
	    cmocka_unit_test_setup_teardown(maps_with_1g_pages, setup, teardown),
	    cmocka_unit_test_setup_teardown(short_memory_is_an_error, setup, teardown),
	};

	return cmocka_run_group_tests_name("boot_memory", tests, NULL, NULL);
}
