/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a Multiboot kernel finds at its start: modules behind it in memory, and
 * the information structure with all that it points to in one page.
 * Source: Multiboot specification 0.6.96, 3.3 "Boot information format".
 */
#include "kernel/lib/format.h"
#include "kernel/lib/string.h"
#include "kernel/log.h"
#include "kernel/mem.h"
#include "vmm/guest_map.h"
#include "vmm/load_multiboot.h"
#include "vmm/vm.h"
#include "vmm/zero_page.h"

#define INFO_MEMORY  BIT(0)
#define INFO_CMDLINE BIT(2)
#define INFO_MODULES BIT(3)
#define INFO_MMAP    BIT(6)
#define INFO_LOADER  BIT(9)

#define INFO_SIZE   116 /* with the frame buffer's fields, all zero */
#define STRING_MAX  (VM_PATH_LEN + 1 + VM_CMDLINE_LEN)
#define LOADER_NAME "Pagurus"

struct mb_mmap {
	uint32_t size; /* of what follows */
	uint64_t base, length;
	uint32_t type; /* 1 is RAM; the others are those of E820 */
} __attribute__((packed));

struct mb_module {
	uint32_t start, end, string, reserved;
};

/* The page being filled. */
struct page {
	uint8_t *data;
	gpa_t gpa;
	size_t used;
	bool full;
};

/* Guest address of the copy. */
static uint32_t add(struct page *p, const void *data, size_t len)
{
	uint32_t at = (uint32_t)p->used;

	if (len > MULTIBOOT_INFO_GDT - p->used) {
		p->full = true;
		return 0;
	}
	memcpy(p->data + at, data, len);
	p->used = ALIGN_UP(p->used + len, 4);
	return (uint32_t)p->gpa + at;
}

/* "path args", as GRUB names things to kernels. */
static uint32_t add_string(struct page *p, const char *path, const char *args)
{
	char text[STRING_MAX];
	int len = ksnprintf(text, sizeof(text), args[0] ? "%s %s" : "%s", path, args);

	if (len >= (int)sizeof(text)) {
		p->full = true;
		return 0;
	}
	return add(p, text, (size_t)len + 1);
}

static void set(struct page *p, size_t offset, uint32_t value)
{
	memcpy(p->data + offset, &value, sizeof(value));
}

static void add_memory(struct vm *vm, struct page *p)
{
	struct e820_entry e820[16]; /* as many as there can be: zero_page.c */
	struct mb_mmap map[ARRAY_SIZE(e820)];
	unsigned n = zero_page_e820(&vm->mem, e820);

	for (unsigned i = 0; i < n; i++)
		map[i] =
		    (struct mb_mmap){sizeof(map[i]) - 4, e820[i].base, e820[i].size, e820[i].type};
	set(p, 4, GUEST_LOW_RAM_END / KiB);
	set(p, 8, (uint32_t)((guest_low_end(&vm->mem) - GUEST_HIGH_RAM) / KiB));
	set(p, 44, n * sizeof(map[0]));
	set(p, 48, add(p, map, n * sizeof(map[0])));
}

/* Page-aligned, one behind the other, as high in the file's order as in memory. */
static int place_modules(struct vm *vm, struct page *p, gpa_t at,
			 const struct multiboot_module *modules, unsigned count)
{
	struct mb_module table[MULTIBOOT_MAX_MODULES];
	gpa_t low_end = guest_low_end(&vm->mem);

	for (unsigned i = 0; i < count; i++) {
		const struct file *f = modules[i].file;

		at = ALIGN_UP(at, (gpa_t)PAGE_SIZE);
		if (at > low_end || f->size > low_end - at) {
			log_error("loader: %s: %llu bytes do not fit between 0x%llx and 0x%llx; "
				  "give the VM more memory",
				  f->path, (unsigned long long)f->size, (unsigned long long)at,
				  (unsigned long long)low_end);
			return -E_NOSPC;
		}
		int err = guest_mem_write(vm, at, f->data, f->size);

		if (err)
			return err;
		table[i] = (struct mb_module){(uint32_t)at, (uint32_t)(at + f->size),
					      add_string(p, f->path, modules[i].args), 0};
		at += f->size;
	}
	set(p, 20, count);
	set(p, 24, add(p, table, count * sizeof(table[0])));
	return 0;
}

int multiboot_info_write(struct vm *vm, gpa_t info, const struct file *kernel, gpa_t first_free,
			 const struct multiboot_module *modules, unsigned count,
			 const char *cmdline)
{
	struct page p = {.data = kzalloc(PAGE_SIZE), .gpa = info, .used = INFO_SIZE};
	int err;

	if (!p.data)
		return -E_NOMEM;
	ASSERT(count <= MULTIBOOT_MAX_MODULES);
	set(&p, 0, INFO_MEMORY | INFO_CMDLINE | INFO_MODULES | INFO_MMAP | INFO_LOADER);
	add_memory(vm, &p);
	set(&p, 16, add_string(&p, kernel->path, cmdline));
	set(&p, 64, add_string(&p, LOADER_NAME, ""));
	err = place_modules(vm, &p, MAX(first_free, GUEST_HIGH_RAM), modules, count);
	if (!err && p.full) {
		log_error("loader: %s: command line and modules' arguments do not fit %d bytes",
			  kernel->path, (int)MULTIBOOT_INFO_GDT);
		err = -E_RANGE;
	}
	if (!err)
		err = guest_mem_write(vm, info, p.data, PAGE_SIZE);
	kfree(p.data);
	return err;
}
