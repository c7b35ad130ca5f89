/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The few facts the host takes from ACPI: where the I/O APIC is, and the CPUs
 * where the loader could not ask the firmware. Absent ACPI is normal (the lab's
 * Bochs has none): defaults stand.
 */
#ifndef KERNEL_ACPI_H
#define KERNEL_ACPI_H

#include "boot/handoff.h"
#include "kernel/lib/base.h"

struct acpi_facts {
	bool present;
	hpa_t ioapic; /* the first I/O APIC's registers */
	uint32_t cpu_count;
	uint32_t apic_ids[HANDOFF_MAX_CPUS];
};

/* Tables are read through the direct map; damaged ones are skipped with a warning. */
void acpi_read(hpa_t rsdp, struct acpi_facts *out);

#endif
