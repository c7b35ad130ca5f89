/* SPDX-License-Identifier: BSD-2-Clause */
/* The guest's memory map around the hole between 3 and 4 GiB, and copies across borders. */
#include <stdlib.h>
#include <string.h>

#include "tests/unit/fake_kernel.h"

#include "vmm/vm.h"

#define LOW_BLOCKS  (GUEST_LOW_MAX / SIZE_2M)
#define BLOCK_PAGES (SIZE_2M / PAGE_SIZE)

static gfn_t marked[8];
static unsigned marked_count;

void dirty_log_mark(struct vm *vm, gfn_t gfn)
{
	assert_true(marked_count < 8);
	marked[marked_count++] = gfn;
}

/* 3 GiB and 4 MiB of which only the blocks at the borders exist; the rest must not be touched. */
static void big(struct vm *vm)
{
	static void *blocks[LOW_BLOCKS + 2];

	memset(vm, 0, sizeof(*vm));
	vm->mem.size = GUEST_LOW_MAX + 2 * SIZE_2M;
	vm->mem.block_count = ARRAY_SIZE(blocks);
	vm->mem.blocks = blocks;
	for (uint64_t i = 0; i < ARRAY_SIZE(blocks); i++)
		blocks[i] = i == 0 || i >= LOW_BLOCKS - 1 ? pages_alloc(PAGES_MAX_ORDER) : NULL;
	marked_count = 0;
}

static void big_free(struct vm *vm)
{
	for (uint32_t i = 0; i < vm->mem.block_count; i++)
		if (vm->mem.blocks[i])
			pages_free(vm->mem.blocks[i], PAGES_MAX_ORDER);
}

static void test_map(void **state)
{
	const uint64_t low = GUEST_LOW_MAX >> PAGE_SHIFT, high = GUEST_HIGH_MIN >> PAGE_SHIFT;
	struct vm vm;
	const struct guest_mem *m = &vm.mem;

	big(&vm);
	assert_int_equal(guest_mem_pages(m), low + 2 * BLOCK_PAGES);
	assert_int_equal(guest_mem_gfn_to_index(m, 0), 0);
	assert_int_equal(guest_mem_gfn_to_index(m, low - 1), low - 1);
	assert_int_equal(guest_mem_gfn_to_index(m, low), UINT64_MAX);
	assert_int_equal(guest_mem_gfn_to_index(m, high - 1), UINT64_MAX);
	assert_int_equal(guest_mem_gfn_to_index(m, high), low);
	assert_int_equal(guest_mem_gfn_to_index(m, high + 2 * BLOCK_PAGES - 1),
			 low + 2 * BLOCK_PAGES - 1);
	assert_int_equal(guest_mem_gfn_to_index(m, high + 2 * BLOCK_PAGES), UINT64_MAX);
	assert_int_equal(guest_mem_gfn_to_index(m, UINT64_MAX), UINT64_MAX);
	assert_int_equal(guest_mem_gfn_to_index(m, UINT64_MAX >> PAGE_SHIFT), UINT64_MAX);
	for (uint64_t i = 0; i < guest_mem_pages(m); i++)
		assert_int_equal(guest_mem_gfn_to_index(m, guest_mem_index_to_gfn(m, i)), i);
	assert_ptr_equal(guest_mem_page(m, high + BLOCK_PAGES + 1),
			 (uint8_t *)m->blocks[LOW_BLOCKS + 1] + PAGE_SIZE);
	big_free(&vm);
}

static void test_copies(void **state)
{
	uint8_t out[64], in[64];
	struct vm vm;
	size_t avail = 0;

	big(&vm);
	for (unsigned i = 0; i < sizeof(out); i++)
		out[i] = i + 1;
	/* across two blocks above 4 GiB */
	assert_int_equal(guest_mem_write(&vm, GUEST_HIGH_MIN + SIZE_2M - 20, out, sizeof(out)), 0);
	assert_int_equal(guest_mem_read(&vm, GUEST_HIGH_MIN + SIZE_2M - 20, in, sizeof(in)), 0);
	assert_memory_equal(in, out, sizeof(in));
	assert_memory_equal((uint8_t *)vm.mem.blocks[LOW_BLOCKS + 1], out + 20, 44);
	/* up to the borders, but not a byte beyond */
	assert_int_equal(guest_mem_write(&vm, GUEST_LOW_MAX - 64, out, 64), 0);
	assert_int_equal(guest_mem_write(&vm, GUEST_LOW_MAX - 63, out, 64), -E_RANGE);
	assert_int_equal(guest_mem_read(&vm, GUEST_LOW_MAX - 63, in, 64), -E_RANGE);
	assert_int_equal(guest_mem_write(&vm, GUEST_HIGH_MIN - 1, out, 2), -E_RANGE);
	assert_int_equal(guest_mem_write(&vm, GUEST_HIGH_MIN + 2 * SIZE_2M - 64, out, 64), 0);
	assert_int_equal(guest_mem_write(&vm, GUEST_HIGH_MIN + 2 * SIZE_2M - 63, out, 64),
			 -E_RANGE);
	assert_int_equal(guest_mem_read(&vm, UINT64_MAX - 3, in, 8), -E_RANGE);
	assert_int_equal(guest_mem_read(&vm, 0, in, 0), 0);
	/* a refused write left nothing behind */
	assert_int_equal(guest_mem_read(&vm, GUEST_LOW_MAX - 64, in, 64), 0);
	assert_memory_equal(in, out, 64);
	/* a pointer reaches to the end of its block only */
	assert_non_null(guest_mem_ptr(&vm, GUEST_HIGH_MIN + SIZE_2M - 20, 4096, &avail));
	assert_int_equal(avail, 20);
	assert_null(guest_mem_ptr(&vm, GUEST_LOW_MAX, 1, &avail));
	big_free(&vm);
}

static void test_dirty(void **state)
{
	uint8_t data[2] = {1, 2};
	struct vm vm;

	big(&vm);
	assert_int_equal(guest_mem_write(&vm, PAGE_SIZE - 1, data, 2), 0);
	assert_int_equal(marked_count, 0);
	vm.dirty.on = true;
	assert_int_equal(guest_mem_write(&vm, PAGE_SIZE - 1, data, 2), 0);
	assert_int_equal(marked_count, 2);
	assert_int_equal(marked[1], 1);
	guest_mem_dirty(&vm, GUEST_HIGH_MIN, 1);
	assert_int_equal(marked[2], GUEST_HIGH_MIN >> PAGE_SHIFT);
	guest_mem_dirty(&vm, 0x5000, 0);
	assert_int_equal(marked_count, 3);
	big_free(&vm);
}

static void test_create(void **state)
{
	struct guest_mem m = {0};

	fake_kernel_reset();
	assert_int_equal(guest_mem_create(&m, 0), -E_INVAL);
	assert_int_equal(guest_mem_create(&m, SIZE_2M + PAGE_SIZE), -E_INVAL);
	assert_int_equal(guest_mem_create(&m, 1ull << 60), -E_INVAL);
	for (int fail = 0; fail < 4; fail++) {
		fake_alloc_countdown = fail;
		assert_int_equal(guest_mem_create(&m, 3 * SIZE_2M), -E_NOMEM);
		assert_int_equal(fake_alloc_live, 0);
	}
	fake_alloc_countdown = -1;
	assert_int_equal(guest_mem_create(&m, 3 * SIZE_2M), 0);
	for (gfn_t gfn = 0; gfn < 3 * BLOCK_PAGES; gfn++)
		assert_int_equal(*(uint64_t *)guest_mem_page(&m, gfn), 0);
	guest_mem_destroy(&m);
	guest_mem_destroy(&m); /* again is harmless */
	assert_int_equal(fake_alloc_live, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_map),
	    cmocka_unit_test(test_copies),
	    cmocka_unit_test(test_dirty),
	    cmocka_unit_test(test_create),
	};

	return cmocka_run_group_tests_name("guest_mem", tests, NULL, NULL);
}
