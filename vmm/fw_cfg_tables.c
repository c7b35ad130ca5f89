/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ACPI and SMBIOS tables as fw_cfg files. Firmware decides where they lie, so ACPI
 * comes with a script of what to mend: QEMU, hw/acpi/bios-linker-loader.c describes
 * its commands. SMBIOS: DMTF DSP0134, "SMBIOS Entry Point" and "System Information".
 */
#include "kernel/lib/string.h"
#include "kernel/log.h"
#include "kernel/mem.h"
#include "vmm/acpi_tables.h"
#include "vmm/fw_cfg_items.h"
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

/* ---- SMBIOS --------------------------------------------------------------------------- */

#define SMBIOS_SYSTEM	  1
#define SMBIOS_SYSTEM_LEN 27
#define SMBIOS_END	  127
#define SMBIOS_END_LEN	  4
#define SMBIOS_ANCHOR_LEN 31
#define SMBIOS_DMI_AT	  16 /* the inner anchor, with a checksum of its own */
#define WAKE_UP_POWER	  6  /* power switch */

static const char system_strings[] = "Pagurus\0Virtual Machine\0";

static uint8_t sum(const uint8_t *p, size_t len)
{
	uint8_t s = 0;

	while (len--)
		s += *p++;
	return s;
}

/* DSP0134, "System - UUID": the first three fields are little-endian. */
static void put_uuid(uint8_t *p, const uint8_t uuid[16])
{
	static const uint8_t order[16] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};

	for (unsigned i = 0; i < 16; i++)
		p[i] = uuid[order[i]];
}

static void write_structures(uint8_t *p, const struct vm *vm, size_t system_len)
{
	memset(p, 0, system_len + SMBIOS_END_LEN + 2);
	p[0] = SMBIOS_SYSTEM;
	p[1] = SMBIOS_SYSTEM_LEN;
	p[2] = 1; /* handle */
	p[4] = 1; /* manufacturer: string 1 */
	p[5] = 2; /* product */
	put_uuid(p + 8, vm->cfg.uuid);
	p[24] = WAKE_UP_POWER;
	memcpy(p + SMBIOS_SYSTEM_LEN, system_strings, sizeof(system_strings));
	p += system_len;
	p[0] = SMBIOS_END;
	p[1] = SMBIOS_END_LEN;
	p[2] = 2;
}

/* The table's address is 0: firmware puts in where it copied the table to. */
static void write_anchor(uint8_t *p, uint16_t table_len, uint16_t largest)
{
	memset(p, 0, SMBIOS_ANCHOR_LEN);
	memcpy(p, "_SM_", 4);
	p[5] = SMBIOS_ANCHOR_LEN;
	p[6] = 2; /* version 2.8 */
	p[7] = 8;
	put(p + 8, largest, 2);
	memcpy(p + SMBIOS_DMI_AT, "_DMI_", 5);
	put(p + 22, table_len, 2);
	put(p + 28, 2, 2); /* structures */
	p[30] = 0x28;
	p[21] = -sum(p + SMBIOS_DMI_AT, SMBIOS_ANCHOR_LEN - SMBIOS_DMI_AT);
	p[4] = -sum(p, SMBIOS_ANCHOR_LEN);
}

void fw_cfg_add_smbios(struct fw_cfg_items *items, const struct vm *vm)
{
	const size_t system_len = SMBIOS_SYSTEM_LEN + sizeof(system_strings);
	const size_t table_len = system_len + SMBIOS_END_LEN + 2;
	uint8_t *p = fw_cfg_add_file(items, "etc/smbios/smbios-anchor", SMBIOS_ANCHOR_LEN);

	if (p)
		write_anchor(p, table_len, system_len);
	p = fw_cfg_add_file(items, "etc/smbios/smbios-tables", table_len);
	if (p)
		write_structures(p, vm, system_len);
}
