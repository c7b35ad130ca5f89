/* SPDX-License-Identifier: BSD-2-Clause */
/* The last steps under firmware: memory map, page tables, and the way out. */
#ifndef BOOT_LEAVE_H
#define BOOT_LEAVE_H

#include "boot/firmware.h"
#include "boot/handoff.h"

/*
 * Leaves boot services and calls entry with handoff's physical address. Fills
 * handoff->mem. Returns only if the firmware refuses, with its status.
 */
EFI_STATUS leave_firmware(EFI_HANDLE image, struct handoff *handoff, uint64_t entry);

#endif
