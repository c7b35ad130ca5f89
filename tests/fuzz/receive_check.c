/* SPDX-License-Identifier: BSD-2-Clause */
/* What must be true when nothing more comes to the receiver; see receive_world.h. */
#include <string.h>

#include "tests/fuzz/device.h"
#include "tests/fuzz/receive_world.h"
#include "kernel/files.h"
#include "kernel/store/stores.h"
#include "vmm/vm_store.h"

static void forget_files(void)
{
	while (files_at(0)) {
		char path[128];

		memcpy(path, files_at(0)->path, sizeof(path));
		files_discard(path);
		assert_true(!files_at(0) || strcmp(files_at(0)->path, path));
	}
}

static void forget_moves(void)
{
	for (unsigned i = 0; i < MOVES_KEPT; i++) {
		struct move *m = world.state.moves[i];

		if (!m)
			continue;
		assert_true(m->ended && m->p.done && !m->vm && !m->link);
		assert_true(!m->p.err == (m->p.handover == HANDOVER_RUNNING));
		assert_true(!m->p.err || m->p.reason[0]);
		kfree(m->checks);
		kfree(m);
	}
}

/* After a restart it is there, with its disks. */
static void check_kept(const struct vm *vm)
{
	static struct vm_config kept;
	struct ds_info info;
	char why[160];

	world.asked = WORLD_ASKED_MAX + 1; /* the store is well */
	assert_int_equal(vm_store_read(stores_default(), vm->cfg.name, &kept, why, sizeof(why)), 0);
	assert_int_equal(kept.disk_count, vm->cfg.disk_count);
	for (unsigned i = 0; i < kept.disk_count; i++)
		if (kept.disks[i].in_store)
			assert_int_equal(ds_find(stores_default(), kept.disks[i].object, &info), 0);
	assert_true(vm->state == VM_OFF || vm->state == VM_RUNNING);
}

static void check_store(void)
{
	assert_int_equal(world_holds(), 0);
	assert_int_equal(world_objects_named("/vm.conf"), world.vm && world.cold);
	if (world.vm && world.cold)
		check_kept(world.vm);
	if (!world.parts)
		assert_int_equal(world_objects_named(DS_PART_SUFFIX), 0);
}

void world_check_and_free(void)
{
	bool mine = world.vm;
	struct list *n;

	check_store();
	assert_true(!mine || (world.vm->state != VM_INCOMING && world.vm->state != VM_IN_DOUBT));
	assert_int_equal(world.state.incoming, 0);
	if (!mine)
		assert_null(files_at(0));
	forget_moves();
	if (mine) {
		list_for_each (n, &world.vm->devices) {
			struct vdev *d = list_entry(n, struct vdev, node);

			fuzz_device_move(d); /* another move would take what this one took */
		}
		vm_destroy(world.vm);
		assert_int_equal(vm_undefine(world.vm), 0);
	}
	forget_files();
	assert_int_equal(world_objects_held(), 0);
	world_store_free();
	assert_int_equal(fake_timers_armed(), 0);
	assert_int_equal(fake_alloc_live, 0);
}
