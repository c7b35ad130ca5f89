/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The console UART as a device: ports, state, and the host's side (input queue,
 * history, live watcher). What its registers do is in vuart_regs.c.
 */
#include "vmm/dev/vuart.h"

#include "kernel/lib/string.h"
#include "kernel/mem.h"

static uint64_t vuart_io_read(struct io_region *r, uint64_t offset, unsigned size)
{
	struct vuart *u = container_of(r, struct vuart, region);
	uint8_t value = vuart_read_reg(u, offset & 7);

	vuart_update_irq(u);
	return value;
}

static void vuart_io_write(struct io_region *r, uint64_t offset, unsigned size, uint64_t value)
{
	struct vuart *u = container_of(r, struct vuart, region);

	vuart_write_reg(u, offset & 7, (uint8_t)value);
	vuart_update_irq(u);
}

static const struct io_ops vuart_io_ops = {.read = vuart_io_read, .write = vuart_io_write};

/* ---- the host's side ---- */

void vuart_emit(struct vuart *u, char c)
{
	u->history[u->tx_bytes++ % VUART_HISTORY] = c;
	if (u->sink)
		u->sink(u->sink_ctx, &c, 1);
}

void vuart_set_sink(struct vuart *u, void (*fn)(void *ctx, const char *data, size_t len), void *ctx)
{
	u->sink = fn;
	u->sink_ctx = ctx;
}

void vuart_clear_sink(struct vuart *u, uint64_t unshown)
{
	u->sink = NULL;
	u->sink_ctx = NULL;
	u->seen_bytes = u->tx_bytes - MIN(unshown, u->tx_bytes);
}

uint64_t vuart_unseen(const struct vuart *u)
{
	return u->tx_bytes - u->seen_bytes;
}

size_t vuart_input(struct vuart *u, const char *data, size_t len)
{
	struct vuart_state *s = &u->s;
	size_t taken = 0;

	while (taken < len && s->queue_count < VUART_QUEUE) {
		s->queue[(s->queue_head + s->queue_count++) % VUART_QUEUE] = (uint8_t)data[taken++];
		vuart_refill(u);
	}
	u->rx_bytes += taken;
	vuart_update_irq(u);
	return taken;
}

size_t vuart_history(const struct vuart *u, char *buf, size_t room)
{
	size_t len = MIN(MIN(u->tx_bytes, (uint64_t)VUART_HISTORY), (uint64_t)room);

	for (size_t i = 0; i < len; i++)
		buf[i] = u->history[(u->tx_bytes - len + i) % VUART_HISTORY];
	return len;
}

/* ---- a device among others ---- */

static const struct state_field vuart_fields[] = {
    STATE_FIELD(struct vuart_state, ier),	 STATE_FIELD(struct vuart_state, fcr),
    STATE_FIELD(struct vuart_state, lcr),	 STATE_FIELD(struct vuart_state, mcr),
    STATE_FIELD(struct vuart_state, lsr_errors), STATE_FIELD(struct vuart_state, msr_delta),
    STATE_FIELD(struct vuart_state, scr),	 STATE_FIELD(struct vuart_state, dll),
    STATE_FIELD(struct vuart_state, dlm),	 STATE_FIELD(struct vuart_state, thre_pending),
    STATE_FIELD(struct vuart_state, line),	 STATE_FIELD(struct vuart_state, fifo_count),
    STATE_FIELD(struct vuart_state, queue_head), STATE_FIELD(struct vuart_state, queue_count),
    STATE_ARRAY(struct vuart_state, fifo),	 STATE_ARRAY(struct vuart_state, queue),
};

static const struct vdev_limit vuart_limits[] = {
    {STATE_FIELD(struct vuart_state, ier), 0x0f},
    {STATE_FIELD(struct vuart_state, fcr), VUART_FCR_ENABLE | VUART_FCR_TRIGGER},
    {STATE_FIELD(struct vuart_state, mcr), VUART_MCR_ALL},
    {STATE_FIELD(struct vuart_state, lsr_errors), VUART_LSR_OE},
    {STATE_FIELD(struct vuart_state, msr_delta), 0x0f},
    {STATE_FIELD(struct vuart_state, thre_pending), 1},
    {STATE_FIELD(struct vuart_state, line), 1},
    {STATE_FIELD(struct vuart_state, fifo_count), VUART_FIFO},
    {STATE_FIELD(struct vuart_state, queue_head), VUART_QUEUE - 1},
    {STATE_FIELD(struct vuart_state, queue_count), VUART_QUEUE},
};

static const struct state_table vuart_table = {
    .name = "vuart",
    .version = 1,
    .struct_size = sizeof(struct vuart_state),
    .fields = vuart_fields,
    .field_count = ARRAY_SIZE(vuart_fields),
};

static void vuart_reset(struct vdev *d)
{
	struct vuart *u = container_of(d, struct vuart, vdev);

	if (u->s.line)
		vm_irq_set(d->vm, VUART_GSI, false);
	memset(&u->s, 0, sizeof(u->s));
	u->s.dll = 12; /* 9600 baud, as firmware leaves it; nothing depends on it */
}

static void vuart_quiesce(struct vdev *d)
{
	/* no timers, and output has left already */
}

static int vuart_check(const struct vdev *d, const void *state)
{
	const struct vuart_state *s = state;
	int err = vdev_check_limits(d, s, vuart_limits, ARRAY_SIZE(vuart_limits));

	if (err)
		return err;
	if (!(s->fcr & VUART_FCR_ENABLE) && s->fcr)
		return vdev_refuse(d, "fcr", s->fcr, "0 while the FIFOs are off");
	if (!(s->fcr & VUART_FCR_ENABLE) && s->fifo_count > 1)
		return vdev_refuse(d, "fifo_count", s->fifo_count,
				   "0 or 1 while the FIFOs are off");
	return 0;
}

static void vuart_resume(struct vdev *d)
{
	/* nothing of the host's to start again */
}

static void vuart_destroy(struct vdev *d)
{
	struct vuart *u = container_of(d, struct vuart, vdev);

	iobus_remove(&d->vm->ports, &u->region);
	list_remove(&d->node);
	kfree(u->history);
	kfree(u);
}

static const struct vdev_ops vuart_ops = {
    .table = &vuart_table,
    .reset = vuart_reset,
    .quiesce = vuart_quiesce,
    .check = vuart_check,
    .resume = vuart_resume,
    .destroy = vuart_destroy,
};

int vuart_create(struct vm *vm, struct vuart **out)
{
	struct vuart *u = kzalloc(sizeof(*u));
	int err;

	if (!u)
		return -E_NOMEM;
	u->history = kzalloc(VUART_HISTORY);
	if (!u->history) {
		err = -E_NOMEM;
		goto undo_uart;
	}
	u->region = (struct io_region){
	    .name = "vuart",
	    .base = VUART_BASE,
	    .len = 8,
	    .enabled = true,
	    .byte_wide = true,
	    .ops = &vuart_io_ops,
	    .dev = &u->vdev,
	};
	err = iobus_add(&vm->ports, &u->region);
	if (err)
		goto undo_history;
	vdev_add(vm, &u->vdev, &vuart_ops, 0, &u->s);
	*out = u;
	return 0;

undo_history:
	kfree(u->history);
undo_uart:
	kfree(u);
	return err;
}
