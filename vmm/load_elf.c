/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ELF64 kernels: headers checked, segments copied to where p_paddr says, the
 * rest (zero page, initrd, CPU state) shared with load_linux. A file with a
 * Multiboot header does not come here but to load_multiboot.
 */
#include "vmm/load_elf.h"
#include "kernel/lib/string.h"
#include "kernel/log.h"
#include "vmm/boot_cpu.h"
#include "vmm/guest_map.h"
#include "vmm/vm.h"
#include "vmm/zero_page.h"

#define EI_CLASS      4
#define EI_DATA	      5
#define ELFCLASS64    2
#define ELFDATA2LSB   1
#define ET_EXEC	      2
#define ET_DYN	      3
#define EM_X86_64     62
#define PT_LOAD	      1
#define ELF_MAX_PHNUM 64

struct elf64_ehdr {
	uint8_t e_ident[16];
	uint16_t e_type, e_machine;
	uint32_t e_version;
	uint64_t e_entry, e_phoff, e_shoff;
	uint32_t e_flags;
	uint16_t e_ehsize, e_phentsize, e_phnum, e_shentsize, e_shnum, e_shstrndx;
};
_Static_assert(sizeof(struct elf64_ehdr) == 64, "ELF-64 file header");

struct elf64_phdr {
	uint32_t p_type, p_flags;
	uint64_t p_offset, p_vaddr, p_paddr, p_filesz, p_memsz, p_align;
};
_Static_assert(sizeof(struct elf64_phdr) == 56, "ELF-64 program header");

bool load_elf_is_elf(const struct file *f)
{
	return f->size >= 4 && !memcmp(f->data, "\177ELF", 4);
}

static int check_ehdr(const struct file *f, struct elf64_ehdr *eh)
{
	if (!load_elf_is_elf(f) || f->size < sizeof(*eh)) {
		log_error("loader: %s: not an ELF file", f->path);
		return -E_INVAL;
	}
	memcpy(eh, f->data, sizeof(*eh));
	if (eh->e_ident[EI_CLASS] != ELFCLASS64 || eh->e_ident[EI_DATA] != ELFDATA2LSB ||
	    eh->e_machine != EM_X86_64 || (eh->e_type != ET_EXEC && eh->e_type != ET_DYN)) {
		log_error("loader: %s: expected an x86-64 ELF executable, found class %u machine "
			  "%u type %u",
			  f->path, eh->e_ident[EI_CLASS], eh->e_machine, eh->e_type);
		return -E_INVAL;
	}
	if (eh->e_phentsize != sizeof(struct elf64_phdr) || !eh->e_phnum ||
	    eh->e_phnum > ELF_MAX_PHNUM || eh->e_phoff > f->size ||
	    eh->e_phnum * sizeof(struct elf64_phdr) > f->size - eh->e_phoff) {
		log_error("loader: %s: program headers are damaged (%u of %u bytes at 0x%llx)",
			  f->path, eh->e_phnum, eh->e_phentsize, (unsigned long long)eh->e_phoff);
		return -E_INVAL;
	}
	return 0;
}

static struct elf64_phdr phdr_at(const struct file *f, const struct elf64_ehdr *eh, unsigned i)
{
	struct elf64_phdr ph;

	memcpy(&ph, f->data + eh->e_phoff + i * sizeof(ph), sizeof(ph));
	return ph;
}

static int check_segment(struct vm *vm, const struct file *f, unsigned i,
			 const struct elf64_phdr *ph)
{
	gpa_t low_end = guest_low_end(&vm->mem);

	if (ph->p_offset > f->size || ph->p_filesz > f->size - ph->p_offset ||
	    ph->p_filesz > ph->p_memsz) {
		log_error("loader: %s: segment %u: %llu bytes at 0x%llx are not in the file",
			  f->path, i, (unsigned long long)ph->p_filesz,
			  (unsigned long long)ph->p_offset);
		return -E_INVAL;
	}
	if (ph->p_paddr < GUEST_HIGH_RAM || ph->p_paddr > low_end ||
	    ph->p_memsz > low_end - ph->p_paddr) {
		log_error("loader: %s: segment %u: %llu bytes at 0x%llx are outside the VM's "
			  "memory (1 MiB to 0x%llx)",
			  f->path, i, (unsigned long long)ph->p_memsz,
			  (unsigned long long)ph->p_paddr, (unsigned long long)low_end);
		return -E_RANGE;
	}
	return 0;
}

/* Notes the extent of all segments, and the entry as a physical address. */
static int survey(struct vm *vm, const struct file *f, const struct elf64_ehdr *eh,
		  struct linux_image *img)
{
	for (unsigned i = 0; i < eh->e_phnum; i++) {
		struct elf64_phdr ph = phdr_at(f, eh, i);

		if (ph.p_type != PT_LOAD || !ph.p_memsz)
			continue;
		int err = check_segment(vm, f, i, &ph);

		if (err)
			return err;
		img->start = img->end ? MIN(img->start, ph.p_paddr) : ph.p_paddr;
		img->end = MAX(img->end, ph.p_paddr + ph.p_memsz);
		/* vmlinux names its entry physically, other kernels virtually */
		if (eh->e_entry - ph.p_paddr < ph.p_filesz)
			img->entry = eh->e_entry;
		else if (!img->entry && eh->e_entry - ph.p_vaddr < ph.p_filesz)
			img->entry = ph.p_paddr + (eh->e_entry - ph.p_vaddr);
	}
	if (!img->entry) {
		log_error("loader: %s: the entry 0x%llx is in no loaded segment", f->path,
			  (unsigned long long)eh->e_entry);
		return -E_INVAL;
	}
	return 0;
}

static int copy_segments(struct vm *vm, const struct file *f, const struct elf64_ehdr *eh)
{
	for (unsigned i = 0; i < eh->e_phnum; i++) {
		struct elf64_phdr ph = phdr_at(f, eh, i);

		if (ph.p_type != PT_LOAD || !ph.p_memsz)
			continue;
		int err = guest_mem_write(vm, ph.p_paddr, f->data + ph.p_offset, ph.p_filesz);

		if (!err)
			err = loader_write_zeros(vm, ph.p_paddr + ph.p_filesz,
						 ph.p_memsz - ph.p_filesz);
		if (err)
			return err;
	}
	return 0;
}

int load_elf(struct vm *vm, const struct file *kernel, const struct file *initrd,
	     const char *cmdline, struct cpu_state *cs)
{
	struct linux_image img = {
	    .path = kernel->path,
	    .initrd_max = UINT32_MAX,
	    .cmdline_max = GUEST_BOOT_CMDLINE_MAX - 1,
	};
	struct elf64_ehdr eh;
	int err = check_ehdr(kernel, &eh);

	if (!err)
		err = survey(vm, kernel, &eh, &img);
	if (!err)
		err = zero_page_write(vm, &img, initrd, cmdline);
	if (!err)
		err = copy_segments(vm, kernel, &eh);
	if (!err)
		err = boot_cpu_long_mode(vm, img.entry, GUEST_BOOT_ZERO_PAGE, cs);
	return err;
}
