/* SPDX-License-Identifier: BSD-2-Clause */
/* What the configuration ports (vpci.c) call in a function; devices use vpci.h alone. */
#ifndef VMM_DEV_VPCI_FUNC_H
#define VMM_DEV_VPCI_FUNC_H

#include "vmm/dev/vpci.h"

/* A whole register; reg is a multiple of 4, below 256. */
uint32_t vpci_func_config_read(struct vpci_func *f, unsigned reg);
/* Write the bytes of value that mask names (0xff each). */
void vpci_func_config_write(struct vpci_func *f, unsigned reg, uint32_t value, uint32_t mask);

#endif
