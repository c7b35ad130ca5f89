/* SPDX-License-Identifier: BSD-2-Clause */
/* Plans: by hand for the rules, and by many random pools for the properties of every plan. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "migrate/plan.h"

#define GIB (1ull << 30)

static struct plan_input in, other;
static struct plan plan, again;

static struct plan_host *host(const char *name, uint64_t total, uint64_t free_bytes, uint32_t cpu)
{
	struct plan_host *h = &in.hosts[in.host_count++];

	*h = (struct plan_host){.cpus = 4,
				.cpu_permille = cpu,
				.total_bytes = total,
				.free_bytes = free_bytes,
				.runs_guests = true};
	strncpy(h->name, name, sizeof(h->name) - 1);
	return h;
}

static struct plan_vm *vm(const char *name, unsigned where, uint64_t memory, uint32_t cpu)
{
	struct plan_vm *v = &in.vms[in.vm_count++];

	*v = (struct plan_vm){.host = where,
			      .memory = memory,
			      .vcpus = 1,
			      .weight = 100,
			      .cpu_permille = cpu,
			      .state = PLAN_RUNNING,
			      .can_hot = true};
	strncpy(v->name, name, sizeof(v->name) - 1);
	return v;
}

static int setup(void **state)
{
	memset(&in, 0, sizeof(in));
	memset(&plan, 0xa5, sizeof(plan));
	return 0;
}

static void assert_move(unsigned i, const char *name, const char *to, enum plan_how how)
{
	assert_in_range(i + 1, 1, plan.move_count);
	assert_string_equal(in.vms[plan.moves[i].vm].name, name);
	assert_string_equal(in.hosts[plan.moves[i].to].name, to);
	assert_int_equal(plan.moves[i].how, how);
	assert_int_equal(plan.moves[i].from, in.vms[plan.moves[i].vm].host);
}

static void assert_stays(unsigned i, const char *name, const char *words)
{
	assert_in_range(i + 1, 1, plan.stay_count);
	assert_string_equal(in.vms[plan.stays[i].vm].name, name);
	if (!strstr(plan.stays[i].why, words))
		fail_msg("no '%s' in '%s'", words, plan.stays[i].why);
}

static void test_drain_order_and_targets(void **state)
{
	host("alpha", 16 * GIB, 4 * GIB, 0);
	host("beta", 16 * GIB, 6 * GIB, 0);
	host("gamma", 16 * GIB, 6 * GIB, 0);
	vm("small", 0, 1 * GIB, 0);
	vm("big", 0, 4 * GIB, 0);
	vm("aside", 0, 2 * GIB, 0);
	vm("elsewhere", 1, 2 * GIB, 0);
	vm("cold", 0, 8 * GIB, 0)->state = PLAN_OFF;
	in.vms[4].can_cold = true;
	assert_int_equal(plan_drain(&in, 0, SIZE_MAX, &plan), 0);
	assert_int_equal(plan.move_count, 4);
	assert_move(0, "big", "beta", PLAN_HOT); /* a tie: by name */
	assert_move(1, "aside", "gamma", PLAN_HOT);
	assert_move(2, "small", "gamma", PLAN_HOT);
	assert_move(3, "cold", "gamma", PLAN_COLD); /* holds no memory: beta has 2, gamma 3 left */
	assert_int_equal(plan.stay_count, 0);
	assert_true(plan.after[0].free_bytes == 11 * GIB);
	assert_true(plan.after[1].free_bytes == 2 * GIB);
	assert_true(plan.after[2].free_bytes == 3 * GIB);
	in.hosts[1].cpu_permille = 100; /* now beta is the busier one */
	assert_int_equal(plan_drain(&in, 0, SIZE_MAX, &plan), 0);
	assert_move(0, "big", "gamma", PLAN_HOT);
}

static void test_drain_says_what_stays_and_why(void **state)
{
	struct plan_vm *v;

	host("alpha", 16 * GIB, 4 * GIB, 0);
	host("beta", 4 * GIB, 2 * GIB, 0);
	v = vm("local", 0, GIB, 0);
	v->can_hot = false;
	strcpy(v->why_not, "it is being reset");
	vm("big", 0, 3 * GIB, 0);
	vm("odd", 0, GIB, 0)->unusable = 2;
	v = vm("off", 0, 5 * GIB, 0);
	v->state = PLAN_OFF;
	v->can_cold = true;
	assert_int_equal(plan_drain(&in, 0, SIZE_MAX, &plan), 0);
	assert_int_equal(plan.move_count, 0);
	assert_int_equal(plan.stay_count, 4);
	assert_stays(0, "big", "beta: needs 3 GiB of memory, 2 GiB free");
	assert_stays(1, "local", "it is being reset");
	assert_stays(2, "odd", "beta: the checks");
	assert_stays(3, "off", "needs 5 GiB of memory, 4 GiB in all");
	in.vm_count = 1;
	in.vms[0].can_hot = true;
	in.hosts[1].drained = true;
	assert_int_equal(plan_drain(&in, 0, SIZE_MAX, &plan), 0);
	assert_stays(0, "local", "beta: drained");
	in.hosts[1].drained = false;
	in.hosts[1].runs_guests = false;
	assert_int_equal(plan_drain(&in, 0, SIZE_MAX, &plan), 0);
	assert_stays(0, "local", "beta: cannot run guests");
	in.hosts[1].runs_guests = true;
	in.hosts[1].unknown = true;
	assert_int_equal(plan_drain(&in, 0, SIZE_MAX, &plan), 0);
	assert_stays(0, "local", "beta: does not say");
	in.host_count = 1;
	assert_int_equal(plan_drain(&in, 0, SIZE_MAX, &plan), 0);
	assert_stays(0, "local", "there is no other host");
}

static void test_vcpus_rather_do_not_take_turns(void **state)
{
	host("alpha", 16 * GIB, 4 * GIB, 0);
	host("beta", 16 * GIB, 8 * GIB, 0);
	host("gamma", 16 * GIB, 4 * GIB, 0)->cpus = 5;
	vm("wide", 0, GIB, 0)->vcpus = 5;
	assert_int_equal(plan_drain(&in, 0, SIZE_MAX, &plan), 0);
	assert_move(0, "wide", "gamma", PLAN_HOT);
	in.hosts[2].cpus = 4;
	assert_int_equal(plan_drain(&in, 0, SIZE_MAX, &plan), 0);
	assert_move(0, "wide", "beta", PLAN_HOT);
}

static void test_drain_to_one_host_only(void **state)
{
	host("alpha", 16 * GIB, 4 * GIB, 0);
	host("beta", 16 * GIB, 2 * GIB, 0);
	host("gamma", 16 * GIB, 6 * GIB, 0);
	vm("a", 0, GIB, 0);
	vm("b", 0, 2 * GIB, 0);
	assert_int_equal(plan_drain(&in, 0, 1, &plan), 0);
	assert_int_equal(plan.move_count, 1);
	assert_move(0, "b", "beta", PLAN_HOT);
	assert_stays(0, "a", "beta: needs 1 GiB of memory, 0 B free");
	assert_int_equal(plan_drain(&in, 0, 3, &plan), -E_RANGE);
}

static void test_balance_evens_out(void **state)
{
	host("alpha", 16 * GIB, 4 * GIB, 3000);
	host("beta", 16 * GIB, 16 * GIB, 0);
	vm("a", 0, 6 * GIB, 1500);
	vm("b", 0, 3 * GIB, 700);
	vm("c", 0, 3 * GIB, 800);
	assert_int_equal(plan_balance(&in, &plan), 0);
	assert_int_equal(plan.move_count, 1); /* one move does it */
	assert_move(0, "a", "beta", PLAN_HOT);
	assert_int_equal(plan_cpu_load(&plan.after[0]), 375);
	assert_int_equal(plan_cpu_load(&plan.after[1]), 375);
	assert_int_equal(plan_memory_load(&plan.after[0]), 375);
	in.vms[0].can_hot = false;
	assert_int_equal(plan_balance(&in, &plan), 0);
	assert_int_equal(plan.move_count, 2);
	in.hosts[1].drained = true;
	assert_int_equal(plan_balance(&in, &plan), 0);
	assert_int_equal(plan.move_count, 0);
}

static void test_balance_leaves_small_differences(void **state)
{
	host("alpha", 16 * GIB, 8 * GIB, 200);
	host("beta", 16 * GIB, 9 * GIB, 0);
	vm("a", 0, GIB / 2, 100);
	vm("b", 0, GIB / 4, 50);
	assert_int_equal(plan_balance(&in, &plan), 0);
	assert_int_equal(plan.move_count, 0);
}

/* ---- properties, over random pools -------------------------------------------------- */

static uint32_t seed;

static uint32_t draw(uint32_t below)
{
	seed = seed * 1664525 + 1013904223;
	return below ? (seed >> 8) % below : 0;
}

/* Sound figures: a host's use is the sum of its VMs' and something of its own. */
static void random_pool(void)
{
	char name[16];

	memset(&in, 0, sizeof(in));
	for (unsigned i = draw(PLAN_HOSTS_MAX + 1); i; i--) {
		struct plan_host *h;

		snprintf(name, sizeof(name), "h%u", i * 7 % 31);
		h = host(name, (8 + draw(120)) * GIB, 0, draw(200));
		h->cpus = 1 + draw(32);
		h->drained = !draw(8);
		h->runs_guests = draw(8);
		h->unknown = !draw(10);
		h->free_bytes = h->total_bytes - draw(2) * GIB;
	}
	for (unsigned i = in.host_count ? draw(PLAN_VMS_MAX + 1) : 0; i; i--) {
		unsigned where = draw(in.host_count);
		struct plan_vm *v;

		snprintf(name, sizeof(name), "vm%u", i * 37 % 251);
		v = vm(name, where, (1 + draw(16)) * GIB / (1 + draw(8)), draw(900));
		v->state = (enum plan_state)draw(3);
		v->vcpus = 1 + draw(4);
		v->can_hot = draw(8);
		v->can_cold = draw(2);
		v->unusable = draw(4) ? 0 : draw(1u << 17);
		if (v->state != PLAN_OFF && v->memory > in.hosts[where].free_bytes)
			in.vm_count--;
		else
			plan_shift(&in.hosts[where], v, 1);
	}
}

static void check_plan(unsigned drained_host)
{
	assert_in_range(plan.move_count, 0, PLAN_MOVES_MAX);
	assert_true(plan_order_holds(&in, &plan));
	for (unsigned i = 0; i < plan.move_count; i++) {
		const struct plan_move *m = &plan.moves[i];

		assert_int_not_equal(m->from, m->to);
		assert_int_not_equal(m->how, PLAN_STAYS);
		assert_int_equal(m->how, plan_how(&in.vms[m->vm]));
		if (drained_host < in.host_count)
			assert_int_equal(m->from, drained_host);
	}
	for (unsigned i = 0; i < plan.stay_count; i++)
		assert_in_range(strnlen(plan.stays[i].why, PLAN_WHY_LEN), 0, PLAN_WHY_LEN - 1);
}

/* other: in with hosts and VMs in another order. */
static void shuffle(void)
{
	unsigned to[PLAN_HOSTS_MAX];

	other = in;
	for (unsigned i = 0; i < in.host_count; i++) {
		to[i] = in.host_count - 1 - i;
		other.hosts[to[i]] = in.hosts[i];
	}
	for (unsigned i = 0; i < in.vm_count; i++) {
		struct plan_vm *v = &other.vms[(i * 3 + 1) % in.vm_count];

		if (in.vm_count % 3 == 0)
			v = &other.vms[in.vm_count - 1 - i];
		*v = in.vms[i];
		v->host = to[v->host];
		v->unusable = 0;
		for (unsigned k = 0; k < in.host_count; k++)
			v->unusable |= (in.vms[i].unusable >> k & 1) << to[k];
	}
}

static void assert_same_plans(void)
{
	assert_int_equal(plan.move_count, again.move_count);
	for (unsigned i = 0; i < plan.move_count; i++) {
		assert_string_equal(in.vms[plan.moves[i].vm].name,
				    other.vms[again.moves[i].vm].name);
		assert_string_equal(in.hosts[plan.moves[i].to].name,
				    other.hosts[again.moves[i].to].name);
	}
	assert_int_equal(plan.stay_count, again.stay_count);
	for (unsigned i = 0; i < plan.stay_count; i++)
		assert_string_equal(plan.stays[i].why, again.stays[i].why);
}

static void test_drain_properties(void **state)
{
	for (seed = 1; seed < 400; seed++) {
		uint32_t keep = seed;

		random_pool();
		for (unsigned h = 0; h < in.host_count; h += 5) {
			unsigned here = 0;

			assert_int_equal(plan_drain(&in, h, SIZE_MAX, &plan), 0);
			check_plan(h);
			for (unsigned i = 0; i < in.vm_count; i++)
				here += in.vms[i].host == h;
			assert_int_equal(plan.move_count + plan.stay_count, here);
			shuffle();
			assert_int_equal(
			    plan_drain(&other, in.host_count - 1 - h, SIZE_MAX, &again), 0);
			assert_same_plans();
		}
		seed = keep;
	}
}

static uint64_t spread(const struct plan_host *hosts, unsigned count)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < count; i++)
		for (unsigned k = 0; k < i; k++) {
			int64_t c = (int64_t)plan_cpu_load(&hosts[i]) - plan_cpu_load(&hosts[k]);
			int64_t m =
			    (int64_t)plan_memory_load(&hosts[i]) - plan_memory_load(&hosts[k]);

			if (hosts[i].drained || hosts[k].drained || hosts[i].unknown ||
			    hosts[k].unknown || !hosts[i].runs_guests || !hosts[k].runs_guests)
				continue;
			sum += (uint64_t)(c * c + m * m);
		}
	return sum;
}

static void test_balance_properties(void **state)
{
	unsigned moves = 0, better = 0, plans = 0;

	for (seed = 1; seed < 400; seed++) {
		uint32_t keep = seed;

		random_pool();
		assert_int_equal(plan_balance(&in, &plan), 0);
		check_plan(UINT32_MAX);
		moves += plan.move_count;
		plans += plan.move_count > 0;
		better += plan.move_count &&
			  spread(plan.after, in.host_count) < spread(in.hosts, in.host_count);
		shuffle();
		assert_int_equal(plan_balance(&other, &again), 0);
		assert_same_plans();
		for (unsigned i = 0; i < plan.move_count; i++)
			in.vms[plan.moves[i].vm].host = plan.moves[i].to;
		memcpy(in.hosts, plan.after, sizeof(in.hosts));
		assert_int_equal(plan_balance(&in, &again), 0);
		assert_int_equal(again.move_count, 0);
		seed = keep;
	}
	assert_in_range(moves, 1000, UINT32_MAX);
	assert_in_range(better * 10, plans * 9, UINT32_MAX);
}

static void test_nonsense_is_survived(void **state)
{
	static const uint64_t odd[] = {0, 1, UINT64_MAX, UINT64_MAX - 1, 1ull << 63, 4096};

	assert_int_equal(plan_balance(&in, &plan), 0);
	assert_int_equal(plan.move_count, 0);
	assert_int_equal(plan_drain(&in, 0, SIZE_MAX, &plan), -E_RANGE);
	assert_int_equal(plan.move_count + plan.stay_count, 0);
	for (seed = 1; seed < 500; seed++) {
		uint32_t keep = seed;

		setup(state);
		for (unsigned i = 0; i < PLAN_HOSTS_MAX; i++) {
			struct plan_host *h = host("h", odd[draw(6)], odd[draw(6)], draw(2) - 1u);

			h->cpus = (uint32_t)odd[draw(6)];
			memset(h->name, 'h', draw(2) * sizeof(h->name));
		}
		for (unsigned i = 0; i < PLAN_VMS_MAX; i++) {
			struct plan_vm *v =
			    vm("v", draw(PLAN_HOSTS_MAX), odd[draw(6)], (uint32_t)odd[draw(6)]);

			memset(v->name, 'v', draw(2) * sizeof(v->name));
			memset(v->why_not, 'w', sizeof(v->why_not));
			v->can_hot = draw(4);
			v->unusable = UINT32_MAX * draw(2);
		}
		assert_int_equal(plan_balance(&in, &plan), 0);
		check_plan(UINT32_MAX);
		assert_int_equal(plan_drain(&in, draw(PLAN_HOSTS_MAX), SIZE_MAX, &plan), 0);
		check_plan(UINT32_MAX);
		seed = keep;
	}
	in.vms[3].host = PLAN_HOSTS_MAX;
	assert_int_equal(plan_balance(&in, &plan), -E_RANGE);
	in.vms[3].host = 0;
	in.vm_count = PLAN_VMS_MAX + 1;
	assert_int_equal(plan_balance(&in, &plan), -E_RANGE);
	in.vm_count = 1;
	in.host_count = PLAN_HOSTS_MAX + 1;
	assert_int_equal(plan_drain(&in, 0, SIZE_MAX, &plan), -E_RANGE);
	assert_int_equal(plan.move_count, 0);
}

/* ---- the queue ---------------------------------------------------------------------- */

static void test_next_keeps_the_limit(void **state)
{
	struct plan_job jobs[] = {
	    {.from = 1, .to = 2}, {.from = 1, .to = 3}, {.from = 4, .to = 2},
	    {.from = 3, .to = 4}, {.from = 5, .to = 6},
	};

	plan_next(jobs, 5, 1);
	assert_true(jobs[0].begin && jobs[3].begin && jobs[4].begin);
	assert_false(jobs[1].begin || jobs[2].begin);
	jobs[1].running = true; /* 1 and 3 are taken */
	plan_next(jobs, 5, 1);
	assert_false(jobs[0].begin || jobs[1].begin || jobs[3].begin);
	assert_true(jobs[2].begin && jobs[4].begin);
	plan_next(jobs, 5, 2);
	assert_true(jobs[0].begin && jobs[2].begin && jobs[3].begin && jobs[4].begin);
	plan_next(jobs, 5, 0);
	for (unsigned i = 0; i < 5; i++)
		assert_false(jobs[i].begin);
	plan_next(jobs, 0, 1);
}

static void test_next_never_exceeds_the_limit(void **state)
{
	struct plan_job jobs[24];

	for (seed = 1; seed < 300; seed++) {
		uint32_t keep = seed, limit = draw(4);
		unsigned used[6] = {0}, waits = 0;

		memset(jobs, 0, sizeof(jobs));
		for (unsigned i = 0; i < 24; i++) {
			jobs[i].from = draw(6);
			jobs[i].to = (jobs[i].from + 1 + draw(5)) % 6;
		}
		plan_next(jobs, 24, limit);
		for (unsigned i = 0; i < 24; i++) {
			used[jobs[i].from] += jobs[i].begin;
			used[jobs[i].to] += jobs[i].begin;
			waits += !jobs[i].begin;
		}
		for (unsigned i = 0; i < 6; i++)
			assert_in_range(used[i], 0, limit);
		for (unsigned i = 0; i < 24; i++) /* none waits without need */
			if (!jobs[i].begin)
				assert_true(used[jobs[i].from] == limit ||
					    used[jobs[i].to] == limit);
		assert_true(waits < 24 || !limit);
		seed = keep;
	}
}

int main(void)
{
#define T(f) cmocka_unit_test_setup(f, setup)
	const struct CMUnitTest tests[] = {
	    T(test_drain_order_and_targets),
	    T(test_drain_says_what_stays_and_why),
	    T(test_vcpus_rather_do_not_take_turns),
	    T(test_drain_to_one_host_only),
	    T(test_balance_evens_out),
	    T(test_balance_leaves_small_differences),
	    T(test_drain_properties),
	    T(test_balance_properties),
	    T(test_nonsense_is_survived),
	    T(test_next_keeps_the_limit),
	    T(test_next_never_exceeds_the_limit),
	};

	return cmocka_run_group_tests_name("plan", tests, NULL, NULL);
}
