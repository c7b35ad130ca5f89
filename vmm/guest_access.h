/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One access of an instruction that is carried out for the guest: up to 8 bytes at a
 * linear address, in RAM or at a device, or half here and half there.
 */
#ifndef VMM_GUEST_ACCESS_H
#define VMM_GUEST_ACCESS_H

#include "arch/x86/virt.h"
#include "vmm/vcpu.h"

struct guest_access {
	struct vcpu *v;
	struct cpu_paging paging;
	uint32_t fault; /* error code and address, when a function said -E_NOENT */
	uint64_t fault_at;
};

/* Where the bytes are: `first` of them at gpa[0], the rest at gpa[1]. */
struct guest_span {
	gpa_t gpa[2];
	unsigned size, first;
};

/* Does it reach into a second page? */
bool guest_span_crosses(uint64_t linear, unsigned size);
/*
 * Translate all of it; how as for guest_walk. 0, or -E_NOENT: the access faults and
 * nothing was changed.
 */
int must_check guest_span_find(struct guest_access *a, uint64_t linear, unsigned size, unsigned how,
			       struct guest_span *out);
uint64_t guest_span_read(struct guest_access *a, const struct guest_span *s);
void guest_span_write(struct guest_access *a, const struct guest_span *s, uint64_t value);
/* The page fault, into the guest. */
void guest_access_fault(struct guest_access *a);

#endif
