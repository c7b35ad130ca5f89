/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Files that a VM boots from: bzImage and ELF, initrd, command line. Accepted or
 * refused with words; the boot CPU then points into the guest's memory.
 */
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "tests/unit/fake_guest.h"
#include "vmm/guest_map.h"
#include "vmm/load_elf.h"
#include "vmm/load_linux.h"
#include "vmm/zero_page.h"

#define MEMORY (8 * MiB)
#define HEAD   0x400 /* of a bzImage, filled in here before the input changes it */

static struct vm vm;

static void put(uint8_t *image, size_t offset, uint64_t value, size_t size)
{
	memcpy(image + offset, &value, size);
}

static void make_bzimage(uint8_t *image)
{
	put(image, ZP_SETUP_SECTS, 1, 1);
	put(image, ZP_SYSSIZE, 0x40, 4);
	put(image, ZP_BOOT_FLAG, 0xaa55, 2);
	put(image, 0x200, 0x6aeb, 2);
	memcpy(image + ZP_MAGIC, "HdrS", 4);
	put(image, ZP_VERSION, 0x20f, 2);
	put(image, ZP_LOADFLAGS, 1, 1);
	put(image, ZP_INITRD_ADDR_MAX, 0x7fffffff, 4);
	put(image, ZP_KERNEL_ALIGNMENT, 0x200000, 4);
	put(image, ZP_RELOCATABLE, 1, 1);
	put(image, ZP_XLOADFLAGS, 3, 2);
	put(image, ZP_CMDLINE_SIZE, 255, 4);
	put(image, ZP_PREF_ADDRESS, 0x200000, 8);
	put(image, ZP_INIT_SIZE, 0x100000, 4);
}

/* RAM above this mark was not written by the last input. */
static void setup(void)
{
	if (!vm.mem.size) {
		vm.mem.size = MEMORY;
		fake_guest_create(&vm);
	}
	fake_kernel_reset();
}

static void load(const struct file *kernel, const struct file *initrd, const char *cmdline)
{
	struct cpu_state cs;
	int err;

	memset(&cs, 0, sizeof(cs));
	if (load_elf_is_elf(kernel))
		err = load_elf(&vm, kernel, initrd, cmdline, &cs);
	else
		err = load_linux(&vm, kernel, initrd, cmdline, &cs);
	assert_int_equal(fake_alloc_live, 0);
	if (err) {
		assert_int_not_equal(fake_log_count, 0);
		return;
	}
	assert_true(cs.cr3 < MEMORY && cs.gpr[RSI] < MEMORY);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t image[HEAD + 4096], rd[8192];
	static char cmdline[512];
	struct file kernel = {.path = "vms/t/linux", .data = image};
	struct file initrd = {.path = "vms/t/initrd", .data = rd};
	struct fuzz f = {data, size};
	uint8_t how = fuzz_u8(&f);

	setup();
	memset(cmdline, 'x', sizeof(cmdline));
	cmdline[how & 2 ? 300 : 10] = 0;
	initrd.size = how & 4 ? fuzz_u16(&f) % sizeof(rd) : 100;
	if (how & 1) { /* any file, an ELF too */
		kernel.data = f.at;
		kernel.size = f.left;
	} else {
		memset(image, 0, sizeof(image));
		make_bzimage(image);
		kernel.size = how & 8 ? fuzz_u16(&f) % sizeof(image) : sizeof(image);
		while (f.left)
			fuzz_spoil(&f, image + ZP_SETUP_HEADER, 0x90);
	}
	load(&kernel, how & 16 ? NULL : &initrd, cmdline);
	return 0;
}
