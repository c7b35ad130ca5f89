/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Local APIC: life cycle, IA32_APIC_BASE modes, and the interrupt registers
 * (IRR, ISR, TMR, PPR). Register access, timer and IPIs are in the files beside.
 */
#include "vmm/dev/vlapic.h"

#include "kernel/lib/string.h"
#include "kernel/mem.h"
#include "vmm/dev/vioapic.h"
#include "vmm/vcpu.h"

/* ---- 256-bit vector sets, as eight 32-bit registers ---- */

static void vector_set(uint32_t set[8], uint8_t vector)
{
	set[vector / 32] |= 1u << (vector % 32);
}

static void vector_clear(uint32_t set[8], uint8_t vector)
{
	set[vector / 32] &= ~(1u << (vector % 32));
}

static bool vector_test(const uint32_t set[8], uint8_t vector)
{
	return set[vector / 32] & (1u << (vector % 32));
}

static int vector_highest(const uint32_t set[8])
{
	for (int word = 7; word >= 0; word--) {
		if (set[word])
			return word * 32 + 31 - __builtin_clz(set[word]);
	}
	return -1;
}

/* ---- priority and delivery to the CPU ---- */

uint8_t vlapic_ppr(const struct vlapic *v)
{
	int isr = vector_highest(v->s.isr);
	unsigned isr_class = isr < 0 ? 0 : (unsigned)isr & 0xf0;

	return (uint8_t)((v->s.tpr & 0xf0) >= isr_class ? v->s.tpr : isr_class);
}

static bool vlapic_accepts(const struct vlapic *v)
{
	return vlapic_mode(v->s.apic_base) != VLAPIC_OFF && (v->s.svr & APIC_SVR_ENABLE);
}

int vlapic_pending(const struct vlapic *v)
{
	int vector;

	if (!vlapic_accepts(v))
		return -1;
	vector = vector_highest(v->s.irr);
	return vector >> 4 > vlapic_ppr(v) >> 4 ? vector : -1;
}

void vlapic_accept(struct vlapic *v, uint8_t vector)
{
	vector_clear(v->s.irr, vector);
	vector_set(v->s.isr, vector);
}

void vlapic_set_irq(struct vlapic *v, uint8_t vector, bool level)
{
	if (vector < 16) {
		vlapic_error(v, ESR_RECEIVE_VECTOR);
		return;
	}
	if (!vlapic_accepts(v))
		return;
	if (level != vector_test(v->s.tmr, vector)) {
		v->s.tmr[vector / 32] ^= 1u << (vector % 32);
		v->regs_changed = true;
	}
	if (vector_test(v->s.irr, vector))
		return;
	vector_set(v->s.irr, vector);
	vcpu_kick(v->vcpu);
}

void vlapic_eoi(struct vlapic *v)
{
	int vector = vector_highest(v->s.isr);

	if (vector < 0)
		return;
	vector_clear(v->s.isr, (uint8_t)vector);
	if (vector_test(v->s.tmr, (uint8_t)vector) && v->vdev.vm->vioapic)
		vioapic_eoi(v->vdev.vm->vioapic, (uint8_t)vector);
}

void vlapic_error(struct vlapic *v, uint32_t esr_bit)
{
	uint32_t lvt = v->s.lvt[LVT_ERROR];
	bool news = !(v->s.esr_pending & esr_bit);

	v->s.esr_pending |= esr_bit;
	/* only news interrupts: an illegal vector in this very entry must not loop */
	if (news && !(lvt & APIC_LVT_MASKED))
		vlapic_set_irq(v, lvt & 0xff, false);
}

bool vlapic_lint0_extint(const struct vlapic *v)
{
	uint32_t lvt = v->s.lvt[LVT_LINT0];

	if (vlapic_mode(v->s.apic_base) == VLAPIC_OFF)
		return v->vdev.instance == 0;
	return !(lvt & APIC_LVT_MASKED) && APIC_LVT_MODE(lvt) == APIC_EXTINT;
}

uint64_t vlapic_get_cr8(const struct vlapic *v)
{
	return v->s.tpr >> 4;
}

void vlapic_set_cr8(struct vlapic *v, uint64_t cr8)
{
	v->s.tpr = (uint32_t)(cr8 & 0xf) << 4;
}

/* ---- modes ---- */

enum vlapic_mode vlapic_mode(uint64_t apic_base)
{
	if (!(apic_base & APIC_BASE_EN))
		return apic_base & APIC_BASE_EXTD ? VLAPIC_INVALID : VLAPIC_OFF;
	return apic_base & APIC_BASE_EXTD ? VLAPIC_X2APIC : VLAPIC_XAPIC;
}

/* SDM "x2APIC Initialization": the logical id follows from the id and is read-only. */
static uint32_t x2apic_ldr(uint32_t id)
{
	return (id >> 4) << 16 | 1u << (id & 15);
}

static bool base_is_possible(const struct vlapic *v, uint64_t base)
{
	unsigned bits = v->vdev.vm->cpuid.phys_bits;
	uint64_t known = APIC_BASE_BSP | APIC_BASE_EXTD | APIC_BASE_EN;

	/* a policy that is not made yet must not give a shift by 0 or 64 */
	known |= (bits > 12 && bits < 64 ? BIT(bits) - 1 : BIT(52) - 1) & ~(PAGE_SIZE - 1);
	if (base & ~known || vlapic_mode(base) == VLAPIC_INVALID)
		return false;
	return v->x2apic || vlapic_mode(base) != VLAPIC_X2APIC;
}

/* SDM figure "Local x2APIC State Transitions". 0, or -E_INVAL: #GP. */
int vlapic_base_write(struct vlapic *v, uint64_t value)
{
	enum vlapic_mode from = vlapic_mode(v->s.apic_base), to = vlapic_mode(value);

	if (!base_is_possible(v, value))
		return -E_INVAL;
	if (from == VLAPIC_OFF && to == VLAPIC_X2APIC)
		return -E_INVAL;
	if (from == VLAPIC_X2APIC && to == VLAPIC_XAPIC)
		return -E_INVAL;
	v->s.apic_base = (value & ~APIC_BASE_BSP) | (v->vdev.instance ? 0 : APIC_BASE_BSP);
	if (from != to && (from == VLAPIC_OFF || to == VLAPIC_OFF))
		vlapic_init_reset(v);
	if (from == VLAPIC_XAPIC && to == VLAPIC_X2APIC) {
		v->s.ldr = x2apic_ldr(v->vdev.instance);
		v->s.icr &= 0xffffffff;
	}
	return 0;
}

bool vlapic_is_on(const struct vlapic *v)
{
	return vlapic_mode(v->s.apic_base) != VLAPIC_OFF;
}

gpa_t vlapic_mmio_gpa(const struct vlapic *v)
{
	if (vlapic_mode(v->s.apic_base) != VLAPIC_XAPIC)
		return UINT64_MAX;
	return v->s.apic_base & ~(PAGE_SIZE - 1);
}

/* ---- a device among others ---- */

static const struct state_field vlapic_fields[] = {
    STATE_FIELD(struct vlapic_state, apic_base),
    STATE_FIELD(struct vlapic_state, icr),
    STATE_FIELD(struct vlapic_state, timer_deadline_ns),
    STATE_FIELD(struct vlapic_state, tsc_deadline),
    STATE_FIELD(struct vlapic_state, tpr),
    STATE_FIELD(struct vlapic_state, svr),
    STATE_FIELD(struct vlapic_state, ldr),
    STATE_FIELD(struct vlapic_state, dfr),
    STATE_FIELD(struct vlapic_state, esr),
    STATE_FIELD(struct vlapic_state, esr_pending),
    STATE_FIELD(struct vlapic_state, tmict),
    STATE_FIELD(struct vlapic_state, tdcr),
    STATE_ARRAY(struct vlapic_state, lvt),
    STATE_ARRAY(struct vlapic_state, irr),
    STATE_ARRAY(struct vlapic_state, isr),
    STATE_ARRAY(struct vlapic_state, tmr),
};

static const struct vdev_limit vlapic_limits[] = {
    {STATE_FIELD(struct vlapic_state, timer_deadline_ns), VDEV_NS_MAX},
    {STATE_FIELD(struct vlapic_state, tpr), 0xff},
    {STATE_FIELD(struct vlapic_state, svr), 0x3ff},
    {STATE_FIELD(struct vlapic_state, esr), 0xff},
    {STATE_FIELD(struct vlapic_state, esr_pending), 0xff},
    {STATE_FIELD(struct vlapic_state, tdcr), 0xb},
    {STATE_ARRAY(struct vlapic_state, lvt), 0x7ffff},
};

static const struct state_table vlapic_table = {
    .name = "vlapic",
    .version = 1,
    .struct_size = sizeof(struct vlapic_state),
    .fields = vlapic_fields,
    .field_count = ARRAY_SIZE(vlapic_fields),
};

void vlapic_init_reset(struct vlapic *v)
{
	uint64_t base = v->s.apic_base;

	v->given = false; /* what the processor has of them is void */
	v->regs_changed = true;
	memset(&v->s, 0, sizeof(v->s));
	v->s.apic_base = base;
	v->s.svr = 0xff;
	v->s.dfr = 0xffffffff;
	if (vlapic_mode(base) == VLAPIC_X2APIC)
		v->s.ldr = x2apic_ldr(v->vdev.instance);
	for (unsigned i = 0; i < LVT_COUNT; i++)
		v->s.lvt[i] = APIC_LVT_MASKED;
	vlapic_timer_arm(v);
}

static void vlapic_reset(struct vdev *d)
{
	struct vlapic *v = container_of(d, struct vlapic, vdev);

	v->s.apic_base = VLAPIC_DEFAULT_BASE | APIC_BASE_EN | (d->instance ? 0 : APIC_BASE_BSP);
	vlapic_init_reset(v);
}

void vlapic_set_virtual_wire(struct vlapic *v)
{
	v->regs_changed = true;
	v->s.svr |= APIC_SVR_ENABLE;
	v->s.lvt[LVT_LINT0] = APIC_EXTINT << 8;
	v->s.lvt[LVT_LINT1] = APIC_NMI << 8;
}

static void vlapic_quiesce(struct vdev *d)
{
	vtimer_cancel(&container_of(d, struct vlapic, vdev)->timer);
}

static int vlapic_check(const struct vdev *d, const void *state)
{
	const struct vlapic *v = container_of(d, const struct vlapic, vdev);
	const struct vlapic_state *s = state;
	int err = vdev_check_limits(d, s, vlapic_limits, ARRAY_SIZE(vlapic_limits));

	if (err)
		return err;
	if (!base_is_possible(v, s->apic_base) || !(s->apic_base & APIC_BASE_BSP) != !!d->instance)
		return vdev_refuse(d, "apic_base", s->apic_base,
				   "a possible mode and address, BSP on CPU 0 only");
	if (s->irr[0] & 0xffff || s->isr[0] & 0xffff || s->tmr[0] & 0xffff)
		return vdev_refuse(d, "irr/isr/tmr[0]", s->irr[0] | s->isr[0] | s->tmr[0],
				   "no vector below 16");
	if (s->timer_deadline_ns && !s->tmict)
		return vdev_refuse(d, "timer_deadline_ns", s->timer_deadline_ns,
				   "0 while the initial count is 0");
	if (~s->dfr & 0x0fffffff)
		return vdev_refuse(d, "dfr", s->dfr, "ones in bits 27:0");
	if (vlapic_mode(s->apic_base) == VLAPIC_X2APIC && s->ldr != x2apic_ldr(d->instance))
		return vdev_refuse(d, "ldr", s->ldr, "what x2APIC derives from the id");
	if (s->tdcr & 4)
		return vdev_refuse(d, "tdcr", s->tdcr, "bit 2 clear");
	return 0;
}

static void vlapic_resume(struct vdev *d)
{
	struct vlapic *v = container_of(d, struct vlapic, vdev);

	v->regs_changed = true; /* they may have been loaded */
	vlapic_timer_arm(v);
}

static void vlapic_destroy(struct vdev *d)
{
	struct vlapic *v = container_of(d, struct vlapic, vdev);

	vtimer_cancel(&v->timer);
	if (d->vm->vlapics[d->instance] == v) /* devices that go later may still drive lines */
		d->vm->vlapics[d->instance] = NULL;
	list_remove(&d->node);
	kfree(v);
}

static const struct vdev_ops vlapic_ops = {
    .table = &vlapic_table,
    .reset = vlapic_reset,
    .quiesce = vlapic_quiesce,
    .check = vlapic_check,
    .resume = vlapic_resume,
    .destroy = vlapic_destroy,
};

int vlapic_create(struct vm *vm, struct vcpu *vcpu, uint32_t id, struct vlapic **out)
{
	struct vlapic *v;

	if (id >= VM_MAX_VCPUS)
		return -E_RANGE;
	v = kzalloc(sizeof(*v));
	if (!v)
		return -E_NOMEM;
	v->vcpu = vcpu;
	v->x2apic = true;
	v->regs_changed = true;
	v->vdev.vm = vm;
	vlapic_timer_init(v);
	vdev_add(vm, &v->vdev, &vlapic_ops, (uint16_t)id, &v->s);
	*out = v;
	return 0;
}
