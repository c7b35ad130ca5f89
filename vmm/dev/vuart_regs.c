/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * 16550A UART (National PC16550D data sheet), registers and interrupts. Time on
 * the wire is not modelled: the transmitter is always empty again, and a
 * receiver FIFO below its trigger level times out at once. As on a PC, OUT2
 * gates the interrupt line.
 */
#include "vmm/dev/vuart.h"

#include "kernel/lib/string.h"

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

#define FCR_RX_RESET 0x02

#define LCR_DLAB 0x80

#define MCR_DTR	 0x01
#define MCR_RTS	 0x02
#define MCR_OUT1 0x04
#define MCR_OUT2 0x08
#define MCR_LOOP 0x10

#define LSR_DR	 0x01
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
	unsigned depth = u->s.fcr & VUART_FCR_ENABLE ? VUART_FIFO : 1;

	return depth > u->s.fifo_count ? depth - u->s.fifo_count : 0;
}

static unsigned fifo_trigger(const struct vuart *u)
{
	static const uint8_t levels[] = {1, 4, 8, 14};

	return u->s.fcr & VUART_FCR_ENABLE ? levels[(u->s.fcr & VUART_FCR_TRIGGER) >> 6] : 1;
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

void vuart_update_irq(struct vuart *u)
{
	uint8_t level = vuart_iir(u) != IIR_NONE && (u->s.mcr & MCR_OUT2);

	if (level == u->s.line)
		return;
	u->s.line = level;
	vm_irq_set(u->vdev.vm, VUART_GSI, level);
}

/* Move waiting input into the receiver; in loopback the wire is cut off. */
void vuart_refill(struct vuart *u)
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
		s->lsr_errors |= VUART_LSR_OE;
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

	u->s.mcr = value & VUART_MCR_ALL;
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
	if ((value ^ s->fcr) & VUART_FCR_ENABLE ||
	    ((value & VUART_FCR_ENABLE) && (value & FCR_RX_RESET)))
		s->fifo_count = 0;
	s->fcr = value & VUART_FCR_ENABLE ? value & (VUART_FCR_ENABLE | VUART_FCR_TRIGGER) : 0;
	vuart_refill(u);
}

static uint8_t vuart_read_iir(struct vuart *u)
{
	uint8_t iir = vuart_iir(u);

	if (iir == IIR_THRE)
		u->s.thre_pending = 0;
	return iir | (u->s.fcr & VUART_FCR_ENABLE ? IIR_FIFOS : 0);
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

uint8_t vuart_read_reg(struct vuart *u, unsigned reg)
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

void vuart_write_reg(struct vuart *u, unsigned reg, uint8_t value)
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
