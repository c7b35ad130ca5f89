/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The guest-physical address map: what the loaders put where before a guest
 * runs, and the windows of the platform. All addresses in bytes.
 */
#ifndef VMM_GUEST_MAP_H
#define VMM_GUEST_MAP_H

#include "vmm/guest_mem.h"

/* Used only until the guest's kernel has its own; free RAM by the memory map. */
#define GUEST_BOOT_GDT	       0x1000ull
#define GUEST_BOOT_ZERO_PAGE   0x8000ull /* Linux "boot_params", 4 KiB */
#define GUEST_BOOT_PML4	       0x9000ull
#define GUEST_BOOT_PDPT	       0xa000ull
#define GUEST_BOOT_PD	       0xb000ull /* four pages: identity map of 4 GiB by 2 MiB pages */
#define GUEST_BOOT_CMDLINE     0x20000ull
#define GUEST_BOOT_CMDLINE_MAX 4096 /* bytes, NUL included */

/* Below 1 MiB: RAM up to the EBDA, then reserved, with the ACPI tables inside. */
#define GUEST_LOW_RAM_END      0x9f000ull
#define GUEST_ACPI_TABLES      0xe0000ull
#define GUEST_ACPI_TABLES_SIZE 0x10000ull
#define GUEST_RSDP	       0xf0000ull
#define GUEST_SMBIOS	       0xf0040ull /* the anchor, then the table */
#define GUEST_BIOS	       0xe0000ull /* with firmware: the end of its ROM, in RAM */
#define GUEST_BIOS_SIZE	       0x20000ull
#define GUEST_HIGH_RAM	       0x100000ull /* RAM goes on here, up to GUEST_LOW_MAX at most */

/* The MMIO hole: GUEST_LOW_MAX .. GUEST_HIGH_MIN. */
#define GUEST_PCI_MMIO	    0xc0000000ull
#define GUEST_PCI_MMIO_END  0xfec00000ull /* exclusive */
#define GUEST_IOAPIC	    0xfec00000ull
#define GUEST_LAPIC	    0xfee00000ull
#define GUEST_APIC_REG_SIZE 0x1000ull
#define GUEST_GENERATION    0xfef00000ull  /* one page of memory: the VM generation id */
#define GUEST_TEST_RAM	    0xff000000ull  /* the test device's, where there is one */
#define GUEST_ROM_END	    GUEST_HIGH_MIN /* firmware's ROM lies below, up to here */

/* Ports: power management block (ACPI), PCI configuration mechanism 1. */
#define GUEST_PM1_EVT	 0x600
#define GUEST_PM1_CNT	 0x604
#define GUEST_PM_TMR	 0x608
#define GUEST_GPE0	 0x60c
#define GUEST_PCI_ADDR	 0xcf8
#define GUEST_RESET_PORT 0xcf9
#define GUEST_PCI_DATA	 0xcfc
#define GUEST_PCI_IO	 0xd000 /* I/O BARs: 0xD000-0xFFFF */

#define GUEST_SCI_GSI	   9
#define GUEST_PCI_GSI_BASE 16 /* INTA of slot n: 16 + n % 8 */
#define GUEST_PCI_GSIS	   8

/* End of the RAM below the MMIO hole. */
static inline gpa_t guest_low_end(const struct guest_mem *m)
{
	return MIN(m->size, GUEST_LOW_MAX);
}

#endif
