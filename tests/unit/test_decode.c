/* SPDX-License-Identifier: BSD-2-Clause */
/* The MMIO decoder against what GNU as makes of each instruction's text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <stdlib.h>
#include <stdint.h>
#include <cmocka.h>
#include "vmm/decode.h"

struct decode_case {
	enum cpu_mode mode;
	const char *text, *code;
	unsigned len;
	int err;
	struct mmio_insn want;
};

static const struct decode_case cases[] = {
#include "tests/unit/decode_cases.h"
};

static void show(const struct decode_case *c, int err, const struct mmio_insn *got)
{
	print_error("%d-bit '%s': err %d op %u len %u size %u reg %u/%u asz %u seg %u imm %lld\n",
		    c->mode, c->text, err, got->op, got->len, got->size, got->reg, got->reg_size,
		    got->addr_size, got->seg, (long long)got->imm);
}

static void agrees_with_assembler(void **state)
{
	unsigned bad = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct decode_case *c = &cases[i];
		struct mmio_insn want = c->want, got;
		/* no byte beyond the instruction may be needed: its own heap block for ASan */
		uint8_t *code = malloc(c->len);

		memcpy(code, c->code, c->len);
		want.len = c->len;
		int err = decode_mmio(code, c->len, c->mode, &got);

		want.mem = got.mem; /* test_emulate has the addresses */

		free(code);
		if (err != c->err || (!err && memcmp(&got, &want, sizeof(got)))) {
			show(c, err, &got);
			bad++;
		}
	}
	assert_int_equal(bad, 0);
}

static void every_truncation_is_refused(void **state)
{
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct decode_case *c = &cases[i];

		for (unsigned len = 0; len < c->len && !c->err; len++) {
			struct mmio_insn got;
			uint8_t *code = malloc(len + 1);

			memcpy(code, c->code, len);
			if (decode_mmio(code, len, c->mode, &got) != -E_RANGE)
				fail_msg("'%s' cut to %u bytes", c->text, len);
			free(code);
		}
	}
}

static void longer_than_fifteen_bytes_is_refused(void **state)
{
	uint8_t code[32];
	struct mmio_insn got;

	memset(code, 0x66, sizeof(code));
	assert_int_equal(decode_mmio(code, sizeof(code), CPU_MODE_64, &got), -E_RANGE);
	/* 13 prefixes + 2 bytes is the longest, 14 + 2 is not an instruction */
	memcpy(code + 13, "\x89\x07", 2);
	assert_int_equal(decode_mmio(code, sizeof(code), CPU_MODE_64, &got), 0);
	assert_int_equal(got.len, 15);
	memcpy(code + 13, "\x66\x89\x07", 3);
	assert_int_equal(decode_mmio(code, sizeof(code), CPU_MODE_64, &got), -E_RANGE);
}

static void random_bytes_stay_in_bounds(void **state)
{
	static const enum cpu_mode modes[] = {CPU_MODE_16, CPU_MODE_32, CPU_MODE_64};

	srand(1);
	for (unsigned i = 0; i < 300000; i++) {
		unsigned len = rand() % 18;
		uint8_t *code = malloc(len + 1);
		struct mmio_insn got;

		for (unsigned j = 0; j < len; j++)
			code[j] = rand();
		if (!decode_mmio(code, len, modes[i % 3], &got)) {
			assert_true(got.len >= 1 && got.len <= len && got.len <= INSN_MAX_LEN);
			assert_true(got.op < MMIO_OP_COUNT && got.reg < 16);
			assert_true(got.size == 1 || got.size == 2 || got.size == 4 ||
				    got.size == 8);
		}
		free(code);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(agrees_with_assembler),
	    cmocka_unit_test(every_truncation_is_refused),
	    cmocka_unit_test(longer_than_fifteen_bytes_is_refused),
	    cmocka_unit_test(random_bytes_stay_in_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
