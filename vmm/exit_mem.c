/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Exits that need the guest's memory: MMIO, whose instruction is fetched, decoded
 * and carried out; and INS/OUTS, one element an exit.
 */
#include "kernel/lib/string.h"
#include "kernel/log.h"
#include "vmm/dev/vlapic.h"
#include "vmm/emulate.h"
#include "vmm/exits.h"
#include "vmm/guest_walk.h"

#define RFLAGS_DF  BIT(10)
#define LAPIC_PAGE PAGE_SIZE

struct access {
	struct vcpu *v;
	struct cpu_paging paging;
	uint32_t fault;
	uint64_t fault_at;
};

static uint64_t bus_read(void *ctx, gpa_t gpa, unsigned size)
{
	struct access *a = ctx;
	gpa_t lapic = vlapic_mmio_gpa(a->v->lapic);

	if (gpa - lapic < LAPIC_PAGE)
		return vlapic_mmio_read(a->v->lapic, gpa - lapic, size);
	return iobus_read(&a->v->vm->mmio, gpa, size);
}

static void bus_write(void *ctx, gpa_t gpa, unsigned size, uint64_t value)
{
	struct access *a = ctx;
	gpa_t lapic = vlapic_mmio_gpa(a->v->lapic);

	if (gpa - lapic < LAPIC_PAGE)
		vlapic_mmio_write(a->v->lapic, gpa - lapic, size, value);
	else
		iobus_write(&a->v->vm->mmio, gpa, size, value);
}

static int linear_read(void *ctx, uint64_t linear, unsigned size, uint64_t *value)
{
	struct access *a = ctx;

	*value = 0;
	return guest_linear_read(a->v->vm, &a->paging, linear, value, size, 0, &a->fault,
				 &a->fault_at);
}

static int linear_write(void *ctx, uint64_t linear, unsigned size, uint64_t *value)
{
	struct access *a = ctx;

	return guest_linear_write(a->v->vm, &a->paging, linear, value, size, 0, &a->fault,
				  &a->fault_at);
}

static int linear_write_value(void *ctx, uint64_t linear, unsigned size, uint64_t value)
{
	return linear_write(ctx, linear, size, &value);
}

static const struct emulate_ops bus_ops = {bus_read, bus_write, linear_read, linear_write_value};

static void inject_page_fault(struct access *a)
{
	hw_vcpu_set_cr2(a->v->hw, a->fault_at);
	hw_vcpu_inject_exception(a->v->hw, VECTOR_PF, true, a->fault);
}

/* As many bytes as are mapped, up to the longest instruction. */
static unsigned fetch(struct access *a, uint64_t rip, uint8_t *bytes)
{
	uint64_t linear = a->paging.mode_bits == 64 ? rip : a->paging.cs_base + rip;
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

static void cpu_load(struct access *a, struct emulate_cpu *cpu, uint64_t gpr[16])
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

void exit_mmio(struct vcpu *v, const struct vcpu_exit *e)
{
	struct access a = {.v = v};
	struct emulate_cpu cpu;
	struct mmio_insn insn;
	uint8_t bytes[INSN_MAX_LEN] = {0};
	uint64_t gpr[16], rip = hw_vcpu_rip(v->hw);
	unsigned have;
	int err;

	hw_vcpu_paging(v->hw, &a.paging);
	if (e->mmio.fetch) { /* an empty bus reads as ones, and FF FF is no instruction */
		hw_vcpu_inject_exception(v->hw, VECTOR_UD, false, 0);
		return;
	}
	have = fetch(&a, rip, bytes);
	if (!have || decode_mmio(bytes, have, a.paging.mode_bits, &insn) != 0) {
		vm_crash(v->vm,
			 "cannot carry out the access to %#lx by %02x %02x %02x %02x %02x %02x at "
			 "rip %#lx",
			 e->mmio.gpa, bytes[0], bytes[1], bytes[2], bytes[3], bytes[4], bytes[5],
			 rip);
		return;
	}
	cpu_load(&a, &cpu, gpr);
	err = emulate_mmio(&insn, &cpu, e->mmio.gpa, e->mmio.write, &bus_ops, &a);
	if (err < 0) {
		inject_page_fault(&a);
		return;
	}
	for (unsigned i = 0; i < 16; i++)
		hw_vcpu_set_gpr(v->hw, i, gpr[i]);
	hw_vcpu_set_rflags(v->hw, cpu.rflags);
	if (err != EMULATE_REPEAT)
		hw_vcpu_skip(v->hw, insn.len);
}

static uint64_t register_step(uint64_t reg, unsigned addr_size, int64_t step)
{
	uint64_t mask = addr_size == 8 ? UINT64_MAX : BIT(8 * addr_size) - 1;
	uint64_t next = (reg + step) & mask;

	/* 32-bit results clear the upper half, 16-bit ones keep what is above */
	return addr_size == 2 ? (reg & ~mask) | next : next;
}

/* Before INS reads the port: a read has side effects that a fault would lose. */
static int operand_probe(struct access *a, uint64_t linear, unsigned size)
{
	gpa_t gpa;
	int err;

	a->fault_at = linear;
	err = guest_walk_probe(a->v->vm, &a->paging, linear, WALK_WRITE, &gpa, &a->fault);
	if (err)
		return err;
	a->fault_at = linear + size - 1;
	err = guest_walk_probe(a->v->vm, &a->paging, a->fault_at, WALK_WRITE, &gpa, &a->fault);
	if (err && size > 1) /* the fault is at the first byte of the second page */
		a->fault_at = ALIGN_DOWN(a->fault_at, PAGE_SIZE);
	return err;
}

bool exit_string_io(struct vcpu *v, const struct vcpu_exit *e)
{
	struct access a = {.v = v};
	unsigned size = e->io.size, width = e->io.addr_size;
	enum cpu_gpr index = e->io.in ? RDI : RSI;
	uint64_t mask = width == 8 ? UINT64_MAX : BIT(8 * width) - 1, value = 0;
	uint64_t left = hw_vcpu_gpr(v->hw, RCX);
	int64_t step = hw_vcpu_rflags(v->hw) & RFLAGS_DF ? -(int64_t)size : (int64_t)size;
	int err;

	if (e->io.rep && !(left & mask))
		return true;
	hw_vcpu_paging(v->hw, &a.paging);
	if (e->io.in) {
		err = operand_probe(&a, e->io.linear, size);
		if (!err) {
			value = iobus_read(&v->vm->ports, e->io.port, size);
			err = linear_write(&a, e->io.linear, size, &value);
		}
	} else {
		err = linear_read(&a, e->io.linear, size, &value);
		if (!err)
			iobus_write(&v->vm->ports, e->io.port, size, value);
	}
	if (err) {
		inject_page_fault(&a);
		return false;
	}
	hw_vcpu_set_gpr(v->hw, index, register_step(hw_vcpu_gpr(v->hw, index), width, step));
	if (!e->io.rep)
		return true;
	hw_vcpu_set_gpr(v->hw, RCX, register_step(left, width, -1));
	return ((left - 1) & mask) == 0;
}
