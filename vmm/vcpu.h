/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A virtual CPU: a host task that enters the guest, handles its exits and
 * sleeps while it is halted.
 */
#ifndef VMM_VCPU_H
#define VMM_VCPU_H

#include "arch/x86/cpu_state.h"
#include "kernel/sched_fair.h"
#include "kernel/task.h"
#include "vmm/vm.h"

struct hw_vcpu; /* the backend's part (VMCS etc.) */

struct vcpu {
	struct vm *vm;
	uint32_t id;  /* also its APIC id */
	unsigned cpu; /* the host CPU that holds its VMCS */
	struct hw_vcpu *hw;
	struct task *task;
	struct vlapic *lapic;
	/* While it is stopped: everything. While it runs: only what vmm owns (its MSRs). */
	struct cpu_state *state;
	bool state_new;		 /* state was set from outside: load it before the next entry */
	struct waitq wake;	 /* halted or stopped vCPUs wait here */
	struct waitq stopped_wq; /* those who wait for it to stop */
	bool stop_requested;	 /* leave the guest and stay out */
	bool stopped;
	bool exiting, exited;	/* the task is to end; has ended */
	volatile bool in_guest; /* set with the host lock, cleared without */
	bool kicked;		/* look again before sleeping */
	/* These count, not their like in *state, from the moment when a state is adopted. */
	bool spins; /* it waits for another vCPU in a loop: others first */
	bool wait_sipi, halted, nmi_pending;
	bool init_pending, sipi_pending;
	uint8_t sipi_vector;
	struct sched_share own_share, *share; /* its own, or that of a sibling on the same CPU */
	uint64_t run_ticks, exits;
};

/*
 * Makes the backend's part and the task (stopped until vm_resume). -E_NOMEM: what was
 * made so far is in vm->vcpus, for the two below.
 */
int must_check vcpu_create(struct vm *vm, uint32_t id);
/*
 * End the task (blocks); then, when no device can kick the vCPU any more, free it. In
 * two steps, because interrupts reach a vCPU until its local APIC is gone.
 */
void vcpu_end(struct vcpu *v);
void vcpu_free(struct vcpu *v);
/* Ask it to stop (returns at once), wait until it did, let it run on. */
void vcpu_request_stop(struct vcpu *v);
void vcpu_wait_stopped(struct vcpu *v);
/* While it is stopped: INIT, SIPI and NMI that came after it stopped go into its state. */
void vcpu_take_signals(struct vcpu *v);
void vcpu_run(struct vcpu *v);
/*
 * With the host lock held, wait until no vCPU of the VM executes guest code. None can
 * enter again before the caller drops the lock.
 */
void vcpus_leave_guest(struct vm *vm);
/* The power-on state of a processor (SDM vol. 3, "Processor State After Reset"). */
void vcpu_reset_state(struct vcpu *v);
/* The state after INIT, from the present one; all but the boot CPU then wait for a SIPI. */
void vcpu_init_state(struct vcpu *v);
/* v->state was written: it counts from now on, sleep and pending NMI included. */
void vcpu_adopt_state(struct vcpu *v);

/*
 * The architectural state, for loaders and moves. The vCPU must be stopped.
 * vcpu_set_state checks nothing: call vcpu_check_state on hostile input before.
 */
void vcpu_get_state(struct vcpu *v, struct cpu_state *out);
int must_check vcpu_set_state(struct vcpu *v, const struct cpu_state *in);
/* Could a processor be in this state, with the VM's CPUID policy? 0 or -E_INVAL after log_warn. */
int must_check vcpu_check_state(const struct vcpu *v, const struct cpu_state *in);

/* The TSC that the guest reads on this CPU: the VM's clock and IA32_TSC_ADJUST. */
uint64_t vcpu_guest_tsc(const struct vcpu *v);

/* The table that describes struct cpu_state in the stream ("vcpu"). */
extern const struct state_table vcpu_state_table;

/* From local APICs: INIT, start-up, NMI. */
void vcpu_init_ipi(struct vcpu *v);
void vcpu_sipi(struct vcpu *v, uint8_t vector);
void vcpu_nmi(struct vcpu *v);

#endif
