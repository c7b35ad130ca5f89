/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * MC146818 (Motorola data sheet): registers A to D, update cycle, the three
 * interrupts, CMOS memory. Flags are worked out when somebody looks, or when an
 * enabled interrupt is due. The calendar is in vrtc_time.c.
 */
#include "vmm/dev/vrtc.h"

#include "kernel/lib/string.h"
#include "kernel/mem.h"

#define A_UIP	   0x80
#define A_RATE	   0x0f
#define A_DIVIDER  0x70
#define A_DEFAULT  0x26 /* 32.768 kHz, 1024 Hz periodic rate */
#define A_DV_RESET 0x60 /* and 70H: the divider is held in reset */
#define C_IRQF	   0x80
#define C_PF	   0x40 /* where register B has the enable bit */
#define C_AF	   0x20
#define C_UF	   0x10
#define C_FLAGS	   0x70
#define D_VALID	   0x80

#define CRYSTAL_HZ 32768ull
#define UIP_NS	   (244 * NS_PER_US) /* UIP announces an update so long before */

/* ---- time ---- */

static uint64_t wall_at(const struct vrtc *r, uint64_t now)
{
	return r->s.wall_ns + (now > r->s.guest_ns ? now - r->s.guest_ns : 0);
}

/* Guest time of a wall time that is not before the last setting of the clock. */
static uint64_t guest_at(const struct vrtc *r, uint64_t wall)
{
	return r->s.guest_ns + (wall - r->s.wall_ns);
}

static void vrtc_set_clock(struct vrtc *r, uint64_t now, uint64_t seconds, uint64_t fraction_ns)
{
	r->s.wall_ns = seconds * NS_PER_S + fraction_ns;
	r->s.guest_ns = now;
	r->s.last_ns = now;
}

static bool divider_is_reset(uint8_t a)
{
	return (a & A_DV_RESET) == A_DV_RESET;
}

/* Crystal cycles in a period of the periodic interrupt; 0: off. */
static uint64_t period_cycles(const struct vrtc *r)
{
	unsigned rate = r->s.cmos[RTC_A] & A_RATE;

	if (!rate || divider_is_reset(r->s.cmos[RTC_A]))
		return 0;
	return 1ull << (rate <= 2 ? rate + 6 : rate - 1);
}

static uint64_t cycles_at(uint64_t wall)
{
	return wall / NS_PER_S * CRYSTAL_HZ + wall % NS_PER_S * CRYSTAL_HZ / NS_PER_S;
}

/* Rounded up: at that time the cycle has happened. */
static uint64_t cycle_time(uint64_t cycles)
{
	return cycles / CRYSTAL_HZ * NS_PER_S +
	       (cycles % CRYSTAL_HZ * NS_PER_S + CRYSTAL_HZ - 1) / CRYSTAL_HZ;
}

/* ---- flags and interrupts ---- */

static void vrtc_update_irq(struct vrtc *r)
{
	uint8_t *c = &r->s.cmos[RTC_C];
	uint8_t level;

	if (*c & r->s.cmos[RTC_B] & C_FLAGS)
		*c |= C_IRQF;
	else
		*c &= ~C_IRQF;
	level = *c / C_IRQF;
	if (level == r->s.line)
		return;
	r->s.line = level;
	vm_irq_set(r->vdev.vm, VRTC_GSI, level);
	r->vdev.vm->stats.timer_irqs += level;
}

/* Bring register C up to now. */
static void vrtc_sync(struct vrtc *r, uint64_t now)
{
	uint64_t from = wall_at(r, r->s.last_ns), to = wall_at(r, now), period, alarm;

	if (now <= r->s.last_ns)
		return;
	r->s.last_ns = now;
	period = period_cycles(r);
	if (period && cycles_at(from) / period != cycles_at(to) / period)
		r->s.cmos[RTC_C] |= C_PF;
	if (!r->s.halted && from / NS_PER_S != to / NS_PER_S) {
		r->s.cmos[RTC_C] |= C_UF;
		alarm = vrtc_next_alarm(r->s.cmos, from / NS_PER_S);
		if (alarm && alarm <= to / NS_PER_S)
			r->s.cmos[RTC_C] |= C_AF;
	}
	vrtc_update_irq(r);
}

/* Wall time of the next enabled event after the last look; UINT64_MAX: none. */
static uint64_t next_event(const struct vrtc *r)
{
	uint64_t from = wall_at(r, r->s.last_ns), next = UINT64_MAX;
	uint64_t period = period_cycles(r), second = from / NS_PER_S, alarm;
	uint8_t b = r->s.cmos[RTC_B];

	if ((b & RTC_B_PIE) && period)
		next = cycle_time((cycles_at(from) / period + 1) * period);
	if (r->s.halted)
		return next;
	if (b & RTC_B_UIE)
		next = MIN(next, (second + 1) * NS_PER_S);
	if (b & RTC_B_AIE) {
		alarm = vrtc_next_alarm(r->s.cmos, second);
		next = alarm ? MIN(next, alarm * NS_PER_S) : next;
	}
	return next;
}

/* No timer while the line is up: the guest reads register C first. */
static void vrtc_arm(struct vrtc *r)
{
	uint64_t next = r->s.line ? UINT64_MAX : next_event(r);

	if (next == UINT64_MAX)
		vtimer_cancel(&r->timer);
	else
		vtimer_arm(&r->timer, guest_at(r, next));
}

static void vrtc_fire(struct vtimer *t)
{
	struct vrtc *r = container_of(t, struct vrtc, timer);

	vrtc_sync(r, vm_now_ns(r->vdev.vm));
	vrtc_arm(r);
}

/* ---- registers ---- */

static bool is_time_reg(unsigned index)
{
	switch (index) {
	case RTC_SECONDS:
	case RTC_MINUTES:
	case RTC_HOURS:
	case RTC_WEEKDAY:
	case RTC_DAY:
	case RTC_MONTH:
	case RTC_YEAR:
	case RTC_CENTURY:
		return true;
	}
	return false;
}

/* Put the running time into the bytes; while halted they are the time. */
static void vrtc_refresh_bytes(struct vrtc *r, uint64_t now)
{
	if (!r->s.halted)
		vrtc_encode_time(r->s.cmos, wall_at(r, now) / NS_PER_S);
}

static void vrtc_write_time(struct vrtc *r, uint64_t now, unsigned index, uint8_t value)
{
	vrtc_refresh_bytes(r, now);
	r->s.cmos[index] = value;
	if (!r->s.halted)
		vrtc_set_clock(r, now, vrtc_decode_time(r->s.cmos), wall_at(r, now) % NS_PER_S);
}

/* Registers A and B: SET and the divider reset stop the clock; leaving them starts it. */
static void vrtc_write_control(struct vrtc *r, uint64_t now, uint8_t a, uint8_t b)
{
	bool left_reset = divider_is_reset(r->s.cmos[RTC_A]) && !divider_is_reset(a);
	bool halt = (b & RTC_B_SET) || divider_is_reset(a);

	vrtc_refresh_bytes(r, now);
	r->s.cmos[RTC_A] = a & ~A_UIP;
	r->s.cmos[RTC_B] = b & RTC_B_SET ? b & ~RTC_B_UIE : b;
	/* "the first update comes half a second after the divider reset is removed" */
	if (r->s.halted && !halt)
		vrtc_set_clock(r, now, vrtc_decode_time(r->s.cmos),
			       left_reset ? NS_PER_S / 2 : wall_at(r, now) % NS_PER_S);
	r->s.halted = halt;
}

static uint8_t vrtc_read(struct vrtc *r, uint64_t now, unsigned index)
{
	uint8_t value;

	if (is_time_reg(index))
		vrtc_refresh_bytes(r, now);
	value = r->s.cmos[index];
	if (index == RTC_A && !r->s.halted && NS_PER_S - wall_at(r, now) % NS_PER_S <= UIP_NS)
		value |= A_UIP;
	if (index == RTC_C) {
		r->s.cmos[RTC_C] = 0;
		vrtc_update_irq(r);
		vrtc_arm(r);
	}
	return value;
}

static void vrtc_write(struct vrtc *r, uint64_t now, unsigned index, uint8_t value)
{
	if (is_time_reg(index))
		vrtc_write_time(r, now, index, value);
	else if (index == RTC_A)
		vrtc_write_control(r, now, value, r->s.cmos[RTC_B]);
	else if (index == RTC_B)
		vrtc_write_control(r, now, r->s.cmos[RTC_A], value);
	else if (index != RTC_C && index != RTC_D)
		r->s.cmos[index] = value;
	vrtc_update_irq(r);
	vrtc_arm(r);
}

static uint64_t vrtc_io_read(struct io_region *region, uint64_t offset, unsigned size)
{
	struct vrtc *r = container_of(region, struct vrtc, region);
	uint64_t now = vm_now_ns(r->vdev.vm);

	if (offset == 0)
		return 0xff; /* write-only */
	vrtc_sync(r, now);
	return vrtc_read(r, now, r->s.index);
}

static void vrtc_io_write(struct io_region *region, uint64_t offset, unsigned size, uint64_t value)
{
	struct vrtc *r = container_of(region, struct vrtc, region);
	uint64_t now = vm_now_ns(r->vdev.vm);

	if (offset == 0) {
		r->s.index = value & 0x7f;
		return;
	}
	vrtc_sync(r, now);
	vrtc_write(r, now, r->s.index, (uint8_t)value);
}

static const struct io_ops vrtc_io_ops = {.read = vrtc_io_read, .write = vrtc_io_write};

/* ---- a device among others ---- */

static const struct state_field vrtc_fields[] = {
    STATE_FIELD(struct vrtc_state, wall_ns), STATE_FIELD(struct vrtc_state, guest_ns),
    STATE_FIELD(struct vrtc_state, last_ns), STATE_FIELD(struct vrtc_state, index),
    STATE_FIELD(struct vrtc_state, halted),  STATE_FIELD(struct vrtc_state, line),
    STATE_ARRAY(struct vrtc_state, pad),     STATE_ARRAY(struct vrtc_state, cmos),
};

static const struct vdev_limit vrtc_limits[] = {
    {STATE_FIELD(struct vrtc_state, wall_ns), VDEV_NS_MAX},
    {STATE_FIELD(struct vrtc_state, guest_ns), VDEV_NS_MAX},
    {STATE_FIELD(struct vrtc_state, last_ns), VDEV_NS_MAX},
    {STATE_FIELD(struct vrtc_state, index), 127},
    {STATE_FIELD(struct vrtc_state, halted), 1},
    {STATE_FIELD(struct vrtc_state, line), 1},
    {STATE_ARRAY(struct vrtc_state, pad), 0},
};

static const struct state_table vrtc_table = {
    .name = "vrtc",
    .version = 1,
    .struct_size = sizeof(struct vrtc_state),
    .fields = vrtc_fields,
    .field_count = ARRAY_SIZE(vrtc_fields),
};

static void cmos_put(uint8_t *cmos, unsigned index, unsigned bytes, uint64_t value)
{
	uint64_t max = BIT(8 * bytes) - 1;

	value = MIN(value, max);
	for (unsigned i = 0; i < bytes; i++)
		cmos[index + i] = (uint8_t)(value >> (8 * i));
}

/* What PC firmware expects to find: memory sizes, equipment, their checksum. */
static void cmos_describe_machine(struct vm *vm, uint8_t *cmos)
{
	uint64_t low = MIN(vm->mem.size, GUEST_LOW_MAX);
	uint16_t sum = 0;

	cmos[0x14] = 0x02; /* equipment: FPU */
	cmos_put(cmos, 0x15, 2, 640);
	cmos_put(cmos, 0x17, 2, low > MiB ? (low - MiB) / KiB : 0);
	cmos_put(cmos, 0x30, 2, low > MiB ? (low - MiB) / KiB : 0);
	cmos_put(cmos, 0x34, 2, low > 16 * MiB ? (low - 16 * MiB) / (64 * KiB) : 0);
	cmos_put(cmos, 0x5b, 3, (vm->mem.size - low) / (64 * KiB));
	cmos[0x3d] = 0x02; /* boot from the hard disk */
	cmos[0x5f] = (uint8_t)(vm->cfg.vcpus ? vm->cfg.vcpus - 1 : 0);
	for (unsigned i = 0x10; i < 0x2e; i++)
		sum += cmos[i];
	cmos[0x2e] = (uint8_t)(sum >> 8); /* this one is big-endian */
	cmos[0x2f] = (uint8_t)sum;
}

/* The clock and the memory have a battery: they outlive a reset. */
static void vrtc_reset(struct vdev *d)
{
	struct vrtc *r = container_of(d, struct vrtc, vdev);

	vrtc_write_control(r, vm_now_ns(d->vm), A_DEFAULT, RTC_B_24H);
	r->s.cmos[RTC_C] = 0;
	r->s.cmos[RTC_D] = D_VALID;
	r->s.index = 0;
	cmos_describe_machine(d->vm, r->s.cmos);
	vrtc_update_irq(r);
	vrtc_arm(r);
}

static void vrtc_quiesce(struct vdev *d)
{
	vtimer_cancel(&container_of(d, struct vrtc, vdev)->timer);
}

static int vrtc_check(const struct vdev *d, const void *state)
{
	const struct vrtc_state *s = state;
	const uint8_t *cmos = s->cmos;
	int err = vdev_check_limits(d, s, vrtc_limits, ARRAY_SIZE(vrtc_limits));

	if (err)
		return err;
	if (s->last_ns < s->guest_ns)
		return vdev_refuse(d, "last_ns", s->last_ns, "not before guest_ns");
	if (s->halted != ((cmos[RTC_B] & RTC_B_SET) || divider_is_reset(cmos[RTC_A])))
		return vdev_refuse(d, "halted", s->halted, "what registers A and B say");
	if (cmos[RTC_A] & A_UIP)
		return vdev_refuse(d, "cmos[A]", cmos[RTC_A], "bit 7 clear");
	if (cmos[RTC_C] & ~(C_FLAGS | C_IRQF) || s->line != cmos[RTC_C] / C_IRQF)
		return vdev_refuse(d, "cmos[C]", cmos[RTC_C], "flags that agree with the line");
	if (cmos[RTC_D] != D_VALID)
		return vdev_refuse(d, "cmos[D]", cmos[RTC_D], "80H");
	return 0;
}

static void vrtc_resume(struct vdev *d)
{
	vrtc_arm(container_of(d, struct vrtc, vdev));
}

static void vrtc_destroy(struct vdev *d)
{
	struct vrtc *r = container_of(d, struct vrtc, vdev);

	vtimer_cancel(&r->timer);
	iobus_remove(&d->vm->ports, &r->region);
	list_remove(&d->node);
	kfree(r);
}

static const struct vdev_ops vrtc_ops = {
    .table = &vrtc_table,
    .reset = vrtc_reset,
    .quiesce = vrtc_quiesce,
    .check = vrtc_check,
    .resume = vrtc_resume,
    .destroy = vrtc_destroy,
};

int vrtc_create(struct vm *vm, uint64_t epoch_seconds, struct vrtc **out)
{
	struct vrtc *r;
	int err;

	if (epoch_seconds >= VRTC_MAX_SECONDS)
		return -E_RANGE;
	r = kzalloc(sizeof(*r));
	if (!r)
		return -E_NOMEM;
	vtimer_init(&r->timer, vm, vrtc_fire);
	r->region = (struct io_region){
	    .name = "vrtc",
	    .base = 0x70,
	    .len = 2,
	    .enabled = true,
	    .byte_wide = true,
	    .ops = &vrtc_io_ops,
	    .dev = &r->vdev,
	};
	err = iobus_add(&vm->ports, &r->region);
	if (err)
		goto undo_alloc;
	vrtc_set_clock(r, vm_now_ns(vm), epoch_seconds, 0);
	vdev_add(vm, &r->vdev, &vrtc_ops, 0, &r->s);
	*out = r;
	return 0;

undo_alloc:
	kfree(r);
	return err;
}
