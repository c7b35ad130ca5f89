/* SPDX-License-Identifier: BSD-2-Clause */
/* What only firmware can tell about the machine: tables, CPUs, random bytes. */
#ifndef BOOT_PLATFORM_H
#define BOOT_PLATFORM_H

#include "boot/firmware.h"
#include "boot/handoff.h"

/* RSDP and SMBIOS entry points from the configuration table; 0 where absent. */
void platform_find_tables(struct handoff *handoff);

/* APIC ids of the usable CPUs, the booting one first; says so if some do not fit. */
void platform_find_cpus(struct handoff *handoff);

/* Fills handoff->entropy from every source there is; warns if only the TSC is. */
void platform_gather_entropy(struct handoff *handoff);

/* Are 1 GiB pages there? */
bool platform_has_gib_pages(void);

#endif
