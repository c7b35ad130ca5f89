/* SPDX-License-Identifier: BSD-2-Clause */
/* The state interpreter: golden bytes, round trip, truncation, table gaps. */
#include <string.h>

#include "tests/unit/fake_kernel.h"
#include "vmm/dev/state.h"

struct sample {
	uint8_t small;
	uint8_t flags[3];
	uint32_t word;
	uint64_t wide[2];
	uint16_t half[4];
};

static const struct state_field sample_fields[] = {
    STATE_FIELD(struct sample, small), STATE_ARRAY(struct sample, flags),
    STATE_FIELD(struct sample, word),  STATE_ARRAY(struct sample, wide),
    STATE_ARRAY(struct sample, half),
};

static const struct state_table sample_table = {
    .name = "sample",
    .version = 1,
    .struct_size = sizeof(struct sample),
    .fields = sample_fields,
    .field_count = ARRAY_SIZE(sample_fields),
};

static const struct sample sample = {
    .small = 0x11,
    .flags = {1, 2, 3},
    .word = 0xdeadbeef,
    .wide = {0x0102030405060708, 0x1112131415161718},
    .half = {0x2122, 0x3132, 0x4142, 0x5152},
};

static const uint8_t golden[] = {
    0x11, 1,	2,    3,    0xef, 0xbe, 0xad, 0xde, 8,	  7,	6,    5,    4,	  3,	2,    1,
    0x18, 0x17, 0x16, 0x15, 0x14, 0x13, 0x12, 0x11, 0x22, 0x21, 0x32, 0x31, 0x42, 0x41, 0x52, 0x51,
};

static void test_golden_bytes(void **ctx)
{
	uint8_t buf[64];

	assert_int_equal(state_wire_size(&sample_table), sizeof(golden));
	assert_int_equal(state_save(&sample_table, &sample, buf, sizeof(buf)), sizeof(golden));
	assert_memory_equal(buf, golden, sizeof(golden));
}

static void test_round_trip(void **ctx)
{
	struct sample out;

	memset(&out, 0xff, sizeof(out));
	assert_int_equal(state_load(&sample_table, &out, golden, sizeof(golden)), 0);
	assert_memory_equal(&out, &sample, sizeof(out));
}

static void test_every_truncation_fails(void **ctx)
{
	struct sample out = sample;
	uint8_t buf[64];

	for (size_t len = 0; len < sizeof(golden); len++) {
		assert_int_equal(state_load(&sample_table, &out, golden, len), -E_INVAL);
		assert_int_equal(state_save(&sample_table, &sample, buf, len), -E_NOSPC);
	}
	assert_int_equal(state_load(&sample_table, &out, buf, sizeof(golden) + 1), -E_INVAL);
	assert_memory_equal(&out, &sample, sizeof(out));
}

static void test_gap(void **ctx)
{
	struct state_table t = sample_table;
	struct state_field twice[] = {sample_fields[0], sample_fields[1], sample_fields[1]};

	assert_int_equal(state_table_gap(&t), 0);
	t.field_count--;
	assert_int_equal(state_table_gap(&t), offsetof(struct sample, half) + 1);
	t.fields = twice;
	t.field_count = 3;
	assert_int_equal(state_table_gap(&t), 2);
	t.fields = sample_fields + 1;
	assert_int_equal(state_table_gap(&t), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_golden_bytes),
	    cmocka_unit_test(test_round_trip),
	    cmocka_unit_test(test_every_truncation_fails),
	    cmocka_unit_test(test_gap),
	};

	return cmocka_run_group_tests_name("state", tests, NULL, NULL);
}
