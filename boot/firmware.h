/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The loader's view of UEFI: the two tables, pages, and words on the console.
 * Valid until boot services are left.
 */
#ifndef BOOT_FIRMWARE_H
#define BOOT_FIRMWARE_H

#include <efi.h>
#include "kernel/lib/base.h"

extern EFI_SYSTEM_TABLE *fw_system;
extern EFI_BOOT_SERVICES *fw_boot;

void fw_init(EFI_SYSTEM_TABLE *system);

/* Formats (kernel/lib/format.h) to the firmware's console; '\n' ends a line. */
void fw_print(const char *fmt, ...) printf_like(1, 2);

/* Words for the status codes that a loader meets; never NULL. */
const char *fw_status_text(EFI_STATUS status);

/*
 * size bytes in whole pages of type EfiLoaderData, anywhere, contents
 * undefined; NULL when there are none. At least one page, so that an empty
 * file has an address too.
 */
void *must_check fw_pages_alloc(uint64_t size);
/*
 * As fw_pages_alloc, below 4 GiB and aligned to align bytes (a power of two, at
 * least 4 KiB): for what a CPU must reach before it is in 64-bit mode.
 */
void *must_check fw_pages_alloc_low(uint64_t size, uint64_t align);
/* size as it was asked for; NULL is fine. */
void fw_pages_free(void *pages, uint64_t size);

#endif
