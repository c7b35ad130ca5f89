/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * 16550A UART at 0x3f8, gsi 4: the guest's console. Output leaves at once (no
 * baud pacing) to a history ring and a live watcher; input waits in a queue
 * that belongs to the state, so that pasted text survives a move.
 */
#ifndef VMM_DEV_VUART_H
#define VMM_DEV_VUART_H

#include "vmm/vm.h"

#define VUART_BASE    0x3f8
#define VUART_GSI     4
#define VUART_FIFO    16
#define VUART_QUEUE   256	 /* input that the receiver FIFO has no room for yet */
#define VUART_HISTORY (16 * KiB) /* last output, for a watcher who comes later */

struct vuart_state {
	uint8_t ier, fcr, lcr, mcr;
	uint8_t lsr_errors; /* OE and others, until LSR is read */
	uint8_t msr_delta;  /* low nibble of MSR, until it is read */
	uint8_t scr, dll, dlm;
	uint8_t thre_pending; /* transmitter-empty interrupt not acknowledged yet */
	uint8_t line;	      /* our level on gsi 4 */
	uint8_t fifo_count;
	uint16_t queue_head, queue_count;
	uint8_t fifo[VUART_FIFO]; /* oldest first */
	uint8_t queue[VUART_QUEUE];
};

struct vuart {
	struct vdev vdev;
	struct vuart_state s;
	struct io_region region;
	void (*sink)(void *ctx, const char *data, size_t len);
	void *sink_ctx;
	char *history;		     /* VUART_HISTORY bytes, a ring */
	uint64_t tx_bytes, rx_bytes; /* since creation on this host */
	uint64_t seen_bytes;	     /* of tx_bytes: when the last watcher left */
};

/* 0, -E_NOMEM, -E_EXIST (ports taken). */
int must_check vuart_create(struct vm *vm, struct vuart **out);
/* One live watcher of the output. fn must not block. */
void vuart_set_sink(struct vuart *u, void (*fn)(void *ctx, const char *data, size_t len),
		    void *ctx);
/* It leaves, and the last so many bytes were given to it but not shown. */
void vuart_clear_sink(struct vuart *u, uint64_t unshown);
/* Bytes that came since the last watcher left; the history may hold fewer. */
uint64_t vuart_unseen(const struct vuart *u);
/* Type len bytes to the guest. Returns how many fitted (fewer: try later). */
size_t vuart_input(struct vuart *u, const char *data, size_t len);
/* The last output, oldest first, at most room bytes; returns how many. */
size_t vuart_history(const struct vuart *u, char *buf, size_t room);

/* ---- between the files of the UART ---- */

/* Bits that limit an incoming state. */
#define VUART_FCR_ENABLE  0x01
#define VUART_FCR_TRIGGER 0xc0
#define VUART_MCR_ALL	  0x1f
#define VUART_LSR_OE	  0x02

/* reg: 0..7. The caller follows up with vuart_update_irq. */
uint8_t vuart_read_reg(struct vuart *u, unsigned reg);
void vuart_write_reg(struct vuart *u, unsigned reg, uint8_t value);
/* Move waiting input into the receiver, as far as it has room. */
void vuart_refill(struct vuart *u);
void vuart_update_irq(struct vuart *u);
/* A byte leaves for the history and the watcher. */
void vuart_emit(struct vuart *u, char c);

#endif
