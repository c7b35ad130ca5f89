/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The device's side of a split virtqueue (virtio 1.1, section 2.6). All that the
 * guest wrote is hostile: each index, length and address is read once and
 * checked; a queue that breaks the rules is reported, never followed.
 */
#ifndef VMM_DEV_VIRTQUEUE_H
#define VMM_DEV_VIRTQUEUE_H

#include "vmm/vm.h"

#define VIRTQ_MAX_SIZE 256
#define VIRTQ_MAX_SEGS 64 /* buffers in one chain, the longest that we accept */

/* Travels: part of a virtio device's state, in its table by VIRTQ_STATE_FIELDS. */
struct virtq_state {
	uint64_t desc, driver, device; /* guest addresses of the three areas */
	uint16_t size;
	uint16_t enabled;
	uint16_t avail_idx; /* next available entry to take */
	uint16_t used_idx;  /* next used entry to fill */
};

#define VIRTQ_STATE_FIELDS(type, m)                                                                \
	STATE_FIELD(type, m.desc), STATE_FIELD(type, m.driver), STATE_FIELD(type, m.device),       \
	    STATE_FIELD(type, m.size), STATE_FIELD(type, m.enabled),                               \
	    STATE_FIELD(type, m.avail_idx), STATE_FIELD(type, m.used_idx)

struct virtq {
	struct vm *vm;
	struct virtq_state *s;
	bool event_idx, indirect; /* negotiated */
};

struct virtq_seg {
	gpa_t gpa;
	uint32_t len; /* never 0 */
	bool writable;
};

/* One request: readable buffers first, then writable ones. */
struct virtq_chain {
	uint16_t head;
	uint16_t count;
	struct virtq_seg seg[VIRTQ_MAX_SEGS];
};

/* Are size, alignment and areas possible? For `queue_enable` and for incoming states. */
bool virtq_state_valid(const struct virtq_state *s);

/*
 * Take the next available chain. 1; 0 when there is none (then the guest is asked
 * to notify the next one); -E_PROTO when the queue is broken.
 */
int must_check virtq_pop(struct virtq *q, struct virtq_chain *out);
/* Read the chain at a head that was taken before. 0 or -E_PROTO. */
int must_check virtq_read_chain(struct virtq *q, uint16_t head, struct virtq_chain *out);
/* Put back the last count chains that were popped: as if they had not been. */
void virtq_unpop(struct virtq *q, uint16_t count);
/*
 * Return a chain of which len bytes were written. 1 when the guest wants an
 * interrupt, 0 when not, -E_PROTO.
 */
int must_check virtq_push(struct virtq *q, uint16_t head, uint32_t len);
/*
 * The same for several that must appear together: fill the entry ahead of the
 * next one for each, then publish all. virtq_fill: 0, -E_PROTO. virtq_publish: as virtq_push.
 */
int must_check virtq_fill(struct virtq *q, uint16_t ahead, uint16_t head, uint32_t len);
int must_check virtq_publish(struct virtq *q, uint16_t count);

#endif
