/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ATA over Ethernet initiator (AoEr11). One struct aoe_disk per VM disk: a
 * blkdev whose frames carry that disk's own source MAC, because the source MAC
 * is what the target's reservation list names: it decides who owns the disk.
 */
#ifndef KERNEL_STORE_AOE_H
#define KERNEL_STORE_AOE_H

#include "kernel/drivers/blkdev.h"
#include "kernel/net/switch.h"

struct aoe_disk;

#define AOE_MAX_RESERVE 255 /* MACs in a reservation list: its count is one byte */

struct aoe_reservation {
	uint16_t count;
	uint8_t macs[8][ETH_ALEN]; /* the first 8; count may be more */
};

struct aoe_target {
	uint16_t shelf;
	uint8_t slot;
	uint8_t mac[ETH_ALEN];
	uint64_t last_seen_ns;
	uint64_t sectors; /* 0: not asked yet */
};

int must_check aoe_init(struct net_switch *sw);
/* Broadcast a config query; answers fill the list that aoe_target_at walks. */
void aoe_discover(void);
const struct aoe_target *aoe_target_at(unsigned index); /* NULL past the end */

/*
 * Blocks: find e<shelf>.<slot>, identify it. Frames use source MAC mac.
 * 0, -E_TIMEDOUT (no such target answers within 5 s), -E_NOMEM, -E_IO, -E_INVAL.
 */
int must_check aoe_open(uint16_t shelf, uint8_t slot, const uint8_t mac[ETH_ALEN],
			struct aoe_disk **out);
/*
 * Outstanding requests complete with -E_CANCELLED, blocked calls return it. Not from
 * inside a request's done (a port must not detach while it receives); likewise aoe_set_mac.
 */
void aoe_close(struct aoe_disk *d);
struct blkdev *aoe_blkdev(struct aoe_disk *d);
const uint8_t *aoe_mac(const struct aoe_disk *d);
/* Start another period of ownership: later frames carry this source MAC. No request may be in
 * flight. */
void aoe_set_mac(struct aoe_disk *d, const uint8_t mac[ETH_ALEN]);
/* A fresh, random, locally administered unicast MAC. */
void aoe_fresh_mac(uint8_t mac[ETH_ALEN]);

/* Blocks until no request is in flight (they are retransmitted meanwhile), or -E_TIMEDOUT. */
int must_check aoe_drain(struct aoe_disk *d, uint64_t deadline_ns);

/*
 * Take back what is outstanding: requests complete with -E_CANCELLED now, whether or
 * not the target carried them out. Later requests are served. Not from a done.
 */
void aoe_cancel(struct aoe_disk *d);
/*
 * Blocks. Everything that completed before is on stable storage. Only while nobody else uses
 * the disk: past the deadline all its requests are cancelled. 0, -E_CANCELLED, -E_FENCED, -E_IO.
 */
int must_check aoe_flush(struct aoe_disk *d, uint64_t deadline_ns);

/*
 * Blocks. Reserve/Release commands (AoEr11, command 3), with d's source MAC.
 * 0, -E_FENCED (the list is held by others: the command was refused),
 * -E_TIMEDOUT (no answer: whether it was carried out is unknown), -E_IO.
 * After a list of exactly one MAC was set, and while that is d's own MAC, d keeps it:
 * it is set again, before more data is sent, when the target has forgotten it (docs/aoe.md).
 */
int must_check aoe_reserve_read(struct aoe_disk *d, struct aoe_reservation *out,
				uint64_t deadline_ns);
int must_check aoe_reserve_set(struct aoe_disk *d, const uint8_t macs[][ETH_ALEN], unsigned count,
			       uint64_t deadline_ns);
int must_check aoe_reserve_force(struct aoe_disk *d, const uint8_t macs[][ETH_ALEN], unsigned count,
				 uint64_t deadline_ns);

/*
 * Blocks. The target's configuration string (AoEr11, command 1), which any MAC may
 * read and force. *len may exceed room: only room bytes were stored. A target that
 * restarts forgets the string. 0, -E_TIMEDOUT, -E_RANGE (longer than AOE_CONFIG_SHORT).
 */
#define AOE_CONFIG_SHORT 64
int must_check aoe_config_read(struct aoe_disk *d, void *buf, size_t room, size_t *len,
			       uint64_t deadline_ns);
int must_check aoe_config_force(struct aoe_disk *d, const void *text, size_t len,
				uint64_t deadline_ns);

struct aoe_stats {
	uint64_t tx_frames, rx_frames, retransmits, unexpected;
	uint64_t srtt_ns;
};
void aoe_get_stats(const struct aoe_disk *d, struct aoe_stats *out);

#endif
