/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The host's disks on the two legacy ATA channels, "ata0" (primary master) to
 * "ata3". For machines without anything better, and for the emulated ones.
 */
#ifndef KERNEL_DRIVERS_ATA_H
#define KERNEL_DRIVERS_ATA_H

#include "kernel/lib/base.h"

/*
 * Probe, register the disks, start a task per channel that has one. Once, after
 * tasks, timers and host time work. 0 (also without any disk), -E_NOMEM, -E_NOSPC.
 */
int must_check ata_init(void);

#endif
