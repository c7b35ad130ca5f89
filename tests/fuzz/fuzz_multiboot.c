/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Multiboot kernels and modules. Accepted or refused with words; what the boot
 * information then says lies in the guest's memory, and no module over another,
 * over the kernel's entry, or over the information itself.
 */
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "tests/unit/fake_guest.h"
#include "vmm/guest_map.h"
#include "vmm/load_multiboot.h"

#define MEMORY (8 * MiB)

static struct vm vm;

static uint32_t word(gpa_t gpa)
{
	uint32_t v;

	fake_guest_get(&vm, gpa, &v, sizeof(v));
	return v;
}

static void check_text(gpa_t info, gpa_t at)
{
	char text[2048];
	size_t room = info + PAGE_SIZE - at;

	assert_in_range(at, info, info + PAGE_SIZE - 1);
	room = MIN(room, sizeof(text));
	fake_guest_get(&vm, at, text, room);
	assert_true(strnlen(text, room) < room);
}

static void check(const struct cpu_state *cs, unsigned count)
{
	gpa_t info = cs->gpr[RBX], table = word(info + 24), free_from = GUEST_HIGH_RAM;

	assert_true(info && info < GUEST_LOW_RAM_END && info % PAGE_SIZE == 0);
	assert_int_equal(cs->gpr[RAX], 0x2badb002);
	assert_true(cs->rip < MEMORY && (cs->rip < info || cs->rip >= info + PAGE_SIZE));
	assert_int_equal(word(info + 20), count);
	check_text(info, word(info + 16));
	check_text(info, word(info + 64));
	for (unsigned i = 0; i < count; i++) {
		gpa_t start = word(table + 16 * i), end = word(table + 16 * i + 4);

		assert_in_range(start, free_from, MEMORY);
		assert_in_range(end, start, MEMORY);
		assert_true(start % PAGE_SIZE == 0 && (cs->rip < start || cs->rip >= end));
		check_text(info, word(table + 16 * i + 8));
		free_from = end;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t content[64 * KiB];
	static char cmdline[VM_CMDLINE_LEN], args[VM_ARGS_LEN];
	struct file kernel = {.path = "vms/t/kernel"}, files[MULTIBOOT_MAX_MODULES];
	struct multiboot_module modules[MULTIBOOT_MAX_MODULES];
	struct fuzz f = {data, size};
	uint8_t how = fuzz_u8(&f);
	unsigned count = (how & 7) % (MULTIBOOT_MAX_MODULES + 1);
	struct cpu_state cs;

	if (!vm.mem.size) {
		vm.mem.size = MEMORY;
		fake_guest_create(&vm);
	}
	fake_kernel_reset();
	memset(&cs, 0, sizeof(cs));
	memset(cmdline, 'x', sizeof(cmdline) - 1);
	memset(args, 'y', sizeof(args) - 1);
	for (unsigned i = 0; i < count; i++) {
		files[i] = (struct file){.path = "vms/t/module", .data = content};
		files[i].size = fuzz_u16(&f);
		modules[i] = (struct multiboot_module){&files[i], args};
	}
	kernel.data = f.at;
	kernel.size = f.left;
	if (load_multiboot(&vm, &kernel, modules, count, how & 8 ? cmdline : "", &cs))
		assert_int_not_equal(fake_log_count, 0);
	else
		check(&cs, count);
	assert_int_equal(fake_alloc_live, 0);
	return 0;
}
