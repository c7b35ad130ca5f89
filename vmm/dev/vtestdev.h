/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What bare-metal test kernels expect of the machine that they were written for
 * (vm.conf: testdev on): a port that ends the VM with a status, ports and memory
 * that read back what was written, and I/O APIC lines to pull by hand.
 */
#ifndef VMM_DEV_VTESTDEV_H
#define VMM_DEV_VTESTDEV_H

#include "vmm/vm.h"

#define VTESTDEV_EXIT	  0xf4	 /* V written, any size: the VM ends with status V << 1 | 1 */
#define VTESTDEV_DATA	  0xe0	 /* four bytes */
#define VTESTDEV_LINES	  0x2000 /* + n: level of I/O APIC line n, 0 or not */
#define VTESTDEV_PINS	  24
#define VTESTDEV_RAM_SIZE (64 * KiB) /* at GUEST_TEST_RAM: memory behind the MMIO path */

struct vtestdev_state {
	uint64_t ram[VTESTDEV_RAM_SIZE / 8]; /* bytes as the guest sees them */
	uint32_t data;
	uint32_t lines; /* a bit for each that we hold */
};

struct vtestdev {
	struct vdev vdev;
	struct vtestdev_state s;
	struct io_region exit, data, lines, ram;
};

/* -E_NOMEM, -E_EXIST (ports taken). After the I/O APIC. */
int must_check vtestdev_create(struct vm *vm, struct vtestdev **out);

#endif
