/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Strict reader of the hypervisor's ELF64 file. Every field is copied out of
 * the file once and bounds-checked before use; nothing is loaded from a file
 * that is not right as a whole. Where the block lies is the caller's matter.
 */
#include "boot/elf.h"
#include "boot/handoff.h"
#include "kernel/lib/string.h"

/* System V ABI, "ELF Header" */
struct elf_header {
	uint8_t ident[16];
	uint16_t type, machine;
	uint32_t version;
	uint64_t entry, phoff, shoff;
	uint32_t flags;
	uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};
_Static_assert(sizeof(struct elf_header) == 64, "ELF64 header");

/* System V ABI, "Program Header" */
struct elf_phdr {
	uint32_t type, flags;
	uint64_t offset, vaddr, paddr, filesz, memsz, align;
};
_Static_assert(sizeof(struct elf_phdr) == 56, "ELF64 program header");

#define ELFCLASS64  2
#define ELFDATA2LSB 1
#define EV_CURRENT  1
#define ET_EXEC	    2
#define EM_X86_64   62
#define PT_LOAD	    1
#define PT_DYNAMIC  2
#define PT_INTERP   3
#define PT_TLS	    7
#define PF_X	    1

static int elf_refuse(const char **why, int err, const char *words)
{
	*why = words;
	return err;
}

/* Is [off, off + len) inside [0, limit)? Cannot overflow. */
static bool elf_inside(uint64_t off, uint64_t len, uint64_t limit)
{
	return off <= limit && len <= limit - off;
}

static int elf_header_check(const struct elf_header *eh, uint64_t size, const char **why)
{
	static const uint8_t ident[] = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT};

	if (memcmp(eh->ident, ident, sizeof(ident)) != 0)
		return elf_refuse(why, -E_INVAL, "not a little-endian ELF64 file");
	if (eh->machine != EM_X86_64)
		return elf_refuse(why, -E_INVAL, "ELF file is not for x86-64");
	if (eh->type != ET_EXEC || eh->version != EV_CURRENT)
		return elf_refuse(why, -E_INVAL, "ELF file is not a static executable (ET_EXEC)");
	if (eh->ehsize != sizeof(*eh) || eh->phentsize != sizeof(struct elf_phdr))
		return elf_refuse(why, -E_INVAL, "ELF header sizes are not those of ELF64");
	if (eh->phnum == 0 || eh->phnum > ELF_MAX_SEGS)
		return elf_refuse(why, -E_RANGE, "ELF file needs 1 to 16 program headers");
	if (!elf_inside(eh->phoff, (uint64_t)eh->phnum * sizeof(struct elf_phdr), size))
		return elf_refuse(why, -E_RANGE, "ELF program headers lie outside the file");
	return 0;
}

static int elf_segment_check(const struct elf_phdr *ph, uint64_t size, const char **why)
{
	if (ph->filesz > ph->memsz)
		return elf_refuse(why, -E_RANGE,
				  "ELF segment is larger in the file than in memory");
	if (!elf_inside(ph->offset, ph->filesz, size))
		return elf_refuse(why, -E_RANGE, "ELF segment lies outside the file: cut short?");
	if (ph->align > 1) {
		if (ph->align & (ph->align - 1))
			return elf_refuse(why, -E_INVAL, "ELF alignment is not a power of two");
		if ((ph->vaddr ^ ph->offset) & (ph->align - 1))
			return elf_refuse(why, -E_INVAL, "ELF segment contradicts its alignment");
	}
	if (ph->vaddr < KERNEL_BASE ||
	    !elf_inside(ph->vaddr - KERNEL_BASE, ph->memsz, ELF_MAX_BLOCK))
		return elf_refuse(why, -E_RANGE, "ELF segment lies outside the kernel's addresses");
	return 0;
}

static bool elf_segment_overlaps(const struct elf_plan *plan, const struct elf_seg *seg)
{
	for (unsigned i = 0; i < plan->seg_count; i++) {
		const struct elf_seg *other = &plan->seg[i];

		if (seg->block_off < other->block_off + other->mem_size &&
		    other->block_off < seg->block_off + seg->mem_size)
			return true;
	}
	return false;
}

static int elf_segment_add(const struct elf_phdr *ph, uint64_t size, struct elf_plan *plan,
			   const char **why)
{
	struct elf_seg seg = {
	    .file_off = ph->offset,
	    .file_size = ph->filesz,
	    .block_off = ph->vaddr - KERNEL_BASE,
	    .mem_size = ph->memsz,
	};
	int err = elf_segment_check(ph, size, why);

	if (err)
		return err;
	if (elf_segment_overlaps(plan, &seg))
		return elf_refuse(why, -E_INVAL, "ELF segments overlap");
	plan->seg[plan->seg_count++] = seg;
	plan->block_size =
	    MAX(plan->block_size, ALIGN_UP(seg.block_off + seg.mem_size, ELF_BLOCK_ALIGN));
	return 0;
}

int elf_plan_make(const void *image, uint64_t size, struct elf_plan *plan, const char **why)
{
	bool entry_found = false;
	struct elf_header eh;
	int err;

	memset(plan, 0, sizeof(*plan));
	if (size < sizeof(eh))
		return elf_refuse(why, -E_RANGE, "file is shorter than an ELF header");
	memcpy(&eh, image, sizeof(eh));
	err = elf_header_check(&eh, size, why);
	if (err)
		return err;
	for (unsigned i = 0; i < eh.phnum; i++) {
		struct elf_phdr ph;

		memcpy(&ph, (const uint8_t *)image + eh.phoff + i * sizeof(ph), sizeof(ph));
		if (ph.type == PT_DYNAMIC || ph.type == PT_INTERP || ph.type == PT_TLS)
			return elf_refuse(why, -E_INVAL, "ELF file is not linked statically");
		if (ph.type != PT_LOAD || ph.memsz == 0)
			continue;
		err = elf_segment_add(&ph, size, plan, why);
		if (err)
			return err;
		/* bss is all zero: an entry there would run zeroes */
		if ((ph.flags & PF_X) && eh.entry >= ph.vaddr && eh.entry - ph.vaddr < ph.filesz)
			entry_found = true;
	}
	if (!entry_found)
		return elf_refuse(why, -E_RANGE, "ELF entry is not in an executable segment");
	plan->entry = eh.entry;
	return 0;
}

void elf_plan_load(const struct elf_plan *plan, const void *image, void *block)
{
	memset(block, 0, plan->block_size);
	for (unsigned i = 0; i < plan->seg_count; i++) {
		const struct elf_seg *seg = &plan->seg[i];

		memcpy((uint8_t *)block + seg->block_off, (const uint8_t *)image + seg->file_off,
		       seg->file_size);
	}
}
