/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Builds the guest's ACPI tables field by field; each function is one table.
 * The devices that they describe are vpm, vlapic, vioapic, vpci, vuart, vrtc.
 */
#include "vmm/acpi_tables.h"
#include "kernel/lib/string.h"
#include "kernel/log.h"
#include "kernel/mem.h"
#include "vmm/guest_map.h"
#include "vmm/vm.h"
#include "dsdt_aml.h" /* made from vmm/dsdt.asl: acpi_dsdt_aml[] */

#define SDT_HEADER   36
#define SDT_LENGTH   4
#define SDT_CHECKSUM ACPI_SDT_CHECKSUM
#define XSDT_TABLES  2

#define FADT_REVISION 4
#define FADT_LENGTH   244
#define FACS_LENGTH   64

/* FADT "Flags", ACPI 4.0 table 5-10; the power button is a fixed one (bit 4 clear) */
#define FADT_WBINVD	   BIT(0)
#define FADT_PROC_C1	   BIT(2)
#define FADT_SLP_BUTTON	   BIT(5) /* no fixed sleep button */
#define FADT_FIX_RTC	   BIT(6) /* no RTC wake status in the fixed registers */
#define FADT_TMR_VAL_EXT   BIT(8) /* 32-bit PM timer */
#define FADT_RESET_REG_SUP BIT(10)

/* FADT "IA-PC Boot Architecture Flags" */
#define BOOT_ARCH_LEGACY_DEVICES BIT(0)
#define BOOT_ARCH_NO_VGA	 BIT(2)

#define RESET_VALUE	6 /* to port 0xCF9: full reset */
#define GAS_SYSTEM_IO	1
#define FACP_LAT_UNUSED 0x0fff /* larger than 100 / 1000: no C2, C3 */

/* MADT interrupt flags: active high, level-triggered */
#define INTI_HIGH_LEVEL 0x000d

/* Where the next table goes, and what depends on where it will lie. */
struct builder {
	uint8_t *buf;
	size_t room, used;
	uint64_t base;
	bool full;
	struct acpi_fixups *fix; /* NULL: nobody will move the tables */
};

static void put(uint8_t *p, uint64_t value, size_t size)
{
	memcpy(p, &value, size); /* little-endian, like all of ACPI */
}

/* The address of another table, as a field of size bytes. */
static void put_link(struct builder *b, uint8_t *p, uint64_t gpa, size_t size)
{
	put(p, gpa, size);
	if (!b->fix)
		return;
	ASSERT(b->fix->link_count < ARRAY_SIZE(b->fix->link));
	b->fix->link[b->fix->link_count++] =
	    (struct acpi_link){.at = (uint32_t)(p - b->buf), .size = (uint32_t)size};
}

/* A zeroed table of len bytes on a 64-byte border (the FACS wants that); NULL: no room. */
static uint8_t *table_new(struct builder *b, size_t len, uint64_t *gpa)
{
	size_t at = ALIGN_UP(b->used, 64ul);

	*gpa = 0;
	if (at > b->room || len > b->room - at) {
		b->full = true;
		return NULL;
	}
	b->used = at + len;
	*gpa = b->base + at;
	return memset(b->buf + at, 0, len);
}

static void sum_to_zero(uint8_t *table, size_t len, size_t checksum_at)
{
	uint8_t sum = 0;

	table[checksum_at] = 0;
	for (size_t i = 0; i < len; i++)
		sum += table[i];
	table[checksum_at] = -sum;
}

/* ACPI 4.0, "System Description Table Header", and the checksum: call it last. */
static void sdt_finish(struct builder *b, uint8_t *t, const char *signature, size_t len,
		       uint8_t revision)
{
	memcpy(t, signature, 4);
	put(t + SDT_LENGTH, len, 4);
	t[8] = revision;
	memcpy(t + 10, "PAGURU", 6);
	memcpy(t + 16, "PAGURUS ", 8);
	put(t + 24, 1, 4);
	memcpy(t + 28, "PGRS", 4);
	put(t + 32, 1, 4);
	sum_to_zero(t, len, SDT_CHECKSUM);
	if (!b->fix)
		return;
	ASSERT(b->fix->table_count < ARRAY_SIZE(b->fix->table));
	b->fix->table[b->fix->table_count++] =
	    (struct acpi_table_at){.at = (uint32_t)(t - b->buf), .len = (uint32_t)len};
}

/* A generic address structure for a port. */
static void put_gas(uint8_t *p, uint16_t port, unsigned bits)
{
	p[0] = GAS_SYSTEM_IO;
	p[1] = bits;
	p[3] = bits / 8 > 4 ? 0 : bits == 8 ? 1 : bits == 16 ? 2 : 3; /* access size */
	put(p + 4, port, 8);
}

static uint64_t build_dsdt(struct builder *b)
{
	uint64_t gpa;
	uint8_t *t = table_new(b, sizeof(acpi_dsdt_aml), &gpa);

	if (!t)
		return 0;
	memcpy(t, acpi_dsdt_aml, sizeof(acpi_dsdt_aml)); /* iasl made header and checksum */
	return gpa;
}

static uint64_t build_facs(struct builder *b)
{
	uint64_t gpa;
	uint8_t *t = table_new(b, FACS_LENGTH, &gpa);

	if (!t)
		return 0;
	memcpy(t, "FACS", 4);
	put(t + SDT_LENGTH, FACS_LENGTH, 4);
	t[32] = 1; /* version; a FACS has no checksum */
	return gpa;
}

/* ACPI 4.0, table 5-9. */
static uint64_t build_fadt(struct builder *b, uint64_t facs, uint64_t dsdt)
{
	uint64_t gpa;
	uint8_t *t = table_new(b, FADT_LENGTH, &gpa);

	if (!t)
		return 0;
	put_link(b, t + 36, facs, 4);
	put_link(b, t + 40, dsdt, 4);
	put(t + 46, GUEST_SCI_GSI, 2);
	/* 48: SMI_CMD 0: ACPI mode is always on */
	put(t + 56, GUEST_PM1_EVT, 4);
	put(t + 64, GUEST_PM1_CNT, 4);
	put(t + 76, GUEST_PM_TMR, 4);
	put(t + 80, GUEST_GPE0, 4);
	t[88] = 4; /* PM1_EVT_LEN */
	t[89] = 2; /* PM1_CNT_LEN */
	t[91] = 4; /* PM_TMR_LEN */
	t[92] = 2; /* GPE0_BLK_LEN */
	put(t + 96, FACP_LAT_UNUSED, 2);
	put(t + 98, FACP_LAT_UNUSED, 2);
	t[108] = 0x32; /* CENTURY: the RTC's, as in PCs */
	put(t + 109, BOOT_ARCH_LEGACY_DEVICES | BOOT_ARCH_NO_VGA, 2);
	put(t + 112,
	    FADT_WBINVD | FADT_PROC_C1 | FADT_SLP_BUTTON | FADT_FIX_RTC | FADT_TMR_VAL_EXT |
		FADT_RESET_REG_SUP,
	    4);
	put_gas(t + 116, GUEST_RESET_PORT, 8);
	t[128] = RESET_VALUE;
	/* 132: X_FIRMWARE_CTRL 0, or the FACS would be listed twice */
	put_link(b, t + 140, dsdt, 8);
	put_gas(t + 148, GUEST_PM1_EVT, 32);
	put_gas(t + 172, GUEST_PM1_CNT, 16);
	put_gas(t + 208, GUEST_PM_TMR, 32);
	put_gas(t + 220, GUEST_GPE0, 16);
	sdt_finish(b, t, "FACP", FADT_LENGTH, FADT_REVISION);
	return gpa;
}

/* An interrupt source override: ISA irq is at gsi. */
static uint8_t *put_override(uint8_t *p, uint8_t irq, uint32_t gsi, uint16_t flags)
{
	p[0] = 2;
	p[1] = 10;
	p[3] = irq;
	put(p + 4, gsi, 4);
	put(p + 8, flags, 2);
	return p + 10;
}

/* ACPI 4.0, "Multiple APIC Description Table". */
static uint64_t build_madt(struct builder *b, unsigned vcpus)
{
	size_t len = SDT_HEADER + 8 + 8 * vcpus + 12 + 10 + 10 + 6;
	uint64_t gpa;
	uint8_t *t = table_new(b, len, &gpa), *p;

	if (!t)
		return 0;
	put(t + 36, GUEST_LAPIC, 4);
	put(t + 40, 1, 4); /* PCAT_COMPAT: there are 8259s too */
	p = t + SDT_HEADER + 8;
	for (unsigned i = 0; i < vcpus; i++, p += 8) {
		p[0] = 0; /* local APIC */
		p[1] = 8;
		p[2] = i;
		p[3] = i; /* APIC id = vCPU id */
		put(p + 4, 1, 4);
	}
	p[0] = 1; /* I/O APIC, id 0 as its register says after reset, GSI base 0 */
	p[1] = 12;
	put(p + 4, GUEST_IOAPIC, 4);
	p += 12;
	p = put_override(p, 0, 2, 0); /* the PIT is at pin 2 */
	p = put_override(p, GUEST_SCI_GSI, GUEST_SCI_GSI, INTI_HIGH_LEVEL);
	p[0] = 4; /* LINT1 of all is NMI */
	p[1] = 6;
	p[2] = 0xff;
	p[5] = 1;
	sdt_finish(b, t, "APIC", len, 3);
	return gpa;
}

static uint64_t build_xsdt(struct builder *b, uint64_t fadt, uint64_t madt)
{
	size_t len = SDT_HEADER + 8 * XSDT_TABLES;
	uint64_t gpa;
	uint8_t *t = table_new(b, len, &gpa);

	if (!t)
		return 0;
	put_link(b, t + SDT_HEADER, fadt, 8);
	put_link(b, t + SDT_HEADER + 8, madt, 8);
	sdt_finish(b, t, "XSDT", len, 1);
	return gpa;
}

/* ACPI 4.0, "Root System Description Pointer". */
static void build_rsdp(uint8_t *r, uint64_t xsdt)
{
	memset(r, 0, ACPI_RSDP_SIZE);
	memcpy(r, "RSD PTR ", 8);
	memcpy(r + 9, "PAGURU", 6);
	r[15] = 2; /* revision; no RSDT */
	put(r + 20, ACPI_RSDP_SIZE, 4);
	put(r + ACPI_RSDP_XSDT, xsdt, 8);
	sum_to_zero(r, 20, 8);
	sum_to_zero(r, ACPI_RSDP_SIZE, ACPI_RSDP_CHECKSUM);
}

int acpi_tables_build(unsigned vcpus, uint64_t base, uint8_t *buf, size_t room,
		      uint8_t rsdp[ACPI_RSDP_SIZE], struct acpi_fixups *fix)
{
	struct builder b = {.buf = buf, .room = room, .base = base, .fix = fix};
	uint64_t facs = build_facs(&b);
	uint64_t dsdt = build_dsdt(&b);
	uint64_t fadt = build_fadt(&b, facs, dsdt);
	uint64_t madt = build_madt(&b, vcpus);
	uint64_t xsdt = build_xsdt(&b, fadt, madt);

	if (b.full)
		return -E_NOSPC;
	build_rsdp(rsdp, xsdt);
	return b.used;
}

int acpi_tables_write(struct vm *vm)
{
	uint8_t rsdp[ACPI_RSDP_SIZE];
	uint8_t *buf = kzalloc(GUEST_ACPI_TABLES_SIZE);

	if (!buf)
		return -E_NOMEM;
	int err = acpi_tables_build(vm->vcpu_count, GUEST_ACPI_TABLES, buf, GUEST_ACPI_TABLES_SIZE,
				    rsdp, NULL);

	if (err > 0)
		err = guest_mem_write(vm, GUEST_ACPI_TABLES, buf, err);
	if (!err)
		err = guest_mem_write(vm, GUEST_RSDP, rsdp, sizeof(rsdp));
	kfree(buf);
	return err;
}
