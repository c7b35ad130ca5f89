/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Split virtqueues: taking chains from the available ring, returning them in the
 * used ring, and who needs to tell whom. Other vCPUs run meanwhile: ring indices
 * are single aligned loads and stores, with fences where the order matters.
 */
#include "vmm/dev/virtqueue.h"

#define DESC_SIZE     16
#define DESC_NEXT     1
#define DESC_WRITE    2
#define DESC_INDIRECT 4

#define AVAIL_NO_INTERRUPT 1
#define RING_IDX	   2 /* offset of idx in both rings, after flags */
#define RING_ENTRIES	   4
#define AVAIL_ENTRY	   2
#define USED_ENTRY	   8

struct desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next;
};
_Static_assert(sizeof(struct desc) == DESC_SIZE, "virtio 1.1, 2.6.5: struct virtq_desc");

/*
 * Two bytes that the guest may change at this moment: one load. The rings are
 * aligned to 2, so they never cross a page.
 */
static int load_u16(struct virtq *q, gpa_t gpa, uint16_t *out)
{
	size_t avail;
	const uint16_t *p = guest_mem_ptr(q->vm, gpa, 2, &avail);

	if (!p || avail < 2)
		return -E_PROTO;
	*out = __atomic_load_n(p, __ATOMIC_ACQUIRE);
	return 0;
}

static int store_u16(struct virtq *q, gpa_t gpa, uint16_t value)
{
	size_t avail;
	uint16_t *p = guest_mem_ptr(q->vm, gpa, 2, &avail);

	if (!p || avail < 2)
		return -E_PROTO;
	__atomic_store_n(p, value, __ATOMIC_RELEASE);
	guest_mem_dirty(q->vm, gpa, 2);
	return 0;
}

/* The event fields stand behind the last entry of the other side's ring. */
static gpa_t used_event_gpa(const struct virtq *q)
{
	return q->s->driver + RING_ENTRIES + AVAIL_ENTRY * (uint64_t)q->s->size;
}

static gpa_t avail_event_gpa(const struct virtq *q)
{
	return q->s->device + RING_ENTRIES + USED_ENTRY * (uint64_t)q->s->size;
}

static bool area_valid(uint64_t gpa, uint64_t len, uint64_t align)
{
	return !(gpa & (align - 1)) && gpa + len >= gpa;
}

bool virtq_state_valid(const struct virtq_state *s)
{
	if (!s->size || s->size > VIRTQ_MAX_SIZE || (s->size & (s->size - 1)))
		return false;
	return area_valid(s->desc, DESC_SIZE * s->size, 16) &&
	       area_valid(s->driver, RING_ENTRIES + AVAIL_ENTRY * s->size + 2, 2) &&
	       area_valid(s->device, RING_ENTRIES + USED_ENTRY * s->size + 2, 4);
}

/* A table of descriptors: the queue's own, or an indirect one. */
struct desc_table {
	gpa_t gpa;
	uint32_t count;
};

static int desc_read(struct virtq *q, const struct desc_table *t, uint32_t i, struct desc *d)
{
	if (i >= t->count || guest_mem_read(q->vm, t->gpa + DESC_SIZE * (uint64_t)i, d, sizeof(*d)))
		return -E_PROTO;
	return 0;
}

/* The table that an indirect descriptor points to: virtio 1.1, 2.6.5.3. */
static int desc_enter_indirect(struct virtq *q, const struct desc *d, struct desc_table *t)
{
	if (!q->indirect || (d->flags & DESC_NEXT) || !d->len || d->len % DESC_SIZE)
		return -E_PROTO;
	t->gpa = d->addr;
	t->count = d->len / DESC_SIZE;
	return t->gpa + d->len >= t->gpa ? 0 : -E_PROTO;
}

static int chain_add(struct virtq_chain *c, const struct desc *d)
{
	bool writable = d->flags & DESC_WRITE;

	if (!d->len)
		return 0;
	if (c->count == VIRTQ_MAX_SEGS || d->addr + d->len < d->addr)
		return -E_PROTO;
	/* 2.6.4.2: all readable buffers come before the writable ones */
	if (c->count && c->seg[c->count - 1].writable && !writable)
		return -E_PROTO;
	c->seg[c->count++] =
	    (struct virtq_seg){.gpa = d->addr, .len = d->len, .writable = writable};
	return 0;
}

int virtq_read_chain(struct virtq *q, uint16_t head, struct virtq_chain *out)
{
	struct desc_table t = {.gpa = q->s->desc, .count = q->s->size};
	bool indirect = false;
	uint32_t i = head;

	out->head = head;
	out->count = 0;
	/* a loop of descriptors ends here; empty ones count, and the one that leads to a table */
	for (unsigned steps = 0; steps <= VIRTQ_MAX_SEGS; steps++) {
		struct desc d;
		int err = desc_read(q, &t, i, &d);

		if (err)
			return err;
		if (d.flags & DESC_INDIRECT) {
			if (indirect)
				return -E_PROTO;
			err = desc_enter_indirect(q, &d, &t);
			indirect = true;
			i = 0;
		} else {
			err = chain_add(out, &d);
			if (!err && !(d.flags & DESC_NEXT))
				return 0;
			i = d.next;
		}
		if (err)
			return err;
	}
	return -E_PROTO;
}

/* How many entries wait; asks for a notification of the next one when none does. */
static int waiting(struct virtq *q, uint16_t *count)
{
	uint16_t idx;
	int err = load_u16(q, q->s->driver + RING_IDX, &idx);

	if (!err && idx == q->s->avail_idx && q->event_idx) {
		err = store_u16(q, avail_event_gpa(q), q->s->avail_idx);
		/* the driver adds an entry, then reads the event: we the other way round */
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		if (!err)
			err = load_u16(q, q->s->driver + RING_IDX, &idx);
	}
	*count = err ? 0 : (uint16_t)(idx - q->s->avail_idx);
	return *count > q->s->size ? -E_PROTO : err;
}

int virtq_pop(struct virtq *q, struct virtq_chain *out)
{
	uint16_t count, head;
	int err = waiting(q, &count);

	if (err || !count)
		return err;
	err = load_u16(q,
		       q->s->driver + RING_ENTRIES +
			   AVAIL_ENTRY * (uint64_t)(q->s->avail_idx & (q->s->size - 1)),
		       &head);
	if (!err)
		err = head < q->s->size ? virtq_read_chain(q, head, out) : -E_PROTO;
	if (err)
		return err;
	q->s->avail_idx++;
	return 1;
}

void virtq_unpop(struct virtq *q, uint16_t count)
{
	q->s->avail_idx -= count;
}

/* Does the driver want to hear of the count entries before used_idx? 2.6.7, 2.6.8. */
static int wants_interrupt(struct virtq *q, uint16_t count)
{
	uint16_t value;

	/* the driver stores its wish, then looks at idx: we stored idx, now look at the wish */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	int err = load_u16(q, q->event_idx ? used_event_gpa(q) : q->s->driver, &value);

	if (err)
		return err;
	if (q->event_idx)
		return (uint16_t)(q->s->used_idx - 1 - value) < count;
	return !(value & AVAIL_NO_INTERRUPT);
}

int virtq_fill(struct virtq *q, uint16_t ahead, uint16_t head, uint32_t len)
{
	struct {
		uint32_t id, len;
	} entry = {head, len};
	uint16_t i = (uint16_t)(q->s->used_idx + ahead) & (q->s->size - 1);
	gpa_t at = q->s->device + RING_ENTRIES + USED_ENTRY * (uint64_t)i;

	return guest_mem_write(q->vm, at, &entry, sizeof(entry)) ? -E_PROTO : 0;
}

int virtq_publish(struct virtq *q, uint16_t count)
{
	q->s->used_idx += count;
	int err = store_u16(q, q->s->device + RING_IDX, q->s->used_idx);

	return err ? err : wants_interrupt(q, count);
}

int virtq_push(struct virtq *q, uint16_t head, uint32_t len)
{
	int err = virtq_fill(q, 0, head, len);

	return err ? err : virtq_publish(q, 1);
}
