/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A virtual device: guest-visible state in a struct described by a state table,
 * and five operations. init is each device's own function (vuart_create, ...).
 */
#ifndef VMM_DEV_VDEV_H
#define VMM_DEV_VDEV_H

#include "kernel/lib/list.h"
#include "vmm/dev/state.h"

struct vm;
struct vdev;

struct vdev_ops {
	const struct state_table *table;
	/* Power-on state. Also used when the guest reboots. */
	void (*reset)(struct vdev *d);
	/* The VM is paused: stop host timers, complete or take back host work, so that the
	 * state struct says everything. May block (vblk waits for its requests). */
	void (*quiesce)(struct vdev *d);
	/* Is this incoming state (a whole struct, loaded apart) possible? Changes nothing.
	 * 0, or -E_INVAL after log_warn named the field. */
	int (*check)(const struct vdev *d, const void *state);
	/* Re-arm host timers etc. after a load or an aborted move. Touches no other device. */
	void (*resume)(struct vdev *d);
	/* Free host resources; the vdev itself too. */
	void (*destroy)(struct vdev *d);
};

struct vdev {
	struct list node; /* in vm->devices, order of creation */
	const struct vdev_ops *ops;
	struct vm *vm;
	uint16_t instance; /* vCPU number of a vlapic, slot of a PCI device, else 0 */
	void *state;	   /* the struct that ops->table describes */
};

/*
 * The limits of an incoming state: each element of the field must be at most max.
 * For `check`: most fields need no more than this.
 */
struct vdev_limit {
	struct state_field field;
	uint64_t max;
};

/* No guest lives 146 years: deadlines and times in states stay below this. */
#define VDEV_NS_MAX BIT(62)

/* 0, or -E_INVAL after log_warn named the device, the field, its value and the limit. */
int must_check vdev_check_limits(const struct vdev *d, const void *state,
				 const struct vdev_limit *limits, size_t count);
/* -E_INVAL after log_warn: for what a limit cannot say. expected: "0 or a multiple of 4". */
int vdev_refuse(const struct vdev *d, const char *field, uint64_t value, const char *expected);

/* Add to vm->devices. Also calls ops->reset. */
void vdev_add(struct vm *vm, struct vdev *d, const struct vdev_ops *ops, uint16_t instance,
	      void *state);

#endif
