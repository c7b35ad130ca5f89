/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The test device. Its addresses and the status formula are those of the debug
 * exit and test devices for which such kernels are written; what an ended VM
 * looks like to the operator is vm.c's and the commands' affair.
 */
#include "vmm/dev/vtestdev.h"
#include "kernel/lib/string.h"
#include "kernel/mem.h"
#include "vmm/dev/vioapic.h"
#include "vmm/guest_map.h"

static struct vtestdev *to_test(struct vdev *d)
{
	return container_of(d, struct vtestdev, vdev);
}

static uint64_t exit_read(struct io_region *r, uint64_t offset, unsigned size)
{
	return 0;
}

static void exit_write(struct io_region *r, uint64_t offset, unsigned size, uint64_t value)
{
	vm_guest_test_end(r->dev->vm, (uint32_t)value << 1 | 1);
}

static uint64_t data_read(struct io_region *r, uint64_t offset, unsigned size)
{
	return to_test(r->dev)->s.data >> (8 * offset);
}

static void data_write(struct io_region *r, uint64_t offset, unsigned size, uint64_t value)
{
	memcpy((uint8_t *)&to_test(r->dev)->s.data + offset, &value, size);
}

static uint64_t line_read(struct io_region *r, uint64_t offset, unsigned size)
{
	return to_test(r->dev)->s.lines >> offset & 1;
}

/*
 * Straight to the I/O APIC, not by vm_irq_set: line n means pin n, also where the
 * ISA bus is wired otherwise (its timer is pin 2), and the 8259s hear nothing.
 */
static void line_write(struct io_region *r, uint64_t offset, unsigned size, uint64_t value)
{
	struct vtestdev *t = to_test(r->dev);

	t->s.lines &= ~(uint32_t)BIT(offset);
	t->s.lines |= (uint32_t)(value != 0) << offset;
	vioapic_set_line(t->vdev.vm->vioapic, offset, value != 0);
}

static uint64_t ram_read(struct io_region *r, uint64_t offset, unsigned size)
{
	uint64_t value = 0;

	memcpy(&value, (uint8_t *)to_test(r->dev)->s.ram + offset, size);
	return value;
}

static void ram_write(struct io_region *r, uint64_t offset, unsigned size, uint64_t value)
{
	memcpy((uint8_t *)to_test(r->dev)->s.ram + offset, &value, size);
}

/* The I/O APIC was created, and thus reset, before us: only what we hold is let go. */
static void vtestdev_reset(struct vdev *d)
{
	struct vtestdev *t = to_test(d);

	for (unsigned n = 0; n < VTESTDEV_PINS; n++) {
		if (t->s.lines & BIT(n))
			vioapic_set_line(d->vm->vioapic, n, false);
	}
	memset(&t->s, 0, sizeof(t->s));
}

static void vtestdev_quiesce(struct vdev *d)
{
}

static int vtestdev_check(const struct vdev *d, const void *state)
{
	static const struct vdev_limit limits[] = {
	    {STATE_FIELD(struct vtestdev_state, lines), BIT(VTESTDEV_PINS) - 1},
	};

	return vdev_check_limits(d, state, limits, ARRAY_SIZE(limits));
}

/* The lines' levels came with the I/O APIC's own state. */
static void vtestdev_resume(struct vdev *d)
{
}

static void vtestdev_destroy(struct vdev *d)
{
	struct vtestdev *t = to_test(d);

	iobus_remove(&d->vm->ports, &t->exit);
	iobus_remove(&d->vm->ports, &t->data);
	iobus_remove(&d->vm->ports, &t->lines);
	iobus_remove(&d->vm->mmio, &t->ram);
	list_remove(&d->node);
	kfree(t);
}

static const struct state_field vtestdev_fields[] = {
    STATE_ARRAY(struct vtestdev_state, ram),
    STATE_FIELD(struct vtestdev_state, data),
    STATE_FIELD(struct vtestdev_state, lines),
};

static const struct state_table vtestdev_table = {
    .name = "vtestdev",
    .version = 1,
    .struct_size = sizeof(struct vtestdev_state),
    .fields = vtestdev_fields,
    .field_count = ARRAY_SIZE(vtestdev_fields),
};

static const struct vdev_ops vtestdev_ops = {
    .table = &vtestdev_table,
    .reset = vtestdev_reset,
    .quiesce = vtestdev_quiesce,
    .check = vtestdev_check,
    .resume = vtestdev_resume,
    .destroy = vtestdev_destroy,
};

static const struct io_ops exit_ops = {.read = exit_read, .write = exit_write};
static const struct io_ops data_ops = {.read = data_read, .write = data_write};
static const struct io_ops line_ops = {.read = line_read, .write = line_write};
static const struct io_ops ram_ops = {.read = ram_read, .write = ram_write};

static struct io_region region(struct vtestdev *t, const char *name, uint64_t base, uint64_t len,
			       const struct io_ops *ops)
{
	return (struct io_region){
	    .name = name, .base = base, .len = len, .enabled = true, .ops = ops, .dev = &t->vdev};
}

int vtestdev_create(struct vm *vm, struct vtestdev **out)
{
	struct vtestdev *t = kzalloc(sizeof(*t));
	int err;

	if (!t)
		return -E_NOMEM;
	t->exit = region(t, "test-exit", VTESTDEV_EXIT, 4, &exit_ops);
	t->data = region(t, "test-data", VTESTDEV_DATA, 4, &data_ops);
	t->lines = region(t, "test-lines", VTESTDEV_LINES, VTESTDEV_PINS, &line_ops);
	t->ram = region(t, "test-ram", GUEST_TEST_RAM, VTESTDEV_RAM_SIZE, &ram_ops);
	err = iobus_add(&vm->ports, &t->exit);
	if (err)
		goto undo_alloc;
	err = iobus_add(&vm->ports, &t->data);
	if (err)
		goto undo_exit;
	err = iobus_add(&vm->ports, &t->lines);
	if (err)
		goto undo_data;
	err = iobus_add(&vm->mmio, &t->ram);
	if (err)
		goto undo_lines;
	vdev_add(vm, &t->vdev, &vtestdev_ops, 0, &t->s);
	*out = t;
	return 0;

undo_lines:
	iobus_remove(&vm->ports, &t->lines);
undo_data:
	iobus_remove(&vm->ports, &t->data);
undo_exit:
	iobus_remove(&vm->ports, &t->exit);
undo_alloc:
	kfree(t);
	return err;
}
