/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * 16550A UART (National PC16550D data sheet), registers and interrupts. Time on
 * the wire is not modelled: the transmitter is always empty again, and a
 * receiver FIFO below its trigger level times out at once. As on a PC, OUT2
 * gates the interrupt line.
 */
#include "vmm/dev/vuart.h"

#include "kernel/lib/string.h"
#include "kernel/mem.h"

enum vuart_reg { REG_DATA, REG_IER, REG_IIR_FCR, REG_LCR, REG_MCR, REG_LSR, REG_MSR, REG_SCR };

#define IER_RDA	 0x01
#define IER_THRE 0x02
#define IER_RLS	 0x04
#define IER_MS	 0x08

#define IIR_NONE    0x01
#define IIR_MS	    0x00
#define IIR_THRE    0x02
#define IIR_RDA	    0x04
#define IIR_RLS	    0x06
#define IIR_TIMEOUT 0x0c
#define IIR_FIFOS   0xc0

#define FCR_ENABLE   0x01
#define FCR_RX_RESET 0x02
#define FCR_TRIGGER  0xc0

#define LCR_DLAB 0x80

#define MCR_DTR	 0x01
#define MCR_RTS	 0x02
#define MCR_OUT1 0x04
#define MCR_OUT2 0x08
#define MCR_LOOP 0x10
#define MCR_ALL	 0x1f

#define LSR_DR	 0x01
#define LSR_OE	 0x02
#define LSR_THRE 0x20
#define LSR_TEMT 0x40

#define MSR_DCTS 0x01
#define MSR_DDSR 0x02
#define MSR_TERI 0x04
#define MSR_DDCD 0x08
#define MSR_CTS	 0x10
#define MSR_DSR	 0x20
#define MSR_RI	 0x40
#define MSR_DCD	 0x80

static bool vuart_loops(const struct vuart *u)
{
	return u->s.mcr & MCR_LOOP;
}

static unsigned fifo_room(const struct vuart *u)
{
	unsigned depth = u->s.fcr & FCR_ENABLE ? VUART_FIFO : 1;

	return depth > u->s.fifo_count ? depth - u->s.fifo_count : 0;
}

static unsigned fifo_trigger(const struct vuart *u)
{
	static const uint8_t levels[] = {1, 4, 8, 14};

	return u->s.fcr & FCR_ENABLE ? levels[(u->s.fcr & FCR_TRIGGER) >> 6] : 1;
}

static uint8_t vuart_iir(const struct vuart *u)
{
	const struct vuart_state *s = &u->s;

	if ((s->ier & IER_RLS) && s->lsr_errors)
		return IIR_RLS;
	if ((s->ier & IER_RDA) && s->fifo_count)
		return s->fifo_count >= fifo_trigger(u) ? IIR_RDA : IIR_TIMEOUT;
	if ((s->ier & IER_THRE) && s->thre_pending)
		return IIR_THRE;
	if ((s->ier & IER_MS) && s->msr_delta)
		return IIR_MS;
	return IIR_NONE;
}

static void vuart_update_irq(struct vuart *u)
{
	uint8_t level = vuart_iir(u) != IIR_NONE && (u->s.mcr & MCR_OUT2);

	if (level == u->s.line)
		return;
	u->s.line = level;
	vm_irq_set(u->vdev.vm, VUART_GSI, level);
}

/* Move waiting input into the receiver; in loopback the wire is cut off. */
static void vuart_refill(struct vuart *u)
{
	struct vuart_state *s = &u->s;

	while (!vuart_loops(u) && s->queue_count && fifo_room(u)) {
		s->fifo[s->fifo_count++] = s->queue[s->queue_head];
		s->queue_head = (s->queue_head + 1) % VUART_QUEUE;
		s->queue_count--;
	}
}

static uint8_t vuart_receive(struct vuart *u)
{
	struct vuart_state *s = &u->s;
	uint8_t data = s->fifo[0];

	if (!s->fifo_count)
		return 0;
	s->fifo_count--;
	memmove(s->fifo, s->fifo + 1, s->fifo_count);
	vuart_refill(u);
	return data;
}

static void vuart_emit(struct vuart *u, char c)
{
	u->history[u->tx_bytes++ % VUART_HISTORY] = c;
	if (u->sink)
		u->sink(u->sink_ctx, &c, 1);
}

static void vuart_transmit(struct vuart *u, uint8_t data)
{
	struct vuart_state *s = &u->s;

	/* the request falls with the write and rises when THR is empty again: an edge */
	s->thre_pending = 0;
	vuart_update_irq(u);
	if (!vuart_loops(u))
		vuart_emit(u, (char)data);
	else if (fifo_room(u))
		s->fifo[s->fifo_count++] = data;
	else
		s->lsr_errors |= LSR_OE;
	s->thre_pending = 1;
}

/* The modem lines: a terminal that is always there, or MCR in loopback. */
static uint8_t vuart_modem_lines(const struct vuart *u)
{
	uint8_t mcr = u->s.mcr;

	if (!vuart_loops(u))
		return MSR_CTS | MSR_DSR | MSR_DCD;
	return (mcr & MCR_DTR ? MSR_DSR : 0) | (mcr & MCR_RTS ? MSR_CTS : 0) |
	       (mcr & MCR_OUT1 ? MSR_RI : 0) | (mcr & MCR_OUT2 ? MSR_DCD : 0);
}

static void vuart_write_mcr(struct vuart *u, uint8_t value)
{
	uint8_t old = vuart_modem_lines(u), now, changed;

	u->s.mcr = value & MCR_ALL;
	now = vuart_modem_lines(u);
	changed = old ^ now;
	u->s.msr_delta |= (changed & MSR_CTS ? MSR_DCTS : 0) | (changed & MSR_DSR ? MSR_DDSR : 0) |
			  (changed & old & MSR_RI ? MSR_TERI : 0) |
			  (changed & MSR_DCD ? MSR_DDCD : 0);
	vuart_refill(u);
}

static void vuart_write_fcr(struct vuart *u, uint8_t value)
{
	struct vuart_state *s = &u->s;

	/* switching the FIFOs empties them; the other bits count only when they are on */
	if ((value ^ s->fcr) & FCR_ENABLE || ((value & FCR_ENABLE) && (value & FCR_RX_RESET)))
		s->fifo_count = 0;
	s->fcr = value & FCR_ENABLE ? value & (FCR_ENABLE | FCR_TRIGGER) : 0;
	vuart_refill(u);
}

static uint8_t vuart_read_iir(struct vuart *u)
{
	uint8_t iir = vuart_iir(u);

	if (iir == IIR_THRE)
		u->s.thre_pending = 0;
	return iir | (u->s.fcr & FCR_ENABLE ? IIR_FIFOS : 0);
}

static uint8_t vuart_read_lsr(struct vuart *u)
{
	uint8_t lsr = LSR_THRE | LSR_TEMT | u->s.lsr_errors | (u->s.fifo_count ? LSR_DR : 0);

	u->s.lsr_errors = 0;
	return lsr;
}

static uint8_t vuart_read_msr(struct vuart *u)
{
	uint8_t msr = vuart_modem_lines(u) | u->s.msr_delta;

	u->s.msr_delta = 0;
	return msr;
}

static uint8_t vuart_read_reg(struct vuart *u, enum vuart_reg reg)
{
	struct vuart_state *s = &u->s;
	bool dlab = s->lcr & LCR_DLAB;

	switch (reg) {
	case REG_DATA:
		return dlab ? s->dll : vuart_receive(u);
	case REG_IER:
		return dlab ? s->dlm : s->ier;
	case REG_IIR_FCR:
		return vuart_read_iir(u);
	case REG_LCR:
		return s->lcr;
	case REG_MCR:
		return s->mcr;
	case REG_LSR:
		return vuart_read_lsr(u);
	case REG_MSR:
		return vuart_read_msr(u);
	case REG_SCR:
		return s->scr;
	}
	return 0xff;
}

static void vuart_write_ier(struct vuart *u, uint8_t value)
{
	uint8_t rising = value & ~u->s.ier;

	u->s.ier = value & (IER_RDA | IER_THRE | IER_RLS | IER_MS);
	/* enabling while THR is empty asks at once; drivers start sending that way */
	if (rising & IER_THRE)
		u->s.thre_pending = 1;
}

static void vuart_write_reg(struct vuart *u, enum vuart_reg reg, uint8_t value)
{
	struct vuart_state *s = &u->s;
	bool dlab = s->lcr & LCR_DLAB;

	switch (reg) {
	case REG_DATA:
		if (dlab)
			s->dll = value;
		else
			vuart_transmit(u, value);
		break;
	case REG_IER:
		if (dlab)
			s->dlm = value;
		else
			vuart_write_ier(u, value);
		break;
	case REG_IIR_FCR:
		vuart_write_fcr(u, value);
		break;
	case REG_LCR:
		s->lcr = value;
		break;
	case REG_MCR:
		vuart_write_mcr(u, value);
		break;
	case REG_SCR:
		s->scr = value;
		break;
	case REG_LSR:
	case REG_MSR:
		break; /* read-only */
	}
}

static uint64_t vuart_io_read(struct io_region *r, uint64_t offset, unsigned size)
{
	struct vuart *u = container_of(r, struct vuart, region);
	uint8_t value = vuart_read_reg(u, (enum vuart_reg)(offset & 7));

	vuart_update_irq(u);
	return value;
}

static void vuart_io_write(struct io_region *r, uint64_t offset, unsigned size, uint64_t value)
{
	struct vuart *u = container_of(r, struct vuart, region);

	vuart_write_reg(u, (enum vuart_reg)(offset & 7), (uint8_t)value);
	vuart_update_irq(u);
}

static const struct io_ops vuart_io_ops = {.read = vuart_io_read, .write = vuart_io_write};

/* ---- the host's side ---- */

void vuart_set_sink(struct vuart *u, void (*fn)(void *ctx, const char *data, size_t len), void *ctx)
{
	u->sink = fn;
	u->sink_ctx = ctx;
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
    {STATE_FIELD(struct vuart_state, fcr), FCR_ENABLE | FCR_TRIGGER},
    {STATE_FIELD(struct vuart_state, mcr), MCR_ALL},
    {STATE_FIELD(struct vuart_state, lsr_errors), LSR_OE},
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
	if (!(s->fcr & FCR_ENABLE) && s->fcr)
		return vdev_refuse(d, "fcr", s->fcr, "0 while the FIFOs are off");
	if (!(s->fcr & FCR_ENABLE) && s->fifo_count > 1)
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
