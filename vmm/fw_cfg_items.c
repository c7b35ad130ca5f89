/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The list of fw_cfg items and the simple ones: processors, memory, boot order,
 * console. ACPI and SMBIOS tables are fw_cfg_tables.c's.
 */
#include "vmm/fw_cfg_items.h"
#include "kernel/lib/format.h"
#include "kernel/lib/string.h"
#include "kernel/mem.h"
#include "vmm/dev/vblk.h"
#include "vmm/guest_map.h"
#include "vmm/vm.h"

#define COM1_PORT      0x3f8
#define DIR_ENTRY_LEN  64
#define E820_ENTRY_LEN 20
#define E820_RAM       1
#define E820_RESERVED  2
#define PATH_LEN       40

static void put(uint8_t *p, uint64_t value, size_t size)
{
	memcpy(p, &value, size);
}

static void put_be32(uint8_t *p, uint32_t value)
{
	put(p, __builtin_bswap32(value), 4);
}

uint8_t *fw_cfg_add(struct fw_cfg_items *items, uint16_t key, uint32_t len)
{
	if (items->count == FW_CFG_ITEMS_MAX || len > FW_CFG_BLOB_MAX - items->used) {
		items->full = true;
		return NULL;
	}
	items->item[items->count].key = key;
	items->item[items->count].at = items->used;
	items->item[items->count].len = len;
	items->count++;
	items->used += len;
	return items->blob + items->used - len;
}

uint8_t *fw_cfg_add_file(struct fw_cfg_items *items, const char *name, uint32_t len)
{
	uint8_t *data = fw_cfg_add(items, FW_CFG_FILES + items->files, len);

	if (data) {
		items->files++;
		str_copy(items->item[items->count - 1].name, name, FW_CFG_NAME_LEN);
	}
	return data;
}

static void add_bytes(struct fw_cfg_items *items, uint16_t key, const void *data, uint32_t len)
{
	uint8_t *to = fw_cfg_add(items, key, len);

	if (to)
		memcpy(to, data, len);
}

static void add_number(struct fw_cfg_items *items, uint16_t key, uint64_t value, uint32_t len)
{
	add_bytes(items, key, &value, len);
}

static uint8_t *put_region(uint8_t *p, uint64_t base, uint64_t size, uint32_t type)
{
	put(p, base, 8);
	put(p + 8, size, 8);
	put(p + 16, type, 4);
	return p + E820_ENTRY_LEN;
}

/* What firmware cannot know: RAM, and our own page. It adds what it takes for itself. */
static void add_e820(struct fw_cfg_items *items, const struct vm *vm)
{
	uint64_t low = guest_low_end(&vm->mem), high = vm->mem.size - low;
	uint8_t *p = fw_cfg_add_file(items, "etc/e820", (high ? 3 : 2) * E820_ENTRY_LEN);

	if (!p)
		return;
	p = put_region(p, 0, low, E820_RAM);
	p = put_region(p, GUEST_GENERATION, PAGE_SIZE, E820_RESERVED);
	if (high)
		put_region(p, GUEST_HIGH_MIN, high, E820_RAM);
}

/* Open Firmware paths, a line each; the whole ends with a NUL. */
static void add_boot_order(struct fw_cfg_items *items, const struct vm *vm)
{
	char text[VM_MAX_DISKS * PATH_LEN + 1];
	int len = 0;

	for (unsigned i = 0; i < vm->cfg.disk_count; i++)
		len += ksnprintf(text + len, PATH_LEN, "/pci@i0cf8/scsi@%x/disk@0,0\n",
				 VBLK_FIRST_SLOT + i);
	text[len] = 0;
	uint8_t *p = fw_cfg_add_file(items, "bootorder", len + 1);

	if (p)
		memcpy(p, text, len + 1);
}

/* SeaBIOS mirrors its text screen to this port: the VM has no other. */
static void add_console(struct fw_cfg_items *items)
{
	uint8_t *p = fw_cfg_add_file(items, "etc/sercon-port", 2);

	if (p)
		put(p, COM1_PORT, 2);
}

/* After all files: count, then for each size, key, reserved, name. */
static void add_directory(struct fw_cfg_items *items)
{
	unsigned files = items->files, known = items->count;
	uint8_t *p = fw_cfg_add(items, FW_CFG_FILE_DIR, 4 + files * DIR_ENTRY_LEN);

	if (!p)
		return;
	put_be32(p, files);
	p += 4;
	for (unsigned i = 0; i < known; i++) {
		if (items->item[i].key < FW_CFG_FILES)
			continue;
		put_be32(p, items->item[i].len);
		put(p + 4, __builtin_bswap16(items->item[i].key), 2);
		memcpy(p + 8, items->item[i].name, FW_CFG_NAME_LEN);
		p += DIR_ENTRY_LEN;
	}
}

int fw_cfg_items_build(struct vm *vm, struct fw_cfg_items **out)
{
	struct fw_cfg_items *items = kzalloc(sizeof(*items));

	if (!items)
		return -E_NOMEM;
	add_bytes(items, FW_CFG_SIGNATURE, "QEMU", 4);
	add_number(items, FW_CFG_ID, FW_CFG_ID_PORTS | FW_CFG_ID_DMA, 4);
	add_bytes(items, FW_CFG_UUID, vm->cfg.uuid, sizeof(vm->cfg.uuid));
	add_number(items, FW_CFG_RAM_SIZE, vm->mem.size, 8);
	add_number(items, FW_CFG_NB_CPUS, vm->cfg.vcpus, 2);
	add_number(items, FW_CFG_BOOT_MENU, 0, 2);
	add_number(items, FW_CFG_MAX_CPUS, vm->cfg.vcpus, 2);
	add_boot_order(items, vm);
	fw_cfg_add_acpi(items, vm);
	add_e820(items, vm);
	add_console(items);
	fw_cfg_add_smbios(items, vm);
	add_directory(items);
	if (items->full) {
		kfree(items);
		return -E_NOSPC;
	}
	*out = items;
	return 0;
}

const uint8_t *fw_cfg_items_find(const struct fw_cfg_items *items, uint16_t key, uint32_t *len)
{
	for (unsigned i = 0; i < items->count; i++) {
		if (items->item[i].key != key)
			continue;
		*len = items->item[i].len;
		return items->blob + items->item[i].at;
	}
	*len = 0;
	return NULL;
}
