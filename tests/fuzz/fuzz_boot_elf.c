/* SPDX-License-Identifier: BSD-2-Clause */
/* The loader's ELF reader: what it plans lies inside file and block, and loads without a step
 * aside. */
#include <stdlib.h>
#include <string.h>

#include "boot/elf.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/fake_kernel.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *why = NULL;
	struct elf_plan plan;
	uint8_t *block;

	if (elf_plan_make(data, size, &plan, &why)) {
		assert_non_null(why);
		return 0;
	}
	assert_true(plan.block_size && plan.block_size <= ELF_MAX_BLOCK);
	assert_in_range(plan.seg_count, 1, ELF_MAX_SEGS);
	for (unsigned i = 0; i < plan.seg_count; i++) {
		const struct elf_seg *s = &plan.seg[i];

		assert_true(s->file_off <= size && s->file_size <= size - s->file_off);
		assert_true(s->mem_size >= s->file_size);
		assert_true(s->block_off <= plan.block_size &&
			    s->mem_size <= plan.block_size - s->block_off);
	}
	if (plan.block_size > 8 * MiB)
		return 0; /* too slow to try */
	block = malloc(plan.block_size);
	elf_plan_load(&plan, data, block);
	free(block);
	return 0;
}
