/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Finding and starting a virtio device on PCI (Virtual I/O Device 1.1, sections 3.1
 * "Device Initialization" and 4.1.4 "Virtio Structure PCI Capabilities"). What its
 * queues carry is its driver's business.
 */
#include "kernel/drivers/virtio_host.h"
#include "kernel/drivers/mmio.h"
#include "kernel/mem.h"

#define PCI_CAP_VENDOR 0x09
#define CAP_TYPE       3
#define CAP_BAR	       4
#define CAP_OFFSET     8
#define CAP_LENGTH     12
#define CAP_MULTIPLIER 16 /* of the notification capability */

#define TYPE_COMMON 1
#define TYPE_NOTIFY 2
#define TYPE_ISR    3
#define TYPE_DEVICE 4

#define COMMON_DEVICE_SELECT 0x00
#define COMMON_DEVICE	     0x04
#define COMMON_DRIVER_SELECT 0x08
#define COMMON_DRIVER	     0x0c
#define COMMON_QUEUES	     0x12
#define COMMON_STATUS	     0x14
#define COMMON_QUEUE_SELECT  0x16
#define COMMON_QUEUE_SIZE    0x18
#define COMMON_QUEUE_ENABLE  0x1c
#define COMMON_QUEUE_BELL    0x1e
#define COMMON_QUEUE_DESC    0x20
#define COMMON_QUEUE_AVAIL   0x28
#define COMMON_QUEUE_USED    0x30
#define COMMON_LEN	     0x38

#define STATUS_ACKNOWLEDGE 1
#define STATUS_DRIVER	   2
#define STATUS_DRIVER_OK   4
#define STATUS_FEATURES_OK 8
#define STATUS_NEEDS_RESET 0x40
#define STATUS_FAILED	   0x80

#define WINDOW_MAX (64 * KiB) /* of a structure: what is mapped and used */

/*
 * Map the structure that the capability at `cap` tells of, if it is at least min long.
 * *len is what may be used of it. NULL: it lies outside its BAR, or is too short.
 */
static volatile void *map_structure(const struct pci_dev *d, unsigned cap, uint32_t min,
				    uint32_t *len)
{
	unsigned bar = pci_read8(d, cap + CAP_BAR);
	uint32_t offset = pci_read32(d, cap + CAP_OFFSET);

	*len = pci_read32(d, cap + CAP_LENGTH);
	if (bar > 5 || d->bar_is_io[bar] || !d->bar[bar] || *len < min || offset % 4)
		return NULL;
	if (offset > d->bar_size[bar] || *len > d->bar_size[bar] - offset)
		return NULL;
	*len = MIN(*len, WINDOW_MAX);
	return mmio_map(d->bar[bar] + offset, *len);
}

/* The first usable structure of a type (4.1.4: a device may offer several). */
static volatile void *find_structure(const struct pci_dev *d, uint8_t type, uint32_t min,
				     uint32_t *len, unsigned *cap_out)
{
	unsigned cap;

	for (unsigned i = 0; (cap = pci_cap_find(d, PCI_CAP_VENDOR, i)); i++) {
		volatile void *p;

		/* A capability ends within the 256 bytes; the notification one is the longest */
		if (cap + CAP_MULTIPLIER + 4 > 256 || pci_read8(d, cap + CAP_TYPE) != type)
			continue;
		p = map_structure(d, cap, min, len);
		if (p) {
			*cap_out = cap;
			return p;
		}
	}
	return NULL;
}

int virtio_host_open(struct virtio_host *v, const struct pci_dev *d)
{
	unsigned cap = 0;
	uint32_t len;

	v->common = find_structure(d, TYPE_COMMON, COMMON_LEN, &len, &cap);
	v->isr = find_structure(d, TYPE_ISR, 1, &len, &cap);
	v->device = find_structure(d, TYPE_DEVICE, 4, &v->device_len, &cap);
	v->notify = find_structure(d, TYPE_NOTIFY, 2, &v->notify_len, &cap);
	if (!v->common || !v->isr || !v->device || !v->notify)
		return -E_NOTSUP;
	v->notify_stride = pci_read32(d, cap + CAP_MULTIPLIER);
	return 0;
}

int virtio_host_reset(struct virtio_host *v, unsigned spins)
{
	mmio_write8(v->common, COMMON_STATUS, 0);
	for (unsigned i = 0; i < spins; i++)
		if (mmio_read8(v->common, COMMON_STATUS) == 0)
			return 0;
	return -E_IO;
}

static void status_add(struct virtio_host *v, uint8_t bits)
{
	mmio_write8(v->common, COMMON_STATUS, mmio_read8(v->common, COMMON_STATUS) | bits);
}

static uint64_t device_features(struct virtio_host *v)
{
	uint64_t low;

	mmio_write32(v->common, COMMON_DEVICE_SELECT, 0);
	low = mmio_read32(v->common, COMMON_DEVICE);
	mmio_write32(v->common, COMMON_DEVICE_SELECT, 1);
	return low | (uint64_t)mmio_read32(v->common, COMMON_DEVICE) << 32;
}

int virtio_host_negotiate(struct virtio_host *v, uint64_t wanted, uint64_t *have)
{
	status_add(v, STATUS_ACKNOWLEDGE);
	status_add(v, STATUS_DRIVER);
	*have = device_features(v) & (wanted | BIT(VIRTIO_F_VERSION_1));
	if (!(*have & BIT(VIRTIO_F_VERSION_1)))
		return -E_NOTSUP;
	mmio_write32(v->common, COMMON_DRIVER_SELECT, 0);
	mmio_write32(v->common, COMMON_DRIVER, (uint32_t)*have);
	mmio_write32(v->common, COMMON_DRIVER_SELECT, 1);
	mmio_write32(v->common, COMMON_DRIVER, *have >> 32);
	status_add(v, STATUS_FEATURES_OK);
	return mmio_read8(v->common, COMMON_STATUS) & STATUS_FEATURES_OK ? 0 : -E_NOTSUP;
}

static void set_address(struct virtio_host *v, unsigned reg, const volatile void *p)
{
	hpa_t address = virt_to_hpa((const void *)p);

	mmio_write32(v->common, reg, (uint32_t)address);
	mmio_write32(v->common, reg + 4, address >> 32);
}

int virtio_host_queue(struct virtio_host *v, unsigned index, struct vring *r, uint32_t *bell)
{
	uint64_t at;
	uint16_t size;

	if (index >= mmio_read16(v->common, COMMON_QUEUES))
		return -E_NOTSUP;
	mmio_write16(v->common, COMMON_QUEUE_SELECT, index);
	size = mmio_read16(v->common, COMMON_QUEUE_SIZE);
	at = (uint64_t)mmio_read16(v->common, COMMON_QUEUE_BELL) * v->notify_stride;
	if (size < 2 || (size & (size - 1)) || at % 2 || at + 2 > v->notify_len)
		return -E_NOTSUP;
	*bell = at;
	vring_reset(r, MIN(size, VRING_MAX));
	mmio_write16(v->common, COMMON_QUEUE_SIZE, r->size);
	set_address(v, COMMON_QUEUE_DESC, r->desc);
	set_address(v, COMMON_QUEUE_AVAIL, r->avail);
	set_address(v, COMMON_QUEUE_USED, r->used);
	mmio_write16(v->common, COMMON_QUEUE_ENABLE, 1);
	return 0;
}

void virtio_host_ready(struct virtio_host *v)
{
	status_add(v, STATUS_DRIVER_OK);
}

void virtio_host_fail(struct virtio_host *v)
{
	status_add(v, STATUS_FAILED);
}

void virtio_host_notify(struct virtio_host *v, unsigned index, uint32_t bell)
{
	mmio_write16(v->notify, bell, index);
}

uint8_t virtio_host_interrupt(struct virtio_host *v)
{
	return mmio_read8(v->isr, 0);
}

bool virtio_host_is_broken(struct virtio_host *v)
{
	return mmio_read8(v->common, COMMON_STATUS) & STATUS_NEEDS_RESET; /* also all ones */
}
