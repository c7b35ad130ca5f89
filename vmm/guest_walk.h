/* SPDX-License-Identifier: BSD-2-Clause */
/* Guest-virtual memory for instruction fetch and string operands: the guest's own page tables. */
#ifndef VMM_GUEST_WALK_H
#define VMM_GUEST_WALK_H

#include "arch/x86/virt.h"
#include "vmm/vm.h"

/*
 * Translate a linear address by the guest's tables (SDM vol. 3, "Paging"; up to 4
 * levels). write and user say what kind of access. 0 and *gpa, or -E_NOENT with
 * the page-fault error code in *fault. Accessed and dirty flags are not set.
 */
int must_check guest_walk(struct vm *vm, const struct cpu_paging *p, uint64_t linear, bool write,
			  gpa_t *gpa, uint32_t *fault);

/* Copy from or to linear addresses, crossing pages. As guest_walk; *fault_at is the address.
 * A write has at most PAGE_SIZE bytes (-E_RANGE) and is done whole or not at all. */
int must_check guest_linear_read(struct vm *vm, const struct cpu_paging *p, uint64_t linear,
				 void *buf, size_t len, uint32_t *fault, uint64_t *fault_at);
int must_check guest_linear_write(struct vm *vm, const struct cpu_paging *p, uint64_t linear,
				  const void *buf, size_t len, uint32_t *fault, uint64_t *fault_at);

#endif
