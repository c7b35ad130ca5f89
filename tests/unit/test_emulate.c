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
	X("movb $0x12, (%%rdi)", "\xc6\x07\x12")                                                   \
	X("movbe (%%rdi), %%ecx", "\x0f\x38\xf0\x0f")                                              \
	X("movbe %%rcx, (%%rdi)", "\x48\x0f\x38\xf1\x0f")                                          \
	X("setne (%%rdi)", "\x0f\x95\x07")                                                         \
	X("setg (%%rdi)", "\x0f\x9f\x07")                                                          \
	X("setbe (%%rdi)", "\x0f\x96\x07")                                                         \
	X("setp (%%rdi)", "\x0f\x9a\x07")                                                          \
	X("setl (%%rdi)", "\x0f\x9c\x07")                                                          \
	X("seto (%%rdi)", "\x0f\x90\x07")                                                          \
	X("cmovsl (%%rdi), %%ecx", "\x0f\x48\x0f")                                                 \
	X("cmovaeq (%%rdi), %%rcx", "\x48\x0f\x43\x0f")                                            \
	X("cmovnew (%%rdi), %%cx", "\x66\x0f\x45\x0f")                                             \
	X("imull (%%rdi), %%ecx", "\x0f\xaf\x0f")                                                  \
	X("imulq $1000, (%%rdi), %%rcx", "\x48\x69\x0f\xe8\x03\x00\x00")                           \
	X("imulw $-3, (%%rdi), %%cx", "\x66\x6b\x0f\xfd")                                          \
	X("shll $1, (%%rdi)", "\xd1\x27")                                                          \
	X("shlw $15, (%%rdi)", "\x66\xc1\x27\x0f")                                                 \
	X("shrq %%cl, (%%rdi)", "\x48\xd3\x2f")                                                    \
	X("shrb $9, (%%rdi)", "\xc0\x2f\x09")                                                      \
	X("sarl %%cl, (%%rdi)", "\xd3\x3f")                                                        \
	X("sarb $1, (%%rdi)", "\xd0\x3f")                                                          \
	X("roll $4, (%%rdi)", "\xc1\x07\x04")                                                      \
	X("rolb %%cl, (%%rdi)", "\xd2\x07")                                                        \
	X("rorw $1, (%%rdi)", "\x66\xd1\x0f")                                                      \
	X("rorq %%cl, (%%rdi)", "\x48\xd3\x0f")

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
			/* SF, ZF, PF are undefined after IMUL; OF, AF and CF after long shifts */
			if (strstr(text, "imul"))
				mask = 0x801;
			if (!strncmp(text, "sh", 2) || !strncmp(text, "sa", 2))
				mask &= strstr(text, "$1,") ? ~0x10ull : ~0x811ull;
			if (!strncmp(text, "ro", 2))
				mask = strstr(text, "$1,") ? ARITH : ARITH & ~0x800ull;
			if (strstr(text, "mov") || !strncmp(text, "set", 3) ||
			    strstr(text, "xchgl") || strstr(text, "not"))
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

static void strings_are_compared(void **state)
{
	struct bus b = {.mem = 0x42};
	uint64_t gpr[16] = {[RCX] = 5, [RDI] = 0x1000, [RSI] = 8, [RAX] = 0x43};
	struct emulate_cpu cpu = {.gpr = gpr, .rflags = 2};

	assert_int_equal(run("\xf2\xae", 2, &cpu, false, &b), EMULATE_REPEAT); /* repne scasb */
	assert_int_equal(gpr[RCX], 4);
	assert_int_equal(gpr[RDI], 0x1001);
	b.mem = 0x43; /* found: it ends */
	assert_int_equal(run("\xf2\xae", 2, &cpu, false, &b), 0);
	assert_int_equal(gpr[RCX], 3);
	assert_true(cpu.rflags & 0x40);
	assert_int_equal(run("\xf3\xae", 2, &cpu, false, &b), EMULATE_REPEAT); /* while equal */
	gpr[RDI] = 16;
	b.ram[1] = b.ram[2] = 7;
	assert_int_equal(run("\xf3\xa7", 2, &cpu, false, &b), EMULATE_REPEAT); /* repe cmpsl */
	assert_int_equal(gpr[RSI], 12);
	assert_int_equal(gpr[RDI], 20);
	gpr[RDI] = 16;
	assert_int_equal(run("\xf3\xa7", 2, &cpu, false, &b), 0);
	assert_true(cpu.rflags & 1); /* 0 - 7 borrows */
	b.fault = -E_RANGE;
	assert_int_equal(run("\xa6", 1, &cpu, false, &b), -E_RANGE);
}

static void stack_instructions(void **state)
{
	struct bus b = {.mem = 0x1122334455667788};
	uint64_t gpr[16] = {[RSP] = 64};
	struct emulate_cpu cpu = {.gpr = gpr, .rflags = 2};

	assert_int_equal(run("\xff\x37", 2, &cpu, false, &b), 0); /* pushq (%rdi) */
	assert_int_equal(gpr[RSP], 56);
	assert_int_equal(b.ram[7], 0x1122334455667788);
	b.mem = 0;
	assert_int_equal(run("\x8f\x07", 2, &cpu, true, &b), 0); /* popq (%rdi) */
	assert_int_equal(gpr[RSP], 64);
	assert_int_equal(b.mem, 0x1122334455667788);
	b.fault = -E_RANGE;
	assert_int_equal(run("\xff\x37", 2, &cpu, false, &b), -E_RANGE);
	assert_int_equal(run("\x8f\x07", 2, &cpu, true, &b), -E_RANGE);
	assert_int_equal(gpr[RSP], 64);
}

/* Where an operand is, against the processor's own LEA. */
#define FORMS(X)                                                                                   \
	X("(%%rdi)", "\x8b\x07")                                                                   \
	X("0x7f(%%rdi)", "\x8b\x47\x7f")                                                           \
	X("-0x80(%%rdi)", "\x8b\x47\x80")                                                          \
	X("0x12345678(%%rdi)", "\x8b\x87\x78\x56\x34\x12")                                         \
	X("-0x12345678(%%rsi)", "\x8b\x86\x88\xa9\xcb\xed")                                        \
	X("(%%rdi,%%rcx,8)", "\x8b\x04\xcf")                                                       \
	X("4(%%rdi,%%rcx,4)", "\x8b\x44\x8f\x04")                                                  \
	X("(,%%rcx,2)", "\x8b\x04\x4d\x00\x00\x00\x00")                                            \
	X("(%%r12)", "\x41\x8b\x04\x24")                                                           \
	X("(%%r13)", "\x41\x8b\x45\x00")                                                           \
	X("(%%r13,%%r12,8)", "\x43\x8b\x44\xe5\x00")                                               \
	X("0x100(%%r9,%%rsi)", "\x41\x8b\x84\x31\x00\x01\x00\x00")                                 \
	X("(%%edi)", "\x67\x8b\x07")                                                               \
	X("8(%%esi,%%ecx,4)", "\x67\x8b\x44\x8e\x08")                                              \
	X("0x11223344", "\x8b\x04\x25\x44\x33\x22\x11")

static void addresses_are_those_of_lea(void **state)
{
	uint64_t gpr[16] = {[RDI] = 0x123456789abcdef0, [RSI] = 0xfedcba9876543210,
			    [RCX] = 0x1111111122222222, [R9] = 0x9999,
			    [R12] = 0xcccccccc0,	[R13] = 0xddddddddd};
	struct emulate_cpu cpu = {.gpr = gpr, .rflags = 2};
	struct mmio_insn in;
	uint64_t ea;

#define FORM(text, code)                                                                           \
	asm volatile("mov %[r9], %%r9; mov %[r12], %%r12; mov %[r13], %%r13; leaq " text ", %[ea]" \
		     : [ea] "=r"(ea)                                                               \
		     : "D"(gpr[RDI]), "S"(gpr[RSI]),                                               \
		       "c"(gpr[RCX]), [r9] "m"(gpr[R9]), [r12] "m"(gpr[R12]), [r13] "m"(gpr[R13])  \
		     : "r9", "r12", "r13");                                                        \
	assert_int_equal(decode_mmio((const uint8_t *)code, sizeof(code) - 1, CPU_MODE_64, &in),   \
			 0);                                                                       \
	if (emulate_address(&in, &cpu, 0x1000, false) != ea)                                       \
		fail_msg("%s: %llx, should be %llx", text,                                         \
			 (long long)emulate_address(&in, &cpu, 0x1000, false), (long long)ea);
	FORMS(FORM)
	/* RIP-relative; a segment; SS for RSP; 16-bit forms; a far bit; strings */
	assert_int_equal(
	    decode_mmio((const uint8_t *)"\x8b\x05\x10\x00\x00\x00", 6, CPU_MODE_64, &in), 0);
	assert_int_equal(emulate_address(&in, &cpu, 0x1000, false), 0x1016);
	cpu.seg_base[SEG_FS] = 0x100;
	cpu.seg_base[SEG_SS] = 0x200;
	cpu.seg_base[SEG_ES] = 0x400;
	gpr[RCX] = 5;
	assert_int_equal(decode_mmio((const uint8_t *)"\x64\x8b\x01", 3, CPU_MODE_64, &in), 0);
	assert_int_equal(emulate_address(&in, &cpu, 0, false), 0x105);
	gpr[RBP] = 0x10;
	assert_int_equal(decode_mmio((const uint8_t *)"\x8b\x45\x02", 3, CPU_MODE_32, &in), 0);
	assert_int_equal(emulate_address(&in, &cpu, 0, false), 0x212);
	gpr[RBX] = 0x2fff0;
	gpr[RSI] = 0x20;
	assert_int_equal(decode_mmio((const uint8_t *)"\x8b\x00", 2, CPU_MODE_16, &in), 0);
	assert_int_equal(emulate_address(&in, &cpu, 0, false), 0x10); /* (%bx,%si) wraps */
	assert_int_equal(decode_mmio((const uint8_t *)"\x8b\x02", 2, CPU_MODE_16, &in), 0);
	assert_int_equal(emulate_address(&in, &cpu, 0, false), 0x230); /* (%bp,%si): SS */
	gpr[RDI] = 0x1000;
	gpr[RCX] = -(uint64_t)33;
	assert_int_equal(decode_mmio((const uint8_t *)"\x0f\xa3\x0f", 3, CPU_MODE_64, &in), 0);
	assert_int_equal(emulate_address(&in, &cpu, 0, false), 0xff8); /* btl */
	assert_int_equal(decode_mmio((const uint8_t *)"\xa4", 1, CPU_MODE_64, &in), 0);
	assert_int_equal(emulate_address(&in, &cpu, 0, true), 0x1400);
	assert_int_equal(emulate_address(&in, &cpu, 0, false), 0x20);
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
	    cmocka_unit_test(strings_are_compared),
	    cmocka_unit_test(stack_instructions),
	    cmocka_unit_test(addresses_are_those_of_lea),
	    cmocka_unit_test(fault_of_the_other_operand_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
