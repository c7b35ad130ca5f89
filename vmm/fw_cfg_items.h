/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What fw_cfg tells of a VM, made from its configuration alone: the same at both
 * ends of a move. Numbers little-endian, the file directory big-endian.
 * Source: QEMU, docs/specs/fw_cfg.rst.
 */
#ifndef VMM_FW_CFG_ITEMS_H
#define VMM_FW_CFG_ITEMS_H

#include "kernel/lib/base.h"

struct vm;

#define FW_CFG_SIGNATURE 0x00 /* "QEMU" */
#define FW_CFG_ID	 0x01 /* 4 bytes: FW_CFG_ID_* */
#define FW_CFG_UUID	 0x02
#define FW_CFG_RAM_SIZE	 0x03 /* 8 bytes */
#define FW_CFG_NB_CPUS	 0x05 /* 2 bytes */
#define FW_CFG_BOOT_MENU 0x0e /* 2 bytes: 0, boot without asking */
#define FW_CFG_MAX_CPUS	 0x0f /* 2 bytes */
#define FW_CFG_FILE_DIR	 0x19
#define FW_CFG_FILES	 0x20 /* the first file's key */

#define FW_CFG_ID_PORTS 1
#define FW_CFG_ID_DMA	2

#define FW_CFG_NAME_LEN	 56
#define FW_CFG_ITEMS_MAX 24
#define FW_CFG_BLOB_MAX	 0x8000u /* bytes of all items together */

struct fw_cfg_items {
	unsigned count, files;
	uint32_t used;
	bool full;
	struct {
		uint16_t key;
		uint32_t at, len; /* in blob */
		char name[FW_CFG_NAME_LEN];
	} item[FW_CFG_ITEMS_MAX];
	uint8_t blob[FW_CFG_BLOB_MAX];
};

/* One allocation, freed with kfree. 0, -E_NOMEM, -E_NOSPC. */
int must_check fw_cfg_items_build(struct vm *vm, struct fw_cfg_items **out);
/* An item's bytes, and their number; NULL and 0 when there is no such item. */
const uint8_t *fw_cfg_items_find(const struct fw_cfg_items *items, uint16_t key, uint32_t *len);

/* ---- between the files that make the items ---- */

/* len bytes, filled by the caller; NULL when full (noted in items->full). */
uint8_t *fw_cfg_add(struct fw_cfg_items *items, uint16_t key, uint32_t len);
uint8_t *fw_cfg_add_file(struct fw_cfg_items *items, const char *name, uint32_t len);
/* "etc/acpi/tables", "etc/acpi/rsdp" and the "etc/table-loader" script. */
void fw_cfg_add_acpi(struct fw_cfg_items *items, const struct vm *vm);
/* "etc/smbios/smbios-tables" and "etc/smbios/smbios-anchor". */
void fw_cfg_add_smbios(struct fw_cfg_items *items, const struct vm *vm);

#endif
