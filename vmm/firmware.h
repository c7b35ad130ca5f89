/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A PC BIOS image as the guest's ROM: mapped read-only so that it ends at 4 GiB,
 * its last 128 KiB as RAM below 1 MiB, where firmware runs and keeps variables.
 */
#ifndef VMM_FIRMWARE_H
#define VMM_FIRMWARE_H

#include "kernel/lib/base.h"

struct vm;

/*
 * For a VM with cfg.firmware: copy the image cfg.kernel from the file pool into the ROM and
 * map it; nothing to do for others. 0, -E_NOENT, -E_INVAL (no such ROM), -E_NOMEM.
 */
int must_check firmware_map(struct vm *vm);
/*
 * What the chipset does at power-on and at every reset: the ROM shows below 1 MiB.
 * The boot CPU's reset state does the rest (SDM vol. 3, "First Instruction Executed").
 */
int must_check firmware_shadow(struct vm *vm);
/* After the second-level tables are gone. */
void firmware_free(struct vm *vm);

#endif
