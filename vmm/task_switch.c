/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Task switches (SDM vol. 3, "Task Switching"). Until the new task's registers are
 * loaded a fault leaves everything as it was; after that it is the new task's. What the
 * descriptors of its segments must be like is in task_segments.c.
 */
#include "vmm/task_switch.h"
#include "arch/x86/virt.h"
#include "kernel/lib/string.h"
#include "vmm/guest_walk.h"
#include "vmm/task_inner.h"

#define CR0_TS	  BIT(3)
#define CR0_PG	  BIT(31)
#define CR4_PAE	  BIT(5)
#define RFLAGS_NT BIT(14)
#define RFLAGS_ON 0x3f7fd7ul
#define DR7_LOCAL 0x155ul /* L0 to L3 and LE */
#define DR6_BT	  BIT(15)

#define TSS_BUSY	0x2u /* in the type */
#define TYPE_TSS16	1u
#define TYPE_TSS32	9u
#define TSS16_MIN_LIMIT 0x2bu
#define TSS32_MIN_LIMIT 0x67u

#define EVENT_VALID    BIT(31)
#define EVENT_ERROR    BIT(11)
#define EVENT_TYPE(i)  ((i) >> 8 & 7)
#define EVENT_NMI      2
#define EVENT_SOFT_INT 4 /* and above: the instruction is over */
#define PDPTE_RESERVED 0x1e6ul

/* The parts of a TSS, in memory order: SDM figures "32-Bit" and "16-Bit Task-State Segment". */
struct tss32 {
	uint32_t link, stacks[6], cr3, eip, eflags, gpr[8];
	uint32_t seg[6]; /* ES CS SS DS FS GS */
	uint32_t ldt;
	uint16_t trap, io_map;
};
struct tss16 {
	uint16_t link, stacks[6], ip, flags, gpr[8];
	uint16_t seg[4]; /* ES CS SS DS */
	uint16_t ldt;
};
_Static_assert(sizeof(struct tss32) == 104 && sizeof(struct tss16) == 44, "as the SDM draws them");

/* ---- memory ------------------------------------------------------------------------- */

static void paging_update(struct task_change *t)
{
	const struct cpu_state *s = t->s;

	t->paging = (struct cpu_paging){.cr0 = s->cr0,
					.cr3 = s->cr3,
					.cr4 = s->cr4,
					.efer = s->efer,
					.rflags = s->rflags,
					.cpl = s->seg[SEG_SS].access >> 5 & 3};
	memcpy(t->paging.pdpte, s->pdpte, sizeof(s->pdpte));
}

static int page_fault(struct task_change *t, uint64_t at, uint32_t error)
{
	t->cr2 = at;
	return task_fault(t, VECTOR_PF, error);
}

int task_read(struct task_change *t, uint64_t linear, void *buf, size_t len)
{
	uint32_t fault;
	uint64_t at;

	if (guest_linear_read(t->v->vm, &t->paging, linear, buf, len, WALK_SYSTEM, &fault, &at))
		return page_fault(t, at, fault);
	return 0;
}

int task_write(struct task_change *t, uint64_t linear, const void *buf, size_t len)
{
	uint32_t fault;
	uint64_t at;

	if (guest_linear_write(t->v->vm, &t->paging, linear, buf, len, WALK_SYSTEM, &fault, &at))
		return page_fault(t, at, fault);
	return 0;
}

/* Would a write to all of it go through? */
static int probe(struct task_change *t, uint64_t linear, size_t len)
{
	uint64_t ends[2] = {linear, linear + len - 1};
	uint32_t fault;
	gpa_t gpa;

	for (unsigned i = 0; i < 2; i++)
		if (guest_walk_probe(t->v->vm, &t->paging, ends[i], WALK_WRITE | WALK_SYSTEM, &gpa,
				     &fault))
			return page_fault(t, i ? ALIGN_DOWN(ends[i], PAGE_SIZE) : ends[i], fault);
	return 0;
}

int task_fault(struct task_change *t, uint8_t vector, uint32_t error)
{
	t->vector = vector;
	t->error = error;
	return -E_INVAL;
}

/* ---- the two TSSs ------------------------------------------------------------------- */

static bool is_call(const struct task_change *t)
{
	return t->source == TASK_CALL || t->source == TASK_GATE;
}

/* The new TSS's descriptor, and is it fit? */
static int target_find(struct task_change *t)
{
	bool back = t->source == TASK_IRET;
	uint8_t refused = back ? VECTOR_TS : VECTOR_GP;
	unsigned type;
	int err = task_descriptor(t, t->selector, &t->tss, refused);

	if (err)
		return err;
	type = DESC_TYPE(t->tss.access);
	if ((t->tss.access & DESC_S) || (type & ~TSS_BUSY & ~8u) != TYPE_TSS16 ||
	    !(type & TSS_BUSY) != !back)
		return task_fault_selector(t, refused, t->selector);
	if (!(t->tss.access & DESC_P))
		return task_fault_selector(t, VECTOR_NP, t->selector);
	t->wide = type & 8;
	if (t->tss.limit < (t->wide ? TSS32_MIN_LIMIT : TSS16_MIN_LIMIT))
		return task_fault_selector(t, VECTOR_TS, t->selector);
	return 0;
}

static bool old_is_wide(const struct task_change *t)
{
	return t->s->seg[SEG_TR].access & 8;
}

/* Everything that will be written or read is there: after this nothing faults. */
static int tables_probe(struct task_change *t)
{
	const struct cpu_segment *tr = &t->s->seg[SEG_TR];
	int err = probe(t, tr->base, old_is_wide(t) ? sizeof(struct tss32) : sizeof(struct tss16));

	if (!err)
		err = probe(t, t->s->gdtr_base + (tr->selector & ~7u), 8);
	if (!err)
		err = probe(t, t->s->gdtr_base + (t->selector & ~7u), 8);
	if (!err && is_call(t))
		err = probe(t, t->tss.base, sizeof(uint16_t));
	if (!err)
		err = task_read(t, t->tss.base, t->image,
				t->wide ? sizeof(struct tss32) : sizeof(struct tss16));
	return err;
}

static int busy_set(struct task_change *t, uint16_t selector, bool busy)
{
	uint64_t at = t->s->gdtr_base + (selector & ~7u) + 5;
	uint8_t byte;
	int err = task_read(t, at, &byte, 1);

	if (err)
		return err;
	byte = busy ? byte | TSS_BUSY : byte & ~TSS_BUSY;
	return task_write(t, at, &byte, 1);
}

/* Registers into the old TSS: from EIP to the segment selectors, nothing else is written. */
static int old_save(struct task_change *t)
{
	const struct cpu_state *s = t->s;
	uint64_t flags = t->source == TASK_IRET ? s->rflags & ~RFLAGS_NT : s->rflags;
	struct tss32 w = {.eip = (uint32_t)t->next_ip, .eflags = (uint32_t)flags};
	struct tss16 n = {.ip = (uint16_t)t->next_ip, .flags = (uint16_t)flags};
	uint64_t base = s->seg[SEG_TR].base;

	for (unsigned i = 0; i < 8; i++) {
		w.gpr[i] = (uint32_t)s->gpr[i];
		n.gpr[i] = (uint16_t)s->gpr[i];
	}
	for (unsigned i = SEG_ES; i <= SEG_GS; i++)
		w.seg[i] = s->seg[i].selector;
	for (unsigned i = SEG_ES; i <= SEG_DS; i++)
		n.seg[i] = s->seg[i].selector;
	if (old_is_wide(t))
		return task_write(t, base + offsetof(struct tss32, eip), &w.eip,
				  offsetof(struct tss32, ldt) - offsetof(struct tss32, eip));
	return task_write(t, base + offsetof(struct tss16, ip), &n.ip,
			  offsetof(struct tss16, ldt) - offsetof(struct tss16, ip));
}

static int tables_update(struct task_change *t)
{
	uint16_t old = t->s->seg[SEG_TR].selector;
	int err = is_call(t) ? 0 : busy_set(t, old, false);

	if (!err)
		err = old_save(t);
	if (!err && is_call(t))
		err = task_write(t, t->tss.base, &old, sizeof(old));
	if (!err && t->source != TASK_IRET)
		err = busy_set(t, t->selector, true);
	return err;
}

/* ---- the new task ------------------------------------------------------------------- */

static void registers_load(struct task_change *t, uint16_t seg[6], uint16_t *ldt)
{
	const struct tss32 *w = (const struct tss32 *)t->image;
	const struct tss16 *n = (const struct tss16 *)t->image;
	struct cpu_state *s = t->s;

	s->rip = t->wide ? w->eip : n->ip;
	s->rflags = ((t->wide ? w->eflags : n->flags) & RFLAGS_ON) | 2;
	s->rflags |= is_call(t) ? RFLAGS_NT : 0;
	for (unsigned i = 0; i < 8; i++)
		s->gpr[i] = t->wide ? w->gpr[i] : n->gpr[i];
	for (unsigned i = 0; i < 6; i++)
		seg[i] = t->wide ? (uint16_t)w->seg[i] : i < 4 ? n->seg[i] : 0;
	*ldt = t->wide ? (uint16_t)w->ldt : n->ldt;
	s->dr7 &= ~DR7_LOCAL;
	s->cr0 |= CR0_TS;
	s->blocking &= CPU_BLOCKING_NMI;
	s->pending_dbg = 0;
	s->seg[SEG_TR] = (struct cpu_segment){.base = t->tss.base,
					      .limit = t->tss.limit,
					      .access = t->tss.access | TSS_BUSY,
					      .selector = t->selector};
}

static int cr3_load(struct task_change *t)
{
	struct cpu_state *s = t->s;

	if (!t->wide || !(s->cr0 & CR0_PG))
		return 0;
	s->cr3 = ((const struct tss32 *)t->image)->cr3;
	if (s->cr4 & CR4_PAE) {
		uint64_t reserved = PDPTE_RESERVED | ~(BIT(t->v->vm->cpuid.phys_bits) - 1);

		if (guest_mem_read(t->v->vm, s->cr3 & ~31ul, s->pdpte, sizeof(s->pdpte)))
			memset(s->pdpte, 0, sizeof(s->pdpte));
		for (unsigned i = 0; i < 4; i++)
			if ((s->pdpte[i] & 1) && (s->pdpte[i] & reserved)) {
				s->pdpte[i] = 0;
				return task_fault(t, VECTOR_GP, 0);
			}
	}
	paging_update(t);
	return 0;
}

/* The error code of the exception that was the cause, onto the new task's stack. */
static int error_push(struct task_change *t, uint32_t error)
{
	struct cpu_state *s = t->s;
	size_t len = t->wide ? 4 : 2;
	bool big = s->seg[SEG_SS].access & DESC_DB;
	uint64_t sp = (s->gpr[RSP] - len) & (big ? 0xffffffff : 0xffff), at;
	uint32_t fault;

	if (sp + len - 1 > s->seg[SEG_SS].limit)
		return task_fault(t, VECTOR_SS, t->external);
	if (guest_linear_write(t->v->vm, &t->paging, (s->seg[SEG_SS].base + sp) & 0xffffffff,
			       &error, len, 0, &fault, &at))
		return page_fault(t, at, fault);
	s->gpr[RSP] = big ? sp : (s->gpr[RSP] & ~0xfffful) | sp;
	return 0;
}

static int enter_new(struct task_change *t, bool has_error, uint32_t error)
{
	uint16_t seg[6], ldt;
	int err;

	registers_load(t, seg, &ldt);
	err = cr3_load(t);
	if (!err)
		err = task_segments_load(t, seg, ldt);
	paging_update(t);
	if (!err && has_error)
		err = error_push(t, error);
	if (!err && t->s->rip > t->s->seg[SEG_CS].limit)
		err = task_fault(t, VECTOR_GP, t->external);
	return err;
}

/* ---- the exit ----------------------------------------------------------------------- */

static void begin(struct task_change *t, struct vcpu *v, const struct vcpu_exit *e)
{
	uint32_t event;

	hw_vcpu_get_state(v->hw, v->state);
	*t = (struct task_change){
	    .v = v, .s = v->state, .selector = e->task.selector, .source = e->task.source};
	event = t->source == TASK_GATE ? t->s->event_info : 0;
	t->event = event & EVENT_VALID ? event : 0;
	t->external = t->event && EVENT_TYPE(event) < EVENT_SOFT_INT;
	/* an instruction is over with the switch; an interrupted or faulting one is not */
	t->next_ip = t->s->rip + (t->external ? 0 : e->insn_len);
	paging_update(t);
}

static void raise(struct task_change *t)
{
	if (t->vector == VECTOR_PF)
		hw_vcpu_set_cr2(t->v->hw, t->cr2);
	hw_vcpu_inject_exception(t->v->hw, t->vector, true, t->error);
}

void task_switch(struct vcpu *v, const struct vcpu_exit *e)
{
	struct task_change t;
	bool trap;
	int err;

	begin(&t, v, e);
	err = target_find(&t);
	if (!err)
		err = tables_probe(&t);
	if (!err)
		err = tables_update(&t);
	if (err) {
		raise(&t);
		return;
	}
	err = enter_new(&t, t.event & EVENT_ERROR, v->state->event_error);
	/* an IRET ends the blocking of NMIs, the delivery of one begins it */
	if (t.source == TASK_IRET)
		v->state->blocking &= ~CPU_BLOCKING_NMI;
	if (t.event && EVENT_TYPE(t.event) == EVENT_NMI)
		v->state->blocking |= CPU_BLOCKING_NMI;
	if (!err)
		v->state->event_info = 0;
	trap = t.wide && (((const struct tss32 *)t.image)->trap & 1);
	hw_vcpu_set_state(v->hw, v->state);
	if (err)
		raise(&t);
	else if (trap)
		hw_vcpu_inject_debug(v->hw, DR6_BT);
}
