/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a Linux kernel finds when it starts, whatever file it came from: initrd,
 * command line, memory map and the "zero page" that points to them.
 */
#ifndef VMM_ZERO_PAGE_H
#define VMM_ZERO_PAGE_H

#include "kernel/files.h"
#include "vmm/guest_mem.h"

/* Offsets in the zero page and in a bzImage: Linux Documentation/arch/x86/boot.rst and
 * zero-page.rst */
#define ZP_ACPI_RSDP		0x070
#define ZP_E820_ENTRIES		0x1e8
#define ZP_SENTINEL		0x1ef
#define ZP_SETUP_HEADER		0x1f1
#define ZP_SETUP_SECTS		0x1f1
#define ZP_SYSSIZE		0x1f4
#define ZP_BOOT_FLAG		0x1fe
#define ZP_JUMP_LEN		0x201
#define ZP_MAGIC		0x202
#define ZP_VERSION		0x206
#define ZP_TYPE_OF_LOADER	0x210
#define ZP_LOADFLAGS		0x211
#define ZP_RAMDISK_IMAGE	0x218
#define ZP_RAMDISK_SIZE		0x21c
#define ZP_CMD_LINE_PTR		0x228
#define ZP_INITRD_ADDR_MAX	0x22c
#define ZP_KERNEL_ALIGNMENT	0x230
#define ZP_RELOCATABLE		0x234
#define ZP_XLOADFLAGS		0x236
#define ZP_CMDLINE_SIZE		0x238
#define ZP_PREF_ADDRESS		0x258
#define ZP_INIT_SIZE		0x260
#define ZP_SETUP_HEADER_END_MAX 0x290
#define ZP_E820_TABLE		0x2d0
#define ZP_E820_MAX		128

#define E820_RAM      1
#define E820_RESERVED 2
#define E820_ACPI     3

struct e820_entry {
	uint64_t base, size;
	uint32_t type;
} __attribute__((packed));

/* What the loader of a kernel file found out. */
struct linux_image {
	const char *path;      /* for error texts */
	gpa_t start, end;      /* memory that the kernel needs before it has read the memory map */
	gpa_t entry;	       /* 64-bit entry point */
	uint64_t initrd_max;   /* highest address that the initrd may occupy */
	uint32_t cmdline_max;  /* bytes without the NUL */
	const uint8_t *header; /* setup header, to stand at ZP_SETUP_HEADER; NULL: none */
	size_t header_len;
};

/* The guest's memory map into out (room for ZP_E820_MAX). Returns the number of entries. */
unsigned zero_page_e820(const struct guest_mem *m, struct e820_entry *out);

/*
 * Place initrd (may be NULL), command line and zero page. 0; -E_NOSPC when the
 * initrd does not fit, -E_RANGE when the command line is too long or memory too
 * small, -E_NOMEM; each logged in words.
 */
int must_check zero_page_write(struct vm *vm, const struct linux_image *img,
			       const struct file *initrd, const char *cmdline);

/* Clear len bytes from gpa on: a reboot finds the last run's. As guest_mem_write. */
int must_check loader_write_zeros(struct vm *vm, gpa_t gpa, uint64_t len);

/* Little-endian fields of a file or of the zero page, any alignment. */
uint16_t le16_at(const uint8_t *p, size_t offset);
uint32_t le32_at(const uint8_t *p, size_t offset);
uint64_t le64_at(const uint8_t *p, size_t offset);

#endif
