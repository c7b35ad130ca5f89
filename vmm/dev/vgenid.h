/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The VM generation id (Microsoft, "Virtual Machine Generation ID"): 128 bits by which
 * a guest sees that it was copied in time, that is, a saved state of it runs a second
 * time. The ACPI device VGEN of vmm/dsdt.asl names the page where it lies.
 */
#ifndef VMM_DEV_VGENID_H
#define VMM_DEV_VGENID_H

#include "vmm/vm.h"

struct vgenid_state {
	uint8_t id[16];
};

struct vgenid {
	struct vdev vdev;
	struct vgenid_state s;
	uint8_t *page; /* the guest has it at GUEST_GENERATION */
};

/*
 * The id follows from the UUID, so that power-off, reboot and moves keep it. After vpm.
 * -E_NOMEM.
 */
int must_check vgenid_create(struct vm *vm, struct vgenid **out);
/* Another id, and an event for the guest. While the VM is paused, after its state was loaded. */
void vgenid_renew(struct vgenid *g);

#endif
