/* SPDX-License-Identifier: BSD-2-Clause */
/* The ROM: where it is mapped, what shows below 1 MiB, and images that are none. */
#include <stdlib.h>
#include <string.h>
#include "arch/x86/virt.h"
#include "kernel/files.h"
#include "kernel/lib/string.h"
#include "tests/unit/fake_guest.h"
#include "vmm/firmware.h"
#include "vmm/guest_map.h"

static struct vm vm;
static uint8_t image[2 * MiB];
static struct file file = {.path = "vms/t/bios.bin", .data = image};
static gpa_t mapped_gpa;
static uint64_t mapped_size;

const struct file *files_find(const char *path)
{
	return strcmp(path, file.path) ? NULL : &file;
}

int slat_map_rom(struct slat *s, gpa_t gpa, hpa_t hpa, uint64_t size)
{
	assert_int_equal(hpa, virt_to_hpa(vm.rom));
	mapped_gpa = gpa;
	mapped_size = size;
	return 0;
}

static int setup(void **state)
{
	fake_kernel_reset();
	vm = (struct vm){.cfg = {.firmware = 1, .kernel = "vms/t/bios.bin"}};
	vm.mem.size = 2 * MiB;
	fake_guest_create(&vm);
	for (unsigned i = 0; i < sizeof(image); i++)
		image[i] = i >> 12 ^ i;
	file.size = 256 * KiB;
	return 0;
}

static int teardown(void **state)
{
	firmware_free(&vm);
	fake_guest_destroy(&vm);
	assert_int_equal(fake_alloc_live, 0);
	return 0;
}

static void ends_at_4_gib_and_at_1_mib(void **state)
{
	static uint8_t shadow[GUEST_BIOS_SIZE], zero[PAGE_SIZE];

	assert_int_equal(firmware_map(&vm), 0);
	assert_int_equal(mapped_gpa, 4 * GiB - 256 * KiB);
	assert_int_equal(mapped_size, 256 * KiB);
	assert_memory_equal(vm.rom, image, 256 * KiB);
	fake_guest_clean();
	assert_int_equal(firmware_shadow(&vm), 0);
	fake_guest_get(&vm, 0xe0000, shadow, sizeof(shadow));
	assert_memory_equal(shadow, image + 128 * KiB, 128 * KiB);
	assert_true(fake_guest_is_dirty(0xe0000) && fake_guest_is_dirty(0xff000));
	fake_guest_get(&vm, 0xdf000, shadow, PAGE_SIZE);
	assert_memory_equal(shadow, zero, PAGE_SIZE);
}

static void smallest_image_fills_the_shadow(void **state)
{
	file.size = 128 * KiB;
	assert_int_equal(firmware_map(&vm), 0);
	assert_int_equal(mapped_gpa, 4 * GiB - 128 * KiB);
	assert_int_equal(firmware_shadow(&vm), 0);
}

static void refuses_what_is_no_rom(void **state)
{
	static const uint64_t sizes[] = {0,	    64 * KiB,	    128 * KiB - 1,
					 150 * KiB, MiB + 64 * KiB, 2 * MiB};

	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		file.size = sizes[i];
		assert_int_equal(firmware_map(&vm), -E_INVAL);
		assert_null(vm.rom);
	}
	str_copy(vm.cfg.kernel, "vms/t/other", sizeof(vm.cfg.kernel));
	assert_int_equal(firmware_map(&vm), -E_NOENT);
	vm.cfg.firmware = 0; /* a kernel: not ours */
	assert_int_equal(firmware_map(&vm), 0);
	assert_null(vm.rom);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(ends_at_4_gib_and_at_1_mib, setup, teardown),
	    cmocka_unit_test_setup_teardown(smallest_image_fills_the_shadow, setup, teardown),
	    cmocka_unit_test_setup_teardown(refuses_what_is_no_rom, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
