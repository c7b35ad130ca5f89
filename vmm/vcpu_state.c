/* SPDX-License-Identifier: BSD-2-Clause */
/* The vCPU's architectural state: power-on values and the stream's table. */
#include "arch/x86/virt.h"
#include "kernel/lib/string.h"
#include "vmm/dev/vlapic.h"
#include "vmm/vcpu.h"

#define CR0_RESET	 0x60000010ul /* CD, NW, ET */
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

/* SDM vol. 3, table "IA-32 and Intel 64 Processor States Following Power-up, Reset, or INIT". */
void vcpu_reset_state(struct vcpu *v)
{
	struct cpu_state *s = v->state;
	uint16_t fcw = FCW_RESET;
	uint32_t mxcsr = MXCSR_RESET;

	memset(s, 0, sizeof(*s));
	s->gpr[RDX] = 0x600;
	s->rip = 0xfff0;
	s->rflags = 2;
	s->cr0 = CR0_RESET;
	s->xcr0 = 1;
	s->dr6 = DR6_RESET;
	s->dr7 = DR7_RESET;
	for (unsigned i = 0; i < SEG_COUNT; i++)
		s->seg[i] = (struct cpu_segment){.limit = 0xffff, .access = ACCESS_DATA};
	s->seg[SEG_CS] = (struct cpu_segment){
	    .selector = 0xf000, .base = 0xffff0000, .limit = 0xffff, .access = ACCESS_CODE};
	s->seg[SEG_LDTR].access = ACCESS_LDT;
	s->seg[SEG_TR].access = ACCESS_TSS;
	s->gdtr_limit = s->idtr_limit = 0xffff;
	s->msrs[CPU_MSR_PAT] = PAT_RESET;
	s->msrs[CPU_MSR_MISC_ENABLE] = MISC_FAST_STRING;
	s->xsave_len = CPU_XSAVE_MAX;
	memcpy(s->xsave, &fcw, sizeof(fcw));
	memcpy(s->xsave + MXCSR_OFFSET, &mxcsr, sizeof(mxcsr));
	v->state_new = true;
}

void vcpu_get_state(struct vcpu *v, struct cpu_state *out)
{
	memcpy(out, v->state, sizeof(*out));
	out->guest_tsc = vm_guest_tsc(v->vm);
}

uint64_t vcpu_guest_tsc(const struct vcpu *v)
{
	return vm_guest_tsc(v->vm) + v->state->msrs[CPU_MSR_TSC_ADJUST];
}

int vcpu_set_state(struct vcpu *v, const struct cpu_state *in)
{
	memcpy(v->state, in, sizeof(*in));
	v->state_new = true;
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
