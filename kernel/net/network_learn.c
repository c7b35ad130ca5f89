/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where MACs were seen as a source: a table of small sets. An entry gives way to
 * a new one only when it is old or belongs to the same port, so that a guest
 * which sends from a thousand MACs makes nobody else's be forgotten.
 */
#include "kernel/lib/string.h"
#include "kernel/net/network_inner.h"
#include "kernel/time.h"

#define WAYS 8

static unsigned mac_set(const uint8_t *mac)
{
	uint32_t hash = 0;

	for (unsigned i = 0; i < ETH_ALEN; i++)
		hash = hash * 31 + mac[i];
	return (hash ^ hash >> 8) % (NETWORK_LEARN_MAX / WAYS) * WAYS;
}

static bool entry_is_old(const struct network_mac *e)
{
	return time_ns() > e->seen_ns + NETWORK_LEARN_OLD_S * NS_PER_S;
}

static void entry_drop(struct network_mac *e)
{
	if (e->used && e->port)
		e->port->learned--;
	*e = (struct network_mac){0};
}

static struct network_mac *entry_find(struct network_mac *set, const uint8_t *mac)
{
	for (unsigned i = 0; i < WAYS; i++) {
		if (set[i].used && !memcmp(set[i].mac, mac, ETH_ALEN))
			return &set[i];
	}
	return NULL;
}

/* A free or old entry if the port may have one more, else its own that is longest unseen. */
static struct network_mac *entry_choose(struct network_mac *set, const struct guest_port *port)
{
	bool more = !port || port->learned < NETWORK_LEARN_PORT;
	struct network_mac *own = NULL;

	for (unsigned i = 0; i < WAYS; i++) {
		struct network_mac *e = &set[i];

		if (more && (!e->used || entry_is_old(e)))
			return e;
		if (e->used && e->port == port && (!own || e->seen_ns < own->seen_ns))
			own = e;
	}
	return own;
}

void network_learn(struct network *net, const uint8_t *mac, struct guest_port *port)
{
	struct network_mac *set = &net->macs[mac_set(mac)];
	struct network_mac *e = entry_find(set, mac);

	if (e && e->port == port) {
		e->seen_ns = time_ns();
		return;
	}
	if (e)
		entry_drop(e); /* the station has moved */
	e = entry_choose(set, port);
	if (!e)
		return; /* frames to it are flooded */
	entry_drop(e);
	memcpy(e->mac, mac, ETH_ALEN);
	e->used = true;
	e->port = port;
	e->seen_ns = time_ns();
	if (port)
		port->learned++;
}

const struct network_mac *network_lookup(const struct network *net, const uint8_t *mac)
{
	const struct network_mac *set = &net->macs[mac_set(mac)];

	for (unsigned i = 0; i < WAYS; i++) {
		if (set[i].used && !memcmp(set[i].mac, mac, ETH_ALEN))
			return entry_is_old(&set[i]) ? NULL : &set[i];
	}
	return NULL;
}

void network_forget_port(struct network *net, struct guest_port *port)
{
	for (unsigned i = 0; i < NETWORK_LEARN_MAX; i++) {
		if (net->macs[i].used && net->macs[i].port == port)
			entry_drop(&net->macs[i]);
	}
}

void network_forget_mac(struct network *net, const uint8_t *mac)
{
	struct network_mac *e = entry_find(&net->macs[mac_set(mac)], mac);

	if (e)
		entry_drop(e);
}
