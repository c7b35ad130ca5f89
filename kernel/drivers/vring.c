/* SPDX-License-Identifier: BSD-2-Clause */
/* Split virtqueues from the driver's side; see vring.h. x86 keeps the order of stores. */
#include "kernel/drivers/vring.h"
#include "kernel/lib/string.h"
#include "kernel/mem.h"

#define compiler_barrier() asm volatile("" ::: "memory")

int vring_alloc(struct vring *r)
{
	uint8_t *block = pages_alloc(VRING_ORDER);

	if (!block)
		return -E_NOMEM;
	r->desc = (volatile void *)block;
	r->avail = (volatile void *)(block + PAGE_SIZE);
	r->used = (volatile void *)(block + PAGE_SIZE + VRING_USED);
	return 0;
}

void vring_free(struct vring *r)
{
	if (r->desc)
		pages_free((void *)r->desc, VRING_ORDER);
	r->desc = NULL;
}

void vring_reset(struct vring *r, uint16_t size)
{
	memset((void *)r->desc, 0, PAGE_SIZE << VRING_ORDER);
	r->size = size;
	r->posted = 0;
	r->taken = 0;
}

void vring_post(struct vring *r, uint16_t head)
{
	r->avail->ring[r->posted % r->size] = head;
	compiler_barrier();
	r->avail->idx = ++r->posted;
}

bool vring_wants_notify(struct vring *r)
{
	/* Our index is out before its flag is read, else both sides may wait (2.6.13.4.1) */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return !(r->used->flags & VRING_USED_NO_NOTIFY);
}

int vring_take(struct vring *r, uint16_t *head, uint32_t *len)
{
	uint16_t done = r->used->idx - r->taken;
	uint16_t out = r->posted - r->taken;
	uint32_t id;

	if (!done)
		return -E_AGAIN;
	if (done > out)
		return -E_PROTO;
	compiler_barrier();
	id = r->used->ring[r->taken % r->size].id;
	*len = r->used->ring[r->taken % r->size].len;
	if (id >= r->size)
		return -E_PROTO;
	*head = id;
	r->taken++;
	return 0;
}
