/* SPDX-License-Identifier: BSD-2-Clause */
/* VMs around the receiver; see receive_world.h. */
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/device.h"
#include "tests/fuzz/receive_world.h"
#include "kernel/store/ds_disk.h"
#include "vmm/dev/vioapic.h"
#include "vmm/dev/vlapic.h"
#include "vmm/dev/vpic.h"
#include "vmm/dev/vpit.h"
#include "vmm/dev/vpm.h"
#include "vmm/dev/vrtc.h"
#include "vmm/dev/vuart.h"
#include "migrate/validate.h"
#include "vmm/vm_build.h"
#include "vmm/vm_nics.h"

struct world world;
static struct vm *anchor; /* keeps the fakes from starting anew with each VM */

struct migrate_state *migrate_state(void)
{
	return &world.state;
}

/* By the last byte of the script: what a cold move finds. */
static void furnish(uint8_t with)
{
	uint64_t size = WORLD_SECTORS * SECTOR_SIZE;

	if (with < 0xf0)
		return;
	world.parts = with & 3;
	if (with & 1)
		world_store_put("disk/web/vdb.part", DS_DISK, size, 3 * DS_CLUSTER);
	else if (with & 2)
		world_store_put("disk/web/vdb.part", DS_DISK, size / 2, DS_CLUSTER);
	if (with & 4)
		world_store_put("disk/web/vdb", DS_DISK, size, 0);
	if (with & 8)
		world_store_put("leaving/web", DS_FILE, 0, 0);
}

void world_reset(struct fuzz *f)
{
	if (!anchor)
		anchor = fake_vm_create(SIZE_2M, 1);
	memset(&world, 0, sizeof(world));
	fuzz_bytes(f, world.script, sizeof(world.script));
	fake_time_ns = NS_PER_S;
	fake_guest_base = 0;
	fake_alloc_live = 0;
	furnish(world.script[WORLD_SCRIPT - 1]);
}

bool world_is_tired(void)
{
	return world.asked > WORLD_ASKED_MAX;
}

/* Who has its COMMIT. */
static const struct move *find_decided(void)
{
	for (unsigned i = 0; i < MOVES_KEPT; i++) {
		const struct move *m = world.state.moves[i];

		if (m && !m->ended && m->cold && world.commit_came &&
		    !memcmp(m->uuid, world.commit_id, sizeof(m->uuid)))
			return m;
	}
	return NULL;
}

bool world_may_define(void)
{
	return find_decided();
}

/* Its disks are as large as offered, also those that an earlier attempt began. */
void world_defined(void)
{
	const struct move *m = find_decided();

	for (unsigned i = 0; i < m->vm->disk_count; i++)
		if (m->copied & (1u << i))
			assert_int_equal(m->vm->disks[i].blk->sectors, m->offer->disks[i].sectors);
	world.must_know = !world.must_know;
	memcpy(world.arrived_id, world.commit_id, sizeof(world.arrived_id));
}

uint8_t world_ask(void)
{
	uint8_t a = world.script[world.asked++ % WORLD_SCRIPT];

	for (unsigned i = 0; world_is_tired() && i < MOVES_KEPT; i++)
		if (world.state.moves[i])
			world.state.moves[i]->abdicated = true;
	return a;
}

/* ---- VMs ---- */

static void make_devices(struct vm *vm)
{
	for (unsigned i = 0; i < vm->vcpu_count; i++)
		assert_int_equal(vlapic_create(vm, vm->vcpus[i], i, &vm->vlapics[i]), 0);
	assert_int_equal(vioapic_create(vm, &vm->vioapic), 0);
	assert_int_equal(vpic_create(vm, &vm->vpic), 0);
	assert_int_equal(vpit_create(vm, &vm->vpit), 0);
	assert_int_equal(vrtc_create(vm, 1709164798ull, &vm->vrtc), 0);
	assert_int_equal(vpm_create(vm, &vm->vpm), 0);
	assert_int_equal(vuart_create(vm, &vm->console), 0);
}

static void make_disks(struct vm *vm, struct ds_object *received[VM_MAX_DISKS])
{
	for (unsigned i = 0; i < vm->cfg.disk_count; i++) {
		struct vm_disk *d = &vm->disks[vm->disk_count++];

		d->cfg = vm->cfg.disks[i];
		if (received[i]) {
			assert_int_equal(ds_disk_receive(received[i], &d->blk), 0);
			received[i] = NULL;
		}
		if (!d->cfg.shared)
			continue;
		d->aoe = calloc(1, sizeof(*d->aoe));
		aoe_fresh_mac(d->aoe->mac);
		d->blk = &d->aoe->bd;
		d->deciding = i == 0;
	}
}

int vm_create_incoming(const struct vm_config *cfg, const struct cpuid_policy *cpuid,
		       struct ds_object *disks[VM_MAX_DISKS], struct vm **out)
{
	struct vm *vm;

	if (cfg->memory > WORLD_MEMORY || world.vm)
		return -E_NOMEM;
	vm = fake_vm_create(cfg->memory, cfg->vcpus);
	assert_int_equal(guest_mem_create(&vm->mem, cfg->memory), 0);
	vm->cfg = *cfg;
	vm->cpuid = *cpuid;
	vm->clock.tsc_khz = cpuid->tsc_khz;
	vm->state = VM_INCOMING;
	vm->nic_count = cfg->nic_count;
	for (unsigned i = 0; i < vm->vcpu_count; i++)
		vcpu_reset_state(vm->vcpus[i]);
	make_devices(vm);
	make_disks(vm, disks);
	*out = world.vm = vm;
	return 0;
}

/* One that comes in while it is off. */
int vm_define(const struct vm_config *cfg, struct vm **out)
{
	struct vm *vm;

	if (world.vm)
		return -E_EXIST;
	vm = fake_vm_create(MIN(cfg->memory, WORLD_MEMORY), cfg->vcpus);
	vm->cfg = *cfg;
	vm->state = VM_OFF;
	waitq_init(&vm->state_changed);
	world.cold = world.parts = true;
	*out = world.vm = vm;
	return 0;
}

int vm_start(struct vm *vm)
{
	assert_true(vm == world.vm && vm->state == VM_OFF && !vm->move && !vm->move_under_way);
	if (world_ask() > 240)
		return -E_NOMEM;
	vm->state = VM_RUNNING;
	return 0;
}

void vm_destroy(struct vm *vm)
{
	vm->state = VM_OFF;
}

int vm_undefine(struct vm *vm)
{
	assert_ptr_equal(vm, world.vm);
	assert_int_equal(vm->state, VM_OFF);
	assert_true(!world.cold || !vm->disk_count); /* who opened them closes them */
	for (unsigned i = 0; i < vm->disk_count; i++) {
		if (vm->disks[i].cfg.in_store && vm->disks[i].blk)
			ds_disk_close(vm->disks[i].blk);
		free(vm->disks[i].aoe);
	}
	if (!world.cold)
		guest_mem_destroy(&vm->mem);
	world.cold = false;
	world.vm = NULL;
	fake_vm_destroy(vm);
	return 0;
}

unsigned vm_nic_mtu(const struct vm *vm, unsigned nic)
{
	return 1500;
}

unsigned vm_nic_look(const struct vm_nic_config *cfg, bool *mac_taken)
{
	*mac_taken = false;
	return 1500;
}

struct netbuf *vm_take_frame(struct vm *vm, unsigned *nic)
{
	return NULL;
}

void netbuf_put(struct netbuf *nb)
{
}

/* Every byte of it is there, and there are as many as a frame has. */
void vm_give_frame(struct vm *vm, unsigned nic, const void *frame, size_t len)
{
	static uint8_t copy[9018];

	assert_true(len >= ETH_HLEN && len <= sizeof(copy));
	memcpy(copy, frame, len);
}

struct vm *vm_find(const char *name)
{
	return world.vm && !strcmp(world.vm->cfg.name, name) ? world.vm : NULL;
}

void vm_clock_skip(struct vm *vm, uint64_t ns)
{
	assert_true(ns < VDEV_NS_MAX);
}

void vm_clock_set(struct vm *vm, uint64_t guest_tsc)
{
	vm->clock.frozen_tsc = guest_tsc;
}

/* States that were accepted come to life. */
int vm_resume(struct vm *vm)
{
	struct list *n;

	if (world_ask() > 240)
		return -E_STATE;
	list_for_each (n, &vm->devices) {
		struct vdev *d = list_entry(n, struct vdev, node);

		d->ops->resume(d);
	}
	vm->state = VM_RUNNING;
	fake_run(20 * NS_PER_MS);
	return 0;
}

const char *vm_state_name(enum vm_state s)
{
	return "running";
}

struct vm *vm_at(unsigned index)
{
	return NULL;
}

void validate_later(const struct vm *vm)
{
}

void vm_service_wake(void)
{
}

void vm_guest_poweroff(struct vm *vm)
{
}

void vm_guest_reset(struct vm *vm)
{
}

void dirty_log_mark(struct vm *vm, gfn_t gfn)
{
	fail_msg("nothing logs dirty pages here");
}
