/* SPDX-License-Identifier: BSD-2-Clause */
/* The queue of moves, over whole moves between two hosts in one process (fake_pair.h). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/lib/format.h"
#include "tests/unit/fake_pair.h"

#define MEMORY (4 * MiB)

static struct vm *vms[3];
static uint32_t ids[3];

static int setup(void **state)
{
	fake_pair_reset();
	for (unsigned i = 0; i < 3; i++) {
		vms[i] = fake_pair_vm(MEMORY, false);
		ksnprintf(vms[i]->cfg.name, VM_NAME_LEN, "vm%u", i);
	}
	return 0;
}

static int teardown(void **state)
{
	fake_fibers_reset();
	fake_pair_free();
	assert_int_equal(fake_alloc_live, 0);
	return 0;
}

static uint32_t add(const char *vm, const char *host)
{
	struct migrate_options opt = {.max_downtime_ns = NS_PER_S};
	uint32_t id = 0;

	assert_int_equal(queue_add(vm, host, &opt, &id), 0);
	return id;
}

static void add_all(void)
{
	char name[8];

	for (unsigned i = 0; i < 3; i++) {
		ksnprintf(name, sizeof(name), "vm%u", i);
		ids[i] = add(name, "beta");
	}
}

static bool runs(int host, const char *name)
{
	struct vm *v = fake_pair_find(host, name);

	return v && v->state == VM_RUNNING;
}

static unsigned under_way(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < MOVES_KEPT; i++)
		n += fake_states[0].moves[i] && !fake_states[0].moves[i]->ended;
	return n;
}

/* Until all has ended; what ran at once at most. */
static unsigned run_until_idle(unsigned seconds)
{
	unsigned most = 0;

	for (unsigned i = 0; i < seconds * 20 && fake_states[0].queue.working; i++) {
		fake_fibers_run(fake_time_ns + NS_PER_S / 20);
		most = MAX(most, under_way());
	}
	assert_false(fake_states[0].queue.working);
	return most;
}

static void test_one_after_the_other(void **state)
{
	uint32_t last = 0;

	fake_faults.rate = 20 * MiB;
	add_all();
	for (const struct queue_entry *e = queue_after(0); e; e = queue_after(e->id)) {
		assert_true(e->id > last);
		last = e->id;
	}
	assert_int_equal(last, ids[2]);
	assert_int_equal(run_until_idle(60), 1);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(queue_find(ids[i])->state, QUEUE_ENDED);
		assert_int_equal(queue_find(ids[i])->err, 0);
		if (i)
			assert_true(queue_find(ids[i])->move > queue_find(ids[i - 1])->move);
	}
	assert_true(runs(1, "vm0") && runs(1, "vm1") && runs(1, "vm2"));
	assert_null(fake_pair_find(0, "vm0"));
	assert_null(queue_find(0));
	assert_null(queue_find(99));
	assert_null(queue_after(last));
}

static void test_what_cannot_be_queued(void **state)
{
	struct migrate_options opt = {0};
	char name[16];
	uint32_t id;

	add("vm0", "beta");
	assert_int_equal(queue_add("vm0", "beta", &opt, &id), -E_EXIST);
	assert_string_equal(queue_find(id)->vm, "vm0");
	for (unsigned i = 1; i < QUEUE_MAX; i++) {
		ksnprintf(name, sizeof(name), "x%u", i);
		add(name, "nowhere");
	}
	assert_int_equal(queue_add("more", "beta", &opt, &id), -E_NOSPC);
	run_until_idle(60);
	assert_true(runs(1, "vm0"));
	assert_int_equal(queue_after(1)->err, -E_NOENT); /* no such VM */
	ids[0] = add("vm1", "nowhere"); /* takes the place of the oldest that ended */
	assert_null(queue_find(1));
	run_until_idle(60);
	assert_non_null(strstr(queue_find(ids[0])->reason, "not heard"));
	assert_true(runs(0, "vm1"));
}

static void test_a_busy_target_is_asked_again(void **state)
{
	struct move *other;

	fake_host = 1;
	other = move_create(MOVE_TARGET);
	fake_host = 0;
	ids[0] = add("vm0", "beta");
	fake_fibers_run(fake_time_ns + 30 * NS_PER_S);
	assert_int_equal(queue_find(ids[0])->state, QUEUE_WAITING);
	assert_non_null(strstr(queue_find(ids[0])->reason, "busy"));
	assert_true(runs(0, "vm0"));
	fake_host = 1;
	move_end(other, -E_CANCELLED);
	fake_host = 0;
	run_until_idle(60);
	assert_int_equal(queue_find(ids[0])->err, 0);
	assert_true(runs(1, "vm0"));
}

static void test_a_target_that_stays_busy_is_given_up(void **state)
{
	struct move *other;

	fake_host = 1;
	other = move_create(MOVE_TARGET);
	fake_host = 0;
	ids[0] = add("vm0", "beta");
	run_until_idle(700);
	assert_int_equal(queue_find(ids[0])->err, -E_BUSY);
	assert_true(runs(0, "vm0"));
	fake_host = 1;
	move_end(other, -E_CANCELLED);
	fake_host = 0;
}

static void test_a_drained_host_takes_none(void **state)
{
	fake_states[1].drained = true;
	ids[0] = add("vm0", "beta");
	run_until_idle(60);
	assert_int_equal(queue_find(ids[0])->err, -E_MISMATCH);
	assert_non_null(strstr(queue_find(ids[0])->reason, "drained"));
	assert_true(runs(0, "vm0"));
	assert_null(fake_pair_find(1, "vm0"));
	fake_states[1].drained = false;
	migrate_set_drained(true); /* a drained host sends */
	assert_true(migrate_drained());
	ids[0] = add("vm0", "beta");
	run_until_idle(60);
	assert_true(runs(1, "vm0"));
}

static void test_dropping(void **state)
{
	fake_faults.rate = MiB;
	add_all();
	fake_fibers_run(fake_time_ns + NS_PER_S / 2);
	assert_int_equal(queue_find(ids[0])->state, QUEUE_RUNNING);
	queue_drop(false);
	assert_int_equal(queue_find(ids[0])->state, QUEUE_RUNNING);
	assert_int_equal(queue_find(ids[1])->err, -E_CANCELLED);
	run_until_idle(60);
	assert_true(runs(1, "vm0") && runs(0, "vm1") && runs(0, "vm2"));
	ids[1] = add("vm1", "beta");
	fake_fibers_run(fake_time_ns + NS_PER_S / 2);
	queue_drop(true);
	run_until_idle(60);
	assert_int_equal(queue_find(ids[1])->err, -E_CANCELLED);
	assert_true(runs(0, "vm1"));
}

/* Its move has just ended because the target is busy; the queue has not looked yet. */
static void test_dropped_is_not_asked_again(void **state)
{
	const struct queue_entry *e;
	struct move *other;

	fake_host = 1;
	other = move_create(MOVE_TARGET);
	fake_host = 0;
	ids[0] = add("vm0", "beta");
	e = queue_find(ids[0]);
	while (!(e->state == QUEUE_RUNNING && migrate_progress(e->move) &&
		 migrate_progress(e->move)->done))
		fake_fibers_run(fake_time_ns + NS_PER_US);
	queue_drop(true);
	fake_host = 1;
	move_end(other, -E_CANCELLED);
	fake_host = 0;
	run_until_idle(60);
	assert_int_equal(e->err, -E_CANCELLED);
	assert_true(runs(0, "vm0"));
}

/* Other moves come and go before the queue looks: how its own ended is still known. */
static void test_the_queues_move_is_remembered(void **state)
{
	const struct queue_entry *e;

	ids[0] = add("vm0", "beta");
	e = queue_find(ids[0]);
	while (!(e->state == QUEUE_RUNNING && migrate_progress(e->move) &&
		 migrate_progress(e->move)->done))
		fake_fibers_run(fake_time_ns + NS_PER_US);
	for (unsigned i = 0; i < 2 * MOVES_KEPT; i++) {
		struct move *other = move_create(MOVE_TARGET);

		assert_non_null(other);
		move_end(other, -E_CANCELLED);
	}
	assert_non_null(migrate_progress(e->move));
	run_until_idle(60);
	assert_int_equal(e->err, 0);
}

/* No shared disk, and the answer to COMMIT is lost. */
static void until_in_doubt(unsigned i)
{
	while (!vms[i]->move ||
	       ((struct move *)vms[i]->move)->p.handover != HANDOVER_WAIT_COMMITTED)
		fake_fibers_run(fake_time_ns + NS_PER_US);
	fake_faults.partition = true;
	for (unsigned s = 0; s < 100 && vms[i]->state != VM_IN_DOUBT; s++)
		fake_fibers_run(fake_time_ns + NS_PER_S);
	assert_int_equal(vms[i]->state, VM_IN_DOUBT);
}

static void test_doubt_holds_nobody_up(void **state)
{
	fake_faults.rate = 20 * MiB;
	add_all();
	until_in_doubt(0);
	fake_fibers_run(fake_time_ns + 2 * NS_PER_S);
	assert_int_equal(queue_find(ids[0])->state, QUEUE_RUNNING);
	assert_int_equal(queue_find(ids[1])->state, QUEUE_ENDED); /* tried, in vain */
	assert_true(runs(0, "vm1") && runs(0, "vm2"));
	assert_int_equal(migrate_decide(vms[0], false), 0);
	run_until_idle(60);
	assert_int_equal(queue_find(ids[0])->state, QUEUE_ENDED);
	assert_true(runs(1, "vm0"));
}

static void test_vm_on_another_move(void **state)
{
	vms[1]->move_under_way = true;
	add_all();
	run_until_idle(60);
	vms[1]->move_under_way = false;
	assert_int_equal(queue_find(ids[1])->err, -E_BUSY);
	assert_true(runs(1, "vm0") && runs(1, "vm2") && runs(0, "vm1"));
	vms[1]->state = VM_OFF;
	ids[1] = add("vm1", "beta");
	run_until_idle(60);
	assert_int_equal(queue_find(ids[1])->err, -E_STATE);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(test_one_after_the_other),	  T(test_what_cannot_be_queued),
	    T(test_a_busy_target_is_asked_again), T(test_a_target_that_stays_busy_is_given_up),
	    T(test_a_drained_host_takes_none),	  T(test_dropping),
	    T(test_vm_on_another_move),		  T(test_dropped_is_not_asked_again),
	    T(test_doubt_holds_nobody_up),	  T(test_the_queues_move_is_remembered),
	};

	return cmocka_run_group_tests_name("queue", tests, NULL, NULL);
}
