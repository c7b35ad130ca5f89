/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hot moves, as the console and the host's start-up see them. A move is a task of
 * its own; its progress can be read at any time, also for a while after its end.
 */
#ifndef MIGRATE_MIGRATE_H
#define MIGRATE_MIGRATE_H

#include "kernel/net/peers.h"
#include "migrate/checks.h"
#include "migrate/progress.h"
#include "vmm/vm.h"

#define MIGRATE_DEFAULT_DOWNTIME_NS (300 * NS_PER_MS)

/* `--disk vda=STORE`: into which datastore of the target a disk goes that is not shared. */
struct migrate_disk_option {
	char disk[8], store[32];
};

struct migrate_options {
	uint64_t max_downtime_ns; /* 0: the default */
	uint64_t bandwidth;	  /* bytes per second of frames; 0: unlimited */
	enum dirty_method dirty;
	bool verify;  /* compare every page before commitment, while the guest is stopped */
	bool dry_run; /* stop after the checks */
	bool audit;   /* dry_run, and measure what the move would depend on */
	struct migrate_disk_option disks[VM_MAX_DISKS];
	unsigned disk_count;
	bool backup;  /* a snapshot first, and no move without */
	bool suspend; /* no pre-copy: the guest stands still while all of it goes */
	bool cold;    /* the VM is off: its definition and disks go */
	bool start;   /* cold: start it there */
	bool keep;    /* cold: a copy stays here */
};

/* Accept moves from other hosts. After link_init. */
void migrate_init(void);

/*
 * Start to move vm to a peer; *id names the move. A cold one may be to this host itself. 0,
 * -E_STATE (neither running nor paused; cold: not off), -E_INVAL (not cold, and to
 * this host), -E_BUSY (a move is under way), -E_NOMEM.
 */
int must_check migrate_start(struct vm *vm, const struct peer *to,
			     const struct migrate_options *opt, uint32_t *id);
/*
 * End the move of this VM, at either end. 0, -E_NOENT (none), -E_STATE (too late:
 * commitment has begun, the storage decides now).
 */
int must_check migrate_cancel(struct vm *vm);
int must_check migrate_cancel_id(uint32_t id);

/*
 * An operator's word on a VM_IN_DOUBT: keep it here (`unpause`) or give it up
 * (`destroy`). Overrides the storage: say so on the console first. -E_STATE when not in doubt.
 */
int must_check migrate_decide(struct vm *vm, bool keep);

/* NULL when the move is no longer remembered. */
const struct move_progress *migrate_progress(uint32_t id);
/* Checks of that move; NULL before they were made. */
const struct check_list *migrate_checks(uint32_t id);
/* Moves known now, active and recently finished: their ids; 0 past the end. */
uint32_t migrate_id_at(unsigned index);

#endif
