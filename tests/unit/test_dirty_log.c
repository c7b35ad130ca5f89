/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The dirty log over real EPT tables, in all three methods, against a guest that
 * writes at random: each page is handed over exactly once, and what a receiver
 * would hold at the end is what the guest wrote last.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/unit/fake_kernel.h"

#include "arch/x86/vmx/caps.h"
#include "arch/x86/vmx/ept.h"
#include "vmm/vcpu.h"

#define PAGES 1536ul /* 6 MiB */
#define WORDS (PAGES / 64)

struct vmx_caps vmx_caps;
static struct vm vm;
static unsigned leaves; /* how often all vCPUs were brought out of the guest */

const struct virt_caps *virt_detect(void)
{
	return &vmx_caps.virt;
}

void vcpus_leave_guest(struct vm *v)
{
	assert_ptr_equal(v, &vm);
	leaves++;
}

/* What is written and what a receiver got: a version number a page. */
static unsigned version[PAGES], received[PAGES];
static bool written[PAGES]; /* since the last harvest */
static uint64_t bits[WORDS];

static void begin(void)
{
	fake_kernel_reset();
	fake_cpu_reset();
	srand(20);
	memset(&vm, 0, sizeof(vm));
	memset(&vmx_caps, 0, sizeof(vmx_caps));
	memset(version, 0, sizeof(version));
	memset(received, 0xff, sizeof(received));
	memset(written, 0, sizeof(written));
	vmx_caps.virt.pml = vmx_caps.virt.ad_bits = true;
	assert_int_equal(guest_mem_create(&vm.mem, PAGES * PAGE_SIZE), 0);
	vm.slat = slat_create();
	assert_non_null(vm.slat);
	for (uint32_t i = 0; i < vm.mem.block_count; i++)
		assert_int_equal(
		    slat_map(vm.slat, i * SIZE_2M, virt_to_hpa(vm.mem.blocks[i]), SIZE_2M), 0);
}

static void end(void)
{
	dirty_log_stop(&vm);
	slat_destroy(vm.slat);
	guest_mem_destroy(&vm.mem);
	assert_int_equal(fake_alloc_live, 0);
}

/* A store by the guest: what the processor and the exit handlers do about it. */
static void guest_write(gfn_t gfn)
{
	uint64_t *entry, *table = vm.slat->root;

	version[gfn]++;
	written[gfn] = true;
	for (int level = 3;; level--) {
		entry = &table[ept_index(gfn << PAGE_SHIFT, level)];
		if (!(*entry & EPT_W)) { /* EPT violation */
			assert_true(slat_log_fault(vm.slat, gfn << PAGE_SHIFT));
			dirty_log_mark(&vm, gfn);
		}
		*entry |= EPT_A;
		if (ept_is_leaf(*entry, level))
			break;
		table = ept_table_of(*entry);
	}
	if (vm.slat->log == SLAT_LOG_PML && !(*entry & EPT_D))
		dirty_log_mark(&vm, gfn); /* by way of the buffer */
	*entry |= EPT_D;
}

/* A store by the hypervisor on the guest's behalf. */
static void host_write(gfn_t gfn)
{
	uint32_t value = ++version[gfn];

	written[gfn] = true;
	assert_int_equal(guest_mem_write(&vm, (gfn << PAGE_SHIFT) + 100, &value, sizeof(value)), 0);
}

static bool bit(uint64_t i)
{
	return bits[i / 64] >> i % 64 & 1;
}

static void harvest(bool all)
{
	uint64_t count = 0, said = dirty_log_harvest(&vm, bits);

	for (uint64_t i = 0; i < PAGES; i++) {
		assert_int_equal(bit(i), all || written[i]);
		count += bit(i);
		if (bit(i))
			received[i] = version[i];
		written[i] = false;
	}
	assert_int_equal(said, count);
}

static void write_some(void)
{
	for (int i = rand() % 200; i >= 0; i--) {
		gfn_t gfn = rand() % PAGES;

		if (rand() & 1)
			guest_write(gfn);
		else
			host_write(gfn);
	}
}

static void one_move(enum dirty_method method)
{
	unsigned before = leaves;

	assert_int_equal(dirty_log_start(&vm, method), 0);
	assert_true(leaves > before);
	assert_int_equal(dirty_log_start(&vm, method), -E_BUSY);
	assert_int_equal(dirty_log_count(&vm), PAGES);
	write_some();
	before = leaves;
	harvest(true);
	assert_true(leaves > before);
	for (int round = 0; round < 20; round++) {
		write_some();
		harvest(false);
	}
	harvest(false); /* nothing new: nothing */
	assert_memory_equal(received, version, sizeof(version));
	before = leaves;
	dirty_log_stop(&vm);
	assert_true(leaves > before);
}

static void test_exactly_once(void **state)
{
	for (enum dirty_method m = DIRTY_AUTO; m < DIRTY_METHODS; m++) {
		begin();
		one_move(m);
		/* Between moves nothing is noticed; the second starts from everything. */
		write_some();
		assert_int_equal(dirty_log_count(&vm), 0);
		one_move(m);
		end();
	}
}

static void test_give_back(void **state)
{
	for (enum dirty_method m = DIRTY_AUTO; m < DIRTY_METHODS; m++) {
		uint64_t kept[WORDS];

		begin();
		assert_int_equal(dirty_log_start(&vm, m), 0);
		harvest(true);
		guest_write(5);
		host_write(700);
		harvest(false);
		memcpy(kept, bits, sizeof(kept));
		guest_write(5);
		guest_write(6);
		dirty_log_give_back(&vm, kept);
		written[700] = true; /* as good as written */
		assert_int_equal(dirty_log_count(&vm), 3);
		assert_int_equal(dirty_log_count(&vm), 3); /* counting takes nothing */
		harvest(false);
		end();
	}
}

static void test_choice(void **state)
{
	begin();
	assert_int_equal(dirty_log_start(&vm, DIRTY_AUTO), 0);
	assert_int_equal(vm.dirty.method, DIRTY_PML);
	dirty_log_stop(&vm);
	vmx_caps.virt.pml = false;
	assert_int_equal(dirty_log_start(&vm, DIRTY_PML), -E_NOTSUP);
	assert_int_equal(dirty_log_start(&vm, DIRTY_AUTO), 0);
	assert_int_equal(vm.dirty.method, DIRTY_ACCESSED);
	dirty_log_stop(&vm);
	vmx_caps.virt.ad_bits = false;
	assert_int_equal(dirty_log_start(&vm, DIRTY_ACCESSED), -E_NOTSUP);
	assert_int_equal(dirty_log_start(&vm, DIRTY_AUTO), 0);
	assert_int_equal(vm.dirty.method, DIRTY_WRITE_PROTECT);
	assert_string_equal(dirty_method_name(DIRTY_WRITE_PROTECT), "wp");
	assert_string_equal(dirty_method_name(DIRTY_METHODS), "?");
	end();
}

/* Out of memory anywhere in the start leaves a guest that runs as before. */
static void test_start_out_of_memory(void **state)
{
	for (int fail = 0; fail < 4; fail++) {
		begin();
		fake_alloc_countdown = fail;
		assert_int_equal(dirty_log_start(&vm, DIRTY_WRITE_PROTECT), -E_NOMEM);
		fake_alloc_countdown = -1;
		assert_false(vm.dirty.on);
		guest_write(1);
		host_write(1);
		one_move(DIRTY_WRITE_PROTECT);
		end();
	}
}

static void test_marks_outside_ram(void **state)
{
	begin();
	dirty_log_mark(&vm, 1); /* off: nothing to note it in */
	assert_int_equal(dirty_log_start(&vm, DIRTY_AUTO), 0);
	harvest(true);
	dirty_log_mark(&vm, PAGES);
	dirty_log_mark(&vm, UINT64_MAX >> PAGE_SHIFT);
	assert_int_equal(dirty_log_count(&vm), 0);
	guest_mem_dirty(&vm, 3 * PAGE_SIZE - 1, 2); /* across a border: both pages */
	written[2] = written[3] = true;
	harvest(false);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_exactly_once),
	    cmocka_unit_test(test_give_back),
	    cmocka_unit_test(test_choice),
	    cmocka_unit_test(test_start_out_of_memory),
	    cmocka_unit_test(test_marks_outside_ram),
	};

	return cmocka_run_group_tests_name("dirty_log", tests, NULL, NULL);
}
