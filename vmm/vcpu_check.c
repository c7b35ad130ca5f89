/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Could a processor be in the state that a stream brings? What would fault in the
 * host (XRSTOR, WRMSR) is an attack; what VM entry would refuse must be found while
 * the source can still go on (SDM vol. 3, "Checking and Loading Guest State").
 */
#include "kernel/lib/string.h"
#include "kernel/log.h"
#include "vmm/cpu_policy_limits.h"
#include "vmm/vcpu.h"

#define MXCSR_OFFSET 24
#define XSAVE_HEADER 512 /* XSTATE_BV, XCOMP_BV, reserved */

#define CR0_PE	  BIT(0)
#define CR0_NW	  BIT(29)
#define CR0_CD	  BIT(30)
#define CR0_PG	  BIT(31)
#define CR0_KNOWN 0xe005003ful
#define CR4_PAE	  BIT(5)
#define CR4_PCIDE BIT(17)
#define EFER_LME  BIT(8)
#define EFER_LMA  BIT(10)
#define EFER_ALL  0xd01ul /* SCE, LME, LMA, NXE */

#define RFLAGS_TF  BIT(8)
#define RFLAGS_IF  BIT(9)
#define RFLAGS_VM  BIT(17)
#define RFLAGS_ALL 0x3f7fd7ul
#define DBG_ALL	   0x500ful /* B0-B3, enabled breakpoint, BS */
#define DBG_BS	   BIT(14)

static bool is_canonical(uint64_t va)
{
	return (uint64_t)((int64_t)(va << 16) >> 16) == va;
}

static int refuse(const struct vcpu *v, const char *what, uint64_t value)
{
	log_warn("vcpu %u: incoming state refused: %s is %#lx", v->id, what, value);
	return -E_INVAL;
}

/* What XRSTOR and XSETBV would fault on (SDM vol. 1, "XRSTOR"): the fault would be the host's. */
static int check_xsave(const struct vcpu *v, const struct cpu_state *in)
{
	uint64_t header[8];
	uint32_t mxcsr;

	if (in->xsave_len != CPU_XSAVE_MAX)
		return refuse(v, "length of the extended state", in->xsave_len);
	memcpy(header, in->xsave + XSAVE_HEADER, sizeof(header));
	memcpy(&mxcsr, in->xsave + MXCSR_OFFSET, sizeof(mxcsr));
	if (header[0] & ~(v->vm->cpuid.xcr0 | XCR0_ALWAYS))
		return refuse(v, "XSTATE_BV", header[0]);
	for (int i = 1; i < 8; i++)
		if (header[i])
			return refuse(v, "reserved part of the XSAVE header", header[i]);
	if (mxcsr >> 16)
		return refuse(v, "MXCSR", mxcsr);
	if ((in->xcr0 & ~v->vm->cpuid.xcr0) || !xcr0_is_valid(in->xcr0))
		return refuse(v, "XCR0", in->xcr0);
	return 0;
}

/* Each byte is a memory type: 0, 1, 4 to 7 (SDM vol. 3, "IA32_PAT MSR"). */
static bool pat_is_valid(uint64_t pat)
{
	for (int i = 0; i < 8; i++, pat >>= 8)
		if ((pat & 0xff) > 7 || (pat & 0xff) == 2 || (pat & 0xff) == 3)
			return false;
	return true;
}

static int check_msrs(const struct vcpu *v, const struct cpu_state *in)
{
	static const uint8_t addresses[] = {CPU_MSR_LSTAR, CPU_MSR_CSTAR, CPU_MSR_KERNEL_GS_BASE,
					    CPU_MSR_SYSENTER_ESP, CPU_MSR_SYSENTER_EIP};

	for (size_t i = 0; i < ARRAY_SIZE(addresses); i++)
		if (!is_canonical(in->msrs[addresses[i]]))
			return refuse(v, "an address MSR", in->msrs[addresses[i]]);
	if (in->msrs[CPU_MSR_FMASK] >> 32)
		return refuse(v, "FMASK", in->msrs[CPU_MSR_FMASK]);
	if (in->msrs[CPU_MSR_TSC_AUX] >> 32)
		return refuse(v, "TSC_AUX", in->msrs[CPU_MSR_TSC_AUX]);
	if (in->msrs[CPU_MSR_SPEC_CTRL]) /* no guest is shown it */
		return refuse(v, "SPEC_CTRL", in->msrs[CPU_MSR_SPEC_CTRL]);
	if (in->msrs[CPU_MSR_SYSENTER_CS] >> 32)
		return refuse(v, "SYSENTER_CS", in->msrs[CPU_MSR_SYSENTER_CS]);
	if (!pat_is_valid(in->msrs[CPU_MSR_PAT]))
		return refuse(v, "PAT", in->msrs[CPU_MSR_PAT]);
	return 0;
}

static int check_pdptes(const struct vcpu *v, const struct cpu_state *in)
{
	uint64_t reserved = ~(BIT(v->vm->cpuid.phys_bits) - 1) | 0x1e6;

	if (!(in->cr0 & CR0_PG) || !(in->cr4 & CR4_PAE) || (in->efer & EFER_LMA))
		return 0;
	for (int i = 0; i < 4; i++)
		if ((in->pdpte[i] & 1) && (in->pdpte[i] & reserved))
			return refuse(v, "a PDPTE", in->pdpte[i]);
	return 0;
}

static int check_control(const struct vcpu *v, const struct cpu_state *in)
{
	bool lma = in->efer & EFER_LMA, paging = in->cr0 & CR0_PG;

	if ((in->cr0 & ~CR0_KNOWN) || (paging && !(in->cr0 & CR0_PE)) ||
	    ((in->cr0 & CR0_NW) && !(in->cr0 & CR0_CD)))
		return refuse(v, "CR0", in->cr0);
	if (in->cr3 >> v->vm->cpuid.phys_bits)
		return refuse(v, "CR3", in->cr3);
	if ((in->cr4 & ~cpu_policy_cr4(&v->vm->cpuid)) || ((in->cr4 & CR4_PCIDE) && !lma) ||
	    (lma && !(in->cr4 & CR4_PAE)))
		return refuse(v, "CR4", in->cr4);
	if (in->cr8 > 15)
		return refuse(v, "CR8", in->cr8);
	if ((in->efer & ~EFER_ALL) || lma != (paging && (in->efer & EFER_LME)))
		return refuse(v, "EFER", in->efer);
	if (in->dr6 >> 32)
		return refuse(v, "DR6", in->dr6);
	if (in->dr7 >> 32)
		return refuse(v, "DR7", in->dr7);
	return check_pdptes(v, in);
}

/* ---- segments ----------------------------------------------------------------------- */

#define TYPE(access) ((access)&15)
#define ACCESS_S     BIT(4)
#define ACCESS_P     BIT(7)
#define ACCESS_L     BIT(13)
#define ACCESS_DB    BIT(14)
#define ACCESS_G     BIT(15)
#define UNUSABLE     BIT(16)
#define ACCESS_RSVD  0xfffe0f00u
#define SELECTOR_TI  4

static const char *const segment_names[SEG_COUNT] = {"ES", "CS", "SS",	 "DS",
						     "FS", "GS", "LDTR", "TR"};

static bool type_fits(unsigned which, unsigned type, bool lma)
{
	switch (which) {
	case SEG_CS: /* accessed code; in real mode read/write data */
		return type == 3 || (type & 9) == 9;
	case SEG_SS:
		return type == 3 || type == 7;
	case SEG_LDTR:
		return type == 2;
	case SEG_TR:
		return type == 11 || (type == 3 && !lma);
	default: /* accessed; code must be readable */
		return (type & 1) && (!(type & 8) || (type & 2));
	}
}

static bool segment_is_valid(const struct cpu_state *in, unsigned which)
{
	const struct cpu_segment *s = &in->seg[which];
	bool lma = in->efer & EFER_LMA, system = which == SEG_LDTR || which == SEG_TR;
	bool wide = system || which == SEG_FS || which == SEG_GS;

	if ((which == SEG_FS || which == SEG_GS) && !is_canonical(s->base))
		return false;
	if (s->access & UNUSABLE)
		return which != SEG_CS && which != SEG_TR;
	if (wide ? !is_canonical(s->base) : s->base >> 32)
		return false;
	if (in->rflags & RFLAGS_VM && !system)
		return s->access == 0xf3 && s->limit == 0xffff && s->base == s->selector * 16ul;
	if ((s->access & ACCESS_RSVD) || !(s->access & ACCESS_P) ||
	    !(s->access & ACCESS_S) != system)
		return false;
	if (system && (s->selector & SELECTOR_TI))
		return false;
	if (which == SEG_CS && lma && (s->access & ACCESS_L) && (s->access & ACCESS_DB))
		return false;
	/* limits of more than 1 MiB count pages */
	if ((s->access & ACCESS_G) ? (s->limit & 0xfff) != 0xfff : s->limit >> 20)
		return false;
	return type_fits(which, TYPE(s->access), lma);
}

#define DPL(access)	((access) >> 5 & 3)
#define TYPE_CONFORMING 4 /* with code */

/* SS.DPL is the privilege level; SDM vol. 3, "Checks on Guest Segment Registers". */
static int check_privilege(const struct vcpu *v, const struct cpu_state *in)
{
	uint32_t cs = in->seg[SEG_CS].access, ss = in->seg[SEG_SS].access;
	bool real = !(in->cr0 & CR0_PE) || TYPE(cs) == 3;

	if (in->rflags & RFLAGS_VM)
		return 0;
	if (real && DPL(ss))
		return refuse(v, "SS for a CPU without protection", ss);
	if (TYPE(cs) == 3)
		return DPL(cs) ? refuse(v, "CS for a CPU without protection", cs) : 0;
	if (TYPE(cs) & TYPE_CONFORMING ? DPL(cs) > DPL(ss) : DPL(cs) != DPL(ss))
		return refuse(v, "CS, whose privilege is not that of SS:", cs);
	return 0;
}

static int check_segments(const struct vcpu *v, const struct cpu_state *in)
{
	for (unsigned i = 0; i < SEG_COUNT; i++)
		if (!segment_is_valid(in, i))
			return refuse(v, segment_names[i], in->seg[i].access);
	if (!is_canonical(in->gdtr_base) || in->gdtr_limit > 0xffff)
		return refuse(v, "GDTR", in->gdtr_base);
	if (!is_canonical(in->idtr_base) || in->idtr_limit > 0xffff)
		return refuse(v, "IDTR", in->idtr_base);
	return check_privilege(v, in);
}

/* ---- where it was ------------------------------------------------------------------- */

static int check_flow(const struct vcpu *v, const struct cpu_state *in)
{
	bool lma = in->efer & EFER_LMA, code64 = lma && (in->seg[SEG_CS].access & ACCESS_L);
	uint32_t both = CPU_BLOCKING_STI | CPU_BLOCKING_MOV_SS;

	if (code64 ? !is_canonical(in->rip) : in->rip >> 32)
		return refuse(v, "RIP", in->rip);
	if ((in->rflags & ~RFLAGS_ALL) ||
	    ((in->rflags & RFLAGS_VM) && (lma || !(in->cr0 & CR0_PE))))
		return refuse(v, "RFLAGS", in->rflags);
	if (in->activity > CPU_WAIT_SIPI || in->activity == CPU_SHUTDOWN)
		return refuse(v, "activity", in->activity);
	if ((in->blocking & ~(both | CPU_BLOCKING_NMI)) || (in->blocking & both) == both ||
	    ((in->blocking & CPU_BLOCKING_STI) && !(in->rflags & RFLAGS_IF)))
		return refuse(v, "blocking", in->blocking);
	if (in->pending_dbg & ~DBG_ALL)
		return refuse(v, "pending debug exceptions", in->pending_dbg);
	/* a step that STI or MOV SS holds back is pending, and nothing else is */
	if ((in->blocking & both) && !(in->pending_dbg & DBG_BS) != !(in->rflags & RFLAGS_TF))
		return refuse(v, "pending debug exceptions", in->pending_dbg);
	if (in->nmi_pending > 1)
		return refuse(v, "pending NMIs", in->nmi_pending);
	return 0;
}

#define EVENT_VALID	BIT(31)
#define EVENT_ERROR	BIT(11)
#define EVENT_RSVD	0x7ffff000u
#define VECTORS_ERROR	0x00027d00u /* 8, 10 to 14, 17 push an error code */
#define INSN_LENGTH_MAX 15

enum event_type { EXTERNAL, RESERVED, NMI, EXCEPTION, SOFT_INT, PRIV_SOFT, SOFT_EXCEPTION, OTHER };

/* SDM vol. 3, "Checks on VM-Entry Control Fields", event injection. */
static int check_event(const struct vcpu *v, const struct cpu_state *in)
{
	uint32_t info = in->event_info, vector = info & 0xff;
	enum event_type type = info >> 8 & 7;
	bool error = info & EVENT_ERROR, interruptible = !(in->blocking & ~CPU_BLOCKING_NMI);
	bool pushes;

	if (!info)
		return 0;
	if (!(info & EVENT_VALID) || (info & EVENT_RSVD) || type == RESERVED || type == OTHER)
		return refuse(v, "the event in delivery", info);
	pushes =
	    type == EXCEPTION && (in->cr0 & CR0_PE) && vector < 32 && (VECTORS_ERROR >> vector & 1);
	if (error != pushes || (error && in->event_error >> 16))
		return refuse(v, "the error code of the event", in->event_error);
	if ((type == EXTERNAL && (!(in->rflags & RFLAGS_IF) || !interruptible)) ||
	    (type == NMI && (vector != 2 || (in->blocking & ~CPU_BLOCKING_STI))) ||
	    (type == EXCEPTION && vector > 31))
		return refuse(v, "the event in delivery", info);
	if (type >= SOFT_INT && (!in->event_len || in->event_len > INSN_LENGTH_MAX))
		return refuse(v, "the length of the event's instruction", in->event_len);
	return 0;
}

int vcpu_check_state(const struct vcpu *v, const struct cpu_state *in)
{
	static int (*const checks[])(const struct vcpu *, const struct cpu_state *) = {
	    check_xsave, check_msrs, check_control, check_segments, check_flow, check_event,
	};

	for (size_t i = 0; i < ARRAY_SIZE(checks); i++) {
		int err = checks[i](v, in);

		if (err)
			return err;
	}
	return 0;
}
