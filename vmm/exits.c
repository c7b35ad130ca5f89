/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The exit table: one handler a kind. A handler says whether the instruction is
 * done; the one place that advances RIP is at the end of exits_handle.
 */
#include "vmm/exits.h"
#include "kernel/irq_init.h"
#include "kernel/lib/format.h"
#include "kernel/log.h"
#include "kernel/sched.h"
#include "vmm/dev/vlapic.h"
#include "vmm/task_switch.h"

#define RFLAGS_TF   BIT(8)
#define CR4_OSXSAVE BIT(18)
#define CR4_PKE	    BIT(22)
#define XSAVEC	    BIT(1)

enum outcome {
	GO_ON, /* enter again at the present RIP */
	SKIP,  /* the instruction is done */
};

static enum outcome handle_host(struct vcpu *v, const struct vcpu_exit *e)
{
	if (e->vector)
		irq_handle_locked(e->vector);
	else
		sched_take_interrupts(); /* some emulators hold them while the guest's IF is 0 */
	return GO_ON;
}

static enum outcome handle_go_on(struct vcpu *v, const struct vcpu_exit *e)
{
	return GO_ON; /* the loop looks at interrupts, logs and so on by itself */
}

static enum outcome handle_pause(struct vcpu *v, const struct vcpu_exit *e)
{
	v->spins = true;
	return SKIP;
}

static enum outcome handle_cache(struct vcpu *v, const struct vcpu_exit *e)
{
	return SKIP;
}

/* Leaves whose answer depends on the CPU's present state; the rest is in the backend's table. */
static enum outcome handle_cpuid(struct vcpu *v, const struct vcpu_exit *e)
{
	uint32_t leaf = hw_vcpu_gpr(v->hw, RAX), subleaf = hw_vcpu_gpr(v->hw, RCX);
	struct cpuid_entry r = {0};
	struct cpu_paging p;

	cpuid_policy_answer(&v->vm->cpuid, v->id, v->vm->vcpu_count, leaf, subleaf, &r);
	hw_vcpu_paging(v->hw, &p);
	if (leaf == 1 && (p.cr4 & CR4_OSXSAVE))
		r.ecx |= BIT(27);
	if (leaf == 1 && !vlapic_is_on(v->lapic)) /* SDM vol. 3, "Enabling or Disabling the
						   * Local APIC" */
		r.edx &= ~(uint32_t)BIT(9);
	if (leaf == 0xd && subleaf < 2)
		r.ebx = cpuid_policy_xsave_size(&v->vm->cpuid, hw_vcpu_xcr0(v->hw), subleaf == 1);
	if (leaf == 0xd && subleaf == 1 && !(r.eax & XSAVEC))
		r.ebx = 0; /* no compacted format, no size of it */
	if (leaf == 7 && subleaf == 0 && (p.cr4 & CR4_PKE))
		r.ecx |= BIT(4);
	hw_vcpu_set_gpr(v->hw, RAX, r.eax);
	hw_vcpu_set_gpr(v->hw, RBX, r.ebx);
	hw_vcpu_set_gpr(v->hw, RCX, r.ecx);
	hw_vcpu_set_gpr(v->hw, RDX, r.edx);
	return SKIP;
}

static enum outcome handle_io(struct vcpu *v, const struct vcpu_exit *e)
{
	uint64_t rax, mask = e->io.size == 4 ? 0xffffffff : BIT(8 * e->io.size) - 1;

	if (e->io.string)
		return exit_string_io(v, e) ? SKIP : GO_ON;
	rax = hw_vcpu_gpr(v->hw, RAX);
	if (!e->io.in) {
		iobus_write(&v->vm->ports, e->io.port, e->io.size, rax & mask);
		return SKIP;
	}
	/* a 32-bit IN clears the upper half of RAX, the smaller ones keep what is above */
	rax = e->io.size == 4 ? 0 : rax & ~mask;
	rax |= iobus_read(&v->vm->ports, e->io.port, e->io.size) & mask;
	hw_vcpu_set_gpr(v->hw, RAX, rax);
	return SKIP;
}

static enum outcome handle_mmio(struct vcpu *v, const struct vcpu_exit *e)
{
	exit_mmio(v,
		  e); /* advances by itself through hw_vcpu_skip: the length comes from decoding */
	return GO_ON;
}

static enum outcome handle_dirty(struct vcpu *v, const struct vcpu_exit *e)
{
	dirty_log_mark(v->vm, e->mmio.gpa >> PAGE_SHIFT);
	return GO_ON;
}

static enum outcome protection(struct vcpu *v)
{
	hw_vcpu_inject_exception(v->hw, VECTOR_GP, true, 0);
	return GO_ON;
}

static enum outcome handle_msr_read(struct vcpu *v, const struct vcpu_exit *e)
{
	uint64_t value = 0;

	if (msr_read(v, e->msr, &value) != 0)
		return protection(v);
	hw_vcpu_set_gpr(v->hw, RAX, (uint32_t)value);
	hw_vcpu_set_gpr(v->hw, RDX, value >> 32);
	return SKIP;
}

static enum outcome handle_msr_write(struct vcpu *v, const struct vcpu_exit *e)
{
	uint64_t value = (uint32_t)hw_vcpu_gpr(v->hw, RAX) | hw_vcpu_gpr(v->hw, RDX) << 32;

	return msr_write(v, e->msr, value) == 0 ? SKIP : protection(v);
}

static enum outcome handle_hlt(struct vcpu *v, const struct vcpu_exit *e)
{
	v->halted = !(hw_vcpu_rflags(v->hw) & RFLAGS_TF); /* the step that is due ends it at once */
	return SKIP;
}

static enum outcome handle_xsetbv(struct vcpu *v, const struct vcpu_exit *e)
{
	uint64_t value = (uint32_t)hw_vcpu_gpr(v->hw, RAX) | hw_vcpu_gpr(v->hw, RDX) << 32;

	struct cpu_paging p;

	hw_vcpu_paging(v->hw, &p);
	/* processors look at the privilege level first, not all emulators do */
	if (p.cpl || hw_vcpu_xsetbv(v->hw, hw_vcpu_gpr(v->hw, RCX), value) != 0)
		return protection(v);
	return SKIP;
}

static enum outcome handle_cr8(struct vcpu *v, const struct vcpu_exit *e)
{
	uint64_t value;

	if (!e->cr8.write) {
		hw_vcpu_set_gpr(v->hw, e->cr8.gpr, vlapic_get_cr8(v->lapic));
		return SKIP;
	}
	value = hw_vcpu_gpr(v->hw, e->cr8.gpr);
	if (value > 15)
		return protection(v);
	vlapic_set_cr8(v->lapic, value);
	return SKIP;
}

static enum outcome handle_apic_write(struct vcpu *v, const struct vcpu_exit *e)
{
	vlapic_hw_write(v->lapic, e->apic.reg, e->apic.value);
	return GO_ON; /* the instruction is done */
}

static enum outcome handle_apic_eoi(struct vcpu *v, const struct vcpu_exit *e)
{
	vlapic_hw_eoi(v->lapic, (uint8_t)e->vector);
	return GO_ON;
}

static enum outcome handle_undefined(struct vcpu *v, const struct vcpu_exit *e)
{
	hw_vcpu_inject_exception(v->hw, VECTOR_UD, false, 0);
	return GO_ON;
}

static enum outcome handle_protected(struct vcpu *v, const struct vcpu_exit *e)
{
	return protection(v);
}

static void dump_line(const char *fmt, ...)
{
	char text[LOG_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	kvsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	log_warn("vcpu: %s", text);
}

static enum outcome handle_triple_fault(struct vcpu *v, const struct vcpu_exit *e)
{
	hw_vcpu_dump(v->hw, dump_line);
	vm_crash(v->vm, "triple fault at rip %#lx", hw_vcpu_rip(v->hw));
	return GO_ON;
}

static enum outcome handle_failed(struct vcpu *v, const struct vcpu_exit *e)
{
	hw_vcpu_dump(v->hw, dump_line);
	if (e->why)
		vm_crash(v->vm, "%s (rip %#lx)", e->why, hw_vcpu_rip(v->hw));
	else
		vm_crash(v->vm, "the processor cannot run it: exit reason %u, detail %#x, rip %#lx",
			 e->failed.reason, e->failed.detail, hw_vcpu_rip(v->hw));
	return GO_ON;
}

static enum outcome handle_task_switch(struct vcpu *v, const struct vcpu_exit *e)
{
	task_switch(v, e); /* sets RIP and all the rest */
	return GO_ON;
}

static enum outcome (*const handlers[VCPU_EXIT_KINDS])(struct vcpu *, const struct vcpu_exit *) = {
    [VCPU_EXIT_HOST] = handle_host,
    [VCPU_EXIT_CPUID] = handle_cpuid,
    [VCPU_EXIT_IO] = handle_io,
    [VCPU_EXIT_MMIO] = handle_mmio,
    [VCPU_EXIT_DIRTY] = handle_dirty,
    [VCPU_EXIT_LOG_FULL] = handle_go_on,
    [VCPU_EXIT_MSR_READ] = handle_msr_read,
    [VCPU_EXIT_MSR_WRITE] = handle_msr_write,
    [VCPU_EXIT_HLT] = handle_hlt,
    [VCPU_EXIT_INTR_WINDOW] = handle_go_on,
    [VCPU_EXIT_NMI_WINDOW] = handle_go_on,
    [VCPU_EXIT_XSETBV] = handle_xsetbv,
    [VCPU_EXIT_CR8] = handle_cr8,
    [VCPU_EXIT_APIC_WRITE] = handle_apic_write,
    [VCPU_EXIT_APIC_EOI] = handle_apic_eoi,
    [VCPU_EXIT_PAUSE] = handle_pause,
    [VCPU_EXIT_CACHE] = handle_cache,
    [VCPU_EXIT_UNDEFINED] = handle_undefined,
    [VCPU_EXIT_PROTECTED] = handle_protected,
    [VCPU_EXIT_RESOLVED] = handle_go_on,
    [VCPU_EXIT_TRIPLE_FAULT] = handle_triple_fault,
    [VCPU_EXIT_TASK_SWITCH] = handle_task_switch,
    [VCPU_EXIT_FAILED] = handle_failed,
};

void exits_handle(struct vcpu *v, const struct vcpu_exit *e)
{
	if (handlers[e->kind](v, e) == SKIP)
		hw_vcpu_skip(v->hw, e->insn_len);
}
