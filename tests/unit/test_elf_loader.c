/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * boot/elf.c against good, damaged and lying ELF files. The file under test
 * lies in a heap block of exactly its size, so that the sanitizer sees any
 * read past its end.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "boot/elf.h"
#include "boot/handoff.h"

/* Offsets in the ELF header and the program headers, typed apart from the code under test. */
#define EH_TYPE	     16
#define EH_MACHINE   18
#define EH_ENTRY     24
#define EH_PHOFF     32
#define EH_PHENTSIZE 54
#define EH_PHNUM     56
#define PH(i)	     (64 + 56 * (i))
#define PH_TYPE	     0
#define PH_FLAGS     4
#define PH_OFFSET    8
#define PH_VADDR     16
#define PH_FILESZ    32
#define PH_MEMSZ     40
#define PH_ALIGN     48

#define FILE_SIZE 1024
#define TEXT_OFF  256
#define TEXT_SIZE 100
#define DATA_OFF  512
#define DATA_SIZE 512 /* to the file's last byte */
#define DATA_MEM  6000
#define DATA_ADDR (KERNEL_BASE + 0x1ff000) /* its bss crosses into a second 2 MiB */

static void put(uint8_t *file, size_t at, uint64_t value, size_t bytes)
{
	memcpy(file + at, &value, bytes);
}

static void put_segment(uint8_t *file, unsigned i, uint32_t flags, uint64_t off, uint64_t vaddr,
			uint64_t filesz, uint64_t memsz)
{
	put(file, PH(i) + PH_TYPE, 1, 4);
	put(file, PH(i) + PH_FLAGS, flags, 4);
	put(file, PH(i) + PH_OFFSET, off, 8);
	put(file, PH(i) + PH_VADDR, vaddr, 8);
	put(file, PH(i) + PH_FILESZ, filesz, 8);
	put(file, PH(i) + PH_MEMSZ, memsz, 8);
	put(file, PH(i) + PH_ALIGN, 256, 8);
}

static uint8_t *good_file(void)
{
	static const uint8_t ident[] = {0x7f, 'E', 'L', 'F', 2, 1, 1};
	uint8_t *file = calloc(1, FILE_SIZE);

	assert_non_null(file);
	memcpy(file, ident, sizeof(ident));
	put(file, EH_TYPE, 2, 2);
	put(file, EH_MACHINE, 62, 2);
	put(file, 20, 1, 4);
	put(file, EH_ENTRY, KERNEL_BASE + 0x10, 8);
	put(file, EH_PHOFF, 64, 8);
	put(file, 52, 64, 2);
	put(file, EH_PHENTSIZE, 56, 2);
	put(file, EH_PHNUM, 3, 2);
	put_segment(file, 0, 5, TEXT_OFF, KERNEL_BASE, TEXT_SIZE, TEXT_SIZE);
	put_segment(file, 1, 6, DATA_OFF, DATA_ADDR, DATA_SIZE, DATA_MEM);
	put(file, PH(2) + PH_TYPE, 0x6474e551, 4); /* PT_GNU_STACK, to be ignored */
	memset(file + TEXT_OFF, 0xc3, TEXT_SIZE);
	memset(file + DATA_OFF, 0xda, DATA_SIZE);
	return file;
}

static void good_file_is_loaded(void **state)
{
	uint8_t *file = good_file(), *block;
	struct elf_plan plan;
	const char *why;

	assert_int_equal(elf_plan_make(file, FILE_SIZE, &plan, &why), 0);
	assert_int_equal(plan.entry, KERNEL_BASE + 0x10);
	assert_int_equal(plan.seg_count, 2);
	assert_int_equal(plan.block_size, 2 * SIZE_2M);
	block = malloc(plan.block_size);
	assert_non_null(block);
	memset(block, 0x55, plan.block_size);
	elf_plan_load(&plan, file, block);
	assert_int_equal(block[0], 0xc3);
	assert_int_equal(block[TEXT_SIZE - 1], 0xc3);
	assert_int_equal(block[TEXT_SIZE], 0);
	assert_int_equal(block[0x1ff000 - 1], 0);
	assert_int_equal(block[0x1ff000], 0xda);
	assert_int_equal(block[0x1ff000 + DATA_SIZE - 1], 0xda);
	for (uint64_t i = 0x1ff000 + DATA_SIZE; i < plan.block_size; i++)
		assert_int_equal(block[i], 0);
	free(block);
	free(file);
}

static void every_truncation_is_refused(void **state)
{
	uint8_t *file = good_file();

	for (size_t size = 0; size < FILE_SIZE; size++) {
		uint8_t *cut = malloc(size ? size : 1);
		const char *why = NULL;
		struct elf_plan plan;

		memcpy(cut, file, size);
		assert_int_not_equal(elf_plan_make(cut, size, &plan, &why), 0);
		assert_non_null(why);
		free(cut);
	}
	free(file);
}

/* What a plan promises to the loader, whatever file it came from. */
static void check_plan(const struct elf_plan *plan)
{
	assert_true(plan->seg_count >= 1 && plan->seg_count <= ELF_MAX_SEGS);
	assert_true(plan->block_size <= ELF_MAX_BLOCK);
	assert_int_equal(plan->block_size % ELF_BLOCK_ALIGN, 0);
	assert_true(plan->entry >= KERNEL_BASE && plan->entry - KERNEL_BASE < plan->block_size);
	for (unsigned i = 0; i < plan->seg_count; i++) {
		const struct elf_seg *seg = &plan->seg[i];

		assert_true(seg->file_size <= seg->mem_size);
		assert_true(seg->file_off <= FILE_SIZE);
		assert_true(seg->file_size <= FILE_SIZE - seg->file_off);
		assert_true(seg->block_off <= plan->block_size);
		assert_true(seg->mem_size <= plan->block_size - seg->block_off);
		for (unsigned k = 0; k < i; k++)
			assert_true(plan->seg[k].block_off >= seg->block_off + seg->mem_size ||
				    seg->block_off >=
					plan->seg[k].block_off + plan->seg[k].mem_size);
	}
}

static void try_damaged(const uint8_t *file)
{
	const char *why = NULL;
	struct elf_plan plan;
	void *block;

	if (elf_plan_make(file, FILE_SIZE, &plan, &why)) {
		assert_non_null(why);
		return;
	}
	check_plan(&plan);
	if (plan.block_size > 8 * MiB)
		return; /* checked by the numbers; loading it would only take time */
	block = malloc(plan.block_size);
	assert_non_null(block);
	elf_plan_load(&plan, file, block);
	free(block);
}

static void bit_flips_do_no_harm(void **state)
{
	uint8_t *file = good_file();

	for (size_t bit = 0; bit < PH(3) * 8; bit++) {
		file[bit / 8] ^= 1u << bit % 8;
		try_damaged(file);
		file[bit / 8] ^= 1u << bit % 8;
	}
	free(file);
}

static void extreme_fields_do_no_harm(void **state)
{
	static const uint64_t values[] = {0,	       1,	  FILE_SIZE,	   FILE_SIZE + 1,
					  0x7fffffff,  INT64_MAX, 1ull << 63,	   UINT64_MAX,
					  KERNEL_BASE, DATA_ADDR, UINT64_MAX - 63, ELF_MAX_BLOCK};
	uint8_t *file = good_file();

	for (size_t at = 16; at + 8 <= PH(3); at += 8) {
		for (unsigned i = 0; i < ARRAY_SIZE(values); i++) {
			uint64_t old;

			memcpy(&old, file + at, 8);
			put(file, at, values[i], 8);
			try_damaged(file);
			put(file, at, old, 8);
		}
	}
	free(file);
}

struct lie {
	const char *words;
	size_t at, bytes;
	uint64_t value;
};

static const struct lie lies[] = {
    {"not a little-endian ELF64 file", 4, 1, 1},
    {"ELF file is not for x86-64", EH_MACHINE, 2, 183},
    {"ELF file is not a static executable (ET_EXEC)", EH_TYPE, 2, 3},
    {"ELF header sizes are not those of ELF64", EH_PHENTSIZE, 2, 64},
    {"ELF file needs 1 to 16 program headers", EH_PHNUM, 2, 0},
    {"ELF file needs 1 to 16 program headers", EH_PHNUM, 2, 17},
    {"ELF program headers lie outside the file", EH_PHOFF, 8, UINT64_MAX - 8},
    {"ELF program headers lie outside the file", EH_PHOFF, 8, FILE_SIZE - 3 * 56 + 1},
    {"ELF segment is larger in the file than in memory", PH(1) + PH_MEMSZ, 8, DATA_SIZE - 1},
    {"ELF segment lies outside the file: cut short?", PH(1) + PH_FILESZ, 8, DATA_SIZE + 1},
    {"ELF segment lies outside the file: cut short?", PH(1) + PH_OFFSET, 8, -256ull},
    {"ELF alignment is not a power of two", PH(1) + PH_ALIGN, 8, 3},
    {"ELF segment contradicts its alignment", PH(1) + PH_OFFSET, 8, DATA_OFF - 1},
    {"ELF segment lies outside the kernel's addresses", PH(0) + PH_VADDR, 8, 0x100000},
    {"ELF segment lies outside the kernel's addresses", PH(1) + PH_MEMSZ, 8, ELF_MAX_BLOCK},
    {"ELF segment lies outside the kernel's addresses", PH(1) + PH_MEMSZ, 8, UINT64_MAX},
    {"ELF segments overlap", PH(1) + PH_VADDR, 8, KERNEL_BASE},
    {"ELF entry is not in an executable segment", EH_ENTRY, 8, DATA_ADDR},
    {"ELF entry is not in an executable segment", EH_ENTRY, 8, KERNEL_BASE + TEXT_SIZE},
    {"ELF entry is not in an executable segment", EH_ENTRY, 8, KERNEL_BASE - 1},
    {"ELF file is not linked statically", PH(2) + PH_TYPE, 4, 2},
    {"ELF file is not linked statically", PH(2) + PH_TYPE, 4, 3},
};

static void each_lie_is_named(void **state)
{
	for (unsigned i = 0; i < ARRAY_SIZE(lies); i++) {
		uint8_t *file = good_file();
		const char *why = "accepted";
		struct elf_plan plan;

		put(file, lies[i].at, lies[i].value, lies[i].bytes);
		(void)!elf_plan_make(file, FILE_SIZE, &plan, &why);
		assert_string_equal(why, lies[i].words);
		free(file);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(good_file_is_loaded),  cmocka_unit_test(every_truncation_is_refused),
	    cmocka_unit_test(bit_flips_do_no_harm), cmocka_unit_test(extreme_fields_do_no_harm),
	    cmocka_unit_test(each_lie_is_named),
	};

	return cmocka_run_group_tests_name("elf_loader", tests, NULL, NULL);
}
