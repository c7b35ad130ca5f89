/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where a guest's port and MMIO accesses go. A region has handlers for reads
 * and writes of 1, 2, 4 or 8 bytes; an access that no region claims reads as all
 * ones and writes nowhere, like a bus with nothing on it.
 */
#ifndef VMM_IOBUS_H
#define VMM_IOBUS_H

#include "kernel/lib/list.h"

struct vdev;
struct io_region;

struct io_ops {
	/* offset is from the region's base; value in the low size bytes */
	uint64_t (*read)(struct io_region *r, uint64_t offset, unsigned size);
	void (*write)(struct io_region *r, uint64_t offset, unsigned size, uint64_t value);
};

struct io_region {
	struct list node;
	const char *name;
	uint64_t base, len;
	bool enabled;	/* a BAR whose decoding is off does not claim */
	bool byte_wide; /* an 8-bit device: wider accesses arrive as bytes, lowest first */
	const struct io_ops *ops;
	struct vdev *dev;
};

struct iobus {
	struct list regions;	/* ordered by base */
	struct io_region *last; /* hit most recently */
};

void iobus_init(struct iobus *bus);
/*
 * An access that crosses the end of a region is split into bytes too, as the ISA
 * bus does. Handlers see size 1, 2, 4 or 8 and the whole access inside the region.
 */
/* The region must stay allocated. 0, or -E_EXIST when it overlaps an enabled region. */
int must_check iobus_add(struct iobus *bus, struct io_region *r);
void iobus_remove(struct iobus *bus, struct io_region *r);
/* Move and/or switch a region (a BAR write). Overlap is allowed: the earlier region wins. */
void iobus_set(struct iobus *bus, struct io_region *r, uint64_t base, bool enabled);
uint64_t iobus_read(struct iobus *bus, uint64_t addr, unsigned size);
void iobus_write(struct iobus *bus, uint64_t addr, unsigned size, uint64_t value);

#endif
