/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Registers that VM exits do not switch and the hypervisor never uses: FPU and
 * vector state, SYSCALL MSRs, CR2, debug registers. They stay in the CPU across
 * exits and are saved only when another guest needs the CPU, or a move does.
 */
#include "arch/x86/cpu.h"
#include "arch/x86/io.h"
#include "arch/x86/vmx/hw_vcpu.h"

#define MSR_STAR	   0xc0000081
#define MSR_LSTAR	   0xc0000082
#define MSR_CSTAR	   0xc0000083
#define MSR_FMASK	   0xc0000084
#define MSR_KERNEL_GS_BASE 0xc0000102
#define MSR_TSC_AUX	   0xc0000103
#define DR6_BREAKPOINTS	   0xfull

static void fpu_save(struct hw_vcpu *h)
{
	if (!vmx_caps.xsave) {
		asm volatile("fxsave64 %0" : "=m"(*(uint8_t(*)[512])h->xsave));
		return;
	}
	/* All that the guest may ever have enabled, and SSE, which it uses without asking. */
	xcr0_write(h->xcr0_allowed | XCR0_ALWAYS);
	asm volatile("xsave64 %0" : "+m"(*(uint8_t(*)[CPU_XSAVE_MAX])h->xsave) : "a"(-1), "d"(-1));
	xcr0_write(h->xcr0);
}

static void fpu_load(struct hw_vcpu *h)
{
	if (!vmx_caps.xsave) {
		asm volatile("fxrstor64 %0" ::"m"(*(uint8_t(*)[512])h->xsave));
		return;
	}
	xcr0_write(h->xcr0_allowed | XCR0_ALWAYS);
	asm volatile("xrstor64 %0" ::"m"(*(uint8_t(*)[CPU_XSAVE_MAX])h->xsave), "a"(-1), "d"(-1));
	xcr0_write(h->xcr0);
}

const uint64_t *guest_drs(struct hw_vcpu *h)
{
	if (this_cpu()->guest_owner == h) {
		asm volatile("movq %%dr0, %0" : "=r"(h->dr[0]));
		asm volatile("movq %%dr1, %0" : "=r"(h->dr[1]));
		asm volatile("movq %%dr2, %0" : "=r"(h->dr[2]));
		asm volatile("movq %%dr3, %0" : "=r"(h->dr[3]));
	}
	return h->dr;
}

void guest_regs_save(struct hw_vcpu *h)
{
	if (this_cpu()->guest_owner != h)
		return;
	fpu_save(h);
	asm volatile("movq %%cr2, %0" : "=r"(h->cr2));
	(void)guest_drs(h);
	asm volatile("movq %%dr6, %0" : "=r"(h->dr6));
	h->star = rdmsr(MSR_STAR);
	h->lstar = rdmsr(MSR_LSTAR);
	h->cstar = rdmsr(MSR_CSTAR);
	h->fmask = rdmsr(MSR_FMASK);
	h->kernel_gs_base = rdmsr(MSR_KERNEL_GS_BASE);
}

void guest_dr6_add(struct hw_vcpu *h, uint64_t causes)
{
	bool here = this_cpu()->guest_owner == h;

	if (here)
		asm volatile("movq %%dr6, %0" : "=r"(h->dr6));
	h->dr6 = (h->dr6 & ~DR6_BREAKPOINTS) | causes;
	if (here)
		asm volatile("movq %0, %%dr6" ::"r"(h->dr6));
}

void guest_regs_load(struct hw_vcpu *h)
{
	struct cpu *c = this_cpu();

	if (c->guest_owner == h)
		return;
	if (c->guest_owner)
		guest_regs_save(c->guest_owner);
	c->guest_owner = h;
	fpu_load(h);
	asm volatile("movq %0, %%cr2" ::"r"(h->cr2));
	asm volatile("movq %0, %%dr0" ::"r"(h->dr[0]));
	asm volatile("movq %0, %%dr1" ::"r"(h->dr[1]));
	asm volatile("movq %0, %%dr2" ::"r"(h->dr[2]));
	asm volatile("movq %0, %%dr3" ::"r"(h->dr[3]));
	asm volatile("movq %0, %%dr6" ::"r"(h->dr6));
	wrmsr(MSR_STAR, h->star);
	wrmsr(MSR_LSTAR, h->lstar);
	wrmsr(MSR_CSTAR, h->cstar);
	wrmsr(MSR_FMASK, h->fmask);
	wrmsr(MSR_KERNEL_GS_BASE, h->kernel_gs_base);
	if (vmx_caps.virt.rdtscp)
		wrmsr(MSR_TSC_AUX, h->tsc_aux);
}

void guest_regs_disown(struct hw_vcpu *h)
{
	if (this_cpu()->guest_owner == h)
		this_cpu()->guest_owner = NULL;
}

void hw_vcpu_set_cr2(struct hw_vcpu *h, uint64_t v)
{
	h->cr2 = v;
	if (this_cpu()->guest_owner == h)
		asm volatile("movq %0, %%cr2" ::"r"(v));
}
