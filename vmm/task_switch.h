/* SPDX-License-Identifier: BSD-2-Clause */
/* Hardware task switches, which processors leave to the hypervisor. */
#ifndef VMM_TASK_SWITCH_H
#define VMM_TASK_SWITCH_H

#include "arch/x86/virt.h"
#include "vmm/vcpu.h"

/*
 * Carry out the switch that the exit is about (SDM vol. 3, "Task Management"): on
 * return the guest goes on in the new task, or with the exception that the SDM names.
 */
void task_switch(struct vcpu *v, const struct vcpu_exit *e);

#endif
