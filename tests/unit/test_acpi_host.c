/* SPDX-License-Identifier: BSD-2-Clause */
/* The host's reading of ACPI: good tables, damaged ones, tables outside the direct map. */
#include <string.h>

#include "tests/unit/fake_kernel.h"

#include "kernel/acpi.h"
#include "kernel/pci.h"

static uint8_t rsdp[36] __attribute__((aligned(16)));
static uint8_t xsdt[256] __attribute__((aligned(16))), madt[512] __attribute__((aligned(16)));
static struct acpi_facts facts;
static unsigned mapped;

/* Tables may lie in memory that the direct map leaves out: each must be mapped first. */
volatile void *mmio_map(hpa_t base, uint64_t size)
{
	mapped++;
	return (volatile void *)base;
}

static void sum(uint8_t *p, size_t len, size_t at)
{
	uint8_t total = 0;

	p[at] = 0;
	for (size_t i = 0; i < len; i++)
		total += p[i];
	p[at] = -total;
}

static void put(uint8_t *p, uint64_t v, unsigned size)
{
	memcpy(p, &v, size);
}

static void table_end(uint8_t *t, uint32_t len)
{
	put(t + 4, len, 4);
	sum(t, len, 9);
}

static void xsdt_make(unsigned count, const uint64_t *tables, unsigned width)
{
	memset(xsdt, 0, sizeof(xsdt));
	memcpy(xsdt, width == 8 ? "XSDT" : "RSDT", 4);
	for (unsigned i = 0; i < count; i++)
		put(xsdt + 36 + i * width, tables[i], width);
	table_end(xsdt, 36 + count * width);
	memset(rsdp, 0, sizeof(rsdp));
	memcpy(rsdp, "RSD PTR ", 8);
	rsdp[15] = 2;
	put(rsdp + 24, (uint64_t)xsdt, 8);
	sum(rsdp, 20, 8);
}

/* Two CPUs of which one is disabled, an x2APIC one, an I/O APIC; returns its length. */
static uint32_t madt_make(void)
{
	static const uint8_t entries[] = {
	    0, 8, 0, 0,	   1,	 0, 0, 0,  0, 8, 1,  7, 0,    0,    0, 0, 1, 12, 2,
	    0, 0, 0, 0xc0, 0xfe, 0, 0, 0,  0, 9, 16, 0, 0,    0x45, 1, 0, 0, 1,	 0,
	    0, 0, 0, 0,	   0,	 0, 1, 12, 3, 0, 0,  0, 0xd0, 0xfe, 0, 0, 0, 0, /* a second I/O APIC
										 */
	};

	memset(madt, 0, sizeof(madt));
	memcpy(madt, "APIC", 4);
	memcpy(madt + 44, entries, sizeof(entries));
	table_end(madt, 44 + sizeof(entries));
	return 44 + sizeof(entries);
}

static int set_up(void **state)
{
	const uint64_t tables[] = {(uint64_t)madt};

	fake_kernel_reset();
	memset(&facts, 0, sizeof(facts));
	mapped = 0;
	madt_make();
	xsdt_make(1, tables, 8);
	return 0;
}

static void test_whole(void **state)
{
	acpi_read((hpa_t)rsdp, &facts);
	assert_true(facts.present);
	assert_int_equal(facts.ioapic, 0xfec00000);
	assert_int_equal(facts.cpu_count, 2);
	assert_int_equal(facts.apic_ids[0], 0);
	assert_int_equal(facts.apic_ids[1], 0x145);
	assert_true(mapped >= 3);
}

static void test_absent(void **state)
{
	acpi_read(0, &facts);
	assert_false(facts.present);
	rsdp[8]++;
	acpi_read((hpa_t)rsdp, &facts);
	assert_false(facts.present);
}

static void test_damaged(void **state)
{
	xsdt[40]++;
	acpi_read((hpa_t)rsdp, &facts);
	assert_false(facts.present);
	xsdt[40]--;
	madt[50]++;
	acpi_read((hpa_t)rsdp, &facts);
	assert_true(facts.present);
	assert_int_equal(facts.cpu_count, 0);
}

/* Lengths that lie: shorter than a header, longer than sense, entries past the end. */
static void test_lengths(void **state)
{
	uint32_t len = madt_make();

	for (uint32_t cut = 0; cut <= len; cut++) {
		memset(&facts, 0, sizeof(facts));
		table_end(madt, cut);
		acpi_read((hpa_t)rsdp, &facts);
		assert_true(facts.cpu_count <= 2);
	}
	put(madt + 4, 0xffffffff, 4);
	acpi_read((hpa_t)rsdp, &facts);
	madt_make();
	madt[44 + 1] = 0; /* an entry that would never end */
	table_end(madt, len);
	memset(&facts, 0, sizeof(facts));
	acpi_read((hpa_t)rsdp, &facts);
	assert_int_equal(facts.cpu_count, 0);
}

static void test_many_cpus(void **state)
{
	static uint8_t big[44 + 100 * 8] __attribute__((aligned(16)));
	const uint64_t tables[] = {0, (uint64_t)big}; /* and a null pointer in the list */

	memset(big, 0, sizeof(big));
	memcpy(big, "APIC", 4);
	for (unsigned i = 0; i < 100; i++)
		memcpy(big + 44 + 8 * i, (const uint8_t[8]){0, 8, 0, i, 1}, 8);
	table_end(big, sizeof(big));
	xsdt_make(2, tables, 8);
	acpi_read((hpa_t)rsdp, &facts);
	assert_int_equal(facts.cpu_count, HANDOFF_MAX_CPUS);
}

#define TEST(fn) cmocka_unit_test_setup(fn, set_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_whole),	TEST(test_absent),    TEST(test_damaged),
	    TEST(test_lengths), TEST(test_many_cpus),
	};

	return cmocka_run_group_tests_name("acpi_host", tests, NULL, NULL);
}
