/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The 8254 as a device: ports, read-back command, the timer interrupt, port 61H.
 * What a counter does is in vpit_channel.c.
 */
#include "vmm/dev/vpit.h"

#include "kernel/lib/string.h"
#include "kernel/mem.h"

#define CONTROL_PORT 3
#define SPEAKER	     2 /* channel 2 */

#define READ_BACK	   0xc0
#define READ_BACK_NO_COUNT 0x20
#define READ_BACK_NO_STATE 0x10

#define PORT61_GATE2   0x01
#define PORT61_WRITE   0x0f
#define PORT61_REFRESH 0x10
#define PORT61_OUT2    0x20
/* Memory refresh, 18 counts of the 8254; old code times loops by it. */
#define REFRESH_NS 15085

static void vpit_arm(struct vpit *p, uint64_t earliest)
{
	if (p->s.next_irq_ns)
		vtimer_arm(&p->timer, MAX(p->s.next_irq_ns, earliest));
	else
		vtimer_cancel(&p->timer);
}

/* If channel 0's output rose since we looked: one edge, however many were missed. */
static void vpit_poll(struct vpit *p, uint64_t now)
{
	if (!p->s.next_irq_ns || now < p->s.next_irq_ns)
		return;
	vm_irq_set(p->vdev.vm, VPIT_GSI, false);
	vm_irq_set(p->vdev.vm, VPIT_GSI, true);
	p->vdev.vm->stats.timer_irqs++;
	p->s.next_irq_ns = vpit_channel_next_rise(&p->s.chan[0], now);
}

static void vpit_fire(struct vtimer *t)
{
	struct vpit *p = container_of(t, struct vpit, timer);
	uint64_t now = vm_now_ns(p->vdev.vm);

	vpit_poll(p, now);
	vpit_arm(p, now + vtimer_pace_ns(t));
}

static void vpit_reschedule(struct vpit *p, uint64_t now)
{
	p->s.next_irq_ns = vpit_channel_next_rise(&p->s.chan[0], now);
	vpit_arm(p, 0);
}

static void vpit_read_back(struct vpit *p, uint64_t now, uint8_t command)
{
	for (unsigned i = 0; i < VPIT_CHANNELS; i++) {
		if (!(command & (2u << i)))
			continue;
		if (!(command & READ_BACK_NO_COUNT))
			vpit_channel_latch_count(&p->s.chan[i], now);
		if (!(command & READ_BACK_NO_STATE))
			vpit_channel_latch_status(&p->s.chan[i], now);
	}
}

static void vpit_write_control(struct vpit *p, uint64_t now, uint8_t value)
{
	unsigned index = value >> 6;

	if (index == VPIT_CHANNELS) {
		vpit_read_back(p, now, value);
		return;
	}
	if (!(value & 0x30)) {
		vpit_channel_latch_count(&p->s.chan[index], now);
		return;
	}
	vpit_channel_set_mode(&p->s.chan[index], value);
	if (index)
		return;
	if (!p->s.chan[0].mode) /* mode 0 starts with the output low */
		vm_irq_set(p->vdev.vm, VPIT_GSI, false);
	vpit_reschedule(p, now);
}

static uint64_t vpit_io_read(struct io_region *r, uint64_t offset, unsigned size)
{
	struct vpit *p = container_of(r, struct vpit, ports);

	if (offset == CONTROL_PORT)
		return 0xff; /* write-only */
	return vpit_channel_read(&p->s.chan[offset], vm_now_ns(p->vdev.vm));
}

static void vpit_io_write(struct io_region *r, uint64_t offset, unsigned size, uint64_t value)
{
	struct vpit *p = container_of(r, struct vpit, ports);
	uint64_t now = vm_now_ns(p->vdev.vm);

	vpit_poll(p, now);
	if (offset == CONTROL_PORT) {
		vpit_write_control(p, now, (uint8_t)value);
		return;
	}
	vpit_channel_write(&p->s.chan[offset], now, (uint8_t)value);
	if (offset == 0)
		vpit_reschedule(p, now);
}

static uint64_t vpit_port61_read(struct io_region *r, uint64_t offset, unsigned size)
{
	struct vpit *p = container_of(r, struct vpit, port61);
	uint64_t now = vm_now_ns(p->vdev.vm);
	uint8_t value = p->s.port61;

	if (now / REFRESH_NS & 1)
		value |= PORT61_REFRESH;
	if (vpit_channel_out(&p->s.chan[SPEAKER], now))
		value |= PORT61_OUT2;
	return value;
}

static void vpit_port61_write(struct io_region *r, uint64_t offset, unsigned size, uint64_t value)
{
	struct vpit *p = container_of(r, struct vpit, port61);

	p->s.port61 = value & PORT61_WRITE;
	vpit_channel_set_gate(&p->s.chan[SPEAKER], vm_now_ns(p->vdev.vm), value & PORT61_GATE2);
}

static const struct io_ops vpit_io_ops = {.read = vpit_io_read, .write = vpit_io_write};
static const struct io_ops vpit_port61_ops = {.read = vpit_port61_read, .write = vpit_port61_write};

/* ---- a device among others ---- */

#define CHAN(n, member) STATE_FIELD(struct vpit_state, chan[n].member)
#define CHAN_FIELDS(n)                                                                             \
	CHAN(n, start_ns), CHAN(n, paused_ticks), CHAN(n, switch_ns), CHAN(n, count),              \
	    CHAN(n, next_count), CHAN(n, latch), CHAN(n, status), CHAN(n, mode), CHAN(n, rw),      \
	    CHAN(n, bcd), CHAN(n, gate), CHAN(n, running), CHAN(n, count_latched),                 \
	    CHAN(n, status_latched), CHAN(n, read_high), CHAN(n, write_high), CHAN(n, write_low),  \
	    STATE_ARRAY(struct vpit_state, chan[n].pad)
#define CHAN_LIMITS(n)                                                                             \
	{CHAN(n, start_ns), VDEV_NS_MAX}, {CHAN(n, paused_ticks), VDEV_NS_MAX},                    \
	    {CHAN(n, switch_ns), VDEV_NS_MAX}, {CHAN(n, count), 65536},                            \
	    {CHAN(n, next_count), 65536}, {CHAN(n, mode), 5}, {CHAN(n, rw), 3}, {CHAN(n, bcd), 1}, \
	    {CHAN(n, gate), 1}, {CHAN(n, running), 1}, {CHAN(n, count_latched), 1},                \
	    {CHAN(n, status_latched), 1}, {CHAN(n, read_high), 1}, {CHAN(n, write_high), 1},       \
	{                                                                                          \
		STATE_ARRAY(struct vpit_state, chan[n].pad), 0                                     \
	}

static const struct state_field vpit_fields[] = {
    CHAN_FIELDS(0),
    CHAN_FIELDS(1),
    CHAN_FIELDS(2),
    STATE_FIELD(struct vpit_state, next_irq_ns),
    STATE_FIELD(struct vpit_state, port61),
    STATE_ARRAY(struct vpit_state, pad),
};

static const struct vdev_limit vpit_limits[] = {
    CHAN_LIMITS(0),
    CHAN_LIMITS(1),
    CHAN_LIMITS(2),
    {STATE_FIELD(struct vpit_state, next_irq_ns), VDEV_NS_MAX},
    {STATE_FIELD(struct vpit_state, port61), PORT61_WRITE},
    {STATE_ARRAY(struct vpit_state, pad), 0},
};

static const struct state_table vpit_table = {
    .name = "vpit",
    .version = 1,
    .struct_size = sizeof(struct vpit_state),
    .fields = vpit_fields,
    .field_count = ARRAY_SIZE(vpit_fields),
};

static void vpit_reset(struct vdev *d)
{
	struct vpit *p = container_of(d, struct vpit, vdev);

	vtimer_cancel(&p->timer);
	memset(&p->s, 0, sizeof(p->s));
	for (unsigned i = 0; i < VPIT_CHANNELS; i++) {
		p->s.chan[i].rw = 3;
		p->s.chan[i].gate = i != SPEAKER;
	}
}

static void vpit_quiesce(struct vdev *d)
{
	vtimer_cancel(&container_of(d, struct vpit, vdev)->timer);
}

static int vpit_check_channel(const struct vdev *d, const struct vpit_channel_state *c,
			      uint8_t gate)
{
	if (c->running && !c->count)
		return vdev_refuse(d, "running", c->running, "0 without a count");
	if (!c->rw)
		return vdev_refuse(d, "rw", c->rw, "1 to 3");
	if (c->gate != gate)
		return vdev_refuse(d, "gate", c->gate, "1, or bit 0 of port 61H at channel 2");
	return 0;
}

static int vpit_check(const struct vdev *d, const void *state)
{
	const struct vpit_state *s = state;
	int err = vdev_check_limits(d, s, vpit_limits, ARRAY_SIZE(vpit_limits));

	for (unsigned i = 0; i < VPIT_CHANNELS && !err; i++)
		err =
		    vpit_check_channel(d, &s->chan[i], i == SPEAKER ? s->port61 & PORT61_GATE2 : 1);
	return err;
}

static void vpit_resume(struct vdev *d)
{
	vpit_arm(container_of(d, struct vpit, vdev), 0);
}

static void vpit_destroy(struct vdev *d)
{
	struct vpit *p = container_of(d, struct vpit, vdev);

	vtimer_cancel(&p->timer);
	iobus_remove(&d->vm->ports, &p->ports);
	iobus_remove(&d->vm->ports, &p->port61);
	list_remove(&d->node);
	kfree(p);
}

static const struct vdev_ops vpit_ops = {
    .table = &vpit_table,
    .reset = vpit_reset,
    .quiesce = vpit_quiesce,
    .check = vpit_check,
    .resume = vpit_resume,
    .destroy = vpit_destroy,
};

int vpit_create(struct vm *vm, struct vpit **out)
{
	struct vpit *p = kzalloc(sizeof(*p));
	int err;

	if (!p)
		return -E_NOMEM;
	vtimer_init(&p->timer, vm, vpit_fire);
	p->ports = (struct io_region){
	    .name = "vpit",
	    .base = 0x40,
	    .len = 4,
	    .enabled = true,
	    .byte_wide = true,
	    .ops = &vpit_io_ops,
	    .dev = &p->vdev,
	};
	p->port61 = (struct io_region){
	    .name = "vpit port 61H",
	    .base = 0x61,
	    .len = 1,
	    .enabled = true,
	    .byte_wide = true,
	    .ops = &vpit_port61_ops,
	    .dev = &p->vdev,
	};
	err = iobus_add(&vm->ports, &p->ports);
	if (err)
		goto undo_alloc;
	err = iobus_add(&vm->ports, &p->port61);
	if (err)
		goto undo_ports;
	vdev_add(vm, &p->vdev, &vpit_ops, 0, &p->s);
	*out = p;
	return 0;

undo_ports:
	iobus_remove(&vm->ports, &p->ports);
undo_alloc:
	kfree(p);
	return err;
}
