/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What an audit measures at the source, beyond the facts of a move's checks: the guest's
 * pace, the link's, its disks'. audit_look.c gathers, audit.c judges (docs/audit.md).
 */
#ifndef MIGRATE_AUDIT_H
#define MIGRATE_AUDIT_H

#include "migrate/estimate.h"
#include "migrate/stream.h"

struct audit_disk {
	struct stream_speed speed;
	uint64_t requests, bytes; /* of the guest, per second */
};

struct audit_nic {
	uint64_t frames, bytes; /* of the guest, both ways, per second */
};

struct audit {
	uint64_t rtt_ns, rate; /* of the link; bytes/s */
	uint64_t window_ns;    /* over which the guest was watched */
	uint64_t pages, used;  /* RAM; of these not zero */
	uint64_t dirty_rate;   /* pages/s; a page that is changed twice counts once */
	bool dirty_known;
	uint64_t max_downtime_ns;
	uint64_t disk_bytes; /* cold: to be copied */
	struct audit_disk disks[VM_MAX_DISKS];
	struct audit_nic nics[VM_MAX_NICS];
	struct estimate estimate;
};

struct move;

/* Send PROBE records and see how fast they go. Before the OFFER. 0 or an error with words. */
int must_check audit_probe(struct move *m);
/* Watch the guest, read its disks, estimate. After the FACTS. As audit_probe. */
int must_check audit_look(struct move *m);

#endif
