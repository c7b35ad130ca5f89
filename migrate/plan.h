/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which VM should go where: pure functions of what is known about hosts and VMs.
 * Nothing here moves anything, allocates or asks; equal input, in whatever order,
 * gives the same plan. Names come from the wire: any figures are survived.
 */
#ifndef MIGRATE_PLAN_H
#define MIGRATE_PLAN_H

#include "kernel/net/peers.h"
#include "vmm/vm_config.h"

#define PLAN_HOSTS_MAX (PEERS_MAX + 1)
#define PLAN_VMS_MAX   128
#define PLAN_MOVES_MAX (2 * PLAN_VMS_MAX)
#define PLAN_WHY_LEN   96

/*
 * Balancing goes on while a move takes at least this off the sum, over all hosts, of the
 * squared distances from the mean load in permille, CPU and memory each: as much as bringing
 * two hosts from 5 % beside the mean to the mean. Less is not worth a move.
 */
#define PLAN_WORTH (2 * 50 * 50)

struct plan_host {
	char name[HOST_NAME_LEN];
	uint32_t cpus;
	uint32_t cpu_permille; /* in use, in permille of one CPU, over the last minute */
	uint64_t total_bytes, free_bytes;
	bool runs_guests, drained;
	bool unknown; /* it does not say all of this: no target */
};

enum plan_state { PLAN_OFF, PLAN_RUNNING, PLAN_PAUSED };
enum plan_how { PLAN_STAYS, PLAN_HOT, PLAN_COLD };

struct plan_vm {
	char name[VM_NAME_LEN];
	unsigned host; /* index of its host in the input */
	uint64_t memory;
	uint32_t vcpus, weight;
	uint32_t cpu_permille;
	enum plan_state state;
	bool can_hot, can_cold;	    /* running and paused ones go hot, those that are off cold */
	char why_not[PLAN_WHY_LEN]; /* words for what it cannot */
	uint32_t unusable;	    /* bit per host that the caller knows it cannot run on */
};

struct plan_input {
	unsigned host_count, vm_count;
	struct plan_host hosts[PLAN_HOSTS_MAX];
	struct plan_vm vms[PLAN_VMS_MAX];
};

struct plan_move {
	unsigned vm, from, to; /* indices in the input */
	enum plan_how how;
};

struct plan_stay {
	unsigned vm;
	char why[PLAN_WHY_LEN];
};

struct plan {
	unsigned move_count, stay_count;
	struct plan_move moves[PLAN_MOVES_MAX]; /* in the order to do them */
	struct plan_stay stays[PLAN_VMS_MAX];
	struct plan_host after[PLAN_HOSTS_MAX]; /* the input's hosts, as the moves leave them */
};

/* Can it go at all, and how? PLAN_STAYS: why_not says what is in the way. */
enum plan_how plan_how(const struct plan_vm *vm);
const char *plan_how_name(enum plan_how how); /* "hot" */
/*
 * Does this VM fit on that host now? 0, or an error with words in why: -E_NOTSUP (runs no
 * guests, unusable), -E_BUSY (drained), -E_NOMEM; without words -E_RANGE: it fits,
 * but its vCPUs would take turns.
 */
int must_check plan_fits(const struct plan_host *host, const struct plan_vm *vm, bool unusable,
			 char why[PLAN_WHY_LEN]);
/* Account for a VM that left a host (dir -1) or came (1). */
void plan_shift(struct plan_host *host, const struct plan_vm *vm, int dir);
/* Host use in permille of what it has: CPUs (may exceed 1000 by error of measurement), memory. */
uint32_t plan_cpu_load(const struct plan_host *h);
uint32_t plan_memory_load(const struct plan_host *h);

/*
 * Every VM away from a host: the largest first, each to the host with most free memory
 * (then least busy, then by name). only: SIZE_MAX, or the index of the one host to go to.
 * -E_RANGE for an input whose counts or indices do not hold; out is then empty.
 */
int must_check plan_drain(const struct plan_input *in, unsigned host, size_t only,
			  struct plan *out);
/*
 * The moves that bring CPU and memory use of all hosts closer together, the most useful
 * first. Planned again on its own result it gives none. Drained hosts take part as neither.
 */
int must_check plan_balance(const struct plan_input *in, struct plan *out);
/* Would every move in this order find room? For tests and for plan_balance. */
bool plan_order_holds(const struct plan_input *in, const struct plan *p);

/* The queue's policy. Hosts are any numbers, equal for the same host. */
struct plan_job {
	unsigned from, to;
	bool running;
	bool begin; /* out: may begin now */
};
/*
 * In order, marks the jobs that may begin so that no host, as source or target, has more
 * than limit moves. A job that must wait does not hold up later ones between other hosts.
 */
void plan_next(struct plan_job *jobs, unsigned count, unsigned limit);

#endif
