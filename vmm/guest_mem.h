/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest's RAM: 2 MiB blocks of host memory, below 3 GiB and, what is left,
 * from 4 GiB up. Every write by the hypervisor goes through guest_mem_write or
 * is followed by guest_mem_dirty, so that the dirty log misses nothing.
 */
#ifndef VMM_GUEST_MEM_H
#define VMM_GUEST_MEM_H

#include "kernel/lib/base.h"

struct vm;

#define GUEST_LOW_MAX  (3 * GiB) /* RAM below the MMIO hole */
#define GUEST_HIGH_MIN (4 * GiB)

struct guest_mem {
	uint64_t size; /* bytes, a multiple of 2 MiB */
	uint32_t block_count;
	void **blocks; /* 2 MiB each */
};

/* Blocks (yields). All memory now (a guest is never over-committed), zeroed. 0 or -E_NOMEM,
 * -E_INVAL. */
int must_check guest_mem_create(struct guest_mem *m, uint64_t size);
/* Frees; whoever gets the memory next finds it scrubbed. */
void guest_mem_destroy(struct guest_mem *m);

/* RAM page count, and the walk over them: index 0..count-1 <-> gfn. */
uint64_t guest_mem_pages(const struct guest_mem *m);
gfn_t guest_mem_index_to_gfn(const struct guest_mem *m, uint64_t index);
/* UINT64_MAX when gfn is not RAM. */
uint64_t guest_mem_gfn_to_index(const struct guest_mem *m, gfn_t gfn);
/* The page's memory; NULL when gfn is not RAM. */
void *guest_mem_page(const struct guest_mem *m, gfn_t gfn);

/* Copy; any alignment, crossing pages. 0, or -E_RANGE when any byte is not RAM (nothing copied). */
int must_check guest_mem_read(struct vm *vm, gpa_t gpa, void *buf, size_t len);
int must_check guest_mem_write(struct vm *vm, gpa_t gpa, const void *buf, size_t len);
/*
 * A pointer to gpa and in *avail how many bytes follow contiguously in host
 * memory (at most len; a guest-contiguous range may need several calls). NULL
 * when gpa is not RAM. After writing through it, call guest_mem_dirty.
 */
void *guest_mem_ptr(struct vm *vm, gpa_t gpa, size_t len, size_t *avail);
void guest_mem_dirty(struct vm *vm, gpa_t gpa, size_t len);

#endif
