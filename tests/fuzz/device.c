/* SPDX-License-Identifier: BSD-2-Clause */
/* Steps of a device's hostile life, as the input says; see device.h. */
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/device.h"

#define STEPS_MAX 512

static void step_access(struct vm *vm, const struct fuzz_device *fd, struct fuzz *f, bool write)
{
	const struct fuzz_window *w = &fd->windows[fuzz_u8(f) % fd->window_count];
	/* also a little beyond both ends */
	uint64_t addr = w->base + (w->len > 256 ? fuzz_u16(f) : fuzz_u8(f)) % (w->len + 8);
	struct iobus *bus = w->mmio ? &vm->mmio : &vm->ports;
	unsigned size = 1u << fuzz_u8(f) % 4;

	if (write)
		iobus_write(bus, addr, size, fuzz_u64(f));
	else
		(void)iobus_read(bus, addr, size);
}

static struct vdev *choose(struct vm *vm, struct fuzz *f)
{
	unsigned skip = fuzz_u8(f) % 8;
	struct list *n = vm->devices.next;

	while (skip--)
		n = n->next == &vm->devices ? vm->devices.next : n->next;
	return list_entry(n, struct vdev, node);
}

void fuzz_device_move(struct vdev *d)
{
	const struct state_table *t = d->ops->table;
	size_t size = state_wire_size(t);
	uint8_t *wire = malloc(size);
	void *incoming = calloc(1, t->struct_size);

	d->ops->quiesce(d);
	assert_int_equal(state_save(t, d->state, wire, size), (int)size);
	assert_int_equal(state_load(t, incoming, wire, size), 0);
	assert_memory_equal(incoming, d->state, t->struct_size);
	assert_int_equal(d->ops->check(d, incoming), 0);
	d->ops->resume(d);
	free(incoming);
	free(wire);
}

/* Its own state with some bytes changed: refused, or from now on its state. */
static void step_load(struct vm *vm, struct fuzz *f)
{
	struct vdev *d = choose(vm, f);
	const struct state_table *t = d->ops->table;
	size_t size = state_wire_size(t);
	uint8_t *wire = malloc(size);
	void *incoming = calloc(1, t->struct_size);

	d->ops->quiesce(d);
	assert_int_equal(state_save(t, d->state, wire, size), (int)size);
	fuzz_spoil(f, wire, size);
	assert_int_equal(state_load(t, incoming, wire, size), 0);
	if (!d->ops->check(d, incoming))
		memcpy(d->state, incoming, t->struct_size);
	d->ops->resume(d);
	free(incoming);
	free(wire);
}

static void step_pause(struct vm *vm, struct fuzz *f)
{
	uint64_t ns = 1ull << fuzz_u8(f) % 45;
	struct list *n;

	list_for_each (n, &vm->devices) {
		struct vdev *d = list_entry(n, struct vdev, node);

		d->ops->quiesce(d);
	}
	assert_int_equal(fake_timers_armed(), 0);
	fake_run(ns);
	fake_guest_base += ns; /* guest time stands still meanwhile */
	list_for_each (n, &vm->devices) {
		struct vdev *d = list_entry(n, struct vdev, node);

		d->ops->resume(d);
	}
}

static void step(struct vm *vm, const struct fuzz_device *fd, struct fuzz *f)
{
	struct vdev *d;

	switch (fuzz_u8(f) % 10) {
	case 0:
	case 1:
		step_access(vm, fd, f, true);
		break;
	case 2:
		step_access(vm, fd, f, false);
		break;
	case 3:
		fake_run(fuzz_u16(f) * 64ull);
		break;
	case 4: /* the host did not get round to its timers for a while */
		fake_time_ns += 1ull << fuzz_u8(f) % 45;
		fake_run(0);
		break;
	case 5:
		fuzz_device_move(choose(vm, f));
		break;
	case 6:
		step_load(vm, f);
		break;
	case 7:
		step_pause(vm, f);
		break;
	case 8:
		d = choose(vm, f);
		d->ops->reset(d);
		break;
	default:
		fd->other(vm, f);
		break;
	}
}

int fuzz_device_run(const struct fuzz_device *fd, const uint8_t *data, size_t size)
{
	struct fuzz f = {data, size};
	struct vm *vm = fake_vm_create(SIZE_2M, fd->vcpus);
	struct guest_mem mem;
	struct list *n;

	fd->create(vm);
	for (unsigned i = 0; i < STEPS_MAX && f.left; i++)
		step(vm, fd, &f);
	list_for_each (n, &vm->devices) {
		struct vdev *d = list_entry(n, struct vdev, node);

		fuzz_device_move(d);
	}
	if (fd->settle)
		fd->settle();
	mem = vm->mem;
	fake_vm_destroy(vm);
	for (unsigned i = 0; mem.blocks && i < mem.block_count; i++)
		free(mem.blocks[i]);
	free(mem.blocks);
	return 0;
}
