/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The local APIC's timer: one-shot, periodic, TSC deadline (SDM "APIC Timer").
 * Expiries are kept in guest time; after a gap a periodic timer ticks once and
 * keeps its phase. No host timer runs while the entry is masked.
 */
#include "vmm/dev/vlapic.h"

#include "vmm/vcpu.h"

#define TICK_NS (NS_PER_S / VLAPIC_BUS_HZ)
_Static_assert(TICK_NS *VLAPIC_BUS_HZ == NS_PER_S, "bus ticks must be whole nanoseconds");

/* A TSC deadline further away than this never comes (and would overflow). */
#define TSC_NEVER BIT(60)

enum timer_mode { TIMER_ONE_SHOT, TIMER_PERIODIC, TIMER_TSC_DEADLINE, TIMER_RESERVED };

static enum timer_mode timer_mode(uint32_t lvt)
{
	return (enum timer_mode)((lvt >> 17) & 3);
}

/* Nanoseconds a count: divide configuration 000b is 2, ..., 110b is 128, 111b is 1. */
static uint64_t count_ns(const struct vlapic *v)
{
	unsigned code = (v->s.tdcr & 3) | (v->s.tdcr & 8) >> 1;

	return TICK_NS << ((code + 1) & 7);
}

/* The deadline is one of this CPU's own TSC, which may be off the VM's clock. */
static uint64_t tsc_deadline_ns(const struct vlapic *v)
{
	uint64_t now = vcpu_guest_tsc(v->vcpu), vm_now = vm_guest_tsc(v->vdev.vm);

	if (!v->s.tsc_deadline)
		return 0;
	if (v->s.tsc_deadline <= now)
		return 1;
	if (v->s.tsc_deadline - now > TSC_NEVER)
		return 0;
	/* rounded up: never early */
	return vm_tsc_to_ns(v->vdev.vm, vm_now + (v->s.tsc_deadline - now)) + 1;
}

/* Guest time of the next expiry; 0: none. */
static uint64_t timer_next_ns(const struct vlapic *v)
{
	switch (timer_mode(v->s.lvt[LVT_TIMER])) {
	case TIMER_TSC_DEADLINE:
		return tsc_deadline_ns(v);
	case TIMER_ONE_SHOT:
	case TIMER_PERIODIC:
		return v->s.timer_deadline_ns;
	case TIMER_RESERVED:
		break;
	}
	return 0;
}

/* Consume an expiry that is due; a periodic timer moves on past now. */
static bool timer_expire(struct vlapic *v, uint64_t now)
{
	uint64_t due = timer_next_ns(v), period;

	if (!due || now < due)
		return false;
	v->s.tsc_deadline = 0;
	period = v->s.tmict * count_ns(v);
	if (timer_mode(v->s.lvt[LVT_TIMER]) != TIMER_PERIODIC || !period)
		v->s.timer_deadline_ns = 0;
	else
		v->s.timer_deadline_ns += ((now - due) / period + 1) * period;
	return true;
}

static void timer_arm_not_before(struct vlapic *v, uint64_t earliest)
{
	uint64_t due = timer_next_ns(v);

	if (!due || (v->s.lvt[LVT_TIMER] & APIC_LVT_MASKED))
		vtimer_cancel(&v->timer);
	else
		vtimer_arm(&v->timer, MAX(due, earliest));
}

uint64_t vlapic_timer_due(const struct vlapic *v)
{
	return v->s.lvt[LVT_TIMER] & APIC_LVT_MASKED ? 0 : timer_next_ns(v);
}

void vlapic_timer_arm(struct vlapic *v)
{
	timer_arm_not_before(v, 0);
}

void vlapic_timer_poll(struct vlapic *v)
{
	uint32_t lvt = v->s.lvt[LVT_TIMER];

	if (!timer_expire(v, vm_now_ns(v->vdev.vm)) || (lvt & APIC_LVT_MASKED))
		return;
	vlapic_set_irq(v, lvt & 0xff, false);
	v->vdev.vm->stats.timer_irqs++;
}

static void timer_fire(struct vtimer *t)
{
	struct vlapic *v = container_of(t, struct vlapic, timer);

	vlapic_timer_poll(v);
	timer_arm_not_before(v, vm_now_ns(v->vdev.vm) + vtimer_pace_ns(t));
}

void vlapic_timer_init(struct vlapic *v)
{
	vtimer_init(&v->timer, v->vdev.vm, timer_fire);
}

void vlapic_timer_write_lvt(struct vlapic *v, uint32_t lvt)
{
	enum timer_mode old = timer_mode(v->s.lvt[LVT_TIMER]), new = timer_mode(lvt);

	vlapic_timer_poll(v);
	v->s.lvt[LVT_TIMER] = lvt;
	/* "switching between TSC-deadline and the others disarms the timer" */
	if (old != new && (old == TIMER_TSC_DEADLINE || new == TIMER_TSC_DEADLINE)) {
		v->s.timer_deadline_ns = 0;
		v->s.tsc_deadline = 0;
	}
	vlapic_timer_arm(v);
}

void vlapic_timer_write_tmict(struct vlapic *v, uint32_t count)
{
	if (timer_mode(v->s.lvt[LVT_TIMER]) == TIMER_TSC_DEADLINE)
		return;
	vlapic_timer_poll(v);
	v->s.tmict = count;
	v->s.timer_deadline_ns = count ? vm_now_ns(v->vdev.vm) + count * count_ns(v) : 0;
	vlapic_timer_arm(v);
}

/* The count that is left goes on at the new rate. */
void vlapic_timer_write_tdcr(struct vlapic *v, uint32_t tdcr)
{
	uint32_t left = vlapic_timer_tmcct(v);

	v->s.tdcr = tdcr;
	if (left)
		v->s.timer_deadline_ns = vm_now_ns(v->vdev.vm) + left * count_ns(v);
	vlapic_timer_arm(v);
}

void vlapic_timer_write_deadline(struct vlapic *v, uint64_t tsc)
{
	if (timer_mode(v->s.lvt[LVT_TIMER]) != TIMER_TSC_DEADLINE)
		return;
	vlapic_timer_poll(v);
	v->s.tsc_deadline = tsc;
	vlapic_timer_poll(v); /* a deadline in the past is due now */
	vlapic_timer_arm(v);
}

void vlapic_tsc_changed(struct vlapic *v)
{
	vlapic_timer_poll(v);
	vlapic_timer_arm(v);
}

uint32_t vlapic_timer_tmcct(struct vlapic *v)
{
	uint64_t now = vm_now_ns(v->vdev.vm), unit = count_ns(v), left;

	vlapic_timer_poll(v);
	if (timer_mode(v->s.lvt[LVT_TIMER]) == TIMER_TSC_DEADLINE || !v->s.timer_deadline_ns)
		return 0;
	left = (v->s.timer_deadline_ns - now + unit - 1) / unit;
	return (uint32_t)MIN(left, (uint64_t)UINT32_MAX);
}
