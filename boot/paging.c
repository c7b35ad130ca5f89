/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * 4-level page tables of large pages. The identity map and DIRECT_MAP share
 * everything below the root, so one walk serves both. Permissions and memory
 * types are left to the kernel's own tables and to the MTRRs.
 */
#include "boot/paging.h"
#include "boot/handoff.h"

/* SDM volume 3, "4-Level Paging and 5-Level Paging" */
#define PTE_P	 BIT(0)
#define PTE_W	 BIT(1)
#define PTE_PS	 BIT(7)
#define PTE_ADDR 0x000ffffffffff000ull

#define PT_ENTRIES  512
#define PML4_SHIFT  39
#define PDPT_SHIFT  30
#define PD_SHIFT    21
#define PML4_DIRECT ((DIRECT_MAP >> PML4_SHIFT) % PT_ENTRIES)
#define PML4_KERNEL ((KERNEL_BASE >> PML4_SHIFT) % PT_ENTRIES)
#define PDPT_KERNEL ((KERNEL_BASE >> PDPT_SHIFT) % PT_ENTRIES)

static unsigned paging_index(uint64_t addr, unsigned shift)
{
	return (addr >> shift) % PT_ENTRIES;
}

/* The table that an entry names, made on first use; NULL when memory is short. */
static uint64_t *paging_table(struct paging *pg, uint64_t *entry)
{
	if (!(*entry & PTE_P)) {
		void *table = pg->page_new();

		if (!table)
			return NULL;
		*entry = (uintptr_t)table | PTE_P | PTE_W;
	}
	return (uint64_t *)(uintptr_t)(*entry & PTE_ADDR);
}

int paging_init(struct paging *pg, void *(*page_new)(void), bool gib_pages)
{
	pg->page_new = page_new;
	pg->gib_pages = gib_pages;
	pg->pml4 = page_new();
	return pg->pml4 ? 0 : -E_NOMEM;
}

/* Maps from addr (2 MiB-aligned) as much as one page takes; returns its size, 0 without memory. */
static uint64_t paging_map_step(struct paging *pg, uint64_t addr, uint64_t end)
{
	uint64_t *root = &pg->pml4[paging_index(addr, PML4_SHIFT)];
	uint64_t *pdpt = paging_table(pg, root);
	uint64_t *entry, *pd;

	if (!pdpt)
		return 0;
	pg->pml4[PML4_DIRECT + paging_index(addr, PML4_SHIFT)] = *root;
	entry = &pdpt[paging_index(addr, PDPT_SHIFT)];
	if (*entry & PTE_PS)
		return SIZE_1G - addr % SIZE_1G;
	/*
	 * No 1 GiB page below 4 GiB: there memory types change in mid-GiB, and one
	 * TLB entry over several types is undefined (SDM volume 3, "Large Page
	 * Size Considerations").
	 */
	if (!*entry && pg->gib_pages && addr >= 4 * GiB && addr % SIZE_1G == 0 &&
	    end - addr >= SIZE_1G) {
		*entry = addr | PTE_P | PTE_W | PTE_PS;
		return SIZE_1G;
	}
	pd = paging_table(pg, entry);
	if (!pd)
		return 0;
	pd[paging_index(addr, PD_SHIFT)] = addr | PTE_P | PTE_W | PTE_PS;
	return SIZE_2M;
}

int paging_map_direct(struct paging *pg, hpa_t base, uint64_t size)
{
	uint64_t addr = ALIGN_DOWN(base, SIZE_2M), end = ALIGN_UP(base + size, SIZE_2M);

	while (addr < end) {
		uint64_t step = paging_map_step(pg, addr, end);

		if (step == 0)
			return -E_NOMEM;
		addr += step;
	}
	return 0;
}

int paging_map_kernel(struct paging *pg, hpa_t phys, uint64_t size)
{
	uint64_t *pdpt = paging_table(pg, &pg->pml4[PML4_KERNEL]);
	uint64_t *pd = pdpt ? paging_table(pg, &pdpt[PDPT_KERNEL]) : NULL;

	if (!pd)
		return -E_NOMEM;
	for (uint64_t off = 0; off < size; off += SIZE_2M)
		pd[off >> PD_SHIFT] = (phys + off) | PTE_P | PTE_W | PTE_PS;
	return 0;
}
