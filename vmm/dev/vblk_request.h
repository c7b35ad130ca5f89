/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside vblk: turning a chain of guest buffers into a block request. */
#ifndef VMM_DEV_VBLK_REQUEST_H
#define VMM_DEV_VBLK_REQUEST_H

#include "vmm/dev/vblk.h"

#define VBLK_S_OK     0
#define VBLK_S_IOERR  1
#define VBLK_S_UNSUPP 2

/*
 * Parse the chain in d->chain into r: header read once, bounds checked, guest
 * buffers as fragments. 0: submit r->rq. 1: answer at once with *status (GET_ID
 * is done). -E_PROTO: the chain is no block request, the queue is broken.
 */
int must_check vblk_request_parse(struct vblk *d, struct vblk_request *r, uint8_t *status);

#endif
