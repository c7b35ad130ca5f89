/* SPDX-License-Identifier: BSD-2-Clause */
/* The boot CPU's state as Linux and ELF kernels (64-bit) and Multiboot kernels (32-bit) want it. */
#ifndef VMM_BOOT_CPU_H
#define VMM_BOOT_CPU_H

#include "arch/x86/cpu_state.h"
#include "vmm/guest_mem.h"

/*
 * Write identity page tables for the low 4 GiB and a GDT into guest memory
 * (vmm/guest_map.h) and put the CPU into 64-bit mode at rip with rsi as given,
 * interrupts off, CS 0x10, DS ES SS 0x18. cs comes in as the power-on state.
 * 0, -E_NOMEM, or -E_RANGE when the guest has no memory there.
 * Source: Linux Documentation/arch/x86/boot.rst, "64-bit Boot Protocol".
 */
int must_check boot_cpu_long_mode(struct vm *vm, uint64_t rip, uint64_t rsi, struct cpu_state *cs);

/*
 * 32-bit protected mode without paging at eip, EAX and EBX as given, flat segments
 * (CS 8, the others 10h) from a GDT put at gdt (24 bytes), interrupts off. cs and errors as
 * above. Source: Multiboot specification 0.6.96, 3.2 "Machine state".
 */
int must_check boot_cpu_protected_mode(struct vm *vm, gpa_t gdt, uint32_t eip, uint32_t eax,
				       uint32_t ebx, struct cpu_state *cs);

#endif
