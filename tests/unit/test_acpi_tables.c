/* SPDX-License-Identifier: BSD-2-Clause */
/* Walks the guest's ACPI tables as an operating system would: pointers, lengths, checksums. */
#include <stdlib.h>
#include <string.h>
#include "tests/unit/fake_guest.h"
#include "vmm/acpi_tables.h"
#include "vmm/guest_map.h"

static uint8_t mem[GUEST_ACPI_TABLES_SIZE];
static uint8_t rsdp[ACPI_RSDP_SIZE];

static uint64_t field(const uint8_t *p, unsigned offset, unsigned size)
{
	uint64_t v = 0;

	memcpy(&v, p + offset, size);
	return v;
}

static uint8_t sum(const uint8_t *p, size_t len)
{
	uint8_t s = 0;

	while (len--)
		s += *p++;
	return s;
}

/* The table at a guest address, with signature, length and checksum checked. */
static const uint8_t *table(uint64_t gpa, const char *signature)
{
	assert_true(gpa >= GUEST_ACPI_TABLES);
	const uint8_t *t = mem + (gpa - GUEST_ACPI_TABLES);

	assert_true(gpa + 36 <= GUEST_ACPI_TABLES + sizeof(mem));
	assert_memory_equal(t, signature, 4);
	uint64_t len = field(t, 4, 4);

	assert_true(gpa + len <= GUEST_ACPI_TABLES + sizeof(mem));
	if (strcmp(signature, "FACS"))
		assert_int_equal(sum(t, len), 0);
	return t;
}

static void build(unsigned vcpus)
{
	memset(mem, 0xee, sizeof(mem));
	assert_true(acpi_tables_build(vcpus, GUEST_ACPI_TABLES, mem, sizeof(mem), rsdp, NULL) > 0);
}

static void pointers_lengths_checksums(void **state)
{
	build(4);
	assert_memory_equal(rsdp, "RSD PTR ", 8);
	assert_int_equal(sum(rsdp, 20), 0);
	assert_int_equal(sum(rsdp, 36), 0);
	assert_int_equal(field(rsdp, 20, 4), 36);
	const uint8_t *xsdt = table(field(rsdp, 24, 8), "XSDT");

	assert_int_equal(field(xsdt, 4, 4), 36 + 16);
	const uint8_t *fadt = table(field(xsdt, 36, 8), "FACP");

	table(field(xsdt, 44, 8), "APIC");
	assert_int_equal(field(fadt, 4, 4), 244);
	assert_int_equal(field(fadt, 132, 8), 0); /* one FACS address is enough */
	assert_int_equal(field(fadt, 40, 4), field(fadt, 140, 8));
	assert_int_equal(field(fadt, 36, 4) % 64, 0);
	assert_int_equal(field(table(field(fadt, 36, 4), "FACS"), 4, 4), 64);
	table(field(fadt, 140, 8), "DSDT");
}

static void fadt_names_our_hardware(void **state)
{
	build(1);
	const uint8_t *xsdt = table(field(rsdp, 24, 8), "XSDT");
	const uint8_t *f = table(field(xsdt, 36, 8), "FACP");

	assert_int_equal(field(f, 46, 2), 9);	  /* SCI */
	assert_int_equal(field(f, 48, 4), 0);	  /* no SMI command: ACPI is on */
	assert_int_equal(field(f, 80, 4), 0x60c); /* general-purpose events */
	assert_int_equal(field(f, 92, 1), 2);
	assert_int_equal(field(f, 224, 8), 0x60c);
	assert_int_equal(field(f, 56, 4), 0x600); /* PM1a event */
	assert_int_equal(field(f, 64, 4), 0x604);
	assert_int_equal(field(f, 76, 4), 0x608);
	assert_int_equal(f[88], 4);
	assert_int_equal(f[89], 2);
	assert_int_equal(f[91], 4);
	assert_int_equal(field(f, 116, 4), 0x01000801); /* reset: I/O, 8 bits, byte access */
	assert_int_equal(field(f, 120, 8), 0xcf9);
	assert_int_equal(f[128], 6);
	assert_int_equal(field(f, 152, 8), 0x600);
	assert_int_equal(field(f, 148, 4), 0x03002001);
	assert_int_equal(field(f, 176, 8), 0x604);
	assert_int_equal(field(f, 212, 8), 0x608);
	assert_int_equal(field(f, 112, 4) & 0x100010, 0); /* fixed power button, not HW-reduced */
	assert_int_not_equal(field(f, 112, 4) & 0x400, 0);
}

static void madt_lists_processors(void **state)
{
	for (unsigned vcpus = 1; vcpus <= VM_MAX_VCPUS; vcpus++) {
		build(vcpus);
		const uint8_t *xsdt = table(field(rsdp, 24, 8), "XSDT");
		const uint8_t *m = table(field(xsdt, 44, 8), "APIC");
		unsigned len = field(m, 4, 4), at = 44, count[8] = {0};

		while (at < len) {
			assert_true(m[at] < 8 && m[at + 1] >= 6 && at + m[at + 1] <= len);
			if (m[at] == 0)
				assert_int_equal(m[at + 3], count[0]);
			if (m[at] == 2 && m[at + 3] == 9)
				assert_int_equal(field(m, at + 8, 2), 0xd);
			if (m[at] == 2 && m[at + 3] == 0)
				assert_int_equal(field(m, at + 4, 4), 2);
			count[m[at]]++;
			at += m[at + 1];
		}
		assert_int_equal(at, len);
		assert_int_equal(count[0], vcpus);
		assert_int_equal(count[1], 1);
		assert_int_equal(count[2], 2);
		assert_int_equal(count[4], 1);
	}
}

static void dsdt_agrees_with_guest_map(void **state)
{
	static const uint8_t window[] = {0x00, 0x00, 0x00, 0xc0, 0xff, 0xff, 0xbf, 0xfe};
	bool found = false;

	build(1);
	const uint8_t *xsdt = table(field(rsdp, 24, 8), "XSDT");
	const uint8_t *f = table(field(xsdt, 36, 8), "FACP");
	const uint8_t *d = table(field(f, 140, 8), "DSDT");

	for (unsigned i = 0; i + sizeof(window) < field(d, 4, 4); i++)
		found |= !memcmp(d + i, window, sizeof(window));
	assert_true(found);
	assert_int_equal(GUEST_PCI_MMIO, 0xc0000000);
	assert_int_equal(GUEST_PCI_MMIO_END, 0xfec00000);
}

static void too_little_room_is_refused(void **state)
{
	int used = acpi_tables_build(4, GUEST_ACPI_TABLES, mem, sizeof(mem), rsdp, NULL);

	for (int room = 0; room < used; room += 7) {
		uint8_t *small = malloc(room + 1);

		assert_int_equal(acpi_tables_build(4, GUEST_ACPI_TABLES, small, room, rsdp, NULL),
				 -E_NOSPC);
		free(small);
	}
}

static void written_to_guest_memory(void **state)
{
	static struct vm vm;
	uint8_t got[ACPI_RSDP_SIZE];

	vm.mem.size = 2 * MiB;
	vm.vcpu_count = 2;
	fake_guest_create(&vm);
	assert_int_equal(acpi_tables_write(&vm), 0);
	fake_guest_get(&vm, GUEST_RSDP, got, sizeof(got));
	assert_memory_equal(got, "RSD PTR ", 8);
	fake_guest_get(&vm, GUEST_ACPI_TABLES, mem, sizeof(mem));
	table(field(got, 24, 8), "XSDT");
	fake_guest_destroy(&vm);
	assert_int_equal(fake_alloc_live, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(pointers_lengths_checksums),
	    cmocka_unit_test(fadt_names_our_hardware),
	    cmocka_unit_test(madt_lists_processors),
	    cmocka_unit_test(dsdt_agrees_with_guest_map),
	    cmocka_unit_test(too_little_room_is_refused),
	    cmocka_unit_test(written_to_guest_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
