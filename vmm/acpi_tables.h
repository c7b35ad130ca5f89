/* SPDX-License-Identifier: BSD-2-Clause */
/* The ACPI tables that a guest finds: RSDP, XSDT, FADT, FACS, MADT, DSDT (vmm/dsdt.asl). */
#ifndef VMM_ACPI_TABLES_H
#define VMM_ACPI_TABLES_H

#include "kernel/lib/base.h"

struct vm;

#define ACPI_RSDP_SIZE	   36
#define ACPI_RSDP_XSDT	   24 /* address of the XSDT, 8 bytes */
#define ACPI_RSDP_CHECKSUM 32 /* over the whole RSDP */
#define ACPI_SDT_CHECKSUM  9

/* What guest firmware must mend when it puts the tables elsewhere; offsets into the tables. */
struct acpi_fixups {
	struct acpi_link {
		uint32_t at, size; /* a field that holds a table's address */
	} link[8];
	struct acpi_table_at {
		uint32_t at, len; /* a table with such links, or none, but with a checksum */
	} table[8];
	unsigned link_count, table_count;
};

/*
 * Build all tables but the RSDP into buf (room bytes), as they will stand at
 * guest address base, and the RSDP into rsdp. fix (zeroed before; may be NULL) gets
 * what depends on base. Returns the bytes used, or -E_NOSPC.
 * Source: ACPI 4.0, "ACPI Software Programming Model".
 */
int must_check acpi_tables_build(unsigned vcpus, uint64_t base, uint8_t *buf, size_t room,
				 uint8_t rsdp[ACPI_RSDP_SIZE], struct acpi_fixups *fix);

/*
 * Write them into the VM's memory at GUEST_ACPI_TABLES and GUEST_RSDP, before
 * it starts. 0, -E_NOMEM, -E_NOSPC, -E_RANGE.
 */
int must_check acpi_tables_write(struct vm *vm);

#endif
