/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Exits that need the guest's memory: MMIO, whose instruction is fetched, decoded
 * and carried out; and INS/OUTS, one element an exit.
 */
#include "kernel/lib/string.h"
#include "kernel/log.h"
#include "vmm/emulate.h"
#include "vmm/exits.h"
#include "vmm/guest_access.h"
#include "vmm/guest_walk.h"

#define RFLAGS_DF BIT(10)

struct mmio_access {
	struct guest_access a;
	struct guest_span device; /* the operand that left the guest */
	uint64_t linear;	  /* its address */
};

static uint64_t device_read(void *ctx, gpa_t gpa, unsigned size)
{
	struct mmio_access *m = ctx;

	return guest_span_read(&m->a, &m->device);
}

static void device_write(void *ctx, gpa_t gpa, unsigned size, uint64_t value)
{
	struct mmio_access *m = ctx;

	guest_span_write(&m->a, &m->device, value);
}

static int linear_read(void *ctx, uint64_t linear, unsigned size, uint64_t *value)
{
	struct mmio_access *m = ctx;
	struct guest_span s;
	int err = guest_span_find(&m->a, linear, size, 0, &s);

	*value = err ? 0 : guest_span_read(&m->a, &s);
	return err;
}

static int linear_write(void *ctx, uint64_t linear, unsigned size, uint64_t value)
{
	struct mmio_access *m = ctx;
	struct guest_span s;
	int err = guest_span_find(&m->a, linear, size, WALK_WRITE, &s);

	if (!err)
		guest_span_write(&m->a, &s, value);
	return err;
}

static const struct emulate_ops device_ops = {device_read, device_write, linear_read, linear_write};

/* As many bytes as are mapped, up to the longest instruction. */
static unsigned fetch(struct guest_access *a, uint64_t rip, uint8_t *bytes)
{
	uint64_t linear = a->paging.mode_bits == 64 ? rip : (uint32_t)(a->paging.cs_base + rip);
	unsigned first = MIN((uint64_t)INSN_MAX_LEN, PAGE_SIZE - (linear & (PAGE_SIZE - 1)));

	if (guest_linear_read(a->v->vm, &a->paging, linear, bytes, first, WALK_FETCH, &a->fault,
			      &a->fault_at) != 0)
		return 0;
	if (first == INSN_MAX_LEN ||
	    guest_linear_read(a->v->vm, &a->paging, linear + first, bytes + first,
			      INSN_MAX_LEN - first, WALK_FETCH, &a->fault, &a->fault_at) != 0)
		return first;
	return INSN_MAX_LEN;
}

static void cpu_load(struct guest_access *a, struct emulate_cpu *cpu, uint64_t gpr[16])
{
	const struct cpu_paging *p = &a->paging;
	bool flat = p->mode_bits == 64;

	for (unsigned i = 0; i < 16; i++)
		gpr[i] = hw_vcpu_gpr(a->v->hw, i);
	cpu->gpr = gpr;
	cpu->rflags = hw_vcpu_rflags(a->v->hw);
	cpu->seg_base[SEG_ES] = flat ? 0 : p->es_base;
	cpu->seg_base[SEG_CS] = flat ? 0 : p->cs_base;
	cpu->seg_base[SEG_SS] = flat ? 0 : p->ss_base;
	cpu->seg_base[SEG_DS] = flat ? 0 : p->ds_base;
	cpu->seg_base[SEG_FS] = p->fs_base;
	cpu->seg_base[SEG_GS] = p->gs_base;
}

/* The hardware says where the access went, but of one that crosses pages only one part. */
static int device_find(struct mmio_access *m, const struct mmio_insn *insn,
		       const struct emulate_cpu *cpu, uint64_t rip, const struct vcpu_exit *e)
{
	uint64_t linear = emulate_address(insn, cpu, rip, e->mmio.write);

	m->linear = m->a.paging.mode_bits == 64 ? linear : (uint32_t)linear;
	if (guest_span_crosses(linear, insn->size))
		return guest_span_find(&m->a, linear, insn->size,
				       emulate_writes(insn, e->mmio.write) ? WALK_WRITE : 0,
				       &m->device);
	m->device = (struct guest_span){{e->mmio.gpa}, insn->size, insn->size};
	return 0;
}

static void cannot_decode(struct vcpu *v, gpa_t gpa, uint64_t rip, const uint8_t *b)
{
	vm_crash(v->vm,
		 "cannot carry out the access to %#lx by %02x %02x %02x %02x %02x %02x at rip %#lx",
		 gpa, b[0], b[1], b[2], b[3], b[4], b[5], rip);
}

void exit_mmio(struct vcpu *v, const struct vcpu_exit *e)
{
	struct mmio_access m = {.a = {.v = v}};
	struct emulate_cpu cpu;
	struct mmio_insn insn;
	uint8_t bytes[INSN_MAX_LEN] = {0};
	uint64_t gpr[16], rip = hw_vcpu_rip(v->hw);
	unsigned have;
	int err;

	hw_vcpu_paging(v->hw, &m.a.paging);
	if (e->mmio.fetch) { /* an empty bus reads as ones, and FF FF is no instruction */
		hw_vcpu_inject_exception(v->hw, VECTOR_UD, false, 0);
		return;
	}
	have = fetch(&m.a, rip, bytes);
	if (!have || decode_mmio(bytes, have, m.a.paging.mode_bits, &insn) != 0 ||
	    (insn.op == MMIO_PUSH && e->mmio.write)) { /* its stack is where no memory is */
		cannot_decode(v, e->mmio.gpa, rip, bytes);
		return;
	}
	cpu_load(&m.a, &cpu, gpr);
	err = device_find(&m, &insn, &cpu, rip, e);
	if (!err)
		err = emulate_mmio(&insn, &cpu, e->mmio.gpa, e->mmio.write, &device_ops, &m);
	if (err < 0) {
		guest_access_fault(&m.a);
		return;
	}
	for (unsigned i = 0; i < 16; i++)
		hw_vcpu_set_gpr(v->hw, i, gpr[i]);
	hw_vcpu_set_rflags(v->hw, cpu.rflags);
	hw_vcpu_data_access(v->hw, m.linear, insn.size, emulate_writes(&insn, e->mmio.write));
	if (err != EMULATE_REPEAT)
		hw_vcpu_skip(v->hw, insn.len);
}

/* ---- INS, OUTS ---------------------------------------------------------------------- */

static uint64_t register_step(uint64_t reg, unsigned addr_size, int64_t step)
{
	uint64_t mask = addr_size == 8 ? UINT64_MAX : BIT(8 * addr_size) - 1;
	uint64_t next = (reg + step) & mask;

	/* 32-bit results clear the upper half, 16-bit ones keep what is above */
	return addr_size == 2 ? (reg & ~mask) | next : next;
}

bool exit_string_io(struct vcpu *v, const struct vcpu_exit *e)
{
	struct guest_access a = {.v = v};
	struct guest_span s;
	unsigned size = e->io.size, width = e->io.addr_size;
	enum cpu_gpr index = e->io.in ? RDI : RSI;
	uint64_t mask = width == 8 ? UINT64_MAX : BIT(8 * width) - 1;
	uint64_t left = hw_vcpu_gpr(v->hw, RCX);
	int64_t step = hw_vcpu_rflags(v->hw) & RFLAGS_DF ? -(int64_t)size : (int64_t)size;

	if (e->io.rep && !(left & mask))
		return true;
	if (e->io.outside) {
		hw_vcpu_inject_exception(v->hw, e->io.stack ? VECTOR_SS : VECTOR_GP, true, 0);
		return false;
	}
	hw_vcpu_paging(v->hw, &a.paging);
	/* before INS reads the port: a read has side effects that a fault would lose */
	if (guest_span_find(&a, e->io.linear, size, e->io.in ? WALK_WRITE : 0, &s) != 0) {
		guest_access_fault(&a);
		return false;
	}
	if (e->io.in)
		guest_span_write(&a, &s, iobus_read(&v->vm->ports, e->io.port, size));
	else
		iobus_write(&v->vm->ports, e->io.port, size, guest_span_read(&a, &s));
	hw_vcpu_set_gpr(v->hw, index, register_step(hw_vcpu_gpr(v->hw, index), width, step));
	if (!e->io.rep)
		return true;
	hw_vcpu_set_gpr(v->hw, RCX, register_step(left, width, -1));
	return ((left - 1) & mask) == 0;
}
