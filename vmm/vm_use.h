/* SPDX-License-Identifier: BSD-2-Clause */
/* How busy VMs are, for those who plan moves. Whoever announces this host takes the samples. */
#ifndef VMM_VM_USE_H
#define VMM_VM_USE_H

#include "vmm/vm.h"

/* Look at all VMs' counters; about once a second. Does not block. */
void vm_use_sample(void);
/* Over about the last minute, in permille of one CPU: guest code and the handling of its exits. */
uint32_t vm_use_permille(const struct vm *vm);

#endif
