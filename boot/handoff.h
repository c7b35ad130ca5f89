/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * All that the UEFI loader and the kernel share. The loader fills one struct
 * handoff, leaves boot services, and calls the kernel's ELF entry with its
 * physical address in RDI, in 64-bit mode, interrupts off, on page tables that
 * map all memory below 4 GiB and all RAM identically, the same again at
 * DIRECT_MAP, and the kernel's segments at their linked addresses.
 * Everything the loader allocated (kernel image, files, this struct, page
 * tables, stack) lies in regions of type HANDOFF_MEM_LOADER.
 */
#ifndef BOOT_HANDOFF_H
#define BOOT_HANDOFF_H

#include <stdint.h>

#define HANDOFF_MAGIC	0x5355525547415031ull /* "1PAGURUS" */
#define HANDOFF_VERSION 1

#define DIRECT_MAP  0xffff800000000000ull /* all of physical memory */
#define KERNEL_BASE 0xffffffff80000000ull /* linked address of the image */

#define HANDOFF_MAX_MEM	  512
#define HANDOFF_MAX_CPUS  64
#define HANDOFF_MAX_FILES 128
#define HANDOFF_PATH_LEN  128

enum handoff_mem_type {
	HANDOFF_MEM_RAM = 1,  /* free for the kernel (boot services memory included) */
	HANDOFF_MEM_LOADER,   /* RAM in use: image, files, this struct */
	HANDOFF_MEM_RESERVED, /* firmware, runtime services, ACPI NVS, unusable */
	HANDOFF_MEM_ACPI,     /* ACPI tables: readable, must stay */
	HANDOFF_MEM_MMIO,
};

struct handoff_mem {
	uint64_t base, size; /* bytes, 4 KiB aligned, sorted, not overlapping */
	uint32_t type;
	uint32_t pad;
};

/* A file below \pagurus\ on the ESP; path uses '/', without the leading "/pagurus/". */
struct handoff_file {
	char path[HANDOFF_PATH_LEN]; /* "host.conf", "vms/web/vm.conf" */
	uint64_t base, size;	     /* physical address (4 KiB aligned), bytes */
};

struct handoff {
	uint64_t magic;
	uint32_t version;
	uint32_t mem_count, cpu_count, file_count;
	uint64_t kernel_phys, kernel_size;   /* where KERNEL_BASE is loaded: one block */
	uint64_t rsdp;			     /* physical, 0 when the firmware has no ACPI */
	uint64_t smbios;		     /* physical, 0 when there is none */
	uint8_t entropy[32];		     /* EFI_RNG_PROTOCOL, else RDRAND, mixed with the TSC */
	uint32_t apic_ids[HANDOFF_MAX_CPUS]; /* usable CPUs, from MP services; [0] boots */
	struct handoff_mem mem[HANDOFF_MAX_MEM];
	struct handoff_file files[HANDOFF_MAX_FILES];
};

#endif
