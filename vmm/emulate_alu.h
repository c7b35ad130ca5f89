/* SPDX-License-Identifier: BSD-2-Clause */
/* Arithmetic of emulated instructions: results and flags as the processor leaves them. */
#ifndef VMM_EMULATE_ALU_H
#define VMM_EMULATE_ALU_H

#include "vmm/emulate.h"

#define RFLAGS_CF BIT(0)
#define RFLAGS_PF BIT(2)
#define RFLAGS_AF BIT(4)
#define RFLAGS_ZF BIT(6)
#define RFLAGS_SF BIT(7)
#define RFLAGS_DF BIT(10)
#define RFLAGS_OF BIT(11)

static inline uint64_t size_mask(unsigned size)
{
	return size == 8 ? UINT64_MAX : BIT(8 * size) - 1;
}

uint64_t sign_extend(uint64_t value, unsigned size);
/* Two operands: ADD to CMP, TEST, XADD, CMPXCHG (as CMP). Updates cpu->rflags; what dst becomes. */
uint64_t alu(struct emulate_cpu *cpu, unsigned op, uint64_t dst, uint64_t src, unsigned size);
/* NOT, NEG, INC, DEC. */
uint64_t alu_unary(struct emulate_cpu *cpu, unsigned op, uint64_t v, unsigned size);
/* Shifts and rotates, by ModRM.reg: ROL, ROR, -, -, SHL, SHR, SHL, SAR. count as it stands. */
uint64_t alu_shift(struct emulate_cpu *cpu, unsigned kind, uint64_t v, unsigned count,
		   unsigned size);
/* Signed multiplication, cut to size. */
uint64_t alu_imul(struct emulate_cpu *cpu, uint64_t a, uint64_t b, unsigned size);
/* The condition of Jcc, SETcc, CMOVcc: low four bits of the opcode. */
bool alu_condition(const struct emulate_cpu *cpu, unsigned cond);

#endif
