/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The SMBIOS tables of a guest: who made it, and its UUID.
 * Source: DMTF DSP0134, "SMBIOS Entry Point Structure" and "System Information".
 */
#ifndef VMM_SMBIOS_H
#define VMM_SMBIOS_H

#include "kernel/lib/base.h"

struct vm;

#define SMBIOS_ANCHOR_LEN 31
#define SMBIOS_TABLE_MAX  64

/*
 * The anchor, and the table that will lie at guest address base (0: firmware says
 * where, and mends the anchor). Returns the table's bytes.
 */
unsigned smbios_build(const uint8_t uuid[16], uint32_t base, uint8_t anchor[SMBIOS_ANCHOR_LEN],
		      uint8_t table[SMBIOS_TABLE_MAX]);
/* For guests without firmware: into memory at GUEST_SMBIOS, where they look. 0, -E_RANGE. */
int must_check smbios_write(struct vm *vm);

#endif
