/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hardware task switches (SDM vol. 3, "Task Management"), in 32-bit protected mode
 * without paging: by JMP, CALL, IRET, interrupt and exception; and those that fail.
 */
#include <stdbool.h>
#include <stdint.h>

#define COM1	 0x3f8
#define CODE	 0x08
#define DATA	 0x10
#define MAIN_TSS 0x18
#define TASK_TSS 0x20
#define GATE	 0x28
#define CONFORM	 0x30 /* conforming code */
#define ABSENT	 0x38 /* data, not present */
#define FAULTS	 0x40 /* TSS of the exceptions that a new task raises */
#define CODE16	 0x48
#define DATA16	 0x50
#define GDT_SIZE 11
#define REAL	 0x7000u
#define RESULTS	 0x7e00u
#define BUSY	 0x200u
#define NT	 0x4000u
#define TS	 10
#define NP	 11
#define SS	 12
#define GP	 13
#define DB	 1

struct tss {
	uint32_t link, esp0, ss0, esp1, ss1, esp2, ss2, cr3, eip, eflags;
	uint32_t eax, ecx, edx, ebx, esp, ebp, esi, edi;
	uint32_t es, cs, ss, ds, fs, gs, ldt;
	uint16_t t, io_map;
};
_Static_assert(sizeof(struct tss) == 104, "a 32-bit TSS");

struct regs32 {
	uint32_t edi, esi, ebp, esp, ebx, edx, ecx, eax, vector, error, eip, cs, eflags;
};

extern uint8_t stubs32[];
extern void task_body(void);
extern void fault_body(void);
extern uint8_t real_code[], real_code_end[];
void real_run(void);
void tasks_main(void);
void tasks_trap(struct regs32 *r);

volatile uint32_t task_seen[8];
volatile uint32_t task_back, task_takes;
/* Where the interrupted task is to go on, when its instruction must not run again. */
uint32_t *volatile task_resume;
volatile uint32_t task_resume_at;
volatile struct {
	uint32_t offset;
	uint16_t selector;
} task_back_pointer = {0, MAIN_TSS};

static uint32_t gdt[GDT_SIZE][2], idt[64][2];
struct tss fault_tss;
static struct tss main_tss, task_tss;
static uint32_t task_stack[256], fault_stack[256];
volatile int caught, fault_vector;
volatile uint32_t caught_error, caught_task;
static volatile uint32_t caught_dr6;
static volatile uint32_t resume32;
static unsigned failed, checks;

static inline void outb(uint16_t port, uint8_t v)
{
	__asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(port));
}

static inline uint8_t inb(uint16_t port)
{
	uint8_t v;

	__asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

static void print(const char *s)
{
	for (; *s; s++) {
		while (!(inb(COM1 + 5) & 0x20))
			;
		outb(COM1, (uint8_t)*s);
	}
}

static void print_hex(uint32_t v)
{
	char tmp[12];
	unsigned n = sizeof(tmp) - 1;

	tmp[n] = '\0';
	do {
		tmp[--n] = "0123456789abcdef"[v % 16];
		v /= 16;
	} while (v);
	print(tmp + n);
}

static void check(const char *what, uint32_t is, uint32_t should)
{
	checks++;
	print(is == should ? "PASS " : "FAIL ");
	print(what);
	if (is != should) {
		failed++;
		print(": is ");
		print_hex(is);
		print(", should be ");
		print_hex(should);
	}
	print("\n");
}

static uint32_t task_register(void)
{
	uint32_t v;

	__asm__ volatile("xor %0, %0; str %w0" : "=&r"(v));
	return v;
}

void tasks_trap(struct regs32 *r)
{
	uint32_t dr6;

	__asm__ volatile("mov %%dr6, %0" : "=r"(dr6));
	caught = (int)r->vector;
	caught_error = r->error;
	caught_dr6 = dr6;
	caught_task = task_register();
	if (r->vector == DB)
		return;
	if (!resume32) {
		print("FAIL exception ");
		print_hex(r->vector);
		print(" error ");
		print_hex(r->error);
		print(" at ");
		print_hex(r->eip);
		print("\nfaithful: ended early\n");
		for (;;)
			__asm__ volatile("cli; hlt");
	}
	r->eip = resume32;
	resume32 = 0;
}

/* ---- tables ---- */

static void describe(unsigned selector, uint32_t base, uint32_t limit, uint32_t access)
{
	gdt[selector / 8][0] = base << 16 | (limit & 0xffff);
	gdt[selector / 8][1] =
	    (base & 0xff000000) | (limit & 0xf0000) | access << 8 | (base >> 16 & 0xff);
}

static void gate(unsigned n, uint16_t selector, uint32_t offset, uint32_t type)
{
	idt[n][0] = (uint32_t)selector << 16 | (offset & 0xffff);
	idt[n][1] = (offset & 0xffff0000) | type << 8;
}

static void tss_fill(struct tss *t, void (*body)(void), uint32_t *stack)
{
	for (unsigned i = 0; i < sizeof(*t) / 4; i++)
		((volatile uint32_t *)t)[i] = 0;
	t->eip = (uint32_t)body;
	t->eflags = 2;
	t->eax = 0x12345678;
	t->esp = (uint32_t)stack;
	t->cs = CODE;
	t->ss = t->ds = t->es = DATA;
	t->io_map = 104;
}

static void task_reset(void)
{
	tss_fill(&task_tss, task_body, task_stack + 250);
	tss_fill(&fault_tss, fault_body, fault_stack + 250);
	describe(FAULTS, (uint32_t)&fault_tss, 103, 0x89);
	describe(TASK_TSS, (uint32_t)&task_tss, 103, 0x89);
	describe(MAIN_TSS, (uint32_t)&main_tss, 103, 0x8b);
	task_back = task_takes = 0;
	main_tss.t = 0;
	caught = -1;
}

static void tables_init(void)
{
	struct {
		uint16_t limit;
		uint32_t base;
	} __attribute__((packed)) g = {sizeof(gdt) - 1, (uint32_t)gdt},
				  i = {sizeof(idt) - 1, (uint32_t)idt};

	describe(CODE, 0, 0xfffff, 0xc09b);
	describe(DATA, 0, 0xfffff, 0xc093);
	describe(CONFORM, 0, 0xfffff, 0xc09f);
	describe(ABSENT, 0, 0xfffff, 0xc013);
	gdt[CODE / 8][1] |= 0x00c00000;
	gdt[DATA / 8][1] |= 0x00c00000;
	gdt[CONFORM / 8][1] |= 0x00c00000;
	gdt[ABSENT / 8][1] |= 0x00c00000;
	describe(CODE16, 0, 0xffff, 0x9b);
	describe(DATA16, 0, 0xffff, 0x93);
	gdt[GATE / 8][0] = TASK_TSS << 16;
	gdt[GATE / 8][1] = 0x8500;
	describe(MAIN_TSS, (uint32_t)&main_tss, 103, 0x89);
	for (unsigned n = 0; n < 32; n++)
		gate(n, CODE, (uint32_t)stubs32 + 16 * n, 0x8e);
	__asm__ volatile("lgdt %0; lidt %1" : : "m"(g), "m"(i));
	__asm__ volatile(
	    "ljmp %0, $1f\n1:\tmov %1, %%ds; mov %1, %%es; mov %1, %%ss; mov %1, %%fs; "
	    "mov %1, %%gs; ltr %w2"
	    :
	    : "i"(CODE), "r"(DATA), "r"(MAIN_TSS)
	    : "memory");
}

/* ---- switches ---- */

/* The main task's registers but EAX are what the TSS kept. */
#define SWITCH(code)                                                                               \
	__asm__ volatile("movl $9f, resume32\n\t" code "\n9:\tmovl $0, resume32"                   \
			 :                                                                         \
			 :                                                                         \
			 : "eax", "ebx", "ecx", "edx", "esi", "edi", "memory", "cc")

static void test_jmp(void)
{
	task_reset();
	task_back = 1;
	SWITCH("ljmp $0x20, $0");
	check("task: JMP, no exception", (uint32_t)caught, (uint32_t)-1);
	check("task: JMP, its EAX", task_seen[0], 0x12345678);
	check("task: JMP, its ESP", task_seen[2], (uint32_t)(task_stack + 250));
	check("task: JMP, NT is clear", task_seen[3] & NT, 0);
	check("task: JMP, CR0.TS is set", task_seen[4] & 8, 8);
	check("task: JMP, TR", task_seen[5], TASK_TSS);
	check("task: JMP, the one that was left is not busy", gdt[TASK_TSS / 8][1] & BUSY, 0);
	check("task: JMP, this one is", gdt[MAIN_TSS / 8][1] & BUSY, BUSY);
	check("task: JMP, TR is back", task_register(), MAIN_TSS);
	check("task: JMP, registers were kept", task_tss.ebx, 0x5555aaaa);
	check("task: JMP, no link", task_tss.link, 0);
}

static void test_call(void)
{
	task_reset();
	SWITCH("lcall $0x20, $0");
	check("task: CALL, no exception", (uint32_t)caught, (uint32_t)-1);
	check("task: CALL, NT is set", task_seen[3] & NT, NT);
	check("task: CALL, link", task_tss.link & 0xffff, MAIN_TSS);
	check("task: CALL, the caller stays busy", gdt[MAIN_TSS / 8][1] & BUSY, BUSY);
	check("task: IRET, the callee is not", gdt[TASK_TSS / 8][1] & BUSY, 0);
	check("task: IRET, NT is clear in what was kept", task_tss.eflags & NT, 0);
	check("task: IRET, TR", task_register(), MAIN_TSS);
	task_seen[0] = 0;
	SWITCH("lcall $0x28, $0");
	check("task: CALL by a gate", task_seen[5], TASK_TSS);
	check("task: CALL by a gate, no exception", (uint32_t)caught, (uint32_t)-1);
}

static void test_interrupts(void)
{
	task_reset();
	gate(40, TASK_TSS, 0, 0x85);
	SWITCH("int $40");
	check("task: INT", task_seen[5], TASK_TSS);
	check("task: INT, NT", task_seen[3] & NT, NT);
	check("task: INT, no exception", (uint32_t)caught, (uint32_t)-1);
	check("task: INT, went on behind", (uint32_t)task_tss.link & 0xffff, MAIN_TSS);
	/* a fault with an error code, which lies on the task's stack; it must go on elsewhere */
	task_reset();
	task_takes = 1;
	gate(GP, TASK_TSS, 0, 0x85);
	task_resume = &main_tss.eip;
	__asm__ volatile("movl $1f, task_resume_at; mov %0, %%fs; nop\n1:"
			 :
			 : "r"(0x1234)
			 : "memory");
	task_resume = 0;
	gate(GP, CODE, (uint32_t)stubs32 + 16 * GP, 0x8e);
	check("task: #GP, error code", task_seen[6], 0x1234);
	check("task: #GP, its stack", task_seen[2], (uint32_t)(task_stack + 249));
}

static void test_trap_bit(void)
{
	task_reset();
	task_tss.t = 1;
	task_back = 1;
	__asm__ volatile("mov %0, %%dr6" : : "r"(0xffff0ff0));
	SWITCH("ljmp $0x20, $0");
	check("task: T bit, #DB", (uint32_t)caught, DB);
	check("task: T bit, DR6.BT", caught_dr6 & 0x8000, 0x8000);
	check("task: T bit, in the new task", caught_task, TASK_TSS);
}

/* The switch that must not be: by JMP, with the exception in the task named. */
static void refused(const char *what, int vector, uint32_t error, uint32_t task)
{
	fault_vector = vector;
	if (task == TASK_TSS) /* it has no stack worth the name */
		gate((unsigned)vector, FAULTS, 0, 0x85);
	SWITCH("ljmp $0x20, $0");
	gate((unsigned)vector, CODE, (uint32_t)stubs32 + 16 * (unsigned)vector, 0x8e);
	check(what, (uint32_t)caught, (uint32_t)vector);
	check(what, caught_error, error);
	check(what, caught_task, task);
	task_reset();
}

static void test_refused(void)
{
	task_reset();
	describe(TASK_TSS, (uint32_t)&task_tss, 103, 0x8b);
	refused("task: busy", GP, TASK_TSS, MAIN_TSS);
	describe(TASK_TSS, (uint32_t)&task_tss, 103, 0x09);
	refused("task: not present", NP, TASK_TSS, MAIN_TSS);
	describe(TASK_TSS, (uint32_t)&task_tss, 102, 0x89);
	refused("task: too short", TS, TASK_TSS, MAIN_TSS);
	task_tss.cs = DATA;
	refused("task: its CS is data", TS, DATA, TASK_TSS);
	task_tss.ss = ABSENT;
	refused("task: its SS is absent", SS, ABSENT, TASK_TSS);
	task_tss.ss = 0;
	refused("task: its SS is null", TS, 0, TASK_TSS);
	task_tss.ds = ABSENT;
	refused("task: its DS is absent", NP, ABSENT, TASK_TSS);
	task_tss.ds = CODE;
	task_tss.ldt = DATA;
	refused("task: its LDT is none", TS, DATA, TASK_TSS);
	__asm__ volatile("pushf; orl $0x4000, (%%esp); popf" : : : "cc");
	main_tss.link = DATA;
	SWITCH("iretl");
	__asm__ volatile("pushf; andl $~0x4000, (%%esp); popf" : : : "cc");
	check("task: IRET to no task", (uint32_t)caught, TS);
	check("task: IRET to no task, error code", caught_error, DATA);
}

static uint32_t result(unsigned offset)
{
	return *(volatile uint16_t *)(RESULTS + offset);
}

static void test_real_mode(void)
{
	for (unsigned i = 0; i < (unsigned)(real_code_end - real_code); i++)
		((volatile uint8_t *)REAL)[i] = real_code[i];
	real_run();
	check("real mode: #GPs", result(0), 2);
	check("real mode: DI wraps", result(2), 0);
	check("real mode: INS at the end of the segment", result(4) & 0xff, 0x5a);
	check("real mode: no error code", result(12), 0x6f00);
	check("real mode: steps", result(6), 7);
	check("real mode: CPUID", result(8) >= 0xd, 1);
}

void tasks_main(void)
{
	tables_init();
	test_jmp();
	test_call();
	test_interrupts();
	test_trap_bit();
	test_refused();
	test_real_mode();
	print("faithful: 32-bit checks ");
	print_hex(checks);
	print(" failed ");
	print_hex(failed);
	print("\nfaithful: done\n");
}
