/* SPDX-License-Identifier: BSD-2-Clause */
/* `peers`, `store` and `net`: what this host sees on its wire and its disks. */
#include "kernel/commands_host_inner.h"
#include "kernel/console_json.h"
#include "kernel/drivers/blkdev.h"
#include "kernel/lib/format.h"
#include "kernel/lib/string.h"
#include "kernel/net/network.h"
#include "kernel/net/peers.h"
#include "kernel/store/aoe.h"
#include "kernel/time.h"

#define PEER_GONE_NS (10 * NS_PER_S)
#define AOE_WAIT_NS  (500 * NS_PER_MS)

static uint64_t seconds_ago(uint64_t then_ns)
{
	uint64_t now = time_ns();

	return now > then_ns ? (now - then_ns) / NS_PER_S : 0;
}

static void print_peer(struct console *con, const struct peer *p)
{
	char mac[18], size[16], total[16];
	bool gone = time_ns() > p->last_seen_ns + PEER_GONE_NS;

	table_cell(con, "%s", p->name);
	table_cell(con, "%s", p->pool);
	table_cell(con, "%s", format_mac(mac, p->mac));
	table_cell(con, "%u", p->cpus);
	if (p->total_bytes)
		table_cell(con, "%u.%02u", p->cpu_permille / 1000, p->cpu_permille % 1000 / 10);
	else
		table_cell(con, "?");
	table_cell(con, "%u", p->vms);
	table_cell(con, "%s", format_size(size, p->free_bytes));
	table_cell(con, "%s", p->total_bytes ? format_size(total, p->total_bytes) : "?");
	table_cell(con, "%s", p->can_run_guests ? "yes" : "no");
	if (gone)
		table_cell(con, "gone for %lu s", (unsigned long)seconds_ago(p->last_seen_ns));
	else
		table_cell(con, "here%s", p->drained ? ", drained" : "");
}

static void peers_json(struct console *con)
{
	const struct peer *p;
	char mac[18];

	console_json_begin(con);
	for (unsigned i = 0; i < PEERS_MAX; i++) {
		struct json *j;

		p = peers_at(i);
		if (!p)
			continue;
		j = console_json_row();
		json_str(j, "host", p->name);
		json_str(j, "pool", p->pool);
		json_str(j, "mac", format_mac(mac, p->mac));
		json_u64(j, "cpus", p->cpus);
		json_u64(j, "vms", p->vms);
		json_u64(j, "free_bytes", p->free_bytes);
		if (p->total_bytes) {
			json_u64(j, "memory_bytes", p->total_bytes);
			json_u64(j, "cpu_permille", p->cpu_permille);
		} else {
			json_null(j, "memory_bytes");
			json_null(j, "cpu_permille");
		}
		json_bool(j, "runs_guests", p->can_run_guests);
		json_bool(j, "drained", p->drained);
		json_bool(j, "here", time_ns() <= p->last_seen_ns + PEER_GONE_NS);
		console_json_row_end(con);
	}
	console_json_end(con);
}

int commands_run_peers(struct console *con, int argc, char **argv)
{
	bool json = console_json_wanted(&argc, argv);
	unsigned shown = 0;

	if (argc > 1)
		return console_fail(con, -E_INVAL, "'%.20s': the only option is --json", argv[1]);

	if (!host_facts->sw->uplink)
		return console_fail(con, -E_NOTSUP, "this host has no network card; see 'log'");
	if (json) {
		peers_json(con);
		return 0;
	}
	table_begin(con, "HOST|POOL|MAC|>CPUS|>IN USE|>VMS|>FREE|>MEMORY|GUESTS|STATE");
	for (unsigned i = 0; i < PEERS_MAX; i++) {
		const struct peer *p;

		table_row(con);
		p = peers_at(i);
		if (!p)
			continue;
		print_peer(con, p);
		shown++;
	}
	if (shown)
		table_end(con);
	else
		console_printf(con, "no other host was heard yet\n");
	return 0;
}

static void print_disks(struct console *con)
{
	const struct blkdev *bd;
	char size[16];

	table_begin(con, "DISK|>SIZE|>READS|>WRITES|>ERRORS|MODEL");
	for (unsigned i = 0;; i++) {
		table_row(con);
		bd = blkdev_at(i);
		if (!bd)
			break;
		table_cell(con, "%s", bd->name);
		table_cell(con, "%s", format_size(size, bd->sectors * SECTOR_SIZE));
		table_cell(con, "%lu", (unsigned long)bd->reads);
		table_cell(con, "%lu", (unsigned long)bd->writes);
		table_cell(con, "%lu", (unsigned long)bd->errors);
		table_cell(con, "%s", bd->model ? bd->model : "");
	}
	table_end(con);
}

static void print_targets(struct console *con)
{
	const struct aoe_target *t;
	char mac[18], size[16];

	table_begin(con, "AOE TARGET|MAC|>SIZE|>HEARD");
	for (unsigned i = 0;; i++) {
		table_row(con);
		t = aoe_target_at(i);
		if (!t)
			break;
		table_cell(con, "e%u.%u", t->shelf, t->slot);
		table_cell(con, "%s", format_mac(mac, t->mac));
		table_cell(con, "%s",
			   t->sectors ? format_size(size, t->sectors * SECTOR_SIZE) : "-");
		table_cell(con, "%lu s ago", (unsigned long)seconds_ago(t->last_seen_ns));
	}
	table_end(con);
}

int commands_run_store(struct console *con, int argc, char **argv)
{
	int err;

	if (argc > 1)
		return commands_run_store_test(con, argc, argv);
	if (blkdev_at(0))
		print_disks(con);
	else
		console_printf(con, "no local disk that this host can drive\n");
	if (!host_facts->sw->uplink) {
		console_printf(con, "no network card, so no AoE\n");
		return 0;
	}
	aoe_discover();
	err = console_wait(con, time_ns() + AOE_WAIT_NS);
	if (err)
		return err;
	if (aoe_target_at(0))
		print_targets(con);
	else
		console_printf(con, "no AoE target answered\n");
	return 0;
}

static void print_nic(struct console *con, struct netdev *nd)
{
	const struct netdev_stats *s = &nd->stats;
	char mac[18], rx[16], tx[16];

	console_printf(con, "%s: %s, MAC %s, link %s, frames up to %u bytes\n", nd->name, nd->model,
		       format_mac(mac, nd->mac), nd->ops->link_up(nd) ? "up" : "down",
		       nd->frame_max);
	console_printf(con, "received %lu frames, %s, dropped %lu, errors %lu\n",
		       (unsigned long)s->rx_frames, format_size(rx, s->rx_bytes),
		       (unsigned long)s->rx_dropped, (unsigned long)s->rx_errors);
	console_printf(
	    con, "sent %lu frames, %s, dropped %lu; %lu interrupts; %lu for nobody here\n",
	    (unsigned long)s->tx_frames, format_size(tx, s->tx_bytes), (unsigned long)s->tx_dropped,
	    (unsigned long)s->interrupts, (unsigned long)host_facts->sw->unclaimed);
}

/* Ports come and go with VMs, so a walk that may block counts instead of following links. */
static const struct switch_port *port_at(const struct net_switch *sw, unsigned index)
{
	struct list *n;

	list_for_each (n, &sw->ports) {
		if (index-- == 0)
			return list_entry(n, struct switch_port, node);
	}
	return NULL;
}

static void print_host_ports(struct console *con, const struct net_switch *sw)
{
	char mac[18], rx[16], tx[16];

	table_begin(con, "HOST PORT|MAC|>RX FRAMES|>RX|>TX FRAMES|>TX");
	for (unsigned i = 0;; i++) {
		const struct switch_port *p;

		table_row(con);
		p = port_at(sw, i);
		if (!p)
			break;
		table_cell(con, "%s", p->name);
		table_cell(con, "%s", format_mac(mac, p->mac));
		table_cell(con, "%lu", (unsigned long)p->rx_frames);
		table_cell(con, "%s", format_size(rx, p->rx_bytes));
		table_cell(con, "%lu", (unsigned long)p->tx_frames);
		table_cell(con, "%s", format_size(tx, p->tx_bytes));
	}
	table_end(con);
}

static void print_networks(struct console *con)
{
	table_begin(con, "NETWORK|NIC|>VLAN|>MTU|>GUEST PORTS");
	for (unsigned i = 0;; i++) {
		const struct network *net;

		table_row(con);
		net = network_at(i);
		if (!net)
			break;
		table_cell(con, "%s", net->name);
		table_cell(con, "%s", network_nic_name(net));
		if (net->vlan)
			table_cell(con, "%u", net->vlan);
		else
			table_cell(con, "-");
		table_cell(con, "%u", network_mtu(net));
		table_cell(con, "%u", net->port_count);
	}
	table_end(con);
}

static void print_guest_port(struct console *con, const struct guest_port *p)
{
	const struct guest_port_stats *s = &p->stats;
	char mac[18], rx[16], tx[16];

	table_cell(con, "%s", p->name);
	table_cell(con, "%s", p->net->name);
	table_cell(con, "%s%s", format_mac(mac, p->mac), p->filter_off ? " any" : "");
	table_cell(con, "%lu", (unsigned long)s->rx_frames);
	table_cell(con, "%s", format_size(rx, s->rx_bytes));
	table_cell(con, "%lu", (unsigned long)s->rx_dropped);
	table_cell(con, "%lu", (unsigned long)s->tx_frames);
	table_cell(con, "%s", format_size(tx, s->tx_bytes));
	table_cell(con, "%lu", (unsigned long)s->tx_dropped);
	table_cell(con, "%lu", (unsigned long)s->filtered);
}

/* The index'th port of all networks, counted anew each time: see port_at. */
static const struct guest_port *guest_port_at(unsigned index)
{
	const struct network *net;

	for (unsigned i = 0; (net = network_at(i)); i++) {
		if (index < net->port_count)
			return network_port_at(net, index);
		index -= net->port_count;
	}
	return NULL;
}

static void print_guest_ports(struct console *con)
{
	if (!guest_port_at(0))
		return;
	table_begin(
	    con,
	    "GUEST PORT|NETWORK|MAC|>RX FRAMES|>RX|>DROPPED|>TX FRAMES|>TX|>DROPPED|>FILTERED");
	for (unsigned i = 0;; i++) {
		const struct guest_port *p;

		table_row(con);
		p = guest_port_at(i);
		if (!p)
			break;
		print_guest_port(con, p);
	}
	table_end(con);
}

int commands_run_net(struct console *con, int argc, char **argv)
{
	const struct net_switch *sw = host_facts->sw;

	if (sw->uplink) {
		print_nic(con, sw->uplink);
		print_host_ports(con, sw);
	} else {
		console_printf(con, "this host has no network card that it can drive; see 'log'\n");
	}
	print_networks(con);
	print_guest_ports(con);
	return 0;
}
