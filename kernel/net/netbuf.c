/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The pool of frame buffers. Buffers are a power of two in size and never cross
 * their own alignment, because NICs know receive buffers of 2, 4, 8 or 16 KiB.
 * The pool never grows: a flood of frames costs frames, not the host's memory.
 */
#include "kernel/net/netbuf.h"
#include "kernel/lib/string.h"
#include "kernel/log.h"
#include "kernel/mem.h"

#define NETBUF_SIZE_MIN	 2048u
#define NETBUF_SIZE_MAX	 16384u
#define FRAME_EXTRA	 (ETH_TAG_LEN + 4) /* and a NIC may store the FCS before it strips it */
#define NETBUF_COUNT_MIN 16u
#define NETBUF_COUNT_MAX 32768u

static struct {
	struct list free;
	unsigned free_count, count, frame_max;
} pool = {.free = LIST_INIT(pool.free)};

/* Cut one block of up to 2 MiB into buffers. */
static int pool_add_block(struct netbuf *nb, unsigned count, unsigned size)
{
	unsigned order = 0;
	uint8_t *block;

	while (order < PAGES_MAX_ORDER && (PAGE_SIZE << order) < (uint64_t)count * size)
		order++;
	block = pages_alloc(order);
	if (!block)
		return -E_NOMEM;
	for (unsigned i = 0; i < count; i++) {
		nb[i].data = block + (size_t)i * size;
		nb[i].data_hpa = virt_to_hpa(nb[i].data);
		nb[i].room = size;
		list_append(&pool.free, &nb[i].node);
		pool.free_count++;
		pool.count++;
	}
	return 0;
}

int netbuf_pool_init(unsigned frame_max, unsigned count)
{
	unsigned size = NETBUF_SIZE_MIN, block_max, done = 0;
	struct netbuf *nb;

	if (pool.count || frame_max < ETH_MIN_LEN || frame_max + FRAME_EXTRA > NETBUF_SIZE_MAX)
		return -E_INVAL;
	if (count < NETBUF_COUNT_MIN || count > NETBUF_COUNT_MAX)
		return -E_INVAL;
	while (size < frame_max + FRAME_EXTRA)
		size *= 2;
	nb = kzalloc(count * sizeof(*nb));
	if (!nb)
		return -E_NOMEM;
	pool.frame_max = frame_max;
	block_max = (PAGE_SIZE << PAGES_MAX_ORDER) / size;
	while (done < count) {
		unsigned n = MIN(block_max, count - done);
		int err = pool_add_block(nb + done, n, size);

		if (err) {
			log_error("net: no memory for frame buffers, %u of %u", done, count);
			return err; /* what stands already is usable */
		}
		done += n;
	}
	return 0;
}

unsigned netbuf_frame_max(void)
{
	return pool.frame_max;
}

unsigned netbuf_free_count(void)
{
	return pool.free_count;
}

bool netbuf_is_scarce(void)
{
	return pool.free_count < pool.count / 8;
}

struct netbuf *netbuf_alloc(void)
{
	struct netbuf *nb;

	if (list_empty(&pool.free))
		return NULL;
	nb = list_entry(pool.free.next, struct netbuf, node);
	list_remove(&nb->node);
	pool.free_count--;
	netbuf_push(nb, nb->headroom);
	nb->len = 0;
	nb->refs = 1;
	return nb;
}

struct netbuf *netbuf_copy(const struct netbuf *nb)
{
	struct netbuf *copy = netbuf_alloc();

	if (!copy)
		return NULL;
	netbuf_pull(copy, ETH_TAG_LEN);
	if (nb->len > copy->room) {
		netbuf_put(copy);
		return NULL;
	}
	memcpy(copy->data, nb->data, nb->len);
	copy->len = nb->len;
	return copy;
}

void netbuf_push(struct netbuf *nb, unsigned bytes)
{
	ASSERT(bytes <= nb->headroom);
	nb->data -= bytes;
	nb->data_hpa -= bytes;
	nb->room += bytes;
	nb->headroom -= bytes;
}

void netbuf_pull(struct netbuf *nb, unsigned bytes)
{
	ASSERT(bytes <= nb->room);
	nb->data += bytes;
	nb->data_hpa += bytes;
	nb->room -= bytes;
	nb->headroom += bytes;
}

struct netbuf *netbuf_get(struct netbuf *nb)
{
	ASSERT(nb->refs > 0 && nb->refs < UINT16_MAX);
	nb->refs++;
	return nb;
}

void netbuf_put(struct netbuf *nb)
{
	ASSERT(nb->refs > 0);
	if (--nb->refs)
		return;
	/* Last in, first out: its lines are still in the cache. */
	list_insert_before(pool.free.next, &nb->node);
	pool.free_count++;
}
