/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Execution of decoded MMIO instructions: registers and flags as the processor
 * would leave them. Decoding is vmm/decode.c's, page walks and RIP the caller's.
 */
#include "vmm/emulate.h"
#include "arch/x86/cpu_state.h"

#define RFLAGS_CF BIT(0)
#define RFLAGS_PF BIT(2)
#define RFLAGS_AF BIT(4)
#define RFLAGS_ZF BIT(6)
#define RFLAGS_SF BIT(7)
#define RFLAGS_DF BIT(10)
#define RFLAGS_OF BIT(11)

#define RFLAGS_ARITH (RFLAGS_CF | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_OF)

static uint64_t size_mask(unsigned size)
{
	return size == 8 ? UINT64_MAX : BIT(8 * size) - 1;
}

static uint64_t reg_get(const struct emulate_cpu *cpu, unsigned reg, unsigned size, bool high)
{
	return (cpu->gpr[reg] >> (high ? 8 : 0)) & size_mask(size);
}

/* SDM vol. 1, "General-Purpose Registers": 32-bit results clear the upper half, others keep it. */
static void reg_set(struct emulate_cpu *cpu, unsigned reg, unsigned size, bool high, uint64_t value)
{
	uint64_t mask = size_mask(size) << (high ? 8 : 0);

	value = (value << (high ? 8 : 0)) & mask;
	if (size >= 4)
		cpu->gpr[reg] = value;
	else
		cpu->gpr[reg] = (cpu->gpr[reg] & ~mask) | value;
}

static uint64_t sign_extend(uint64_t value, unsigned size)
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

/* A two-operand ALU operation; updates rflags and returns what dst becomes. */
static uint64_t alu(struct emulate_cpu *cpu, unsigned op, uint64_t dst, uint64_t src, unsigned size)
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

/* NOT, NEG, INC, DEC. */
static uint64_t alu_unary(struct emulate_cpu *cpu, unsigned op, uint64_t v, unsigned size)
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

struct access {
	const struct mmio_insn *in;
	struct emulate_cpu *cpu;
	gpa_t gpa;
	const struct emulate_ops *ops;
	void *ctx;
};

static uint64_t mem_read(const struct access *a)
{
	return a->ops->read(a->ctx, a->gpa, a->in->size) & size_mask(a->in->size);
}

static void mem_write(const struct access *a, uint64_t value)
{
	a->ops->write(a->ctx, a->gpa, a->in->size, value & size_mask(a->in->size));
}

/* The operand that is not memory, in the memory operand's size. */
static uint64_t source(const struct access *a)
{
	const struct mmio_insn *in = a->in;

	if (in->has_imm)
		return in->imm & size_mask(in->size);
	return reg_get(a->cpu, in->reg, in->size, in->reg_high);
}

static void run_mov(const struct access *a)
{
	const struct mmio_insn *in = a->in;

	if (!in->to_reg) {
		mem_write(a, source(a));
		return;
	}
	uint64_t v = mem_read(a);

	if (in->sign_extend)
		v = sign_extend(v, in->size);
	reg_set(a->cpu, in->reg, in->reg_size, in->reg_high, v);
}

static void run_alu(const struct access *a)
{
	const struct mmio_insn *in = a->in;
	uint64_t mem = mem_read(a), src = source(a), r;

	if (in->to_reg) {
		r = alu(a->cpu, in->op, src, mem, in->size);
		if (in->op != MMIO_CMP)
			reg_set(a->cpu, in->reg, in->size, in->reg_high, r);
		return;
	}
	r = alu(a->cpu, in->op, mem, src, in->size);
	if (in->op != MMIO_CMP && in->op != MMIO_TEST)
		mem_write(a, r);
}

/* XCHG, XADD, CMPXCHG: memory and a register change. */
static void run_exchange(const struct access *a)
{
	const struct mmio_insn *in = a->in;
	uint64_t mem = mem_read(a), src = source(a);

	switch (in->op) {
	case MMIO_XCHG:
		mem_write(a, src);
		reg_set(a->cpu, in->reg, in->size, in->reg_high, mem);
		break;
	case MMIO_XADD:
		mem_write(a, alu(a->cpu, in->op, mem, src, in->size));
		reg_set(a->cpu, in->reg, in->size, in->reg_high, mem);
		break;
	default: /* MMIO_CMPXCHG: flags are those of accumulator - memory */
		alu(a->cpu, MMIO_CMP, reg_get(a->cpu, RAX, in->size, false), mem, in->size);
		if (a->cpu->rflags & RFLAGS_ZF) {
			mem_write(a, src);
		} else {
			mem_write(a, mem);
			reg_set(a->cpu, RAX, in->size, false, mem);
		}
		break;
	}
}

/*
 * A register bit offset beyond the operand moved the access (SDM, "BT"); gpa is
 * where it went, so only the position inside the operand is left to apply.
 */
static void run_bit(const struct access *a)
{
	const struct mmio_insn *in = a->in;
	uint64_t mask = BIT(source(a) & (8u * in->size - 1));
	uint64_t mem = mem_read(a);

	a->cpu->rflags &= ~RFLAGS_CF;
	if (mem & mask)
		a->cpu->rflags |= RFLAGS_CF;
	switch (in->op) {
	case MMIO_BTS:
		mem_write(a, mem | mask);
		break;
	case MMIO_BTR:
		mem_write(a, mem & ~mask);
		break;
	case MMIO_BTC:
		mem_write(a, mem ^ mask);
		break;
	}
}

/* RSI or RDI past one element, in the address size. */
static void step(const struct access *a, unsigned reg)
{
	const struct mmio_insn *in = a->in;
	uint64_t by = (a->cpu->rflags & RFLAGS_DF) ? -(uint64_t)in->size : in->size;

	reg_set(a->cpu, reg, in->addr_size, false, a->cpu->gpr[reg] + by);
}

static int move_element(const struct access *a, bool is_write)
{
	const struct mmio_insn *in = a->in;
	unsigned other = is_write ? RSI : RDI;
	uint64_t linear = reg_get(a->cpu, other, in->addr_size, false) +
			  a->cpu->seg_base[is_write ? in->seg : SEG_ES];
	uint64_t v;

	if (!is_write)
		return a->ops->write_linear(a->ctx, linear, in->size, mem_read(a));
	int err = a->ops->read_linear(a->ctx, linear, in->size, &v);

	if (!err)
		mem_write(a, v);
	return err;
}

/* One iteration of STOS, LODS or MOVS. */
static int run_string(const struct access *a, bool is_write)
{
	const struct mmio_insn *in = a->in;
	uint64_t left = reg_get(a->cpu, RCX, in->addr_size, false);

	if (in->rep && !left)
		return 0;
	if (in->op == MMIO_MOVS) {
		int err = move_element(a, is_write);

		if (err)
			return err;
	} else {
		run_mov(a);
	}
	if (in->op != MMIO_STOS)
		step(a, RSI);
	if (in->op != MMIO_LODS)
		step(a, RDI);
	if (!in->rep)
		return 0;
	reg_set(a->cpu, RCX, in->addr_size, false, left - 1);
	return left > 1 ? EMULATE_REPEAT : 0;
}

int emulate_mmio(const struct mmio_insn *in, struct emulate_cpu *cpu, gpa_t gpa, bool is_write,
		 const struct emulate_ops *ops, void *ctx)
{
	struct access a = {.in = in, .cpu = cpu, .gpa = gpa, .ops = ops, .ctx = ctx};

	switch (in->op) {
	case MMIO_MOV:
		run_mov(&a);
		return 0;
	case MMIO_XCHG:
	case MMIO_XADD:
	case MMIO_CMPXCHG:
		run_exchange(&a);
		return 0;
	case MMIO_BT:
	case MMIO_BTS:
	case MMIO_BTR:
	case MMIO_BTC:
		run_bit(&a);
		return 0;
	case MMIO_NOT:
	case MMIO_NEG:
	case MMIO_INC:
	case MMIO_DEC:
		mem_write(&a, alu_unary(cpu, in->op, mem_read(&a), in->size));
		return 0;
	case MMIO_STOS:
	case MMIO_LODS:
	case MMIO_MOVS:
		return run_string(&a, is_write);
	default:
		run_alu(&a);
		return 0;
	}
}
