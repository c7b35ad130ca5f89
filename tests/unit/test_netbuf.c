/* SPDX-License-Identifier: BSD-2-Clause */
/* The buffer pool: sizes, references, exhaustion. */
#include <string.h>

#include "tests/unit/fake_kernel.h"
#include "kernel/net/netbuf.h"

#define COUNT 1500 /* more than one block of 2 MiB holds */

static struct netbuf *taken[COUNT];

static void test_limits(void **state)
{
	assert_int_equal(netbuf_pool_init(59, COUNT), -E_INVAL);
	assert_int_equal(netbuf_pool_init(16381, COUNT), -E_INVAL);
	assert_int_equal(netbuf_pool_init(1514, 0), -E_INVAL);
	assert_int_equal(netbuf_pool_init(1514, UINT32_MAX), -E_INVAL);
	assert_null(netbuf_alloc());
	fake_alloc_countdown = 0;
	assert_int_equal(netbuf_pool_init(1514, COUNT), -E_NOMEM);
	assert_int_equal(netbuf_pool_init(1514, COUNT), 0);
	assert_int_equal(netbuf_pool_init(1514, COUNT), -E_INVAL);
	assert_int_equal(netbuf_frame_max(), 1514);
	assert_int_equal(netbuf_free_count(), COUNT);
}

static void test_all_are_distinct_and_aligned(void **state)
{
	for (unsigned i = 0; i < COUNT; i++) {
		taken[i] = netbuf_alloc();
		assert_non_null(taken[i]);
		assert_int_equal(taken[i]->refs, 1);
		assert_int_equal(taken[i]->len, 0);
		assert_int_equal(taken[i]->room, 2048);
		assert_int_equal(taken[i]->data_hpa % 2048, 0);
		assert_int_equal(taken[i]->data_hpa, virt_to_hpa(taken[i]->data));
		memset(taken[i]->data, (int)i, taken[i]->room);
		memcpy(taken[i]->data, &i, sizeof(i));
		assert_int_equal(netbuf_is_scarce(), COUNT - 1 - i < COUNT / 8);
	}
	assert_null(netbuf_alloc());
	for (unsigned i = 0; i < COUNT; i++) {
		assert_memory_equal(taken[i]->data, &i, sizeof(i));
		assert_int_equal(taken[i]->data[2047], (uint8_t)i);
		netbuf_put(taken[i]);
	}
	assert_int_equal(netbuf_free_count(), COUNT);
}

static void test_references(void **state)
{
	struct netbuf *nb = netbuf_alloc();

	assert_ptr_equal(netbuf_get(nb), nb);
	nb->len = 77;
	netbuf_put(nb);
	assert_int_equal(netbuf_free_count(), COUNT - 1);
	assert_int_equal(nb->len, 77);
	netbuf_put(nb);
	assert_int_equal(netbuf_free_count(), COUNT);
	nb = netbuf_alloc(); /* the same, used last, and clean again */
	assert_int_equal(nb->len, 0);
	netbuf_put(nb);
}

/* The start moves and comes back by itself with the next use. */
static void test_headroom(void **state)
{
	struct netbuf *nb = netbuf_alloc(), *copy;
	uint8_t *start = nb->data;

	netbuf_pull(nb, 4);
	assert_ptr_equal(nb->data, start + 4);
	assert_int_equal(nb->data_hpa, virt_to_hpa(start + 4));
	assert_int_equal(nb->room, 2044);
	assert_int_equal(nb->headroom, 4);
	memcpy(nb->data, "crab", 4);
	nb->len = 4;
	copy = netbuf_copy(nb);
	assert_memory_equal(copy->data, "crab", 4);
	assert_int_equal(copy->len, 4);
	assert_int_equal(copy->headroom, ETH_TAG_LEN);
	netbuf_put(copy);
	netbuf_push(nb, 3);
	assert_ptr_equal(nb->data, start + 1);
	assert_int_equal(nb->room + nb->headroom, 2048);
	netbuf_put(nb);
	nb = netbuf_alloc();
	assert_ptr_equal(nb->data, start);
	assert_int_equal(nb->data_hpa, virt_to_hpa(start));
	assert_int_equal(nb->room, 2048);
	assert_int_equal(nb->headroom, 0);
	netbuf_put(nb);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_limits),
	    cmocka_unit_test(test_all_are_distinct_and_aligned),
	    cmocka_unit_test(test_references),
	    cmocka_unit_test(test_headroom),
	};

	fake_kernel_reset();
	return cmocka_run_group_tests_name("netbuf", tests, NULL, NULL);
}
