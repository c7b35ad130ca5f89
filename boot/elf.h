/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The hypervisor's ELF file, as outside input: checked as a whole first, then
 * placed. Knows nothing of firmware, so that the host's unit tests can run it.
 */
#ifndef BOOT_ELF_H
#define BOOT_ELF_H

#include "kernel/lib/base.h"

#define ELF_MAX_SEGS	16
#define ELF_MAX_BLOCK	(256 * MiB) /* image with bss; far above any sensible build */
#define ELF_BLOCK_ALIGN SIZE_2M
#define ELF_MAX_FILE	(256 * MiB)

struct elf_seg {
	uint64_t file_off, file_size; /* bytes in the file, inside it */
	uint64_t block_off, mem_size; /* bytes from KERNEL_BASE; mem_size >= file_size */
};

/* What loading will do. Complete and consistent once elf_plan_make returned 0. */
struct elf_plan {
	uint64_t entry;	     /* linked address, inside the file part of an executable segment */
	uint64_t block_size; /* bytes from KERNEL_BASE on, a multiple of ELF_BLOCK_ALIGN */
	unsigned seg_count;
	struct elf_seg seg[ELF_MAX_SEGS];
};

/*
 * Checks a whole ELF64 file and says how to load it; changes nothing else.
 * (System V ABI, "Object Files" and "Program Loading"; AMD64 supplement.)
 * 0, or -E_INVAL (not a file for us), -E_RANGE (an offset, size or address
 * leaves its limits), with *why naming what was expected.
 */
int must_check elf_plan_make(const void *image, uint64_t size, struct elf_plan *plan,
			     const char **why);

/* Places the planned segments in block (plan->block_size bytes) and zeroes all the rest. */
void elf_plan_load(const struct elf_plan *plan, const void *image, void *block);

#endif
