/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What stands around an opcode: prefixes, ModRM, SIB, displacement, immediate (SDM
 * vol. 2, "Instruction Format"). Bytes are hostile: nothing is read beyond the end.
 */
#include "arch/x86/cpu_state.h"
#include "vmm/decode_inner.h"

#define REX_B 1
#define REX_X 2
#define REX_W 8

int take_byte(struct cursor *c, uint8_t *out)
{
	if (c->pos >= c->len || c->pos >= INSN_MAX_LEN)
		return -E_RANGE;
	*out = c->bytes[c->pos++];
	return 0;
}

int take_imm(struct cursor *c, unsigned size, struct mmio_insn *in)
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
		in->repne = b == 0xf2;
		return true;
	case 0x26:
	case 0x2e:
	case 0x36:
	case 0x3e:
		if (old_segs) {
			in->seg = SEG_ES + ((b >> 3) & 3);
			c->seg_prefix = true;
		}
		return true;
	case 0x64:
	case 0x65:
		in->seg = SEG_FS + (b & 1);
		c->seg_prefix = true;
		return true;
	}
	return false;
}

int take_prefixes(struct cursor *c, struct mmio_insn *in, uint8_t *opcode)
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

int take_disp(struct cursor *c, struct mmio_operand *m, unsigned size)
{
	uint64_t v = 0;

	if (size > c->len - c->pos || c->pos + size > INSN_MAX_LEN)
		return -E_RANGE;
	for (unsigned i = 0; i < size; i++)
		v |= (uint64_t)c->bytes[c->pos++] << (8 * i);
	if (size && size < 8)
		v = (uint64_t)((int64_t)(v << (64 - 8 * size)) >> (64 - 8 * size));
	m->disp = v;
	return 0;
}

/* SDM vol. 2, table "16-Bit Addressing Forms with the ModR/M Byte". */
static int take_modrm_16(struct cursor *c, struct mmio_operand *m, unsigned mod, unsigned rm)
{
	static const uint8_t base[8] = {RBX, RBX, RBP, RBP, RSI, RDI, RBP, RBX};
	static const uint8_t index[4] = {RSI, RDI, RSI, RDI};
	bool none = mod == 0 && rm == 6;

	m->base = none ? MMIO_NO_REG : base[rm];
	m->index = rm < 4 ? index[rm] : MMIO_NO_REG;
	return take_disp(c, m, none ? 2 : mod);
}

/* ... "32-Bit Addressing Forms", with SIB, and what 64-bit mode makes of them. */
static int take_modrm_32(struct cursor *c, struct mmio_operand *m, unsigned mod, unsigned rm)
{
	unsigned high = c->rex & REX_B ? 8 : 0;
	bool no_base = mod == 0 && rm == 5;

	m->base = rm + high;
	m->rip_relative = no_base && c->mode == CPU_MODE_64;
	if (rm == 4) {
		uint8_t sib;
		int err = take_byte(c, &sib);

		if (err)
			return err;
		m->scale = sib >> 6;
		m->index = (sib >> 3 & 7) + (c->rex & REX_X ? 8 : 0);
		if (m->index == RSP) /* "none"; R12 can be an index */
			m->index = MMIO_NO_REG;
		m->base = (sib & 7) + high;
		no_base = mod == 0 && (sib & 7) == 5;
	}
	if (no_base)
		m->base = MMIO_NO_REG;
	return take_disp(c, m, no_base || mod == 2 ? 4 : mod);
}

int take_modrm(struct cursor *c, struct mmio_insn *in)
{
	struct mmio_operand *m = &in->mem;
	uint8_t modrm;
	int err = take_byte(c, &modrm);

	if (err)
		return err;
	c->modrm_reg = (modrm >> 3) & 7;
	if (modrm >> 6 == 3)
		return -E_NOTSUP;
	err = in->addr_size == 2 ? take_modrm_16(c, m, modrm >> 6, modrm & 7)
				 : take_modrm_32(c, m, modrm >> 6, modrm & 7);
	m->seg = in->seg;
	if (!c->seg_prefix && (m->base == RSP || m->base == RBP))
		m->seg = SEG_SS;
	return err;
}
