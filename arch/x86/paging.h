/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The host's own page tables: all RAM at DIRECT_MAP (not executable), the image
 * at KERNEL_BASE with W^X, device registers uncached at their place in the
 * direct map. Address zero is not mapped.
 */
#ifndef ARCH_X86_PAGING_H
#define ARCH_X86_PAGING_H

#include "boot/handoff.h"
#include "kernel/lib/base.h"

/* Build and switch. Uses arch.page_alloc (pages reachable in the loader's direct map). 0 or
 * -E_NOMEM */
int must_check paging_init(const struct handoff *ho);
/* Map device registers uncached; returns their address, NULL when out of memory. */
volatile void *paging_map_mmio(hpa_t base, uint64_t size);
/* A stack of so many pages above a hole; its top, NULL when out of memory. Never freed. */
uint8_t *paging_map_stack(unsigned pages);
hpa_t paging_root(void);
/* CR4/EFER/CR0 bits that every CPU uses. */
void paging_enable_features(void);
/* Identity-map the first 2 MiB for the start of other CPUs, or take it away. */
void paging_map_low(bool on);

#endif
