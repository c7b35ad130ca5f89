/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Boots Linux on the bare machine as vmm/load_linux boots it in a guest: the same
 * 64-bit entry point of the same file, initrd and command line. The TSC at that
 * moment goes into the command line for /init to print (Linux undoes a write to the
 * TSC). On the volume the kernel stands where the hypervisor would
 * (\pagurus\pagurus.elf), the command line where host.conf.
 */
#include "boot/files.h"
#include "boot/memmap.h"
#include "kernel/lib/string.h"
#include "vmm/zero_page.h"

#define MEMORY_END  (256 * MiB) /* as the command line's mem=: all of Linux lies below */
#define FILE_MAX    (64 * MiB)
#define MAP_ROOM    (32 * KiB)
#define LEAVE_TRIES 16
#define ENTRY_64    0x200 /* Linux Documentation/arch/x86/boot.rst, "64-bit Boot Protocol" */
#define ENTRY_WORD  "bench.entry=" /* with 16 zeroes behind it */
#define ENTRY_LEN   12

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *system);

static void *map_buffer;

static uint64_t field(const uint8_t *p, size_t offset, size_t size)
{
	uint64_t v = 0;

	memcpy(&v, p + offset, size);
	return v;
}

static void put(uint8_t *page, size_t offset, uint64_t value, size_t size)
{
	memcpy(page + offset, &value, size);
}

/* Zeroed pages that Linux can reach: anywhere below the end. */
static void *pages_take(uint64_t size)
{
	EFI_PHYSICAL_ADDRESS addr = MEMORY_END - 1;
	UINTN pages = ALIGN_UP(size, PAGE_SIZE) >> PAGE_SHIFT;

	if (EFI_ERROR(fw_boot->AllocatePages(AllocateMaxAddress, EfiLoaderData, pages, &addr))) {
		fw_print("bare: no %lu bytes of memory\n", (unsigned long)size);
		return NULL;
	}
	memset((void *)addr, 0, pages << PAGE_SHIFT);
	return (void *)addr;
}

static void *file_read(EFI_FILE_HANDLE root, const CHAR16 *path, uint64_t *size)
{
	void *data;
	EFI_STATUS status = files_read(root, path, FILE_MAX, &data, size);

	if (!EFI_ERROR(status))
		return data;
	fw_print("bare: a file is missing on the volume: %s\n", fw_status_text(status));
	return NULL;
}

/* A copy with a NUL behind it below MEMORY_END: the firmware reads to the top of memory. */
static void *file_place(EFI_FILE_HANDLE root, const CHAR16 *path, uint64_t *size)
{
	void *data = file_read(root, path, size);
	void *copy = data ? pages_take(*size + 1) : NULL;

	if (copy)
		memcpy(copy, data, *size);
	return copy;
}

/*
 * The preferred address is the firmware's own while it is there: the first after it
 * that is free and aligned. Linux stays where it is put, and runs no slower there.
 */
static void *kernel_pages(const uint8_t *data, uint64_t size)
{
	uint64_t align = field(data, ZP_KERNEL_ALIGNMENT, 4);
	EFI_PHYSICAL_ADDRESS addr = field(data, ZP_PREF_ADDRESS, 8);

	for (; align && addr + size <= MEMORY_END; addr += align)
		if (!EFI_ERROR(fw_boot->AllocatePages(AllocateAddress, EfiLoaderData,
						      ALIGN_UP(size, PAGE_SIZE) >> PAGE_SHIFT,
						      &addr)))
			return (void *)addr;
	fw_print("bare: no %lu bytes for the kernel\n", (unsigned long)size);
	return NULL;
}

/* The kernel to its place, its header into the zero page; the entry or NULL. */
static void *kernel_place(EFI_FILE_HANDLE root, uint8_t *zero_page)
{
	uint64_t size, setup, header;
	uint8_t *data = file_read(root, L"\\pagurus\\pagurus.elf", &size), *code;

	if (!data || size < PAGE_SIZE || field(data, ZP_MAGIC, 4) != 0x53726448 /* HdrS */)
		return NULL;
	setup = (field(data, ZP_SETUP_SECTS, 1) + 1) * 512;
	header = MIN(ZP_MAGIC + field(data, ZP_JUMP_LEN, 1), ZP_SETUP_HEADER_END_MAX + 0ul);
	if (setup >= size)
		return NULL;
	code = kernel_pages(data, MAX(field(data, ZP_INIT_SIZE, 4), size - setup));
	if (!code)
		return NULL;
	memcpy(code, data + setup, size - setup);
	memcpy(zero_page + ZP_SETUP_HEADER, data + ZP_SETUP_HEADER, header - ZP_SETUP_HEADER);
	return code + ENTRY_64;
}

/* Boot services' memory is free once they are left; what overlaps or is not RAM is not listed. */
static void e820_fill(uint8_t *zero_page, const struct memmap *map)
{
	static uint64_t edges[2 * MAP_ROOM / sizeof(struct memmap_desc)];
	static struct handoff_mem mem[ZP_E820_MAX];
	unsigned count = memmap_convert(map, edges, mem, ZP_E820_MAX);
	struct e820_entry *out = (struct e820_entry *)(zero_page + ZP_E820_TABLE);

	count = MIN(count, (unsigned)ZP_E820_MAX);
	for (unsigned i = 0; i < count; i++) {
		bool ram = mem[i].type == HANDOFF_MEM_RAM || mem[i].type == HANDOFF_MEM_LOADER;

		out[i] =
		    (struct e820_entry){mem[i].base, mem[i].size, ram ? E820_RAM : E820_RESERVED};
	}
	put(zero_page, ZP_E820_ENTRIES, count, 1);
}

static EFI_STATUS leave(EFI_HANDLE image, struct memmap *map)
{
	EFI_STATUS status = EFI_LOAD_ERROR;

	for (unsigned i = 0; i < LEAVE_TRIES && EFI_ERROR(status); i++) {
		UINTN size = MAP_ROOM, desc_size = 0, key = 0;
		UINT32 version = 0;

		status = fw_boot->GetMemoryMap(&size, map_buffer, &key, &desc_size, &version);
		if (EFI_ERROR(status))
			return status;
		*map = (struct memmap){map_buffer, size, desc_size};
		status = fw_boot->ExitBootServices(image, key);
	}
	return status;
}

/* boot.rst: selectors 10h and 18h flat, interrupts off, RSI = zero page. */
static void __attribute__((noreturn)) jump(void *entry, void *zero_page)
{
	static const uint64_t gdt[] = {0, 0, 0x00af9b000000ffff, 0x00cf93000000ffff};
	struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) pointer = {sizeof(gdt) - 1, (uintptr_t)gdt};

	asm volatile("cli\n\t"
		     "cld\n\t"
		     "lgdt %[gdt]\n\t"
		     "mov $0x18, %%eax\n\t"
		     "mov %%eax, %%ds\n\t"
		     "mov %%eax, %%es\n\t"
		     "mov %%eax, %%ss\n\t"
		     "pushq $0x10\n\t"
		     "push %[entry]\n\t"
		     "lretq"
		     :
		     : [gdt] "m"(pointer), [entry] "r"(entry), "S"(zero_page)
		     : "rax", "memory");
	__builtin_unreachable();
}

/* Where the digits of the TSC go; NULL when the command line has no place for them. */
static uint8_t *entry_digits(uint8_t *cmdline, uint64_t size)
{
	for (uint64_t i = 0; i + ENTRY_LEN + 16 <= size; i++)
		if (!memcmp(cmdline + i, ENTRY_WORD, ENTRY_LEN))
			return cmdline + i + ENTRY_LEN;
	fw_print("bare: no %s in the command line\n", ENTRY_WORD);
	return NULL;
}

static void tsc_note(uint8_t *digits)
{
	uint32_t lo, hi;
	uint64_t tsc;

	asm volatile("rdtsc" : "=a"(lo), "=d"(hi));
	tsc = (uint64_t)hi << 32 | lo;
	for (unsigned i = 0; i < 16; i++)
		digits[i] = (uint8_t) "0123456789abcdef"[tsc >> (60 - 4 * i) & 15];
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *system)
{
	uint64_t initrd_size, cmdline_size;
	uint8_t *zero_page, *initrd, *cmdline, *digits;
	EFI_FILE_HANDLE root;
	struct memmap map;
	void *entry;

	fw_init(system);
	if (EFI_ERROR(files_open_volume(image, &root)))
		return EFI_LOAD_ERROR;
	map_buffer = pages_take(MAP_ROOM);
	zero_page = pages_take(PAGE_SIZE);
	if (!map_buffer || !zero_page)
		return EFI_OUT_OF_RESOURCES;
	entry = kernel_place(root, zero_page);
	initrd = file_place(root, L"\\pagurus\\files\\initrd-bench.img", &initrd_size);
	cmdline = file_place(root, L"\\pagurus\\host.conf", &cmdline_size);
	digits = cmdline ? entry_digits(cmdline, cmdline_size) : NULL;
	if (!entry || !initrd || !digits)
		return EFI_LOAD_ERROR;
	put(zero_page, ZP_TYPE_OF_LOADER, 0xff, 1);
	put(zero_page, ZP_RAMDISK_IMAGE, (uintptr_t)initrd, 4);
	put(zero_page, ZP_RAMDISK_SIZE, initrd_size, 4);
	put(zero_page, ZP_CMD_LINE_PTR, (uintptr_t)cmdline, 4);
	fw_print("bare: leaving firmware\n");
	if (EFI_ERROR(leave(image, &map)))
		return EFI_LOAD_ERROR;
	e820_fill(zero_page, &map);
	tsc_note(digits);
	jump(entry, zero_page);
}
