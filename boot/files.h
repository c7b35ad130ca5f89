/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading the volume that the loader came from into pages. */
#ifndef BOOT_FILES_H
#define BOOT_FILES_H

#include "boot/firmware.h"
#include "boot/handoff.h"

/* The root folder of the volume that holds image; words on the console when it fails. */
EFI_STATUS files_open_volume(EFI_HANDLE image, EFI_FILE_HANDLE *root);

/*
 * Reads the file at path (firmware's notation, L"\\pagurus\\...") whole into new
 * pages. EFI_NOT_FOUND and EFI_OUT_OF_RESOURCES as such; *base is 4 KiB-aligned.
 */
EFI_STATUS files_read(EFI_FILE_HANDLE root, const CHAR16 *path, uint64_t limit, void **base,
		      uint64_t *size);

/*
 * Reads host.conf and all below vms and files into handoff->files. A file that
 * cannot be read is named on the console and left out: the host shall come up,
 * and the kernel names the VM that lacks it.
 */
void files_collect(EFI_FILE_HANDLE root, struct handoff *handoff);

#endif
