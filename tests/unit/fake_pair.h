/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two hosts in one process for tests of moves: a link in memory that can be cut or
 * damaged at any byte, a shared AoE target that can be silent or restart, VMs with
 * real guest memory, file pools. Host 0 is "alpha", host 1 "beta".
 */
#ifndef TESTS_UNIT_FAKE_PAIR_H
#define TESTS_UNIT_FAKE_PAIR_H

#include "migrate/move.h"
#include "tests/unit/fake_fiber.h"
#include "vmm/vcpu.h"

#define HOSTS 2

/* ---- faults ---- */
struct fake_faults {
	/* on the first link from alpha to beta; bytes of the stream, UINT64_MAX: never */
	uint64_t cut_at;	     /* both directions die when alpha has sent so many */
	uint64_t cut_back_at;	     /* when beta has sent so many */
	uint64_t flip_at;	     /* one bit of alpha's byte is flipped */
	bool cut_parts;		     /* a cut is a partition */
	bool partition;		     /* new links fail, old ones are silent */
	bool storage_silent;	     /* drops every command */
	int storage_silent_to;	     /* drops this host's commands; -1: nobody's */
	int storage_loses_sets_of;   /* that host's reservations, not its looks; -1: nobody's */
	uint64_t storage_lag[HOSTS]; /* from carrying out this host's command to the answer */
	bool storage_doubles;	     /* carries a command out twice, answers the second time */
	int storage_restart_after;   /* commands until it restarts once; -1: never */
	int refuse_resume;	     /* host whose vm_resume fails; -1: none */
	bool scaling;		     /* hosts can scale the TSC */
	uint64_t rate;		     /* bytes per second of the link; 0: no time passes */
};
extern struct fake_faults fake_faults;

/* ---- storage ---- */
struct fake_storage {
	unsigned count;
	uint8_t list[8][ETH_ALEN];
	uint8_t config[AOE_CONFIG_SHORT];
	size_t config_len;
	unsigned commands;
};
extern struct fake_storage fake_storage;
void fake_storage_restart(void);

/* ---- hosts ---- */
extern struct migrate_state fake_states[HOSTS];
extern uint64_t fake_stream_bytes[HOSTS]; /* sent by each on the first link */
/* Where records end in alpha's stream: filled as records are written. */
extern uint64_t fake_record_ends[4096];
extern unsigned fake_record_count;
extern uint64_t fake_boot_ids[HOSTS];

/* Frames that wait for the guest at a host, and those that it got. */
struct fake_nic {
	unsigned waiting, given, bytes;
	uint8_t last;
};
extern struct fake_nic fake_nics[HOSTS];
/* A disk that is not shared: the next VM has one after fake_pair_reset, if set. */
struct fake_pair_disk {
	void (*configure)(struct vm_disk_config *cfg);
	int (*open)(struct vm_disk *d, struct ds_object **received);
	void (*close)(struct vm_disk *d);
	void (*guest)(struct vm *vm, bool stops); /* writes; what is under way ends when it stops */
};
extern const struct fake_pair_disk *fake_pair_disk;
extern unsigned fake_validated[HOSTS]; /* VMs that are to be validated there */
extern bool fake_pair_nic;	       /* the next VM has a card; after fake_pair_reset */

/* When the guest stopped last; by how much its clock was set forward then. */
extern uint64_t fake_stopped_ns, fake_skipped_ns;
extern struct vgenid *fake_pair_vgenid; /* of VMs that are made */
extern bool fake_pair_rests;		/* by another amount: it rested in a datastore */

void fake_pair_reset(void);
/*
 * The host stops where it stands; the other one hears nothing more. A task of that host that calls
 * it must sleep for ever then. Later: its memory is gone too (it is kept, for leak checks), and it
 * may start again.
 */
void fake_pair_power_off(int host);
void fake_pair_power_on(int host);
/* Every open link is silent from now on; parts: new ones fail, until partition is reset. */
void fake_pair_cut(bool parts);
/* A running VM on alpha: some pages filled, shared: with a disk on the fake storage. */
struct vm *fake_pair_vm(uint64_t memory, bool shared);
struct vm *fake_pair_find(int host, const char *name);
/* Equal memory, CPU and device state? */
bool fake_pair_same(const uint8_t *memory, const struct vm *vm);
/* Everything that all hosts have, for leak checks: frees VMs, move records. */
void fake_pair_free(void);
/* The guest writes pages of its own accord between records while it runs. */
extern unsigned fake_guest_writes;
/* File pool of a host: content in static memory. */
void fake_pair_add_file(int host, const char *path, const uint8_t *data, uint64_t size);
unsigned fake_pair_files(int host);

#endif
