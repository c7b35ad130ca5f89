/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which other hosts are on the wire: each broadcasts a HELLO about once a second
 * (name, pool, boot id, protocol version, memory, CPUs and their use); a peer
 * unheard for 10 s is shown as gone and later forgotten. Hostile input like any frame.
 */
#ifndef KERNEL_NET_PEERS_H
#define KERNEL_NET_PEERS_H

#include "kernel/net/switch.h"

#define HOST_NAME_LEN 32
#define PEERS_MAX     16

struct peer {
	char name[HOST_NAME_LEN];
	char pool[HOST_NAME_LEN];
	uint8_t mac[ETH_ALEN];
	uint64_t boot_id; /* random per boot: a restarted host is another peer */
	uint16_t version; /* of the link protocol */
	uint16_t frame_max;
	uint32_t cpus, vms;
	uint64_t free_bytes, total_bytes; /* total_bytes 0: an older version, does not say */
	uint32_t cpu_permille;		  /* in use, of one CPU; unknown when total_bytes is 0 */
	uint64_t last_seen_ns;		  /* 0: slot unused */
	bool can_run_guests;
	bool drained; /* takes no VMs */
};

/* What this host says of itself; filled by kernel/main.c before each HELLO. */
struct peers_config {
	struct peer self;
	void (*refresh)(struct peer *self);
};

int must_check peers_init(struct net_switch *sw, const struct peers_config *cfg);
const struct peer *peers_self(void);
/* NULL when no such host was heard within the last 10 s. */
const struct peer *peers_find(const char *name);
const struct peer *peers_at(unsigned index); /* 0..PEERS_MAX-1; NULL for unused slots */

#endif
