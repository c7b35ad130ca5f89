/* SPDX-License-Identifier: BSD-2-Clause */
/* Fakes of vmm/guest_mem.h, kernel/task.h's wait queues and power switches; see fake_guest.h. */
#include <stdlib.h>
#include <string.h>

#include "tests/unit/fake_guest.h"

#define FAKE_PAGES (3 * GiB / PAGE_SIZE)

unsigned fake_poweroffs, fake_resets;
void (*fake_wait_hook)(void);
static uint8_t dirty[FAKE_PAGES];

void fake_guest_create(struct vm *vm)
{
	struct guest_mem *m = &vm->mem;

	m->block_count = m->size / SIZE_2M;
	m->blocks = calloc(m->block_count, sizeof(void *));
	assert_non_null(m->blocks);
	for (unsigned i = 0; i < m->block_count; i++) {
		m->blocks[i] = calloc(1, SIZE_2M);
		assert_non_null(m->blocks[i]);
	}
	fake_poweroffs = fake_resets = 0;
	fake_wait_hook = NULL;
	fake_guest_clean();
}

void fake_guest_destroy(struct vm *vm)
{
	for (unsigned i = 0; i < vm->mem.block_count; i++)
		free(vm->mem.blocks[i]);
	free(vm->mem.blocks);
	vm->mem = (struct guest_mem){0};
}

bool fake_guest_is_dirty(gpa_t gpa)
{
	return dirty[gpa >> PAGE_SHIFT];
}

void fake_guest_clean(void)
{
	memset(dirty, 0, sizeof(dirty));
}

static bool is_ram(struct vm *vm, gpa_t gpa, size_t len)
{
	return gpa <= vm->mem.size && len <= vm->mem.size - gpa;
}

void *guest_mem_ptr(struct vm *vm, gpa_t gpa, size_t len, size_t *avail)
{
	if (gpa >= vm->mem.size)
		return NULL;
	*avail = MIN(len, SIZE_2M - gpa % SIZE_2M);
	return (uint8_t *)vm->mem.blocks[gpa / SIZE_2M] + gpa % SIZE_2M;
}

void guest_mem_dirty(struct vm *vm, gpa_t gpa, size_t len)
{
	assert_true(is_ram(vm, gpa, len));
	for (gpa_t p = gpa >> PAGE_SHIFT; len && p <= (gpa + len - 1) >> PAGE_SHIFT; p++)
		dirty[p] = 1;
}

int guest_mem_read(struct vm *vm, gpa_t gpa, void *buf, size_t len)
{
	size_t n;

	if (!is_ram(vm, gpa, len))
		return -E_RANGE;
	for (; len; gpa += n, len -= n, buf = (uint8_t *)buf + n) {
		const void *from = guest_mem_ptr(vm, gpa, len, &n);

		memcpy(buf, from, n);
	}
	return 0;
}

int guest_mem_write(struct vm *vm, gpa_t gpa, const void *buf, size_t len)
{
	size_t n;

	if (!is_ram(vm, gpa, len))
		return -E_RANGE;
	guest_mem_dirty(vm, gpa, len);
	for (; len; gpa += n, len -= n, buf = (const uint8_t *)buf + n) {
		void *to = guest_mem_ptr(vm, gpa, len, &n);

		memcpy(to, buf, n);
	}
	return 0;
}

void fake_guest_put(struct vm *vm, gpa_t gpa, const void *data, size_t len)
{
	assert_int_equal(guest_mem_write(vm, gpa, data, len), 0);
}

void fake_guest_get(struct vm *vm, gpa_t gpa, void *data, size_t len)
{
	assert_int_equal(guest_mem_read(vm, gpa, data, len), 0);
}

void waitq_init(struct waitq *wq)
{
	list_init(&wq->waiters);
}

int waitq_wait(struct waitq *wq, uint64_t deadline_ns)
{
	if (!fake_wait_hook)
		fail_msg("a wait that nothing would ever end");
	fake_wait_hook();
	return 0;
}

void waitq_wake_all(struct waitq *wq)
{
}

void vm_guest_poweroff(struct vm *vm)
{
	fake_poweroffs++;
}

void vm_guest_reset(struct vm *vm)
{
	fake_resets++;
}
