/* SPDX-License-Identifier: BSD-2-Clause */
/* Guest-virtual memory for what the hypervisor carries out itself: the guest's own page tables. */
#ifndef VMM_GUEST_WALK_H
#define VMM_GUEST_WALK_H

#include "arch/x86/virt.h"
#include "vmm/vm.h"

/* Kinds of access, ORed; 0 is a read at the present privilege level. */
#define WALK_WRITE  1u
#define WALK_FETCH  2u
#define WALK_SYSTEM 4u /* of descriptor tables and TSSs: a supervisor's, whatever the CPL */

/*
 * Translate a linear address by the guest's tables (SDM vol. 3, "Paging"; up to 4
 * levels). 0 and *gpa, with the accessed and dirty flags set as the processor does; or
 * -E_NOENT with the page-fault error code in *fault and nothing changed.
 */
int must_check guest_walk(struct vm *vm, const struct cpu_paging *p, uint64_t linear, unsigned how,
			  gpa_t *gpa, uint32_t *fault);
/* The same, and nothing is changed in any case: would the access go through? */
int must_check guest_walk_probe(struct vm *vm, const struct cpu_paging *p, uint64_t linear,
				unsigned how, gpa_t *gpa, uint32_t *fault);

/*
 * Copy from or to linear addresses, crossing pages; how may add WALK_FETCH or
 * WALK_SYSTEM. As guest_walk; *fault_at is the address. A write has at most PAGE_SIZE
 * bytes (-E_RANGE) and is done whole or not at all.
 */
int must_check guest_linear_read(struct vm *vm, const struct cpu_paging *p, uint64_t linear,
				 void *buf, size_t len, unsigned how, uint32_t *fault,
				 uint64_t *fault_at);
int must_check guest_linear_write(struct vm *vm, const struct cpu_paging *p, uint64_t linear,
				  const void *buf, size_t len, unsigned how, uint32_t *fault,
				  uint64_t *fault_at);

#endif
