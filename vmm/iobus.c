/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Finds the region that claims a guest's port or MMIO access and calls it. The
 * list is short and the last hit is remembered; accesses that cross a border,
 * or wide ones to 8-bit devices, go as bytes.
 */
#include "vmm/iobus.h"

static bool region_claims(const struct io_region *r, uint64_t addr, unsigned size)
{
	if (!r->enabled || addr < r->base)
		return false;
	return addr - r->base < r->len && r->len - (addr - r->base) >= size;
}

static bool regions_overlap(const struct io_region *a, const struct io_region *b)
{
	if (a == b || !a->enabled || !b->enabled || !a->len || !b->len)
		return false;
	return a->base <= b->base ? b->base - a->base < a->len : a->base - b->base < b->len;
}

static bool overlaps_any(const struct iobus *bus, const struct io_region *r)
{
	const struct list *n;

	list_for_each (n, &bus->regions) {
		if (regions_overlap(list_entry(n, struct io_region, node), r))
			return true;
	}
	return false;
}

static struct io_region *region_find(struct iobus *bus, uint64_t addr, unsigned size)
{
	struct list *n;

	if (bus->last && region_claims(bus->last, addr, size))
		return bus->last;
	list_for_each (n, &bus->regions) {
		struct io_region *r = list_entry(n, struct io_region, node);

		if (r->base > addr)
			return NULL;
		if (!region_claims(r, addr, size))
			continue;
		/* remembering an overlapped one would let it win over an earlier one */
		if (!overlaps_any(bus, r))
			bus->last = r;
		return r;
	}
	return NULL;
}

static void region_insert(struct iobus *bus, struct io_region *r)
{
	struct list *n;

	list_for_each (n, &bus->regions) {
		if (list_entry(n, struct io_region, node)->base > r->base)
			break;
	}
	list_insert_before(n, &r->node);
}

void iobus_init(struct iobus *bus)
{
	list_init(&bus->regions);
	bus->last = NULL;
}

int iobus_add(struct iobus *bus, struct io_region *r)
{
	if (overlaps_any(bus, r))
		return -E_EXIST;
	region_insert(bus, r);
	return 0;
}

void iobus_remove(struct iobus *bus, struct io_region *r)
{
	list_remove(&r->node);
	bus->last = NULL;
}

void iobus_set(struct iobus *bus, struct io_region *r, uint64_t base, bool enabled)
{
	list_remove(&r->node);
	r->base = base;
	r->enabled = enabled;
	region_insert(bus, r);
	bus->last = NULL;
}

static uint64_t size_mask(unsigned size)
{
	return size >= 8 ? ~0ull : BIT(8 * size) - 1;
}

uint64_t iobus_read(struct iobus *bus, uint64_t addr, unsigned size)
{
	struct io_region *r = region_find(bus, addr, size);
	uint64_t value = 0;

	if (r && (size == 1 || !r->byte_wide))
		return r->ops->read(r, addr - r->base, size) & size_mask(size);
	if (size == 1)
		return 0xff;
	for (unsigned i = 0; i < size; i++)
		value |= iobus_read(bus, addr + i, 1) << (8 * i);
	return value;
}

void iobus_write(struct iobus *bus, uint64_t addr, unsigned size, uint64_t value)
{
	struct io_region *r = region_find(bus, addr, size);

	value &= size_mask(size);
	if (r && (size == 1 || !r->byte_wide)) {
		r->ops->write(r, addr - r->base, size, value);
		return;
	}
	if (size == 1)
		return;
	for (unsigned i = 0; i < size; i++)
		iobus_write(bus, addr + i, 1, (value >> (8 * i)) & 0xff);
}
