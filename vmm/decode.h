/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Decodes the guest instruction that touched MMIO into a plain struct. The
 * guest-physical address comes from the hardware, so only the length, the
 * operation and the other operand are found here; vmm/emulate.h carries it out.
 */
#ifndef VMM_DECODE_H
#define VMM_DECODE_H

#include "kernel/lib/base.h"

#define INSN_MAX_LEN 15 /* SDM vol. 2, "Instruction Format" */

/* Default operand/address size of the code that runs: CS.L and CS.D. */
enum cpu_mode { CPU_MODE_16 = 16, CPU_MODE_32 = 32, CPU_MODE_64 = 64 };

/* The first eight are in the order of the ALU opcodes' bits 5:3. */
enum mmio_op {
	MMIO_ADD,
	MMIO_OR,
	MMIO_ADC,
	MMIO_SBB,
	MMIO_AND,
	MMIO_SUB,
	MMIO_XOR,
	MMIO_CMP,
	MMIO_MOV, /* MOVZX, MOVSX, MOVSXD too: see sign_extend */
	MMIO_TEST,
	MMIO_NOT,
	MMIO_NEG,
	MMIO_INC,
	MMIO_DEC,
	MMIO_XCHG,
	MMIO_XADD,
	MMIO_CMPXCHG,
	MMIO_BT,
	MMIO_BTS,
	MMIO_BTR,
	MMIO_BTC,
	MMIO_PUSH,
	MMIO_POP,
	MMIO_MOVBE,
	MMIO_SET,   /* SETcc: the condition is in detail */
	MMIO_CMOV,  /* CMOVcc: so it is */
	MMIO_IMUL,  /* two or, with an immediate, three operands */
	MMIO_SHIFT, /* ModRM.reg in detail; by imm or CL */
	MMIO_STOS,  /* from here on: string instructions */
	MMIO_LODS,
	MMIO_MOVS,
	MMIO_CMPS,
	MMIO_SCAS,
	MMIO_OP_COUNT,
};

#define MMIO_NO_REG 0xff

/* The memory operand as ModRM, SIB and displacement say; vmm/emulate.h makes an address of it. */
struct mmio_operand {
	uint8_t base, index; /* enum cpu_gpr or MMIO_NO_REG */
	uint8_t scale;	     /* the index is shifted left by it */
	uint8_t seg;	     /* enum cpu_seg */
	bool rip_relative;
	uint64_t disp; /* sign-extended */
};

struct mmio_insn {
	uint8_t op;	   /* enum mmio_op */
	uint8_t len;	   /* of the whole instruction, bytes */
	uint8_t size;	   /* of the memory operand: 1, 2, 4 or 8 bytes */
	uint8_t reg;	   /* enum cpu_gpr, when has_reg */
	uint8_t reg_size;  /* of the register operand; wider than size for MOVZX and the like */
	uint8_t addr_size; /* 2, 4 or 8: width of RSI, RDI and RCX in string instructions */
	uint8_t seg;	   /* enum cpu_seg: segment of the RSI operand of MOVS and LODS */
	bool has_reg;
	bool has_imm;
	bool reg_high;	  /* AH, CH, DH, BH: bits 15:8 of gpr[reg] */
	bool to_reg;	  /* the register is the destination; else memory is */
	bool sign_extend; /* from size to reg_size */
	bool rep;
	bool repne; /* with rep: until equal, not while equal */
	bool lock;
	uint8_t detail;
	uint64_t imm;		 /* sign-extended to 64 bits */
	struct mmio_operand mem; /* of no meaning for string instructions */
};

/*
 * Decode one instruction with a memory operand. 0; -E_RANGE when len bytes do
 * not hold all of it; -E_NOTSUP for one that is not carried out on MMIO or has
 * no memory operand. Source: SDM vol. 2, "Instruction Format" and the opcode maps.
 */
int must_check decode_mmio(const uint8_t *bytes, unsigned len, enum cpu_mode mode,
			   struct mmio_insn *out);

#endif
