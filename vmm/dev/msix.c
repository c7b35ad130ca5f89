/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The MSI-X table in BAR 1: 16 bytes a vector from offset 0, the pending bits
 * at PBA_AT. The message control register is in struct vpci_regs.
 */
#include "vmm/dev/msix.h"
#include "kernel/lib/string.h"
#include "kernel/log.h"

#define BAR_SIZE   0x1000u
#define PBA_AT	   0x800u
#define ENTRY_SIZE 16u

/* Dwords of a table entry */
#define ENTRY_ADDR_LOW	0
#define ENTRY_ADDR_HIGH 1
#define ENTRY_DATA	2
#define ENTRY_CONTROL	3 /* bit 0: masked */

static struct msix *from_region(struct io_region *r)
{
	return container_of(r, struct vpci_func, bar[MSIX_BAR])->msix;
}

bool msix_enabled(const struct msix *x)
{
	return x->f->regs->msix_control & PCI_MSIX_ENABLE;
}

/* The messages that are remembered and not masked any more. */
static void send_pending(struct msix *x)
{
	if (!msix_enabled(x) || (x->f->regs->msix_control & PCI_MSIX_MASK_ALL))
		return;
	for (unsigned i = 0; i < x->count; i++) {
		if (!(x->s->pending & ~x->s->masked & BIT(i)))
			continue;
		x->s->pending &= ~BIT(i);
		vm_msi(x->f->dev->vm, x->s->addr[i], x->s->data[i]);
	}
}

void msix_raise(struct msix *x, unsigned vector)
{
	if (vector >= x->count || !msix_enabled(x))
		return;
	x->s->pending |= BIT(vector);
	send_pending(x);
}

void msix_control_changed(struct msix *x)
{
	send_pending(x);
}

static uint32_t entry_read(const struct msix *x, unsigned i, unsigned dword)
{
	switch (dword) {
	case ENTRY_ADDR_LOW:
		return x->s->addr[i];
	case ENTRY_ADDR_HIGH:
		return x->s->addr[i] >> 32;
	case ENTRY_DATA:
		return x->s->data[i];
	default:
		return x->s->masked >> i & 1;
	}
}

static void entry_write(struct msix *x, unsigned i, unsigned dword, uint32_t value)
{
	uint64_t *addr = &x->s->addr[i];

	switch (dword) {
	case ENTRY_ADDR_LOW:
		*addr = (*addr & ~(uint64_t)UINT32_MAX) | (value & ~3u);
		break;
	case ENTRY_ADDR_HIGH:
		*addr = (*addr & UINT32_MAX) | (uint64_t)value << 32;
		break;
	case ENTRY_DATA:
		x->s->data[i] = value;
		break;
	case ENTRY_CONTROL:
		x->s->masked = (x->s->masked & ~BIT(i)) | (value & 1) << i;
		send_pending(x);
		break;
	}
}

/* Software must access whole, aligned dwords or qwords; of anything else nothing is defined. */
static uint64_t table_read(struct io_region *r, uint64_t offset, unsigned size)
{
	struct msix *x = from_region(r);
	uint64_t value = 0;

	if (size < 4 || offset % size)
		return 0;
	for (unsigned at = 0; at < size; at += 4) {
		unsigned i = (offset + at) / ENTRY_SIZE;
		uint32_t dword = 0;

		if (i < x->count)
			dword = entry_read(x, i, (offset + at) % ENTRY_SIZE / 4);
		else if (offset + at == PBA_AT)
			dword = x->s->pending;
		value |= (uint64_t)dword << (8 * at);
	}
	return value;
}

static void table_write(struct io_region *r, uint64_t offset, unsigned size, uint64_t value)
{
	struct msix *x = from_region(r);

	if (size < 4 || offset % size)
		return;
	for (unsigned at = 0; at < size; at += 4) {
		unsigned i = (offset + at) / ENTRY_SIZE;

		if (i < x->count)
			entry_write(x, i, (offset + at) % ENTRY_SIZE / 4, value >> (8 * at));
	}
}

static const struct io_ops table_ops = {.read = table_read, .write = table_write};

void msix_init(struct msix *x, struct vpci_func *f, struct msix_state *s, unsigned count)
{
	struct {
		uint16_t control;
		uint32_t table, pba; /* offset, with the BAR's number in the low bits */
	} __attribute__((packed)) body = {count - 1, MSIX_BAR, PBA_AT | MSIX_BAR};

	ASSERT(count && count <= MSIX_MAX_VECTORS);
	*x = (struct msix){.f = f, .s = s, .count = count};
	f->msix = x;
	vpci_func_set_bar(f, MSIX_BAR, BAR_SIZE, false, &table_ops, "msix");
	x->cap = vpci_func_add_cap(f, PCI_CAP_MSIX, &body, sizeof(body));
	ASSERT(x->cap);
}

void msix_reset(struct msix *x)
{
	memset(x->s, 0, sizeof(*x->s));
	x->s->masked = BIT(x->count) - 1;
}

int msix_check(const struct msix *x, const struct msix_state *in)
{
	const struct vdev *d = x->f->dev;

	for (unsigned i = 0; i < MSIX_MAX_VECTORS; i++) {
		if (in->addr[i] & 3)
			return vdev_refuse(d, "msix.addr", in->addr[i], "a multiple of 4");
	}
	if ((in->masked | in->pending) & ~(BIT(x->count) - 1))
		return vdev_refuse(d, "msix.pending", in->masked | in->pending,
				   "bits of vectors that there are");
	return 0;
}
