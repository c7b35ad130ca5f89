/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The guest's page tables, wherever they point and whatever they say; linear
 * copies by them. A write that fails has written nothing; no access leaves the RAM.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "tests/unit/fake_guest.h"
#include "vmm/guest_walk.h"

#define TABLES 16 /* pages at the bottom of RAM that hold tables, and are the copy's target */

static struct vm vm;

static struct cpu_paging paging(struct fuzz *f)
{
	uint8_t how = fuzz_u8(f);
	struct cpu_paging p = {.cr0 = (how & 1 ? 0 : BIT(31)) | (how & 2 ? BIT(16) : 0),
			       .cr3 = how & 4 ? fuzz_u64(f) : fuzz_u8(f) % TABLES * PAGE_SIZE,
			       .cr4 = (how & 8 ? BIT(4) : 0) | (how & 16 ? BIT(5) : 0),
			       .efer = how & 32 ? BIT(10) | BIT(8) : 0,
			       .cpl = how & 64 ? 3 : 0};

	for (unsigned i = 0; how & 16 && i < 4; i++)
		p.pdpte[i] = fuzz_u16(f);
	return p;
}

/* Entries at places where walks come by: the first ones and the last one of a table. */
static void fill_tables(struct fuzz *f)
{
	uint8_t *ram = vm.mem.blocks[0];
	unsigned count = fuzz_u8(f) % 32;

	memset(ram, 0, TABLES * PAGE_SIZE);
	while (count--) {
		uint8_t where = fuzz_u8(f);
		uint64_t entry = fuzz_u8(f) & 0x80 ? fuzz_u64(f) : fuzz_u16(f);
		size_t at = where / 16 * PAGE_SIZE +
			    (where & 8 ? PAGE_SIZE - 8 * (1 + (where & 7)) : 8 * (where & 7));

		memcpy(ram + at, &entry, sizeof(entry));
	}
}

static void copies(const struct cpu_paging *p, uint64_t linear, size_t len)
{
	static uint8_t before[TABLES * PAGE_SIZE], buf[3 * PAGE_SIZE];
	uint64_t fault_at;
	uint32_t fault;

	(void)!guest_linear_read(&vm, p, linear, buf, len, 0, &fault, &fault_at);
	memcpy(before, vm.mem.blocks[0], sizeof(before));
	memset(buf, 0xcc, sizeof(buf));
	if (guest_linear_write(&vm, p, linear, buf, len, 0, &fault, &fault_at))
		assert_memory_equal(before, vm.mem.blocks[0], sizeof(before));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint64_t bases[] = {
	    0, 0x7ffffffff000, 0xffff800000000000, 0xffffffffffffe000, 0xfffff000, 0x3fffff000};
	struct fuzz f = {data, size};
	struct cpu_paging p;
	uint64_t linear;
	uint32_t fault;
	uint8_t how;
	gpa_t gpa;

	if (!vm.mem.size) {
		vm.mem.size = SIZE_2M;
		fake_guest_create(&vm);
	}
	p = paging(&f);
	how = fuzz_u8(&f);
	linear = bases[how % ARRAY_SIZE(bases)] + fuzz_u16(&f) % (3 * PAGE_SIZE);
	if (how & 0x80)
		linear = fuzz_u64(&f);
	fill_tables(&f);
	if (!guest_walk(&vm, &p, linear, how & 0x40 ? WALK_WRITE : 0, &gpa, &fault))
		assert_true(gpa % PAGE_SIZE == linear % PAGE_SIZE);
	copies(&p, linear, fuzz_u16(&f) % (PAGE_SIZE + 2));
	return 0;
}
