/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The guest's own bytes through decoder and emulator: sizes, lengths and
 * registers stay in range; an error changes no register; REP ends.
 */
#include <string.h>

#include "arch/x86/cpu_state.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/fake_kernel.h"
#include "vmm/emulate.h"

#define GPA 0xc0001000ull

static struct fuzz in;

static void check_size(unsigned size)
{
	assert_true(size == 1 || size == 2 || size == 4 || size == 8);
}

static uint64_t bus_read(void *ctx, gpa_t gpa, unsigned size)
{
	check_size(size);
	return fuzz_u64(&in);
}

static void bus_write(void *ctx, gpa_t gpa, unsigned size, uint64_t value)
{
	check_size(size);
	assert_true(size == 8 || value >> size * 8 == 0);
}

static int linear_read(void *ctx, uint64_t linear, unsigned size, uint64_t *value)
{
	check_size(size);
	*value = fuzz_u8(&in);
	return *value % 8 == 7 ? -E_NOENT : 0;
}

static int linear_write(void *ctx, uint64_t linear, unsigned size, uint64_t value)
{
	check_size(size);
	return fuzz_u8(&in) % 8 == 7 ? -E_NOENT : 0;
}

static void carry_out(const struct mmio_insn *insn, bool is_write)
{
	static const struct emulate_ops ops = {bus_read, bus_write, linear_read, linear_write};
	uint64_t gpr[16], before[16];
	struct emulate_cpu cpu = {.gpr = gpr};

	fuzz_bytes(&in, gpr, sizeof(gpr));
	gpr[RCX] = fuzz_u8(&in) & 0x80 ? gpr[RCX] : gpr[RCX] % 40;
	cpu.rflags = fuzz_u32(&in);
	for (unsigned i = 0; i < 100; i++) {
		int err;

		memcpy(before, gpr, sizeof(gpr));
		err = emulate_mmio(insn, &cpu, GPA, is_write, &ops, NULL);
		if (err < 0)
			assert_memory_equal(before, gpr, sizeof(gpr));
		if (err != EMULATE_REPEAT)
			return;
		assert_true(insn->rep && gpr[RCX] != before[RCX]);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum cpu_mode modes[] = {CPU_MODE_16, CPU_MODE_32, CPU_MODE_64};
	struct mmio_insn insn;
	uint8_t how;
	size_t len;
	const uint8_t *code;

	in = (struct fuzz){data, size};
	how = fuzz_u8(&in);
	code = fuzz_take(&in, how % 16, &len);
	memset(&insn, 0xee, sizeof(insn));
	if (decode_mmio(code, (unsigned)len, modes[how >> 4 & 3 ? (how >> 4 & 3) - 1 : 2], &insn))
		return 0;
	assert_in_range(insn.len, 1, len);
	assert_in_range(insn.op, 0, MMIO_OP_COUNT - 1);
	check_size(insn.size);
	assert_true(!insn.has_reg || insn.reg < 16);
	carry_out(&insn, how & 0x80);
	return 0;
}
