/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The MMIO instruction decoder: the opcode maps. What compilers and kernels use on
 * device memory is covered; the rest is refused, never guessed.
 */
#include "arch/x86/cpu_state.h"
#include "kernel/lib/string.h"
#include "vmm/decode_inner.h"

/* The register operand of size bytes, from ModRM.reg, with the high-byte rule. */
static void set_reg(const struct cursor *c, struct mmio_insn *in, unsigned size)
{
	in->has_reg = true;
	in->reg_size = size;
	in->reg_high = false;
	in->reg = c->modrm_reg;
	if (c->rex & REX_R)
		in->reg += 8;
	/* SDM vol. 2, "REX Prefixes": with any REX, 4..7 are SPL, BPL, SIL, DIL */
	if (size == 1 && !c->rex && in->reg >= 4) {
		in->reg -= 4;
		in->reg_high = true;
	}
}

/* op with memory and a register, in the direction given. */
static int decode_mem_reg(struct cursor *c, struct mmio_insn *in, enum mmio_op op, unsigned size,
			  bool to_reg)
{
	int err = take_modrm(c, in);

	if (err)
		return err;
	in->op = op;
	in->size = size;
	in->to_reg = to_reg;
	set_reg(c, in, size);
	return 0;
}

/* op on memory with an immediate of imm_size bytes; ModRM was taken. */
static int decode_mem_imm(struct cursor *c, struct mmio_insn *in, enum mmio_op op, unsigned size,
			  unsigned imm_size)
{
	in->op = op;
	in->size = size;
	return take_imm(c, MIN(imm_size, 4u), in);
}

/* MOVZX, MOVSX, MOVSXD: the register is wider than the memory operand. */
static int decode_extend(struct cursor *c, struct mmio_insn *in, unsigned size, bool sign)
{
	int err = decode_mem_reg(c, in, MMIO_MOV, size, true);

	if (err)
		return err;
	in->sign_extend = sign;
	/* the high-byte rule looked at size; the register is never a byte here */
	set_reg(c, in, c->opsize);
	return 0;
}

/* String instructions and the moffs forms: the register is the accumulator. */
static int decode_accumulator(struct cursor *c, struct mmio_insn *in, enum mmio_op op,
			      unsigned size, bool to_reg)
{
	in->op = op;
	in->size = size;
	if (op != MMIO_MOVS && op != MMIO_CMPS) {
		in->has_reg = true;
		in->reg = RAX;
		in->reg_size = size;
	}
	in->to_reg = to_reg;
	if (op != MMIO_MOV)
		return 0;
	in->mem.seg = in->seg;
	return take_disp(c, &in->mem, in->addr_size);
}

/* PUSH, POP: 64-bit code only, whose stack needs no segment. ModRM was taken. */
static int decode_stack(const struct cursor *c, struct mmio_insn *in, enum mmio_op op)
{
	in->op = op;
	in->size = c->opsize == 2 ? 2 : 8;
	return c->mode == CPU_MODE_64 ? 0 : -E_NOTSUP;
}

/* C0, C1: by an immediate; D0, D1: by 1; D2, D3: by CL. RCL and RCR are not carried out. */
static int decode_shift(struct cursor *c, struct mmio_insn *in, uint8_t opcode, unsigned size)
{
	int err = take_modrm(c, in);

	if (err)
		return err;
	if (c->modrm_reg == 2 || c->modrm_reg == 3)
		return -E_NOTSUP;
	in->op = MMIO_SHIFT;
	in->size = size;
	in->detail = c->modrm_reg;
	if (opcode < 0xd0)
		return take_imm(c, 1, in);
	in->has_imm = opcode < 0xd2;
	in->imm = in->has_imm;
	return 0;
}

/* IMUL with an immediate behind the memory operand. */
static int decode_imul(struct cursor *c, struct mmio_insn *in, unsigned imm_size)
{
	int err = decode_mem_reg(c, in, MMIO_IMUL, c->opsize, true);

	return err || !imm_size ? err : take_imm(c, MIN(imm_size, 4u), in);
}

/* 80, 81, 83: ALU with an immediate; F6, F7: TEST imm, NOT, NEG; FE, FF: INC, DEC; C6, C7: MOV. */
static int decode_group(struct cursor *c, struct mmio_insn *in, uint8_t opcode, unsigned size)
{
	static const uint8_t unary[8] = {[0] = MMIO_TEST, [2] = MMIO_NOT, [3] = MMIO_NEG};
	int err = take_modrm(c, in);

	if (err)
		return err;
	switch (opcode) {
	case 0x80:
	case 0x81:
		return decode_mem_imm(c, in, MMIO_ADD + c->modrm_reg, size, size);
	case 0x83:
		return decode_mem_imm(c, in, MMIO_ADD + c->modrm_reg, size, 1);
	case 0xc6:
	case 0xc7:
		return c->modrm_reg ? -E_NOTSUP : decode_mem_imm(c, in, MMIO_MOV, size, size);
	case 0xf6:
	case 0xf7:
		if (c->modrm_reg == 0)
			return decode_mem_imm(c, in, MMIO_TEST, size, size);
		in->op = unary[c->modrm_reg];
		in->size = size;
		return in->op ? 0 : -E_NOTSUP;
	default: /* 0xfe, 0xff */
		if (opcode == 0xff && c->modrm_reg == 6)
			return decode_stack(c, in, MMIO_PUSH);
		in->op = MMIO_INC + c->modrm_reg;
		in->size = size;
		return c->modrm_reg <= 1 ? 0 : -E_NOTSUP;
	}
}

/* The 0F 38 map: MOVBE; with F2 the same opcodes are CRC32. */
static int decode_three_byte(struct cursor *c, struct mmio_insn *in)
{
	uint8_t opcode;
	int err = take_byte(c, &opcode);

	if (err)
		return err;
	if ((opcode & 0xfe) != 0xf0 || in->rep)
		return -E_NOTSUP;
	return decode_mem_reg(c, in, MMIO_MOVBE, c->opsize, !(opcode & 1));
}

/* The 0F map. */
static int decode_two_byte(struct cursor *c, struct mmio_insn *in)
{
	uint8_t opcode;
	int err = take_byte(c, &opcode);

	if (err)
		return err;
	unsigned size = (opcode & 1) ? c->opsize : 1;

	if ((opcode & 0xf0) == 0x40) { /* CMOVcc */
		in->detail = opcode & 15;
		return decode_mem_reg(c, in, MMIO_CMOV, c->opsize, true);
	}
	if ((opcode & 0xf0) == 0x90) { /* SETcc */
		in->op = MMIO_SET;
		in->size = 1;
		in->detail = opcode & 15;
		return take_modrm(c, in);
	}
	switch (opcode) {
	case 0x38:
		return decode_three_byte(c, in);
	case 0xaf:
		return decode_imul(c, in, 0);
	case 0xa3: /* BT, BTS, BTR, BTC with a register: bits 4:3 of the opcode */
	case 0xab:
	case 0xb3:
	case 0xbb:
		return decode_mem_reg(c, in, MMIO_BT + ((opcode >> 3) & 3), c->opsize, false);
	case 0xba:
		err = take_modrm(c, in);
		if (err)
			return err;
		if (c->modrm_reg < 4)
			return -E_NOTSUP;
		return decode_mem_imm(c, in, MMIO_BT + c->modrm_reg - 4, c->opsize, 1);
	case 0xb0:
	case 0xb1:
		return decode_mem_reg(c, in, MMIO_CMPXCHG, size, false);
	case 0xc0:
	case 0xc1:
		return decode_mem_reg(c, in, MMIO_XADD, size, false);
	case 0xc3: /* MOVNTI */
		return decode_mem_reg(c, in, MMIO_MOV, c->opsize, false);
	case 0xb6:
	case 0xb7:
	case 0xbe:
	case 0xbf:
		return decode_extend(c, in, (opcode & 1) ? 2 : 1, opcode & 8);
	}
	return -E_NOTSUP;
}

static int decode_one_byte(struct cursor *c, struct mmio_insn *in, uint8_t opcode)
{
	unsigned size = (opcode & 1) ? c->opsize : 1;
	int err;

	if (opcode < 0x40 && (opcode & 7) < 4) /* ALU: bit 1 is the direction */
		return decode_mem_reg(c, in, MMIO_ADD + (opcode >> 3), size, opcode & 2);
	switch (opcode) {
	case 0x0f:
		return decode_two_byte(c, in);
	case 0x63:
		if (c->mode != CPU_MODE_64)
			return -E_NOTSUP;
		return decode_extend(c, in, MIN(c->opsize, 4), true);
	case 0x69:
		return decode_imul(c, in, c->opsize);
	case 0x6b:
		return decode_imul(c, in, 1);
	case 0x8f:
		err = take_modrm(c, in);
		if (err)
			return err;
		return c->modrm_reg ? -E_NOTSUP : decode_stack(c, in, MMIO_POP);
	case 0xc0:
	case 0xc1:
	case 0xd0:
	case 0xd1:
	case 0xd2:
	case 0xd3:
		return decode_shift(c, in, opcode, size);
	case 0x80:
	case 0x81:
	case 0x83:
	case 0xc6:
	case 0xc7:
	case 0xf6:
	case 0xf7:
	case 0xfe:
	case 0xff:
		return decode_group(c, in, opcode, size);
	case 0x84:
	case 0x85:
		return decode_mem_reg(c, in, MMIO_TEST, size, false);
	case 0x86:
	case 0x87:
		return decode_mem_reg(c, in, MMIO_XCHG, size, false);
	case 0x88:
	case 0x89:
	case 0x8a:
	case 0x8b:
		return decode_mem_reg(c, in, MMIO_MOV, size, opcode & 2);
	case 0xa0:
	case 0xa1:
	case 0xa2:
	case 0xa3:
		return decode_accumulator(c, in, MMIO_MOV, size, !(opcode & 2));
	case 0xa4:
	case 0xa5:
		return decode_accumulator(c, in, MMIO_MOVS, size, false);
	case 0xa6:
	case 0xa7:
		return decode_accumulator(c, in, MMIO_CMPS, size, false);
	case 0xae:
	case 0xaf:
		return decode_accumulator(c, in, MMIO_SCAS, size, false);
	case 0xaa:
	case 0xab:
		return decode_accumulator(c, in, MMIO_STOS, size, false);
	case 0xac:
	case 0xad:
		return decode_accumulator(c, in, MMIO_LODS, size, true);
	}
	return -E_NOTSUP;
}

int decode_mmio(const uint8_t *bytes, unsigned len, enum cpu_mode mode, struct mmio_insn *out)
{
	struct cursor c = {.bytes = bytes, .len = len, .mode = mode};
	uint8_t opcode;

	memset(out, 0, sizeof(*out));
	out->seg = SEG_DS;
	out->mem = (struct mmio_operand){.base = MMIO_NO_REG, .index = MMIO_NO_REG, .seg = SEG_DS};
	int err = take_prefixes(&c, out, &opcode);

	if (!err)
		err = decode_one_byte(&c, out, opcode);
	if (err)
		return err;
	/* F2/F3 mean "repeat" to string instructions only */
	if (out->op < MMIO_STOS)
		out->rep = out->repne = false;
	out->len = c.pos;
	return 0;
}
