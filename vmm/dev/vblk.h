/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A virtio disk (virtio 1.1, section 5.2) on a host block device. Data goes
 * straight between guest memory and the block device; requests that the backend
 * took back (a fenced disk, a move) wait in the state and are issued anew.
 */
#ifndef VMM_DEV_VBLK_H
#define VMM_DEV_VBLK_H

#include "kernel/drivers/blkdev.h"
#include "kernel/task.h"
#include "vmm/dev/virtio_pci.h"

#define VBLK_FIRST_SLOT	  2 /* PCI slot of the first disk */
#define VBLK_MAX_REQUESTS 32
#define VBLK_SEG_MAX	  32	/* told to the driver; any chain up to VIRTQ_MAX_SEGS is served */
#define VBLK_SIZE_MAX	  32768 /* bytes; SEG_MAX * SIZE_MAX = BLK_MAX_SECTORS */
#define VBLK_ID_LEN	  20

struct vblk_state {
	struct virtio_pci_state v;
	uint64_t capacity;		  /* sectors */
	uint16_t kept[VBLK_MAX_REQUESTS]; /* heads of requests to issue anew at resume */
	uint8_t kept_count;
	uint8_t readonly;
	uint8_t reserved[6];
};

struct vblk;

/* A request in flight. */
struct vblk_request {
	struct blk_request rq;
	struct vblk *d;
	bool busy;
	bool orphan; /* the device was reset meanwhile: tell nobody */
	uint16_t head;
	uint32_t type;
	gpa_t status_gpa;
	uint32_t written; /* bytes that the used entry reports on success, status included */
	uint16_t seg_count;
	struct virtq_seg seg[VIRTQ_MAX_SEGS]; /* data buffers, to be marked dirty */
};

struct vblk {
	struct virtio_pci v;
	struct vblk_state s;
	struct vm_disk *disk; /* its blk may be exchanged while the VM is paused */
	bool quiesced;
	uint32_t inflight;
	struct waitq drained;
	struct timer again; /* more work than one turn may do */
	struct virtq_chain chain;
	struct vblk_request requests[VBLK_MAX_REQUESTS];
};

/*
 * Make the disk at PCI slot (vpci_create came before). disk->blk must be open:
 * its size is what the guest sees. -E_NOMEM, -E_STATE (not open), -E_EXIST, -E_RANGE.
 */
int must_check vblk_create(struct vm *vm, unsigned slot, struct vm_disk *disk, struct vblk **out);
/* Requests that the backend has now. */
uint32_t vblk_inflight(const struct vblk *d);
/* Requests that wait for vdev_ops.resume because the backend was fenced or cancelled. */
uint32_t vblk_kept(const struct vblk *d);

#endif
