/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Carries out a decoded MMIO instruction on the registers and the bus that the
 * caller hands in. Advancing RIP is the caller's: 0 says "done", EMULATE_REPEAT
 * "enter the guest at the same instruction again".
 */
#ifndef VMM_EMULATE_H
#define VMM_EMULATE_H

#include "vmm/decode.h"

#define EMULATE_REPEAT 1 /* a REP string instruction has iterations left */

struct emulate_cpu {
	uint64_t *gpr;	 /* 16, in the order of enum cpu_gpr */
	uint64_t rflags; /* in and out */
	/* by enum cpu_seg, ES..GS; in 64-bit mode the caller leaves all but FS and GS zero.
	 */
	uint64_t seg_base[6];
};

struct emulate_ops {
	/* The access that left the guest, at its guest-physical address. */
	uint64_t (*read)(void *ctx, gpa_t gpa, unsigned size);
	void (*write)(void *ctx, gpa_t gpa, unsigned size, uint64_t value);
	/* The other operand of MOVS, both of CMPS, the stack of PUSH and POP, at its linear address
	 * (RAM or MMIO). 0, or negative after the callee queued the page fault: nothing was changed
	 * then. */
	int (*read_linear)(void *ctx, uint64_t linear, unsigned size, uint64_t *value);
	int (*write_linear)(void *ctx, uint64_t linear, unsigned size, uint64_t value);
};

/*
 * Linear address of the operand that left the guest, for an instruction at rip; of
 * MOVS, the written or the read one. Outside 64-bit mode it still has to be cut to 32 bits.
 */
uint64_t emulate_address(const struct mmio_insn *in, const struct emulate_cpu *cpu, uint64_t rip,
			 bool is_write);
/* Does the instruction write that operand? */
bool emulate_writes(const struct mmio_insn *in, bool is_write);

/*
 * gpa and is_write are the hardware's: where the access went and whether it was
 * a write (of MOVS: which of its two operands). Returns 0, EMULATE_REPEAT, or
 * the error of read_linear / write_linear with no register changed.
 * Source: SDM vol. 2, each instruction's "Operation" and "Flags Affected".
 */
int must_check emulate_mmio(const struct mmio_insn *in, struct emulate_cpu *cpu, gpa_t gpa,
			    bool is_write, const struct emulate_ops *ops, void *ctx);

#endif
