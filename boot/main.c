/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * BOOTX64.EFI: reads the hypervisor and its files from the volume it came from,
 * collects what only firmware knows, and hands over as boot/handoff.h says.
 * Whatever goes wrong before that is said on the console, and firmware goes on.
 */
#include "boot/elf.h"
#include "boot/files.h"
#include "boot/firmware.h"
#include "boot/handoff.h"
#include "boot/leave.h"
#include "boot/platform.h"
#include "kernel/lib/format.h"
#include "kernel/lib/string.h"

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *system);

/* Places the checked ELF image in one aligned block. */
static EFI_STATUS main_place_kernel(const void *file, uint64_t size, struct handoff *handoff,
				    uint64_t *entry)
{
	struct elf_plan plan;
	const char *why;
	char words[16];
	void *block;

	if (elf_plan_make(file, size, &plan, &why)) {
		fw_print("pagurus: \\pagurus\\pagurus.elf refused: %s\n", why);
		return EFI_LOAD_ERROR;
	}
	block = fw_pages_alloc_low(plan.block_size, ELF_BLOCK_ALIGN);
	if (!block) {
		fw_print("pagurus: no %s of contiguous memory below 4 GiB for the hypervisor\n",
			 format_size(words, plan.block_size));
		return EFI_OUT_OF_RESOURCES;
	}
	elf_plan_load(&plan, file, block);
	handoff->kernel_phys = (uintptr_t)block;
	handoff->kernel_size = plan.block_size;
	*entry = plan.entry;
	fw_print("pagurus: hypervisor, %s at 0x%llx\n", format_size(words, plan.block_size),
		 (unsigned long long)handoff->kernel_phys);
	return EFI_SUCCESS;
}

static EFI_STATUS main_load_kernel(EFI_FILE_HANDLE root, struct handoff *handoff, uint64_t *entry)
{
	EFI_STATUS status;
	uint64_t size = 0;
	void *file;

	status = files_read(root, L"\\pagurus\\pagurus.elf", ELF_MAX_FILE, &file, &size);
	if (EFI_ERROR(status)) {
		fw_print("pagurus: cannot read \\pagurus\\pagurus.elf: %s\n",
			 fw_status_text(status));
		return status;
	}
	status = main_place_kernel(file, size, handoff, entry);
	fw_pages_free(file, size);
	return status;
}

/* Firmware may boot something else now: it gets its memory back. */
static void main_give_back(struct handoff *handoff)
{
	for (unsigned i = 0; i < handoff->file_count; i++)
		fw_pages_free((void *)(uintptr_t)handoff->files[i].base, handoff->files[i].size);
	if (handoff->kernel_size)
		fw_pages_free((void *)(uintptr_t)handoff->kernel_phys, handoff->kernel_size);
	fw_pages_free(handoff, sizeof(*handoff));
}

static EFI_STATUS main_collect(EFI_HANDLE image, struct handoff *handoff, uint64_t *entry)
{
	EFI_FILE_HANDLE root;
	EFI_STATUS status = files_open_volume(image, &root);

	if (EFI_ERROR(status))
		return status;
	status = main_load_kernel(root, handoff, entry);
	if (!EFI_ERROR(status)) {
		files_collect(root, handoff);
		platform_find_tables(handoff);
		platform_find_cpus(handoff);
		platform_gather_entropy(handoff);
	}
	root->Close(root);
	return status;
}

/* Returns only on failure. */
EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *system)
{
	struct handoff *handoff;
	EFI_STATUS status;
	uint64_t entry;

	fw_init(system);
	fw_print("pagurus: loader\n");
	handoff = fw_pages_alloc(sizeof(*handoff));
	if (!handoff) {
		fw_print("pagurus: out of memory\n");
		return EFI_OUT_OF_RESOURCES;
	}
	memset(handoff, 0, sizeof(*handoff));
	handoff->magic = HANDOFF_MAGIC;
	handoff->version = HANDOFF_VERSION;
	status = main_collect(image, handoff, &entry);
	if (!EFI_ERROR(status))
		status = leave_firmware(image, handoff, entry);
	main_give_back(handoff);
	return status;
}
