/* SPDX-License-Identifier: BSD-2-Clause */
/* The vCPU's architectural state: power-on values and the stream's table. */
#include "arch/x86/virt.h"
#include "kernel/lib/string.h"
#include "vmm/dev/vlapic.h"
#include "vmm/vcpu.h"

#define CR0_RESET	 0x60000010ul /* CD, NW, ET */
#define CR0_ET		 BIT(4)
#define CR0_CACHE	 0x60000000ul /* CD, NW */
#define DR6_RESET	 0xffff0ff0ul
#define DR7_RESET	 0x400
#define PAT_RESET	 0x0007040600070406ul
#define MISC_FAST_STRING BIT(0)
#define MXCSR_RESET	 0x1f80
#define MXCSR_OFFSET	 24
#define FCW_RESET	 0x37f

#define ACCESS_CODE 0x9b
#define ACCESS_DATA 0x93
#define ACCESS_LDT  0x82
#define ACCESS_TSS  0x8b

/* What a power-up and INIT have in common: the basic registers. */
static void reset_registers(struct cpu_state *s)
{
	memset(s->gpr, 0, sizeof(s->gpr));
	s->gpr[RDX] = 0x600;
	s->rip = 0xfff0;
	s->rflags = 2;
	s->cr2 = s->cr3 = s->cr4 = s->cr8 = s->efer = 0;
	memset(s->dr, 0, sizeof(s->dr));
	s->dr6 = DR6_RESET;
	s->dr7 = DR7_RESET;
	for (unsigned i = 0; i < SEG_COUNT; i++)
		s->seg[i] = (struct cpu_segment){.limit = 0xffff, .access = ACCESS_DATA};
	s->seg[SEG_CS] = (struct cpu_segment){
	    .selector = 0xf000, .base = 0xffff0000, .limit = 0xffff, .access = ACCESS_CODE};
	s->seg[SEG_LDTR].access = ACCESS_LDT;
	s->seg[SEG_TR].access = ACCESS_TSS;
	s->gdtr_base = s->idtr_base = 0;
	s->gdtr_limit = s->idtr_limit = 0xffff;
	s->pending_dbg = 0;
	memset(s->pdpte, 0, sizeof(s->pdpte));
	s->activity = CPU_ACTIVE;
	s->blocking = s->nmi_pending = 0;
	s->event_info = s->event_error = s->event_len = 0;
}

/* SDM vol. 3, table "IA-32 and Intel 64 Processor States Following Power-up, Reset, or INIT". */
void vcpu_reset_state(struct vcpu *v)
{
	struct cpu_state *s = v->state;
	uint16_t fcw = FCW_RESET;
	uint32_t mxcsr = MXCSR_RESET;

	memset(s, 0, sizeof(*s));
	reset_registers(s);
	s->cr0 = CR0_RESET;
	s->xcr0 = 1;
	s->msrs[CPU_MSR_PAT] = PAT_RESET;
	s->msrs[CPU_MSR_MISC_ENABLE] = MISC_FAST_STRING;
	s->xsave_len = CPU_XSAVE_MAX;
	memcpy(s->xsave, &fcw, sizeof(fcw));
	memcpy(s->xsave + MXCSR_OFFSET, &mxcsr, sizeof(mxcsr));
	vcpu_adopt_state(v);
}

/* The same table: FPU and vector registers, MSRs, MTRRs, the TSC and the caches stay. */
void vcpu_init_state(struct vcpu *v)
{
	struct cpu_state *s = v->state;

	reset_registers(s);
	s->cr0 = CR0_ET | (s->cr0 & CR0_CACHE);
	s->activity = v->id ? CPU_WAIT_SIPI : CPU_ACTIVE;
	vcpu_adopt_state(v);
}

void vcpu_adopt_state(struct vcpu *v)
{
	v->wait_sipi = v->state->activity == CPU_WAIT_SIPI;
	v->halted = v->state->activity == CPU_HALTED;
	v->nmi_pending = v->state->nmi_pending;
	v->state_new = true;
}

void vcpu_get_state(struct vcpu *v, struct cpu_state *out)
{
	memcpy(out, v->state, sizeof(*out));
	out->activity = v->wait_sipi ? CPU_WAIT_SIPI : v->halted ? CPU_HALTED : CPU_ACTIVE;
	out->nmi_pending = v->nmi_pending;
	out->cr8 = vlapic_get_cr8(v->lapic);
	out->guest_tsc = vm_guest_tsc(v->vm);
}

int vcpu_set_state(struct vcpu *v, const struct cpu_state *in)
{
	memcpy(v->state, in, sizeof(*in));
	vcpu_adopt_state(v);
	return 0;
}

/* ---- the table ---------------------------------------------------------------------- */

#define F(member) STATE_FIELD(struct cpu_state, member)
#define A(member) STATE_ARRAY(struct cpu_state, member)
#define SEGMENT(n)                                                                                 \
	F(seg[n].base), F(seg[n].limit), F(seg[n].access), F(seg[n].selector), A(seg[n].pad)

static const struct state_field fields[] = {
    A(gpr),	    F(rip),	  F(rflags),   F(cr0),	      F(cr2),	      F(cr3),
    F(cr4),	    F(cr8),	  F(efer),     F(xcr0),	      A(dr),	      F(dr6),
    F(dr7),	    SEGMENT(0),	  SEGMENT(1),  SEGMENT(2),    SEGMENT(3),     SEGMENT(4),
    SEGMENT(5),	    SEGMENT(6),	  SEGMENT(7),  F(gdtr_base),  F(idtr_base),   F(gdtr_limit),
    F(idtr_limit),  A(msrs),	  A(mtrr_var), A(mtrr_fix),   F(guest_tsc),   F(pending_dbg),
    A(pdpte),	    F(activity),  F(blocking), F(event_info), F(event_error), F(event_len),
    F(nmi_pending), F(xsave_len), F(pad),      A(xsave),
};

const struct state_table vcpu_state_table = {
    .name = "vcpu",
    .version = 1,
    .struct_size = sizeof(struct cpu_state),
    .fields = fields,
    .field_count = ARRAY_SIZE(fields),
};
