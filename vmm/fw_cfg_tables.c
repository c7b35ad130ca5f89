/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ACPI and SMBIOS tables as fw_cfg files. Firmware decides where they lie, so ACPI
 * comes with a script of what to mend: QEMU, hw/acpi/bios-linker-loader.c describes
 * its commands.
 */
#include "kernel/lib/string.h"
#include "kernel/log.h"
#include "kernel/mem.h"
#include "vmm/acpi_tables.h"
#include "vmm/fw_cfg_items.h"
#include "vmm/smbios.h"
#include "vmm/vm.h"

#define TABLES_FILE "etc/acpi/tables"
#define RSDP_FILE   "etc/acpi/rsdp"
#define TABLES_MAX  0x2000

/* The script: commands of 128 bytes, file names in 56 */
#define COMMAND_LEN	128
#define COMMAND_ALLOC	1
#define COMMAND_POINTER 2
#define COMMAND_SUM	3
#define ZONE_HIGH	1
#define ZONE_FSEG	2 /* 0xF0000-0xFFFFF, where an RSDP is looked for */

struct script {
	uint8_t *p, *end;
};

static void put(uint8_t *p, uint64_t value, size_t size)
{
	memcpy(p, &value, size);
}

static uint8_t *command(struct script *s, uint32_t number, const char *file)
{
	uint8_t *p = s->p;

	ASSERT(s->end - s->p >= COMMAND_LEN);
	s->p += COMMAND_LEN;
	memset(p, 0, COMMAND_LEN);
	put(p, number, 4);
	memcpy(p + 4, file, strlen(file));
	return p + 4 + FW_CFG_NAME_LEN;
}

static void command_alloc(struct script *s, const char *file, uint32_t align, uint8_t zone)
{
	uint8_t *p = command(s, COMMAND_ALLOC, file);

	put(p, align, 4);
	p[4] = zone;
}

/* Add the address at which the tables lie to a field of file. */
static void command_pointer(struct script *s, const char *file, uint32_t at, uint32_t size)
{
	uint8_t *p = command(s, COMMAND_POINTER, file);

	memcpy(p, TABLES_FILE, sizeof(TABLES_FILE));
	put(p + FW_CFG_NAME_LEN, at, 4);
	p[FW_CFG_NAME_LEN + 4] = size;
}

static void command_sum(struct script *s, const char *file, uint32_t checksum_at, uint32_t start,
			uint32_t len)
{
	uint8_t *p = command(s, COMMAND_SUM, file);

	put(p, checksum_at, 4);
	put(p + 4, start, 4);
	put(p + 8, len, 4);
}

static void write_script(struct script *s, const struct acpi_fixups *fix)
{
	command_alloc(s, RSDP_FILE, 16, ZONE_FSEG);
	command_alloc(s, TABLES_FILE, 64, ZONE_HIGH);
	for (unsigned i = 0; i < fix->link_count; i++)
		command_pointer(s, TABLES_FILE, fix->link[i].at, fix->link[i].size);
	command_pointer(s, RSDP_FILE, ACPI_RSDP_XSDT, 8);
	for (unsigned i = 0; i < fix->table_count; i++)
		command_sum(s, TABLES_FILE, fix->table[i].at + ACPI_SDT_CHECKSUM, fix->table[i].at,
			    fix->table[i].len);
	command_sum(s, RSDP_FILE, ACPI_RSDP_CHECKSUM, 0, ACPI_RSDP_SIZE);
}

void fw_cfg_add_acpi(struct fw_cfg_items *items, const struct vm *vm)
{
	struct acpi_fixups fix = {0};
	uint8_t rsdp[ACPI_RSDP_SIZE], *buf = kzalloc(TABLES_MAX), *p;
	int len = buf ? acpi_tables_build(vm->cfg.vcpus, 0, buf, TABLES_MAX, rsdp, &fix) : 0;

	if (len <= 0) {
		items->full = true;
		kfree(buf);
		return;
	}
	p = fw_cfg_add_file(items, RSDP_FILE, sizeof(rsdp));
	if (p)
		memcpy(p, rsdp, sizeof(rsdp));
	p = fw_cfg_add_file(items, TABLES_FILE, len);
	if (p)
		memcpy(p, buf, len);
	kfree(buf);
	len = (4 + fix.link_count + fix.table_count) * COMMAND_LEN;
	p = fw_cfg_add_file(items, "etc/table-loader", len);
	if (p)
		write_script(&(struct script){p, p + len}, &fix);
}

void fw_cfg_add_smbios(struct fw_cfg_items *items, const struct vm *vm)
{
	uint8_t anchor[SMBIOS_ANCHOR_LEN], table[SMBIOS_TABLE_MAX], *p;
	unsigned len = smbios_build(vm->cfg.uuid, 0, anchor, table);

	p = fw_cfg_add_file(items, "etc/smbios/smbios-anchor", sizeof(anchor));
	if (p)
		memcpy(p, anchor, sizeof(anchor));
	p = fw_cfg_add_file(items, "etc/smbios/smbios-tables", len);
	if (p)
		memcpy(p, table, len);
}
