/* SPDX-License-Identifier: BSD-2-Clause */
/* What happens on each kind of exit; called by the vCPU loop, with the host lock. */
#ifndef VMM_EXITS_H
#define VMM_EXITS_H

#include "arch/x86/virt.h"
#include "vmm/vcpu.h"

void exits_handle(struct vcpu *v, const struct vcpu_exit *e);

/* Harvest the hardware's dirty buffer of this vCPU into the dirty log. */
void vcpu_drain_dirty(struct vcpu *v);

/* vmm/msr.c: 0, or -E_INVAL for #GP. */
int must_check msr_read(struct vcpu *v, uint32_t msr, uint64_t *out);
int must_check msr_write(struct vcpu *v, uint32_t msr, uint64_t value);

/* vmm/mtrr.c: 0, -E_INVAL for #GP, -E_NOTSUP when msr is no MTRR. */
int must_check mtrr_read(struct vcpu *v, uint32_t msr, uint64_t *out);
int must_check mtrr_write(struct vcpu *v, uint32_t msr, uint64_t value);

/* vmm/exit_mem.c: an access to an address without RAM; a string port access. */
void exit_mmio(struct vcpu *v, const struct vcpu_exit *e);
/* True when the instruction is done and RIP is to advance. */
bool exit_string_io(struct vcpu *v, const struct vcpu_exit *e);

#define VECTOR_UD 6
#define VECTOR_TS 10
#define VECTOR_NP 11
#define VECTOR_SS 12
#define VECTOR_GP 13
#define VECTOR_PF 14

#endif
