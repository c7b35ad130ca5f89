/* SPDX-License-Identifier: BSD-2-Clause */
/* Host page tables (SDM vol. 3, "4-Level Paging"). */
#include "arch/x86/paging.h"
#include "arch/x86/cpu.h"
#include "arch/x86/io.h"

#define PTE_P	 BIT(0)
#define PTE_W	 BIT(1)
#define PTE_PWT	 BIT(3)
#define PTE_PCD	 BIT(4)
#define PTE_PS	 BIT(7)
#define PTE_G	 BIT(8)
#define PTE_NX	 BIT(63)
#define PTE_ADDR 0x000ffffffffff000ull

#define MSR_EFER 0xc0000080
#define EFER_NXE BIT(11)
#define CR0_WP	 BIT(16)
#define CR4_PGE	 BIT(7)

/* In the image, so that it lies below 4 GiB: CPUs start on it from real mode. */
static uint64_t pml4[512] __attribute__((aligned(4096)));
static hpa_t image_phys;

extern uint8_t image_start[], text_end[], rodata_end[], image_end[];

static uint64_t *table_at(uint64_t *entry)
{
	if (!(*entry & PTE_P)) {
		void *page = arch.page_alloc();

		if (!page)
			return NULL;
		*entry = ((uint64_t)page - DIRECT_MAP) | PTE_P | PTE_W;
	}
	return (uint64_t *)(DIRECT_MAP + (*entry & PTE_ADDR));
}

/* Map one page of 4 KiB (level 0), 2 MiB (1) or 1 GiB (2). An existing mapping stays. */
static int map_page(uint64_t va, hpa_t pa, int level, uint64_t flags)
{
	uint64_t *table = pml4;

	for (int l = 3; l > level; l--) {
		uint64_t *entry = &table[va >> (12 + 9 * l) & 511];

		if (l < 3 && (*entry & PTE_PS))
			return 0; /* mapped by a larger page */
		table = table_at(entry);
		if (!table)
			return -E_NOMEM;
	}
	table += va >> (12 + 9 * level) & 511;
	if (!(*table & PTE_P))
		*table = pa | flags | PTE_P | (level ? PTE_PS : 0);
	return 0;
}

static bool have_1g_pages(void)
{
	return cpuid(0x80000000, 0).eax >= 0x80000001 && (cpuid(0x80000001, 0).edx & BIT(26));
}

/* Map [base, base + size) of RAM at the direct map with the largest pages that fit. */
static int map_direct(hpa_t base, uint64_t size)
{
	bool huge = have_1g_pages();
	hpa_t end = base + size;
	int err;

	while (base < end) {
		int level = 0;

		if (!(base & (SIZE_2M - 1)) && end - base >= SIZE_2M)
			level = 1;
		if (huge && !(base & (SIZE_1G - 1)) && end - base >= SIZE_1G)
			level = 2;
		err = map_page(DIRECT_MAP + base, base, level, PTE_W | PTE_G | PTE_NX);
		if (err)
			return err;
		base += PAGE_SIZE << (9 * level);
	}
	return 0;
}

static int map_image(const uint8_t *from, const uint8_t *to, uint64_t flags)
{
	int err;

	for (const uint8_t *va = from; va < to; va += PAGE_SIZE) {
		err = map_page((uint64_t)va, image_phys + (uint64_t)(va - image_start), 0,
			       flags | PTE_G);
		if (err)
			return err;
	}
	return 0;
}

void paging_enable_features(void)
{
	uint64_t cr0, cr4;

	wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_NXE);
	asm volatile("movq %%cr0, %0" : "=r"(cr0));
	asm volatile("movq %0, %%cr0" ::"r"(cr0 | CR0_WP));
	asm volatile("movq %%cr4, %0" : "=r"(cr4));
	asm volatile("movq %0, %%cr4" ::"r"(cr4 | CR4_PGE));
}

int paging_init(const struct handoff *ho)
{
	int err;

	image_phys = ho->kernel_phys;
	for (uint32_t i = 0; i < ho->mem_count; i++) {
		const struct handoff_mem *m = &ho->mem[i];

		if (m->type != HANDOFF_MEM_RAM && m->type != HANDOFF_MEM_LOADER &&
		    m->type != HANDOFF_MEM_ACPI)
			continue;
		err = map_direct(m->base, m->size);
		if (err)
			return err;
	}
	err = map_image(image_start, text_end, 0);
	if (err)
		return err;
	err = map_image(text_end, rodata_end, PTE_NX);
	if (err)
		return err;
	err = map_image(rodata_end, image_end, PTE_W | PTE_NX);
	if (err)
		return err;
	paging_enable_features();
	asm volatile("movq %0, %%cr3" ::"r"(paging_root()) : "memory");
	return 0;
}

hpa_t paging_root(void)
{
	return image_phys + (uint64_t)((uint8_t *)pml4 - image_start);
}

volatile void *paging_map_mmio(hpa_t base, uint64_t size)
{
	hpa_t first = ALIGN_DOWN(base, PAGE_SIZE), end = ALIGN_UP(base + size, PAGE_SIZE);

	for (hpa_t pa = first; pa < end; pa += PAGE_SIZE)
		if (map_page(DIRECT_MAP + pa, pa, 0, PTE_W | PTE_PWT | PTE_PCD | PTE_NX) != 0)
			return NULL;
	return (volatile void *)(DIRECT_MAP + base);
}

/* Between them are pages that are not mapped: an overrun faults, and reports on its IST stack. */
#define STACKS_BASE (KERNEL_BASE + SIZE_1G)

uint8_t *paging_map_stack(unsigned pages)
{
	static uint64_t next = STACKS_BASE;

	next += PAGE_SIZE;
	for (unsigned i = 0; i < pages; i++, next += PAGE_SIZE) {
		void *page = arch.page_alloc();

		if (!page ||
		    map_page(next, (uint64_t)page - DIRECT_MAP, 0, PTE_W | PTE_G | PTE_NX) != 0)
			return NULL;
	}
	return (uint8_t *)next;
}

void paging_map_low(bool on)
{
	if (on)
		(void)!map_page(0, 0, 1, PTE_W);
	else
		pml4[0] = 0;
	asm volatile("movq %0, %%cr3" ::"r"(paging_root()) : "memory");
}
