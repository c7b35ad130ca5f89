/* SPDX-License-Identifier: BSD-2-Clause */
/* One port of an AHCI controller with its disk; inside the driver only. */
#ifndef KERNEL_DRIVERS_AHCI_PORT_H
#define KERNEL_DRIVERS_AHCI_PORT_H

#include "kernel/drivers/ahci_regs.h"
#include "kernel/drivers/ata_identify.h"
#include "kernel/drivers/disk_queue.h"

struct ahci_port {
	struct disk_queue q;
	volatile void *regs; /* the controller's */
	unsigned number;
	volatile struct ahci_memory *mem;
	struct ata_identity id;
};

/* All in task context and blocking. Power and link are asked for; a link needs 50 ms at most. */
void ahci_port_wake(volatile void *regs, unsigned number);
bool ahci_port_has_link(volatile void *regs, unsigned number);
/* Clear the port's interrupt causes. From interrupts too. */
void ahci_port_quiet(volatile void *regs, unsigned number);
/* Whatever was under way ends, no DMA afterwards. 0, -E_IO. */
int must_check ahci_port_stop(struct ahci_port *p);
/* 0: ready for commands. -E_NOENT (nothing there), -E_NOTSUP (no disk), -E_TIMEDOUT, -E_IO. */
int must_check ahci_port_start(struct ahci_port *p);
/* Stop, reset the link, start. */
int must_check ahci_port_reset(struct ahci_port *p);

/* Give a command to the device: bytes at slot 0's buffer, 0 for none. Does not wait. */
void ahci_port_issue(struct ahci_port *p, uint8_t command, uint64_t lba, uint32_t count,
		     uint32_t bytes, bool write);
/* -E_AGAIN while it runs, 0, -E_IO (then the port must be reset). Clears its interrupts. */
int must_check ahci_port_result(struct ahci_port *p);
/* IDENTIFY DEVICE by polling. 0, -E_IO, -E_TIMEDOUT, -E_NOTSUP (words: ata_identify.h). */
int must_check ahci_port_identify(struct ahci_port *p);

#endif
