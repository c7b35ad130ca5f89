/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A 16550 serial port (National Semiconductor PC16550D): the host's console.
 * Output is queued in a ring that a timer drains a FIFO-full at a time, because
 * a character takes 87 us and nobody may wait for that with the host lock held.
 * Until serial_start, and in a panic, output is written at once.
 */
#ifndef KERNEL_DRIVERS_SERIAL_H
#define KERNEL_DRIVERS_SERIAL_H

#include "kernel/lib/base.h"

/*
 * Choose the port (I/O base) and rate (a divisor of 115200), 8N1, FIFOs on.
 * Before this call COM1 is used as the loader left it. 0, or -E_NOTSUP when no
 * 16550 answers there: then all output is dropped and nothing is ever read.
 */
int must_check serial_init(uint16_t port, uint32_t baud);

/* Timers and interrupts work: from now on queue, and receive by interrupt or timer. */
void serial_start(void);

/* Queue at most n bytes; returns how many fitted. Never blocks. */
size_t serial_write(const char *text, size_t n);
/* Bytes that serial_write would take now. */
size_t serial_room(void);
/* Blocks (task context) until all n bytes are queued. */
void serial_write_all(const char *text, size_t n);

/* Empty the ring, then write, all with bounded waiting. For panic. */
void serial_write_now(const char *text, size_t n);

/* The next received byte, or -E_AGAIN. Never blocks. */
int serial_read(void);
/* Blocks until a byte is there or the deadline: the byte, or -E_TIMEDOUT. */
int serial_read_wait(uint64_t deadline_ns);

struct serial_stats {
	uint64_t tx_bytes, rx_bytes, rx_lost;
};
void serial_get_stats(struct serial_stats *out);

#endif
