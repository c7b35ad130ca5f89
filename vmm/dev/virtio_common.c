/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The registers of virtio's common configuration: feature negotiation and queue
 * set-up. What a status change does is virtio_pci.c's.
 */
#include "vmm/dev/virtio_common.h"

/* Offsets in struct virtio_pci_common_cfg */
#define REG_DEVICE_FEATURE_SELECT 0
#define REG_DEVICE_FEATURE	  4
#define REG_DRIVER_FEATURE_SELECT 8
#define REG_DRIVER_FEATURE	  12
#define REG_CONFIG_MSIX		  16
#define REG_NUM_QUEUES		  18
#define REG_DEVICE_STATUS	  20
#define REG_CONFIG_GENERATION	  21
#define REG_QUEUE_SELECT	  22
#define REG_QUEUE_SIZE		  24
#define REG_QUEUE_MSIX		  26
#define REG_QUEUE_ENABLE	  28
#define REG_QUEUE_NOTIFY_OFF	  30
#define REG_QUEUE_DESC		  32
#define REG_QUEUE_DRIVER	  40
#define REG_QUEUE_DEVICE	  48

bool virtio_window_usable(const struct virtio_pci_state *s, uint32_t bar_size)
{
	uint32_t len = s->window_length;

	if (s->window_bar || (len != 1 && len != 2 && len != 4))
		return false;
	return s->window_offset < bar_size && !(s->window_offset & (len - 1));
}

/* The selected queue; NULL: there is none of that number. */
static struct virtq_state *selected(struct virtio_pci *v)
{
	return v->s->queue_select < v->queue_count ? &v->s->queue[v->s->queue_select] : NULL;
}

static uint64_t queue_register(struct virtio_pci *v, unsigned offset)
{
	const struct virtq_state *q = selected(v);

	if (offset == REG_QUEUE_MSIX)
		return q ? v->s->queue_vector[v->s->queue_select] : MSIX_NO_VECTOR;
	if (!q)
		return 0; /* queue_size 0: "not available" */
	switch (offset) {
	case REG_QUEUE_SIZE:
		return q->size;
	case REG_QUEUE_ENABLE:
		return q->enabled;
	case REG_QUEUE_NOTIFY_OFF:
		return v->s->queue_select;
	case REG_QUEUE_DESC:
		return q->desc;
	case REG_QUEUE_DESC + 4:
		return q->desc >> 32;
	case REG_QUEUE_DRIVER:
		return q->driver;
	case REG_QUEUE_DRIVER + 4:
		return q->driver >> 32;
	case REG_QUEUE_DEVICE:
		return q->device;
	case REG_QUEUE_DEVICE + 4:
		return q->device >> 32;
	}
	return 0;
}

uint64_t virtio_common_read(struct virtio_pci *v, unsigned offset, unsigned size)
{
	const struct virtio_pci_state *s = v->s;

	switch (offset) {
	case REG_DEVICE_FEATURE_SELECT:
		return s->device_feature_select;
	case REG_DEVICE_FEATURE:
		return s->device_feature_select < 2
			   ? (uint32_t)(v->features >> (32 * s->device_feature_select))
			   : 0;
	case REG_DRIVER_FEATURE_SELECT:
		return s->driver_feature_select;
	case REG_DRIVER_FEATURE:
		return s->driver_feature_select < 2
			   ? (uint32_t)(s->driver_features >> (32 * s->driver_feature_select))
			   : 0;
	case REG_CONFIG_MSIX:
		return s->config_vector;
	case REG_NUM_QUEUES:
		return v->queue_count;
	case REG_DEVICE_STATUS:
		return s->status;
	case REG_CONFIG_GENERATION:
		return s->config_generation;
	case REG_QUEUE_SELECT:
		return s->queue_select;
	default:
		return queue_register(v, offset);
	}
}

static void set_driver_features(struct virtio_pci *v, uint32_t value)
{
	struct virtio_pci_state *s = v->s;
	unsigned shift = 32 * s->driver_feature_select;

	if (s->driver_feature_select >= 2 || (s->status & VIRTIO_STATUS_FEATURES_OK))
		return;
	s->driver_features =
	    (s->driver_features & ~((uint64_t)UINT32_MAX << shift)) | (uint64_t)value << shift;
}

/* An address register, written by halves or whole (4.1.3.1). */
static void set_address(uint64_t *addr, unsigned offset, unsigned size, uint64_t value)
{
	if (size == 8 && !(offset & 7))
		*addr = value;
	else if (size == 4 && (offset & 4))
		*addr = (*addr & UINT32_MAX) | value << 32;
	else if (size == 4)
		*addr = (*addr & ~(uint64_t)UINT32_MAX) | value;
}

static void enable_queue(struct virtio_pci *v, struct virtq_state *q)
{
	if (!virtq_state_valid(q)) {
		virtio_pci_break(v, v->s->queue_select, "its size or addresses are not possible");
		return;
	}
	q->avail_idx = q->used_idx = 0;
	q->enabled = 1;
}

/* 4.1.5.1.2: a vector that there is, else none; the driver reads back which. */
static uint16_t vector_or_none(const struct virtio_pci *v, uint64_t value)
{
	return value < v->msix.count ? value : MSIX_NO_VECTOR;
}

static void write_queue(struct virtio_pci *v, unsigned offset, unsigned size, uint64_t value)
{
	struct virtq_state *q = selected(v);

	if (q && offset == REG_QUEUE_MSIX)
		v->s->queue_vector[v->s->queue_select] = vector_or_none(v, value);
	if (!q || q->enabled) /* 4.1.4.3.2: nothing of an enabled queue may be changed */
		return;
	switch (offset) {
	case REG_QUEUE_SIZE:
		if (value && value <= v->queue_max && !(value & (value - 1)))
			q->size = value;
		break;
	case REG_QUEUE_ENABLE:
		if (value == 1)
			enable_queue(v, q);
		break;
	case REG_QUEUE_DESC:
	case REG_QUEUE_DESC + 4:
		set_address(&q->desc, offset, size, value);
		break;
	case REG_QUEUE_DRIVER:
	case REG_QUEUE_DRIVER + 4:
		set_address(&q->driver, offset, size, value);
		break;
	case REG_QUEUE_DEVICE:
	case REG_QUEUE_DEVICE + 4:
		set_address(&q->device, offset, size, value);
		break;
	}
}

void virtio_common_write(struct virtio_pci *v, unsigned offset, unsigned size, uint64_t value)
{
	struct virtio_pci_state *s = v->s;

	if (s->reset_pending)
		return;
	switch (offset) {
	case REG_DEVICE_FEATURE_SELECT:
		s->device_feature_select = value;
		break;
	case REG_DRIVER_FEATURE_SELECT:
		s->driver_feature_select = value;
		break;
	case REG_DRIVER_FEATURE:
		set_driver_features(v, value);
		break;
	case REG_CONFIG_MSIX:
		s->config_vector = vector_or_none(v, value);
		break;
	case REG_DEVICE_STATUS:
		virtio_pci_set_status(v, value);
		break;
	case REG_QUEUE_SELECT:
		s->queue_select = value;
		break;
	default:
		write_queue(v, offset, size, value);
		break;
	}
}
