/* SPDX-License-Identifier: BSD-2-Clause */
/* Guest RAM in 2 MiB blocks, and the only ways the hypervisor touches it. */
#include "vmm/guest_mem.h"
#include "kernel/lib/string.h"
#include "kernel/mem.h"
#include "kernel/task.h"
#include "vmm/vm.h"

#define BLOCK_ORDER  PAGES_MAX_ORDER
#define YIELD_BLOCKS 4
#define BLOCK_PAGES  (SIZE_2M / PAGE_SIZE)

int guest_mem_create(struct guest_mem *m, uint64_t size)
{
	if (!size || (size & (SIZE_2M - 1)) || size / SIZE_2M > UINT32_MAX)
		return -E_INVAL;
	m->size = size;
	m->block_count = 0;
	m->blocks = kzalloc(size / SIZE_2M * sizeof(m->blocks[0]));
	if (!m->blocks)
		return -E_NOMEM;
	while (m->block_count < size / SIZE_2M) {
		void *block = pages_alloc_raw(BLOCK_ORDER);

		if (!block) {
			guest_mem_destroy(m);
			return -E_NOMEM;
		}
		m->blocks[m->block_count++] = block;
		/* Scrubbed here, not when it is freed: a host that crashed freed nothing. A big
		 * guest takes seconds; peers and other guests must not wait for that. */
		memset(block, 0, SIZE_2M);
		if (m->block_count % YIELD_BLOCKS == 0)
			task_yield();
	}
	return 0;
}

/* Blocks are scrubbed when they are handed out again, in guest_mem_create. */
void guest_mem_destroy(struct guest_mem *m)
{
	for (uint32_t i = 0; i < m->block_count; i++)
		pages_free(m->blocks[i], BLOCK_ORDER);
	kfree(m->blocks);
	m->blocks = NULL;
	m->block_count = 0;
	m->size = 0;
}

uint64_t guest_mem_pages(const struct guest_mem *m)
{
	return m->size >> PAGE_SHIFT;
}

gfn_t guest_mem_index_to_gfn(const struct guest_mem *m, uint64_t index)
{
	uint64_t low = GUEST_LOW_MAX >> PAGE_SHIFT;

	return index < low ? index : index - low + (GUEST_HIGH_MIN >> PAGE_SHIFT);
}

uint64_t guest_mem_gfn_to_index(const struct guest_mem *m, gfn_t gfn)
{
	uint64_t low = GUEST_LOW_MAX >> PAGE_SHIFT, high = GUEST_HIGH_MIN >> PAGE_SHIFT;
	uint64_t index = gfn;

	if (gfn >= low) {
		if (gfn < high)
			return UINT64_MAX;
		index = gfn - high + low;
	}
	return index < guest_mem_pages(m) ? index : UINT64_MAX;
}

void *guest_mem_page(const struct guest_mem *m, gfn_t gfn)
{
	uint64_t index = guest_mem_gfn_to_index(m, gfn);

	if (index == UINT64_MAX)
		return NULL;
	return (uint8_t *)m->blocks[index / BLOCK_PAGES] + index % BLOCK_PAGES * PAGE_SIZE;
}

void *guest_mem_ptr(struct vm *vm, gpa_t gpa, size_t len, size_t *avail)
{
	uint8_t *page = guest_mem_page(&vm->mem, gpa >> PAGE_SHIFT);
	uint64_t left = SIZE_2M - (gpa & (SIZE_2M - 1));

	if (!page)
		return NULL;
	*avail = MIN(len, left);
	return page + (gpa & (PAGE_SIZE - 1));
}

/* Is all of [gpa, gpa + len) RAM? */
static bool range_is_ram(struct vm *vm, gpa_t gpa, size_t len)
{
	size_t avail;

	if (gpa + len < gpa)
		return false;
	for (; len; gpa += avail, len -= avail)
		if (!guest_mem_ptr(vm, gpa, len, &avail))
			return false;
	return true;
}

int guest_mem_read(struct vm *vm, gpa_t gpa, void *buf, size_t len)
{
	uint8_t *to = buf;
	size_t avail = 0;

	if (!range_is_ram(vm, gpa, len))
		return -E_RANGE;
	for (; len; gpa += avail, to += avail, len -= avail) {
		const void *from = guest_mem_ptr(vm, gpa, len, &avail);

		memcpy(to, from, avail);
	}
	return 0;
}

int guest_mem_write(struct vm *vm, gpa_t gpa, const void *buf, size_t len)
{
	const uint8_t *from = buf;
	size_t avail = 0;

	if (!range_is_ram(vm, gpa, len))
		return -E_RANGE;
	guest_mem_dirty(vm, gpa, len);
	for (; len; gpa += avail, from += avail, len -= avail) {
		void *to = guest_mem_ptr(vm, gpa, len, &avail);

		memcpy(to, from, avail);
	}
	return 0;
}

void guest_mem_dirty(struct vm *vm, gpa_t gpa, size_t len)
{
	if (!vm->dirty.on || !len)
		return;
	for (gfn_t gfn = gpa >> PAGE_SHIFT; gfn <= (gpa + len - 1) >> PAGE_SHIFT; gfn++)
		dirty_log_mark(vm, gfn);
}
