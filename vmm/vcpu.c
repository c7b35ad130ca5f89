/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The vCPU task: it alone touches its part of the hardware, on the CPU where it was
 * made. Others ask it to stop, change its state while it is stopped, and let it run.
 */
#include "vmm/vcpu.h"
#include "arch/x86/virt.h"
#include "kernel/irq_init.h"
#include "kernel/lib/string.h"
#include "kernel/log.h"
#include "kernel/mem.h"
#include "kernel/sched.h"
#include "kernel/time.h"
#include "kernel/timer.h"
#include "vmm/cpu_policy_limits.h"
#include "vmm/dev/vlapic.h"
#include "vmm/dev/vpic.h"
#include "vmm/exits.h"

#define RFLAGS_IF BIT(9)

static uint16_t next_asid = 1;

/* ---- interrupts into the guest ------------------------------------------------------ */

static bool extint_waits(const struct vcpu *v)
{
	return vlapic_lint0_extint(v->lapic) && vpic_pending(v->vm->vpic);
}

static bool irq_waits(const struct vcpu *v)
{
	return vlapic_pending(v->lapic) >= 0 || extint_waits(v);
}

/* From the 8259s: in the window the processor delivers nothing of the local APIC's. */
static void inject_extint(struct vcpu *v)
{
	bool waits = extint_waits(v);

	if (waits && hw_vcpu_can_inject_irq(v->hw)) {
		hw_vcpu_inject_irq(v->hw, vpic_ack(v->vm->vpic));
		waits = extint_waits(v);
	}
	hw_vcpu_want_irq_window(v->hw, waits);
}

static void inject(struct vcpu *v)
{
	int vector;

	if (v->nmi_pending && hw_vcpu_can_inject_nmi(v->hw)) {
		hw_vcpu_inject_nmi(v->hw);
		v->nmi_pending = false;
	}
	hw_vcpu_want_nmi_window(v->hw, v->nmi_pending);
	if (v->lapic->given) { /* the processor delivers the local APIC's own */
		inject_extint(v);
		return;
	}
	if (!irq_waits(v)) {
		hw_vcpu_want_irq_window(v->hw, false);
		return;
	}
	if (!hw_vcpu_can_inject_irq(v->hw)) {
		hw_vcpu_want_irq_window(v->hw, true);
		return;
	}
	vector = vlapic_pending(v->lapic);
	if (vector >= 0)
		vlapic_accept(v->lapic, vector);
	else
		vector = vpic_ack(v->vm->vpic);
	hw_vcpu_inject_irq(v->hw, vector);
	hw_vcpu_want_irq_window(v->hw, irq_waits(v));
}

/* ---- INIT and start-up -------------------------------------------------------------- */

/* v->state must be complete when an INIT waits: it keeps some registers. */
static void take_signals(struct vcpu *v)
{
	if (v->init_pending) {
		v->init_pending = false;
		vcpu_init_state(v);
	}
	if (v->sipi_pending && v->wait_sipi) {
		struct cpu_segment *cs = &v->state->seg[SEG_CS];

		cs->selector = (uint16_t)v->sipi_vector << 8;
		cs->base = (uint64_t)v->sipi_vector << 12;
		v->state->rip = 0;
		v->state->activity = CPU_ACTIVE;
		v->wait_sipi = false;
		v->state_new = true;
	}
	v->sipi_pending = false;
}

void vcpu_init_ipi(struct vcpu *v)
{
	v->init_pending = true;
	v->sipi_pending = false; /* an older one was for the life that ends */
	vcpu_kick(v);
}

void vcpu_sipi(struct vcpu *v, uint8_t vector)
{
	if (!v->wait_sipi && !v->init_pending)
		return; /* SDM vol. 3, "INIT and SIPI": only a processor that waits takes it */
	v->sipi_vector = vector;
	v->sipi_pending = true;
	vcpu_kick(v);
}

void vcpu_nmi(struct vcpu *v)
{
	v->nmi_pending = true;
	vcpu_kick(v);
}

void vcpu_kick(struct vcpu *v)
{
	v->kicked = true;
	if (v->hw)
		hw_vcpu_request_exit(v->hw);
	if (v->in_guest)
		sched_kick_cpu(v->cpu);
	waitq_wake_all(&v->wake);
}

/* ---- stop and run ------------------------------------------------------------------- */

static void mark_dirty(void *ctx, gpa_t gpa)
{
	dirty_log_mark(ctx, gpa >> PAGE_SHIFT);
}

void vcpu_drain_dirty(struct vcpu *v)
{
	hw_vcpu_drain_log(v->hw, mark_dirty, v->vm);
}

/* Stay out of the guest with all state in v->state, until told to go on. */
static void park(struct vcpu *v)
{
	if (!v->state_new)
		hw_vcpu_get_state(v->hw, v->state);
	take_signals(v); /* the state must have them: it may go on elsewhere */
	v->stopped = true;
	task_hurry(task_current(), false);
	waitq_wake_all(&v->stopped_wq);
	while (v->stop_requested && !v->exiting)
		waitq_wait(&v->wake, TIME_NEVER);
	v->stopped = false;
}

void vcpu_request_stop(struct vcpu *v)
{
	v->stop_requested = true;
	if (!v->stopped)
		task_hurry(v->task, true);
	vcpu_kick(v);
}

void vcpu_wait_stopped(struct vcpu *v)
{
	while (!v->stopped)
		waitq_wait(&v->stopped_wq, TIME_NEVER);
}

void vcpu_take_signals(struct vcpu *v)
{
	take_signals(v);
}

void vcpu_run(struct vcpu *v)
{
	v->stop_requested = false;
	task_hurry(v->task, false);
	vcpu_kick(v);
}

void vcpus_leave_guest(struct vm *vm)
{
	for (uint32_t i = 0; i < vm->vcpu_count; i++) {
		struct vcpu *v = vm->vcpus[i];

		if (!v->in_guest)
			continue;
		hw_vcpu_request_exit(v->hw);
		sched_kick_cpu(v->cpu);
	}
	for (uint32_t i = 0; i < vm->vcpu_count; i++) /* all were asked: now wait */
		while (vm->vcpus[i]->in_guest)
			asm volatile("pause" ::: "memory");
}

/* ---- the loop ----------------------------------------------------------------------- */

static uint64_t entry_deadline(void)
{
	/* Bounded even when nothing else waits: some emulators deliver no host
	 * interrupt while the guest runs with interrupts off. */
	return time_ns_to_ticks(MIN(timer_next_deadline(), sched_turn_end_ns()));
}

static void enter(struct vcpu *v)
{
	struct vcpu_exit exit;
	uint64_t deadline = entry_deadline(), before;

	vlapic_give(v->lapic);
	inject(v);
	hw_vcpu_set_tsc(v->hw, v->vm->clock.tsc_offset + v->state->msrs[CPU_MSR_TSC_ADJUST],
			v->vm->clock.tsc_ratio);
	hw_vcpu_show_apic(v->hw, vlapic_is_on(v->lapic));
	v->kicked = false;
	v->in_guest = true;
	host_unlock();
	before = time_ticks();
	hw_vcpu_enter(v->hw, deadline, &v->in_guest);
	before = time_ticks() - before;
	host_lock();
	v->run_ticks += before;
	v->vm->stats.run_ticks += before;
	sched_count_guest(before);
	vlapic_take(v->lapic);
	vcpu_drain_dirty(v);
	hw_vcpu_decode(v->hw, &exit);
	v->vm->stats.exits[exit.kind]++;
	v->exits++;
	exits_handle(v, &exit);
}

/* Asleep in HLT, or waiting to be started. */
static bool must_sleep(struct vcpu *v)
{
	if (v->wait_sipi)
		return true;
	if (v->halted && (v->nmi_pending || ((hw_vcpu_rflags(v->hw) & RFLAGS_IF) && irq_waits(v))))
		v->halted = false;
	return v->halted;
}

/* Let the backend answer the leaves that never change. */
static void show_cpuid(struct vcpu *v)
{
	const struct cpuid_policy *p = &v->vm->cpuid;

	hw_vcpu_set_limits(v->hw, cpu_policy_cr4(p), p->xcr0);
	for (uint32_t i = 0; i < p->count; i++) {
		struct cpuid_entry r;

		if (p->entries[i].subleaf != CPUID_NO_SUBLEAF)
			continue;
		cpuid_policy_answer(p, v->id, v->vm->cfg.vcpus, p->entries[i].leaf, 0, &r);
		hw_vcpu_set_cpuid(v->hw, p->entries[i].leaf,
				  (const uint32_t[4]){r.eax, r.ebx, r.ecx, r.edx});
	}
}

static void vcpu_task(void *arg)
{
	struct vcpu *v = arg;
	struct hw_vcpu_setup setup = {v->vm->slat, next_asid, vm_guest_page, v->vm};

	next_asid = next_asid == UINT16_MAX ? 1 : next_asid + 1; /* 0 is the host's */
	if (hw_vcpu_create(&setup, &v->hw) != 0)
		v->exiting = true;
	else
		show_cpuid(v);
	while (!v->exiting) {
		if (v->stop_requested) {
			park(v);
			continue;
		}
		if (v->init_pending && !v->state_new)
			hw_vcpu_get_state(v->hw, v->state);
		take_signals(v);
		if (v->state_new)
			hw_vcpu_set_state(v->hw, v->state);
		v->state_new = false;
		hw_vcpu_use(v->hw);
		if (must_sleep(v)) {
			if (!v->kicked)
				waitq_wait(&v->wake, TIME_NEVER);
			v->kicked = false;
			continue;
		}
		enter(v);
		timers_run();
		if (sched_turn_is_over() || v->spins)
			task_yield();
		v->spins = false;
	}
	if (v->hw)
		hw_vcpu_destroy(v->hw);
	v->hw = NULL;
	v->exited = v->stopped = true;
	waitq_wake_all(&v->stopped_wq);
}

/* ---- life --------------------------------------------------------------------------- */

/* vCPUs of a VM on one CPU take turns within the VM's share of that CPU. */
static void place(struct vcpu *v)
{
	uint8_t siblings[MAX_CPUS] = {0};
	const struct vm *vm = v->vm;

	for (uint32_t i = 0; i < v->id; i++)
		siblings[vm->vcpus[i]->cpu]++;
	v->cpu = sched_place_vcpu(vm->cfg.weight, siblings);
	v->own_share.weight = vm->cfg.weight;
	v->share = &v->own_share;
	for (uint32_t i = 0; i < v->id; i++)
		if (vm->vcpus[i]->cpu == v->cpu)
			v->share = vm->vcpus[i]->share;
}

int vcpu_create(struct vm *vm, uint32_t id)
{
	struct vcpu *v = kzalloc(sizeof(*v));
	int err;

	if (!v)
		return -E_NOMEM;
	v->state = kzalloc(sizeof(*v->state));
	if (!v->state) {
		kfree(v);
		return -E_NOMEM;
	}
	v->vm = vm;
	v->id = id;
	v->stop_requested = true;
	waitq_init(&v->wake);
	waitq_init(&v->stopped_wq);
	place(v);
	vm->vcpus[id] = v;
	err = vlapic_create(vm, v, id, &v->lapic);
	if (err)
		return err;
	v->lapic->in_hardware = virt_detect()->apic;
	v->lapic->x2apic = cpuid_policy_shows(&vm->cpuid, "x2apic");
	vm->vlapics[id] = v->lapic;
	vcpu_reset_state(v);
	v->task = task_create_on(v->cpu, "vcpu", v->share, vcpu_task, v);
	if (!v->task)
		return -E_NOMEM;
	vcpu_wait_stopped(v);
	return v->exited ? -E_NOMEM : 0; /* exited: the backend had no page left */
}

void vcpu_end(struct vcpu *v)
{
	v->exiting = true;
	v->stop_requested = true;
	vcpu_kick(v);
	while (v->task && !v->exited)
		waitq_wait(&v->stopped_wq, TIME_NEVER);
}

void vcpu_free(struct vcpu *v)
{
	sched_unplace_vcpu(v->cpu, v->vm->cfg.weight);
	v->vm->vcpus[v->id] = NULL;
	kfree(v->state);
	kfree(v);
}
