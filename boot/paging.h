/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The page tables that handoff.h promises. Tables come from a function of the
 * caller's; their pointers are physical addresses, as under firmware.
 */
#ifndef BOOT_PAGING_H
#define BOOT_PAGING_H

#include "kernel/lib/base.h"

struct paging {
	uint64_t *pml4;		 /* for CR3 */
	void *(*page_new)(void); /* a zeroed page, or NULL */
	bool gib_pages;		 /* CPUID 80000001h EDX bit 26 */
};

/* The empty root. 0 or -E_NOMEM. */
int must_check paging_init(struct paging *pg, void *(*page_new)(void), bool gib_pages);

/*
 * Maps physical [base, base + size), rounded out to 2 MiB, below 255 * 2^39, at its
 * own address and at DIRECT_MAP. What is mapped already stays. 0 or -E_NOMEM.
 */
int must_check paging_map_direct(struct paging *pg, hpa_t base, uint64_t size);

/* Maps KERNEL_BASE to phys; both 2 MiB-aligned, at most 1 GiB. 0 or -E_NOMEM. */
int must_check paging_map_kernel(struct paging *pg, hpa_t phys, uint64_t size);

#endif
