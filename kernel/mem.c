/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Buddy allocator: blocks of 2^0..2^9 pages. One byte a page says whether the
 * page heads a free block and of which order; free blocks are linked through
 * their own first bytes. Which memory exists comes from the handoff.
 */
#include "kernel/mem.h"
#include "kernel/mem_init.h"
#include "kernel/lib/list.h"
#include "kernel/lib/string.h"
#include "kernel/log.h"

#define STATE_USED 0xff /* in use, or not RAM, or inside a larger block */

static struct list free_lists[PAGES_MAX_ORDER + 1];
static uint8_t *page_state; /* indexed by page frame number */
static uint64_t frame_count;
static struct mem_stats stats;

hpa_t virt_to_hpa(const void *p)
{
	uint64_t va = (uint64_t)p;

	ASSERT(va >= DIRECT_MAP && va < KERNEL_BASE);
	return va - DIRECT_MAP;
}

void *hpa_to_virt(hpa_t pa)
{
	return (void *)(DIRECT_MAP + pa);
}

static void block_push(uint64_t frame, unsigned order)
{
	page_state[frame] = order;
	list_append(&free_lists[order], (struct list *)hpa_to_virt(frame << PAGE_SHIFT));
}

static uint64_t block_take(struct list *node)
{
	uint64_t frame = virt_to_hpa(node) >> PAGE_SHIFT;

	list_remove(node);
	page_state[frame] = STATE_USED;
	return frame;
}

void *pages_alloc_raw(unsigned order)
{
	unsigned have = order;
	uint64_t frame;

	ASSERT(order <= PAGES_MAX_ORDER);
	while (have <= PAGES_MAX_ORDER && list_empty(&free_lists[have]))
		have++;
	if (have > PAGES_MAX_ORDER)
		return NULL;
	frame = block_take(free_lists[have].next);
	while (have > order) { /* give the upper half back */
		have--;
		block_push(frame + BIT(have), have);
	}
	stats.free_pages -= BIT(order);
	return hpa_to_virt(frame << PAGE_SHIFT);
}

void *pages_alloc(unsigned order)
{
	void *block = pages_alloc_raw(order);

	if (block)
		memset(block, 0, PAGE_SIZE << order);
	return block;
}

void pages_free(void *block, unsigned order)
{
	uint64_t frame = virt_to_hpa(block) >> PAGE_SHIFT;

	ASSERT(frame < frame_count && !(frame & (BIT(order) - 1)));
	ASSERT(page_state[frame] == STATE_USED);
	stats.free_pages += BIT(order);
	while (order < PAGES_MAX_ORDER) {
		uint64_t buddy = frame ^ BIT(order);

		if (buddy >= frame_count || page_state[buddy] != order)
			break;
		block_take(hpa_to_virt(buddy << PAGE_SHIFT));
		frame &= ~BIT(order);
		order++;
	}
	block_push(frame, order);
}

/* ---- objects --------------------------------------------------------------- */

/* In front of each object, so that kfree knows; keeps 16-byte alignment. */
struct object_head {
	uint32_t magic;
	uint32_t order_or_class; /* class index, or 0x100 + block order */
	uint64_t size;
};
#define OBJECT_MAGIC 0x6a6f4250

#define CLASS_COUNT 7 /* 32, 64, ... 2048 bytes, head included */
static struct list class_free[CLASS_COUNT];

static void *class_alloc(unsigned c)
{
	size_t size = 32u << c;
	struct list *node;

	if (list_empty(&class_free[c])) {
		uint8_t *page = pages_alloc_raw(0);

		if (!page)
			return NULL;
		for (size_t at = 0; at + size <= PAGE_SIZE; at += size)
			list_append(&class_free[c], (struct list *)(page + at));
	}
	node = class_free[c].next;
	list_remove(node);
	return node;
}

void *kzalloc(size_t size)
{
	struct object_head *head;
	size_t whole = size + sizeof(*head);
	unsigned c = 0, order = 0;

	if (size > SIZE_2M - sizeof(*head))
		return NULL;
	while (c < CLASS_COUNT && (32u << c) < whole)
		c++;
	while ((PAGE_SIZE << order) < whole)
		order++;
	head = c < CLASS_COUNT ? class_alloc(c) : pages_alloc_raw(order);
	if (!head)
		return NULL;
	memset(head, 0, whole);
	head->magic = OBJECT_MAGIC;
	head->order_or_class = c < CLASS_COUNT ? c : 0x100 + order;
	head->size = size;
	return head + 1;
}

void kfree(void *p)
{
	struct object_head *head;
	uint32_t kind;

	if (!p)
		return;
	head = (struct object_head *)p - 1;
	ASSERT(head->magic == OBJECT_MAGIC);
	head->magic = 0;
	kind = head->order_or_class;
	if (kind >= 0x100)
		pages_free(head, kind - 0x100);
	else
		list_append(&class_free[kind], (struct list *)head);
}

/* ---- start ------------------------------------------------------------------- */

/* Free every page of [base, end), as the largest aligned blocks. */
static void region_add(hpa_t base, hpa_t end)
{
	stats.total_pages += (end - base) >> PAGE_SHIFT;
	while (base < end) {
		unsigned order = 0;

		while (order < PAGES_MAX_ORDER && !(base & ((PAGE_SIZE << (order + 1)) - 1)) &&
		       base + (PAGE_SIZE << (order + 1)) <= end)
			order++;
		pages_free(hpa_to_virt(base), order);
		base += PAGE_SIZE << order;
	}
}

/* Where the page_state array goes: the first RAM region with room for it. */
static hpa_t place_page_state(const struct handoff *ho, uint64_t bytes)
{
	for (uint32_t i = 0; i < ho->mem_count; i++) {
		const struct handoff_mem *m = &ho->mem[i];
		hpa_t base = MAX(m->base, MEM_LOW_RESERVED);

		if (m->type == HANDOFF_MEM_RAM && m->base + m->size > base &&
		    m->base + m->size - base >= bytes)
			return base;
	}
	panic("mem: no region of %lu bytes for the page table of the allocator", bytes);
}

void mem_init(const struct handoff *ho)
{
	hpa_t top = 0, state_base, state_end;

	for (unsigned i = 0; i <= PAGES_MAX_ORDER; i++)
		list_init(&free_lists[i]);
	for (unsigned i = 0; i < CLASS_COUNT; i++)
		list_init(&class_free[i]);
	for (uint32_t i = 0; i < ho->mem_count; i++)
		if (ho->mem[i].type == HANDOFF_MEM_RAM)
			top = MAX(top, ho->mem[i].base + ho->mem[i].size);
		else if (ho->mem[i].type == HANDOFF_MEM_LOADER)
			stats.image_pages += ho->mem[i].size >> PAGE_SHIFT;
	frame_count = top >> PAGE_SHIFT;
	state_base = place_page_state(ho, ALIGN_UP(frame_count, PAGE_SIZE));
	state_end = state_base + ALIGN_UP(frame_count, PAGE_SIZE);
	page_state = hpa_to_virt(state_base);
	memset(page_state, STATE_USED, frame_count);
	for (uint32_t i = 0; i < ho->mem_count; i++) {
		hpa_t base = MAX(ho->mem[i].base, MEM_LOW_RESERVED);
		hpa_t end = ho->mem[i].base + ho->mem[i].size;

		if (ho->mem[i].type != HANDOFF_MEM_RAM || base >= end)
			continue;
		if (base <= state_base && state_base < end)
			base = state_end;
		if (base < end)
			region_add(base, end);
	}
}

void mem_get_stats(struct mem_stats *out)
{
	struct list *node;

	*out = stats;
	list_for_each (node, &free_lists[PAGES_MAX_ORDER])
		out->free_2m++;
}
