/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The driver's side of a split virtqueue (Virtual I/O Device 1.1, section 2.6). What
 * the device writes (its index, ids, lengths) is checked here or handed out as it is
 * where only the user knows better. vmm/dev/virtqueue.c is the other side.
 */
#ifndef KERNEL_DRIVERS_VRING_H
#define KERNEL_DRIVERS_VRING_H

#include "kernel/lib/base.h"

#define VRING_MAX   256	 /* descriptors that one page holds */
#define VRING_ORDER 1	 /* pages: descriptors; available and used ring */
#define VRING_USED  1024 /* of the used ring in the second page */

#define VRING_DESC_NEXT		 1
#define VRING_DESC_WRITE	 2
#define VRING_AVAIL_NO_INTERRUPT 1
#define VRING_USED_NO_NOTIFY	 1

struct vring_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next;
};

struct vring_avail {
	uint16_t flags, idx;
	uint16_t ring[VRING_MAX];
};

struct vring_used {
	uint16_t flags, idx;
	struct {
		uint32_t id, len;
	} ring[VRING_MAX];
};

_Static_assert(sizeof(struct vring_desc) == 16, "virtqueue descriptor");
_Static_assert(sizeof(struct vring_avail) <= VRING_USED, "available ring before the used ring");
_Static_assert(VRING_USED + sizeof(struct vring_used) <= PAGE_SIZE, "used ring");

struct vring {
	volatile struct vring_desc *desc;
	volatile struct vring_avail *avail;
	volatile struct vring_used *used;
	uint16_t size;	 /* a power of two */
	uint16_t posted; /* our index in avail */
	uint16_t taken;	 /* our index in used */
};

/* Memory for a ring of any size. -E_NOMEM. */
int must_check vring_alloc(struct vring *r);
void vring_free(struct vring *r);
/* Empty, with size descriptors; while the device does not have it. */
void vring_reset(struct vring *r, uint16_t size);

/* Offer the chain that begins at descriptor head. At most size may be out. */
void vring_post(struct vring *r, uint16_t head);
/* Does the device want to be told now? After posting. */
bool vring_wants_notify(struct vring *r);
/*
 * The next chain that the device has used: 0, its head (below size) and what the device
 * says it wrote. -E_AGAIN: none. -E_PROTO: its index or id cannot be.
 */
int must_check vring_take(struct vring *r, uint16_t *head, uint32_t *len);

#endif
