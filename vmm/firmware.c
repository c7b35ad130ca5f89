/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The guest's ROM. It is no part of the guest's RAM: it never changes, and at the
 * target of a move it is made anew from the image, which came with the VM.
 */
#include "vmm/firmware.h"
#include "arch/x86/virt.h"
#include "kernel/files.h"
#include "kernel/lib/string.h"
#include "kernel/log.h"
#include "kernel/mem.h"
#include "vmm/guest_map.h"
#include "vmm/vm.h"

#define ROM_UNIT (64 * KiB)
#define ROM_MAX	 (1 * MiB)

static unsigned rom_order(uint64_t size)
{
	unsigned order = 0;

	while (PAGE_SIZE << order < size)
		order++;
	return order;
}

static const struct file *find_image(struct vm *vm)
{
	const struct file *f = files_find(vm->cfg.kernel);

	if (!f)
		log_error("vm %s: firmware '%s' is not in the file pool", vm->cfg.name,
			  vm->cfg.kernel);
	return f;
}

int firmware_map(struct vm *vm)
{
	const struct file *f;

	if (!vm->cfg.firmware)
		return 0;
	f = find_image(vm);
	if (!f)
		return -E_NOENT;
	if (f->size < GUEST_BIOS_SIZE || f->size > ROM_MAX || f->size % ROM_UNIT) {
		log_error("vm %s: firmware '%s' has %lu bytes, expected a multiple of 64 KiB from "
			  "128 KiB to 1 MiB, as Debian's seabios package has in bios-256k.bin",
			  vm->cfg.name, f->path, f->size);
		return -E_INVAL;
	}
	vm->rom = pages_alloc(rom_order(f->size));
	if (!vm->rom)
		return -E_NOMEM;
	vm->rom_size = f->size;
	memcpy(vm->rom, f->data, f->size);
	return slat_map_rom(vm->slat, GUEST_ROM_END - f->size, virt_to_hpa(vm->rom), f->size);
}

int firmware_shadow(struct vm *vm)
{
	return guest_mem_write(vm, GUEST_BIOS, vm->rom + vm->rom_size - GUEST_BIOS_SIZE,
			       GUEST_BIOS_SIZE);
}

void firmware_free(struct vm *vm)
{
	if (vm->rom)
		pages_free(vm->rom, rom_order(vm->rom_size));
	vm->rom = NULL;
	vm->rom_size = 0;
}
