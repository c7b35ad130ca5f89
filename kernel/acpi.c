/* SPDX-License-Identifier: BSD-2-Clause */
/* RSDP -> XSDT or RSDT -> MADT (ACPI 6.x, "ACPI Software Programming Model"). */
#include "kernel/acpi.h"
#include "kernel/lib/string.h"
#include "kernel/log.h"
#include "kernel/pci.h"

struct acpi_rsdp {
	char signature[8];
	uint8_t checksum;
	char oem[6];
	uint8_t revision;
	uint32_t rsdt;
	uint32_t length;
	uint64_t xsdt;
} __attribute__((packed));

struct acpi_header {
	char signature[4];
	uint32_t length;
	uint8_t revision, checksum;
	char oem[6], oem_table[8];
	uint32_t oem_revision, creator, creator_revision;
} __attribute__((packed));

#define ACPI_TABLE_MAX	  MiB
#define MADT_ENTRIES	  44 /* offset of the first entry */
#define MADT_LOCAL_APIC	  0
#define MADT_IO_APIC	  1
#define MADT_LOCAL_X2APIC 9
#define APIC_ENABLED	  1

static bool sum_is_zero(const void *p, size_t len)
{
	const uint8_t *b = p;
	uint8_t sum = 0;

	while (len--)
		sum += *b++;
	return sum == 0;
}

/* Some firmware keeps tables in memory that it calls reserved: not in the direct map. */
static const void *map(hpa_t pa, uint64_t size)
{
	return (const void *)mmio_map(pa, size);
}

static const struct acpi_header *table_at(hpa_t pa)
{
	const struct acpi_header *h;

	if (!pa)
		return NULL;
	h = map(pa, sizeof(*h));
	if (!h || h->length < sizeof(*h) || h->length > ACPI_TABLE_MAX || !map(pa, h->length) ||
	    !sum_is_zero(h, h->length)) {
		log_warn("acpi: table at %#lx is damaged, skipped", pa);
		return NULL;
	}
	return h;
}

static void cpu_add(struct acpi_facts *f, uint32_t id, uint32_t flags)
{
	if ((flags & APIC_ENABLED) && f->cpu_count < HANDOFF_MAX_CPUS)
		f->apic_ids[f->cpu_count++] = id;
}

static uint32_t read32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static void madt_read(const struct acpi_header *h, struct acpi_facts *f)
{
	const uint8_t *p = (const uint8_t *)h + MADT_ENTRIES, *end = (const uint8_t *)h + h->length;
	bool have_ioapic = false;

	for (; p + 2 <= end && p[1] >= 2 && p + p[1] <= end; p += p[1]) {
		if (p[0] == MADT_LOCAL_APIC && p[1] >= 8)
			cpu_add(f, p[3], read32(p + 4));
		else if (p[0] == MADT_LOCAL_X2APIC && p[1] >= 16)
			cpu_add(f, read32(p + 4), read32(p + 8));
		else if (p[0] == MADT_IO_APIC && p[1] >= 12 && !have_ioapic) {
			f->ioapic = read32(p + 4);
			have_ioapic = true;
		}
	}
}

void acpi_read(hpa_t rsdp_pa, struct acpi_facts *out)
{
	const struct acpi_rsdp *rsdp;
	const struct acpi_header *root;
	unsigned width;

	if (!rsdp_pa)
		return;
	rsdp = map(rsdp_pa, sizeof(*rsdp));
	if (!rsdp || memcmp(rsdp->signature, "RSD PTR ", 8) != 0 || !sum_is_zero(rsdp, 20)) {
		log_warn("acpi: no valid RSDP at %#lx", rsdp_pa);
		return;
	}
	width = rsdp->revision >= 2 && rsdp->xsdt ? 8 : 4;
	root = table_at(width == 8 ? rsdp->xsdt : rsdp->rsdt);
	if (!root)
		return;
	out->present = true;
	for (uint32_t at = sizeof(*root); at + width <= root->length; at += width) {
		uint64_t pa = 0;
		const struct acpi_header *h;

		memcpy(&pa, (const uint8_t *)root + at, width);
		h = table_at(pa);
		if (h && memcmp(h->signature, "APIC", 4) == 0)
			madt_read(h, out);
	}
}
