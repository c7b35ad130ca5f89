/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The fw_cfg device: named read-only items about the machine for guest firmware and
 * test kernels, by port or by DMA. What the items are is vmm/fw_cfg_items.c's.
 * Source: QEMU, docs/specs/fw_cfg.rst.
 */
#ifndef VMM_DEV_VFWCFG_H
#define VMM_DEV_VFWCFG_H

#include "vmm/fw_cfg_items.h"
#include "vmm/vm.h"

#define VFWCFG_SELECT  0x510 /* 16 bits, write */
#define VFWCFG_DATA    0x511 /* 8 bits, read: the next byte of the item */
#define VFWCFG_DMA     0x514 /* 64 bits big-endian in two halves; the low one starts */
#define VFWCFG_DMA_MAX MiB   /* bytes of one transfer; all items together are far smaller */

struct vfwcfg_state {
	uint32_t offset;   /* of the next byte, at most FW_CFG_BLOB_MAX */
	uint32_t dma_high; /* upper half of the DMA address, until the lower one comes */
	uint16_t selector;
	uint16_t reserved;
};

struct vfwcfg {
	struct vdev vdev;
	struct vfwcfg_state s;
	struct io_region port, dma;
	struct fw_cfg_items *items; /* made from the configuration, so not in the state */
};

/* 0, -E_NOMEM, -E_EXIST, -E_NOSPC (the items do not fit). */
int must_check vfwcfg_create(struct vm *vm, struct vfwcfg **out);

#endif
