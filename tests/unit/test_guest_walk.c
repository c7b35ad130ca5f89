/* SPDX-License-Identifier: BSD-2-Clause */
/* Walks of guest page tables: 2-level, PAE and 4-level, rights, faults, hostile entries. */
#include <string.h>

#include "tests/unit/fake_kernel.h"

#include "vmm/guest_walk.h"

#define CR0_PE_PG  0x80000001ull
#define CR0_WP	   0x10000ull
#define CR4_PSE	   0x10ull
#define CR4_PAE	   0x20ull
#define EFER_LONG  0xd00ull
#define P	   1ull
#define W	   2ull
#define U	   4ull
#define PS	   0x80ull
#define NX	   (1ull << 63)
#define ROOT	   0x10000ull /* tables from here: ROOT, ROOT + 1000h ... */
#define FAULT_NONE 0u
#define FAULT_P	   1u
#define FAULT_W	   2u
#define FAULT_U	   4u
#define FAULT_R	   8u
#define FAULT_I	   16u
#define MEM_SIZE   (2 * SIZE_2M)

static struct vm vm;
static struct cpu_paging cpu;

static gfn_t marked[8];
static unsigned marked_count;

void dirty_log_mark(struct vm *v, gfn_t gfn)
{
	marked[marked_count++ % ARRAY_SIZE(marked)] = gfn;
}

static void put(gpa_t table, unsigned index, uint64_t entry, unsigned size)
{
	assert_int_equal(guest_mem_write(&vm, table + index * size, &entry, size), 0);
}

static int set_up(void **state)
{
	fake_kernel_reset();
	memset(&vm, 0, sizeof(vm));
	assert_int_equal(guest_mem_create(&vm.mem, MEM_SIZE), 0);
	cpu = (struct cpu_paging){.cr0 = CR0_PE_PG | CR0_WP, .cr3 = ROOT};
	return 0;
}

static int tear_down(void **state)
{
	guest_mem_destroy(&vm.mem);
	return fake_alloc_live;
}

static void assert_goes(uint64_t linear, bool write, gpa_t expect)
{
	uint32_t fault;
	gpa_t gpa = 0;

	assert_int_equal(guest_walk(&vm, &cpu, linear, write ? WALK_WRITE : 0, &gpa, &fault), 0);
	assert_int_equal(gpa, expect);
}

static void assert_faults(uint64_t linear, bool write, uint32_t expect)
{
	uint32_t fault = 0;
	gpa_t gpa;

	assert_int_equal(guest_walk(&vm, &cpu, linear, write ? WALK_WRITE : 0, &gpa, &fault),
			 -E_NOENT);
	assert_int_equal(fault, expect);
}

static uint64_t get(gpa_t table, unsigned index)
{
	uint64_t entry = 0;

	assert_int_equal(guest_mem_read(&vm, table + index * 8, &entry, 8), 0);
	return entry;
}

static void four_levels(void)
{
	cpu.cr4 = CR4_PAE;
	cpu.efer = EFER_LONG;
	put(ROOT, 256, (ROOT + 0x1000) | P | W | U | NX, 8); /* ffff8000_00000000 */
	put(ROOT + 0x1000, 0, (ROOT + 0x2000) | P | W | U, 8);
	put(ROOT + 0x1000, 1, 0x40000000 | P | W | PS, 8); /* 1 GiB */
	put(ROOT + 0x2000, 0, (ROOT + 0x3000) | P | W | U, 8);
	put(ROOT + 0x2000, 1, 0x600000 | P | W | U | PS, 8); /* 2 MiB */
	put(ROOT + 0x3000, 0, 0x5000 | P | W | U | NX, 8);
	put(ROOT + 0x3000, 1, 0x6000 | P | U, 8);	/* read-only */
	put(ROOT + 0x3000, 2, 0x7000 | P | W, 8);	/* supervisor */
	put(ROOT + 0x3000, 3, 0xabc0000000 | P | W, 8); /* not RAM */
}

#define HIGH 0xffff800000000000ull

static void test_no_paging(void **state)
{
	cpu.cr0 = 1;
	assert_goes(0x123456789, true, 0x23456789);
}

static void test_4_level(void **state)
{
	four_levels();
	assert_goes(HIGH + 0x123, true, 0x5123);
	assert_goes(HIGH + 0x200123, true, 0x600123);
	assert_goes(HIGH + 0x3fffff, false, 0x7fffff);
	assert_goes(HIGH + 0x40abcdef, true, 0x40abcdef);
	assert_goes(HIGH + 0x1000, false, 0x6000);
	assert_goes(HIGH + 0x3010, false, 0xabc0000010);
	assert_faults(HIGH + 0x1000, true, FAULT_P | FAULT_W);
	assert_faults(HIGH + 0x4000, false, FAULT_NONE);
	assert_faults(HIGH + 0x4000, true, FAULT_W);
	assert_faults(0, false, FAULT_NONE);
}

static void test_rights(void **state)
{
	four_levels();
	cpu.cr0 &= ~CR0_WP; /* the supervisor writes read-only pages */
	assert_goes(HIGH + 0x1000, true, 0x6000);
	cpu.cpl = 3;
	assert_faults(HIGH + 0x1000, true, FAULT_P | FAULT_W | FAULT_U);
	assert_faults(HIGH + 0x2000, false, FAULT_P | FAULT_U);
	assert_faults(HIGH + 0x40000000, false, FAULT_P | FAULT_U);
	assert_faults(HIGH + 0x4000, false, FAULT_U);
	assert_goes(HIGH + 0x1000, false, 0x6000);
	/* rights of every level count */
	cpu.cpl = 0;
	cpu.cr0 |= CR0_WP;
	put(ROOT, 256, (ROOT + 0x1000) | P, 8);
	assert_faults(HIGH, true, FAULT_P | FAULT_W);
	assert_goes(HIGH, false, 0x5000);
}

static void test_pae(void **state)
{
	cpu.cr4 = CR4_PAE;
	cpu.pdpte[3] = (ROOT + 0x1000) | P;
	put(ROOT + 0x1000, 1, 0x800000 | P | W | PS, 8);
	put(ROOT + 0x1000, 2, (ROOT + 0x2000) | P | W, 8);
	put(ROOT + 0x2000, 511, 0x9000 | P | W, 8);
	assert_goes(0xc0200010, true, 0x800010);
	assert_goes(0xffffffffc0200010, true, 0x800010); /* 32 bits count */
	assert_goes(0xc05ff004, true, 0x9004);
	assert_faults(0xc05fe004, true, FAULT_W);
	assert_faults(0x00200010, true, FAULT_W); /* PDPTE 0 is not present */
}

static void test_2_level(void **state)
{
	put(ROOT, 0x300, (ROOT + 0x1000) | P | W, 4);
	put(ROOT, 0x301, 0xc00000 | P | W | PS, 4);
	put(ROOT, 0x302, 0x1000000 | P | W | PS | 1 << 13, 4); /* PSE-36: address bit 32 */
	put(ROOT + 0x1000, 0x3ff, 0x8000 | P | W, 4);
	assert_goes(0xc03ff00c, true, 0x800c);
	cpu.cr4 = CR4_PSE;
	assert_goes(0xc0412345, true, 0xc12345);
	assert_goes(0xc0812345, true, 0x101012345);
	cpu.cr4 = 0; /* then bit 7 means nothing: C00000h is a table, in no RAM */
	assert_faults(0xc0412345, true, FAULT_W);
	assert_faults(0xc03fe00c, false, FAULT_NONE);
}

static void test_hostile(void **state)
{
	four_levels();
	/* tables that point at themselves, outside RAM, and a large page that no level has */
	put(ROOT, 511, ROOT | P | W | U, 8);
	assert_goes(0xfffffffffffff123, true, ROOT | 0x123);
	put(ROOT, 300, 0x000ffffffffff000 | P | W, 8);
	assert_faults(300ull << 39 | 0xffff000000000000, false, FAULT_NONE);
	put(ROOT, 301, 0x5000 | P | W | PS, 8);
	assert_faults(301ull << 39 | 0xffff000000000000, false, FAULT_P | 8); /* reserved bit */
	cpu.cr3 = 0xffffffffff000;
	assert_faults(HIGH, false, FAULT_NONE);
}

static void test_copies(void **state)
{
	uint8_t out[16] = "across a border", in[16];
	uint64_t at = 0;
	uint32_t fault = 0;

	four_levels();
	put(ROOT + 0x3000, 1, 0x9000 | P | W, 8);
	assert_int_equal(guest_linear_write(&vm, &cpu, HIGH + 0xff8, out, 16, 0, &fault, &at), 0);
	assert_int_equal(guest_linear_read(&vm, &cpu, HIGH + 0xff8, in, 16, 0, &fault, &at), 0);
	assert_memory_equal(in, out, 16);
	assert_int_equal(guest_mem_read(&vm, 0x9000, in, 8), 0);
	assert_memory_equal(in, out + 8, 8);
	/* the second page is not there: the first is not written either */
	put(ROOT + 0x3000, 1, 0, 8);
	memset(in, 0, sizeof(in));
	assert_int_equal(guest_linear_write(&vm, &cpu, HIGH + 0xff8, in, 16, 0, &fault, &at),
			 -E_NOENT);
	assert_int_equal(at, HIGH + 0x1000);
	assert_int_equal(fault, FAULT_W);
	assert_int_equal(guest_mem_read(&vm, 0x5ff8, in, 8), 0);
	assert_memory_equal(in, out, 8);
	assert_int_equal(guest_linear_read(&vm, &cpu, HIGH + 0xff8, in, 16, 0, &fault, &at),
			 -E_NOENT);
	assert_int_equal(at, HIGH + 0x1000);
	/* no RAM behind it: an empty bus, writes go nowhere */
	assert_int_equal(guest_linear_read(&vm, &cpu, HIGH + 0x3000, in, 4, 0, &fault, &at), 0);
	assert_int_equal(in[0] & in[3], 0xff);
	assert_int_equal(guest_linear_write(&vm, &cpu, HIGH + 0x3000, in, 4, 0, &fault, &at), 0);
}

/* As the processor would: accessed on the way, dirty at the page, and the log knows. */
static void test_marks(void **state)
{
	uint32_t fault;
	uint64_t at, byte = 0;
	gpa_t gpa;

	four_levels();
	vm.dirty.on = true;
	marked_count = 0;
	assert_int_equal(guest_walk_probe(&vm, &cpu, HIGH, WALK_WRITE, &gpa, &fault), 0);
	assert_int_equal(get(ROOT, 256) & 0x60, 0);
	assert_faults(HIGH + 0x1000, true, FAULT_P | FAULT_W); /* refused: no marks */
	assert_int_equal(get(ROOT, 256) & 0x60, 0);
	assert_int_equal(marked_count, 0);
	assert_goes(HIGH, false, 0x5000);
	assert_int_equal(get(ROOT, 256) & 0x60, 0x20);
	assert_int_equal(get(ROOT + 0x1000, 0) & 0x60, 0x20);
	assert_int_equal(get(ROOT + 0x3000, 0), 0x5000 | P | W | U | NX | 0x20);
	assert_int_equal(marked_count, 4);
	assert_int_equal(marked[3], (ROOT + 0x3000) >> 12);
	assert_goes(HIGH, true, 0x5000);
	assert_int_equal(get(ROOT + 0x3000, 0) & 0x60, 0x60);
	assert_int_equal(get(ROOT + 0x2000, 0) & 0x60, 0x20);
	assert_int_equal(marked_count, 5);
	assert_goes(HIGH, true, 0x5000); /* all marked: no write, no dirty page */
	assert_int_equal(marked_count, 5);
	/* a copy that faults in its second page marks nothing in the first */
	put(ROOT + 0x3000, 0, 0x5000 | P | W, 8);
	assert_int_equal(guest_linear_write(&vm, &cpu, HIGH + 0xffc, &byte, 8, 0, &fault, &at),
			 -E_NOENT);
	assert_int_equal(get(ROOT + 0x3000, 0) & 0x60, 0);
	/* 32-bit entries */
	cpu = (struct cpu_paging){.cr0 = CR0_PE_PG | CR0_WP, .cr3 = ROOT, .cr4 = CR4_PSE};
	put(ROOT, 0x301, 0xc00000 | P | W | PS, 4);
	put(ROOT, 0x302, 0xffffffff, 4);
	assert_goes(0xc0400000, true, 0xc00000);
	assert_int_equal((uint32_t)get(ROOT, 0x301 / 2), 0); /* its neighbour stays */
	assert_int_equal(get(ROOT, 0x301 / 2) >> 32, 0xc00000 | P | W | PS | 0x60);
	vm.dirty.on = false;
}

static void test_reserved_bits(void **state)
{
	four_levels();
	vm.cpuid.phys_bits = 40;
	put(ROOT + 0x3000, 0, 1ull << 40 | P | W, 8);
	assert_faults(HIGH, true, FAULT_P | FAULT_W | FAULT_R);
	put(ROOT + 0x3000, 0, 1ull << 52 | 0x5000 | P | W, 8); /* the software's */
	assert_goes(HIGH, true, 0x5000);
	put(ROOT + 0x2000, 1, 0x602000 | P | W | PS, 8); /* not on 2 MiB */
	assert_faults(HIGH + 0x200000, false, FAULT_P | FAULT_R);
	put(ROOT + 0x2000, 1, 0x601000 | P | W | PS, 8); /* PAT */
	assert_goes(HIGH + 0x200000, false, 0x600000);
	cpu.efer &= ~0x800ull; /* without NXE its bit is reserved */
	assert_faults(HIGH + 0x200000, false, FAULT_P | FAULT_R);
}

static void test_supervisor_modes(void **state)
{
	uint32_t fault;
	gpa_t gpa;

	four_levels();
	put(ROOT, 256, (ROOT + 0x1000) | P | W | U, 8);
	cpu.rflags = 2;
	cpu.cr4 |= 1ull << 20; /* SMEP */
	assert_int_equal(guest_walk(&vm, &cpu, HIGH + 0x1000, WALK_FETCH, &gpa, &fault), -E_NOENT);
	assert_int_equal(fault, FAULT_P | FAULT_I);
	assert_int_equal(guest_walk(&vm, &cpu, HIGH + 0x2000, WALK_FETCH, &gpa, &fault), 0);
	assert_int_equal(guest_walk(&vm, &cpu, HIGH, WALK_FETCH, &gpa, &fault), -E_NOENT); /* NX */
	cpu.cr4 |= 1ull << 21; /* SMAP */
	assert_faults(HIGH, false, FAULT_P);
	assert_goes(HIGH + 0x2000, false, 0x7000);
	cpu.rflags |= 1 << 18; /* AC */
	assert_goes(HIGH, false, 0x5000);
	assert_int_equal(guest_walk(&vm, &cpu, HIGH, WALK_SYSTEM, &gpa, &fault), -E_NOENT);
	cpu.cpl = 3;
	assert_goes(HIGH, false, 0x5000);
	assert_faults(HIGH + 0x2000, false, FAULT_P | FAULT_U);
	assert_int_equal(guest_walk(&vm, &cpu, HIGH + 0x2000, WALK_SYSTEM, &gpa, &fault), 0);
}

/* At the end of the address space the second page is page 0, looked up before anything is written.
 */
static void test_wrap(void **state)
{
	uint8_t data[16] = {0};
	uint64_t at = 0;
	uint32_t fault = 0;

	four_levels();
	put(ROOT, 511, (ROOT + 0x1000) | P | W, 8);
	put(ROOT + 0x1000, 511, (ROOT + 0x2000) | P | W, 8);
	put(ROOT + 0x2000, 511, (ROOT + 0x3000) | P | W, 8);
	put(ROOT + 0x3000, 511, 0x5000 | P | W, 8);
	memset(data, 0x55, sizeof(data));
	assert_int_equal(guest_linear_write(&vm, &cpu, UINT64_MAX - 7, data, 16, 0, &fault, &at),
			 -E_NOENT);
	assert_int_equal(guest_mem_read(&vm, 0x5ff8, data, 8), 0);
	assert_int_equal(data[0], 0);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_no_paging),     TEST(test_4_level),
	    TEST(test_rights),	      TEST(test_pae),
	    TEST(test_2_level),	      TEST(test_hostile),
	    TEST(test_copies),	      TEST(test_marks),
	    TEST(test_reserved_bits), TEST(test_supervisor_modes),
	    TEST(test_wrap),
	};

	return cmocka_run_group_tests_name("guest_walk", tests, NULL, NULL);
}
