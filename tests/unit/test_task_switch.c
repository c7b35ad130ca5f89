/* SPDX-License-Identifier: BSD-2-Clause */
/* Task switches: what is written where, in which order it may fail, 16-bit TSSs. */
#include <string.h>

#include "tests/unit/fake_kernel.h"

#include "vmm/exits.h"
#include "vmm/task_switch.h"

#define GDT	  0x1000u
#define OLD_TSS	  0x2000u
#define NEW_TSS	  0x3000u
#define STACK	  0x8000u
#define CODE	  0x08
#define DATA	  0x10
#define OLD	  0x18
#define NEW	  0x20
#define USER_CODE 0x28
#define USER_DATA 0x30
#define NT	  0x4000u
#define VALID	  (1u << 31)

static struct vm vm;
static struct cpu_state cpu, shown; /* v->state; what the backend holds */
static struct vcpu v = {.vm = &vm, .state = &cpu};
static int vector;
static uint32_t error;
static uint64_t cr2, debug;
static unsigned loads;

/* ---- the backend ---- */

void hw_vcpu_get_state(struct hw_vcpu *h, struct cpu_state *out)
{
	*out = shown;
}

void hw_vcpu_set_state(struct hw_vcpu *h, const struct cpu_state *in)
{
	shown = *in;
	loads++;
}

void hw_vcpu_inject_exception(struct hw_vcpu *h, uint8_t n, bool has_error, uint32_t code)
{
	vector = n;
	error = code;
	assert_true(has_error);
}

void hw_vcpu_inject_debug(struct hw_vcpu *h, uint64_t causes)
{
	debug = causes;
}

void hw_vcpu_set_cr2(struct hw_vcpu *h, uint64_t value)
{
	cr2 = value;
}

void dirty_log_mark(struct vm *m, gfn_t gfn)
{
}

/* ---- memory ---- */

static void put32(uint32_t at, uint32_t value)
{
	assert_int_equal(guest_mem_write(&vm, at, &value, 4), 0);
}

static uint32_t get32(uint32_t at)
{
	uint32_t value = 0;

	assert_int_equal(guest_mem_read(&vm, at, &value, 4), 0);
	return value;
}

static void describe(unsigned selector, uint32_t base, uint32_t limit, uint32_t access)
{
	put32(GDT + selector, base << 16 | (limit & 0xffff));
	put32(GDT + selector + 4,
	      (base & 0xff000000) | (limit & 0xf0000) | access << 8 | (base >> 16 & 0xff));
}

static uint32_t type_of(unsigned selector)
{
	return get32(GDT + selector + 4) >> 8 & 0x1f;
}

static void tss32(unsigned offset, uint32_t value)
{
	put32(NEW_TSS + offset, value);
}

static int set_up(void **state)
{
	fake_kernel_reset();
	memset(&vm, 0, sizeof(vm));
	vm.cpuid.phys_bits = 40;
	assert_int_equal(guest_mem_create(&vm.mem, SIZE_2M), 0);
	describe(CODE, 0, 0xfffff, 0xc09b);
	describe(DATA, 0, 0xfffff, 0xc092); /* not accessed yet */
	describe(OLD, OLD_TSS, 0x67, 0x8b);
	describe(NEW, NEW_TSS, 0x67, 0x89);
	describe(USER_CODE, 0, 0xfffff, 0xc0fb);
	describe(USER_DATA, 0, 0xfffff, 0xc0f3);
	memset(&shown, 0, sizeof(shown));
	shown.cr0 = 1;
	shown.rip = 0x500;
	shown.rflags = 0x246;
	shown.dr7 = 0x455;
	shown.gdtr_base = GDT;
	shown.gdtr_limit = 0x3f;
	for (unsigned i = 0; i < 16; i++)
		shown.gpr[i] = 0x100 + i;
	for (unsigned i = SEG_ES; i <= SEG_GS; i++)
		shown.seg[i] =
		    (struct cpu_segment){.limit = 0xffffffff, .access = 0xc093, .selector = DATA};
	shown.seg[SEG_CS] =
	    (struct cpu_segment){.limit = 0xffffffff, .access = 0xc09b, .selector = CODE};
	shown.seg[SEG_LDTR].access = 0x10000;
	shown.seg[SEG_TR] =
	    (struct cpu_segment){.base = OLD_TSS, .limit = 0x67, .access = 0x8b, .selector = OLD};
	tss32(0x20, 0x600); /* EIP */
	tss32(0x24, 0x2);
	tss32(0x28, 0xaaaa);
	tss32(0x38, STACK);
	tss32(0x4c, CODE);
	for (unsigned at = 0x48; at <= 0x5c; at += 4)
		tss32(at, at == 0x4c ? CODE : DATA);
	vector = -1;
	error = 0;
	cr2 = debug = loads = 0;
	return 0;
}

static int tear_down(void **state)
{
	guest_mem_destroy(&vm.mem);
	return fake_alloc_live;
}

static void again(void)
{
	guest_mem_destroy(&vm.mem);
	set_up(NULL);
}

static void go(enum task_source source, uint16_t selector)
{
	struct vcpu_exit e = {.kind = VCPU_EXIT_TASK_SWITCH, .insn_len = 7};

	e.task.selector = selector;
	e.task.source = source;
	task_switch(&v, &e);
}

static void test_jmp(void **state)
{
	go(TASK_JMP, NEW);
	assert_int_equal(vector, -1);
	assert_int_equal(shown.rip, 0x600);
	assert_int_equal(shown.gpr[RAX], 0xaaaa);
	assert_int_equal(shown.gpr[RSP], STACK);
	assert_int_equal(shown.rflags, 2);
	assert_int_equal(shown.cr0, 9); /* TS */
	assert_int_equal(shown.dr7, 0x400);
	assert_int_equal(shown.seg[SEG_TR].selector, NEW);
	assert_int_equal(shown.seg[SEG_TR].access, 0x8b);
	assert_int_equal(shown.seg[SEG_DS].access, 0xc093);
	assert_int_equal(type_of(DATA), 0x13); /* accessed now */
	assert_int_equal(type_of(OLD), 9);
	assert_int_equal(type_of(NEW), 0xb);
	assert_int_equal(get32(OLD_TSS + 0x20), 0x507); /* behind the instruction */
	assert_int_equal(get32(OLD_TSS + 0x24), 0x246);
	assert_int_equal(get32(OLD_TSS + 0x28), 0x100);
	assert_int_equal(get32(OLD_TSS + 0x4c), CODE);
	assert_int_equal(get32(OLD_TSS + 0x60), 0); /* LDT and what is behind is not written */
	assert_int_equal(get32(NEW_TSS), 0);
}

static void test_call_and_back(void **state)
{
	go(TASK_CALL, NEW);
	assert_true(shown.rflags & NT);
	assert_int_equal(get32(NEW_TSS), OLD);
	assert_int_equal(type_of(OLD), 0xb);
	shown.blocking = CPU_BLOCKING_NMI;
	shown.rip = 0x700;
	go(TASK_IRET, OLD);
	assert_int_equal(vector, -1);
	assert_int_equal(shown.rip, 0x507);
	assert_int_equal(shown.gpr[RBX], 0x103);
	assert_int_equal(shown.blocking, 0);
	assert_int_equal(get32(NEW_TSS + 0x20), 0x707);
	assert_false(get32(NEW_TSS + 0x24) & NT);
	assert_int_equal(type_of(NEW), 9);
	assert_int_equal(type_of(OLD), 0xb);
}

/* Events through a gate: what was in delivery is delivered, its error code is on the stack. */
static void test_gate(void **state)
{
	shown.event_info = VALID | 3 << 8 | 1 << 11 | 13;
	shown.event_error = 0x1234;
	go(TASK_GATE, NEW);
	assert_int_equal(vector, -1);
	assert_int_equal(shown.event_info, 0);
	assert_int_equal(shown.gpr[RSP], STACK - 4);
	assert_int_equal(get32(STACK - 4), 0x1234);
	assert_int_equal(get32(OLD_TSS + 0x20), 0x500); /* a fault: at the instruction */
	assert_true(shown.rflags & NT);
}

static void test_gate_kinds(void **state)
{
	shown.event_info = VALID | 4 << 8 | 0x40; /* INT 40h is over */
	go(TASK_GATE, NEW);
	assert_int_equal(get32(OLD_TSS + 0x20), 0x507);
	assert_int_equal(shown.gpr[RSP], STACK);
	again();
	shown.event_info = VALID | 2 << 8 | 2; /* an NMI blocks the next */
	go(TASK_GATE, NEW);
	assert_int_equal(shown.blocking, CPU_BLOCKING_NMI);
	assert_int_equal(shown.event_info, 0);
}

static void unchanged(int want, uint32_t code)
{
	assert_int_equal(vector, want);
	assert_int_equal(error, code);
	assert_int_equal(loads, 0);
	assert_int_equal(get32(OLD_TSS + 0x20), 0);
	assert_int_equal(type_of(OLD), 0xb);
	vector = -1;
}

static void test_refused(void **state)
{
	describe(NEW, NEW_TSS, 0x67, 0x8b);
	go(TASK_JMP, NEW);
	unchanged(13, NEW);
	describe(NEW, NEW_TSS, 0x67, 0x89);
	go(TASK_IRET, NEW); /* not busy: nobody called from there */
	unchanged(10, NEW);
	describe(NEW, NEW_TSS, 0x67, 0x09);
	go(TASK_JMP, NEW);
	unchanged(11, NEW);
	describe(NEW, NEW_TSS, 0x66, 0x89);
	go(TASK_JMP, NEW);
	unchanged(10, NEW);
	go(TASK_JMP, 0x40); /* beyond the table */
	unchanged(13, 0x40);
	go(TASK_JMP, CODE);
	unchanged(13, CODE);
	shown.event_info = VALID | 0x30;
	go(TASK_GATE, 0x40); /* an interrupt's: EXT */
	unchanged(13, 0x41);
}

/* With paging: a table that is not there faults before anything is written. */
static void test_page_fault(void **state)
{
	put32(0x9000, 0xa007);
	for (unsigned i = 0; i < 16; i++)
		put32(0xa000 + 4 * i, i << 12 | 7);
	put32(0xa000 + 4 * 3, 0);
	shown.cr0 |= 1ul << 31;
	shown.cr3 = 0x9000;
	go(TASK_JMP, NEW);
	unchanged(14, 0);
	assert_int_equal(cr2, NEW_TSS);
	put32(0xa000 + 4 * 3, 3 << 12 | 7);
	put32(0xa000 + 4 * 2, 2 << 12 | 5); /* the old TSS is read-only */
	shown.cr0 |= 1ul << 16;
	go(TASK_JMP, NEW);
	unchanged(14, 3);
	put32(0xa000 + 4 * 2, 2 << 12 | 7);
	tss32(0x1c, 0x9000);
	go(TASK_JMP, NEW);
	assert_int_equal(vector, -1);
	assert_int_equal(shown.cr3, 0x9000);
}

/* After the switch faults are the new task's, and its CS and SS fit together. */
static void test_new_task_faults(void **state)
{
	tss32(0x50, DATA | 3);
	go(TASK_JMP, NEW);
	assert_int_equal(vector, 10);
	assert_int_equal(error, DATA);
	assert_int_equal(shown.seg[SEG_TR].selector, NEW);
	assert_int_equal(shown.seg[SEG_SS].selector, DATA | 3);
	again();
	tss32(0x4c, USER_CODE | 3); /* ring 3 code on a ring 0 stack */
	go(TASK_JMP, NEW);
	assert_int_equal(vector, 10);
	assert_int_equal(shown.seg[SEG_CS].selector, USER_CODE | 3);
	assert_int_equal(shown.seg[SEG_CS].access >> 5 & 3, 0);
	again();
	tss32(0x4c, USER_CODE | 3);
	tss32(0x50, USER_DATA | 3);
	go(TASK_JMP, NEW);
	assert_int_equal(vector, 10); /* DS is of ring 0 */
	assert_int_equal(shown.seg[SEG_SS].access, 0xc0f3);
	again();
	tss32(0x54, 0); /* a null DS is none */
	go(TASK_JMP, NEW);
	assert_int_equal(vector, -1);
	assert_true(shown.seg[SEG_DS].access & 0x10000);
	again();
	tss32(0x64, 1); /* T */
	go(TASK_JMP, NEW);
	assert_int_equal(debug, 0x8000);
}

static void test_virtual_8086(void **state)
{
	tss32(0x24, 0x20202);
	tss32(0x4c, 0x1234);
	go(TASK_JMP, NEW);
	assert_int_equal(vector, -1);
	assert_int_equal(shown.seg[SEG_CS].base, 0x12340);
	assert_int_equal(shown.seg[SEG_CS].access, 0xf3);
	assert_int_equal(shown.seg[SEG_GS].limit, 0xffff);
}

static void test_16_bit(void **state)
{
	const uint16_t image[22] = {0, 0, 0,	  0, 0, 0, 0,	 0x600, 2,    0xaaaa, 1,
				    2, 3, 0x7000, 5, 6, 7, DATA, CODE,	DATA, DATA,   0};

	describe(NEW, NEW_TSS, 0x2b, 0x81);
	assert_int_equal(guest_mem_write(&vm, NEW_TSS, image, sizeof(image)), 0);
	shown.event_info = VALID | 3 << 8 | 1 << 11 | 13;
	shown.event_error = 0x18;
	go(TASK_GATE, NEW);
	assert_int_equal(vector, -1);
	assert_int_equal(shown.rip, 0x600);
	assert_int_equal(shown.gpr[RAX], 0xaaaa);
	assert_int_equal(shown.gpr[RSP], 0x6ffe);
	assert_int_equal(get32(0x6ffe) & 0xffff, 0x18);
	assert_true(shown.seg[SEG_FS].access & 0x10000);
	assert_int_equal(shown.seg[SEG_TR].access, 0x83);
	assert_int_equal(get32(NEW_TSS) & 0xffff, OLD);
	/* and back, its registers into 16 bits each */
	shown.gpr[RAX] = 0x12345678;
	go(TASK_IRET, OLD);
	assert_int_equal(vector, -1);
	assert_int_equal(get32(NEW_TSS + 0x12) & 0xffff, 0x5678);
	assert_int_equal(shown.rip, 0x500);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_jmp),
	    TEST(test_call_and_back),
	    TEST(test_gate),
	    TEST(test_gate_kinds),
	    TEST(test_refused),
	    TEST(test_page_fault),
	    TEST(test_new_task_faults),
	    TEST(test_virtual_8086),
	    TEST(test_16_bit),
	};

	return cmocka_run_group_tests_name("task_switch", tests, NULL, NULL);
}
