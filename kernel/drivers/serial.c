/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The 16550 driver. Register names and bits are those of the PC16550D data sheet,
 * table "Summary of Registers". What is written and how lines are edited is the
 * console's business.
 */
#include "kernel/drivers/serial.h"

#include "arch/x86/io.h"
#include "kernel/irq.h"
#include "kernel/lib/string.h"
#include "kernel/task.h"
#include "kernel/time.h"
#include "kernel/timer.h"

#define UART_RBR 0 /* receive buffer (read), transmit holding (write) */
#define UART_DLL 0 /* divisor, low byte (while LCR_DLAB) */
#define UART_DLM 1
#define UART_IER 1
#define UART_FCR 2
#define UART_LCR 3
#define UART_MCR 4
#define UART_LSR 5
#define UART_SCR 7

#define IER_RX_DATA 0x01
#define FCR_ENABLE  0x01
#define FCR_CLEAR   0x06 /* both FIFOs */
#define LCR_8N1	    0x03
#define LCR_DLAB    0x80
#define MCR_DTR_RTS 0x03
#define MCR_OUT2    0x08 /* on a PC: connects the interrupt line */
#define LSR_DATA    0x01
#define LSR_THRE    0x20
#define LSR_NO_PORT 0xff

#define UART_CLOCK    115200u
#define UART_FIFO     16
#define COM1_PORT     0x3f8
#define COM1_IRQ      4
#define COM2_IRQ      3
#define TX_RING	      16384u /* powers of two */
#define RX_RING	      4096u
#define TX_SPINS      200000u	/* per FIFO-full; at least one at 9600 baud, in the emulator too */
#define POLL_NS	      NS_PER_MS /* receive FIFO fills in 1.4 ms at 115200 */
#define POLL_SLOW_NS  (50 * NS_PER_MS) /* with interrupts: only for one that got lost */
#define TX_BATCH_BITS (10 * UART_FIFO) /* start, 8, stop */

static struct {
	uint16_t port;
	uint32_t baud;
	bool absent, started, has_irq;
	struct timer tx_timer, rx_timer;
	struct waitq tx_room, rx_data;
	/* Free-running indexes; the difference is what the ring holds. */
	uint32_t tx_head, tx_tail, rx_head, rx_tail;
	struct serial_stats stats;
	char tx[TX_RING];
	uint8_t rx[RX_RING];
} uart = {.port = COM1_PORT, .baud = UART_CLOCK};

static uint8_t uart_in(unsigned reg)
{
	return inb((uint16_t)(uart.port + reg));
}

static void uart_out(unsigned reg, uint8_t value)
{
	outb((uint16_t)(uart.port + reg), value);
}

int serial_init(uint16_t port, uint32_t baud)
{
	uint16_t divisor = (uint16_t)(UART_CLOCK / (baud ? baud : UART_CLOCK));

	uart.port = port;
	uart.baud = baud ? baud : UART_CLOCK;
	uart_out(UART_SCR, 0x5a);
	uart.absent = uart_in(UART_SCR) != 0x5a || uart_in(UART_LSR) == LSR_NO_PORT;
	if (uart.absent)
		return -E_NOTSUP;
	uart_out(UART_IER, 0);
	uart_out(UART_LCR, LCR_DLAB);
	uart_out(UART_DLL, (uint8_t)divisor);
	uart_out(UART_DLM, (uint8_t)(divisor >> 8));
	uart_out(UART_LCR, LCR_8N1);
	/* Receive trigger level 1: a single keystroke must be seen. */
	uart_out(UART_FCR, FCR_ENABLE | FCR_CLEAR);
	uart_out(UART_MCR, MCR_DTR_RTS | MCR_OUT2);
	return 0;
}

/* Wait, bounded, until the transmit FIFO is empty. */
static bool tx_wait(void)
{
	for (uint32_t spins = 0; spins < TX_SPINS; spins++) {
		if (uart_in(UART_LSR) & LSR_THRE)
			return true;
		cpu_pause();
	}
	return false;
}

/* One FIFO-full from the ring, if the FIFO is empty. */
static void tx_step(void)
{
	if (!(uart_in(UART_LSR) & LSR_THRE))
		return;
	for (unsigned i = 0; i < UART_FIFO && uart.tx_tail != uart.tx_head; i++) {
		uart_out(UART_RBR, (uint8_t)uart.tx[uart.tx_tail++ % TX_RING]);
		uart.stats.tx_bytes++;
	}
}

static void tx_timer_arm(void)
{
	timer_arm(&uart.tx_timer, time_ns() + TX_BATCH_BITS * NS_PER_S / uart.baud);
}

static void tx_timer_fn(struct timer *t)
{
	tx_step();
	if (uart.tx_head - uart.tx_tail < TX_RING / 2)
		waitq_wake_all(&uart.tx_room);
	if (uart.tx_head != uart.tx_tail)
		tx_timer_arm();
}

static void rx_drain(void)
{
	bool any = false;

	/* Bounded: a port that reads LSR_NO_PORT would otherwise never end. */
	for (unsigned i = 0; i < 4 * UART_FIFO && (uart_in(UART_LSR) & LSR_DATA); i++) {
		uint8_t byte = uart_in(UART_RBR);

		uart.stats.rx_bytes++;
		if (uart.rx_head - uart.rx_tail == RX_RING) {
			uart.stats.rx_lost++;
			continue;
		}
		uart.rx[uart.rx_head++ % RX_RING] = byte;
		any = true;
	}
	if (any)
		waitq_wake_all(&uart.rx_data);
}

static void rx_irq(void *arg)
{
	rx_drain();
}

static void rx_timer_fn(struct timer *t)
{
	rx_drain();
	timer_arm(t, time_ns() + (uart.has_irq ? POLL_SLOW_NS : POLL_NS));
}

void serial_start(void)
{
	unsigned gsi = uart.port == COM1_PORT ? COM1_IRQ : COM2_IRQ;

	waitq_init(&uart.tx_room);
	waitq_init(&uart.rx_data);
	timer_init(&uart.tx_timer, tx_timer_fn);
	timer_init(&uart.rx_timer, rx_timer_fn);
	uart.started = true;
	if (uart.absent)
		return;
	uart.has_irq = irq_register(gsi, false, rx_irq, NULL) == 0;
	if (uart.has_irq)
		uart_out(UART_IER, IER_RX_DATA);
	rx_timer_fn(&uart.rx_timer);
}

void serial_write_now(const char *text, size_t n)
{
	if (uart.absent)
		return;
	while (uart.tx_tail != uart.tx_head && tx_wait())
		tx_step();
	for (size_t i = 0; i < n; i++) {
		if (i % UART_FIFO == 0 && !tx_wait())
			return;
		uart_out(UART_RBR, (uint8_t)text[i]);
	}
	uart.stats.tx_bytes += n;
}

size_t serial_room(void)
{
	if (!uart.started || uart.absent)
		return SIZE_MAX;
	return TX_RING - (uart.tx_head - uart.tx_tail);
}

size_t serial_write(const char *text, size_t n)
{
	bool idle = uart.tx_head == uart.tx_tail;

	if (uart.absent)
		return n;
	if (!uart.started) {
		serial_write_now(text, n);
		return n;
	}
	n = MIN(n, serial_room());
	for (size_t i = 0; i < n; i++)
		uart.tx[uart.tx_head++ % TX_RING] = text[i];
	if (idle && n) {
		tx_step();
		if (uart.tx_head != uart.tx_tail)
			tx_timer_arm();
	}
	return n;
}

void serial_write_all(const char *text, size_t n)
{
	for (;;) {
		size_t done = serial_write(text, n);

		if (done == n)
			return;
		text += done;
		n -= done;
		waitq_wait(&uart.tx_room, TIME_NEVER);
	}
}

int serial_read(void)
{
	if (uart.started && !uart.absent)
		rx_drain();
	if (uart.rx_head == uart.rx_tail)
		return -E_AGAIN;
	return uart.rx[uart.rx_tail++ % RX_RING];
}

int serial_read_wait(uint64_t deadline_ns)
{
	for (;;) {
		int byte = serial_read();

		if (byte >= 0)
			return byte;
		if (waitq_wait(&uart.rx_data, deadline_ns))
			return -E_TIMEDOUT;
	}
}

void serial_get_stats(struct serial_stats *out)
{
	*out = uart.stats;
}
