/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The virtio network card: its life, configuration and state. Frames to the guest
 * are vnet_rx.c's, frames from it vnet_tx.c's.
 */
#include "vmm/dev/vnet.h"
#include "kernel/lib/format.h"
#include "kernel/lib/string.h"
#include "kernel/log.h"
#include "kernel/mem.h"
#include "vmm/dev/vnet_queues.h"

#define CLASS_ETHERNET 0x020000
#define LINK_UP	       1

/* struct virtio_net_config, 5.1.4, as far as our features reach */
struct net_config {
	uint8_t mac[ETH_ALEN];
	uint16_t status, max_pairs, mtu;
};
_Static_assert(sizeof(struct net_config) == 12, "virtio 1.1, 5.1.4");

static struct vnet *from_virtio(struct virtio_pci *v)
{
	return container_of(v, struct vnet, v);
}

static struct vnet *from_vdev(struct vdev *vd)
{
	return from_virtio(container_of(vd, struct virtio_pci, vdev));
}

/* While the clock stands still the guest is paused: what it queued can wait with it. */
bool vnet_may_work(const struct vnet *d, unsigned queue)
{
	return !d->quiesced && d->v.vdev.vm->clock.running && virtio_pci_running(&d->v) &&
	       d->s.v.queue[queue].enabled;
}

static void vnet_notify(struct virtio_pci *v, unsigned queue)
{
	if (queue == VNET_RX)
		vnet_rx_work(from_virtio(v));
	else
		vnet_tx_work(from_virtio(v));
}

static void work_again(struct timer *t)
{
	struct vnet *d = container_of(t, struct vnet, again);

	vnet_rx_work(d);
	vnet_tx_work(d);
}

static bool vnet_driver_reset(struct virtio_pci *v)
{
	struct vnet *d = from_virtio(v);

	timer_cancel(&d->again);
	d->sending = false;
	vnet_rx_drop(d);
	return true;
}

static uint64_t vnet_config_read(struct virtio_pci *v, unsigned offset, unsigned size)
{
	struct vnet *d = from_virtio(v);
	struct net_config cfg = {.status = LINK_UP, .max_pairs = 1, .mtu = d->s.mtu};
	uint64_t value = 0;

	memcpy(cfg.mac, d->s.mac, sizeof(cfg.mac));
	if (offset < sizeof(cfg))
		memcpy(&value, (uint8_t *)&cfg + offset, MIN(size, sizeof(cfg) - offset));
	return value;
}

static void vnet_config_write(struct virtio_pci *v, unsigned offset, unsigned size, uint64_t value)
{
}

/*
 * From now on frames reach the card. Its MAC was looked at when the VM was defined or
 * checked. The wire hears that it is here: after a move that is how frames find it.
 */
static void join(struct vnet *d)
{
	int err;

	if (d->port.net)
		return;
	d->port = (struct guest_port){
	    .name = d->port_name, .filter_off = d->cfg.unfiltered, .receive = vnet_receive};
	memcpy(d->port.mac, d->s.mac, ETH_ALEN);
	err = network_attach(d->net, &d->port);
	if (err)
		log_error("vnet: %s stays off network %s: %s", d->port_name, d->net->name,
			  err_text(err));
	else
		announce_start(&d->announce, &d->port, &d->s.addrs);
}

static void vnet_reset(struct vdev *vd)
{
	struct vnet *d = from_vdev(vd);

	vnet_driver_reset(&d->v);
	d->quiesced = false;
	d->s = (struct vnet_state){.v.pci = d->s.v.pci, .mtu = network_mtu(d->net)};
	memcpy(d->s.mac, d->cfg.mac, ETH_ALEN);
	virtio_pci_power_on(&d->v);
}

/*
 * Frames go on to wait for the guest: they are taken from here, or come to it when it goes
 * on. The packet being sent is sent anew, whole: doubled frames do no harm.
 */
static void vnet_quiesce(struct vdev *vd)
{
	struct vnet *d = from_vdev(vd);

	d->quiesced = true;
	timer_cancel(&d->again);
	announce_stop(&d->announce);
	if (d->sending)
		virtq_unpop(&d->v.queue[VNET_TX], 1);
	d->sending = false;
}

/* They are announced in the guest's name: nothing but what a guest could have used. */
static int check_addrs(const struct vdev *vd, const struct net_addrs *a)
{
	static const uint8_t none[16];

	for (unsigned i = 0; i < NET_ADDRS_MAX; i++) {
		if (memcmp(a->ip4[i], none, 4) && !net_addrs_ip4_is_host(a->ip4[i]))
			return vdev_refuse(vd, "addrs.ip4", a->ip4[i][0], "a host's address");
		if (memcmp(a->ip6[i], none, 16) && !net_addrs_ip6_is_host(a->ip6[i]))
			return vdev_refuse(vd, "addrs.ip6", a->ip6[i][0], "a host's address");
	}
	return 0;
}

static int vnet_check(const struct vdev *vd, const void *state)
{
	const struct vnet *d = from_vdev((struct vdev *)vd);
	const struct vnet_state *s = state;
	const struct guest_port *p = network_port_of(d->net, s->mac);
	int err = virtio_pci_check(&d->v, &s->v);

	if (err)
		return err;
	if (memcmp(s->mac, d->cfg.mac, ETH_ALEN))
		return vdev_refuse(vd, "mac", s->mac[0], "that of the configuration");
	if (p && p != &d->port)
		return vdev_refuse(vd, "mac", s->mac[5], "one that no guest here has");
	if (s->mtu < VNET_MTU_MIN || s->mtu > network_mtu(d->net))
		return vdev_refuse(vd, "mtu", s->mtu, "one that this host's network carries");
	return check_addrs(vd, &s->addrs);
}

static void vnet_resume(struct vdev *vd)
{
	struct vnet *d = from_vdev(vd);

	d->quiesced = false;
	virtio_pci_resume(&d->v);
	join(d);
	vnet_rx_work(d);
	vnet_tx_work(d);
}

static void vnet_destroy(struct vdev *vd)
{
	struct vnet *d = from_vdev(vd);

	vnet_quiesce(vd);
	network_detach(&d->port);
	vnet_rx_drop(d);
	virtio_pci_fini(&d->v);
	list_remove(&vd->node);
	kfree(d);
}

void vnet_give_frame(struct vnet *d, struct netbuf *nb)
{
	vnet_receive(&d->port, nb);
}

static const struct state_field vnet_fields[] = {
    VIRTIO_STATE_FIELDS(struct vnet_state, v), STATE_ARRAY(struct vnet_state, mac),
    STATE_FIELD(struct vnet_state, mtu),       STATE_BYTES(struct vnet_state, addrs.ip4),
    STATE_BYTES(struct vnet_state, addrs.ip6), STATE_FIELD(struct vnet_state, addrs.router6),
    STATE_FIELD(struct vnet_state, reserved),
};

static const struct state_table vnet_table = {
    .name = "vnet",
    .version = 1,
    .struct_size = sizeof(struct vnet_state),
    .fields = vnet_fields,
    .field_count = ARRAY_SIZE(vnet_fields),
};

static const struct vdev_ops vnet_ops = {
    .table = &vnet_table,
    .reset = vnet_reset,
    .quiesce = vnet_quiesce,
    .check = vnet_check,
    .resume = vnet_resume,
    .destroy = vnet_destroy,
};

static const struct virtio_ops vnet_virtio_ops = {
    .notify = vnet_notify,
    .reset = vnet_driver_reset,
    .config_read = vnet_config_read,
    .config_write = vnet_config_write,
};

int vnet_create(struct vm *vm, unsigned slot, const struct vm_nic_config *cfg, struct vnet **out)
{
	struct network *net = network_find(cfg->network);
	struct vnet *d;
	int err;

	if (!net)
		return -E_NOENT;
	d = kzalloc(sizeof(*d));
	if (!d)
		return -E_NOMEM;
	d->net = net;
	d->cfg = *cfg;
	ksnprintf(d->port_name, sizeof(d->port_name), "%s.%s", vm->cfg.name, cfg->name);
	list_init(&d->backlog);
	timer_init(&d->again, work_again);
	d->v.queue_count = 2;
	d->v.features = VIRTIO_F_VERSION_1 | VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX |
			VNET_F_CSUM | VNET_F_MTU | VNET_F_MAC | VNET_F_HOST_TSO4 |
			VNET_F_HOST_TSO6 | VNET_F_HOST_ECN | VNET_F_MRG_RXBUF | VNET_F_STATUS;
	err = virtio_pci_init(vm, &d->v, &d->s.v, &vnet_virtio_ops, VIRTIO_ID_NET, slot,
			      CLASS_ETHERNET);
	if (err) {
		kfree(d);
		return err;
	}
	vdev_add(vm, &d->v.vdev, &vnet_ops, slot, &d->s);
	*out = d;
	return 0;
}
