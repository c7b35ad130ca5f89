/* SPDX-License-Identifier: BSD-2-Clause */
/* The virtio entropy device as a driver sees it, with random bytes that can be told apart. */
#include <stdlib.h>
#include <string.h>
#include "kernel/entropy.h"
#include "tests/unit/fake_guest.h"
#include "tests/unit/fake_vm.h"
#include "vmm/dev/vrng.h"

#define QSIZE 16
#define DESC  0x10000
#define AVAIL 0x11000
#define USED  0x12000
#define DATA  0x100000

static struct vm *vm;
static struct vrng *d;
static gpa_t common, notify;
static size_t made; /* bytes that entropy_fill gave */

void entropy_fill(void *buf, size_t len)
{
	for (size_t i = 0; i < len; i++)
		((uint8_t *)buf)[i] = 1 + made++ % 255; /* never 0 */
}

static uint32_t config(struct vm *m, unsigned reg)
{
	iobus_write(&m->ports, 0xcf8, 4, 0x80000000 | VRNG_SLOT << 11 | reg);
	return (uint32_t)iobus_read(&m->ports, 0xcfc, 4);
}

static void out(gpa_t gpa, unsigned size, uint64_t value)
{
	iobus_write(&vm->mmio, gpa, size, value);
}

static uint64_t in(gpa_t gpa, unsigned size)
{
	return iobus_read(&vm->mmio, gpa, size);
}

static void start_driver(void)
{
	for (unsigned s = 0; s <= 3; s += s ? 2 : 1)
		out(common + 20, 1, s);
	out(common + 8, 4, 0);
	out(common + 12, 4, 0);
	out(common + 8, 4, 1);
	out(common + 12, 4, 1);
	out(common + 20, 1, 11);
	out(common + 22, 2, 0);
	out(common + 24, 2, QSIZE);
	out(common + 32, 8, DESC);
	out(common + 40, 8, AVAIL);
	out(common + 48, 8, USED);
	out(common + 28, 2, 1);
	out(common + 20, 1, 15);
}

static struct vm *machine(struct vrng **rng)
{
	struct vm *m = fake_vm_create(4 * MiB, 1);

	fake_guest_create(m);
	assert_int_equal(vpci_create(m), 0);
	assert_int_equal(vrng_create(m, VRNG_SLOT, rng), 0);
	vpci_assign(m->vpci);
	return m;
}

static int setup(void **state)
{
	made = 0;
	vm = machine(&d);
	common = notify = config(vm, 0x10) & ~0xful;
	for (unsigned at = config(vm, 0x34) & 0xff; at; at = config(vm, at) >> 8 & 0xff) {
		if ((config(vm, at) & 0xff) == 9 && config(vm, at) >> 24 == 2)
			notify += config(vm, at + 8);
	}
	start_driver();
	return 0;
}

static void destroy(struct vm *m)
{
	struct guest_mem mem = m->mem;

	fake_vm_destroy(m);
	for (unsigned i = 0; i < mem.block_count; i++)
		free(mem.blocks[i]);
	free(mem.blocks);
}

static int teardown(void **state)
{
	destroy(vm);
	return 0;
}

static uint64_t get(struct vm *m, gpa_t gpa, size_t size)
{
	uint64_t v = 0;

	fake_guest_get(m, gpa, &v, size);
	return v;
}

static void put(gpa_t gpa, uint64_t value, size_t size)
{
	fake_guest_put(vm, gpa, &value, size);
}

static void desc(unsigned i, gpa_t addr, uint32_t len, uint16_t flags, uint16_t next)
{
	put(DESC + 16 * i, addr, 8);
	put(DESC + 16 * i + 8, len, 4);
	put(DESC + 16 * i + 12, flags, 2);
	put(DESC + 16 * i + 14, next, 2);
}

static void offer(uint16_t head)
{
	uint16_t idx = get(vm, AVAIL + 2, 2);

	put(AVAIL + 4 + 2 * (idx % QSIZE), head, 2);
	put(AVAIL + 2, (uint16_t)(idx + 1), 2);
}

static void kick(void)
{
	out(notify, 2, 0);
}

static unsigned used_count(struct vm *m)
{
	return get(m, USED + 2, 2);
}

static uint32_t used_len(unsigned i)
{
	return get(vm, USED + 4 + 8 * (i % QSIZE) + 4, 4);
}

static void identity(void **state)
{
	assert_int_equal(config(vm, 0), 0x10441af4); /* 1040h + 4 */
	assert_int_equal(in(common + 18, 2), 1);
	assert_int_equal(in(common + 20, 1), 15);
}

static void fills_and_marks(void **state)
{
	uint8_t got[64];

	fake_guest_clean();
	desc(0, DATA + PAGE_SIZE - 40, 64, 2, 0); /* over a page's end */
	offer(0);
	kick();
	assert_int_equal(used_count(vm), 1);
	assert_int_equal(used_len(0), 64);
	fake_guest_get(vm, DATA + PAGE_SIZE - 40, got, sizeof(got));
	for (unsigned i = 0; i < sizeof(got); i++)
		assert_int_equal(got[i], 1 + i);
	assert_int_equal(get(vm, DATA + PAGE_SIZE + 24, 1), 0);
	assert_int_equal(get(vm, DATA + PAGE_SIZE - 41, 1), 0);
	assert_true(fake_guest_is_dirty(DATA));
	assert_true(fake_guest_is_dirty(DATA + PAGE_SIZE));
	assert_true(fake_guest_is_dirty(USED));
	assert_false(fake_guest_is_dirty(DATA + 2 * PAGE_SIZE));
	assert_true(fake_irq_level[16 + VRNG_SLOT % 8]);
}

static void chains_of_buffers(void **state)
{
	desc(0, DATA, 10, 3, 1);
	desc(1, DATA + 100, 20, 2, 0);
	offer(0);
	kick();
	assert_int_equal(used_len(0), 30);
	assert_int_equal(get(vm, DATA + 10, 1), 0);
	assert_int_equal(get(vm, DATA + 100, 1), 11);
	assert_int_equal(get(vm, DATA + 119, 1), 30);
	assert_int_equal(get(vm, DATA + 120, 1), 0);
}

/* One huge request is answered in part; many are spread over time, and all get something. */
static void a_flood_is_bounded(void **state)
{
	desc(0, DATA, 2 * MiB, 2, 0);
	offer(0);
	kick();
	assert_int_equal(used_len(0), VRNG_REQUEST_MAX);
	assert_int_equal(made, VRNG_REQUEST_MAX);
	assert_int_equal(get(vm, DATA + VRNG_REQUEST_MAX, 1), 0);

	for (unsigned i = 0; i < 12; i++)
		offer(0);
	made = 0;
	kick();
	assert_int_equal(made, VRNG_TURN_MAX);
	kick(); /* ringing again does not help */
	kick();
	assert_int_equal(made, VRNG_TURN_MAX);
	assert_int_equal(used_count(vm), 1 + VRNG_TURN_MAX / VRNG_REQUEST_MAX);
	fake_run(NS_PER_MS);
	assert_int_equal(made, 2 * VRNG_TURN_MAX);
	fake_run(5 * NS_PER_MS);
	assert_int_equal(used_count(vm), 13);
	assert_int_equal(made, 12 * VRNG_REQUEST_MAX);

	made = 0;
	desc(0, DATA, 1, 2, 0); /* small ones are bounded by their number */
	for (unsigned i = 0; i < QSIZE; i++)
		offer(0);
	kick();
	assert_int_equal(made, QSIZE);
}

static void expect_broken(void)
{
	size_t before = made;

	offer(0);
	kick();
	assert_true(in(common + 20, 1) & VIRTIO_STATUS_NEEDS_RESET);
	desc(0, DATA, 8, 2, 0);
	offer(0);
	kick();
	assert_true(made - before <= VRNG_REQUEST_MAX); /* and nothing from then on */
	assert_int_equal(used_count(vm), 0);
}

static void readable_is_refused(void **state)
{
	desc(0, DATA, 8, 1, 1);
	desc(1, DATA, 8, 2, 0);
	expect_broken();
}

static void empty_is_refused(void **state)
{
	desc(0, DATA, 0, 2, 0);
	expect_broken();
}

static void no_ram_is_refused(void **state)
{
	desc(0, 4 * MiB - 4, 8, 2, 0);
	expect_broken();
}

static void moves_with_work_left(void **state)
{
	struct vm *here = vm;
	struct vrng *twin;
	struct vm *there;

	desc(0, DATA, VRNG_TURN_MAX, 2, 0);
	for (unsigned i = 0; i < 6; i++)
		offer(0);
	kick();
	assert_int_equal(used_count(vm), 4);
	d->v.vdev.ops->quiesce(&d->v.vdev);
	kick();
	fake_run(NS_PER_S);
	assert_int_equal(used_count(vm), 4); /* paused */

	there = machine(&twin);
	for (unsigned i = 0; i < here->mem.block_count; i++)
		memcpy(there->mem.blocks[i], here->mem.blocks[i], SIZE_2M);
	fake_move(&d->v.vdev, &twin->v.vdev);
	assert_int_equal(used_count(there), 6);
	assert_int_equal(used_count(here), 4);
	destroy(there);
}

static void a_damaged_state_is_refused(void **state)
{
	struct vrng_state s = d->s;

	assert_int_equal(d->v.vdev.ops->check(&d->v.vdev, &s), 0);
	s.v.queue[0].size = 3;
	assert_int_equal(d->v.vdev.ops->check(&d->v.vdev, &s), -E_INVAL);
}

static void reset_ends_work(void **state)
{
	desc(0, DATA, VRNG_TURN_MAX, 2, 0);
	for (unsigned i = 0; i < 6; i++)
		offer(0);
	kick();
	out(common + 20, 1, 0);
	assert_int_equal(in(common + 20, 1), 0);
	made = 0;
	fake_run(NS_PER_S);
	assert_int_equal(made, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(identity),	      TEST(fills_and_marks),	  TEST(chains_of_buffers),
	    TEST(a_flood_is_bounded), TEST(readable_is_refused),  TEST(empty_is_refused),
	    TEST(no_ram_is_refused),  TEST(moves_with_work_left), TEST(a_damaged_state_is_refused),
	    TEST(reset_ends_work),
	};

	return cmocka_run_group_tests_name("vrng", tests, NULL, NULL);
}
