/* SPDX-License-Identifier: BSD-2-Clause */
/* Between the two files of the MMIO decoder: reading what stands in an instruction. */
#ifndef VMM_DECODE_INNER_H
#define VMM_DECODE_INNER_H

#include "vmm/decode.h"

#define REX_R 4

/* The bytes still to read, and what the prefixes said. */
struct cursor {
	const uint8_t *bytes;
	unsigned len, pos;
	enum cpu_mode mode;
	uint8_t rex;
	bool opsize_prefix, addrsize_prefix;
	uint8_t opsize; /* of a non-byte operand: 2, 4, 8 */
	uint8_t modrm_reg;
	bool seg_prefix;
};

/* All of these: 0, -E_RANGE when bytes are missing, -E_NOTSUP. */

int must_check take_byte(struct cursor *c, uint8_t *out);
/* An immediate of 1, 2 or 4 bytes, sign-extended. */
int must_check take_imm(struct cursor *c, unsigned size, struct mmio_insn *in);
/* A displacement or offset of 0, 1, 2, 4 or 8 bytes; sign-extended up to 4. */
int must_check take_disp(struct cursor *c, struct mmio_operand *m, unsigned size);
/* All prefixes; leaves the first opcode byte in *opcode. */
int must_check take_prefixes(struct cursor *c, struct mmio_insn *in, uint8_t *opcode);
/* ModRM, SIB and displacement; -E_NOTSUP for a register operand. */
int must_check take_modrm(struct cursor *c, struct mmio_insn *in);

#endif
