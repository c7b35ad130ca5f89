/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The virtio transport over PCI (virtio 1.1, section 4.1, modern interface only):
 * capabilities, common configuration, status protocol, queues, ISR. A device
 * (vblk, vnet, ...) embeds struct virtio_pci and gives it struct virtio_ops.
 */
#ifndef VMM_DEV_VIRTIO_PCI_H
#define VMM_DEV_VIRTIO_PCI_H

#include "vmm/dev/msix.h"
#include "vmm/dev/virtqueue.h"

#define VIRTIO_MAX_QUEUES 4
#define VIRTIO_VECTORS	  (VIRTIO_MAX_QUEUES + 1) /* one for configuration changes */

#define VIRTIO_ID_NET	  1
#define VIRTIO_ID_BLOCK	  2
#define VIRTIO_ID_RNG	  4
#define VIRTIO_ID_BALLOON 5

#define VIRTIO_F_INDIRECT_DESC BIT(28)
#define VIRTIO_F_EVENT_IDX     BIT(29)
#define VIRTIO_F_VERSION_1     BIT(32)

#define VIRTIO_STATUS_ACKNOWLEDGE 1
#define VIRTIO_STATUS_DRIVER	  2
#define VIRTIO_STATUS_DRIVER_OK	  4
#define VIRTIO_STATUS_FEATURES_OK 8
#define VIRTIO_STATUS_NEEDS_RESET 64
#define VIRTIO_STATUS_FAILED	  128

/* Guest-visible state; a member of the device's state struct, VIRTIO_STATE_FIELDS in its table. */
struct virtio_pci_state {
	struct vpci_regs pci;
	uint64_t driver_features;
	uint32_t device_feature_select, driver_feature_select;
	uint32_t window_offset, window_length; /* of the PCI configuration access capability */
	uint16_t queue_select;
	uint8_t status, isr;
	uint8_t config_generation;
	uint8_t reset_pending; /* status 0 was written; work is still in flight */
	uint8_t window_bar, reserved;
	uint16_t queue_vector[VIRTIO_MAX_QUEUES]; /* MSIX_NO_VECTOR: none */
	uint16_t config_vector;
	uint16_t reserved2[3];
	struct msix_state msix;
	struct virtq_state queue[VIRTIO_MAX_QUEUES];
};

#define VIRTIO_STATE_FIELDS(type, m)                                                               \
	VPCI_STATE_FIELDS(type, m.pci), STATE_FIELD(type, m.driver_features),                      \
	    STATE_FIELD(type, m.device_feature_select),                                            \
	    STATE_FIELD(type, m.driver_feature_select), STATE_FIELD(type, m.window_offset),        \
	    STATE_FIELD(type, m.window_length), STATE_FIELD(type, m.queue_select),                 \
	    STATE_FIELD(type, m.status), STATE_FIELD(type, m.isr),                                 \
	    STATE_FIELD(type, m.config_generation), STATE_FIELD(type, m.reset_pending),            \
	    STATE_FIELD(type, m.window_bar), STATE_FIELD(type, m.reserved),                        \
	    STATE_ARRAY(type, m.queue_vector), STATE_FIELD(type, m.config_vector),                 \
	    STATE_ARRAY(type, m.reserved2), MSIX_STATE_FIELDS(type, m.msix),                       \
	    VIRTQ_STATE_FIELDS(type, m.queue[0]), VIRTQ_STATE_FIELDS(type, m.queue[1]),            \
	    VIRTQ_STATE_FIELDS(type, m.queue[2]), VIRTQ_STATE_FIELDS(type, m.queue[3])

struct virtio_pci;

struct virtio_ops {
	/* The driver added work to a queue (or DRIVER_OK was set: then for each queue). */
	void (*notify)(struct virtio_pci *v, unsigned queue);
	/* The driver resets the device. Forget all work; false while some is still in
	 * flight: virtio_pci_reset_done is called later. */
	bool (*reset)(struct virtio_pci *v);
	/* Device-specific configuration; value in the low size bytes. Any offset. */
	uint64_t (*config_read)(struct virtio_pci *v, unsigned offset, unsigned size);
	void (*config_write)(struct virtio_pci *v, unsigned offset, unsigned size, uint64_t value);
};

struct virtio_pci {
	struct vdev vdev; /* the device's */
	struct vpci_func pci;
	struct msix msix;
	struct virtio_pci_state *s;
	const struct virtio_ops *ops;
	uint64_t features; /* offered */
	uint16_t queue_count, queue_max;
	uint8_t window_cap;	 /* offset of the PCI configuration access capability */
	uint64_t quiet_until_ns; /* host time: no more words in the log about a broken queue */
	struct virtq queue[VIRTIO_MAX_QUEUES];
};

/*
 * Set up and attach at the slot; the device then calls vdev_add. class_code as in
 * struct vpci_ids. -E_EXIST, -E_RANGE from vpci_func_attach.
 */
int must_check virtio_pci_init(struct vm *vm, struct virtio_pci *v, struct virtio_pci_state *s,
			       const struct virtio_ops *ops, unsigned virtio_id, unsigned slot,
			       uint32_t class_code);
void virtio_pci_fini(struct virtio_pci *v);

/* May the device touch its queues: DRIVER_OK, not broken, no reset under way? */
bool virtio_pci_running(const struct virtio_pci *v);
bool virtio_pci_has(const struct virtio_pci *v, uint64_t feature);
/* Raise the interrupt for used buffers of the queue. */
void virtio_pci_interrupt(struct virtio_pci *v, unsigned queue);
/* The device's configuration changed (2.4 in the driver's view: reread it). */
void virtio_pci_config_changed(struct virtio_pci *v);
/* A queue broke the rules: DEVICE_NEEDS_RESET, no work until the driver resets. Logs what. */
void virtio_pci_break(struct virtio_pci *v, unsigned queue, const char *what);
/* The reset that ops->reset put off is done. */
void virtio_pci_reset_done(struct virtio_pci *v);

/* For the device's vdev ops. */
void virtio_pci_power_on(struct virtio_pci *v);
int must_check virtio_pci_check(const struct virtio_pci *v, const struct virtio_pci_state *in);
void virtio_pci_resume(struct virtio_pci *v);

#endif
