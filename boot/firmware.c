/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Thin helpers over UEFI boot services. Only ConOut is written: where a serial
 * console exists the firmware sends ConOut there as well.
 */
#include "boot/firmware.h"
#include "kernel/lib/format.h"
#include "kernel/lib/string.h"

EFI_SYSTEM_TABLE *fw_system;
EFI_BOOT_SERVICES *fw_boot;

void fw_init(EFI_SYSTEM_TABLE *system)
{
	fw_system = system;
	fw_boot = system->BootServices;
	/* the firmware would reset after five minutes; slow media may take longer */
	fw_boot->SetWatchdogTimer(0, 0, 0, NULL);
}

void fw_print(const char *fmt, ...)
{
	char text[256];
	CHAR16 wide[2 * sizeof(text)];
	size_t n = 0;
	va_list ap;

	va_start(ap, fmt);
	kvsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	for (const char *c = text; *c; c++) {
		if (*c == '\n')
			wide[n++] = '\r';
		wide[n++] = (CHAR16)(uint8_t)*c;
	}
	wide[n] = 0;
	if (fw_system->ConOut)
		fw_system->ConOut->OutputString(fw_system->ConOut, wide);
}

const char *fw_status_text(EFI_STATUS status)
{
	switch (status) {
	case EFI_SUCCESS:
		return "success";
	case EFI_LOAD_ERROR:
		return "load error";
	case EFI_INVALID_PARAMETER:
		return "invalid parameter";
	case EFI_UNSUPPORTED:
		return "unsupported";
	case EFI_BUFFER_TOO_SMALL:
		return "buffer too small";
	case EFI_DEVICE_ERROR:
		return "device error";
	case EFI_OUT_OF_RESOURCES:
		return "out of memory";
	case EFI_VOLUME_CORRUPTED:
		return "file system damaged";
	case EFI_NO_MEDIA:
		return "no medium";
	case EFI_MEDIA_CHANGED:
		return "medium changed";
	case EFI_NOT_FOUND:
		return "not found";
	case EFI_ACCESS_DENIED:
		return "access denied";
	default:
		return "firmware error";
	}
}

static uint64_t fw_page_count(uint64_t size)
{
	return size ? ALIGN_UP(size, PAGE_SIZE) >> PAGE_SHIFT : 1;
}

static void *fw_pages_take(EFI_ALLOCATE_TYPE where, EFI_PHYSICAL_ADDRESS limit, uint64_t size)
{
	EFI_PHYSICAL_ADDRESS addr = limit;
	EFI_STATUS status;

	if (size > UINT64_MAX - PAGE_SIZE)
		return NULL;
	status = fw_boot->AllocatePages(where, EfiLoaderData, fw_page_count(size), &addr);
	return EFI_ERROR(status) ? NULL : (void *)(uintptr_t)addr;
}

void *fw_pages_alloc(uint64_t size)
{
	return fw_pages_take(AllocateAnyPages, 0, size);
}

void *fw_pages_alloc_low(uint64_t size, uint64_t align)
{
	uint64_t used = fw_page_count(size) << PAGE_SHIFT, spare = align - PAGE_SIZE, skip;
	uint8_t *all = fw_pages_take(AllocateMaxAddress, 4 * GiB - 1, used + spare);

	if (!all)
		return NULL;
	/* UEFI aligns to 4 KiB only: take too much, give back both ends */
	skip = -(uintptr_t)all & (align - 1);
	if (skip)
		fw_pages_free(all, skip);
	if (spare > skip)
		fw_pages_free(all + skip + used, spare - skip);
	return all + skip;
}

void fw_pages_free(void *pages, uint64_t size)
{
	if (pages)
		fw_boot->FreePages((uintptr_t)pages, fw_page_count(size));
}
