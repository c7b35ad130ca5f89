/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The virtio life cycle over PCI: capabilities, status protocol, reset, interrupt.
 * The registers of the common configuration are virtio_common.c's.
 */
#include "vmm/dev/virtio_pci.h"
#include "kernel/lib/string.h"
#include "kernel/log.h"
#include "kernel/time.h"
#include "vmm/dev/virtio_common.h"

/* BAR 0: one page for each structure */
#define BAR_SIZE   0x4000u
#define COMMON_AT  0x0000u
#define ISR_AT	   0x1000u
#define DEVICE_AT  0x2000u
#define NOTIFY_AT  0x3000u
#define STRUCT_LEN 0x1000u

/* virtio 1.1, 4.1.4: cfg_type */
#define CAP_COMMON 1
#define CAP_NOTIFY 2
#define CAP_ISR	   3
#define CAP_DEVICE 4
#define CAP_PCI	   5

#define ISR_QUEUE  1
#define ISR_CONFIG 2

#define QUEUE_MAX 256

/* struct virtio_pci_cap from cap_len on, with the field that some types append. */
struct cap_body {
	uint8_t cap_len, cfg_type, bar, padding[3];
	uint32_t offset, length, extra;
} __attribute__((packed));

static struct virtio_pci *from_func(struct vpci_func *f)
{
	return container_of(f, struct virtio_pci, pci);
}

static struct virtio_pci *from_region(struct io_region *r)
{
	return container_of(r->dev, struct virtio_pci, vdev);
}

static uint64_t bar_read(struct io_region *r, uint64_t offset, unsigned size)
{
	struct virtio_pci *v = from_region(r);
	unsigned in = offset % STRUCT_LEN;
	uint64_t value = 0;

	switch (offset - in) {
	case COMMON_AT:
		value = virtio_common_read(v, in, size);
		break;
	case ISR_AT:
		if (in)
			break;
		value = v->s->isr; /* reading acknowledges: 4.1.4.5 */
		v->s->isr = 0;
		vpci_func_intx(&v->pci, false);
		break;
	case DEVICE_AT:
		value = v->ops->config_read(v, in, size);
		break;
	}
	return value;
}

static void bar_write(struct io_region *r, uint64_t offset, unsigned size, uint64_t value)
{
	struct virtio_pci *v = from_region(r);
	unsigned in = offset % STRUCT_LEN;

	switch (offset - in) {
	case COMMON_AT:
		virtio_common_write(v, in, size, value);
		break;
	case DEVICE_AT:
		v->ops->config_write(v, in, size, value);
		break;
	case NOTIFY_AT: /* the queue's own address says which; multiplier VIRTIO_NOTIFY_STRIDE */
		in /= VIRTIO_NOTIFY_STRIDE;
		if (in < v->queue_count && v->s->queue[in].enabled && virtio_pci_running(v))
			v->ops->notify(v, in);
		break;
	}
}

/*
 * PCI configuration access capability (4.1.4.9): a window into BAR 0 through
 * configuration space, at window_cap: bar +4, offset +8, length +12, data +16.
 */
static bool window_config_read(struct vpci_func *f, unsigned reg, uint32_t *value)
{
	struct virtio_pci *v = from_func(f);
	const struct virtio_pci_state *s = v->s;

	switch (reg - v->window_cap) {
	case 4:
		*value = s->window_bar;
		return true;
	case 8:
		*value = s->window_offset;
		return true;
	case 12:
		*value = s->window_length;
		return true;
	case 16:
		*value = UINT32_MAX;
		if (virtio_window_usable(s, BAR_SIZE))
			*value = bar_read(&f->bar[0], s->window_offset, s->window_length);
		return true;
	}
	return false;
}

static bool window_config_write(struct vpci_func *f, unsigned reg, uint32_t value, uint32_t mask)
{
	struct virtio_pci *v = from_func(f);
	struct virtio_pci_state *s = v->s;

	switch (reg - v->window_cap) {
	case 4:
		s->window_bar = (s->window_bar & ~mask) | value;
		return true;
	case 8:
		s->window_offset = (s->window_offset & ~mask) | value;
		return true;
	case 12:
		s->window_length = (s->window_length & ~mask) | value;
		return true;
	case 16:
		if (virtio_window_usable(s, BAR_SIZE))
			bar_write(&f->bar[0], s->window_offset, s->window_length, value);
		return true;
	}
	return false;
}

static uint8_t add_cap(struct virtio_pci *v, uint8_t type, uint32_t offset, uint32_t length,
		       bool extra, uint32_t extra_value)
{
	struct cap_body body = {
	    .cfg_type = type, .offset = offset, .length = length, .extra = extra_value};
	size_t len = extra ? sizeof(body) : offsetof(struct cap_body, extra);

	body.cap_len = 2 + len;
	return vpci_func_add_cap(&v->pci, PCI_CAP_VENDOR, &body, len);
}

static const struct io_ops bar_ops = {.read = bar_read, .write = bar_write};
static const struct vpci_func_ops func_ops = {
    .config_read = window_config_read,
    .config_write = window_config_write,
};

int virtio_pci_init(struct vm *vm, struct virtio_pci *v, struct virtio_pci_state *s,
		    const struct virtio_ops *ops, unsigned virtio_id, unsigned slot,
		    uint32_t class_code)
{
	/* 4.1.2.1: device id 0x1040 + virtio id, revision at least 1, subsystem at least 0x40 */
	struct vpci_ids ids = {.vendor = PCI_VENDOR_REDHAT,
			       .device = 0x1040 + virtio_id,
			       .subsys_vendor = PCI_VENDOR_REDHAT,
			       .subsys = 0x40 + virtio_id,
			       .class_code = class_code,
			       .revision = 1,
			       .has_intx = true};

	v->s = s;
	v->ops = ops;
	v->queue_max = QUEUE_MAX;
	v->vdev.vm = vm;
	vpci_func_init(&v->pci, &v->vdev, &s->pci, &ids, &func_ops);
	vpci_func_set_bar(&v->pci, 0, BAR_SIZE, false, &bar_ops, "virtio");
	add_cap(v, CAP_COMMON, COMMON_AT, VIRTIO_COMMON_LEN, false, 0);
	add_cap(v, CAP_NOTIFY, NOTIFY_AT, STRUCT_LEN, true, VIRTIO_NOTIFY_STRIDE);
	add_cap(v, CAP_ISR, ISR_AT, 1, false, 0);
	add_cap(v, CAP_DEVICE, DEVICE_AT, STRUCT_LEN, false, 0);
	v->window_cap = add_cap(v, CAP_PCI, 0, 0, true, 0);
	ASSERT(v->window_cap);
	msix_init(&v->msix, &v->pci, &s->msix, v->queue_count + 1);
	for (unsigned i = 0; i < VIRTIO_MAX_QUEUES; i++)
		v->queue[i] = (struct virtq){.vm = vm, .s = &s->queue[i]};
	return vpci_func_attach(vm, &v->pci, slot);
}

void virtio_pci_fini(struct virtio_pci *v)
{
	vpci_func_detach(&v->pci);
}

bool virtio_pci_running(const struct virtio_pci *v)
{
	return (v->s->status & VIRTIO_STATUS_DRIVER_OK) &&
	       !(v->s->status & VIRTIO_STATUS_NEEDS_RESET) && !v->s->reset_pending;
}

bool virtio_pci_has(const struct virtio_pci *v, uint64_t feature)
{
	return v->s->driver_features & feature;
}

/* 4.1.4.5: with MSI-X the ISR status is not used. */
static void raise(struct virtio_pci *v, unsigned vector, uint8_t isr)
{
	if (msix_enabled(&v->msix)) {
		msix_raise(&v->msix, vector);
		return;
	}
	v->s->isr |= isr;
	vpci_func_intx(&v->pci, true);
}

void virtio_pci_interrupt(struct virtio_pci *v, unsigned queue)
{
	raise(v, v->s->queue_vector[queue], ISR_QUEUE);
}

void virtio_pci_config_changed(struct virtio_pci *v)
{
	v->s->config_generation++;
	if (v->s->status & VIRTIO_STATUS_DRIVER_OK)
		raise(v, v->s->config_vector, ISR_CONFIG);
}

void virtio_pci_break(struct virtio_pci *v, unsigned queue, const char *what)
{
	if (v->s->status & VIRTIO_STATUS_NEEDS_RESET)
		return;
	/* A guest may do this in a loop; the log is everybody's. */
	if (time_ns() >= v->quiet_until_ns)
		log_warn("%s %u: queue %u: %s; the device waits for a reset by its driver",
			 v->vdev.ops->table->name, v->vdev.instance, queue, what);
	v->quiet_until_ns = time_ns() + NS_PER_S;
	v->s->status |= VIRTIO_STATUS_NEEDS_RESET;
	virtio_pci_config_changed(v); /* 2.1.2 */
}

/* Everything but the PCI configuration and its window: 2.4 "Device Reset". */
static void clear_state(struct virtio_pci *v)
{
	struct virtio_pci_state *s = v->s, old = *s;

	memset(s, 0, sizeof(*s));
	s->pci = old.pci;
	s->window_bar = old.window_bar;
	s->window_offset = old.window_offset;
	s->window_length = old.window_length;
	s->msix = old.msix; /* the PCI function's, not the device's */
	s->config_vector = MSIX_NO_VECTOR;
	for (unsigned i = 0; i < VIRTIO_MAX_QUEUES; i++)
		s->queue_vector[i] = MSIX_NO_VECTOR;
	for (unsigned i = 0; i < v->queue_count; i++)
		s->queue[i].size = v->queue_max;
	vpci_func_intx(&v->pci, false);
	virtio_pci_resume(v);
}

void virtio_pci_reset_done(struct virtio_pci *v)
{
	if (v->s->reset_pending)
		clear_state(v);
}

/* The driver wrote device_status: 2.1.1, 3.1.1. */
void virtio_pci_set_status(struct virtio_pci *v, uint8_t value)
{
	struct virtio_pci_state *s = v->s;
	const uint64_t needed = VIRTIO_F_VERSION_1;

	if (!value) {
		/* 4.1.4.3.1: the driver waits until it reads 0 */
		s->reset_pending = 1;
		if (v->ops->reset(v))
			clear_state(v);
		return;
	}
	if ((value & VIRTIO_STATUS_FEATURES_OK) && !(s->status & VIRTIO_STATUS_FEATURES_OK) &&
	    ((s->driver_features & ~v->features) || !(s->driver_features & needed)))
		value &= ~VIRTIO_STATUS_FEATURES_OK;
	if (!(value & VIRTIO_STATUS_FEATURES_OK))
		value &= ~VIRTIO_STATUS_DRIVER_OK; /* 3.1.1: not without agreed features */
	bool starts = (value & VIRTIO_STATUS_DRIVER_OK) && !(s->status & VIRTIO_STATUS_DRIVER_OK);

	/* only a reset clears bits */
	s->status |= value & ~VIRTIO_STATUS_NEEDS_RESET;
	virtio_pci_resume(v);
	for (unsigned i = 0; starts && i < v->queue_count && virtio_pci_running(v); i++) {
		if (s->queue[i].enabled)
			v->ops->notify(v, i);
	}
}

void virtio_pci_power_on(struct virtio_pci *v)
{
	vpci_func_reset(&v->pci);
	v->s->window_bar = 0;
	v->s->window_offset = v->s->window_length = 0;
	msix_reset(&v->msix);
	clear_state(v);
}

int virtio_pci_check(const struct virtio_pci *v, const struct virtio_pci_state *in)
{
	int err = vpci_func_check(&v->pci, &in->pci);

	if (err)
		return err;
	if ((in->status & VIRTIO_STATUS_FEATURES_OK) && (in->driver_features & ~v->features))
		return vdev_refuse(&v->vdev, "driver_features", in->driver_features,
				   "features that this device has");
	if ((in->status & VIRTIO_STATUS_DRIVER_OK) && !(in->status & VIRTIO_STATUS_FEATURES_OK))
		return vdev_refuse(&v->vdev, "status", in->status, "DRIVER_OK after FEATURES_OK");
	if (in->reset_pending)
		return vdev_refuse(&v->vdev, "reset_pending", in->reset_pending, "0");
	if (in->isr & ~(ISR_QUEUE | ISR_CONFIG))
		return vdev_refuse(&v->vdev, "isr", in->isr, "no unknown bits");
	err = msix_check(&v->msix, &in->msix);
	if (err)
		return err;
	for (unsigned i = 0; i < VIRTIO_MAX_QUEUES; i++) {
		const struct virtq_state *q = &in->queue[i];

		if (q->enabled > (i < v->queue_count))
			return vdev_refuse(&v->vdev, "queue.enabled", q->enabled, "0 or 1");
		if (q->enabled && (!virtq_state_valid(q) || q->size > v->queue_max))
			return vdev_refuse(&v->vdev, "queue.size", q->size,
					   "a possible, aligned queue");
	}
	return 0;
}

void virtio_pci_resume(struct virtio_pci *v)
{
	for (unsigned i = 0; i < VIRTIO_MAX_QUEUES; i++) {
		v->queue[i].event_idx = virtio_pci_has(v, VIRTIO_F_EVENT_IDX);
		v->queue[i].indirect = virtio_pci_has(v, VIRTIO_F_INDIRECT_DESC);
	}
	vpci_func_resume(&v->pci);
}
