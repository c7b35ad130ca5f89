/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From a hardware exit to a plain struct vcpu_exit. One table says what each
 * exit reason means; what is missing there stops the VM.
 */
#include "arch/x86/cpu.h"
#include "arch/x86/vmx/hw_vcpu.h"
#include "arch/x86/vmx/vmcs.h"

/* ---- the reasons that need a closer look -------------------------------------------- */

static enum vcpu_exit_kind decode_external(struct hw_vcpu *h, struct vcpu_exit *e)
{
	e->vector = vmread(VMCS_EXIT_INTR_INFO) & 0xff;
	return VCPU_EXIT_HOST;
}

static enum vcpu_exit_kind decode_timer(struct hw_vcpu *h, struct vcpu_exit *e)
{
	e->vector = 0;
	return VCPU_EXIT_HOST;
}

static enum vcpu_exit_kind decode_io(struct hw_vcpu *h, struct vcpu_exit *e)
{
	uint64_t q = vmread(VMCS_EXIT_QUALIFICATION);

	e->io.port = q >> 16;
	e->io.size = (q & 7) + 1;
	e->io.in = q & 8;
	e->io.string = q & 16;
	e->io.rep = q & 32;
	/* the exit comes before the processor looks for breakpoints, which trap afterwards */
	breakpoints_match(h, e->io.port, e->io.size, BIT(DR7_IO));
	if (e->io.string) {
		/* bits 9:7: 0, 1, 2 for 16, 32, 64-bit addresses; 17:15: the segment of OUTS */
		uint64_t info = vmread(VMCS_EXIT_INSN_INFO);
		enum cpu_seg seg = e->io.in ? SEG_ES : (enum cpu_seg)(info >> 15 & 7);

		e->io.addr_size = 2u << (info >> 7 & 3);
		e->io.linear = vmread(VMCS_GUEST_LINEAR_ADDR);
		e->io.outside = !string_io_is_inside(h, e, seg);
		e->io.stack = seg == SEG_SS;
	}
	return VCPU_EXIT_IO;
}

/*
 * The exit cut an IRET short that had ended NMI blocking; the IRET runs again, so
 * blocking must be back (SDM vol. 3, "Exit Qualification for EPT Violations").
 */
static void nmi_blocking_restore(uint64_t qualification)
{
	if ((qualification & EXIT_NMI_UNBLOCK) &&
	    !(vmread(VMCS_IDT_VECTORING_INFO) & INTR_INFO_VALID))
		vmwrite(VMCS_GUEST_INTR_STATE, vmread(VMCS_GUEST_INTR_STATE) | INTR_STATE_NMI);
}

static enum vcpu_exit_kind decode_pml_full(struct hw_vcpu *h, struct vcpu_exit *e)
{
	nmi_blocking_restore(vmread(VMCS_EXIT_QUALIFICATION));
	return VCPU_EXIT_LOG_FULL;
}

/*
 * Nothing is there. What an instruction accesses can be carried out for it; what the
 * processor accesses by itself, for a page walk or to deliver an event, cannot.
 */
static enum vcpu_exit_kind decode_no_memory(struct vcpu_exit *e, uint64_t q)
{
	if ((q & (EPT_Q_LINEAR | EPT_Q_FINAL)) == EPT_Q_LINEAR)
		e->why = "its page tables lie where no memory is";
	else if (vmread(VMCS_IDT_VECTORING_INFO) & INTR_INFO_VALID)
		e->why = "an interrupt or exception needs its IDT, GDT, TSS or stack where no "
			 "memory is";
	else
		return VCPU_EXIT_MMIO;
	return VCPU_EXIT_FAILED;
}

static enum vcpu_exit_kind decode_ept(struct hw_vcpu *h, struct vcpu_exit *e)
{
	uint64_t q = vmread(VMCS_EXIT_QUALIFICATION);
	gpa_t gpa = vmread(VMCS_GUEST_PHYS_ADDR);

	e->mmio.gpa = gpa;
	e->mmio.write = q & 2;
	e->mmio.fetch = q & 4;
	e->insn_len = 0; /* not valid for EPT violations */
	nmi_blocking_restore(q);
	/* The APIC's page may be mapped, but not for instructions. */
	if (ALIGN_DOWN(gpa, PAGE_SIZE) == EPT_APIC_GPA ||
	    slat_lookup(h->setup.slat, gpa, NULL, NULL) == UINT64_MAX ||
	    (e->mmio.write && slat_is_rom(h->setup.slat, gpa)))
		return decode_no_memory(e, q);
	if (e->mmio.write && slat_log_fault(h->setup.slat, gpa))
		return VCPU_EXIT_DIRTY;
	return VCPU_EXIT_RESOLVED; /* mapped with enough rights by now: just try again */
}

static enum vcpu_exit_kind decode_msr_read(struct hw_vcpu *h, struct vcpu_exit *e)
{
	e->msr = h->gpr[RCX];
	return VCPU_EXIT_MSR_READ;
}

static enum vcpu_exit_kind decode_msr_write(struct hw_vcpu *h, struct vcpu_exit *e)
{
	e->msr = h->gpr[RCX];
	return VCPU_EXIT_MSR_WRITE;
}

static enum vcpu_exit_kind decode_cr(struct hw_vcpu *h, struct vcpu_exit *e)
{
	uint64_t q = vmread(VMCS_EXIT_QUALIFICATION);

	if ((q & 15) == 8) {
		e->cr8.gpr = q >> 8 & 15;
		e->cr8.write = (q >> 4 & 3) == 0;
		return VCPU_EXIT_CR8;
	}
	if (!cr_access(h, q))
		return VCPU_EXIT_PROTECTED;
	hw_vcpu_skip(h, e->insn_len);
	return VCPU_EXIT_RESOLVED;
}

/* SDM table "Exit Qualification for Task Switches". */
static enum vcpu_exit_kind decode_task_switch(struct hw_vcpu *h, struct vcpu_exit *e)
{
	uint64_t q = vmread(VMCS_EXIT_QUALIFICATION);

	e->task.selector = (uint16_t)q;
	e->task.source = q >> 30 & 3;
	return VCPU_EXIT_TASK_SWITCH;
}

/* ---- the table ---------------------------------------------------------------------- */

struct exit_row {
	enum vcpu_exit_kind (*decode)(struct hw_vcpu *h, struct vcpu_exit *e);
	enum vcpu_exit_kind kind; /* when there is no function */
	bool known;
};

#define ROW(k)                                                                                     \
	{                                                                                          \
		.kind = (k), .known = true                                                         \
	}
#define CALL(fn)                                                                                   \
	{                                                                                          \
		.decode = (fn), .known = true                                                      \
	}

static const struct exit_row exit_table[] = {
    [EXIT_REASON_EXCEPTION_NMI] = CALL(decode_exception_nmi),
    [EXIT_REASON_EXTERNAL_INTR] = CALL(decode_external),
    [EXIT_REASON_TRIPLE_FAULT] = ROW(VCPU_EXIT_TRIPLE_FAULT),
    [EXIT_REASON_INTR_WINDOW] = ROW(VCPU_EXIT_INTR_WINDOW),
    [EXIT_REASON_NMI_WINDOW] = ROW(VCPU_EXIT_NMI_WINDOW),
    [EXIT_REASON_TASK_SWITCH] = CALL(decode_task_switch),
    [EXIT_REASON_CPUID] = ROW(VCPU_EXIT_CPUID),
    [EXIT_REASON_GETSEC] = ROW(VCPU_EXIT_UNDEFINED),
    [EXIT_REASON_HLT] = ROW(VCPU_EXIT_HLT),
    [EXIT_REASON_INVD] = ROW(VCPU_EXIT_CACHE),
    [EXIT_REASON_RDPMC] = ROW(VCPU_EXIT_PROTECTED),
    [EXIT_REASON_VMCALL... EXIT_REASON_VMXON] = ROW(VCPU_EXIT_UNDEFINED),
    [EXIT_REASON_CR_ACCESS] = CALL(decode_cr),
    [EXIT_REASON_IO] = CALL(decode_io),
    [EXIT_REASON_RDMSR] = CALL(decode_msr_read),
    [EXIT_REASON_WRMSR] = CALL(decode_msr_write),
    [EXIT_REASON_MWAIT] = ROW(VCPU_EXIT_UNDEFINED),
    [EXIT_REASON_MONITOR] = ROW(VCPU_EXIT_UNDEFINED),
    [EXIT_REASON_PAUSE] = ROW(VCPU_EXIT_PAUSE),
    [EXIT_REASON_MACHINE_CHECK] = CALL(machine_check),
    [EXIT_REASON_APIC_ACCESS] = CALL(apicv_decode_access),
    [EXIT_REASON_APIC_EOI] = CALL(apicv_decode_eoi),
    [EXIT_REASON_EPT_VIOLATION] = CALL(decode_ept),
    [EXIT_REASON_INVEPT] = ROW(VCPU_EXIT_UNDEFINED),
    [EXIT_REASON_PREEMPTION] = CALL(decode_timer),
    [EXIT_REASON_INVVPID] = ROW(VCPU_EXIT_UNDEFINED),
    [EXIT_REASON_WBINVD] = ROW(VCPU_EXIT_CACHE),
    [EXIT_REASON_XSETBV] = ROW(VCPU_EXIT_XSETBV),
    [EXIT_REASON_APIC_WRITE] = CALL(apicv_decode_write),
    [EXIT_REASON_PML_FULL] = CALL(decode_pml_full),
};

/*
 * The exit may have cut short the delivery of an event (SDM vol. 3, "Information
 * for VM Exits That Occur During Event Delivery"): queue it again.
 */
static void event_requeue(struct hw_vcpu *h)
{
	uint32_t info = vmread(VMCS_IDT_VECTORING_INFO);

	if (!(info & INTR_INFO_VALID))
		return;
	vmwrite(VMCS_ENTRY_INTR_INFO, info & ~INTR_INFO_NMI_UNBLOCK);
	vmwrite(VMCS_ENTRY_INSN_LEN, vmread(VMCS_EXIT_INSN_LEN));
	if (info & INTR_INFO_ERROR)
		vmwrite(VMCS_ENTRY_ERROR_CODE, vmread(VMCS_IDT_VECTORING_ERROR));
	/* An NMI in delivery sets blocking only when it is delivered. */
	if ((info & INTR_TYPE_MASK) == INTR_TYPE_NMI)
		vmwrite(VMCS_GUEST_INTR_STATE,
			vmread(VMCS_GUEST_INTR_STATE) & ~(uint64_t)INTR_STATE_NMI);
}

void hw_vcpu_decode(struct hw_vcpu *h, struct vcpu_exit *e)
{
	uint32_t reason = h->exit_reason & 0xffff;
	const struct exit_row *row;

	e->why = NULL;
	if (h->failed_entry || (h->exit_reason & EXIT_REASON_ENTRY_FAILED)) {
		e->kind = VCPU_EXIT_FAILED;
		e->failed.reason = h->failed_entry ? 0xffff : reason;
		e->failed.detail =
		    h->failed_entry ? vmread(VMCS_INSN_ERROR) : vmread(VMCS_EXIT_QUALIFICATION);
		return;
	}
	e->insn_len = vmread(VMCS_EXIT_INSN_LEN);
	event_requeue(h);
	row = reason < ARRAY_SIZE(exit_table) ? &exit_table[reason] : NULL;
	if (row && row->known)
		e->kind = row->decode ? row->decode(h, e) : row->kind;
	else
		e->kind = VCPU_EXIT_FAILED;
	if (e->kind == VCPU_EXIT_FAILED) {
		e->failed.reason = reason;
		e->failed.detail = vmread(VMCS_EXIT_QUALIFICATION);
	}
}

/* ---- words -------------------------------------------------------------------------- */

const char *vcpu_exit_name(enum vcpu_exit_kind k)
{
	static const char *const names[VCPU_EXIT_KINDS] = {
	    [VCPU_EXIT_HOST] = "host",
	    [VCPU_EXIT_CPUID] = "cpuid",
	    [VCPU_EXIT_IO] = "io",
	    [VCPU_EXIT_MMIO] = "mmio",
	    [VCPU_EXIT_DIRTY] = "dirty",
	    [VCPU_EXIT_LOG_FULL] = "log-full",
	    [VCPU_EXIT_MSR_READ] = "rdmsr",
	    [VCPU_EXIT_MSR_WRITE] = "wrmsr",
	    [VCPU_EXIT_HLT] = "hlt",
	    [VCPU_EXIT_INTR_WINDOW] = "irq-window",
	    [VCPU_EXIT_NMI_WINDOW] = "nmi-window",
	    [VCPU_EXIT_XSETBV] = "xsetbv",
	    [VCPU_EXIT_CR8] = "cr8",
	    [VCPU_EXIT_APIC_WRITE] = "apic-write",
	    [VCPU_EXIT_APIC_EOI] = "apic-eoi",
	    [VCPU_EXIT_PAUSE] = "pause",
	    [VCPU_EXIT_CACHE] = "cache",
	    [VCPU_EXIT_UNDEFINED] = "undefined",
	    [VCPU_EXIT_PROTECTED] = "protected",
	    [VCPU_EXIT_RESOLVED] = "resolved",
	    [VCPU_EXIT_TRIPLE_FAULT] = "triple-fault",
	    [VCPU_EXIT_TASK_SWITCH] = "task-switch",
	    [VCPU_EXIT_FAILED] = "failed",
	};

	return k < VCPU_EXIT_KINDS ? names[k] : "?";
}

void hw_vcpu_dump(struct hw_vcpu *h, void (*line)(const char *fmt, ...))
{
	static const char *const seg[SEG_COUNT] = {"es", "cs", "ss",   "ds",
						   "fs", "gs", "ldtr", "tr"};

	hw_vcpu_use(h);
	line("exit reason %u qualification %lx gpa %lx linear %lx", h->exit_reason & 0xffff,
	     vmread(VMCS_EXIT_QUALIFICATION), vmread(VMCS_GUEST_PHYS_ADDR),
	     vmread(VMCS_GUEST_LINEAR_ADDR));
	line("rip %016lx rsp %016lx rflags %08lx activity %lu blocking %lx", vmread(VMCS_GUEST_RIP),
	     vmread(VMCS_GUEST_RSP), vmread(VMCS_GUEST_RFLAGS), vmread(VMCS_GUEST_ACTIVITY),
	     vmread(VMCS_GUEST_INTR_STATE));
	line("rax %016lx rbx %016lx rcx %016lx rdx %016lx", h->gpr[RAX], h->gpr[RBX], h->gpr[RCX],
	     h->gpr[RDX]);
	line("rsi %016lx rdi %016lx rbp %016lx r8  %016lx", h->gpr[RSI], h->gpr[RDI], h->gpr[RBP],
	     h->gpr[R8]);
	line("r9  %016lx r10 %016lx r11 %016lx r12 %016lx", h->gpr[R9], h->gpr[R10], h->gpr[R11],
	     h->gpr[R12]);
	line("r13 %016lx r14 %016lx r15 %016lx", h->gpr[R13], h->gpr[R14], h->gpr[R15]);
	line("cr0 %08lx cr3 %016lx cr4 %08lx efer %04lx", cr0_read(), vmread(VMCS_GUEST_CR3),
	     cr4_read(), vmread(VMCS_GUEST_EFER));
	for (unsigned i = 0; i < SEG_COUNT; i++)
		line("%-4s %04lx base %016lx limit %08lx access %05lx", seg[i],
		     vmread(VMCS_GUEST_ES_SEL + 2 * i), vmread(VMCS_GUEST_ES_BASE + 2 * i),
		     vmread(VMCS_GUEST_ES_LIMIT + 2 * i), vmread(VMCS_GUEST_ES_ACCESS + 2 * i));
	line("gdtr %016lx/%04lx idtr %016lx/%04lx", vmread(VMCS_GUEST_GDTR_BASE),
	     vmread(VMCS_GUEST_GDTR_LIMIT), vmread(VMCS_GUEST_IDTR_BASE),
	     vmread(VMCS_GUEST_IDTR_LIMIT));
	line("entry event %lx idt-vectoring %lx", vmread(VMCS_ENTRY_INTR_INFO),
	     vmread(VMCS_IDT_VECTORING_INFO));
}
