/* SPDX-License-Identifier: BSD-2-Clause */
/* Results and flags: SDM vol. 2, each instruction's "Operation" and "Flags Affected". */
#include "vmm/emulate_alu.h"
#include "arch/x86/cpu_state.h"

#define RFLAGS_ARITH (RFLAGS_CF | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_OF)

enum { ROL, ROR, RCL, RCR, SHL, SHR, SAL, SAR };

uint64_t sign_extend(uint64_t value, unsigned size)
{
	unsigned shift = 64 - 8 * size;

	return (uint64_t)((int64_t)(value << shift) >> shift);
}

static uint64_t result_flags(uint64_t result, unsigned size)
{
	uint64_t flags = 0;

	if (!__builtin_parity(result & 0xff)) /* PF: even number of ones in the low byte */
		flags |= RFLAGS_PF;
	if (!result)
		flags |= RFLAGS_ZF;
	if (result >> (8 * size - 1))
		flags |= RFLAGS_SF;
	return flags;
}

/* a + b + carry; flags for that sum. */
static uint64_t alu_add(uint64_t a, uint64_t b, unsigned carry, unsigned size, uint64_t *flags)
{
	uint64_t mask = size_mask(size), r = (a + b + carry) & mask;
	uint64_t carries = (a & b) | ((a | b) & ~r); /* carry out of each bit */

	*flags = result_flags(r, size);
	if (carries >> (8 * size - 1) & 1)
		*flags |= RFLAGS_CF;
	if (carries & BIT(3))
		*flags |= RFLAGS_AF;
	if (((a ^ r) & (b ^ r)) >> (8 * size - 1) & 1)
		*flags |= RFLAGS_OF;
	return r;
}

/* a - b - borrow; flags for that difference. */
static uint64_t alu_sub(uint64_t a, uint64_t b, unsigned borrow, unsigned size, uint64_t *flags)
{
	uint64_t mask = size_mask(size), r = (a - b - borrow) & mask;
	uint64_t borrows = (~a & b) | ((~a | b) & r);

	*flags = result_flags(r, size);
	if (borrows >> (8 * size - 1) & 1)
		*flags |= RFLAGS_CF;
	if (borrows & BIT(3))
		*flags |= RFLAGS_AF;
	if (((a ^ b) & (a ^ r)) >> (8 * size - 1) & 1)
		*flags |= RFLAGS_OF;
	return r;
}

uint64_t alu(struct emulate_cpu *cpu, unsigned op, uint64_t dst, uint64_t src, unsigned size)
{
	unsigned carry = cpu->rflags & RFLAGS_CF;
	uint64_t flags = 0, r = 0;

	src &= size_mask(size);
	switch (op) {
	case MMIO_ADD:
	case MMIO_XADD:
		r = alu_add(dst, src, 0, size, &flags);
		break;
	case MMIO_ADC:
		r = alu_add(dst, src, carry, size, &flags);
		break;
	case MMIO_SBB:
		r = alu_sub(dst, src, carry, size, &flags);
		break;
	case MMIO_SUB:
	case MMIO_CMP:
	case MMIO_CMPXCHG:
	case MMIO_SCAS:
	case MMIO_CMPS:
		r = alu_sub(dst, src, 0, size, &flags);
		break;
	case MMIO_OR:
		r = dst | src;
		flags = result_flags(r, size);
		break;
	case MMIO_XOR:
		r = dst ^ src;
		flags = result_flags(r, size);
		break;
	default: /* MMIO_AND, MMIO_TEST */
		r = dst & src;
		flags = result_flags(r, size);
		break;
	}
	cpu->rflags = (cpu->rflags & ~RFLAGS_ARITH) | flags;
	return r;
}

uint64_t alu_unary(struct emulate_cpu *cpu, unsigned op, uint64_t v, unsigned size)
{
	uint64_t flags, keep = cpu->rflags & RFLAGS_CF, r;

	switch (op) {
	case MMIO_NOT:
		return ~v & size_mask(size);
	case MMIO_NEG:
		r = alu_sub(0, v, 0, size, &flags);
		keep = flags & RFLAGS_CF;
		break;
	case MMIO_INC:
		r = alu_add(v, 1, 0, size, &flags);
		break;
	default: /* MMIO_DEC */
		r = alu_sub(v, 1, 0, size, &flags);
		break;
	}
	flags = (flags & ~RFLAGS_CF) | keep; /* INC and DEC leave CF alone */
	cpu->rflags = (cpu->rflags & ~RFLAGS_ARITH) | flags;
	return r;
}

static void flag_set(struct emulate_cpu *cpu, uint64_t flag, bool on)
{
	cpu->rflags = on ? cpu->rflags | flag : cpu->rflags & ~flag;
}

/* ROL and ROR touch CF and OF only. */
static uint64_t rotate(struct emulate_cpu *cpu, bool left, uint64_t v, unsigned count,
		       unsigned size)
{
	unsigned bits = 8 * size, n = count % bits;
	uint64_t r = v;

	if (n && left)
		r = (v << n | v >> (bits - n)) & size_mask(size);
	else if (n)
		r = (v >> n | v << (bits - n)) & size_mask(size);
	if (left)
		flag_set(cpu, RFLAGS_CF, r & 1);
	else
		flag_set(cpu, RFLAGS_CF, r >> (bits - 1) & 1);
	if (left)
		flag_set(cpu, RFLAGS_OF, (r >> (bits - 1) ^ r) & 1);
	else
		flag_set(cpu, RFLAGS_OF, (r >> (bits - 1) ^ r >> (bits - 2)) & 1);
	return r;
}

uint64_t alu_shift(struct emulate_cpu *cpu, unsigned kind, uint64_t v, unsigned count,
		   unsigned size)
{
	unsigned bits = 8 * size;
	uint64_t out, r, sign = v >> (bits - 1) & 1;

	count &= size == 8 ? 63 : 31;
	if (!count)
		return v;
	if (kind == ROL || kind == ROR)
		return rotate(cpu, kind == ROL, v, count, size);
	if (kind == SHL || kind == SAL) {
		out = count <= bits ? v >> (bits - count) & 1 : 0;
		r = count < bits ? v << count & size_mask(size) : 0;
	} else if (kind == SHR) {
		out = count <= bits ? v >> (count - 1) & 1 : 0;
		r = count < bits ? v >> count : 0;
	} else {
		int64_t wide = (int64_t)sign_extend(v, size);

		out = (uint64_t)(wide >> (count - 1)) & 1;
		r = (uint64_t)(wide >> (count < 64 ? count : 63)) & size_mask(size);
	}
	cpu->rflags = (cpu->rflags & ~RFLAGS_ARITH) | result_flags(r, size);
	flag_set(cpu, RFLAGS_CF, out);
	if (kind == SHL || kind == SAL)
		flag_set(cpu, RFLAGS_OF, (r >> (bits - 1) ^ out) & 1);
	else
		flag_set(cpu, RFLAGS_OF, kind == SHR && sign);
	return r;
}

uint64_t alu_imul(struct emulate_cpu *cpu, uint64_t a, uint64_t b, unsigned size)
{
	__int128 wide = (__int128)(int64_t)sign_extend(a, size) * (int64_t)sign_extend(b, size);
	uint64_t r = (uint64_t)wide & size_mask(size);
	bool over = wide != (__int128)(int64_t)sign_extend(r, size);

	flag_set(cpu, RFLAGS_CF | RFLAGS_OF, over);
	return r;
}

bool alu_condition(const struct emulate_cpu *cpu, unsigned cond)
{
	uint64_t f = cpu->rflags;
	bool less = !(f & RFLAGS_SF) != !(f & RFLAGS_OF), is = false;

	switch (cond >> 1) {
	case 0:
		is = f & RFLAGS_OF;
		break;
	case 1:
		is = f & RFLAGS_CF;
		break;
	case 2:
		is = f & RFLAGS_ZF;
		break;
	case 3:
		is = f & (RFLAGS_CF | RFLAGS_ZF);
		break;
	case 4:
		is = f & RFLAGS_SF;
		break;
	case 5:
		is = f & RFLAGS_PF;
		break;
	case 6:
		is = less;
		break;
	case 7:
		is = less || (f & RFLAGS_ZF);
		break;
	}
	return is != (cond & 1);
}
