/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which AoE targets are on the wire: answers to a broadcast config query, and
 * what targets announce when they start. For `store`; opening a disk does its
 * own search. Bounded, because anybody on the wire can claim to be a target.
 */
#include "kernel/store/aoe_targets.h"
#include "kernel/drivers/ata_identify.h"
#include "kernel/drivers/blkdev.h"
#include "kernel/entropy.h"
#include "kernel/lib/string.h"
#include "kernel/store/aoe.h"
#include "kernel/store/aoe_codec.h"
#include "kernel/time.h"

#define TARGET_STALE_NS (60 * NS_PER_S) /* may make room for another */
#define TARGET_ASK_NS	NS_PER_S	/* between two questions for the size */

static struct switch_port port;
static struct net_switch *targets_switch;
static struct aoe_target targets[AOE_TARGETS_MAX];
static uint64_t asked_ns[AOE_TARGETS_MAX]; /* 0: never */
static unsigned target_count;
static uint32_t ask_tag;

static struct netbuf *targets_frame(struct aoe_header *h, const uint8_t dst[ETH_ALEN])
{
	memcpy(h->dst, dst, ETH_ALEN);
	memcpy(h->src, port.mac, ETH_ALEN);
	h->tag = ask_tag;
	return netbuf_alloc();
}

void aoe_discover(void)
{
	static const uint8_t everyone[ETH_ALEN] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	struct aoe_header h = {.shelf = AOE_SHELF_BROADCAST, .slot = AOE_SLOT_BROADCAST};
	struct aoe_config q = {.ccmd = AOE_CONFIG_READ};
	struct netbuf *nb = targets_switch ? targets_frame(&h, everyone) : NULL;

	if (!nb)
		return;
	aoe_encode_config(nb->data, &h, &q);
	nb->len = ETH_MIN_LEN;
	(void)switch_send(&port, nb);
}

static void target_ask_size(unsigned i)
{
	struct aoe_header h = {.shelf = targets[i].shelf, .slot = targets[i].slot};
	struct aoe_ata a = {.count = 1, .cmd_status = ATA_IDENTIFY_DEVICE};
	uint64_t now = time_ns();
	struct netbuf *nb;

	if (asked_ns[i] && now - asked_ns[i] < TARGET_ASK_NS)
		return;
	nb = targets_frame(&h, targets[i].mac);
	if (!nb)
		return;
	asked_ns[i] = MAX(now, 1);
	aoe_encode_ata(nb->data, &h, &a);
	nb->len = ETH_MIN_LEN;
	(void)switch_send(&port, nb);
}

const struct aoe_target *aoe_target_at(unsigned index)
{
	if (index >= target_count)
		return NULL;
	if (!targets[index].sectors)
		target_ask_size(index);
	return &targets[index];
}

static struct aoe_target *target_find(const struct aoe_header *h)
{
	for (unsigned i = 0; i < target_count; i++) {
		struct aoe_target *t = &targets[i];

		if (t->shelf == h->shelf && t->slot == h->slot && !memcmp(t->mac, h->src, ETH_ALEN))
			return t;
	}
	return NULL;
}

/* A free entry, or one unheard for long; NULL: full, the newcomer is not listed. */
static struct aoe_target *target_room(void)
{
	struct aoe_target *oldest = &targets[0];

	if (target_count < AOE_TARGETS_MAX)
		return &targets[target_count++];
	for (unsigned i = 1; i < target_count; i++)
		if (targets[i].last_seen_ns < oldest->last_seen_ns)
			oldest = &targets[i];
	return time_ns() - oldest->last_seen_ns > TARGET_STALE_NS ? oldest : NULL;
}

static void target_seen(const struct aoe_header *h)
{
	struct aoe_target *t = target_find(h);

	if (!t) {
		t = target_room();
		if (!t)
			return;
		memset(t, 0, sizeof(*t));
		t->shelf = h->shelf;
		t->slot = h->slot;
		memcpy(t->mac, h->src, ETH_ALEN);
		asked_ns[t - targets] = 0;
	}
	t->last_seen_ns = time_ns();
}

static void target_identified(const struct aoe_message *m)
{
	struct aoe_target *t = target_find(&m->h);
	struct ata_identity id;

	if (!t || m->h.tag != ask_tag || m->data_len < SECTOR_SIZE ||
	    m->ata.cmd_status & (ATA_STATUS_ERR | ATA_STATUS_DF))
		return;
	if (!ata_identify_decode(m->data, &id))
		t->sectors = id.sectors;
}

static void targets_receive(struct switch_port *p, struct netbuf *nb)
{
	struct aoe_message m;

	if (!aoe_decode(nb->data, nb->len, &m) && m.h.flags & AOE_FLAG_RESPONSE &&
	    !(m.h.flags & AOE_FLAG_ERROR) && !(m.h.src[0] & 1) &&
	    m.h.shelf != AOE_SHELF_BROADCAST && m.h.slot != AOE_SLOT_BROADCAST) {
		if (m.h.command == AOE_CMD_CONFIG)
			target_seen(&m.h);
		else if (m.h.command == AOE_CMD_ATA)
			target_identified(&m);
	}
	netbuf_put(nb);
}

void aoe_targets_init(struct net_switch *sw)
{
	target_count = 0;
	targets_switch = sw;
	entropy_fill(&ask_tag, sizeof(ask_tag));
	ask_tag |= 1; /* 0 is for announcements */
	memset(&port, 0, sizeof(port));
	port.name = "aoe";
	port.ethertype = ETH_TYPE_AOE;
	port.group = true;
	port.receive = targets_receive;
	/* A MAC of its own: no reservation list ever names it. */
	aoe_fresh_mac(port.mac);
	switch_attach(sw, &port);
}
