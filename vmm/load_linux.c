/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Checks a bzImage's setup header and places its protected-mode part. The rest
 * of what the kernel finds at its start is zero_page's and boot_cpu's.
 */
#include "vmm/load_linux.h"
#include "kernel/lib/string.h"
#include "kernel/log.h"
#include "vmm/boot_cpu.h"
#include "vmm/guest_map.h"
#include "vmm/vm.h"
#include "vmm/zero_page.h"

#define SETUP_SECTOR	 512
#define BZIMAGE_MIN_SIZE 0x268	/* up to and with init_size */
#define PROTOCOL_MIN	 0x020c /* 2.12: xloadflags */
#define XLF_KERNEL_64	 BIT(0)
#define ENTRY_64	 0x200 /* boot.rst, "64-bit Boot Protocol" */

/* Offset of the protected-mode code in the file. */
static uint64_t setup_size(const uint8_t *data)
{
	unsigned sects = data[ZP_SETUP_SECTS];

	/* boot.rst, "setup_sects": 0 means 4 */
	return (uint64_t)SETUP_SECTOR * ((sects ? sects : 4) + 1);
}

bool load_linux_is_bzimage(const struct file *f)
{
	return f->size >= BZIMAGE_MIN_SIZE && !memcmp(f->data + ZP_MAGIC, "HdrS", 4);
}

/* Is this a bzImage that can be entered in 64-bit mode? */
static int check_header(const struct file *f)
{
	if (f->size < BZIMAGE_MIN_SIZE) {
		log_error("loader: %s: not a bzImage: %llu bytes, a setup header needs %d", f->path,
			  (unsigned long long)f->size, BZIMAGE_MIN_SIZE);
		return -E_INVAL;
	}
	if (memcmp(f->data + ZP_MAGIC, "HdrS", 4)) {
		log_error("loader: %s: not a bzImage: expected HdrS at 0x202, found 0x%08x",
			  f->path, le32_at(f->data, ZP_MAGIC));
		return -E_INVAL;
	}
	uint16_t version = le16_at(f->data, ZP_VERSION);

	if (version < PROTOCOL_MIN) {
		log_error("loader: %s: boot protocol %u.%02u, at least 2.12 is needed", f->path,
			  version >> 8, version & 0xff);
		return -E_INVAL;
	}
	if (!(le16_at(f->data, ZP_XLOADFLAGS) & XLF_KERNEL_64)) {
		log_error(
		    "loader: %s: has no 64-bit entry (xloadflags 0x%x); is it a 32-bit kernel?",
		    f->path, le16_at(f->data, ZP_XLOADFLAGS));
		return -E_INVAL;
	}
	uint64_t setup = setup_size(f->data);
	uint64_t code = (uint64_t)le32_at(f->data, ZP_SYSSIZE) * 16;

	/* build tools round syssize up: allow one paragraph less */
	if (f->size <= setup + ENTRY_64 || f->size - setup + 16 < code) {
		log_error("loader: %s: cut short: %llu bytes, expected %llu", f->path,
			  (unsigned long long)f->size, (unsigned long long)(setup + code));
		return -E_INVAL;
	}
	return 0;
}

/* Where the kernel goes: at its preferred address, else as low as it may. */
static int choose_address(struct vm *vm, const struct file *f, struct linux_image *img)
{
	uint64_t align = le32_at(f->data, ZP_KERNEL_ALIGNMENT);
	uint64_t need =
	    MAX((uint64_t)le32_at(f->data, ZP_INIT_SIZE), f->size - setup_size(f->data));
	gpa_t low_end = guest_low_end(&vm->mem);
	gpa_t start = le64_at(f->data, ZP_PREF_ADDRESS);

	if (start < GUEST_HIGH_RAM && f->data[ZP_RELOCATABLE]) {
		if (!align || (align & (align - 1)) || align > GiB) {
			log_error(
			    "loader: %s: kernel_alignment 0x%llx is not a power of two up to 1 GiB",
			    f->path, (unsigned long long)align);
			return -E_INVAL;
		}
		start = ALIGN_UP(GUEST_HIGH_RAM, align);
	}
	if (start < GUEST_HIGH_RAM) {
		log_error("loader: %s: wants to lie at 0x%llx, below 1 MiB", f->path,
			  (unsigned long long)start);
		return -E_INVAL;
	}
	if (start > low_end || need > low_end - start) {
		log_error("loader: %s: needs %llu MiB from 0x%llx, but low memory ends at 0x%llx; "
			  "give the VM more memory",
			  f->path, (unsigned long long)(need / MiB + 1), (unsigned long long)start,
			  (unsigned long long)low_end);
		return -E_RANGE;
	}
	img->start = start;
	img->end = start + need;
	img->entry = start + ENTRY_64;
	return 0;
}

int load_linux(struct vm *vm, const struct file *kernel, const struct file *initrd,
	       const char *cmdline, struct cpu_state *cs)
{
	struct linux_image img = {.path = kernel->path};
	int err = check_header(kernel);

	if (!err)
		err = choose_address(vm, kernel, &img);
	if (err)
		return err;

	const uint8_t *data = kernel->data;
	uint64_t setup = setup_size(data);
	size_t header_end = MIN(ZP_MAGIC + data[ZP_JUMP_LEN], ZP_SETUP_HEADER_END_MAX);

	if (header_end > kernel->size)
		header_end = kernel->size;
	img.header = data + ZP_SETUP_HEADER;
	img.header_len = header_end - ZP_SETUP_HEADER;
	img.initrd_max = le32_at(data, ZP_INITRD_ADDR_MAX);
	img.cmdline_max = le32_at(data, ZP_CMDLINE_SIZE);

	err = zero_page_write(vm, &img, initrd, cmdline);
	if (!err)
		err = guest_mem_write(vm, img.start, data + setup, kernel->size - setup);
	if (!err)
		err = boot_cpu_long_mode(vm, img.entry, GUEST_BOOT_ZERO_PAGE, cs);
	return err;
}
