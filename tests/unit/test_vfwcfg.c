/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fw_cfg as guest firmware uses it: by port and by DMA, hostile lengths included,
 * and the tables that it hands over, put together as the script says.
 */
#include <stdlib.h>
#include <string.h>
#include "tests/unit/fake_guest.h"
#include "tests/unit/fake_vm.h"
#include "vmm/dev/vfwcfg.h"
#include "vmm/guest_map.h"
#include "vmm/smbios.h"

#define REQUEST 0x1ff8ull /* crosses a page */

static struct vm *vm;
static struct vfwcfg *fw;

static void create(unsigned vcpus, uint64_t mem)
{
	vm = fake_vm_create(4 * MiB, vcpus);
	fake_guest_create(vm);
	vm->mem.size = mem;
	for (unsigned i = 0; i < 16; i++)
		vm->cfg.uuid[i] = 0x10 + i;
	vm->cfg.disk_count = 2;
	assert_int_equal(vfwcfg_create(vm, &fw), 0);
	vm->mem.size = 4 * MiB;
}

static int setup(void **state)
{
	create(3, 4 * MiB);
	return 0;
}

static int teardown(void **state)
{
	struct guest_mem mem = vm->mem;

	fake_vm_destroy(vm);
	for (unsigned i = 0; i < mem.block_count; i++)
		free(mem.blocks[i]);
	free(mem.blocks);
	return 0;
}

static void select_item(uint16_t key)
{
	iobus_write(&vm->ports, 0x510, 2, key);
}

static uint64_t number(unsigned bytes)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < bytes; i++)
		v |= (uint64_t)fake_in(vm, 0x511) << 8 * i;
	return v;
}

static uint32_t be32(void)
{
	return __builtin_bswap32(number(4));
}

/* Key and length of a file, by the directory. */
static uint16_t file(const char *name, uint32_t *len)
{
	uint32_t count;

	select_item(0x19);
	for (count = be32(); count; count--) {
		uint32_t size = be32();
		uint16_t key = __builtin_bswap16(number(2));
		char found[56];

		number(2);
		for (unsigned i = 0; i < sizeof(found); i++)
			found[i] = fake_in(vm, 0x511);
		if (strcmp(found, name))
			continue;
		*len = size;
		return key;
	}
	fail_msg("no file %s", name);
	return 0;
}

static uint8_t *read_file(const char *name, uint32_t *len)
{
	uint16_t key = file(name, len);
	uint8_t *data = malloc(*len);

	select_item(key);
	for (uint32_t i = 0; i < *len; i++)
		data[i] = fake_in(vm, 0x511);
	return data;
}

/* A DMA; what its control word became. */
static uint32_t dma(uint32_t control, uint32_t len, uint64_t address)
{
	uint32_t q[4] = {__builtin_bswap32(control), __builtin_bswap32(len),
			 __builtin_bswap32(address >> 32), __builtin_bswap32(address)};

	fake_guest_put(vm, REQUEST, q, sizeof(q));
	iobus_write(&vm->ports, 0x514, 4, 0);
	iobus_write(&vm->ports, 0x518, 4, __builtin_bswap32(REQUEST));
	fake_guest_get(vm, REQUEST, q, 4);
	return __builtin_bswap32(q[0]);
}

static void numbers_by_port(void **state)
{
	select_item(0);
	assert_int_equal(number(4), 'Q' | 'E' << 8 | 'M' << 16 | 'U' << 24);
	assert_int_equal(number(2), 0); /* past the end */
	select_item(1);
	assert_int_equal(number(4), 3);
	select_item(3);
	assert_int_equal(number(8), 4 * MiB);
	select_item(5);
	assert_int_equal(number(2), 3);
	select_item(0xf);
	assert_int_equal(number(2), 3);
	select_item(2);
	assert_int_equal(number(4), 0x13121110);
	select_item(0x1234); /* no such item */
	assert_int_equal(number(4), 0);
	assert_int_equal(iobus_read(&vm->ports, 0x510, 2), 0xffff);
}

static void files_say_what_to_boot_and_where(void **state)
{
	uint32_t len;
	uint8_t *order = read_file("bootorder", &len), *port;

	assert_string_equal((char *)order,
			    "/pci@i0cf8/scsi@2/disk@0,0\n/pci@i0cf8/scsi@3/disk@0,0\n");
	assert_int_equal(len, strlen((char *)order) + 1);
	port = read_file("etc/sercon-port", &len);
	assert_int_equal(len, 2);
	assert_memory_equal(port, "\xf8\x03", 2);
	free(order);
	free(port);
}

static void e820_has_ram_on_both_sides_of_the_hole(void **state)
{
	uint64_t at[2];
	uint32_t len;
	uint8_t *map = read_file("etc/e820", &len);

	assert_int_equal(len, 40); /* RAM, and the page of the generation id */
	free(map);
	teardown(NULL);
	create(1, 5 * GiB);
	map = read_file("etc/e820", &len);
	assert_int_equal(len, 60);
	memcpy(at, map, 16);
	assert_int_equal(at[0], 0);
	assert_int_equal(at[1], 3 * GiB);
	memcpy(at, map + 20, 16);
	assert_int_equal(at[0], GUEST_GENERATION);
	assert_int_equal(at[1], PAGE_SIZE);
	assert_int_equal(map[36], 2);
	memcpy(at, map + 40, 16);
	assert_int_equal(at[0], 4 * GiB);
	assert_int_equal(at[1], 2 * GiB);
	assert_int_equal(map[16] + map[56], 2);
	free(map);
}

static void dma_reads_skips_and_refuses(void **state)
{
	char text[8];

	assert_int_equal(iobus_read(&vm->ports, 0x514, 4), 'Q' | 'E' << 8 | 'M' << 16 | 'U' << 24);
	assert_int_equal(iobus_read(&vm->ports, 0x518, 4), ' ' | 'C' << 8 | 'F' << 16 | 'G' << 24);
	fake_guest_clean();
	assert_int_equal(dma(0 << 16 | 8 | 2, 6, 0x3ffd), 0); /* select and read; two pages */
	fake_guest_get(vm, 0x3ffd, text, 6);
	assert_memory_equal(text, "QEMU\0", 6);
	assert_true(fake_guest_is_dirty(0x3ffd) && fake_guest_is_dirty(0x4000));
	assert_true(fake_guest_is_dirty(REQUEST));
	assert_int_equal(dma(0 << 16 | 8 | 4, 2, 0), 0);
	assert_int_equal(number(1), 'M'); /* both ways share the offset */
	assert_int_equal(dma(4, UINT32_MAX, 0), 0);
	assert_int_equal(number(1), 0);
	assert_int_equal(dma(8 | 16, 4, 0x4000), 1); /* no write */
	assert_int_equal(dma(8 | 2, 4, 4 * MiB - 2), 1);
	assert_int_equal(dma(8 | 2, 4, UINT64_MAX - 1), 1);
	assert_int_equal(dma(8 | 2, MiB, 0x10000), 0);
	assert_int_equal(dma(8 | 2, MiB + 1, 0x10000), 1); /* though there is RAM for it */
	/* a request that is not in RAM: nothing happens */
	iobus_write(&vm->ports, 0x514, 4, 0xffffffff);
	iobus_write(&vm->ports, 0x518, 4, 0xffffffff);
	assert_int_equal(fw->s.dma_high, 0);
}

/* ---- tables --------------------------------------------------------------------------- */

static uint64_t field(const uint8_t *p, unsigned size)
{
	uint64_t v = 0;

	memcpy(&v, p, size);
	return v;
}

static uint8_t sum(const uint8_t *p, uint64_t len)
{
	uint8_t s = 0;

	while (len--)
		s += *p++;
	return s;
}

#define TABLES_AT 0x7654040ull

/* What firmware does with the script, the tables being put at TABLES_AT. */
static void run_script(uint8_t *tables, uint8_t *rsdp)
{
	uint32_t len;
	uint8_t *script = read_file("etc/table-loader", &len);

	assert_int_equal(len % 128, 0);
	for (const uint8_t *c = script; c < script + len; c += 128) {
		uint8_t *to = strcmp((const char *)c + 4, "etc/acpi/tables") ? rsdp : tables;
		uint64_t v;

		if (field(c, 4) == 2) {
			assert_string_equal((const char *)c + 60, "etc/acpi/tables");
			to += field(c + 116, 4);
			v = field(to, c[120]) + TABLES_AT;
			memcpy(to, &v, c[120]);
		} else if (field(c, 4) == 3) {
			to[field(c + 60, 4)] -= sum(to + field(c + 64, 4), field(c + 68, 4));
		} else {
			assert_int_equal(field(c, 4), 1);
			assert_int_equal(c[64], to == rsdp ? 2 : 1);
		}
	}
	free(script);
}

static const uint8_t *table(const uint8_t *tables, uint32_t len, uint64_t gpa, const char *name)
{
	const uint8_t *t = tables + (gpa - TABLES_AT);

	assert_true(gpa >= TABLES_AT && gpa < TABLES_AT + len);
	assert_memory_equal(t, name, 4);
	assert_true(field(t + 4, 4) <= TABLES_AT + len - gpa);
	if (strcmp(name, "FACS"))
		assert_int_equal(sum(t, field(t + 4, 4)), 0);
	return t;
}

static void acpi_tables_can_be_put_anywhere(void **state)
{
	uint32_t len, rsdp_len;
	uint8_t *t = read_file("etc/acpi/tables", &len), *r = read_file("etc/acpi/rsdp", &rsdp_len);

	run_script(t, r);
	assert_int_equal(rsdp_len, 36);
	assert_int_equal(sum(r, 20), 0);
	assert_int_equal(sum(r, 36), 0);
	const uint8_t *xsdt = table(t, len, field(r + 24, 8), "XSDT");
	const uint8_t *fadt = table(t, len, field(xsdt + 36, 8), "FACP");
	const uint8_t *madt = table(t, len, field(xsdt + 44, 8), "APIC");

	table(t, len, field(fadt + 36, 4), "FACS");
	table(t, len, field(fadt + 40, 4), "DSDT");
	table(t, len, field(fadt + 140, 8), "DSDT");
	assert_int_equal(madt[44 + 2 * 8 + 2], 2); /* the third of three processors */
	free(t);
	free(r);
}

static void smbios_has_the_uuid(void **state)
{
	uint32_t len, table_len;
	uint8_t *a = read_file("etc/smbios/smbios-anchor", &len);
	uint8_t *t = read_file("etc/smbios/smbios-tables", &table_len);

	assert_int_equal(len, 31);
	assert_memory_equal(a, "_SM_", 4);
	assert_int_equal(sum(a, 31), 0);
	assert_int_equal(sum(a + 16, 15), 0);
	assert_int_equal(field(a + 22, 2), table_len);
	assert_int_equal(t[0], 1);
	assert_memory_equal(t + 8, "\x13\x12\x11\x10\x15\x14\x17\x16\x18", 9);
	assert_string_equal((char *)t + t[1], "Pagurus");
	assert_int_equal(t[table_len - 6], 127);
	assert_int_equal(t[table_len - 7] + t[table_len - 8], 0); /* the strings end twice */
	free(a);
	free(t);
}

/* Without firmware they are where an operating system looks: on a 16-byte border. */
static void smbios_without_firmware(void **state)
{
	uint8_t a[31], uuid[16];

	assert_int_equal(smbios_write(vm), 0);
	assert_int_equal(GUEST_SMBIOS % 16, 0);
	fake_guest_get(vm, GUEST_SMBIOS, a, sizeof(a));
	assert_memory_equal(a, "_SM_", 4);
	assert_int_equal(sum(a, 31), 0);
	assert_int_equal(sum(a + 16, 15), 0);
	assert_true(field(a + 24, 4) >= GUEST_SMBIOS + sizeof(a));
	fake_guest_get(vm, field(a + 24, 4) + 8, uuid, sizeof(uuid));
	assert_memory_equal(uuid, "\x13\x12\x11\x10\x15\x14\x17\x16\x18", 9);
	assert_true(GUEST_SMBIOS >= GUEST_RSDP + 36);
}

/* ---- a device among others --------------------------------------------------------------- */

static void moves_in_the_middle_of_an_item(void **state)
{
	struct vfwcfg *fw2;
	struct vm *vm1 = vm;

	select_item(0);
	assert_int_equal(number(1), 'Q');
	iobus_write(&vm->ports, 0x514, 4, 0x01000000);
	vm = fake_vm_create(4 * MiB, 3);
	assert_int_equal(vfwcfg_create(vm, &fw2), 0);
	fake_move(&fw->vdev, &fw2->vdev);
	assert_int_equal(number(3), 'E' | 'M' << 8 | 'U' << 16);
	assert_int_equal(fw2->s.dma_high, 1);

	struct vfwcfg_state s = fw2->s;

	s.offset = FW_CFG_BLOB_MAX + 1;
	assert_int_equal(fw2->vdev.ops->check(&fw2->vdev, &s), -E_INVAL);
	s = fw2->s;
	s.reserved = 1;
	assert_int_equal(fw2->vdev.ops->check(&fw2->vdev, &s), -E_INVAL);
	s.reserved = 0;
	s.offset = FW_CFG_BLOB_MAX; /* beyond this item: zeros */
	assert_int_equal(fw2->vdev.ops->check(&fw2->vdev, &s), 0);
	fw2->s = s;
	assert_int_equal(number(1), 0);
	fw2->vdev.ops->reset(&fw2->vdev);
	assert_int_equal(number(1), 'Q');
	fake_vm_destroy(vm);
	vm = vm1;
}

static void creation_undoes(void **state)
{
	struct vfwcfg *second;

	assert_int_equal(vfwcfg_create(vm, &second), -E_EXIST);
	for (unsigned i = 0; i < 2; i++) {
		fake_alloc_countdown = i;
		assert_int_equal(vfwcfg_create(vm, &second), -E_NOMEM);
	}
	fake_alloc_countdown = 2; /* the table builder's own */
	assert_int_equal(vfwcfg_create(vm, &second), -E_NOSPC);
	fake_alloc_countdown = -1;
}

static void largest_machine_fits(void **state)
{
	uint32_t len;

	teardown(NULL);
	create(VM_MAX_VCPUS, 64 * GiB);
	free(read_file("etc/smbios/smbios-tables", &len));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(numbers_by_port),
	    TEST(files_say_what_to_boot_and_where),
	    TEST(e820_has_ram_on_both_sides_of_the_hole),
	    TEST(dma_reads_skips_and_refuses),
	    TEST(acpi_tables_can_be_put_anywhere),
	    TEST(smbios_has_the_uuid),
	    TEST(smbios_without_firmware),
	    TEST(moves_in_the_middle_of_an_item),
	    TEST(creation_undoes),
	    TEST(largest_machine_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
