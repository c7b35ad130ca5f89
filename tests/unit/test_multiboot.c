/* SPDX-License-Identifier: BSD-2-Clause */
/* The Multiboot loader on images made here: ELF of both classes, address fields, damage. */
#include <stdlib.h>
#include <string.h>
#include "tests/unit/fake_guest.h"
#include "vmm/guest_map.h"
#include "vmm/load_multiboot.h"
#include "vmm/zero_page.h"

#define MAGIC	  0x1badb002u
#define HEADER_AT 0x100
#define DATA_AT	  0x1000
#define MEMORY	  (16 * MiB)
#define LOAD	  0x200000
#define INFO	  (GUEST_LOW_RAM_END - PAGE_SIZE)

static struct vm vm;
static struct cpu_state cs;
static uint8_t image[0x4000];
static struct file kernel = {"vms/t/kernel", image, sizeof(image), 0};

static void set(size_t offset, uint64_t value, size_t size)
{
	memcpy(image + offset, &value, size);
}

static void set_header(size_t at, uint32_t flags)
{
	set(at, MAGIC, 4);
	set(at + 4, flags, 4);
	set(at + 8, -(MAGIC + flags), 4);
}

static void make(void)
{
	memset(image, 0, sizeof(image));
	kernel.size = sizeof(image);
	for (unsigned i = DATA_AT; i < sizeof(image); i++)
		image[i] = i * 5;
}

/* One segment of 0x1000 bytes and as much bss, header in front of the data. */
static void make_elf32(void)
{
	make();
	memcpy(image, "\177ELF\1\1\1", 7);
	set(16, 2, 2);
	set(18, 3, 2);
	set(24, LOAD + 0x10, 4); /* entry */
	set(28, 52, 4);
	set(42, 32, 2);
	set(44, 2, 2);
	set(52, 1, 4);
	set(56, DATA_AT, 4);
	set(60, 0xc0000000 + LOAD, 4);
	set(64, LOAD, 4);
	set(68, 0x1000, 4);
	set(72, 0x2000, 4);
	set(84, 4, 4); /* PT_NOTE: not loaded */
	set_header(HEADER_AT, 3);
}

static void make_elf64(void)
{
	make();
	memcpy(image, "\177ELF\2\1\1", 7);
	set(16, 2, 2);
	set(18, 62, 2);
	set(24, LOAD + 0x20, 8);
	set(32, 64, 8);
	set(54, 56, 2);
	set(56, 1, 2);
	set(64, 1, 4);
	set(72, DATA_AT, 8);
	set(80, 0xffffffff80000000 + LOAD, 8);
	set(88, LOAD, 8);
	set(96, 0x1000, 8);
	set(104, 0x2000, 8);
	set_header(HEADER_AT, 0);
}

/* No ELF: the file is loaded from 0x80 on, so that the header lies 0x80 into it. */
static void make_flat(void)
{
	make();
	set_header(HEADER_AT, 0x10000);
	set(HEADER_AT + 12, LOAD + 0x80, 4);   /* header_addr */
	set(HEADER_AT + 16, LOAD, 4);	       /* load_addr */
	set(HEADER_AT + 20, LOAD + 0x2000, 4); /* load_end_addr */
	set(HEADER_AT + 24, LOAD + 0x3000, 4); /* bss_end_addr */
	set(HEADER_AT + 28, LOAD + 0x30, 4);   /* entry_addr */
}

static int setup(void **state)
{
	fake_kernel_reset();
	memset(&vm, 0, sizeof(vm));
	memset(&cs, 0xff, sizeof(cs));
	vm.mem.size = MEMORY;
	fake_guest_create(&vm);
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

static void assert_text(gpa_t at, const char *want)
{
	char got[1300];
	size_t len = strlen(want) + 1;

	assert_true(at > cs.gpr[RBX] && at < cs.gpr[RBX] + PAGE_SIZE);
	fake_guest_get(&vm, at, got, len);
	assert_memory_equal(got, want, len);
}

static int load(void)
{
	return load_multiboot(&vm, &kernel, NULL, 0, "a b", &cs);
}

static void assert_cpu(uint64_t eip)
{
	assert_int_equal(cs.rip, eip);
	assert_int_equal(cs.gpr[RAX], 0x2badb002);
	assert_int_equal(cs.gpr[RBX], INFO);
	assert_int_equal(cs.rflags, 2);
	assert_int_equal(cs.cr0, 0x11);
	assert_int_equal(cs.cr4, 0);
	assert_int_equal(cs.efer, 0);
	for (unsigned i = SEG_ES; i <= SEG_GS; i++) {
		const struct cpu_segment *s = &cs.seg[i];

		assert_int_equal(s->base, 0);
		assert_int_equal(s->limit, UINT32_MAX);
		assert_int_equal(s->access, i == SEG_CS ? 0xc09b : 0xc093);
		assert_int_equal(guest(cs.gdtr_base + s->selector, 8),
				 i == SEG_CS ? 0x00cf9b000000ffff : 0x00cf93000000ffff);
	}
}

static void assert_loaded(size_t from, size_t len)
{
	uint8_t *got = malloc(len);

	assert_non_null(got);
	fake_guest_get(&vm, LOAD, got, len);
	assert_memory_equal(got, image + from, len);
	free(got);
	assert_int_equal(guest(LOAD + len, 8), 0); /* bss, though memory was dirty */
	assert_int_equal(guest(LOAD + len + 0xff8, 8), 0);
	assert_int_equal(guest(LOAD + len + 0x1000, 1), 0x55);
}

static void soil(void)
{
	uint8_t stale[0x5000];

	memset(stale, 0x55, sizeof(stale));
	fake_guest_put(&vm, LOAD, stale, sizeof(stale));
}

static void every_form_is_placed(void **state)
{
	make_elf32();
	soil();
	assert_true(load_multiboot_is_multiboot(&kernel));
	assert_int_equal(load(), 0);
	assert_cpu(LOAD + 0x10);
	assert_loaded(DATA_AT, 0x1000);
	set(24, 0xc0000000 + LOAD + 0x40, 4); /* a virtual entry */
	assert_int_equal(load(), 0);
	assert_cpu(LOAD + 0x40);

	make_elf64();
	soil();
	assert_int_equal(load(), 0);
	assert_cpu(LOAD + 0x20);
	assert_loaded(DATA_AT, 0x1000);

	make_flat();
	soil();
	assert_int_equal(load(), 0);
	assert_cpu(LOAD + 0x30);
	assert_loaded(0x80, 0x2000);
	set(HEADER_AT + 20, 0, 4); /* to the end of the file, no bss */
	set(HEADER_AT + 24, 0, 4);
	soil();
	assert_int_equal(load(), 0);
	assert_int_equal(guest(LOAD + 0x3f7f, 1), image[0x3fff]);
	assert_int_equal(guest(LOAD + 0x3f80, 1), 0x55);
}

static void information_is_complete(void **state)
{
	static const uint8_t rd[5000] = {1, 2, 3}, other[3] = {7, 8, 9};
	struct file f[2] = {{"vms/t/rd", rd, sizeof(rd), 0}, {"vms/t/m", other, sizeof(other), 0}};
	struct multiboot_module m[2] = {{&f[0], ""}, {&f[1], "x  y"}};
	gpa_t info = INFO, mods, map;
	struct e820_entry e820[ZP_E820_MAX];
	unsigned n = zero_page_e820(&vm.mem, e820);

	make_elf32();
	assert_int_equal(load_multiboot(&vm, &kernel, m, 2, "root=x quiet", &cs), 0);
	assert_int_equal(guest(info, 4), 0x24d);
	assert_int_equal(guest(info + 4, 4), 636);
	assert_int_equal(guest(info + 8, 4), (MEMORY - MiB) / KiB);
	assert_text(guest(info + 16, 4), "vms/t/kernel root=x quiet");
	assert_text(guest(info + 64, 4), "Pagurus");

	assert_int_equal(guest(info + 20, 4), 2);
	mods = guest(info + 24, 4);
	assert_int_equal(guest(mods, 4), LOAD + 0x2000); /* behind the bss, a page begins there */
	assert_int_equal(guest(mods + 4, 4), LOAD + 0x2000 + sizeof(rd));
	assert_text(guest(mods + 8, 4), "vms/t/rd");
	assert_int_equal(guest(LOAD + 0x2000, 4), 0x00030201);
	assert_int_equal(guest(mods + 16, 4), LOAD + 0x4000);
	assert_int_equal(guest(mods + 20, 4), LOAD + 0x4003);
	assert_text(guest(mods + 24, 4), "vms/t/m x  y");
	assert_int_equal(guest(LOAD + 0x4000, 3), 0x090807);

	assert_int_equal(guest(info + 44, 4), n * 24);
	map = guest(info + 48, 4);
	for (unsigned i = 0; i < n; i++, map += 24) {
		assert_int_equal(guest(map, 4), 20);
		assert_int_equal(guest(map + 4, 8), e820[i].base);
		assert_int_equal(guest(map + 12, 8), e820[i].size);
		assert_int_equal(guest(map + 20, 4), e820[i].type);
	}
}

static void a_low_kernel(void **state)
{
	make_flat();
	set(HEADER_AT + 12, 0x10080, 4);
	set(HEADER_AT + 16, 0x10000, 4);
	set(HEADER_AT + 20, 0x12000, 4);
	set(HEADER_AT + 24, GUEST_LOW_RAM_END, 4);
	set(HEADER_AT + 28, 0x10000, 4);

	static const uint8_t rd[1];
	struct file f = {"rd", rd, sizeof(rd), 0};
	struct multiboot_module m = {&f, ""};

	assert_int_equal(load_multiboot(&vm, &kernel, &m, 1, "", &cs), 0);
	assert_int_equal(guest(guest(cs.gpr[RBX] + 24, 4), 4), MiB);
	assert_text(guest(cs.gpr[RBX] + 16, 4), "vms/t/kernel");
	assert_int_equal(cs.gpr[RBX], 0xf000); /* the highest page that is left */
	assert_int_equal(cs.gdtr_base & ~0xfffull, 0xf000);
	set(HEADER_AT + 24, GUEST_LOW_RAM_END + 1, 4); /* into the BIOS area */
	assert_int_equal(load(), -E_RANGE);
	set(HEADER_AT + 24, GUEST_LOW_RAM_END - 1, 4); /* one byte of the last page */
	assert_int_equal(load(), 0);
	assert_int_equal(cs.gpr[RBX], 0xf000);

	set(HEADER_AT + 12, 0x80, 4); /* from the very first byte on */
	set(HEADER_AT + 16, 0, 4);
	set(HEADER_AT + 20, 0x2000, 4);
	set(HEADER_AT + 28, 0, 4);
	set(HEADER_AT + 24, 0x9e000, 4);
	assert_int_equal(load(), 0);
	assert_int_equal(cs.rip, 0);
	assert_int_equal(cs.gpr[RBX], 0x9e000);
	assert_int_equal(guest(0x1000, 1), image[0x1080]); /* nothing of ours over it */
	set(HEADER_AT + 24, 0x9e001, 4);
	assert_int_equal(load(), -E_NOSPC);
	assert_non_null(strstr(fake_log_last, "a page must be left"));
}

static void header_is_found(void **state)
{
	make_elf32();
	set(HEADER_AT, 0, 4);
	assert_false(load_multiboot_is_multiboot(&kernel));
	assert_int_equal(load(), -E_INVAL);
	set_header(8192 - 12, 0);
	assert_true(load_multiboot_is_multiboot(&kernel));
	assert_int_equal(load(), 0);
	set(8192 - 4, 1, 4); /* checksum */
	assert_false(load_multiboot_is_multiboot(&kernel));
	set_header(8192 - 8, 0); /* not wholly inside */
	assert_false(load_multiboot_is_multiboot(&kernel));
	make_elf32();
	set(HEADER_AT, 0, 4);
	set_header(HEADER_AT + 2, 0); /* not aligned */
	assert_false(load_multiboot_is_multiboot(&kernel));
	make_elf32();
	set_header(HEADER_AT, 8); /* a feature that nobody knows */
	assert_int_equal(load(), -E_INVAL);
	assert_non_null(strstr(fake_log_last, "demands features 0x8"));
	set_header(HEADER_AT, 0x40004); /* a video mode is told of, optional ones may be */
	assert_int_equal(load(), 0);
	make_flat();
	set_header(8192 - 12, 0x10000);
	set(HEADER_AT, 0, 4);
	assert_int_equal(load(), -E_INVAL);
	assert_non_null(strstr(fake_log_last, "cut short"));
}

struct damage {
	size_t offset, size;
	uint64_t value;
	int err;
};

static void refuse(void (*make_it)(void), const struct damage *d, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		make_it();
		set(d[i].offset, d[i].value, d[i].size);
		fake_log_last[0] = 0;
		int err = load();

		if (err != d[i].err || !fake_log_last[0])
			fail_msg("damage %u: err %d '%s'", i, err, fake_log_last);
	}
}

static void damage_is_refused(void **state)
{
	static const struct damage elf32[] = {
	    {0, 1, 0, -E_INVAL},
	    {4, 1, 0, -E_INVAL},
	    {4, 1, 2, -E_INVAL},
	    {5, 1, 2, -E_INVAL},
	    {18, 2, 62, -E_INVAL},
	    {28, 4, 0x3fd0, -E_INVAL},
	    {28, 4, UINT32_MAX, -E_INVAL},
	    {42, 2, 56, -E_INVAL},
	    {44, 2, 0, -E_INVAL},
	    {44, 2, 65, -E_INVAL},
	    {56, 4, 0x3001, -E_INVAL},
	    {56, 4, UINT32_MAX, -E_INVAL},
	    {68, 4, 0x3001, -E_INVAL},
	    {68, 4, UINT32_MAX, -E_INVAL},
	    {72, 4, 0xfff, -E_INVAL}, /* less in memory than in the file */
	    {72, 4, MEMORY - LOAD + 1, -E_RANGE},
	    {72, 4, UINT32_MAX, -E_RANGE},
	    {64, 4, MEMORY - 0x1fff, -E_RANGE},
	    {64, 4, UINT32_MAX, -E_RANGE},
	    {64, 4, GUEST_LOW_RAM_END - 0x1fff, -E_RANGE},
	    {64, 4, 0xff000, -E_RANGE},
	    {52, 4, 2, -E_INVAL},	      /* nothing to load */
	    {24, 4, LOAD + 0x1000, -E_INVAL}, /* an entry in the bss */
	};
	static const struct damage elf64[] = {
	    {18, 2, 3, -E_INVAL},
	    {32, 8, UINT64_MAX - 8, -E_INVAL},
	    {72, 8, UINT64_MAX - 8, -E_INVAL},
	    {88, 8, UINT64_MAX - 8, -E_RANGE},
	    {88, 8, 0x100000000 + LOAD, -E_RANGE},
	    {96, 8, UINT64_MAX, -E_INVAL},
	    {104, 8, UINT64_MAX, -E_RANGE},
	};
	static const struct damage flat[] = {
	    {HEADER_AT + 12, 4, LOAD - 1, -E_INVAL},
	    {HEADER_AT + 12, 4, LOAD + HEADER_AT + 1, -E_INVAL},
	    {HEADER_AT + 16, 4, LOAD + 0x81, -E_INVAL},
	    {HEADER_AT + 20, 4, LOAD - 1, -E_INVAL},
	    {HEADER_AT + 24, 4, LOAD + 0x1fff, -E_INVAL},
	    {HEADER_AT + 24, 4, MEMORY + 1, -E_RANGE},
	    {HEADER_AT + 28, 4, LOAD + 0x2000, -E_INVAL},
	};

	refuse(make_elf32, elf32, ARRAY_SIZE(elf32));
	refuse(make_elf64, elf64, ARRAY_SIZE(elf64));
	refuse(make_flat, flat, ARRAY_SIZE(flat));
	make_flat();
	set(HEADER_AT + 20, LOAD + 0x3f81, 4); /* more than the file has */
	set(HEADER_AT + 24, 0, 4);
	assert_int_equal(load(), -E_INVAL);
}

static void every_cut_is_handled(void **state)
{
	void (*const forms[])(void) = {make_elf32, make_elf64, make_flat};

	for (unsigned k = 0; k < ARRAY_SIZE(forms); k++) {
		forms[k]();
		for (size_t size = 0; size < DATA_AT + 0x1000; size += size < 0x200 ? 1 : 61) {
			uint8_t *copy = malloc(size + 1);
			struct file cut = {"cut", copy, size, 0};

			memcpy(copy, image, size);
			assert_int_equal(load_multiboot(&vm, &cut, NULL, 0, "", &cs), -E_INVAL);
			free(copy);
		}
	}
}

static void too_much_is_refused(void **state)
{
	static const uint8_t data[PAGE_SIZE];
	struct file f = {"vms/t/big", data, sizeof(data), 0};
	struct multiboot_module m[MULTIBOOT_MAX_MODULES];
	char text[5000];

	for (unsigned i = 0; i < MULTIBOOT_MAX_MODULES; i++)
		m[i] = (struct multiboot_module){&f, ""};
	make_elf32();
	set(72, MEMORY - LOAD - 2 * PAGE_SIZE, 4); /* room for two */
	assert_int_equal(load_multiboot(&vm, &kernel, m, 2, "", &cs), 0);
	assert_int_equal(load_multiboot(&vm, &kernel, m, 3, "", &cs), -E_NOSPC);
	f.size = UINT64_MAX;
	assert_int_equal(load_multiboot(&vm, &kernel, m, 1, "", &cs), -E_NOSPC);
	make_elf32();
	f.size = sizeof(data);
	memset(text, 'x', sizeof(text));
	text[VM_ARGS_LEN - 1] = 0;
	for (unsigned i = 0; i < MULTIBOOT_MAX_MODULES; i++)
		m[i].args = text;
	assert_int_equal(load_multiboot(&vm, &kernel, m, MULTIBOOT_MAX_MODULES, "", &cs), 0);
	text[VM_ARGS_LEN - 1] = 'x';
	text[VM_CMDLINE_LEN - 1] = 0; /* the longest command line alone fits ... */
	assert_int_equal(load_multiboot(&vm, &kernel, NULL, 0, text, &cs), 0);
	/* ... five of that length do not */
	assert_int_equal(load_multiboot(&vm, &kernel, m, MULTIBOOT_MAX_MODULES, text, &cs),
			 -E_RANGE);
	text[VM_CMDLINE_LEN - 1] = 'x';
	text[4999] = 0;
	assert_int_equal(load_multiboot(&vm, &kernel, NULL, 0, text, &cs), -E_RANGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(every_form_is_placed, setup, teardown),
	    cmocka_unit_test_setup_teardown(information_is_complete, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_low_kernel, setup, teardown),
	    cmocka_unit_test_setup_teardown(header_is_found, setup, teardown),
	    cmocka_unit_test_setup_teardown(damage_is_refused, setup, teardown),
	    cmocka_unit_test_setup_teardown(every_cut_is_handled, setup, teardown),
	    cmocka_unit_test_setup_teardown(too_much_is_refused, setup, teardown),
	};

	return cmocka_run_group_tests_name("multiboot", tests, NULL, NULL);
}
