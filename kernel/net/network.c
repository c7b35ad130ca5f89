/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The host's networks and the guests' ports on them: names, VLANs, who is
 * attached, how much fits. Which frame goes where is network_forward.c.
 */
#include "kernel/lib/string.h"
#include "kernel/net/network_inner.h"

static struct network networks[NETWORKS_MAX];
static unsigned network_count, uplink_mtu;
static struct net_switch *uplink_switch;

static bool networks_take(struct net_switch *sw, uint16_t vlan, struct netbuf *nb)
{
	for (unsigned i = 0; i < network_count; i++) {
		if (networks[i].sw == sw && networks[i].vlan == vlan)
			return network_from_uplink(&networks[i], nb);
	}
	netbuf_put(nb);
	return false;
}

void network_init(struct net_switch *sw, unsigned mtu)
{
	network_count = 0;
	uplink_mtu = mtu;
	uplink_switch = sw;
	sw->to_networks = networks_take;
}

int network_add(const char *name, bool uplink, unsigned vlan)
{
	struct network *net = &networks[network_count];

	if (vlan > NETWORK_VLAN_MAX || (!uplink && vlan))
		return -E_RANGE;
	if (network_find(name))
		return -E_EXIST;
	for (unsigned i = 0; uplink && i < network_count; i++) {
		if (networks[i].sw && networks[i].vlan == vlan)
			return -E_EXIST;
	}
	if (network_count == NETWORKS_MAX)
		return -E_NOSPC;
	memset(net, 0, sizeof(*net));
	if (!*name || !str_copy(net->name, name, sizeof(net->name)))
		return -E_RANGE;
	net->vlan = vlan;
	net->sw = uplink ? uplink_switch : NULL;
	list_init(&net->ports);
	timer_init(&net->timer, network_tick);
	network_count++;
	return 0;
}

struct network *network_find(const char *name)
{
	for (unsigned i = 0; i < network_count; i++) {
		if (strcmp(networks[i].name, name) == 0)
			return &networks[i];
	}
	return NULL;
}

struct network *network_at(unsigned index)
{
	return index < network_count ? &networks[index] : NULL;
}

unsigned network_mtu(const struct network *net)
{
	const struct netdev *uplink = net->sw ? net->sw->uplink : NULL;
	unsigned mtu = uplink_mtu;

	if (uplink && net->vlan && !uplink->tag_fits)
		mtu -= ETH_TAG_LEN;
	return net->mtu ? MIN(mtu, net->mtu) : mtu;
}

const char *network_nic_name(const struct network *net)
{
	if (!net->sw)
		return "none";
	return net->sw->uplink ? net->sw->uplink->name : "no NIC";
}

struct guest_port *network_port_of(const struct network *net, const uint8_t *mac)
{
	struct list *n;

	list_for_each (n, &net->ports) {
		struct guest_port *p = list_entry(n, struct guest_port, node);

		if (!memcmp(p->mac, mac, ETH_ALEN))
			return p;
	}
	return NULL;
}

/* A guest with the MAC of the host's NIC would take the link and the storage away. */
static bool mac_is_host(const struct network *net, const uint8_t *mac)
{
	return net->sw && net->sw->uplink && !memcmp(net->sw->uplink->mac, mac, ETH_ALEN);
}

int network_attach(struct network *net, struct guest_port *p)
{
	static const uint8_t zero[ETH_ALEN];

	if ((p->mac[0] & 1) || !memcmp(p->mac, zero, ETH_ALEN))
		return -E_INVAL;
	if (network_port_of(net, p->mac) || mac_is_host(net, p->mac))
		return -E_EXIST;
	p->net = net;
	p->queued = 0;
	p->learned = 0;
	list_init(&p->queue);
	memset(&p->stats, 0, sizeof(p->stats));
	list_append(&net->ports, &p->node);
	net->port_count++;
	network_forget_mac(net, p->mac); /* it was elsewhere until now */
	return 0;
}

void network_detach(struct guest_port *p)
{
	struct network *net = p->net;

	if (!net)
		return;
	while (!list_empty(&p->queue)) {
		struct netbuf *nb = list_entry(p->queue.next, struct netbuf, node);

		list_remove(&nb->node);
		netbuf_put(nb);
	}
	p->queued = 0;
	network_forget_port(net, p);
	list_remove(&p->node);
	net->port_count--;
	p->net = NULL;
}

struct guest_port *network_port_at(const struct network *net, unsigned index)
{
	struct list *n;

	list_for_each (n, &net->ports) {
		if (index-- == 0)
			return list_entry(n, struct guest_port, node);
	}
	return NULL;
}

struct netbuf *network_frame_alloc(void)
{
	struct netbuf *nb = netbuf_is_scarce() ? NULL : netbuf_alloc();

	if (nb)
		netbuf_pull(nb, ETH_TAG_LEN);
	return nb;
}

/* A quarter of the ring is the host's: a guest that floods slows no move and no disk. */
static unsigned uplink_room(const struct network *net)
{
	const struct netdev *nd = net->sw ? net->sw->uplink : NULL;
	unsigned room = net->sw && nd ? switch_send_room(net->sw) : NETWORK_QUEUE_MAX;
	unsigned kept = nd ? nd->send_max / 4 : 0;

	return room > kept ? room - kept : 0;
}

unsigned network_send_room(const struct guest_port *p)
{
	unsigned queue = NETWORK_QUEUE_MAX - p->queued;

	return p->net ? MIN(queue, uplink_room(p->net)) : 0;
}
