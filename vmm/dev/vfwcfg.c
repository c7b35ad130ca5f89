/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fw_cfg's registers and its DMA. A transfer is done at once, within the write that
 * starts it: items are small and lie in host memory. All addresses are the guest's.
 */
#include "vmm/dev/vfwcfg.h"
#include "kernel/lib/string.h"
#include "kernel/mem.h"

#define SELECT_LEN 2
#define DMA_LEN	   8

/* struct FWCfgDmaAccess: control, length, address; all big-endian */
#define DMA_ERROR  BIT(0)
#define DMA_READ   BIT(1)
#define DMA_SKIP   BIT(2)
#define DMA_SELECT BIT(3)
#define DMA_WRITE  BIT(4)

struct dma_request {
	uint32_t control, length;
	uint64_t address;
};

static struct vfwcfg *to_vfwcfg(struct vdev *d)
{
	return container_of(d, struct vfwcfg, vdev);
}

static void select_item(struct vfwcfg *f, uint16_t key)
{
	f->s.selector = key;
	f->s.offset = 0;
}

/* The next bytes of the item, at most *len; *len says how many. Past its end there are zeros. */
static const uint8_t *take(struct vfwcfg *f, uint32_t *len)
{
	static const uint8_t zeros[PAGE_SIZE];
	uint32_t size, at = f->s.offset;
	const uint8_t *data = fw_cfg_items_find(f->items, f->s.selector, &size);

	if (at >= size) {
		*len = MIN(*len, sizeof(zeros));
		return zeros;
	}
	*len = MIN(*len, size - at);
	f->s.offset += *len;
	return data + at;
}

static uint64_t port_read(struct io_region *r, uint64_t offset, unsigned size)
{
	uint32_t len = 1;

	if (size != 1 || offset != VFWCFG_DATA - VFWCFG_SELECT)
		return UINT64_MAX; /* the selector cannot be read */
	return *take(to_vfwcfg(r->dev), &len);
}

/* The data port was writable once; items are read-only since. */
static void port_write(struct io_region *r, uint64_t offset, unsigned size, uint64_t value)
{
	if (offset == 0 && size == SELECT_LEN)
		select_item(to_vfwcfg(r->dev), value);
}

/* ---- DMA ---------------------------------------------------------------------------- */

static int copy_out(struct vfwcfg *f, gpa_t gpa, uint32_t len)
{
	uint32_t n;
	int err;

	for (; len; gpa += n, len -= n) {
		n = len;
		const uint8_t *data = take(f, &n);

		err = guest_mem_write(f->vdev.vm, gpa, data, n);
		if (err)
			return err;
	}
	return 0;
}

static void skip(struct vfwcfg *f, uint32_t len)
{
	uint32_t size;

	(void)fw_cfg_items_find(f->items, f->s.selector, &size);
	if (f->s.offset < size)
		f->s.offset += MIN(len, size - f->s.offset);
}

/* What the control word becomes: 0, or DMA_ERROR. */
static uint32_t transfer(struct vfwcfg *f, const struct dma_request *q)
{
	if (q->control & DMA_SELECT)
		select_item(f, q->control >> 16);
	if (q->control & DMA_READ)
		return q->length > VFWCFG_DMA_MAX || copy_out(f, q->address, q->length) ? DMA_ERROR
											: 0;
	if (q->control & DMA_WRITE)
		return DMA_ERROR; /* no item is writable */
	if (q->control & DMA_SKIP)
		skip(f, q->length);
	return 0;
}

static void start_dma(struct vfwcfg *f, gpa_t gpa)
{
	struct dma_request q;
	uint32_t result;

	if (guest_mem_read(f->vdev.vm, gpa, &q, sizeof(q)))
		return; /* nowhere to answer to */
	q.control = __builtin_bswap32(q.control);
	q.length = __builtin_bswap32(q.length);
	q.address = __builtin_bswap64(q.address);
	result = __builtin_bswap32(transfer(f, &q));
	(void)!guest_mem_write(f->vdev.vm, gpa, &result, sizeof(result));
}

static uint64_t dma_read(struct io_region *r, uint64_t offset, unsigned size)
{
	static const char signature[DMA_LEN] = "QEMU CFG";
	uint64_t value = 0;

	memcpy(&value, signature + offset, MIN((uint64_t)size, DMA_LEN - offset));
	return value;
}

static void dma_write(struct io_region *r, uint64_t offset, unsigned size, uint64_t value)
{
	struct vfwcfg *f = to_vfwcfg(r->dev);
	uint32_t half = __builtin_bswap32((uint32_t)value);

	if (size != 4 || offset % 4)
		return;
	if (offset == 0) {
		f->s.dma_high = half;
		return;
	}
	gpa_t gpa = (uint64_t)f->s.dma_high << 32 | half;

	f->s.dma_high = 0;
	start_dma(f, gpa);
}

/* ---- a device among others ------------------------------------------------------------ */

static void vfwcfg_reset(struct vdev *d)
{
	to_vfwcfg(d)->s = (struct vfwcfg_state){0};
}

static void vfwcfg_quiesce(struct vdev *d)
{
}

static int vfwcfg_check(const struct vdev *d, const void *state)
{
	const struct vfwcfg_state *s = state;

	if (s->offset > FW_CFG_BLOB_MAX)
		return vdev_refuse(d, "offset", s->offset, "at most the size of all items");
	if (s->reserved)
		return vdev_refuse(d, "reserved", s->reserved, "0");
	return 0;
}

static void vfwcfg_resume(struct vdev *d)
{
}

static void vfwcfg_destroy(struct vdev *d)
{
	struct vfwcfg *f = to_vfwcfg(d);

	iobus_remove(&d->vm->ports, &f->port);
	iobus_remove(&d->vm->ports, &f->dma);
	list_remove(&d->node);
	kfree(f->items);
	kfree(f);
}

static const struct state_field vfwcfg_fields[] = {
    STATE_FIELD(struct vfwcfg_state, offset),
    STATE_FIELD(struct vfwcfg_state, dma_high),
    STATE_FIELD(struct vfwcfg_state, selector),
    STATE_FIELD(struct vfwcfg_state, reserved),
};

static const struct state_table vfwcfg_table = {
    .name = "vfwcfg",
    .version = 1,
    .struct_size = sizeof(struct vfwcfg_state),
    .fields = vfwcfg_fields,
    .field_count = ARRAY_SIZE(vfwcfg_fields),
};

static const struct vdev_ops vfwcfg_ops = {
    .table = &vfwcfg_table,
    .reset = vfwcfg_reset,
    .quiesce = vfwcfg_quiesce,
    .check = vfwcfg_check,
    .resume = vfwcfg_resume,
    .destroy = vfwcfg_destroy,
};

static const struct io_ops port_ops = {.read = port_read, .write = port_write};
static const struct io_ops dma_ops = {.read = dma_read, .write = dma_write};

static struct io_region region(struct vfwcfg *f, const char *name, uint16_t port, uint16_t len,
			       const struct io_ops *ops)
{
	return (struct io_region){
	    .name = name, .base = port, .len = len, .enabled = true, .ops = ops, .dev = &f->vdev};
}

int vfwcfg_create(struct vm *vm, struct vfwcfg **out)
{
	struct vfwcfg *f = kzalloc(sizeof(*f));
	int err;

	if (!f)
		return -E_NOMEM;
	err = fw_cfg_items_build(vm, &f->items);
	if (err)
		goto undo_alloc;
	f->port = region(f, "fw-cfg", VFWCFG_SELECT, SELECT_LEN, &port_ops);
	f->dma = region(f, "fw-cfg-dma", VFWCFG_DMA, DMA_LEN, &dma_ops);
	err = iobus_add(&vm->ports, &f->port);
	if (err)
		goto undo_items;
	err = iobus_add(&vm->ports, &f->dma);
	if (err)
		goto undo_port;
	vdev_add(vm, &f->vdev, &vfwcfg_ops, 0, &f->s);
	*out = f;
	return 0;

undo_port:
	iobus_remove(&vm->ports, &f->port);
undo_items:
	kfree(f->items);
undo_alloc:
	kfree(f);
	return err;
}
