/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A virtual machine: configuration, memory, vCPUs, devices, clock, life cycle.
 * All of it is touched with the host lock held.
 */
#ifndef VMM_VM_H
#define VMM_VM_H

#include "kernel/lib/use_average.h"
#include "kernel/timer.h"
#include "kernel/task.h"
#include "vmm/cpuid_policy.h"
#include "vmm/dirty_log.h"
#include "vmm/disk_log.h"
#include "vmm/guest_mem.h"
#include "vmm/iobus.h"
#include "vmm/vm_config.h"
#include "vmm/dev/vdev.h"

struct vcpu;
struct vlapic;
struct vpic;
struct vioapic;
struct vpci;
struct vpit;
struct vrtc;
struct vpm;
struct vuart;
struct vgenid;
struct slat;
struct aoe_disk;
struct blkdev;
struct ds_object;
struct vnet;

enum vm_state {
	VM_OFF, /* defined; no memory */
	VM_RUNNING,
	VM_PAUSED,   /* by an operator or a move; memory and devices kept */
	VM_INCOMING, /* inert: being received, never ran here */
	VM_IN_DOUBT, /* paused; the storage must say who owns it */
	VM_CRASHED,  /* stopped by an error of its own; info says which */
};
const char *vm_state_name(enum vm_state s);

/* Guest time: a TSC that the guest owns, and nanoseconds derived from it. */
struct vm_clock {
	uint64_t tsc_khz;    /* frequency that the guest was shown */
	uint64_t tsc_ratio;  /* 16.48 fixed point, 0 for 1:1 */
	uint64_t tsc_offset; /* guest TSC = scaled host TSC + offset, while running */
	uint64_t frozen_tsc; /* guest TSC while not running */
	uint64_t frozen_ns;  /* host time when it stopped */
	bool running;
};

/* A shared disk's AoE configuration string, when it is ours: this, then the latest move's token. */
#define VM_DISK_MARK	 "pagurus:"
#define VM_DISK_MARK_LEN 8

struct vm_disk {
	struct vm_disk_config cfg;
	struct aoe_disk *aoe; /* shared disk; NULL for a local one */
	struct blkdev *blk;   /* what vblk uses; NULL until opened */
	uint8_t owner_mac[6]; /* this period of ownership; all zero: none */
	bool owned;	      /* the reservation names owner_mac */
	uint8_t deciding;     /* this disk's reservation decides who owns the VM */
	bool taken_along;     /* shared, but a cold move copies it */
	struct disk_log log;  /* on while a move copies the disk */
};

/* Counters for `info` and `top`; never logged on the fast path. */
struct vm_stats {
	uint64_t exits[64]; /* by enum vcpu_exit_kind */
	uint64_t run_ticks; /* in guest mode */
	uint64_t starts;
	uint64_t timer_irqs; /* interrupts that its timers asked for */
};

struct vm {
	struct list node; /* in the list of VMs */
	struct vm_config cfg;
	enum vm_state state;
	char crash_reason[96];
	bool test_ended; /* switched off by its test device; test_status is what it said */
	uint32_t test_status;
	char *last_output; /* of its console, kept when it was switched off; NULL: none */
	uint32_t last_output_len;
	uint8_t uuid[16];

	struct guest_mem mem;
	struct slat *slat; /* second-level address translation */
	uint8_t *rom;	   /* firmware; NULL: a kernel is booted directly */
	uint64_t rom_size;
	struct dirty_log dirty;
	struct iobus ports, mmio;
	struct list devices;
	struct vm_clock clock;
	struct cpuid_policy cpuid;
	struct waitq state_changed;

	uint32_t vcpu_count;
	struct vcpu *vcpus[VM_MAX_VCPUS];

	/* the devices that others must reach */
	struct vlapic *vlapics[VM_MAX_VCPUS];
	struct vpic *vpic;
	struct vioapic *vioapic;
	struct vpci *vpci;
	struct vpit *vpit;
	struct vrtc *vrtc;
	struct vpm *vpm;
	struct vuart *console;
	struct vgenid *vgenid;

	uint32_t disk_count;
	struct vm_disk disks[VM_MAX_DISKS];

	uint32_t nic_count;
	struct vnet *nics[VM_MAX_NICS];

	/* by the guest, or by its failure; handled outside the exit, by the service task */
	bool poweroff_requested, reset_requested, crash_requested;
	uint64_t reset_not_before_ns; /* guests that reset in a loop are slowed down */
	bool force_disks; /* the next start takes reservations away from whoever holds them */
	bool gave_away;	  /* another host owns it: freeing must not touch the disks */
	bool move_under_way;
	bool serving; /* being reset, switched off or freed, which blocks: no command may come */
	void *move;   /* migrate's own, opaque here */
	struct ds_object **received; /* while an incoming VM is built: see vm_create_incoming */
	struct vm_stats stats;
	char validated[120];	/* what the last validation found, for `info`: migrate's words */
	struct use_average use; /* of CPUs; vmm/vm_use.h */
};

/* ---- for devices ---- */

/*
 * Drive interrupt line gsi (0..23) of the VM's PIC and I/O APIC. ISA timer is
 * gsi 0 at the PIC, pin 2 at the I/O APIC: vm_irq_set(vm, 0, ...) reaches both.
 */
void vm_irq_set(struct vm *vm, unsigned gsi, bool level);
/* A device's message-signalled interrupt, as written to 0xFEExxxxx. */
void vm_msi(struct vm *vm, uint64_t addr, uint32_t data);
/* Guest nanoseconds since its power-on; stands still while it does not run. */
uint64_t vm_now_ns(const struct vm *vm);
/* The TSC that the guest would read now; and a guest TSC value as vm_now_ns time. */
uint64_t vm_guest_tsc(const struct vm *vm);
uint64_t vm_tsc_to_ns(const struct vm *vm, uint64_t guest_tsc);
/* The clock in a move: frozen on the source, set (frozen) on the target before vm_resume. */
void vm_clock_set(struct vm *vm, uint64_t guest_tsc);
/*
 * While it stands still: make it ns later, as if it had gone on. After a blackout that the
 * guest did not ask for its clocks must be right: what fell due meanwhile fires once, at once.
 */
void vm_clock_skip(struct vm *vm, uint64_t ns);
/* For the life cycle only: frequency from the CPUID policy, stop, go on. */
void vm_clock_init(struct vm *vm);
void vm_clock_freeze(struct vm *vm);
void vm_clock_run(struct vm *vm);
/* The page of RAM at gpa, NULL for none; ctx is the vm. For the backend. */
void *vm_guest_page(void *ctx, gpa_t gpa);
/* A vCPU has something new to look at (interrupt, request): wake it or make it exit. */
void vcpu_kick(struct vcpu *v);
/* The guest switched itself off / asked for a reset (ACPI, port 0xCF9, 0x64). */
void vm_guest_poweroff(struct vm *vm);
void vm_guest_reset(struct vm *vm);
/* The guest ended itself by its test device: off, with a status for the operator. The first counts.
 */
void vm_guest_test_end(struct vm *vm, uint32_t status);
/* Stop this VM alone: the guest did what cannot be continued. printf-like reason. */
void vm_crash(struct vm *vm, const char *fmt, ...) printf_like(2, 3);

/* A one-shot timer in guest nanoseconds (vm_now_ns). Host-side, not state. */
struct vtimer {
	struct timer timer;
	struct vm *vm;
	void (*fn)(struct vtimer *t);
	uint64_t ran; /* the VM's run_ticks when vtimer_pace_ns was asked last */
};
void vtimer_init(struct vtimer *t, struct vm *vm, void (*fn)(struct vtimer *t));
void vtimer_arm(struct vtimer *t, uint64_t guest_ns);
void vtimer_cancel(struct vtimer *t);
/*
 * For a periodic timer that fires: how long until it may fire again, guest ns. A guest
 * that asks for a shorter period does not get more host time for it, and one that did not
 * run since the last time, so that it cannot have taken that interrupt, even less.
 */
uint64_t vtimer_pace_ns(struct vtimer *t);

/* ---- life cycle, for the console and for moves; all may block ---- */

struct vm *vm_find(const char *name);
struct vm *vm_at(unsigned index); /* NULL past the end */
/* Add a VM in state VM_OFF. -E_EXIST, -E_NOMEM. */
int must_check vm_define(const struct vm_config *cfg, struct vm **out);
/* VM_OFF or VM_CRASHED only. */
int must_check vm_undefine(struct vm *vm);
/* Allocate memory, devices, vCPUs; open disks; load the boot files; run. */
int must_check vm_start(struct vm *vm);
/* Power off at once, free memory. */
void vm_destroy(struct vm *vm);
/* ACPI power button. */
int must_check vm_shutdown(struct vm *vm);

/* All vCPUs out of the guest, devices quiesced, clock frozen. */
int must_check vm_pause(struct vm *vm);
/* Devices resumed, clock goes on, vCPUs run. From VM_PAUSED or VM_IN_DOUBT. */
int must_check vm_resume(struct vm *vm);

/*
 * For the target of a move: memory, devices and vCPUs as cfg says, state
 * VM_INCOMING, nothing loaded, disks opened but not owned. cpuid: what the guest
 * was shown at the source. disks: for each disk of cfg the uncommitted object that it is
 * received into, or NULL to open what cfg names; the VM takes over the handles and sets them to
 * NULL here (also on an error: it may have taken some). Undo with vm_destroy and vm_undefine.
 */
int must_check vm_create_incoming(const struct vm_config *cfg, const struct cpuid_policy *cpuid,
				  struct ds_object *disks[VM_MAX_DISKS], struct vm **out);

/* The task that carries out guests' power-off and reset. Once, at boot. -E_NOMEM */
int must_check vm_service_start(void);
/* Look at the VMs again: a move ended. */
void vm_service_wake(void);

#endif
