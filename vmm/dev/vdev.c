/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What all virtual devices share: joining the VM, and the words with which an
 * incoming state is refused. Each device's behaviour is in its own file.
 */
#include "vmm/dev/vdev.h"

#include "kernel/lib/string.h"
#include "kernel/log.h"
#include "vmm/vm.h"

void vdev_add(struct vm *vm, struct vdev *d, const struct vdev_ops *ops, uint16_t instance,
	      void *state)
{
	d->vm = vm;
	d->ops = ops;
	d->instance = instance;
	d->state = state;
	list_append(&vm->devices, &d->node);
	ops->reset(d);
}

int vdev_refuse(const struct vdev *d, const char *field, uint64_t value, const char *expected)
{
	log_warn("%s %u: incoming state refused: %s is %llu, expected %s", d->ops->table->name,
		 d->instance, field, (unsigned long long)value, expected);
	return -E_INVAL;
}

int vdev_check_limits(const struct vdev *d, const void *state, const struct vdev_limit *limits,
		      size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct state_field *f = &limits[i].field;

		for (unsigned n = 0; n < f->count; n++) {
			uint64_t value = 0;

			memcpy(&value, (const char *)state + f->offset + (size_t)n * f->size,
			       f->size);
			if (value <= limits[i].max)
				continue;
			log_warn("%s %u: incoming state refused: %s[%u] is %llu, at most %llu",
				 d->ops->table->name, d->instance, f->name, n,
				 (unsigned long long)value, (unsigned long long)limits[i].max);
			return -E_INVAL;
		}
	}
	return 0;
}
