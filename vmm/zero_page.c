/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Builds the zero page with its memory map, and places initrd and command line.
 * Where the kernel itself goes is decided by load_linux and load_elf.
 */
#include "vmm/zero_page.h"
#include "kernel/lib/string.h"
#include "kernel/log.h"
#include "kernel/mem.h"
#include "vmm/guest_map.h"
#include "vmm/vm.h"

#define LOADER_UNDEFINED 0xff /* boot.rst, "type_of_loader": no number assigned to us */

uint16_t le16_at(const uint8_t *p, size_t offset)
{
	uint16_t v;

	memcpy(&v, p + offset, sizeof(v));
	return v;
}

uint32_t le32_at(const uint8_t *p, size_t offset)
{
	uint32_t v;

	memcpy(&v, p + offset, sizeof(v));
	return v;
}

uint64_t le64_at(const uint8_t *p, size_t offset)
{
	uint64_t v;

	memcpy(&v, p + offset, sizeof(v));
	return v;
}

int loader_write_zeros(struct vm *vm, gpa_t gpa, uint64_t len)
{
	static const uint8_t zeros[512];

	while (len) {
		size_t n = MIN(len, sizeof(zeros));
		int err = guest_mem_write(vm, gpa, zeros, n);

		if (err)
			return err;
		gpa += n;
		len -= n;
	}
	return 0;
}

static void put(uint8_t *page, size_t offset, uint64_t value, size_t size)
{
	memcpy(page + offset, &value, size);
}

static void e820_add(struct e820_entry *out, unsigned *n, gpa_t base, gpa_t end, uint32_t type)
{
	if (end <= base || *n >= ZP_E820_MAX)
		return;
	out[*n] = (struct e820_entry){.base = base, .size = end - base, .type = type};
	(*n)++;
}

unsigned zero_page_e820(const struct guest_mem *m, struct e820_entry *out)
{
	const gpa_t acpi_end = GUEST_ACPI_TABLES + GUEST_ACPI_TABLES_SIZE;
	gpa_t low_end = guest_low_end(m);
	unsigned n = 0;

	e820_add(out, &n, 0, GUEST_LOW_RAM_END, E820_RAM);
	e820_add(out, &n, GUEST_LOW_RAM_END, GUEST_ACPI_TABLES, E820_RESERVED);
	e820_add(out, &n, GUEST_ACPI_TABLES, acpi_end, E820_ACPI);
	e820_add(out, &n, acpi_end, GUEST_HIGH_RAM, E820_RESERVED);
	e820_add(out, &n, GUEST_HIGH_RAM, low_end, E820_RAM);
	e820_add(out, &n, GUEST_IOAPIC, GUEST_IOAPIC + GUEST_APIC_REG_SIZE, E820_RESERVED);
	e820_add(out, &n, GUEST_LAPIC, GUEST_LAPIC + GUEST_APIC_REG_SIZE, E820_RESERVED);
	e820_add(out, &n, GUEST_GENERATION, GUEST_GENERATION + PAGE_SIZE, E820_RESERVED);
	e820_add(out, &n, GUEST_HIGH_MIN, GUEST_HIGH_MIN + (m->size - low_end), E820_RAM);
	return n;
}

/* As high as the kernel accepts: far from where it decompresses itself. */
static int place_initrd(struct vm *vm, const struct linux_image *img, const struct file *initrd,
			gpa_t *out)
{
	gpa_t low_end = guest_low_end(&vm->mem);
	gpa_t limit = img->initrd_max < low_end ? img->initrd_max + 1 : low_end;

	if (initrd->size > limit || ALIGN_DOWN(limit - initrd->size, PAGE_SIZE) < img->end) {
		log_error("loader: %s: %llu bytes do not fit between the kernel (ends at 0x%llx) "
			  "and 0x%llx; give the VM more memory",
			  initrd->path, (unsigned long long)initrd->size,
			  (unsigned long long)img->end, (unsigned long long)limit);
		return -E_NOSPC;
	}
	*out = ALIGN_DOWN(limit - initrd->size, PAGE_SIZE);
	return guest_mem_write(vm, *out, initrd->data, initrd->size);
}

static int write_cmdline(struct vm *vm, const struct linux_image *img, const char *cmdline)
{
	size_t max = MIN(img->cmdline_max, GUEST_BOOT_CMDLINE_MAX - 1u);
	size_t len = strnlen(cmdline, max + 1);

	if (len > max) {
		log_error("loader: cmdline is longer than the %zu bytes that %s accepts", max,
			  img->path);
		return -E_RANGE;
	}
	int err = guest_mem_write(vm, GUEST_BOOT_CMDLINE, cmdline, len);

	if (!err)
		err = guest_mem_write(vm, GUEST_BOOT_CMDLINE + len, "", 1);
	return err;
}

static void fill_page(struct vm *vm, const struct linux_image *img, const struct file *initrd,
		      gpa_t initrd_gpa, uint8_t *page)
{
	struct e820_entry map[16];
	unsigned count = zero_page_e820(&vm->mem, map);

	if (img->header)
		memcpy(page + ZP_SETUP_HEADER, img->header, img->header_len);
	put(page, ZP_ACPI_RSDP, GUEST_RSDP, 8);
	put(page, ZP_BOOT_FLAG, 0xaa55, 2);
	put(page, ZP_TYPE_OF_LOADER, LOADER_UNDEFINED, 1);
	put(page, ZP_CMD_LINE_PTR, GUEST_BOOT_CMDLINE, 4);
	if (initrd) {
		put(page, ZP_RAMDISK_IMAGE, initrd_gpa, 4);
		put(page, ZP_RAMDISK_SIZE, initrd->size, 4);
	}
	put(page, ZP_E820_ENTRIES, count, 1);
	memcpy(page + ZP_E820_TABLE, map, count * sizeof(map[0]));
}

int zero_page_write(struct vm *vm, const struct linux_image *img, const struct file *initrd,
		    const char *cmdline)
{
	gpa_t initrd_gpa = 0;
	int err;

	if (initrd && !initrd->size)
		initrd = NULL;
	if (initrd) {
		err = place_initrd(vm, img, initrd, &initrd_gpa);
		if (err)
			return err;
	}
	err = write_cmdline(vm, img, cmdline);
	if (err)
		return err;

	uint8_t *page = kzalloc(PAGE_SIZE);

	if (!page)
		return -E_NOMEM;
	fill_page(vm, img, initrd, initrd_gpa, page);
	err = guest_mem_write(vm, GUEST_BOOT_ZERO_PAGE, page, PAGE_SIZE);
	kfree(page);
	return err;
}
