/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Finds the Multiboot header, checks where the image wants to lie, and copies it.
 * Both classes of ELF and the header's address fields become a list of the same
 * segments. What the kernel is told at its start is multiboot_info.c's.
 */
#include "vmm/load_multiboot.h"
#include "kernel/lib/string.h"
#include "kernel/log.h"
#include "vmm/boot_cpu.h"
#include "vmm/guest_map.h"
#include "vmm/vm.h"
#include "vmm/zero_page.h"

/* 3.1, "OS image format" */
#define HEADER_MAGIC	 0x1badb002u
#define HEADER_SEARCH	 8192
#define HEADER_SIZE	 12
#define HEADER_ADDR_SIZE 32 /* with the address fields */
#define FLAG_VIDEO	 BIT(2)
#define FLAG_ADDRESSES	 BIT(16)
#define FLAGS_REQUIRED	 0xffffu     /* what a loader that does not know it must refuse */
#define FLAGS_KNOWN	 0x7u	     /* page-aligned modules, memory map, video mode */
#define BOOT_MAGIC	 0x2badb002u /* 3.2, "Machine state" */

#define ELF_CLASS   4
#define ELF_DATA    5
#define ELFCLASS32  1
#define ELFCLASS64  2
#define ELFDATA2LSB 1
#define EM_386	    3
#define EM_X86_64   62
#define PT_LOAD	    1
#define MAX_PHNUM   64

struct segment {
	uint64_t offset, filesz; /* in the file */
	uint64_t paddr, vaddr, memsz;
};

struct image {
	const struct file *f;
	unsigned count;
	uint64_t entry;	    /* as the file says; physical or virtual */
	uint64_t start_rip; /* physical */
	gpa_t end;
	struct segment seg[MAX_PHNUM];
};

/* Offset of the header in the file, or -1. */
static int find_header(const struct file *f)
{
	size_t len = MIN(f->size, (uint64_t)HEADER_SEARCH);

	for (size_t at = 0; at + HEADER_SIZE <= len; at += 4) {
		if (le32_at(f->data, at) == HEADER_MAGIC &&
		    (uint32_t)(HEADER_MAGIC + le32_at(f->data, at + 4) +
			       le32_at(f->data, at + 8)) == 0)
			return (int)at;
	}
	return -1;
}

bool load_multiboot_is_multiboot(const struct file *f)
{
	return find_header(f) >= 0;
}

static int check_flags(const struct file *f, uint32_t flags)
{
	if (flags & FLAGS_REQUIRED & ~FLAGS_KNOWN) {
		log_error("loader: %s: its Multiboot header demands features 0x%x; known are 0x%x",
			  f->path, flags & FLAGS_REQUIRED, FLAGS_KNOWN);
		return -E_INVAL;
	}
	if (flags & FLAG_VIDEO)
		log_warn("loader: %s: wants a video mode; there is only a serial console", f->path);
	return 0;
}

/* 3.1.3, "The address fields of Multiboot header": one segment, and where it is in the file. */
static int read_addresses(struct image *img, size_t at)
{
	const struct file *f = img->f;
	struct segment *s = &img->seg[0];

	if (f->size < at + HEADER_ADDR_SIZE || at + HEADER_ADDR_SIZE > HEADER_SEARCH) {
		log_error("loader: %s: its Multiboot header is cut short", f->path);
		return -E_INVAL;
	}
	uint64_t header = le32_at(f->data, at + 12), load = le32_at(f->data, at + 16);
	uint64_t load_end = le32_at(f->data, at + 20), bss_end = le32_at(f->data, at + 24);

	if (load > header || header - load > at) {
		log_error("loader: %s: load address 0x%llx does not fit header address 0x%llx at "
			  "byte %zu of the file",
			  f->path, (unsigned long long)load, (unsigned long long)header, at);
		return -E_INVAL;
	}
	s->offset = at - (header - load);
	s->paddr = s->vaddr = load;
	if (!load_end) /* "the text and data segments occupy the whole OS image file" */
		load_end = load + (f->size - s->offset);
	if (!bss_end)
		bss_end = load_end;
	if (load_end < load || bss_end < load_end) {
		log_error("loader: %s: Multiboot addresses are not in order: load 0x%llx to 0x%llx,"
			  " bss to 0x%llx",
			  f->path, (unsigned long long)load, (unsigned long long)load_end,
			  (unsigned long long)bss_end);
		return -E_INVAL;
	}
	s->filesz = load_end - load;
	s->memsz = bss_end - load;
	img->entry = le32_at(f->data, at + 28);
	img->count = 1;
	return 0;
}

/* Field positions of the two classes: System V ABI, "ELF Header" and "Program Header". */
static int read_elf(struct image *img)
{
	const struct file *f = img->f;
	const uint8_t *d = f->data;

	if (f->size < 64 || memcmp(d, "\177ELF", 4)) {
		log_error("loader: %s: has a Multiboot header, but is no ELF file and names no "
			  "load addresses",
			  f->path);
		return -E_INVAL;
	}
	bool wide = d[ELF_CLASS] == ELFCLASS64;
	uint16_t machine = le16_at(d, 18), phnum = le16_at(d, wide ? 56 : 44);
	uint64_t phoff = wide ? le64_at(d, 32) : le32_at(d, 28), phsize = wide ? 56 : 32;

	if ((!wide && d[ELF_CLASS] != ELFCLASS32) || d[ELF_DATA] != ELFDATA2LSB ||
	    machine != (wide ? EM_X86_64 : EM_386)) {
		log_error("loader: %s: expected an ELF file for i386 or x86-64, found class %u "
			  "machine %u",
			  f->path, d[ELF_CLASS], machine);
		return -E_INVAL;
	}
	if (le16_at(d, wide ? 54 : 42) != phsize || !phnum || phnum > MAX_PHNUM ||
	    phoff > f->size || phnum * phsize > f->size - phoff) {
		log_error("loader: %s: program headers are damaged (%u at 0x%llx)", f->path, phnum,
			  (unsigned long long)phoff);
		return -E_INVAL;
	}
	img->entry = wide ? le64_at(d, 24) : le32_at(d, 24);
	for (unsigned i = 0; i < phnum; i++) {
		const uint8_t *p = d + phoff + i * phsize;
		struct segment s = {
		    .offset = wide ? le64_at(p, 8) : le32_at(p, 4),
		    .vaddr = wide ? le64_at(p, 16) : le32_at(p, 8),
		    .paddr = wide ? le64_at(p, 24) : le32_at(p, 12),
		    .filesz = wide ? le64_at(p, 32) : le32_at(p, 16),
		    .memsz = wide ? le64_at(p, 40) : le32_at(p, 20),
		};

		if (le32_at(p, 0) == PT_LOAD && s.memsz)
			img->seg[img->count++] = s;
	}
	return 0;
}

/* All RAM by the memory map; the BIOS area lies between. */
static bool is_loadable(struct vm *vm, const struct segment *s)
{
	gpa_t low_end = guest_low_end(&vm->mem);

	if (s->paddr >= GUEST_HIGH_RAM)
		return s->paddr <= low_end && s->memsz <= low_end - s->paddr;
	return s->paddr <= GUEST_LOW_RAM_END && s->memsz <= GUEST_LOW_RAM_END - s->paddr;
}

static int check_segment(struct vm *vm, const struct image *img, const struct segment *s)
{
	const struct file *f = img->f;

	if (s->offset > f->size || s->filesz > f->size - s->offset || s->filesz > s->memsz) {
		log_error("loader: %s: %llu bytes at 0x%llx are not in the file", f->path,
			  (unsigned long long)s->filesz, (unsigned long long)s->offset);
		return -E_INVAL;
	}
	if (!is_loadable(vm, s)) {
		log_error("loader: %s: %llu bytes at 0x%llx are outside the VM's memory (0 to "
			  "0x%llx, 1 MiB to 0x%llx)",
			  f->path, (unsigned long long)s->memsz, (unsigned long long)s->paddr,
			  GUEST_LOW_RAM_END, (unsigned long long)guest_low_end(&vm->mem));
		return -E_RANGE;
	}
	return 0;
}

/* All segments checked; the extent of the image, and its entry as a physical address. */
static int survey(struct vm *vm, struct image *img)
{
	bool found = false;

	for (unsigned i = 0; i < img->count; i++) {
		const struct segment *s = &img->seg[i];
		int err = check_segment(vm, img, s);

		if (err)
			return err;
		img->end = MAX(img->end, s->paddr + s->memsz);
		if (img->entry - s->paddr < s->filesz) {
			img->start_rip = img->entry;
			found = true;
		} else if (!found && img->entry - s->vaddr < s->filesz) {
			img->start_rip = s->paddr + (img->entry - s->vaddr);
			found = true;
		}
	}
	if (found)
		return 0;
	log_error("loader: %s: the entry 0x%llx is in no loaded segment", img->f->path,
		  (unsigned long long)img->entry);
	return -E_INVAL;
}

static bool overlaps_page(const struct image *img, gpa_t page)
{
	for (unsigned i = 0; i < img->count; i++) {
		const struct segment *s = &img->seg[i];

		if (s->paddr < page + PAGE_SIZE && page < s->paddr + s->memsz)
			return true;
	}
	return false;
}

/*
 * A page for what the kernel is told: as high below 640 KiB as it leaves free, since
 * kernels put their real-mode code and stacks at the low end.
 */
static int choose_info(const struct image *img, gpa_t *out)
{
	gpa_t at = GUEST_LOW_RAM_END - PAGE_SIZE;

	while (at && overlaps_page(img, at))
		at -= PAGE_SIZE;
	*out = at;
	if (at)
		return 0;
	log_error("loader: %s: takes all memory below 0x%llx; a page must be left for the boot "
		  "information",
		  img->f->path, GUEST_LOW_RAM_END);
	return -E_NOSPC;
}

static int copy_segments(struct vm *vm, const struct image *img)
{
	for (unsigned i = 0; i < img->count; i++) {
		const struct segment *s = &img->seg[i];
		int err = guest_mem_write(vm, s->paddr, img->f->data + s->offset, s->filesz);

		if (!err)
			err = loader_write_zeros(vm, s->paddr + s->filesz, s->memsz - s->filesz);
		if (err)
			return err;
	}
	return 0;
}

int load_multiboot(struct vm *vm, const struct file *kernel, const struct multiboot_module *modules,
		   unsigned count, const char *cmdline, struct cpu_state *cs)
{
	struct image img = {.f = kernel};
	int at = find_header(kernel), err;
	uint32_t flags;
	gpa_t info;

	if (at < 0) {
		log_error("loader: %s: has no Multiboot header", kernel->path);
		return -E_INVAL;
	}
	flags = le32_at(kernel->data, at + 4);
	err = check_flags(kernel, flags);
	if (!err)
		err = flags & FLAG_ADDRESSES ? read_addresses(&img, at) : read_elf(&img);
	if (!err)
		err = survey(vm, &img);
	if (!err)
		err = choose_info(&img, &info);
	if (!err)
		err = multiboot_info_write(vm, info, kernel, img.end, modules, count, cmdline);
	if (!err)
		err = copy_segments(vm, &img);
	if (!err)
		err = boot_cpu_protected_mode(vm, info + MULTIBOOT_INFO_GDT, img.start_rip,
					      BOOT_MAGIC, info, cs);
	return err;
}
