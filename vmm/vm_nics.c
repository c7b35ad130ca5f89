/* SPDX-License-Identifier: BSD-2-Clause */
/* A VM's network cards as a whole; what one does is vmm/dev/vnet.c's. */
#include "vmm/vm_nics.h"
#include "kernel/lib/string.h"
#include "kernel/log.h"
#include "vmm/dev/vnet.h"

#define VNET_FIRST_SLOT 16

int vm_build_nics(struct vm *vm)
{
	int err;

	for (uint32_t i = 0; i < vm->cfg.nic_count; i++) {
		const struct vm_nic_config *c = &vm->cfg.nics[i];

		err = vnet_create(vm, VNET_FIRST_SLOT + i, c, &vm->nics[i]);
		if (err == -E_NOENT)
			log_error("vm %s: nic %s: this host has no network '%s'; see 'net'",
				  vm->cfg.name, c->name, c->network);
		if (err)
			return err;
		vm->nic_count = i + 1;
	}
	return 0;
}

unsigned vm_nic_mtu(const struct vm *vm, unsigned nic)
{
	return vm->nics[nic]->s.mtu;
}

void vm_nic_traffic(const struct vm *vm, unsigned nic, uint64_t *frames, uint64_t *bytes)
{
	const struct guest_port_stats *s = &vm->nics[nic]->port.stats;

	*frames = s->rx_frames + s->tx_frames;
	*bytes = s->rx_bytes + s->tx_bytes;
}

unsigned vm_nic_look(const struct vm_nic_config *cfg, bool *mac_taken)
{
	const struct network *net = network_find(cfg->network);

	*mac_taken = false;
	if (!net)
		return 0;
	*mac_taken = network_port_of(net, cfg->mac);
	return network_mtu(net);
}

struct netbuf *vm_take_frame(struct vm *vm, unsigned *nic)
{
	for (uint32_t i = 0; i < vm->nic_count; i++) {
		struct netbuf *nb = vnet_take_frame(vm->nics[i]);

		*nic = i;
		if (nb)
			return nb;
	}
	return NULL;
}

void vm_give_frame(struct vm *vm, unsigned nic, const void *frame, size_t len)
{
	struct netbuf *nb;

	if (nic >= vm->nic_count || len < ETH_HLEN || len > netbuf_frame_max())
		return;
	nb = netbuf_alloc();
	if (!nb)
		return; /* lost, as on any wire */
	memcpy(nb->data, frame, len);
	nb->len = len;
	vnet_give_frame(vm->nics[nic], nb);
}
