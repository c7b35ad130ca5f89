/* SPDX-License-Identifier: BSD-2-Clause */
/* The I/O bus: dispatch, empty bus, borders, byte-wide devices, overlap. */
#include "tests/unit/fake_kernel.h"
#include "vmm/iobus.h"

struct probe {
	struct io_region r;
	uint64_t offset, value, answer;
	unsigned size, calls;
};

static uint64_t probe_read(struct io_region *r, uint64_t offset, unsigned size)
{
	struct probe *p = container_of(r, struct probe, r);

	p->offset = offset;
	p->size = size;
	p->calls++;
	return p->answer + (size == 1 ? offset : 0);
}

static void probe_write(struct io_region *r, uint64_t offset, unsigned size, uint64_t value)
{
	struct probe *p = container_of(r, struct probe, r);

	p->offset = offset;
	p->size = size;
	p->value = value;
	p->calls++;
}

static const struct io_ops probe_ops = {.read = probe_read, .write = probe_write};

static void probe_init(struct probe *p, uint64_t base, uint64_t len)
{
	*p = (struct probe){
	    .r = {.name = "probe", .base = base, .len = len, .enabled = true, .ops = &probe_ops}};
}

static void test_dispatch(void **ctx)
{
	struct probe a, b;
	struct iobus bus;

	iobus_init(&bus);
	probe_init(&a, 0x100, 0x10);
	probe_init(&b, 0x80, 8);
	assert_int_equal(iobus_add(&bus, &a.r), 0);
	assert_int_equal(iobus_add(&bus, &b.r), 0);
	a.answer = 0x1122334455667788;
	assert_int_equal(iobus_read(&bus, 0x104, 4), 0x55667788);
	assert_int_equal(a.offset, 4);
	assert_int_equal(a.size, 4);
	iobus_write(&bus, 0x86, 2, 0xabcd1234);
	assert_int_equal(b.offset, 6);
	assert_int_equal(b.value, 0x1234);
	assert_int_equal(iobus_read(&bus, 0x108, 8), a.answer);
}

static void test_nothing_there(void **ctx)
{
	struct probe a;
	struct iobus bus;

	iobus_init(&bus);
	assert_int_equal(iobus_read(&bus, 5, 1), 0xff);
	assert_int_equal(iobus_read(&bus, 5, 8), UINT64_MAX);
	probe_init(&a, 0x100, 0x10);
	assert_int_equal(iobus_add(&bus, &a.r), 0);
	assert_int_equal(iobus_read(&bus, 0xff, 1), 0xff);
	assert_int_equal(iobus_read(&bus, 0x110, 4), 0xffffffff);
	assert_int_equal(iobus_read(&bus, UINT64_MAX, 8) & 0xff, 0xff);
	iobus_write(&bus, 0x110, 4, 0);
	assert_int_equal(a.calls, 0);
	iobus_remove(&bus, &a.r);
	assert_int_equal(iobus_read(&bus, 0x100, 1), 0xff);
}

static void test_border_is_split(void **ctx)
{
	struct probe a;
	struct iobus bus;

	iobus_init(&bus);
	probe_init(&a, 0x100, 2);
	a.answer = 0x40;
	assert_int_equal(iobus_add(&bus, &a.r), 0);
	assert_int_equal(iobus_read(&bus, 0x101, 4), 0xffffff41);
	assert_int_equal(iobus_read(&bus, 0xff, 2), 0x40ff);
	iobus_write(&bus, 0xff, 4, 0x44332211);
	assert_int_equal(a.offset, 1);
	assert_int_equal(a.value, 0x33);
	assert_int_equal(a.size, 1);
	/* the whole address space is one region: no overflow at its end */
	iobus_set(&bus, &a.r, UINT64_MAX - 1, true);
	assert_int_equal(iobus_read(&bus, UINT64_MAX - 1, 1), 0x40);
	assert_int_equal(iobus_read(&bus, UINT64_MAX - 1, 4) & 0xffff, 0x4140);
}

static void test_byte_wide(void **ctx)
{
	struct probe a;
	struct iobus bus;

	iobus_init(&bus);
	probe_init(&a, 0x70, 2);
	a.r.byte_wide = true;
	a.answer = 0x10;
	assert_int_equal(iobus_add(&bus, &a.r), 0);
	assert_int_equal(iobus_read(&bus, 0x70, 2), 0x1110);
	assert_int_equal(a.size, 1);
	iobus_write(&bus, 0x70, 2, 0xaabb);
	assert_int_equal(a.offset, 1);
	assert_int_equal(a.value, 0xaa);
	assert_int_equal(a.calls, 4);
}

static void test_overlap(void **ctx)
{
	struct probe a, b;
	struct iobus bus;

	iobus_init(&bus);
	probe_init(&a, 0x100, 0x10);
	probe_init(&b, 0x10f, 0x10);
	assert_int_equal(iobus_add(&bus, &a.r), 0);
	assert_int_equal(iobus_add(&bus, &b.r), -E_EXIST);
	b.r.enabled = false;
	assert_int_equal(iobus_add(&bus, &b.r), 0);
	assert_int_equal(iobus_read(&bus, 0x118, 1), 0xff);
	/* enabled over a: a stays the winner where both claim, whatever was hit last */
	iobus_set(&bus, &b.r, 0x108, true);
	iobus_read(&bus, 0x114, 1);
	assert_int_equal(b.calls, 1);
	iobus_read(&bus, 0x109, 1);
	assert_int_equal(a.calls, 1);
	assert_int_equal(b.calls, 1);
	iobus_set(&bus, &a.r, 0x100, false);
	iobus_read(&bus, 0x109, 1);
	assert_int_equal(b.calls, 2);
}

static void test_move_forgets_last(void **ctx)
{
	struct probe a;
	struct iobus bus;

	iobus_init(&bus);
	probe_init(&a, 0x100, 0x10);
	assert_int_equal(iobus_add(&bus, &a.r), 0);
	iobus_read(&bus, 0x100, 1);
	iobus_set(&bus, &a.r, 0x200, true);
	assert_int_equal(iobus_read(&bus, 0x100, 1), 0xff);
	iobus_read(&bus, 0x201, 1);
	assert_int_equal(a.offset, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_dispatch),	    cmocka_unit_test(test_nothing_there),
	    cmocka_unit_test(test_border_is_split), cmocka_unit_test(test_byte_wide),
	    cmocka_unit_test(test_overlap),	    cmocka_unit_test(test_move_forgets_last),
	};

	return cmocka_run_group_tests_name("iobus", tests, NULL, NULL);
}
