/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A VM for device tests: buses, a device list and a guest clock that runs with
 * fake_time_ns at an offset; interrupts and kicks are recorded.
 */
#ifndef TESTS_UNIT_FAKE_VM_H
#define TESTS_UNIT_FAKE_VM_H

#include "tests/unit/fake_kernel.h"
#include "vmm/vcpu.h"
#include "vmm/vm.h"

#define FAKE_GSIS 24

/* Guest time is fake_time_ns - fake_guest_base: another host has another base. */
extern uint64_t fake_guest_base;
/* Guest TSC ticks per nanosecond; 2 unless set. */
extern uint64_t fake_guest_tsc_per_ns;

/* Line levels, and rising edges since the reset, by gsi. */
extern bool fake_irq_level[FAKE_GSIS];
extern unsigned fake_irq_edges[FAKE_GSIS];
extern unsigned fake_kicks;
/* Messages sent so far, and the latest one. */
extern unsigned fake_msis;
extern uint64_t fake_msi_addr;
extern uint32_t fake_msi_data;
extern struct vcpu *fake_kicked; /* the latest */
/* INIT, SIPI and NMI by vCPU id. */
extern unsigned fake_inits[VM_MAX_VCPUS], fake_nmis[VM_MAX_VCPUS], fake_sipis[VM_MAX_VCPUS];
extern uint8_t fake_sipi_vector;

/*
 * A VM with mem_size bytes announced and vcpus vCPUs. The first one starts from
 * fake_kernel_reset; a second one (the target of a move) shares clock and records.
 */
struct vm *fake_vm_create(uint64_t mem_size, unsigned vcpus);
/* Destroys its devices (newest first); with the last VM, fails when anything leaked. */
void fake_vm_destroy(struct vm *vm);
/* Move the clock on by ns, firing timers. */
void fake_run(uint64_t ns);
/*
 * Save src's state, check and load it into dst (both of one kind), as a move
 * does: quiesce, save, check, load, resume. Asserts that nothing refuses.
 */
void fake_move(struct vdev *src, struct vdev *dst);

uint8_t fake_in(struct vm *vm, uint16_t port);
void fake_out(struct vm *vm, uint16_t port, uint8_t value);

#endif
