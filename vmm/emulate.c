/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Execution of decoded MMIO instructions: registers and flags as the processor
 * would leave them. Decoding is vmm/decode.c's, page walks and RIP the caller's.
 */
#include "vmm/emulate.h"
#include "arch/x86/cpu_state.h"
#include "vmm/emulate_alu.h"

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

/* CMPS: both operands by their linear addresses, one of them is the device's. */
static int compare_elements(const struct access *a)
{
	const struct mmio_insn *in = a->in;
	uint64_t from = reg_get(a->cpu, RSI, in->addr_size, false) + a->cpu->seg_base[in->seg];
	uint64_t with = reg_get(a->cpu, RDI, in->addr_size, false) + a->cpu->seg_base[SEG_ES];
	uint64_t x, y;
	int err = a->ops->read_linear(a->ctx, from, in->size, &x);

	if (!err)
		err = a->ops->read_linear(a->ctx, with, in->size, &y);
	if (!err)
		alu(a->cpu, in->op, x, y, in->size);
	return err;
}

/* One iteration of a string instruction. */
static int run_string(const struct access *a, bool is_write)
{
	const struct mmio_insn *in = a->in;
	uint64_t left = reg_get(a->cpu, RCX, in->addr_size, false);

	if (in->rep && !left)
		return 0;
	int err = 0;

	if (in->op == MMIO_MOVS)
		err = move_element(a, is_write);
	else if (in->op == MMIO_CMPS)
		err = compare_elements(a);
	else if (in->op == MMIO_SCAS)
		alu(a->cpu, in->op, reg_get(a->cpu, RAX, in->size, false), mem_read(a), in->size);
	else
		run_mov(a);
	if (err)
		return err;
	if (in->op != MMIO_STOS && in->op != MMIO_SCAS)
		step(a, RSI);
	if (in->op != MMIO_LODS)
		step(a, RDI);
	if (!in->rep)
		return 0;
	reg_set(a->cpu, RCX, in->addr_size, false, left - 1);
	if ((in->op == MMIO_CMPS || in->op == MMIO_SCAS) &&
	    !(a->cpu->rflags & RFLAGS_ZF) != in->repne)
		return 0;
	return left > 1 ? EMULATE_REPEAT : 0;
}

/* PUSH and POP of 64-bit code, whose stack is flat. */
static int run_stack(const struct access *a)
{
	const struct mmio_insn *in = a->in;
	uint64_t sp = a->cpu->gpr[RSP], v;
	int err;

	if (in->op == MMIO_PUSH) {
		err = a->ops->write_linear(a->ctx, sp - in->size, in->size, mem_read(a));
		a->cpu->gpr[RSP] -= err ? 0 : in->size;
		return err;
	}
	err = a->ops->read_linear(a->ctx, sp, in->size, &v);
	if (err)
		return err;
	mem_write(a, v);
	a->cpu->gpr[RSP] += in->size;
	return 0;
}

static uint64_t bytes_swapped(uint64_t v, unsigned size)
{
	return __builtin_bswap64(v) >> (64 - 8 * size);
}

/* MOVBE, SETcc, CMOVcc, IMUL, shifts. */
static void run_other(const struct access *a)
{
	const struct mmio_insn *in = a->in;
	uint64_t v = in->op == MMIO_SET || (in->op == MMIO_MOVBE && !in->to_reg) ? 0 : mem_read(a);
	uint64_t old = in->has_reg ? reg_get(a->cpu, in->reg, in->size, false) : 0;

	switch (in->op) {
	case MMIO_MOVBE:
		v = bytes_swapped(in->to_reg ? v : old, in->size);
		break;
	case MMIO_SET:
		v = alu_condition(a->cpu, in->detail);
		break;
	case MMIO_CMOV:
		v = alu_condition(a->cpu, in->detail) ? v : old;
		break;
	case MMIO_IMUL:
		v = alu_imul(a->cpu, v, in->has_imm ? in->imm : old, in->size);
		break;
	default: /* MMIO_SHIFT */
		v = alu_shift(a->cpu, in->detail, v,
			      in->has_imm ? in->imm : a->cpu->gpr[RCX] & 0xff, in->size);
		break;
	}
	if (in->to_reg)
		reg_set(a->cpu, in->reg, in->size, false, v);
	else
		mem_write(a, v);
}

uint64_t emulate_address(const struct mmio_insn *in, const struct emulate_cpu *cpu, uint64_t rip,
			 bool is_write)
{
	const struct mmio_operand *m = &in->mem;
	uint64_t ea = m->disp;
	unsigned seg = m->seg;

	if (in->op >= MMIO_STOS) { /* no ModRM */
		bool dest =
		    in->op == MMIO_STOS || in->op == MMIO_SCAS || (in->op == MMIO_MOVS && is_write);

		ea = cpu->gpr[dest ? RDI : RSI];
		seg = dest ? SEG_ES : in->seg;
	} else {
		ea += m->base != MMIO_NO_REG ? cpu->gpr[m->base] : 0;
		ea += m->index != MMIO_NO_REG ? cpu->gpr[m->index] << m->scale : 0;
		ea += m->rip_relative ? rip + in->len : 0;
	}
	if (in->op >= MMIO_BT && in->op <= MMIO_BTC && in->has_reg) { /* the bit may be far away */
		int64_t bit =
		    (int64_t)sign_extend(cpu->gpr[in->reg] & size_mask(in->size), in->size);

		ea += (uint64_t)(bit >> (in->size == 8 ? 6 : in->size == 4 ? 5 : 4)) * in->size;
	}
	return (ea & size_mask(in->addr_size)) + cpu->seg_base[seg];
}

bool emulate_writes(const struct mmio_insn *in, bool is_write)
{
	switch (in->op) {
	case MMIO_CMP:
	case MMIO_TEST:
	case MMIO_BT:
	case MMIO_LODS:
	case MMIO_CMPS:
	case MMIO_SCAS:
	case MMIO_PUSH:
		return false;
	case MMIO_MOVS:
		return is_write;
	case MMIO_XCHG:
	case MMIO_XADD:
	case MMIO_CMPXCHG:
		return true;
	default:
		return !in->to_reg;
	}
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
	case MMIO_CMPS:
	case MMIO_SCAS:
		return run_string(&a, is_write);
	case MMIO_PUSH:
	case MMIO_POP:
		return run_stack(&a);
	case MMIO_MOVBE:
	case MMIO_SET:
	case MMIO_CMOV:
	case MMIO_IMUL:
	case MMIO_SHIFT:
		run_other(&a);
		return 0;
	default:
		run_alu(&a);
		return 0;
	}
}
