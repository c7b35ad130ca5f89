/* SPDX-License-Identifier: BSD-2-Clause */
/* The averages of VMs' CPU time. The arithmetic is kernel/lib/use_average.h. */
#include "vmm/vm_use.h"

#include "kernel/sched.h"
#include "kernel/time.h"
#include "vmm/vcpu.h"

void vm_use_sample(void)
{
	struct vm *vm;

	for (unsigned i = 0; (vm = vm_at(i)); i++) {
		uint64_t used = 0;

		for (uint32_t k = 0; k < vm->vcpu_count; k++)
			if (vm->vcpus[k] && !vm->vcpus[k]->exited)
				used += sched_task_ns(vm->vcpus[k]->task);
		use_average_add(&vm->use, MAX(time_ns(), 1ull), used);
	}
}

uint32_t vm_use_permille(const struct vm *vm)
{
	return vm->state == VM_RUNNING ? use_average_permille(&vm->use) : 0;
}
