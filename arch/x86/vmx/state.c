/* SPDX-License-Identifier: BSD-2-Clause */
/* struct cpu_state <-> VMCS and lazily switched registers. */
#include "arch/x86/cpu.h"
#include "arch/x86/io.h"
#include "arch/x86/vmx/hw_vcpu.h"
#include "arch/x86/vmx/vmcs.h"
#include "kernel/lib/string.h"

#define SEG_STEP	2
#define RFLAGS_FIXED	BIT(1)
#define ACTIVITY_ACTIVE 0

static void segments_get(struct cpu_state *s)
{
	for (unsigned i = 0; i < SEG_COUNT; i++) {
		struct cpu_segment *seg = &s->seg[i];

		seg->selector = vmread(VMCS_GUEST_ES_SEL + SEG_STEP * i);
		seg->base = vmread(VMCS_GUEST_ES_BASE + SEG_STEP * i);
		seg->limit = vmread(VMCS_GUEST_ES_LIMIT + SEG_STEP * i);
		seg->access = vmread(VMCS_GUEST_ES_ACCESS + SEG_STEP * i);
	}
	s->gdtr_base = vmread(VMCS_GUEST_GDTR_BASE);
	s->gdtr_limit = vmread(VMCS_GUEST_GDTR_LIMIT);
	s->idtr_base = vmread(VMCS_GUEST_IDTR_BASE);
	s->idtr_limit = vmread(VMCS_GUEST_IDTR_LIMIT);
}

static void segments_set(const struct cpu_state *s)
{
	for (unsigned i = 0; i < SEG_COUNT; i++) {
		const struct cpu_segment *seg = &s->seg[i];

		vmwrite(VMCS_GUEST_ES_SEL + SEG_STEP * i, seg->selector);
		vmwrite(VMCS_GUEST_ES_BASE + SEG_STEP * i, seg->base);
		vmwrite(VMCS_GUEST_ES_LIMIT + SEG_STEP * i, seg->limit);
		vmwrite(VMCS_GUEST_ES_ACCESS + SEG_STEP * i, seg->access);
	}
	vmwrite(VMCS_GUEST_GDTR_BASE, s->gdtr_base);
	vmwrite(VMCS_GUEST_GDTR_LIMIT, s->gdtr_limit);
	vmwrite(VMCS_GUEST_IDTR_BASE, s->idtr_base);
	vmwrite(VMCS_GUEST_IDTR_LIMIT, s->idtr_limit);
}

/*
 * An event whose delivery an exit cut short, or that was queued and not yet
 * injected, must be delivered first after the move.
 */
static void event_get(struct cpu_state *s)
{
	uint32_t queued = vmread(VMCS_ENTRY_INTR_INFO);

	if (!(queued & INTR_INFO_VALID))
		return;
	s->event_info = queued;
	s->event_error = vmread(VMCS_ENTRY_ERROR_CODE);
	s->event_len = vmread(VMCS_ENTRY_INSN_LEN);
}

static void msrs_get(const struct hw_vcpu *h, struct cpu_state *s)
{
	s->msrs[CPU_MSR_STAR] = h->star;
	s->msrs[CPU_MSR_LSTAR] = h->lstar;
	s->msrs[CPU_MSR_CSTAR] = h->cstar;
	s->msrs[CPU_MSR_FMASK] = h->fmask;
	s->msrs[CPU_MSR_KERNEL_GS_BASE] = h->kernel_gs_base;
	s->msrs[CPU_MSR_TSC_AUX] = h->tsc_aux;
	s->msrs[CPU_MSR_SYSENTER_CS] = vmread(VMCS_GUEST_SYSENTER_CS);
	s->msrs[CPU_MSR_SYSENTER_ESP] = vmread(VMCS_GUEST_SYSENTER_ESP);
	s->msrs[CPU_MSR_SYSENTER_EIP] = vmread(VMCS_GUEST_SYSENTER_EIP);
	s->msrs[CPU_MSR_PAT] = vmread(VMCS_GUEST_PAT);
}

static void msrs_set(struct hw_vcpu *h, const struct cpu_state *s)
{
	h->star = s->msrs[CPU_MSR_STAR];
	h->lstar = s->msrs[CPU_MSR_LSTAR];
	h->cstar = s->msrs[CPU_MSR_CSTAR];
	h->fmask = s->msrs[CPU_MSR_FMASK];
	h->kernel_gs_base = s->msrs[CPU_MSR_KERNEL_GS_BASE];
	h->tsc_aux = s->msrs[CPU_MSR_TSC_AUX];
	vmwrite(VMCS_GUEST_SYSENTER_CS, s->msrs[CPU_MSR_SYSENTER_CS]);
	vmwrite(VMCS_GUEST_SYSENTER_ESP, s->msrs[CPU_MSR_SYSENTER_ESP]);
	vmwrite(VMCS_GUEST_SYSENTER_EIP, s->msrs[CPU_MSR_SYSENTER_EIP]);
	vmwrite(VMCS_GUEST_PAT, s->msrs[CPU_MSR_PAT]);
}

/* Fields that vmm owns (activity, pending NMI, vmm's MSRs, CR8, TSC) are left as they are. */
void hw_vcpu_get_state(struct hw_vcpu *h, struct cpu_state *s)
{
	hw_vcpu_use(h);
	guest_regs_save(h);
	memcpy(s->gpr, h->gpr, sizeof(s->gpr));
	s->gpr[RSP] = vmread(VMCS_GUEST_RSP);
	s->rip = vmread(VMCS_GUEST_RIP);
	s->rflags = vmread(VMCS_GUEST_RFLAGS);
	s->cr0 = cr0_read();
	s->cr2 = h->cr2;
	s->cr3 = vmread(VMCS_GUEST_CR3);
	s->cr4 = cr4_read();
	s->efer = vmread(VMCS_GUEST_EFER);
	s->xcr0 = h->xcr0;
	memcpy(s->dr, h->dr, sizeof(s->dr));
	s->dr6 = h->dr6;
	s->dr7 = vmread(VMCS_GUEST_DR7);
	segments_get(s);
	msrs_get(h, s);
	s->pending_dbg = vmread(VMCS_GUEST_PENDING_DBG);
	for (int i = 0; i < 4; i++)
		s->pdpte[i] = vmread(VMCS_GUEST_PDPTE0 + 2 * i);
	s->blocking =
	    vmread(VMCS_GUEST_INTR_STATE) & (INTR_STATE_STI | INTR_STATE_MOV_SS | INTR_STATE_NMI);
	s->event_info = s->event_error = s->event_len = 0;
	event_get(s);
	s->xsave_len = CPU_XSAVE_MAX;
	memcpy(s->xsave, h->xsave, CPU_XSAVE_MAX);
}

void hw_vcpu_set_state(struct hw_vcpu *h, const struct cpu_state *s)
{
	hw_vcpu_use(h);
	hw_vcpu_flush(h); /* as a reset would */
	guest_regs_disown(h);
	h->shutdown = false;
	memcpy(h->gpr, s->gpr, sizeof(h->gpr));
	vmwrite(VMCS_GUEST_RSP, s->gpr[RSP]);
	vmwrite(VMCS_GUEST_RIP, s->rip);
	vmwrite(VMCS_GUEST_RFLAGS, s->rflags | RFLAGS_FIXED);
	vmwrite(VMCS_GUEST_CR3, s->cr3);
	cr_load(h, s->cr0, s->cr4, s->efer);
	h->cr2 = s->cr2;
	h->xcr0 = s->xcr0 | 1;
	memcpy(h->dr, s->dr, sizeof(h->dr));
	h->dr6 = s->dr6;
	vmwrite(VMCS_GUEST_DR7, s->dr7);
	segments_set(s);
	msrs_set(h, s);
	vmwrite(VMCS_GUEST_PENDING_DBG, s->pending_dbg);
	for (int i = 0; i < 4; i++)
		vmwrite(VMCS_GUEST_PDPTE0 + 2 * i, s->pdpte[i]);
	vmwrite(VMCS_GUEST_ACTIVITY, ACTIVITY_ACTIVE); /* vmm keeps halted vCPUs outside */
	vmwrite(VMCS_GUEST_INTR_STATE, s->blocking);
	vmwrite(VMCS_ENTRY_INTR_INFO, s->event_info);
	vmwrite(VMCS_ENTRY_ERROR_CODE, s->event_error);
	vmwrite(VMCS_ENTRY_INSN_LEN, s->event_len);
	memcpy(h->xsave, s->xsave, CPU_XSAVE_MAX);
}

/* ---- single registers --------------------------------------------------------------- */

uint64_t hw_vcpu_gpr(const struct hw_vcpu *h, enum cpu_gpr r)
{
	return r == RSP ? vmread(VMCS_GUEST_RSP) : h->gpr[r];
}

void hw_vcpu_set_gpr(struct hw_vcpu *h, enum cpu_gpr r, uint64_t v)
{
	if (r == RSP)
		vmwrite(VMCS_GUEST_RSP, v);
	else
		h->gpr[r] = v;
}

uint64_t hw_vcpu_rip(struct hw_vcpu *h)
{
	return vmread(VMCS_GUEST_RIP);
}

uint64_t hw_vcpu_rflags(struct hw_vcpu *h)
{
	return vmread(VMCS_GUEST_RFLAGS);
}

void hw_vcpu_set_rflags(struct hw_vcpu *h, uint64_t v)
{
	vmwrite(VMCS_GUEST_RFLAGS, v | RFLAGS_FIXED);
}

#define CS_ACCESS_L  BIT(13)
#define CS_ACCESS_DB BIT(14)
#define EFER_LMA     BIT(10)

void hw_vcpu_paging(struct hw_vcpu *h, struct cpu_paging *p)
{
	uint64_t cs = vmread(VMCS_GUEST_ES_ACCESS + SEG_STEP * SEG_CS);

	p->cr0 = cr0_read();
	p->cr3 = vmread(VMCS_GUEST_CR3);
	p->cr4 = cr4_read();
	p->efer = vmread(VMCS_GUEST_EFER);
	p->rflags = vmread(VMCS_GUEST_RFLAGS);
	for (int i = 0; i < 4; i++)
		p->pdpte[i] = vmread(VMCS_GUEST_PDPTE0 + 2 * i);
	p->es_base = vmread(VMCS_GUEST_ES_BASE + SEG_STEP * SEG_ES);
	p->cs_base = vmread(VMCS_GUEST_ES_BASE + SEG_STEP * SEG_CS);
	p->ss_base = vmread(VMCS_GUEST_ES_BASE + SEG_STEP * SEG_SS);
	p->ds_base = vmread(VMCS_GUEST_ES_BASE + SEG_STEP * SEG_DS);
	p->fs_base = vmread(VMCS_GUEST_ES_BASE + SEG_STEP * SEG_FS);
	p->gs_base = vmread(VMCS_GUEST_ES_BASE + SEG_STEP * SEG_GS);
	p->mode_bits = (p->efer & EFER_LMA) && (cs & CS_ACCESS_L) ? 64
		       : cs & CS_ACCESS_DB			  ? 32
								  : 16;
	p->cpl = vmread(VMCS_GUEST_ES_ACCESS + SEG_STEP * SEG_SS) >> 5 & 3;
}

/* ---- MSRs and XCR0 ------------------------------------------------------------------ */

#define MSR_EFER      0xc0000080
#define MSR_TSC_AUX   0xc0000103
#define EFER_LME      BIT(8)
#define EFER_WRITABLE 0xd01ull /* SCE, LME, LMA (ignored), NXE */
#define CR0_PG	      BIT(31)

int hw_vcpu_read_msr(struct hw_vcpu *h, uint32_t msr, uint64_t *out)
{
	if (msr == MSR_EFER)
		*out = vmread(VMCS_GUEST_EFER);
	else if (msr == MSR_TSC_AUX)
		*out = h->tsc_aux;
	else
		return -E_NOTSUP;
	return 0;
}

int hw_vcpu_write_msr(struct hw_vcpu *h, uint32_t msr, uint64_t v)
{
	if (msr == MSR_EFER) {
		if (v & ~EFER_WRITABLE)
			return -E_INVAL;
		if (((v ^ vmread(VMCS_GUEST_EFER)) & EFER_LME) && (cr0_read() & CR0_PG))
			return -E_INVAL;
		efer_write(h, v);
		return 0;
	}
	if (msr == MSR_TSC_AUX) {
		if (v >> 32)
			return -E_INVAL;
		h->tsc_aux = v;
		if (this_cpu()->guest_owner == h && vmx_caps.virt.rdtscp)
			wrmsr(MSR_TSC_AUX, v);
		return 0;
	}
	return -E_NOTSUP;
}

uint64_t hw_vcpu_xcr0(const struct hw_vcpu *h)
{
	return h->xcr0;
}

int hw_vcpu_xsetbv(struct hw_vcpu *h, uint32_t index, uint64_t v)
{
	if (index || (v & ~h->xcr0_allowed) || !xcr0_is_valid(v))
		return -E_INVAL;
	h->xcr0 = v;
	if (this_cpu()->guest_owner == h)
		xcr0_write(v);
	return 0;
}
