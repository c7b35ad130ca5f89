/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * 8254 interval timer at 40H..43H and the PC's port 61H (Intel 8254 data sheet).
 * Counts are computed from guest time when somebody looks; only channel 0 has a
 * host timer, for gsi 0. Channel 2's gate and output are in port 61H.
 */
#ifndef VMM_DEV_VPIT_H
#define VMM_DEV_VPIT_H

#include "vmm/vm.h"

#define VPIT_HZ	      1193182ull
#define VPIT_CHANNELS 3
#define VPIT_GSI      0

struct vpit_channel_state {
	uint64_t start_ns;     /* guest time when the count was loaded or triggered */
	uint64_t paused_ticks; /* ticks done when the gate stopped the count */
	uint64_t switch_ns;    /* modes 2, 3: when next_count takes over */
	uint32_t count;	       /* 1..65536; 0: none since the control word */
	uint32_t next_count;   /* written while counting; 0: none */
	uint16_t latch;	       /* counter latch command */
	uint8_t status;	       /* read-back command */
	uint8_t mode;	       /* 0..5 */
	uint8_t rw;	       /* 1 low byte, 2 high byte, 3 low then high */
	uint8_t bcd;
	uint8_t gate;
	uint8_t running; /* counting; modes 1 and 5: triggered */
	uint8_t count_latched, status_latched;
	uint8_t read_high, write_high; /* rw 3: the high byte comes next */
	uint8_t write_low;	       /* its low byte, waiting */
	uint8_t pad[3];		       /* zero */
};

struct vpit_state {
	struct vpit_channel_state chan[VPIT_CHANNELS];
	uint64_t next_irq_ns; /* guest time when channel 0's output rises; 0: never */
	uint8_t port61;	      /* bits 3:0 as written */
	uint8_t pad[7];	      /* zero */
};

struct vpit {
	struct vdev vdev;
	struct vpit_state s;
	struct io_region ports, port61;
	struct vtimer timer;
};

/* 0, -E_NOMEM, -E_EXIST (ports taken). */
int must_check vpit_create(struct vm *vm, struct vpit **out);

/* ---- one channel, for vpit.c; now is guest time in ns and does not step back ---- */

void vpit_channel_set_mode(struct vpit_channel_state *c, uint8_t control);
/* A count register byte. Returns true when it completed a count. */
bool vpit_channel_write(struct vpit_channel_state *c, uint64_t now, uint8_t value);
uint8_t vpit_channel_read(struct vpit_channel_state *c, uint64_t now);
void vpit_channel_latch_count(struct vpit_channel_state *c, uint64_t now);
void vpit_channel_latch_status(struct vpit_channel_state *c, uint64_t now);
void vpit_channel_set_gate(struct vpit_channel_state *c, uint64_t now, bool gate);
bool vpit_channel_out(struct vpit_channel_state *c, uint64_t now);
/* When, after now, the output rises at the end of a count; 0: not again. */
uint64_t vpit_channel_next_rise(struct vpit_channel_state *c, uint64_t now);

#endif
