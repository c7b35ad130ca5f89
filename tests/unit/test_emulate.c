/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * MMIO emulation against the build machine's own processor: the same operation
 * runs natively on ordinary memory, results and flags must agree.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <stdlib.h>
#include <stdint.h>
#include <cmocka.h>
#include "arch/x86/cpu_state.h"
#include "vmm/emulate.h"

#define ARITH 0x8d5ull

struct bus {
	uint64_t mem;	  /* the "device" */
	uint64_t ram[16]; /* what linear addresses reach */
	unsigned reads, writes;
	int fault;
};

static uint64_t bus_read(void *ctx, gpa_t gpa, unsigned size)
{
	struct bus *b = ctx;
	uint64_t v = 0;

	assert_int_equal(gpa, 0xc0001000);
	memcpy(&v, &b->mem, size);
	b->reads++;
	return v;
}

static void bus_write(void *ctx, gpa_t gpa, unsigned size, uint64_t value)
{
	struct bus *b = ctx;

	assert_int_equal(gpa, 0xc0001000);
	memcpy(&b->mem, &value, size);
	b->writes++;
}

static int linear_read(void *ctx, uint64_t linear, unsigned size, uint64_t *value)
{
	struct bus *b = ctx;

	*value = 0;
	if (b->fault)
		return b->fault;
	memcpy(value, (uint8_t *)b->ram + linear, size);
	return 0;
}

static int linear_write(void *ctx, uint64_t linear, unsigned size, uint64_t value)
{
	struct bus *b = ctx;

	if (b->fault)
		return b->fault;
	memcpy((uint8_t *)b->ram + linear, &value, size);
	return 0;
}

static const struct emulate_ops ops = {bus_read, bus_write, linear_read, linear_write};

static int run(const char *code, unsigned len, struct emulate_cpu *cpu, bool is_write,
	       struct bus *b)
{
	struct mmio_insn in;

	assert_int_equal(decode_mmio((const uint8_t *)code, len, CPU_MODE_64, &in), 0);
	return emulate_mmio(&in, cpu, 0xc0001000, is_write, &ops, b);
}

struct native {
	uint64_t mem, rcx, rax, flags;
};

/* One instruction on (%rdi) with rcx and rax, natively; .byte code shared with the emulator. */
#define NATIVE(n, insn)                                                                            \
	asm volatile("leaq -128(%%rsp), %%rsp\n pushq %[fl]\n popfq\n" insn                        \
		     "\n pushfq\n popq %[fl]\n leaq 128(%%rsp), %%rsp\n"                           \
		     : "+c"((n)->rcx), "+a"((n)->rax), [fl] "+r"((n)->flags)                       \
		     : "D"(&(n)->mem)                                                              \
		     : "memory", "cc")

#define OPS(X)                                                                                     \
	X("addb %%cl, (%%rdi)", "\x00\x0f")                                                        \
	X("addl %%ecx, (%%rdi)", "\x01\x0f")                                                       \
	X("addq %%rcx, (%%rdi)", "\x48\x01\x0f")                                                   \
	X("addw (%%rdi), %%cx", "\x66\x03\x0f")                                                    \
	X("adcl %%ecx, (%%rdi)", "\x11\x0f")                                                       \
	X("adcb (%%rdi), %%ch", "\x12\x2f")                                                        \
	X("sbbl %%ecx, (%%rdi)", "\x19\x0f")                                                       \
	X("sbbq (%%rdi), %%rcx", "\x48\x1b\x0f")                                                   \
	X("subl %%ecx, (%%rdi)", "\x29\x0f")                                                       \
	X("subl (%%rdi), %%ecx", "\x2b\x0f")                                                       \
	X("cmpl %%ecx, (%%rdi)", "\x39\x0f")                                                       \
	X("cmpb (%%rdi), %%cl", "\x3a\x0f")                                                        \
	X("cmpq (%%rdi), %%rcx", "\x48\x3b\x0f")                                                   \
	X("andl %%ecx, (%%rdi)", "\x21\x0f")                                                       \
	X("orw %%cx, (%%rdi)", "\x66\x09\x0f")                                                     \
	X("xorq (%%rdi), %%rcx", "\x48\x33\x0f")                                                   \
	X("testl %%ecx, (%%rdi)", "\x85\x0f")                                                      \
	X("testb $0x80, (%%rdi)", "\xf6\x07\x80")                                                  \
	X("addq $-3, (%%rdi)", "\x48\x83\x07\xfd")                                                 \
	X("cmpw $0x8000, (%%rdi)", "\x66\x81\x3f\x00\x80")                                         \
	X("notl (%%rdi)", "\xf7\x17")                                                              \
	X("negl (%%rdi)", "\xf7\x1f")                                                              \
	X("negb (%%rdi)", "\xf6\x1f")                                                              \
	X("incl (%%rdi)", "\xff\x07")                                                              \
	X("decb (%%rdi)", "\xfe\x0f")                                                              \
	X("xchgl %%ecx, (%%rdi)", "\x87\x0f")                                                      \
	X("xchgb %%ch, (%%rdi)", "\x86\x2f")                                                       \
	X("xaddl %%ecx, (%%rdi)", "\x0f\xc1\x0f")                                                  \
	X("cmpxchgl %%ecx, (%%rdi)", "\x0f\xb1\x0f")                                               \
	X("cmpxchgb %%cl, (%%rdi)", "\x0f\xb0\x0f")                                                \
	X("btl $5, (%%rdi)", "\x0f\xba\x27\x05")                                                   \
	X("btsl $31, (%%rdi)", "\x0f\xba\x2f\x1f")                                                 \
	X("btrq $40, (%%rdi)", "\x48\x0f\xba\x37\x28")                                             \
	X("btcw $3, (%%rdi)", "\x66\x0f\xba\x3f\x03")                                              \
	X("movl %%ecx, (%%rdi)", "\x89\x0f")                                                       \
	X("movb %%ch, (%%rdi)", "\x88\x2f")                                                        \
	X("movl (%%rdi), %%ecx", "\x8b\x0f")                                                       \
	X("movb (%%rdi), %%ch", "\x8a\x2f")                                                        \
	X("movw (%%rdi), %%cx", "\x66\x8b\x0f")                                                    \
	X("movzbl (%%rdi), %%ecx", "\x0f\xb6\x0f")                                                 \
	X("movsbw (%%rdi), %%cx", "\x66\x0f\xbe\x0f")                                              \
	X("movswq (%%rdi), %%rcx", "\x48\x0f\xbf\x0f")                                             \
	X("movslq (%%rdi), %%rcx", "\x48\x63\x0f")                                                 \
	X("movq $-2, (%%rdi)", "\x48\xc7\x07\xfe\xff\xff\xff")                                     \
	X("movb $0x12, (%%rdi)", "\xc6\x07\x12")

enum {
	OPS_COUNT = 0
#define COUNT(text, code) +1
	OPS(COUNT)
};

static void run_native(unsigned which, struct native *n, const char **text, const char **code,
		       unsigned *len)
{
	unsigned i = 0;

#define EACH(t, c)                                                                                 \
	if (i++ == which) {                                                                        \
		NATIVE(n, t);                                                                      \
		*text = t;                                                                         \
		*code = c;                                                                         \
		*len = sizeof(c) - 1;                                                              \
		return;                                                                            \
	}
	OPS(EACH)
}

static uint64_t pick(void)
{
	static const uint64_t edges[] = {0,
					 1,
					 0x7f,
					 0x80,
					 0xff,
					 0x7fff,
					 0x8000,
					 0xffff,
					 0x7fffffff,
					 0x80000000,
					 0xffffffff,
					 0x7fffffffffffffff,
					 0x8000000000000000,
					 UINT64_MAX};

	if (rand() & 1)
		return edges[rand() % ARRAY_SIZE(edges)];
	return ((uint64_t)rand() << 33) ^ ((uint64_t)rand() << 12) ^ rand();
}

static void agrees_with_processor(void **state)
{
	srand(2);
	for (unsigned which = 0; which < OPS_COUNT; which++) {
		for (unsigned round = 0; round < 400; round++) {
			struct native n = {pick(), pick(), pick(), 2};
			struct bus b = {.mem = n.mem};
			uint64_t gpr[16] = {[RCX] = n.rcx, [RAX] = n.rax};
			const char *text = "", *code = "";
			unsigned len = 0;

			n.flags |= rand() & ARITH;
			if (round & 1) /* make equal operands common */
				n.rax = n.mem, gpr[RAX] = n.mem;
			struct emulate_cpu cpu = {.gpr = gpr, .rflags = n.flags};

			run_native(which, &n, &text, &code, &len);
			assert_int_equal(run(code, len, &cpu, false, &b), 0);
			/* AF is undefined after AND, OR, XOR, TEST, all flags but CF after BT */
			uint64_t mask = strstr(text, "bt") ? 1 : ARITH & ~0x10ull;

			if (strstr(text, "add") || strstr(text, "sub") || strstr(text, "cmp") ||
			    strstr(text, "adc") || strstr(text, "sbb") || strstr(text, "neg"))
				mask |= 0x10;
			if (strstr(text, "mov") || strstr(text, "xchgl") || strstr(text, "not"))
				mask |= ARITH;
			if (b.mem != n.mem || gpr[RCX] != n.rcx || gpr[RAX] != n.rax ||
			    ((cpu.rflags ^ n.flags) & mask))
				fail_msg("%s: mem %llx/%llx rcx %llx/%llx rax %llx/%llx flags "
					 "%llx/%llx",
					 text, (long long)b.mem, (long long)n.mem,
					 (long long)gpr[RCX], (long long)n.rcx, (long long)gpr[RAX],
					 (long long)n.rax, (long long)cpu.rflags,
					 (long long)n.flags);
		}
	}
}

static void reads_only_write_nothing(void **state)
{
	struct bus b = {.mem = 5};
	uint64_t gpr[16] = {0};
	struct emulate_cpu cpu = {.gpr = gpr, .rflags = 2};

	assert_int_equal(run("\x83\x3f\x05", 3, &cpu, false, &b), 0); /* cmpl $5, (%rdi) */
	assert_int_equal(run("\x85\x0f", 2, &cpu, false, &b), 0);     /* testl */
	assert_int_equal(b.writes, 0);
	assert_int_equal(b.reads, 2);
}

static void bit_offset_is_taken_inside_the_operand(void **state)
{
	struct bus b = {.mem = 0};
	uint64_t gpr[16] = {[RCX] = 37}; /* the processor went 4 bytes up: gpa says so */
	struct emulate_cpu cpu = {.gpr = gpr, .rflags = 2};

	assert_int_equal(run("\x0f\xab\x0f", 3, &cpu, true, &b), 0); /* btsl %ecx, (%rdi) */
	assert_int_equal(b.mem, 1 << 5);
}

static void string_instructions_step(void **state)
{
	struct bus b = {.mem = 0x11223344};
	uint64_t gpr[16] = {[RCX] = 2, [RDI] = 0xfffffffe, [RSI] = 8, [RAX] = 0xabcdef01};
	struct emulate_cpu cpu = {.gpr = gpr, .rflags = 2, .seg_base = {[SEG_FS] = 16}};

	assert_int_equal(run("\xf3\xab", 2, &cpu, true, &b), EMULATE_REPEAT); /* rep stosl */
	assert_int_equal(b.mem, 0xabcdef01);
	assert_int_equal(gpr[RDI], 0x100000002);
	assert_int_equal(gpr[RCX], 1);
	cpu.rflags |= 0x400;
	assert_int_equal(run("\xf3\xab", 2, &cpu, true, &b), 0);
	assert_int_equal(gpr[RDI], 0xfffffffe);
	assert_int_equal(gpr[RCX], 0);
	assert_int_equal(run("\xf3\xab", 2, &cpu, true, &b), 0); /* RCX 0: nothing happens */
	assert_int_equal(b.writes, 2);
	assert_int_equal(gpr[RDI], 0xfffffffe);

	cpu.rflags &= ~0x400ull;
	b.ram[3] = 0x55667788;					 /* %fs:8 */
	assert_int_equal(run("\x64\xa5", 2, &cpu, true, &b), 0); /* movsl %fs:(%rsi), (%rdi) */
	assert_int_equal(b.mem, 0x55667788);
	assert_int_equal(gpr[RSI], 12);

	gpr[RDI] = 0x40;
	b.mem = 0x99;
	assert_int_equal(run("\xa4", 1, &cpu, false, &b), 0); /* movsb from the device */
	assert_int_equal(b.ram[8], 0x99);
	assert_int_equal(gpr[RDI], 0x41);

	/* 32-bit address size: the upper halves are cleared */
	gpr[RDI] = 0xffffffff0000fffeull;
	assert_int_equal(run("\x67\xaa", 2, &cpu, true, &b), 0);
	assert_int_equal(gpr[RDI], 0xffff);
	assert_int_equal(run("\xac", 1, &cpu, false, &b), 0); /* lodsb */
	assert_int_equal(gpr[RAX], 0xabcdef00 | (b.mem & 0xff));
}

static void fault_of_the_other_operand_changes_nothing(void **state)
{
	struct bus b = {.mem = 7, .fault = -E_RANGE};
	uint64_t gpr[16] = {[RCX] = 3, [RDI] = 8, [RSI] = 16}, before[16];
	struct emulate_cpu cpu = {.gpr = gpr, .rflags = 2};

	memcpy(before, gpr, sizeof(gpr));
	assert_int_equal(run("\xf3\xa4", 2, &cpu, true, &b), -E_RANGE);
	assert_int_equal(run("\xf3\xa4", 2, &cpu, false, &b), -E_RANGE);
	assert_memory_equal(before, gpr, sizeof(gpr));
	assert_int_equal(b.mem, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(agrees_with_processor),
	    cmocka_unit_test(reads_only_write_nothing),
	    cmocka_unit_test(bit_offset_is_taken_inside_the_operand),
	    cmocka_unit_test(string_instructions_step),
	    cmocka_unit_test(fault_of_the_other_operand_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
