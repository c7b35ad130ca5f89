/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Segment registers of a new task: descriptors and the checks that the SDM makes on
 * them (vol. 3, table "Exception Conditions Checked During a Task Switch").
 */
#include "vmm/task_inner.h"

#define RFLAGS_VM     BIT(17)
#define SELECTOR_TI   4u
#define SELECTOR_RPL  3u
#define TYPE_ACCESSED 1u
#define TYPE_WRITABLE 2u /* data; code: readable */
#define TYPE_CONFORM  4u
#define TYPE_CODE     8u
#define TYPE_LDT      2u

#define VM86_ACCESS 0xf3u
#define FLAT_ACCESS 0x93u

int task_fault_selector(struct task_change *t, uint8_t vector, uint16_t selector)
{
	return task_fault(t, vector, (selector & ~SELECTOR_RPL) | t->external);
}

static uint64_t descriptor_at(const struct task_change *t, uint16_t selector)
{
	const struct cpu_segment *ldt = &t->s->seg[SEG_LDTR];
	uint64_t base = selector & SELECTOR_TI ? ldt->base : t->s->gdtr_base;

	return base + (selector & ~7u);
}

static bool selector_is_inside(const struct task_change *t, uint16_t selector)
{
	const struct cpu_segment *ldt = &t->s->seg[SEG_LDTR];

	if (!(selector & ~SELECTOR_RPL))
		return false;
	if (!(selector & SELECTOR_TI))
		return (selector | 7u) <= t->s->gdtr_limit;
	return !(ldt->access & DESC_UNUSABLE) && (selector | 7u) <= ldt->limit;
}

int task_descriptor(struct task_change *t, uint16_t selector, struct cpu_segment *out,
		    uint8_t vector)
{
	uint32_t d[2], limit;
	int err;

	if (!selector_is_inside(t, selector))
		return task_fault_selector(t, vector, selector);
	err = task_read(t, descriptor_at(t, selector), d, sizeof(d));
	if (err)
		return err;
	limit = (d[0] & 0xffff) | (d[1] & 0xf0000);
	*out = (struct cpu_segment){
	    .base = d[0] >> 16 | (d[1] & 0xff) << 16 | (d[1] & 0xff000000),
	    .access = d[1] >> 8 & 0xf0ff,
	    .selector = selector,
	};
	out->limit = out->access & DESC_G ? limit << 12 | 0xfff : limit;
	return 0;
}

/* Code and data segments are marked accessed when they are loaded. */
static int accessed(struct task_change *t, struct cpu_segment *seg)
{
	uint8_t byte = (uint8_t)(seg->access | TYPE_ACCESSED);

	if (seg->access & TYPE_ACCESSED)
		return 0;
	seg->access |= TYPE_ACCESSED;
	return task_write(t, descriptor_at(t, seg->selector) + 5, &byte, 1);
}

static int ldt_load(struct task_change *t, uint16_t selector)
{
	struct cpu_segment seg = {.selector = selector, .access = DESC_UNUSABLE};
	int err;

	t->s->seg[SEG_LDTR] = seg;
	if (!(selector & ~SELECTOR_RPL))
		return 0;
	if (selector & SELECTOR_TI)
		return task_fault_selector(t, VECTOR_TS, selector);
	err = task_descriptor(t, selector, &seg, VECTOR_TS);
	if (err)
		return err;
	if ((seg.access & DESC_S) || DESC_TYPE(seg.access) != TYPE_LDT || !(seg.access & DESC_P))
		return task_fault_selector(t, VECTOR_TS, selector);
	t->s->seg[SEG_LDTR] = seg;
	return 0;
}

static bool code_fits(const struct cpu_segment *seg, unsigned rpl)
{
	unsigned type = DESC_TYPE(seg->access), dpl = DESC_DPL(seg->access);

	if (!(seg->access & DESC_S) || !(type & TYPE_CODE))
		return false;
	return type & TYPE_CONFORM ? dpl <= rpl : dpl == rpl;
}

static bool stack_fits(const struct cpu_segment *seg, unsigned rpl, unsigned cpl)
{
	unsigned type = DESC_TYPE(seg->access);

	return (seg->access & DESC_S) && !(type & TYPE_CODE) && (type & TYPE_WRITABLE) &&
	       DESC_DPL(seg->access) == cpl && rpl == cpl;
}

static bool data_fits(const struct cpu_segment *seg, unsigned rpl, unsigned cpl)
{
	unsigned type = DESC_TYPE(seg->access), dpl = DESC_DPL(seg->access);

	if (!(seg->access & DESC_S) || ((type & TYPE_CODE) && !(type & TYPE_WRITABLE)))
		return false;
	return (type & (TYPE_CODE | TYPE_CONFORM)) == (TYPE_CODE | TYPE_CONFORM) ||
	       (dpl >= rpl && dpl >= cpl);
}

static int segment_load(struct task_change *t, enum cpu_seg which, uint16_t selector, unsigned cpl)
{
	struct cpu_segment seg;
	unsigned rpl = selector & SELECTOR_RPL;
	bool fits;
	int err;

	if (!(selector & ~SELECTOR_RPL) && which != SEG_CS && which != SEG_SS) {
		t->s->seg[which] =
		    (struct cpu_segment){.selector = selector, .access = DESC_UNUSABLE};
		return 0;
	}
	err = task_descriptor(t, selector, &seg, VECTOR_TS);
	if (err)
		return err;
	if (which == SEG_CS)
		fits = code_fits(&seg, rpl);
	else
		fits = which == SEG_SS ? stack_fits(&seg, rpl, cpl) : data_fits(&seg, rpl, cpl);
	if (!fits)
		return task_fault_selector(t, VECTOR_TS, selector);
	if (!(seg.access & DESC_P))
		return task_fault_selector(t, which == SEG_SS ? VECTOR_SS : VECTOR_NP, selector);
	err = accessed(t, &seg);
	if (!err)
		t->s->seg[which] = seg;
	return err;
}

static void virtual_8086_load(struct cpu_state *s, const uint16_t seg[6])
{
	for (unsigned i = 0; i < 6; i++)
		s->seg[i] = (struct cpu_segment){.base = (uint32_t)seg[i] << 4,
						 .limit = 0xffff,
						 .access = VM86_ACCESS,
						 .selector = seg[i]};
}

int task_segments_load(struct task_change *t, const uint16_t seg[6], uint16_t ldt)
{
	static const enum cpu_seg order[] = {SEG_CS, SEG_SS, SEG_DS, SEG_ES, SEG_FS, SEG_GS};
	struct cpu_state *s = t->s;
	unsigned cpl = seg[SEG_CS] & SELECTOR_RPL;
	struct cpu_segment old_cs;
	int err;

	/* Selectors first: a fault finds all of them. What is behind them is the old task's
	 * until it is loaded; of virtual-8086 mode that would be no segment. */
	for (unsigned i = 0; i < 6; i++) {
		if (DESC_TYPE(s->seg[SEG_CS].access) == 3 && i != SEG_CS)
			s->seg[i].access = FLAT_ACCESS;
		s->seg[i].selector = seg[i];
	}
	if (DESC_TYPE(s->seg[SEG_CS].access) == 3)
		s->seg[SEG_CS].access = FLAT_ACCESS | TYPE_CODE;
	err = ldt_load(t, ldt);
	if (err)
		return err;
	if (s->rflags & RFLAGS_VM) {
		virtual_8086_load(s, seg);
		return 0;
	}
	old_cs = s->seg[SEG_CS];
	for (unsigned i = 0; i < ARRAY_SIZE(order) && !err; i++) {
		err = segment_load(t, order[i], seg[order[i]], cpl);
		/* CS and SS are of one privilege level, or VM entry would refuse them */
		if (err && order[i] == SEG_SS)
			s->seg[SEG_CS] = old_cs;
	}
	return err;
}
