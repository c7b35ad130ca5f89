/* SPDX-License-Identifier: BSD-2-Clause */
/* Tasks, peers and storage around the receiver, as the script says; see receive_world.h. */
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/receive_world.h"
#include "kernel/entropy.h"
#include "kernel/sched.h"

#define TOKEN_PREFIX "pagurus:"

static struct peer self = {.name = "beta",
			   .pool = "lab",
			   .boot_id = 22,
			   .version = 1,
			   .frame_max = 1514,
			   .cpus = 2,
			   .can_run_guests = true};
static struct peer source = {.name = "alpha", .pool = "lab", .boot_id = 11, .version = 1};

static int world_err(void)
{
	static const int errs[] = {0, 0, 0, 0, 0, -E_TIMEDOUT, -E_FENCED, -E_IO};

	return errs[world_ask() % ARRAY_SIZE(errs)];
}

/* ---- tasks ---- */

struct task *task_create(const char *name, void (*fn)(void *arg), void *arg)
{
	fn(arg);
	return (struct task *)&world;
}

uint64_t sched_work_ticks(void)
{
	return 0;
}

void task_yield(void)
{
	fake_run(1000);
}

void task_sleep_until(uint64_t deadline_ns)
{
	fake_timers_run_until(deadline_ns);
}

void waitq_init(struct waitq *wq)
{
	list_init(&wq->waiters);
}

/* An operator who loses patience. */
int waitq_wait(struct waitq *wq, uint64_t deadline_ns)
{
	uint8_t a = world_ask();

	for (unsigned i = 0; a < 64 && i < MOVES_KEPT; i++)
		if (world.state.moves[i])
			world.state.moves[i]->decided = 1 + a % 2;
	if (deadline_ns == TIME_NEVER)
		fail_msg("a wait that nothing would ever end");
	fake_timers_run_until(deadline_ns);
	return -E_TIMEDOUT;
}

void waitq_wake_all(struct waitq *wq)
{
}

/* ---- the host ---- */

void entropy_fill(void *buf, size_t len)
{
	memset(buf, 0x5a, len);
}

/* A made-up processor: the same on every build machine. */
void cpuid_policy_host(struct cpuid_policy *out)
{
	*out = (struct cpuid_policy){.count = 4,
				     .max_basic = 0xd,
				     .max_extended = 0x80000008,
				     .phys_bits = 40,
				     .xcr0 = 7,
				     .tsc_khz = 1000000};
	out->entries[0] = (struct cpuid_entry){0, CPUID_NO_SUBLEAF, 0xd, 0, 0, 0};
	out->entries[1] = (struct cpuid_entry){1, CPUID_NO_SUBLEAF, 0x50654, 0, ~0u, ~0u};
	out->entries[2] = (struct cpuid_entry){7, 0, 0, ~0u, 0, 0};
	out->entries[3] = (struct cpuid_entry){0xd, 0, 7, 832, 832, 0};
}

void mem_get_stats(struct mem_stats *out)
{
	*out = (struct mem_stats){.total_pages = 65536, .free_pages = 32768, .free_2m = 64};
}

const struct peer *peers_self(void)
{
	return &self;
}

const struct peer *peers_find(const char *name)
{
	return strcmp(name, source.name) ? NULL : &source;
}

/* ---- storage ---- */

int aoe_open(uint16_t shelf, uint8_t slot, const uint8_t mac[ETH_ALEN], struct aoe_disk **out)
{
	int err = world_err();

	if (err)
		return err;
	*out = calloc(1, sizeof(**out));
	(*out)->bd.sectors = 4096;
	memcpy((*out)->mac, mac, ETH_ALEN);
	return 0;
}

void aoe_close(struct aoe_disk *d)
{
	free(d);
}

struct blkdev *aoe_blkdev(struct aoe_disk *d)
{
	return &d->bd;
}

const uint8_t *aoe_mac(const struct aoe_disk *d)
{
	return d->mac;
}

void aoe_set_mac(struct aoe_disk *d, const uint8_t mac[ETH_ALEN])
{
	memcpy(d->mac, mac, ETH_ALEN);
}

void aoe_fresh_mac(uint8_t mac[ETH_ALEN])
{
	static uint8_t serial;

	memcpy(mac, "\x02\0\0\0\0", 5);
	mac[5] = ++serial;
}

int aoe_drain(struct aoe_disk *d, uint64_t deadline_ns)
{
	return world_err();
}

int aoe_flush(struct aoe_disk *d, uint64_t deadline_ns)
{
	return world_err();
}

/* Who is on the list: the source, this host, both, a stranger, nobody. */
int aoe_reserve_read(struct aoe_disk *d, struct aoe_reservation *out, uint64_t deadline_ns)
{
	uint8_t who = world_ask();

	memset(out, 0, sizeof(*out));
	if (who & 1)
		memcpy(out->macs[out->count++], "\x02\0\0\0\0\xa1", ETH_ALEN);
	if (who & 2)
		memcpy(out->macs[out->count++], d->mac, ETH_ALEN);
	if (who & 4)
		out->count = AOE_MAX_RESERVE; /* more than are told */
	return world_err();
}

int aoe_reserve_set(struct aoe_disk *d, const uint8_t macs[][ETH_ALEN], unsigned count,
		    uint64_t deadline_ns)
{
	return world_err();
}

int aoe_reserve_force(struct aoe_disk *d, const uint8_t macs[][ETH_ALEN], unsigned count,
		      uint64_t deadline_ns)
{
	return world_err();
}

/* The token of an untouched STATE_END, nothing, or somebody's text, longer than asked for. */
int aoe_config_read(struct aoe_disk *d, void *buf, size_t room, size_t *len, uint64_t deadline_ns)
{
	uint8_t what = world_ask();

	if (what & 1) {
		memset(buf, 0, room);
		memcpy(buf, TOKEN_PREFIX, MIN(room, sizeof(TOKEN_PREFIX) - 1));
		*len = sizeof(TOKEN_PREFIX) - 1 + HANDOVER_TOKEN_LEN;
	} else {
		memset(buf, what, room);
		*len = what & 2 ? 0 : 1024;
	}
	return world_err();
}

int aoe_config_force(struct aoe_disk *d, const void *text, size_t len, uint64_t deadline_ns)
{
	assert_in_range(len, 0, AOE_CONFIG_SHORT);
	return world_err();
}
