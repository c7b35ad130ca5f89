/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A virtio entropy device (virtio 1.1, section 5.4) on the host's random numbers.
 * Every VM has one. It has no state of its own beside its queue.
 */
#ifndef VMM_DEV_VRNG_H
#define VMM_DEV_VRNG_H

#include "vmm/dev/virtio_pci.h"

#define VRNG_SLOT	 24   /* above disks and network cards */
#define VRNG_TURN_MAX	 4096 /* bytes made in one go; the rest when others had their turn */
#define VRNG_REQUEST_MAX 1024 /* bytes for one request: "MAY use less than the entire buffer" */

struct vrng_state {
	struct virtio_pci_state v;
};

struct vrng {
	struct virtio_pci v;
	struct vrng_state s;
	bool quiesced;
	struct timer again; /* more was asked for than one turn may make */
	struct virtq_chain chain;
};

/* At PCI slot (vpci_create came before). -E_NOMEM, -E_EXIST, -E_RANGE. */
int must_check vrng_create(struct vm *vm, unsigned slot, struct vrng **out);

#endif
