/* SPDX-License-Identifier: BSD-2-Clause */
/* Split virtqueues: good chains, and everything that a hostile driver can write. */
#include <stdlib.h>
#include <string.h>
#include "tests/unit/fake_guest.h"
#include "vmm/dev/virtqueue.h"

#define DESC   0x10000
#define AVAIL  0x20000
#define USED   0x30000
#define TABLE  0x40000
#define SIZE   8
#define MEMORY (4 * MiB)

static struct vm vm;
static struct virtq_state s;
static struct virtq q;
static struct virtq_chain chain;

static int setup(void **state)
{
	memset(&vm, 0, sizeof(vm));
	vm.mem.size = MEMORY;
	fake_guest_create(&vm);
	s = (struct virtq_state){
	    .desc = DESC, .driver = AVAIL, .device = USED, .size = SIZE, .enabled = 1};
	q = (struct virtq){.vm = &vm, .s = &s, .indirect = true};
	return 0;
}

static int teardown(void **state)
{
	fake_guest_destroy(&vm);
	return 0;
}

static void put(gpa_t gpa, uint64_t value, size_t size)
{
	fake_guest_put(&vm, gpa, &value, size);
}

static uint64_t get(gpa_t gpa, size_t size)
{
	uint64_t v = 0;

	fake_guest_get(&vm, gpa, &v, size);
	return v;
}

static void desc(gpa_t table, unsigned i, uint64_t addr, uint32_t len, uint16_t flags,
		 uint16_t next)
{
	put(table + 16 * i, addr, 8);
	put(table + 16 * i + 8, len, 4);
	put(table + 16 * i + 12, flags, 2);
	put(table + 16 * i + 14, next, 2);
}

static void offer(uint16_t head)
{
	uint16_t idx = get(AVAIL + 2, 2);

	put(AVAIL + 4 + 2 * (idx % SIZE), head, 2);
	put(AVAIL + 2, (uint16_t)(idx + 1), 2);
}

static void chains_in_order(void **state)
{
	assert_int_equal(virtq_pop(&q, &chain), 0);
	desc(DESC, 3, 0x1000, 16, 1, 5);
	desc(DESC, 5, 0x2000, 0, 1, 1); /* an empty buffer is skipped */
	desc(DESC, 1, 0x3000, 512, 3, 0);
	desc(DESC, 0, 0x4000, 1, 2, 99);
	offer(3);
	assert_int_equal(virtq_pop(&q, &chain), 1);
	assert_int_equal(chain.head, 3);
	assert_int_equal(chain.count, 3);
	assert_int_equal(chain.seg[0].gpa, 0x1000);
	assert_false(chain.seg[0].writable);
	assert_int_equal(chain.seg[1].len, 512);
	assert_true(chain.seg[2].writable);
	assert_int_equal(virtq_pop(&q, &chain), 0);
}

static void indirect_table(void **state)
{
	desc(DESC, 2, TABLE, 3 * 16, 4, 0);
	for (unsigned i = 0; i < 3; i++)
		desc(TABLE, i, 0x1000 * (i + 1), 100, i < 2, i + 1);
	offer(2);
	assert_int_equal(virtq_pop(&q, &chain), 1);
	assert_int_equal(chain.head, 2);
	assert_int_equal(chain.count, 3);
	q.indirect = false; /* not negotiated */
	offer(2);
	assert_int_equal(virtq_pop(&q, &chain), -E_PROTO);
}

static void used_ring_wraps(void **state)
{
	for (unsigned i = 0; i < 70000; i++) {
		desc(DESC, i % SIZE, 0x1000, 4, 2, 0);
		offer(i % SIZE);
		assert_int_equal(virtq_pop(&q, &chain), 1);
		assert_int_equal(virtq_push(&q, chain.head, i), 1);
		assert_int_equal(get(USED + 2, 2), (uint16_t)(i + 1));
		assert_int_equal(get(USED + 4 + 8 * (i % SIZE), 4), i % SIZE);
		assert_int_equal(get(USED + 8 + 8 * (i % SIZE), 4), i);
	}
	fake_guest_clean();
	assert_int_equal(virtq_push(&q, 1, 5), 1);
	assert_true(fake_guest_is_dirty(USED));
	put(AVAIL, 1, 2); /* NO_INTERRUPT */
	assert_int_equal(virtq_push(&q, 1, 5), 0);
}

static void event_indices(void **state)
{
	q.event_idx = true;
	put(AVAIL + 4 + 2 * SIZE, 1, 2); /* used_event: tell me after the second */
	assert_int_equal(virtq_push(&q, 0, 0), 0);
	assert_int_equal(virtq_push(&q, 0, 0), 1);
	assert_int_equal(virtq_push(&q, 0, 0), 0);
	desc(DESC, 0, 0x1000, 4, 2, 0);
	offer(0);
	offer(0);
	assert_int_equal(virtq_pop(&q, &chain), 1);
	assert_int_equal(get(USED + 4 + 8 * SIZE, 2), 0); /* not asked while there is work */
	assert_int_equal(virtq_pop(&q, &chain), 1);
	assert_int_equal(virtq_pop(&q, &chain), 0);
	assert_int_equal(get(USED + 4 + 8 * SIZE, 2), 2); /* notify me of the third */
}

static void hostile_rings(void **state)
{
	desc(DESC, 0, 0x1000, 4, 2, 0);
	put(AVAIL + 2, SIZE + 1, 2); /* more than the ring holds */
	assert_int_equal(virtq_pop(&q, &chain), -E_PROTO);
	put(AVAIL + 2, 0xffff, 2); /* backwards */
	assert_int_equal(virtq_pop(&q, &chain), -E_PROTO);
	put(AVAIL + 2, 1, 2);
	put(AVAIL + 4, SIZE, 2); /* no such descriptor */
	assert_int_equal(virtq_pop(&q, &chain), -E_PROTO);
	s.driver = MEMORY;
	assert_int_equal(virtq_pop(&q, &chain), -E_PROTO);
	s.driver = MEMORY - 4; /* flags and idx are RAM, the entries are not */
	put(MEMORY - 2, 1, 2);
	assert_int_equal(virtq_pop(&q, &chain), -E_PROTO);
	s.device = UINT64_MAX - 3;
	assert_int_equal(virtq_push(&q, 0, 0), -E_PROTO);
	s.device = MEMORY;
	assert_int_equal(virtq_push(&q, 0, 0), -E_PROTO);
}

static void one_bad_chain(uint64_t addr, uint32_t len, uint16_t flags, uint16_t next)
{
	s.avail_idx = 0;
	put(AVAIL + 2, 0, 2);
	desc(DESC, 0, addr, len, flags, next);
	offer(0);
	assert_int_equal(virtq_pop(&q, &chain), -E_PROTO);
	assert_int_equal(s.avail_idx, 0);
}

static void hostile_chains(void **state)
{
	one_bad_chain(0x1000, 4, 1, 0);	   /* a loop */
	one_bad_chain(0x1000, 0, 1, 0);	   /* a loop of nothing */
	one_bad_chain(0x1000, 4, 1, SIZE); /* out of the table */
	one_bad_chain(UINT64_MAX, 4, 0, 0);
	desc(DESC, 1, 0x1000, 4, 0, 0);
	one_bad_chain(0x1000, 4, 3, 1); /* readable after writable */
	one_bad_chain(TABLE, 16, 5, 1); /* INDIRECT and NEXT */
	one_bad_chain(TABLE, 0, 4, 0);
	one_bad_chain(TABLE, 17, 4, 0);
	one_bad_chain(UINT64_MAX - 15, 32, 4, 0);
	one_bad_chain(MEMORY, 16, 4, 0);
	desc(TABLE, 0, TABLE, 16, 4, 0); /* indirect in indirect */
	one_bad_chain(TABLE, 16, 4, 0);
	desc(TABLE, 0, 0x1000, 4, 1, 1); /* next beyond the indirect table */
	one_bad_chain(TABLE, 16, 4, 0);
	for (unsigned i = 0; i < 65; i++) /* one more than we take */
		desc(TABLE, i, 0x1000, 4, i < 64, i + 1);
	one_bad_chain(TABLE, 65 * 16, 4, 0);
	desc(TABLE, 63, 0x1000, 4, 0, 0);
	put(AVAIL + 2, 1, 2);
	assert_int_equal(virtq_pop(&q, &chain), 1);
	assert_int_equal(chain.count, 64);
}

static void random_memory(void **state)
{
	srand(4);
	for (unsigned i = 0; i < 30000; i++) {
		for (unsigned k = 0; k < SIZE; k++)
			desc(DESC, k, rand() % 3 ? TABLE : ((uint64_t)rand() << 20), rand() % 200,
			     rand() & 7, rand() % (SIZE + 1));
		for (unsigned k = 0; k < 12; k++)
			desc(TABLE, k, rand(), rand() % 50, rand() & 3, rand() % 13);
		s.avail_idx = 0;
		put(AVAIL + 2, 1, 2);
		put(AVAIL + 4, rand() % (SIZE + 1), 2);
		int ret = virtq_pop(&q, &chain);

		assert_true(ret == 1 || ret == -E_PROTO);
		if (ret == 1)
			assert_true(chain.count <= VIRTQ_MAX_SEGS && chain.head < SIZE);
	}
}

static void possible_states(void **state)
{
	assert_true(virtq_state_valid(&s));
	static const uint16_t sizes[] = {0, 3, 257, 512, 0xffff};

	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		s.size = sizes[i];
		assert_false(virtq_state_valid(&s));
	}
	s.size = 256;
	assert_true(virtq_state_valid(&s));
	s.desc = DESC + 8;
	assert_false(virtq_state_valid(&s));
	s.desc = UINT64_MAX & ~15ull;
	assert_false(virtq_state_valid(&s));
	s.desc = DESC;
	s.driver++;
	assert_false(virtq_state_valid(&s));
	s.driver--;
	s.device += 2;
	assert_false(virtq_state_valid(&s));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(chains_in_order, setup, teardown),
	    cmocka_unit_test_setup_teardown(indirect_table, setup, teardown),
	    cmocka_unit_test_setup_teardown(used_ring_wraps, setup, teardown),
	    cmocka_unit_test_setup_teardown(event_indices, setup, teardown),
	    cmocka_unit_test_setup_teardown(hostile_rings, setup, teardown),
	    cmocka_unit_test_setup_teardown(hostile_chains, setup, teardown),
	    cmocka_unit_test_setup_teardown(random_memory, setup, teardown),
	    cmocka_unit_test_setup_teardown(possible_states, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
