/* SPDX-License-Identifier: BSD-2-Clause */
/* The VM generation id: where it lies, what keeps it, what changes it, and that the guest hears. */
#include <string.h>
#include "tests/unit/fake_guest.h"
#include "tests/unit/fake_vm.h"
#include "arch/x86/virt.h"
#include "kernel/entropy.h"
#include "vmm/dev/vgenid.h"
#include "vmm/dev/vpm.h"

static struct vm *vm;
static struct vgenid *g;
static hpa_t mapped_gpa, mapped_size;
static int map_err;

int slat_map(struct slat *s, gpa_t gpa, hpa_t hpa, uint64_t size)
{
	mapped_gpa = gpa;
	mapped_size = size;
	return map_err;
}

void entropy_fill(void *buf, size_t len)
{
	memset(buf, 0x77, len);
}

static int setup(void **state)
{
	vm = fake_vm_create(2 * MiB, 1);
	map_err = 0;
	assert_int_equal(vpm_create(vm, &vm->vpm), 0);
	for (unsigned i = 0; i < 16; i++)
		vm->uuid[i] = i;
	assert_int_equal(vgenid_create(vm, &g), 0);
	return 0;
}

static int teardown(void **state)
{
	fake_vm_destroy(vm);
	return 0;
}

static void shown_to_the_guest(void **state)
{
	static const uint8_t none[16];

	assert_int_equal(mapped_gpa, 0xfef00000); /* as dsdt.asl says; 8-byte aligned */
	assert_int_equal(mapped_size, PAGE_SIZE);
	assert_memory_equal(g->page, g->s.id, 16);
	assert_memory_not_equal(g->page, none, 16);
	assert_memory_not_equal(g->page, vm->uuid, 16);
}

/* A reboot keeps the id, and what the guest scribbled over it is mended. */
static void kept_by_reset(void **state)
{
	uint8_t id[16];

	memcpy(id, g->page, 16);
	memset(g->page, 0xff, PAGE_SIZE);
	g->vdev.ops->reset(&g->vdev);
	assert_memory_equal(g->page, id, 16);
	assert_int_equal(g->page[16], 0);
}

static void kept_by_a_move(void **state)
{
	struct vm *here = vm, *there = fake_vm_create(2 * MiB, 1);
	struct vgenid *other;

	assert_int_equal(state_table_gap(g->vdev.ops->table), 0);
	vgenid_renew(g);
	assert_int_equal(vpm_create(there, &there->vpm), 0);
	assert_int_equal(vgenid_create(there, &other), 0);
	assert_memory_not_equal(other->page, g->page, 16);
	fake_move(&g->vdev, &other->vdev);
	assert_memory_equal(other->page, g->page, 16);
	assert_false(fake_irq_level[9]); /* nothing to hear of */
	fake_vm_destroy(here);
	vm = there;
}

static void renewed(void **state)
{
	uint8_t before[16];

	memcpy(before, g->page, 16);
	fake_out(vm, 0x60d, 1);
	vgenid_renew(g);
	assert_memory_not_equal(g->page, before, 16);
	assert_memory_equal(g->page, g->s.id, 16);
	assert_true(fake_irq_level[9]);
}

static void creation_undoes(void **state)
{
	struct vgenid *second;
	int live = fake_alloc_live;

	for (int fail = 0; fail < 2; fail++) {
		fake_alloc_countdown = fail;
		assert_int_equal(vgenid_create(vm, &second), -E_NOMEM);
	}
	fake_alloc_countdown = -1;
	map_err = -E_EXIST;
	assert_int_equal(vgenid_create(vm, &second), -E_EXIST);
	assert_int_equal(fake_alloc_live, live);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(shown_to_the_guest, setup, teardown),
	    cmocka_unit_test_setup_teardown(kept_by_reset, setup, teardown),
	    cmocka_unit_test_setup_teardown(kept_by_a_move, setup, teardown),
	    cmocka_unit_test_setup_teardown(renewed, setup, teardown),
	    cmocka_unit_test_setup_teardown(creation_undoes, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
