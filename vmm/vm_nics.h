/* SPDX-License-Identifier: BSD-2-Clause */
/* A VM's network cards as a whole: making them, and what a move does with them. */
#ifndef VMM_VM_NICS_H
#define VMM_VM_NICS_H

#include "kernel/net/netbuf.h"
#include "vmm/vm.h"

/* As the configuration says. 0, or the first card's error, after a line in the log. */
int must_check vm_build_nics(struct vm *vm);

/* What the guest was told that its card carries, bytes of IP packet. */
unsigned vm_nic_mtu(const struct vm *vm, unsigned nic);
/* Frames and bytes of them, to and from the guest, since its card joined the network here. */
void vm_nic_traffic(const struct vm *vm, unsigned nic, uint64_t *frames, uint64_t *bytes);
/* On this host: MTU of the network that cfg names, 0 for none; has somebody cfg's MAC there? */
unsigned vm_nic_look(const struct vm_nic_config *cfg, bool *mac_taken);

/* A frame that waits for the paused guest, and for which card; NULL: none. Gives the reference. */
struct netbuf *vm_take_frame(struct vm *vm, unsigned *nic);
/* A frame for the guest from elsewhere. Harmless for any number and length. */
void vm_give_frame(struct vm *vm, unsigned nic, const void *frame, size_t len);

#endif
