/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The only place that knows which guest pages changed: guest writes seen by the
 * hardware, and writes the hypervisor makes. One bit a RAM page (by
 * guest_mem index). Harvest hands over a page exactly once.
 */
#ifndef VMM_DIRTY_LOG_H
#define VMM_DIRTY_LOG_H

#include "kernel/lib/base.h"

struct vm;

enum dirty_method { DIRTY_AUTO, DIRTY_PML, DIRTY_ACCESSED, DIRTY_WRITE_PROTECT, DIRTY_METHODS };
const char *dirty_method_name(enum dirty_method m); /* "auto", "pml", "ad", "wp" */

struct dirty_log {
	bool on;
	enum dirty_method method;
	uint64_t pages;	 /* RAM pages = bits */
	uint64_t *bits;	 /* dirty since the last harvest */
	uint64_t marked; /* bits set now */
	uint64_t total;	 /* marks since start, for the dirty rate */
};

/*
 * Start tracking with every page dirty. 0, -E_NOTSUP (the CPU lacks that
 * method), -E_NOMEM, -E_BUSY (on already).
 */
int must_check dirty_log_start(struct vm *vm, enum dirty_method method);
void dirty_log_stop(struct vm *vm);
/* A write by the hypervisor, or a write fault of the guest. Cheap when off. */
void dirty_log_mark(struct vm *vm, gfn_t gfn);
/*
 * Gather what the hardware noted, then move all bits into out (one bit a page,
 * (pages + 63) / 64 words) and protect / clear those pages anew, before the
 * caller reads any of them. Returns the number of set bits.
 */
uint64_t dirty_log_harvest(struct vm *vm, uint64_t *out);
/* Pages dirty now, hardware included; takes nothing. */
uint64_t dirty_log_count(struct vm *vm);
/* Give harvested pages back (a send that failed or was cancelled). */
void dirty_log_give_back(struct vm *vm, const uint64_t *bits);

#endif
