/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The MMIO instruction decoder: prefixes, opcode, ModRM/SIB, immediate, in the
 * order in which they stand. What compilers and kernels use on device memory is
 * covered; the rest is refused, never guessed.
 */
#include "vmm/decode.h"
#include "arch/x86/cpu_state.h"
#include "kernel/lib/string.h"

#define REX_B 1
#define REX_R 4
#define REX_W 8

/* The bytes still to read, and what the prefixes said. */
struct cursor {
	const uint8_t *bytes;
	unsigned len, pos;
	enum cpu_mode mode;
	uint8_t rex;
	bool opsize_prefix, addrsize_prefix;
	uint8_t opsize; /* of a non-byte operand: 2, 4, 8 */
	uint8_t modrm_reg;
};

static int take_byte(struct cursor *c, uint8_t *out)
{
	if (c->pos >= c->len || c->pos >= INSN_MAX_LEN)
		return -E_RANGE;
	*out = c->bytes[c->pos++];
	return 0;
}

static int skip_bytes(struct cursor *c, unsigned n)
{
	if (n > c->len - c->pos || c->pos + n > INSN_MAX_LEN)
		return -E_RANGE;
	c->pos += n;
	return 0;
}

/* An immediate of 1, 2 or 4 bytes, sign-extended. */
static int take_imm(struct cursor *c, unsigned size, struct mmio_insn *in)
{
	uint64_t v = 0;

	if (c->len - c->pos < size || c->pos + size > INSN_MAX_LEN)
		return -E_RANGE;
	for (unsigned i = 0; i < size; i++)
		v |= (uint64_t)c->bytes[c->pos + i] << (8 * i);
	c->pos += size;
	unsigned shift = 64 - 8 * size;

	in->imm = (uint64_t)((int64_t)(v << shift) >> shift);
	in->has_imm = true;
	return 0;
}

/* Is b a legacy prefix? Notes what it says. */
static bool note_prefix(struct cursor *c, uint8_t b, struct mmio_insn *in)
{
	bool old_segs = c->mode != CPU_MODE_64; /* 64-bit mode ignores ES, CS, SS, DS */

	switch (b) {
	case 0x66:
		c->opsize_prefix = true;
		return true;
	case 0x67:
		c->addrsize_prefix = true;
		return true;
	case 0xf0:
		in->lock = true;
		return true;
	case 0xf2:
	case 0xf3:
		in->rep = true;
		return true;
	case 0x26:
	case 0x2e:
	case 0x36:
	case 0x3e:
		if (old_segs)
			in->seg = SEG_ES + ((b >> 3) & 3);
		return true;
	case 0x64:
	case 0x65:
		in->seg = SEG_FS + (b & 1);
		return true;
	}
	return false;
}

/* All prefixes; leaves the first opcode byte in *opcode. */
static int take_prefixes(struct cursor *c, struct mmio_insn *in, uint8_t *opcode)
{
	bool wide = c->mode != CPU_MODE_16;
	int err = take_byte(c, opcode);

	while (!err && note_prefix(c, *opcode, in))
		err = take_byte(c, opcode);
	if (!err && c->mode == CPU_MODE_64 && (*opcode & 0xf0) == 0x40) {
		c->rex = *opcode;
		err = take_byte(c, opcode);
	}
	if (err)
		return err;
	/* REX anywhere but right before the opcode is void: no one emits that, refuse it */
	if (c->rex && c->mode == CPU_MODE_64 && (*opcode & 0xf0) == 0x40)
		return -E_NOTSUP;
	if (c->rex & REX_W)
		c->opsize = 8;
	else
		c->opsize = wide != c->opsize_prefix ? 4 : 2;
	if (c->mode == CPU_MODE_64)
		in->addr_size = c->addrsize_prefix ? 4 : 8;
	else
		in->addr_size = wide != c->addrsize_prefix ? 4 : 2;
	return 0;
}

/* ModRM, SIB and displacement; -E_NOTSUP for a register operand. */
static int take_modrm(struct cursor *c, const struct mmio_insn *in)
{
	uint8_t modrm, sib;
	unsigned disp = 0;
	int err = take_byte(c, &modrm);

	if (err)
		return err;
	unsigned mod = modrm >> 6, rm = modrm & 7;

	c->modrm_reg = (modrm >> 3) & 7;
	if (mod == 3)
		return -E_NOTSUP;
	if (in->addr_size == 2) {
		if (mod == 1)
			disp = 1;
		else if (mod == 2 || rm == 6)
			disp = 2;
		return skip_bytes(c, disp);
	}
	if (rm == 4) {
		err = take_byte(c, &sib);
		if (err)
			return err;
		rm = sib & 7; /* mod 0 with base 5 has a displacement in either form */
	}
	if (mod == 1)
		disp = 1;
	else if (mod == 2 || rm == 5)
		disp = 4;
	return skip_bytes(c, disp);
}

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
	if (op != MMIO_MOVS) {
		in->has_reg = true;
		in->reg = RAX;
		in->reg_size = size;
	}
	in->to_reg = to_reg;
	if (op != MMIO_MOV)
		return 0;
	in->rep = false;
	return skip_bytes(c, in->addr_size);
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
		in->op = MMIO_INC + c->modrm_reg;
		in->size = size;
		return c->modrm_reg <= 1 ? 0 : -E_NOTSUP;
	}
}

/* The 0F map. */
static int decode_two_byte(struct cursor *c, struct mmio_insn *in)
{
	uint8_t opcode;
	int err = take_byte(c, &opcode);

	if (err)
		return err;
	unsigned size = (opcode & 1) ? c->opsize : 1;

	switch (opcode) {
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

	if (opcode < 0x40 && (opcode & 7) < 4) /* ALU: bit 1 is the direction */
		return decode_mem_reg(c, in, MMIO_ADD + (opcode >> 3), size, opcode & 2);
	switch (opcode) {
	case 0x0f:
		return decode_two_byte(c, in);
	case 0x63:
		if (c->mode != CPU_MODE_64)
			return -E_NOTSUP;
		return decode_extend(c, in, MIN(c->opsize, 4), true);
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
	int err = take_prefixes(&c, out, &opcode);

	if (!err)
		err = decode_one_byte(&c, out, opcode);
	if (err)
		return err;
	/* F2/F3 mean "repeat" to string instructions only */
	if (out->op != MMIO_STOS && out->op != MMIO_LODS && out->op != MMIO_MOVS)
		out->rep = false;
	out->len = c.pos;
	return 0;
}
