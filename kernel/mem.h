/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Host memory: a buddy allocator of 4 KiB to 2 MiB blocks over all usable RAM,
 * and small objects on top. All RAM is mapped at DIRECT_MAP, so any block has
 * both a pointer and a host-physical address. Callers hold the host lock.
 */
#ifndef KERNEL_MEM_H
#define KERNEL_MEM_H

#include "kernel/lib/base.h"

#define PAGES_MAX_ORDER 9 /* 2^9 pages = 2 MiB */

/* A zeroed block of 2^order pages, naturally aligned; NULL when there is none. */
void *must_check pages_alloc(unsigned order);
/* As pages_alloc but not zeroed: for memory that is overwritten at once. */
void *must_check pages_alloc_raw(unsigned order);
void pages_free(void *block, unsigned order);

static inline void *must_check page_alloc(void)
{
	return pages_alloc(0);
}
static inline void page_free(void *page)
{
	pages_free(page, 0);
}

/* Zeroed object of any size up to 2 MiB, 16-byte aligned; NULL when out of memory. */
void *must_check kzalloc(size_t size);
/* NULL is fine. */
void kfree(void *p);

hpa_t virt_to_hpa(const void *p);
void *hpa_to_virt(hpa_t pa);

struct mem_stats {
	uint64_t total_pages; /* RAM that the allocator manages */
	uint64_t free_pages;
	uint64_t free_2m;     /* whole 2 MiB blocks among them */
	uint64_t image_pages; /* the hypervisor's own image and boot files */
};
void mem_get_stats(struct mem_stats *out);

#endif
