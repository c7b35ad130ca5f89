/* SPDX-License-Identifier: BSD-2-Clause */
/* bzImage and ELF loaders on images made here, good and damaged. */
#include <stdlib.h>
#include <string.h>
#include "tests/unit/fake_guest.h"
#include "vmm/guest_map.h"
#include "vmm/load_elf.h"
#include "vmm/load_linux.h"
#include "vmm/zero_page.h"

#define SETUP	  1024 /* one setup sector and the boot sector */
#define CODE	  0x3000
#define INIT_SIZE 0x400000

static struct vm vm;
static struct cpu_state cs;
static uint8_t image[SETUP + CODE];
static struct file kernel = {"vms/t/vmlinuz", image, sizeof(image), 0};

static void set(size_t offset, uint64_t value, size_t size)
{
	memcpy(image + offset, &value, size);
}

static void make_bzimage(void)
{
	memset(image, 0, sizeof(image));
	for (unsigned i = 0; i < CODE; i++)
		image[SETUP + i] = i * 7;
	kernel.size = sizeof(image);
	set(0x1f1, 1, 1);
	set(0x1f4, CODE / 16, 4);
	set(0x1fe, 0xaa55, 2);
	set(0x200, 0x6aeb, 2); /* jump over the header: it ends at 0x26c */
	memcpy(image + 0x202, "HdrS", 4);
	set(0x206, 0x20f, 2);
	set(0x211, 1, 1);
	set(0x22c, 0x7fffffff, 4);
	set(0x230, 0x200000, 4);
	set(0x234, 1, 1);
	set(0x236, 3, 2);
	set(0x238, 2047, 4);
	set(0x258, 0x1000000, 8);
	set(0x260, INIT_SIZE, 4);
}

static int setup(void **state)
{
	fake_kernel_reset();
	memset(&vm, 0, sizeof(vm));
	memset(&cs, 0xff, sizeof(cs));
	vm.mem.size = 64 * MiB;
	fake_guest_create(&vm);
	make_bzimage();
	return 0;
}

static int teardown(void **state)
{
	fake_guest_destroy(&vm);
	return fake_alloc_live;
}

static uint64_t guest(gpa_t gpa, size_t size)
{
	uint64_t v = 0;

	fake_guest_get(&vm, gpa, &v, size);
	return v;
}

/* Translate as the processor would with the page tables that the loader wrote. */
static gpa_t walk(uint64_t linear)
{
	uint64_t e = guest(cs.cr3 + 8 * ((linear >> 39) & 511), 8);

	assert_true(e & 1);
	e = guest((e & ~0xfffull) + 8 * ((linear >> 30) & 511), 8);
	assert_true(e & 1);
	e = guest((e & ~0xfffull) + 8 * ((linear >> 21) & 511), 8);
	assert_true((e & 0x83) == 0x83);
	return (e & ~0x1fffffull) | (linear & 0x1fffff);
}

static void assert_cpu(uint64_t rip)
{
	assert_int_equal(cs.rip, rip);
	assert_int_equal(cs.gpr[RSI], GUEST_BOOT_ZERO_PAGE);
	assert_int_equal(cs.rflags, 2);
	assert_int_equal(cs.efer, 0x500);
	assert_int_equal(cs.cr0, 0x80000031);
	assert_int_equal(cs.cr4, 0x20);
	assert_int_equal(cs.seg[SEG_CS].selector, 0x10);
	assert_int_equal(cs.seg[SEG_SS].selector, 0x18);
	assert_int_equal(cs.seg[SEG_LDTR].access, 0x10000);
	assert_int_equal(guest(cs.gdtr_base + 0x10, 8), 0x00af9b000000ffff);
	assert_int_equal(guest(cs.gdtr_base + 0x18, 8), 0x00cf93000000ffff);
	assert_int_equal(walk(rip), rip);
	assert_int_equal(walk(0xfee00020), 0xfee00020);
}

static void bzimage_is_placed(void **state)
{
	static const uint8_t initrd_data[5000] = {1, 2, 3};
	struct file initrd = {"vms/t/initrd", initrd_data, sizeof(initrd_data), 0};
	uint8_t got[CODE], text[32];

	assert_int_equal(load_linux(&vm, &kernel, &initrd, "console=ttyS0", &cs), 0);
	assert_cpu(0x1000200);
	fake_guest_get(&vm, 0x1000000, got, CODE);
	assert_memory_equal(got, image + SETUP, CODE);

	gpa_t zp = GUEST_BOOT_ZERO_PAGE, rd = guest(zp + 0x218, 4);

	assert_memory_equal(&(uint64_t){guest(zp + 0x202, 4)}, "HdrS", 4);
	assert_int_equal(guest(zp + 0x210, 1), 0xff);
	assert_int_equal(guest(zp + 0x70, 8), GUEST_RSDP);
	assert_int_equal(guest(zp + 0x1ef, 1), 0); /* sentinel */
	assert_int_equal(guest(zp + 0x260, 4), INIT_SIZE);
	assert_int_equal(guest(zp + 0x26c, 4), 0); /* beyond the header */
	assert_int_equal(guest(zp + 0x21c, 4), sizeof(initrd_data));
	assert_int_equal(rd % PAGE_SIZE, 0);
	assert_true(rd + sizeof(initrd_data) <= vm.mem.size && rd > 0x1000000 + INIT_SIZE);
	fake_guest_get(&vm, rd, got, sizeof(initrd_data));
	assert_memory_equal(got, initrd_data, sizeof(initrd_data));
	fake_guest_get(&vm, guest(zp + 0x228, 4), text, 14);
	assert_string_equal((char *)text, "console=ttyS0");
}

static void initrd_respects_its_limit(void **state)
{
	static const uint8_t data[4097];
	struct file initrd = {"i", data, sizeof(data), 0};

	set(0x22c, 0x1ffffff, 4); /* below 32 MiB */
	assert_int_equal(load_linux(&vm, &kernel, &initrd, "", &cs), 0);
	assert_int_equal(guest(GUEST_BOOT_ZERO_PAGE + 0x218, 4), 0x2000000 - 0x2000);

	set(0x22c, 0x1000000 + INIT_SIZE - 1 + 0x1000, 4); /* one page after the kernel */
	assert_int_equal(load_linux(&vm, &kernel, &initrd, "", &cs), -E_NOSPC);
	initrd.size = 65 * MiB;
	assert_int_equal(load_linux(&vm, &kernel, &initrd, "", &cs), -E_NOSPC);
	initrd.size = UINT64_MAX;
	assert_int_equal(load_linux(&vm, &kernel, &initrd, "", &cs), -E_NOSPC);
}

static void memory_map_covers_all_ram_once(void **state)
{
	static const uint64_t sizes[] = {2 * MiB, 64 * MiB, 3 * GiB, 3 * GiB + 2 * MiB, 40 * GiB};

	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct guest_mem m = {.size = sizes[i]};
		struct e820_entry map[ZP_E820_MAX];
		unsigned n = zero_page_e820(&m, map);
		uint64_t ram = 0, end = 0;

		assert_true(n <= 16);
		for (unsigned k = 0; k < n; k++) {
			assert_true(map[k].base >= end);
			end = map[k].base + map[k].size;
			if (map[k].type != E820_RAM)
				continue;
			ram += map[k].size;
			assert_true(end <= GUEST_LOW_RAM_END || map[k].base >= GUEST_HIGH_RAM);
			assert_true(end <= GUEST_LOW_MAX || map[k].base >= GUEST_HIGH_MIN);
		}
		assert_int_equal(ram, sizes[i] - (GUEST_HIGH_RAM - GUEST_LOW_RAM_END));
	}
}

static void damaged_bzimages_are_refused(void **state)
{
	const struct {
		size_t offset, size;
		uint64_t value;
		int err;
		const char *words;
	} damage[] = {
	    {0x202, 4, 0x12345678, -E_INVAL, "expected HdrS at 0x202, found 0x12345678"},
	    {0x206, 2, 0x020b, -E_INVAL, "boot protocol 2.11, at least 2.12"},
	    {0x236, 2, 2, -E_INVAL, "no 64-bit entry"},
	    {0x1f4, 4, 0xffffffff, -E_INVAL, "cut short"},
	    {0x1f1, 1, 255, -E_INVAL, "cut short"},
	    {0x260, 4, 0xffffffff, -E_RANGE, "give the VM more memory"},
	    {0x258, 8, UINT64_MAX, -E_RANGE, "give the VM more memory"},
	    {0x258, 8, 63 * MiB, -E_RANGE, "give the VM more memory"},
	};

	for (unsigned i = 0; i < ARRAY_SIZE(damage); i++) {
		make_bzimage();
		set(damage[i].offset, damage[i].value, damage[i].size);
		assert_int_equal(load_linux(&vm, &kernel, NULL, "", &cs), damage[i].err);
		assert_non_null(strstr(fake_log_last, damage[i].words));
	}
	make_bzimage();
	set(0x258, 0, 8); /* no preference: as low as the alignment allows */
	assert_int_equal(load_linux(&vm, &kernel, NULL, "", &cs), 0);
	assert_cpu(0x200200);
	for (unsigned align = 0; align < 4; align += 3) {
		set(0x230, align, 4);
		assert_int_equal(load_linux(&vm, &kernel, NULL, "", &cs), -E_INVAL);
	}
}

static void every_cut_of_a_bzimage_is_refused(void **state)
{
	for (size_t size = 0; size < SETUP + CODE - 16; size += size < 0x300 ? 1 : 61) {
		uint8_t *copy = malloc(size + 1);
		struct file cut = {"cut", copy, size, 0};

		memcpy(copy, image, size);
		assert_int_equal(load_linux(&vm, &cut, NULL, "", &cs), -E_INVAL);
		free(copy);
	}
}

static void cmdline_limit(void **state)
{
	char text[3000];

	memset(text, 'x', sizeof(text));
	text[2047] = 0;
	assert_int_equal(load_linux(&vm, &kernel, NULL, text, &cs), 0);
	text[2047] = 'x';
	text[2048] = 0;
	assert_int_equal(load_linux(&vm, &kernel, NULL, text, &cs), -E_RANGE);
}

/* ELF: header at 0, two program headers at 64, segment data at 0x1000. */
static void make_elf(void)
{
	memset(image, 0, sizeof(image));
	memcpy(image, "\177ELF\2\1\1", 7);
	set(16, 2, 2);
	set(18, 62, 2);
	set(24, 0x1000010, 8);
	set(32, 64, 8);
	set(54, 56, 2);
	set(56, 2, 2);
	set(64, 1, 4);
	set(72, 0x1000, 8);
	set(80, 0xffffffff81000000, 8);
	set(88, 0x1000000, 8);
	set(96, 0x1000, 8);
	set(104, 0x3000, 8);
	set(120, 4, 4); /* PT_NOTE: not loaded */
	memset(image + 0x1000, 0xab, 0x1000);
	kernel.size = 0x2000;
}

static void elf_is_placed(void **state)
{
	uint8_t stale[0x3000];

	make_elf();
	memset(stale, 0x55, sizeof(stale));
	fake_guest_put(&vm, 0x1000000, stale, sizeof(stale));
	assert_true(load_elf_is_elf(&kernel));
	assert_int_equal(load_elf(&vm, &kernel, NULL, "a", &cs), 0);
	assert_cpu(0x1000010);
	assert_int_equal(guest(0x1000fff, 1), 0xab);
	assert_int_equal(guest(0x1001000, 8), 0); /* bss */
	assert_int_equal(guest(0x1002ff8, 8), 0);

	set(24, 0xffffffff81000020, 8); /* a virtual entry */
	assert_int_equal(load_elf(&vm, &kernel, NULL, "a", &cs), 0);
	assert_cpu(0x1000020);
}

static void damaged_elfs_are_refused(void **state)
{
	const struct {
		size_t offset, size;
		uint64_t value;
		int err;
	} damage[] = {
	    {0, 1, 0, -E_INVAL},
	    {4, 1, 1, -E_INVAL},
	    {18, 2, 3, -E_INVAL},
	    {16, 2, 1, -E_INVAL},
	    {54, 2, 55, -E_INVAL},
	    {56, 2, 0, -E_INVAL},
	    {56, 2, 0xffff, -E_INVAL},
	    {32, 8, UINT64_MAX, -E_INVAL},
	    {32, 8, 0x2000 - 56, -E_INVAL},
	    {72, 8, UINT64_MAX - 5, -E_INVAL},
	    {96, 8, UINT64_MAX, -E_INVAL},
	    {96, 8, 0x1001, -E_INVAL},
	    {104, 8, 0xfff, -E_INVAL},
	    {104, 8, UINT64_MAX, -E_RANGE},
	    {88, 8, UINT64_MAX, -E_RANGE},
	    {88, 8, 0, -E_RANGE},
	    {88, 8, 64 * MiB - 1, -E_RANGE},
	    {24, 8, 0x1001000, -E_INVAL},
	    {64, 4, 2, -E_INVAL},
	};

	for (unsigned i = 0; i < ARRAY_SIZE(damage); i++) {
		make_elf();
		set(damage[i].offset, damage[i].value, damage[i].size);
		int err = load_elf(&vm, &kernel, NULL, "", &cs);

		if (err != damage[i].err)
			fail_msg("damage %u: err %d", i, err);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(bzimage_is_placed, setup, teardown),
	    cmocka_unit_test_setup_teardown(initrd_respects_its_limit, setup, teardown),
	    cmocka_unit_test_setup_teardown(memory_map_covers_all_ram_once, setup, teardown),
	    cmocka_unit_test_setup_teardown(damaged_bzimages_are_refused, setup, teardown),
	    cmocka_unit_test_setup_teardown(every_cut_of_a_bzimage_is_refused, setup, teardown),
	    cmocka_unit_test_setup_teardown(cmdline_limit, setup, teardown),
	    cmocka_unit_test_setup_teardown(elf_is_placed, setup, teardown),
	    cmocka_unit_test_setup_teardown(damaged_elfs_are_refused, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
