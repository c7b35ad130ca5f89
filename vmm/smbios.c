/* SPDX-License-Identifier: BSD-2-Clause */
/* Builds the SMBIOS anchor and its two structures, "System Information" and the end. */
#include "vmm/smbios.h"
#include "kernel/lib/string.h"
#include "vmm/guest_map.h"
#include "vmm/vm.h"

#define TYPE_SYSTEM	1
#define TYPE_SYSTEM_LEN 27
#define TYPE_END	127
#define TYPE_END_LEN	4
#define DMI_ANCHOR	16   /* the inner anchor, with a checksum of its own */
#define WAKE_UP_POWER	6    /* power switch */
#define TABLE_AT	0x20 /* behind the anchor, in guest memory */

/* A structure's strings; the last one ends twice. */
static const char system_strings[] = "Pagurus\0Virtual Machine\0";

static const size_t system_len = TYPE_SYSTEM_LEN + sizeof(system_strings);
static const size_t table_len = TYPE_SYSTEM_LEN + sizeof(system_strings) + TYPE_END_LEN + 2;

static void put(uint8_t *p, uint64_t value, size_t size)
{
	memcpy(p, &value, size);
}

static uint8_t sum(const uint8_t *p, size_t len)
{
	uint8_t s = 0;

	while (len--)
		s += *p++;
	return s;
}

/* "System - UUID": the first three fields are little-endian. */
static void put_uuid(uint8_t *p, const uint8_t uuid[16])
{
	static const uint8_t order[16] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};

	for (unsigned i = 0; i < 16; i++)
		p[i] = uuid[order[i]];
}

static void build_table(uint8_t *p, const uint8_t uuid[16])
{
	memset(p, 0, SMBIOS_TABLE_MAX);
	p[0] = TYPE_SYSTEM;
	p[1] = TYPE_SYSTEM_LEN;
	p[2] = 1; /* handle */
	p[4] = 1; /* manufacturer: string 1 */
	p[5] = 2; /* product */
	put_uuid(p + 8, uuid);
	p[24] = WAKE_UP_POWER;
	memcpy(p + TYPE_SYSTEM_LEN, system_strings, sizeof(system_strings));
	p += system_len;
	p[0] = TYPE_END;
	p[1] = TYPE_END_LEN;
	p[2] = 2;
}

static void build_anchor(uint8_t *p, uint32_t base)
{
	memset(p, 0, SMBIOS_ANCHOR_LEN);
	memcpy(p, "_SM_", 4);
	p[5] = SMBIOS_ANCHOR_LEN;
	p[6] = 2; /* version 2.8 */
	p[7] = 8;
	put(p + 8, system_len, 2); /* the largest structure */
	memcpy(p + DMI_ANCHOR, "_DMI_", 5);
	put(p + 22, table_len, 2);
	put(p + 24, base, 4);
	put(p + 28, 2, 2); /* structures */
	p[30] = 0x28;
	p[21] = -sum(p + DMI_ANCHOR, SMBIOS_ANCHOR_LEN - DMI_ANCHOR);
	p[4] = -sum(p, SMBIOS_ANCHOR_LEN);
}

unsigned smbios_build(const uint8_t uuid[16], uint32_t base, uint8_t anchor[SMBIOS_ANCHOR_LEN],
		      uint8_t table[SMBIOS_TABLE_MAX])
{
	_Static_assert(sizeof(system_strings) + TYPE_SYSTEM_LEN + TYPE_END_LEN + 2 <=
			   SMBIOS_TABLE_MAX,
		       "room for the table");
	build_anchor(anchor, base);
	build_table(table, uuid);
	return table_len;
}

int smbios_write(struct vm *vm)
{
	uint8_t anchor[SMBIOS_ANCHOR_LEN], table[SMBIOS_TABLE_MAX];
	unsigned len = smbios_build(vm->cfg.uuid, GUEST_SMBIOS + TABLE_AT, anchor, table);
	int err = guest_mem_write(vm, GUEST_SMBIOS, anchor, sizeof(anchor));

	return err ? err : guest_mem_write(vm, GUEST_SMBIOS + TABLE_AT, table, len);
}
